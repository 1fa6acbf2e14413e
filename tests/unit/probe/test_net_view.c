// SPDX-License-Identifier: BSD-2-Clause
/* Counters made by hand, and the series that come of them. */
#include "probe/net_view.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/strbuf.h"

#define ALL (unsigned)((1u << NET_HOOKS) - 1)
#define PEERS 3

static const struct net_peer peers[PEERS] = { { .name = "two" },
					      { .name = "three" },
					      { .name = "two", .port = 9 } };
static const char *const reasons[] = { NULL, NULL, "not_specified", "no_socket" };

static void write_series(const struct net_series *s, void *arg)
{
	struct strbuf *out = arg;

	for (size_t l = 0; l < FACT_LABELS; l++)
		if (s->label[l])
			strbuf_printf(out, "%s ", s->label[l]);
	strbuf_printf(out, "%d", (int)s->count);
	if (s->sum)
		strbuf_printf(out, "/%d", (int)s->sum);
	strbuf_putc(out, '\n');
}

/* Node 1 of two, seen through @hooks. */
static char *seen(struct net_view *view, enum fact_id fact, unsigned labels, unsigned hooks)
{
	struct profile_metric metric = {
		.fact = &facts[fact], .type = facts[fact].type, .fact_labels = labels, .n_bounds = 2
	};
	struct strbuf out = {};

	view->hooks = hooks;
	net_series(view, 1, &metric, write_series, &out);
	return strbuf_take(&out);
}

static uint64_t *at(struct net_view *view, unsigned node, unsigned peer)
{
	return view->cells + (node * (PEERS + 1) + peer) * ABI_NET_CELLS;
}

static struct net_view fresh(void)
{
	return (struct net_view){ .n_nodes = 2,
				  .peers = peers,
				  .n_peers = PEERS,
				  .cells = mem_array(2 * (PEERS + 1) * ABI_NET_CELLS,
						     sizeof(uint64_t)),
				  .reasons = reasons,
				  .n_reasons = ARRAY_SIZE(reasons) };
}

#define EXPECT(view, fact, labels, hooks, text)                      \
	do {                                                         \
		_free_ char *got_ = seen(view, fact, labels, hooks); \
		assert_string_equal(got_, text);                     \
	} while (0)

static void splits_by_what_is_asked(void **state)
{
	struct net_view view = fresh();

	(void)state;
	at(&view, 1, 0)[ABI_NET_TCP_SENT_BYTES] = 110; /* ten of them twice */
	at(&view, 1, 0)[ABI_NET_TCP_RETRANSMITTED_BYTES] = 10;
	at(&view, 1, 2)[ABI_NET_TCP_SENT_BYTES] = 7;
	at(&view, 1, 3)[ABI_NET_UDP_RECEIVED_BYTES] = 5;
	at(&view, 0, 0)[ABI_NET_TCP_SENT_BYTES] = 1000; /* of another node */
	EXPECT(&view, FACT_BYTES, 1u << FACT_LABEL_DIRECTION, ALL, "sent 107\nreceived 5\n");
	EXPECT(&view, FACT_BYTES, 1u << FACT_LABEL_PROTOCOL, ALL, "tcp 107\nudp 5\n");
	EXPECT(&view, FACT_BYTES, 1u << FACT_LABEL_PEER, ALL, "other 100\ntwo 5\nthree 7\n");
	EXPECT(&view, FACT_BYTES, 0, ALL, "112\n");
	EXPECT(&view, FACT_RETRANSMITTED_BYTES, 0, ALL, "10\n");
	view.n_peers = 0; /* the cells are then those of one peer after the other */
	EXPECT(&view, FACT_RTT, facts[FACT_RTT].labels, ALL, "0\n");
	net_view_free(&view);
}

