// SPDX-License-Identifier: BSD-2-Clause
#include "serve/reply.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gunzip.h"
#include "sample.h"

static const char *header(const struct reply *reply, const char *name)
{
	for (size_t i = 0; i < reply->n_headers; i++)
		if (!strcmp(reply->headers[i].name, name))
			return reply->headers[i].value;
	return NULL;
}

static void get(struct sample *sample, const char *path, struct reply *reply)
{
	struct reply_request request = { .method = "GET", .path = path };
	struct serve_content content = sample_content(sample);

	reply_make(&content, "/metrics", &request, reply);
	assert_non_null(header(reply, "Content-Type"));
	assert_string_equal(header(reply, "X-Content-Type-Options"), "nosniff");
	assert_non_null(strstr(header(reply, "Content-Security-Policy"), "default-src 'none'"));
	assert_null(header(reply, "ETag"));
}

static void test_metrics(void **state)
{
	struct sample sample = { .n_series = 1 };
	_reply_ struct reply reply;

	(void)state;
	get(&sample, "/metrics", &reply);
	assert_int_equal(reply.status, 200);
	assert_true(reply.scrape);
	assert_string_equal(header(&reply, "Content-Type"),
			    "text/plain; version=0.0.4; charset=utf-8");
	assert_non_null(strstr(reply.body.text, "mpc_votes_total{node=\"0\"} 0\n"));
}

static void test_openmetrics_in_gzip(void **state)
{
	struct sample sample = { .n_series = 100 };
	struct serve_content content = sample_content(&sample);
	struct reply_request request = {
		.method = "GET",
		.path = "/metrics",
		.accept = "application/openmetrics-text",
		.accept_encoding = "gzip",
	};
	_strbuf_ struct strbuf plain = {};
	_reply_ struct reply reply;

	(void)state;
	reply_make(&content, "/metrics", &request, &reply);
	assert_string_equal(header(&reply, "Content-Encoding"), "gzip");
	assert_non_null(strstr(header(&reply, "Content-Type"), "openmetrics"));
	gunzip(reply.body.text, reply.body.len, &plain);
	assert_string_equal(plain.text + plain.len - strlen("# EOF\n"), "# EOF\n");
}

static void test_collect_fails(void **state)
{
	struct sample sample = { .collect_error = -EIO };
	_reply_ struct reply reply;

	(void)state;
	get(&sample, "/metrics", &reply);
	assert_int_equal(reply.status, 500);
	assert_string_equal(reply.body.text, "the maps cannot be read\n");
}

static void test_busy(void **state)
{
	struct sample sample = {};
	struct serve_content content = sample_content(&sample);
	struct reply_request request = { .method = "GET", .path = "/metrics", .busy = true };
	_reply_ struct reply reply, health;

	(void)state;
	reply_make(&content, "/metrics", &request, &reply);
	assert_int_equal(reply.status, 503);
	assert_false(reply.scrape);
	assert_int_equal(sample.collected, 0);
	request.path = "/healthz";
	reply_make(&content, "/metrics", &request, &health);
	assert_int_equal(health.status, 200);
}

static void test_health(void **state)
{
	struct sample sample = {};
	_reply_ struct reply well, sick;

	(void)state;
	get(&sample, "/healthz", &well);
	assert_int_equal(well.status, 200);
	assert_string_equal(well.body.text, "ok\n");
	sample.sick = true;
	get(&sample, "/healthz", &sick);
	assert_int_equal(sick.status, 503);
	assert_string_equal(sick.body.text, "no node is watched\n");
}

static void test_landing_page(void **state)
{
	struct sample sample = { .sick = true };
	_free_ char *script = NULL;
	_reply_ struct reply reply, again;
	const char *nonce;

	(void)state;
	get(&sample, "/", &reply);
	assert_int_equal(reply.status, 200);
	assert_string_equal(header(&reply, "Content-Type"), "text/html; charset=utf-8");
	assert_non_null(strstr(reply.body.text, "no node is watched"));
	nonce = strstr(reply.policy, "script-src 'nonce-") + strlen("script-src 'nonce-");
	script = mem_printf("<script nonce=\"%.*s\">", REPLY_NONCE_LEN, nonce);
	assert_non_null(strstr(reply.body.text, script));
	assert_null(strstr(reply.policy, "unsafe"));
	assert_string_equal(strrchr(reply.policy, ';'), "; frame-ancestors 'none'");
	get(&sample, "/", &again);
	assert_string_not_equal(reply.policy, again.policy);
}

