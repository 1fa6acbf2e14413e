// SPDX-License-Identifier: BSD-2-Clause
#include "probe/net_peer.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

static void reads_peers(void **state)
{
	static const struct {
		const char *text, *name;
		uint8_t address[16];
		uint16_t port;
	} cases[] = {
		{ "node-2=10.0.0.2", "node-2", { [10] = 255, 255, 10, 0, 0, 2 }, 0 },
		{ "n=10.0.0.2:7000", "n", { [10] = 255, 255, 10, 0, 0, 2 }, 7000 },
		{ "n=fd00::2", "n", { 0xfd, [15] = 2 }, 0 },
		{ "n=[fd00::2]", "n", { 0xfd, [15] = 2 }, 0 },
		{ "n=[fd00::2]:65535", "n", { 0xfd, [15] = 2 }, 65535 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct net_peer peer;
		struct err err = {};

		assert_int_equal(net_peer_parse("--peer", cases[i].text, &peer, &err), 0);
		assert_string_equal(peer.name, cases[i].name);
		assert_memory_equal(peer.address, cases[i].address, 16);
		assert_int_equal(peer.port, cases[i].port);
		free((char *)peer.name);
	}
}

static void says_what_is_wrong(void **state)
{
	static const char *const cases[][2] = {
		{ "10.0.0.2", "there is no =" },
		{ "=10.0.0.2", "the name is empty" },
		{ "total=10.0.0.2", "is reserved: a query makes sums, not a label" },
		{ "other=10.0.0.2", "other is the name of all that have none" },
		{ "n=10.0.0.2:0", "the port is no number from 1 to 65535" },
		{ "n=10.0.0.2:65536", "the port is no number from 1 to 65535" },
		{ "n=10.0.0.2:-1", "the port is no number from 1 to 65535" },
		{ "n=[fd00::2]:", "the port is no number from 1 to 65535" },
		{ "n=host:80",
		  "the address is neither IPv4 nor IPv6 (host names are not looked up)" },
		{ "n=", "the address is neither IPv4 nor IPv6 (host names are not looked up)" },
		{ "n=[fd00::2",
		  "the address is neither IPv4 nor IPv6 (host names are not looked up)" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_free_ char *want =
			mem_printf("--peer takes NAME=ADDRESS or NAME=ADDRESS:PORT, not \"%s\": %s",
				   cases[i][0], cases[i][1]);
		struct net_peer peer = {};
		struct err err = {};

		assert_int_equal(net_peer_parse("--peer", cases[i][0], &peer, &err), -EINVAL);
		assert_string_equal(err.text, want);
		assert_null(peer.name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_peers),
		cmocka_unit_test(says_what_is_wrong),
	};

	return cmocka_run_group_tests_name("probe/net_peer", tests, NULL, NULL);
}
