// SPDX-License-Identifier: BSD-2-Clause
#include "metric/expose.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

static void expect(const struct metric_snapshot *snap, enum expose_format format, const char *text)
{
	_strbuf_ struct strbuf out = {};

	expose_write(snap, format, &out);
	assert_string_equal(out.text, text);
}

static struct metric_series *add(struct metric_snapshot *snap, const char *name,
				 enum metric_type type, const char *unit)
{
	return family_series(snapshot_family(snap, name, type, unit, "What it is."));
}

static void add_counter(struct metric_snapshot *snap)
{
	struct metric_series *series = add(snap, "mpc_votes_total", METRIC_COUNTER, "");

	series_label(series, "node", "1");
	series_label(series, "approve", "true");
	series->integral = true;
	series->count = UINT64_MAX;
	series->created = 1700000000.1234;
}

static const double bounds[] = { 0.005, 1, 2.5 };

static struct metric_series *add_histogram(struct metric_snapshot *snap)
{
	struct metric_series *series =
		add(snap, "mpc_sign_duration_seconds", METRIC_HISTOGRAM, "seconds");

	series->bounds = bounds;
	series->n_bounds = ARRAY_SIZE(bounds);
	series->buckets = mem_array(4, sizeof(*series->buckets));
	for (size_t i = 0; i < 4; i++)
		series->buckets[i] = i + 1;
	series->count = 10;
	series->value = 12.25;
	series->created = 1700000000;
	return series;
}

static void test_counter(void **state)
{
	_snapshot_ struct metric_snapshot snap = {};

	(void)state;
	add_counter(&snap);
	expect(&snap, EXPOSE_TEXT,
	       "# HELP mpc_votes_total What it is.\n"
	       "# TYPE mpc_votes_total counter\n"
	       "mpc_votes_total{node=\"1\",approve=\"true\"} 18446744073709551615\n");
	expect(&snap, EXPOSE_OPENMETRICS,
	       "# HELP mpc_votes What it is.\n"
	       "# TYPE mpc_votes counter\n"
	       "mpc_votes_total{node=\"1\",approve=\"true\"} 18446744073709551615\n"
	       "mpc_votes_created{node=\"1\",approve=\"true\"} 1700000000.123\n"
	       "# EOF\n");
}

static void test_histogram(void **state)
{
	_snapshot_ struct metric_snapshot snap = {};

	(void)state;
	series_label(add_histogram(&snap), "node", "1");
	expect(&snap, EXPOSE_TEXT,
	       "# HELP mpc_sign_duration_seconds What it is.\n"
	       "# TYPE mpc_sign_duration_seconds histogram\n"
	       "mpc_sign_duration_seconds_bucket{node=\"1\",le=\"0.005\"} 1\n"
	       "mpc_sign_duration_seconds_bucket{node=\"1\",le=\"1\"} 3\n"
	       "mpc_sign_duration_seconds_bucket{node=\"1\",le=\"2.5\"} 6\n"
	       "mpc_sign_duration_seconds_bucket{node=\"1\",le=\"+Inf\"} 10\n"
	       "mpc_sign_duration_seconds_sum{node=\"1\"} 12.25\n"
	       "mpc_sign_duration_seconds_count{node=\"1\"} 10\n");
	expect(&snap, EXPOSE_OPENMETRICS,
	       "# HELP mpc_sign_duration_seconds What it is.\n"
	       "# TYPE mpc_sign_duration_seconds histogram\n"
	       "# UNIT mpc_sign_duration_seconds seconds\n"
	       "mpc_sign_duration_seconds_bucket{node=\"1\",le=\"0.005\"} 1\n"
	       "mpc_sign_duration_seconds_bucket{node=\"1\",le=\"1.0\"} 3\n"
	       "mpc_sign_duration_seconds_bucket{node=\"1\",le=\"2.5\"} 6\n"
	       "mpc_sign_duration_seconds_bucket{node=\"1\",le=\"+Inf\"} 10\n"
	       "mpc_sign_duration_seconds_sum{node=\"1\"} 12.25\n"
	       "mpc_sign_duration_seconds_count{node=\"1\"} 10\n"
	       "mpc_sign_duration_seconds_created{node=\"1\"} 1700000000.000\n"
	       "# EOF\n");
}

/* Below 0, to the last of 64 bits, and in OpenMetrics without the time of its beginning. */
static void test_gauge(void **state)
{
	_snapshot_ struct metric_snapshot snap = {};
	struct metric_series *series = add(&snap, "pool_bytes", METRIC_GAUGE, "bytes");

	(void)state;
	series->integral = series->negative = true;
	series->count = 1ull << 63;
	series->created = 1700000000;
	expect(&snap, EXPOSE_TEXT,
	       "# HELP pool_bytes What it is.\n"
	       "# TYPE pool_bytes gauge\n"
	       "pool_bytes -9223372036854775808\n");
	expect(&snap, EXPOSE_OPENMETRICS,
	       "# HELP pool_bytes What it is.\n"
	       "# TYPE pool_bytes gauge\n"
	       "# UNIT pool_bytes bytes\n"
	       "pool_bytes -9223372036854775808\n"
	       "# EOF\n");
}

