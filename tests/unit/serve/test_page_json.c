// SPDX-License-Identifier: BSD-2-Clause
#include "serve/page_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include <cmocka.h>

#include "sample.h"

/* Parses what the writer wrote, strictly, and frees it at the end of the test. */
static struct json_object *parse(const struct page *page)
{
	struct json_tokener *tokener = json_tokener_new();
	_strbuf_ struct strbuf out = {};
	struct json_object *root;

	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	page_json(page, &out);
	root = json_tokener_parse_ex(tokener, out.text, (int)out.len);
	if (json_tokener_get_error(tokener) != json_tokener_success)
		fail_msg("no JSON: %s\n%s",
			 json_tokener_error_desc(json_tokener_get_error(tokener)), out.text);
	json_tokener_free(tokener);
	return root;
}

static struct json_object *get(struct json_object *in, const char *name)
{
	struct json_object *value = NULL;

	if (!json_object_object_get_ex(in, name, &value))
		fail_msg("there is no %s", name);
	return value;
}

static struct json_object *row(struct json_object *root, const char *table, size_t i)
{
	return json_object_array_get_idx(get(root, table), i);
}

static void test_functions(void **state)
{
	_page_ struct page page = {};
	struct json_object *root, *fn, *instance;

	(void)state;
	sample_fill(&page);
	root = parse(&page);
	assert_int_equal(json_object_array_length(get(root, "functions")), 2);
	fn = row(root, "functions", 0);
	assert_string_equal(json_object_get_string(get(fn, "state")), "partial");
	assert_true(json_object_get_boolean(get(fn, "required")));
	assert_int_equal(json_object_get_int64(get(fn, "started")), 12345);
	assert_true(json_object_get_double(get(fn, "p50_seconds")) == 0.00451);
	assert_null(get(fn, "p99_seconds"));
	assert_int_equal(json_object_array_length(get(fn, "latencies")), 4);
	assert_true(json_object_get_double(get(row(fn, "latencies", 1), "up_to_seconds")) == 0.01);
	assert_int_equal(json_object_get_int64(get(row(fn, "latencies", 1), "calls")), 100);
	assert_null(get(row(fn, "latencies", 3), "up_to_seconds"));
	instance = row(fn, "instances", 1);
	assert_string_equal(json_object_get_string(get(instance, "where")),
			    "inlined in " SAMPLE_EVIL);
	assert_string_equal(json_object_get_string(get(instance, "reason")), "the bytes differ");
	assert_null(get(row(fn, "instances", 0), "reason"));
	fn = row(root, "functions", 1);
	assert_null(get(fn, "calls_per_second"));
	assert_int_equal(json_object_array_length(get(fn, "instances")), 0);
	json_object_put(root);
}

static void test_values(void **state)
{
	_page_ struct page page = {};
	struct json_object *root, *metric, *line;

	(void)state;
	sample_fill(&page);
	root = parse(&page);
	metric = row(root, "metrics", 0);
	assert_int_equal(json_object_get_int64(get(metric, "series_at_zero")), 3);
	line = row(metric, "rows", 0);
	assert_string_equal(json_object_get_string(get(line, "of")), "value");
	assert_string_equal(json_object_get_string(get(get(line, "labels"), "result")), "approve");
	assert_string_equal(json_object_get_string(get(get(line, "labels"), "protocol")),
			    SAMPLE_EVIL);
	assert_int_equal(json_object_array_length(get(line, "nodes")), 2);
	assert_int_equal(json_object_get_int64(row(line, "nodes", 1)), 34);
	assert_int_equal(json_object_get_int64(get(line, "all")), 1234);
	line = row(row(root, "metrics", 1), "rows", 0);
	assert_true(json_object_get_double(row(line, "nodes", 0)) == -5);
	assert_null(row(line, "nodes", 1));
	assert_null(get(line, "all"));
	line = row(row(root, "metrics", 2), "rows", 0);
	assert_string_equal(json_object_get_string(get(line, "of")), "p99");
	assert_true(json_object_get_double(row(line, "nodes", 0)) == 0.25);
	json_object_put(root);
}

static void test_the_rest(void **state)
{
	_page_ struct page page = {};
	struct json_object *root;

	(void)state;
	sample_fill(&page);
	root = parse(&page);
	assert_string_equal(json_object_get_string(get(root, "host")),
			    "node\xef\xbf\xbd" SAMPLE_EVIL);
	assert_string_equal(json_object_get_string(get(row(root, "metrics", 0), "help")),
			    "Votes, \\ by\nnode.");
	assert_int_equal(json_object_get_int(get(row(root, "nodes", 0), "pid")), 4242);
	assert_true(json_object_get_double(get(root, "now")) == 1700000000);
	assert_null(get(root, "why"));
	assert_int_equal(json_object_array_length(get(root, "profiles")), 2);
	assert_string_equal(json_object_get_string(get(row(root, "profiles", 0), "origin")),
			    "built-in wallet");
	assert_null(get(row(root, "profiles", 0), "unused_in"));
	assert_string_equal(json_object_get_string(get(row(root, "profiles", 1), "unused_in")),
			    "/opt/node<b>");
	json_object_put(root);
}

static void test_empty_page(void **state)
{
	const struct page page = { .why = "no \"node\"" };
	struct json_object *root;

	(void)state;
	root = parse(&page);
	assert_null(get(root, "agent"));
	assert_null(get(root, "since"));
	assert_string_equal(json_object_get_string(get(root, "why")), "no \"node\"");
	assert_int_equal(json_object_array_length(get(root, "nodes")), 0);
	json_object_put(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_functions),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_the_rest),
		cmocka_unit_test(test_empty_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
