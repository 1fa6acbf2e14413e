// SPDX-License-Identifier: BSD-2-Clause
#include "serve/listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

static int listen_on(const char *host, uint16_t port, struct err *err)
{
	struct address address = { .port = port };

	strcpy(address.host, host);
	return listen_open(&address, err);
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in6 any;
	socklen_t len = sizeof(any);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&any, &len), 0);
	return ntohs(any.sin6_port); /* at the same place for both families */
}

/* Whether an IPv4 client on this host reaches the port. */
static bool reachable(uint16_t port)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	_close_ int fd = socket(AF_INET, SOCK_STREAM, 0);

	return !connect(fd, (struct sockaddr *)&to, sizeof(to));
}

static void test_loopback(void **state)
{
	_free_ char *name = NULL, *expected = NULL;
	struct err err = {};
	_close_ int fd = -1;

	(void)state;
	fd = listen_on("127.0.0.1", 0, &err);
	assert_true(fd >= 0);
	assert_true(reachable(port_of(fd)));
	name = listen_name(fd);
	expected = mem_printf("127.0.0.1:%u", port_of(fd));
	assert_string_equal(name, expected);
}

static void test_every_interface(void **state)
{
	struct err err = {};
	_close_ int fd = -1;

	(void)state;
	fd = listen_on("", 0, &err);
	assert_true(fd >= 0);
	assert_true(reachable(port_of(fd)));
}

static void test_ipv6(void **state)
{
	_free_ char *name = NULL;
	struct err err = {};
	_close_ int fd = -1;

	(void)state;
	fd = listen_on("::1", 0, &err);
	if (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL) {
		print_message("skipped: this host has no IPv6\n");
		skip();
	}
	assert_true(fd >= 0);
	name = listen_name(fd);
	assert_memory_equal(name, "[::1]:", 6);
	assert_false(reachable(port_of(fd)));
}

static void test_name(void **state)
{
	struct err err = {};
	_close_ int fd = -1;

	(void)state;
	fd = listen_on("localhost", 0, &err);
	assert_true(fd >= 0);
}

static void test_port_in_use(void **state)
{
	_free_ char *name = NULL;
	struct err err = {};
	_close_ int fd = -1;

	(void)state;
	fd = listen_on("127.0.0.1", 0, &err);
	assert_true(fd >= 0);
	assert_int_equal(listen_on("127.0.0.1", port_of(fd), &err), -EADDRINUSE);
	name = listen_name(fd);
	assert_non_null(strstr(err.text, "another program already listens on"));
	assert_non_null(strstr(err.text, name));
}

static void test_no_such_address(void **state)
{
	struct err err = {};

	(void)state;
	/* 192.0.2.0/24 is for documentation: no host has it. */
	assert_int_equal(listen_on("192.0.2.1", 9470, &err), -EADDRNOTAVAIL);
	assert_string_equal(err.text, "cannot listen on 192.0.2.1:9470: this host has no such "
				      "address");
	/* No name can have an empty part, so this asks no name server. */
	assert_true(listen_on("no..host", 9470, &err) < 0);
	assert_non_null(strstr(err.text, "cannot listen on host \"no..host\""));
}

/* Root steps down for this one: the effective user is what the kernel asks for. */
static void test_no_permission(void **state)
{
	struct err err = {};
	int fd;

	(void)state;
	if (!geteuid() && seteuid(65534) < 0)
		skip();
	fd = listen_on("127.0.0.1", 81, &err);
	if (!getuid())
		assert_int_equal(seteuid(0), 0);
	if (fd >= 0) {
		close(fd);
		print_message("skipped: everyone may listen on port 81 here\n");
		skip();
	}
	if (fd == -EADDRINUSE)
		skip();
	assert_int_equal(fd, -EACCES);
	assert_string_equal(err.text, "no permission to listen on 127.0.0.1:81: ports below 1024 "
				      "need root or CAP_NET_BIND_SERVICE");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loopback),      cmocka_unit_test(test_every_interface),
		cmocka_unit_test(test_ipv6),          cmocka_unit_test(test_name),
		cmocka_unit_test(test_port_in_use),   cmocka_unit_test(test_no_such_address),
		cmocka_unit_test(test_no_permission),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