/* Whole numbers stay whole, beyond what a double holds. */
static void test_histogram_of_numbers(void **state)
{
	_snapshot_ struct metric_snapshot snap = {};
	struct metric_series *series = add(&snap, "items", METRIC_HISTOGRAM, "");

	(void)state;
	series->buckets = mem_array(1, sizeof(*series->buckets));
	series->buckets[0] = 2;
	series->integral = true;
	series->sum = UINT64_MAX;
	expect(&snap, EXPOSE_TEXT,
	       "# HELP items What it is.\n"
	       "# TYPE items histogram\n"
	       "items_bucket{le=\"+Inf\"} 2\n"
	       "items_sum 18446744073709551615\n"
	       "items_count 2\n");
}

/* A reader refuses a histogram whose +Inf bucket and count differ. */
static void test_histogram_agrees_with_itself(void **state)
{
	_snapshot_ struct metric_snapshot snap = {};
	struct metric_series *series;

	(void)state;
	series = add(&snap, "h", METRIC_HISTOGRAM, "");
	series->count = 7; /* no buckets at all */
	series->value = 1e-7;
	series = family_series(snapshot_family(&snap, "h", METRIC_HISTOGRAM, "", ""));
	series_label(series, "a", "b");
	series->buckets = mem_array(1, sizeof(*series->buckets));
	series->buckets[0] = 5;
	series->count = 6; /* wrong */
	series->value = NAN;
	expect(&snap, EXPOSE_TEXT,
	       "# HELP h What it is.\n"
	       "# TYPE h histogram\n"
	       "h_bucket{le=\"+Inf\"} 7\n"
	       "h_sum 1e-07\n"
	       "h_count 7\n"
	       "h_bucket{a=\"b\",le=\"+Inf\"} 5\n"
	       "h_sum{a=\"b\"} NaN\n"
	       "h_count{a=\"b\"} 5\n");
}

static void test_gauge_and_info(void **state)
{
	_snapshot_ struct metric_snapshot snap = {};
	struct metric_series *series;

	(void)state;
	add(&snap, "up_bytes", METRIC_GAUGE, "bytes")->value = -INFINITY;
	series = add(&snap, "agent_build_info", METRIC_INFO, "");
	series_label(series, "version", "1.0");
	expect(&snap, EXPOSE_TEXT,
	       "# HELP up_bytes What it is.\n"
	       "# TYPE up_bytes gauge\n"
	       "up_bytes -Inf\n"
	       "# HELP agent_build_info What it is.\n"
	       "# TYPE agent_build_info gauge\n"
	       "agent_build_info{version=\"1.0\"} 1\n");
	expect(&snap, EXPOSE_OPENMETRICS,
	       "# HELP up_bytes What it is.\n"
	       "# TYPE up_bytes gauge\n"
	       "# UNIT up_bytes bytes\n"
	       "up_bytes -Inf\n"
	       "# HELP agent_build What it is.\n"
	       "# TYPE agent_build info\n"
	       "agent_build_info{version=\"1.0\"} 1\n"
	       "# EOF\n");
}

/* UNIT is said only where the name ends in it, whole. */
static void test_unit_is_a_suffix(void **state)
{
	static const char *const names[] = { "milliseconds", "seconds", "seconds_old", "x" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_snapshot_ struct metric_snapshot snap = {};
		_strbuf_ struct strbuf out = {};

		add(&snap, names[i], METRIC_GAUGE, "seconds");
		expose_write(&snap, EXPOSE_OPENMETRICS, &out);
		assert_null(strstr(out.text, "# UNIT"));
	}
}

static void test_escaping(void **state)
{
	_snapshot_ struct metric_snapshot snap = {};
	struct metric_family *family;

	(void)state;
	family = snapshot_family(&snap, "g", METRIC_GAUGE, "", "Say \"a\\b\"\nnext \xff");
	series_label(family_series(family), "l", "C:\\ \"x\"\nü\xc3(");
	expect(&snap, EXPOSE_TEXT,
	       "# HELP g Say \"a\\\\b\"\\nnext \xef\xbf\xbd\n"
	       "# TYPE g gauge\n"
	       "g{l=\"C:\\\\ \\\"x\\\"\\nü\xef\xbf\xbd(\"} 0\n");
	expect(&snap, EXPOSE_OPENMETRICS,
	       "# HELP g Say \\\"a\\\\b\\\"\\nnext \xef\xbf\xbd\n"
	       "# TYPE g gauge\n"
	       "g{l=\"C:\\\\ \\\"x\\\"\\nü\xef\xbf\xbd(\"} 0\n"
	       "# EOF\n");
}

