// SPDX-License-Identifier: BSD-2-Clause
/* Metrics that the kernel feeds. */
#include "profile/build.h"
#include "profile/fact.h"

#include "expect.h"

#define HEAD "profile: t\nmetrics:\n"
#define COUNTER(name, rest) HEAD "  " name ":\n    type: counter\n    help: H\n" rest

static void reads_a_fact(void **state)
{
	struct profile *profile = parse_good(
		HEAD "  x_bytes_total:\n    type: counter\n    help: H\n    kernel: bytes\n"
		     "  rtt_seconds:\n    type: histogram\n    help: H\n    kernel: tcp_rtt\n"
		     "    buckets: [0.001, 0.1]\n    labels: [peer]\n"
		     "  sockets:\n    type: gauge\n    help: H\n    kernel: tcp_sockets\n"
		     "    labels: none\n");
	const struct profile_metric *m = profile->metrics;

	(void)state;
	assert_int_equal(profile->n_funcs, 0);
	assert_ptr_equal(m[0].fact, &facts[FACT_BYTES]);
	assert_int_equal(m[0].fact_labels, facts[FACT_BYTES].labels);
	assert_int_equal(m[0].n_sources, 0);
	assert_string_equal(m[0].unit, "bytes");
	assert_ptr_equal(m[1].fact, &facts[FACT_RTT]);
	assert_int_equal(m[1].fact_labels, 1u << FACT_LABEL_PEER);
	assert_int_equal(m[1].n_bounds, 2);
	assert_int_equal(m[2].fact_labels, 0);
	assert_false(profile_is_balance(&m[2]));
	assert_int_equal(m[2].stale_after, 0);
	profile_free(profile);
}

static void finds_what_is_wrong(void **state)
{
	static const struct fault_case cases[] = {
		{ COUNTER("x_bytes_total", "    kernel: byte\n"), 6, 13, "byte",
		  "the kernel has no fact \"byte\"; did you mean \"bytes\"?" },
		{ COUNTER("x_bytes_total", "    kernel: weather\n"), 6, 13, "weather",
		  "the kernel has no fact \"weather\"; there are: bytes, packets, tcp_retransmits, "
		  "tcp_retransmitted_bytes, tcp_connections, tcp_connect_failures, tcp_duration, "
		  "tcp_rtt, tcp_resets, tcp_sockets, socket_errors, drops, udp_queue_failures, "
		  "tcp_bad_checksums, ktls_handshakes, ktls_handshake_duration, ktls_alerts, ktls_offloads, "
		  "ktls_records, ktls_resyncs" },
		{ COUNTER("x_bytes_total", "    kernel: bytes\n    from: a::b\n"), 7, 5, "from",
		  "metric \"x_bytes_total\" cannot have \"from\" beside \"kernel\": no function "
		  "feeds it" },
		{ COUNTER("x_bytes_total", "    kernel: bytes\n    value: {arg: n}\n"), 7, 5,
		  "value",
		  "metric \"x_bytes_total\" cannot have \"value\" beside \"kernel\": no function "
		  "feeds it" },
		{ COUNTER("x_bytes_total", "    kernel: bytes\n    labels: [protocl]\n"), 7, 14,
		  "protocl",
		  "the kernel's \"bytes\" has no label \"protocl\"; did you mean \"protocol\"?" },
		{ COUNTER("x_bytes_total", "    kernel: bytes\n    labels: [state]\n"), 7, 14,
		  "state",
		  "the kernel's \"bytes\" has no label \"state\"; it has: direction, protocol, "
		  "peer" },
		{ HEAD "  x_seconds:\n    type: histogram\n    help: H\n"
		       "    kernel: ktls_handshake_duration\n    buckets: [1]\n"
		       "    labels: [role]\n",
		  8, 14, "role",
		  "the kernel's \"ktls_handshake_duration\" has no label \"role\"; it has none" },
		{ COUNTER("x_bytes_total", "    kernel: bytes\n    labels: [peer, peer]\n"), 7, 20,
		  "peer", "label \"peer\" of metric \"x_bytes_total\" stands twice" },
		{ COUNTER("x_total", "    kernel: bytes\n"), 3, 3, "x_total",
		  "metric \"x_total\" is in another unit than its name says: the kernel's "
		  "\"bytes\" is in bytes" },
		{ COUNTER("x_bytes_total", "    kernel: packets\n"), 3, 3, "x_bytes_total",
		  "metric \"x_bytes_total\" is in another unit than its name says: the kernel's "
		  "\"packets\" has none" },
		{ COUNTER("x_total", "    kernel: tcp_sockets\n"), 4, 11, "counter",
		  "the kernel's \"tcp_sockets\" is a gauge, not a counter" },
		{ HEAD "  x_seconds:\n    type: histogram\n    help: H\n    kernel: tcp_rtt\n", 3,
		  3, "x_seconds",
		  "metric \"x_seconds\" lacks the key \"buckets\": a histogram needs their bounds "
		  "in seconds" },
		{ HEAD "  x_seconds:\n    type: histogram\n    help: H\n    kernel: tcp_rtt\n"
		       "    buckets: [1]\n"
		       "  y_seconds:\n    type: histogram\n    help: H\n    kernel: tcp_rtt\n"
		       "    buckets: [2]\n",
		  11, 13, "tcp_rtt",
		  "the kernel's \"tcp_rtt\" is the histogram \"x_seconds\" of line 3 already; it "
		  "can have only one set of buckets" },
	};

	(void)state;
	expect_faults(cases, ARRAY_SIZE(cases));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_fact),
		cmocka_unit_test(finds_what_is_wrong),
	};

	return cmocka_run_group_tests_name("profile/kernel", tests, NULL, NULL);
}