static void no_zeros_of_what_is_not_heard(void **state)
{
	struct net_view view = fresh();
	unsigned no_udp = ALL & ~(1u << NET_SEND | 1u << NET_RECEIVE);
	struct profile_metric metric = { .fact = &facts[FACT_BYTES] };

	(void)state;
	EXPECT(&view, FACT_PACKETS, 1u << FACT_LABEL_DIRECTION | 1u << FACT_LABEL_PROTOCOL, no_udp,
	       "sent tcp 0\nreceived tcp 0\n");
	EXPECT(&view, FACT_RTT, 0, ALL & ~(1u << NET_SEGMENT), "");
	EXPECT(&view, FACT_SOCKETS, 0, ALL & ~(1u << NET_STATE), "");
	assert_int_equal(net_lacks(&metric, ALL), 0);
	assert_int_equal(net_lacks(&metric, no_udp), 1u << NET_SEND | 1u << NET_RECEIVE);
	for (size_t i = 0; i < FACTS; i++) {
		metric.fact = &facts[i];
		assert_true(net_lacks(&metric, 0));
	}
	net_view_free(&view);
}

static void names_errors_and_reasons(void **state)
{
	struct net_view view = fresh();
	struct net_named named[] = {
		{ { .node = 1, .what = ABI_NET_CONNECT_FAILURE, .code = ECONNREFUSED }, 3 },
		{ { .node = 1, .what = ABI_NET_CONNECT_FAILURE, .code = ECONNREFUSED, .peer = 2 },
		  4 },
		{ { .node = 1, .what = ABI_NET_CONNECT_FAILURE, .code = 0 }, 2 },
		{ { .node = 0, .what = ABI_NET_CONNECT_FAILURE, .code = ETIMEDOUT }, 9 },
		{ { .node = 1, .what = ABI_NET_DROP, .protocol = IPPROTO_UDP, .code = 3 }, 6 },
		{ { .node = 1, .what = ABI_NET_DROP, .protocol = IPPROTO_TCP, .code = 700 }, 1 },
	};

	(void)state;
	view.named = named;
	view.n_named = ARRAY_SIZE(named);
	EXPECT(&view, FACT_CONNECT_FAILURES, 1u << FACT_LABEL_ERROR, ALL,
	       "ECONNREFUSED 7\nclosed 2\n");
	EXPECT(&view, FACT_CONNECT_FAILURES, 1u << FACT_LABEL_PEER, ALL, "other 5\nthree 4\n");
	EXPECT(&view, FACT_DROPS, facts[FACT_DROPS].labels, ALL,
	       "udp no_socket 6\ntcp unknown 1\n");
	view.named = NULL;
	net_view_free(&view);
}

