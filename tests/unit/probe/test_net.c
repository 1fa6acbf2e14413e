// SPDX-License-Identifier: BSD-2-Clause
/* Rows, where the programs may be loaded; counting is tested end to end by
 * tests/e2e/50-net.py. */
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

static struct profile_metric metrics[] = {
	{ .name = (char *)"rtt_seconds",
	  .type = PROFILE_HISTOGRAM,
	  .fact = &facts[FACT_RTT],
	  .bounds = { 0.5, 1 },
	  .n_bounds = 2 },
};
static const struct profile profile = { .metrics = metrics, .n_metrics = 1 };
static const struct net_peer peers[] = { { .name = "a", .address = { 1 } },
					 { .name = "b", .address = { 1 }, .port = 80 } };

static int load(struct net **net)
{
	struct err err = {};
	int r = net_open(&profile, peers, ARRAY_SIZE(peers), 2, net, &err);

	if (r) { /* without the right, one sentence */
		assert_int_equal(err.code, r);
		assert_null(strchr(err.text, '\n'));
	}
	return r;
}

static void says_what_is_heard(void **state)
{
	_cleanup_(net_closep) struct net *net = NULL;
	struct net_row rows[NET_ROWS_MAX];
	struct net_view view;
	unsigned hooks = 0;

	(void)state;
	if (load(&net))
		skip();
	assert_int_equal(net_rows(net, rows, 1), 1);
	assert_int_equal(net_rows(net, rows, NET_ROWS_MAX), NET_HOOKS);
	for (size_t i = 0; i < NET_HOOKS; i++) {
		bool heard = rows[i].wanted && !rows[i].reason;
		struct stats stats;

		assert_non_null(rows[i].name);
		assert_non_null(rows[i].since);
		assert_non_null(rows[i].what);
		hooks |= heard ? 1u << i : 0;
		assert_true(!rows[i].waits || rows[i].reason);
		assert_int_equal(net_stats(net, i, &stats), heard ? 0 : -ENOENT);
	}
	/* round trip times ask for no alerts */
	assert_true(rows[NET_SEGMENT].wanted && !rows[NET_ALERT_SENT].wanted);
	assert_int_equal(net_attach_late(net), 0);
	net_look(net, &view);
	assert_int_equal(view.hooks, hooks);
	assert_int_equal(view.n_nodes, 2);
	assert_int_equal(view.n_peers, 2);
	/* the kernel's names begin above the two numbers that are no drops */
	assert_true(!view.n_reasons || (view.reasons[2] && !view.reasons[0]));
	net_view_free(&view);
}

/* Without any right. */
static void asks_the_kernel(void **state)
{
	_cleanup_(net_closep) struct net *net = NULL;
	struct net_row rows[NET_ROWS_MAX];
	struct err err = {};

	(void)state;
	if (net_ask(&profile, &net, &err) < 0) { /* no BTF here */
		assert_non_null(strstr(err.text, "types"));
		skip();
	}
	assert_int_equal(net_rows(net, rows, NET_ROWS_MAX), NET_HOOKS);
	for (size_t i = 0; i < NET_HOOKS; i++)
		assert_true(!rows[i].reason || strstr(rows[i].reason, rows[i].name));
	assert_true(rows[NET_STATE].wanted && !rows[NET_DROP].wanted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_what_is_heard),
		cmocka_unit_test(asks_the_kernel),
	};

	return cmocka_run_group_tests_name("probe/net", tests, NULL, NULL);
}