static void test_probes(void **state)
{
	struct sample sample = {};
	_reply_ struct reply reply;

	(void)state;
	get(&sample, "/probes", &reply);
	assert_int_equal(reply.status, 200);
	assert_string_equal(header(&reply, "Content-Type"), "application/json");
	assert_int_equal(reply.body.text[0], '{');
}

static void test_nothing_there(void **state)
{
	static const char *const paths[] = { "/metrics/", "/Metrics", "//", "", "/../etc", "*" };
	struct sample sample = {};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		_reply_ struct reply reply;

		get(&sample, paths[i], &reply);
		assert_int_equal(reply.status, 404);
	}
	assert_int_equal(sample.collected + sample.paged, 0);
}

static void test_other_methods(void **state)
{
	static const char *const methods[] = { "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get" };
	struct sample sample = {};
	struct serve_content content = sample_content(&sample);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		struct reply_request request = { .method = methods[i], .path = "/metrics" };
		_reply_ struct reply reply;

		reply_make(&content, "/metrics", &request, &reply);
		assert_int_equal(reply.status, 405);
		assert_string_equal(header(&reply, "Allow"), "GET, HEAD");
	}
	assert_int_equal(sample.collected, 0);
}

static void test_telemetry_path(void **state)
{
	struct sample sample = { .n_series = 1 };
	struct serve_content content = sample_content(&sample);
	struct reply_request request = { .method = "HEAD", .path = "/" };
	_reply_ struct reply reply;
	struct err err = {};

	(void)state;
	assert_int_equal(reply_check_path("/", &err), 0);
	assert_int_equal(reply_check_path("/a/b", &err), 0);
	assert_int_equal(reply_check_path("metrics", &err), -EINVAL);
	assert_int_equal(reply_check_path("", &err), -EINVAL);
	assert_int_equal(reply_check_path("/a?b", &err), -EINVAL);
	assert_string_equal(err.text, "the telemetry path \"/a?b\" may not contain ?, #, % or "
				      "spaces");
	assert_int_equal(reply_check_path("/healthz", &err), -EINVAL);
	/* As the exporters' own library does: metrics at "/" take the landing page's place. */
	reply_make(&content, "/", &request, &reply);
	assert_true(reply.scrape);
}

static const char *value_of(const struct reply *reply, const char *name)
{
	for (size_t i = 0; i < reply->n_headers; i++)
		if (strcmp(reply->headers[i].name, name) == 0)
			return reply->headers[i].value;
	return NULL;
}

static void test_refusals(void **state)
{
	_reply_ struct reply who = {}, wait = {}, other = {};

	(void)state;
	reply_refuse(&who, 401, "who are you");
	assert_int_equal(who.status, 401);
	assert_string_equal(who.body.text, "who are you\n");
	assert_non_null(strstr(value_of(&who, "WWW-Authenticate"), "Basic"));
	assert_null(value_of(&who, "Retry-After"));
	assert_string_equal(value_of(&who, "Cache-Control"), "no-store");
	reply_refuse(&wait, 429, "later");
	assert_string_equal(value_of(&wait, "Retry-After"), "1");
	reply_refuse(&other, 400, "no");
	assert_null(value_of(&other, "WWW-Authenticate"));
	assert_null(value_of(&other, "Retry-After"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_metrics),       cmocka_unit_test(test_openmetrics_in_gzip),
		cmocka_unit_test(test_collect_fails), cmocka_unit_test(test_busy),
		cmocka_unit_test(test_health),        cmocka_unit_test(test_landing_page),
		cmocka_unit_test(test_probes),        cmocka_unit_test(test_nothing_there),
		cmocka_unit_test(test_other_methods), cmocka_unit_test(test_telemetry_path),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
