// SPDX-License-Identifier: BSD-2-Clause
/* Nodes come and go in the programs' tables, where the programs may be loaded. */
#include "probe/net.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

static int load(struct net **net)
{
	static struct profile_metric metric = { .fact = &facts[FACT_BYTES] };
	static const struct profile profile = { .metrics = &metric, .n_metrics = 1 };
	struct err err = {};

	return net_open(&profile, NULL, 0, 2, net, &err);
}

static void forgets_nodes(void **state)
{
	struct socket_row rows[] = { { .cookie = ~0ull - 1, .protocol = 6, .state = 1 },
				     { .cookie = ~0ull - 2, .protocol = 6, .state = 10, .port = 1 },
				     { .cookie = ~0ull - 3, .protocol = 17 } };
	struct socket_list sockets = { .netns = 1, .at = rows, .n = ARRAY_SIZE(rows) };
	_cleanup_(net_closep) struct net *net = NULL;
	struct net_view view;
	struct err err = {};

	(void)state;
	if (load(&net))
		skip();
	/* far more than there are places, one after the other */
	for (pid_t tgid = 100000; tgid < 102000; tgid++)
		assert_int_equal(net_add_node(net, 0, tgid, &err), 0);
	net_adopt(net, 0, &sockets);
	net_adopt(net, 0, &sockets); /* those that are known already */
	net_look(net, &view);
	assert_int_equal(view.states[0][1], 1);
	assert_int_equal(view.states[0][10], 1);
	assert_int_equal(view.states[1][1], 0);
	net_view_free(&view);
	net_adopt_udp(net, 0, &sockets); /* leaves those of TCP as they are */
	net_look(net, &view);
	assert_int_equal(view.states[0][1], 1);
	net_view_free(&view);
	net_stop_node(net, 0);
	net_stop_node(net, 0);
	net_drop_node(net, 0);
	net_look(net, &view);
	assert_int_equal(view.states[0][1], 0);
	assert_int_equal(view.states[0][10], 0);
	net_view_free(&view);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forgets_nodes),
	};

	return cmocka_run_group_tests_name("probe/net_nodes", tests, NULL, NULL);
}