static void test_empty(void **state)
{
	_snapshot_ struct metric_snapshot snap = {};
	_strbuf_ struct strbuf out = {};

	(void)state;
	expose_write(&snap, EXPOSE_TEXT, &out);
	assert_int_equal(out.len, 0);
	expect(&snap, EXPOSE_OPENMETRICS, "# EOF\n");
	snapshot_family(&snap, "declared_total", METRIC_COUNTER, "", "Help.");
	expect(&snap, EXPOSE_TEXT, "# HELP declared_total Help.\n# TYPE declared_total counter\n");
}

static void test_negotiation(void **state)
{
	static const struct {
		const char *accept;
		enum expose_format format;
	} cases[] = {
		/* Prometheus 2.42 */
		{ "application/openmetrics-text;version=1.0.0,"
		  "application/openmetrics-text;version=0.0.1;q=0.75,"
		  "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		  EXPOSE_OPENMETRICS },
		/* Prometheus 3.5, with and without native histograms */
		{ "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
		  "encoding=delimited;q=0.6,"
		  "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
		  "application/openmetrics-text;version=0.0.1;q=0.4,"
		  "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
		  "text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
		  EXPOSE_OPENMETRICS },
		{ "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
		  "application/openmetrics-text;version=0.0.1;q=0.5,"
		  "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
		  "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
		  EXPOSE_OPENMETRICS },
		/* scrape_protocols: [PrometheusText0.0.4] */
		{ "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", EXPOSE_TEXT },
		{ "text/plain;version=0.0.4, application/openmetrics-text;version=1.0.0;q=0.9",
		  EXPOSE_TEXT },
		/* a draft of OpenMetrics is not what we write */
		{ "application/openmetrics-text;version=0.0.1,text/plain;version=0.0.4;q=0.5",
		  EXPOSE_TEXT },
		{ "application/openmetrics-text", EXPOSE_OPENMETRICS },
		{ "Application/OpenMetrics-Text; Version=\"1.0.0\"", EXPOSE_OPENMETRICS },
		{ "application/openmetrics-text;q=0, */*", EXPOSE_TEXT },
		{ "application/openmetrics-text;q=0", EXPOSE_TEXT },
		{ "*/*, application/openmetrics-text", EXPOSE_OPENMETRICS },
		/* a browser, curl, and others */
		{ "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8",
		  EXPOSE_TEXT },
		{ "*/*", EXPOSE_TEXT },
		{ "application/json", EXPOSE_TEXT },
		{ "application/openmetrics-text;version=1.0.0;q=lots", EXPOSE_TEXT },
		{ "application/openmetrics-text;version=\"1.0.0", EXPOSE_TEXT },
		{ ";;;,,,\"", EXPOSE_TEXT },
		{ "", EXPOSE_TEXT },
		{ NULL, EXPOSE_TEXT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (expose_negotiate(cases[i].accept) != cases[i].format)
			fail_msg("wrong format for Accept: %s", cases[i].accept);
	assert_non_null(strstr(expose_content_type(EXPOSE_TEXT), "version=0.0.4"));
	assert_non_null(strstr(expose_content_type(EXPOSE_OPENMETRICS), "version=1.0.0"));
}

/* What Prometheus itself says of the text format. */
static void test_promtool(void **state)
{
	_snapshot_ struct metric_snapshot snap = {};
	_strbuf_ struct strbuf out = {};
	FILE *promtool;

	(void)state;
	if (system("command -v promtool >/dev/null 2>&1")) {
		print_message("skipped: promtool is not installed (Debian: prometheus)\n");
		skip();
	}
	add_counter(&snap);
	add_histogram(&snap);
	series_label(add(&snap, "mpc_bpf_agent_build_info", METRIC_INFO, ""), "version", "\"\\\n");
	add(&snap, "mpc_last_seconds", METRIC_GAUGE, "seconds")->value = NAN;
	snapshot_family(&snap, "mpc_declared_total", METRIC_COUNTER, "", "Nothing yet.");
	snapshot_family(&snap, "mpc_quiet_seconds", METRIC_HISTOGRAM, "seconds", "Nothing yet.");
	expose_write(&snap, EXPOSE_TEXT, &out);
	promtool = popen("promtool check metrics", "w");
	assert_non_null(promtool);
	assert_int_equal(fwrite(out.text, 1, out.len, promtool), out.len);
	assert_int_equal(pclose(promtool), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counter),
		cmocka_unit_test(test_histogram),
		cmocka_unit_test(test_gauge),
		cmocka_unit_test(test_histogram_of_numbers),
		cmocka_unit_test(test_histogram_agrees_with_itself),
		cmocka_unit_test(test_gauge_and_info),
		cmocka_unit_test(test_unit_is_a_suffix),
		cmocka_unit_test(test_escaping),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_negotiation),
		cmocka_unit_test(test_promtool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