static void names_what_tls_does(void **state)
{
	struct net_view view = fresh();
	struct net_named named[] = {
		{ { .node = ABI_NET_HOST,
		    .what = ABI_NET_KTLS_HANDSHAKE,
		    .code = ABI_NET_PAIR(ABI_NET_CLIENT, 0) },
		  5 },
		{ { .node = ABI_NET_HOST,
		    .what = ABI_NET_KTLS_HANDSHAKE,
		    .code = ABI_NET_PAIR(ABI_NET_SERVER, EACCES) },
		  2 },
		{ { .node = ABI_NET_HOST,
		    .what = ABI_NET_KTLS_HANDSHAKE,
		    .code = ABI_NET_PAIR(ABI_NET_SERVER, ABI_NET_CANCELLED) },
		  3 },
		{ { .node = ABI_NET_HOST,
		    .what = ABI_NET_KTLS_ALERT,
		    .code = ABI_NET_PAIR(ABI_NET_IS_RECEIVED, 48) },
		  4 },
		{ { .node = 1,
		    .what = ABI_NET_KTLS_OFFLOAD,
		    .code = ABI_NET_PAIR(ABI_NET_IS_SENT, EOPNOTSUPP) },
		  6 },
		{ { .node = 1, .what = ABI_NET_KTLS_RECORD, .code = ABI_NET_MIXED }, 7 },
		{ { .node = 0, .what = ABI_NET_KTLS_RECORD, .code = ABI_NET_MIXED }, 8 },
		{ { .node = 1, .what = ABI_NET_KTLS_RESYNC, .code = ABI_NET_IS_RECEIVED }, 9 },
	};

	(void)state;
	view.named = named;
	view.n_named = ARRAY_SIZE(named);
	/* a node's number means nothing for what is the host's */
	EXPECT(&view, FACT_KTLS_HANDSHAKES, facts[FACT_KTLS_HANDSHAKES].labels, ALL,
	       "client ok 5\nserver EACCES 2\nserver cancelled 3\n");
	EXPECT(&view, FACT_KTLS_HANDSHAKES, 1u << FACT_LABEL_ROLE, ALL, "client 5\nserver 5\n");
	EXPECT(&view, FACT_KTLS_ALERTS, facts[FACT_KTLS_ALERTS].labels, ALL,
	       "received unknown_ca 4\n");
	EXPECT(&view, FACT_KTLS_OFFLOADS, facts[FACT_KTLS_OFFLOADS].labels, ALL,
	       "sent EOPNOTSUPP 6\n");
	EXPECT(&view, FACT_KTLS_RECORDS, facts[FACT_KTLS_RECORDS].labels, ALL, "mixed 7\n");
	EXPECT(&view, FACT_KTLS_RESYNCS, facts[FACT_KTLS_RESYNCS].labels, ALL, "received 9\n");
	view.self[ABI_NET_BAD_CHECKSUMS] = 12;
	EXPECT(&view, FACT_BAD_CHECKSUMS, 0, ALL, "12\n");
	EXPECT(&view, FACT_BAD_CHECKSUMS, 0, ALL & ~(1u << NET_BAD_CHECKSUM), "");
	view.handshakes[1] = 2;
	view.handshakes[ABI_NET_SUM] = 90;
	EXPECT(&view, FACT_KTLS_HANDSHAKE_DURATION, 0, ALL, "2/90\n");
	EXPECT(&view, FACT_KTLS_HANDSHAKE_DURATION, 0, ALL & ~(1u << NET_HANDSHAKE_END), "");
	view.named = NULL;
	net_view_free(&view);
}

static void wants_what_is_asked_for(void **state)
{
	struct profile_metric metrics[] = { { .fact = &facts[FACT_KTLS_ALERTS] },
					    { .fact = NULL },
					    { .fact = &facts[FACT_QUEUE_FAILURES] } };
	struct profile profile = { .metrics = metrics, .n_metrics = 2 };
	unsigned alerts = 1u << NET_ALERT_SENT | 1u << NET_ALERT_RECEIVED, wants;

	(void)state;
	assert_int_equal(net_wants(&profile), alerts);
	profile.n_metrics = 3; /* and whose sockets they are */
	wants = net_wants(&profile);
	assert_int_equal(wants & alerts, alerts);
	assert_true(wants >> NET_UDP_QUEUE & 1 && wants >> NET_SEND & 1 && wants >> NET_STATE & 1);
	assert_false(wants >> NET_DROP & 1 || wants >> NET_HANDSHAKE & 1);
}

static void adds_histograms_up(void **state)
{
	struct net_view view = fresh();
	uint64_t *rtt =
		at(&view, 1, 0) + ABI_NET_HISTOGRAMS_AT + ABI_NET_RTT * ABI_NET_HISTOGRAM_CELLS;

	(void)state;
	rtt[0] = 1;
	rtt[2] = 2;
	rtt[ABI_NET_SUM] = 44;
	view.states[1][1] = 5;
	view.states[1][10] = 2;
	EXPECT(&view, FACT_RTT, 0, ALL, "3/44\n");
	EXPECT(&view, FACT_DURATION, 0, ALL, "0\n");
	EXPECT(&view, FACT_SOCKETS, 0, ALL, "7\n");
	net_view_free(&view);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(splits_by_what_is_asked),
		cmocka_unit_test(no_zeros_of_what_is_not_heard),
		cmocka_unit_test(names_errors_and_reasons),
		cmocka_unit_test(names_what_tls_does),
		cmocka_unit_test(wants_what_is_asked_for),
		cmocka_unit_test(adds_histograms_up),
	};

	return cmocka_run_group_tests_name("probe/net_view", tests, NULL, NULL);
}
