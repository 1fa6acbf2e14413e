// SPDX-License-Identifier: BSD-2-Clause
#include "serve/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client.h"
#include "gunzip.h"
#include "sample.h"
#include "serve/listen.h"

static const char *const loopback[] = { "127.0.0.1:0" };

/* A server on a port of the kernel's choice; @options may ask for more than its address. */
static struct serve *start(struct sample *sample, struct serve_options options)
{
	struct serve_content content = sample_content(sample);
	struct serve *serve = NULL;
	struct err err = {};

	options.addresses = loopback;
	options.n_addresses = 1;
	if (serve_open(&options, &content, &serve, &err))
		fail_msg("%s", err.text);
	return serve;
}

#define _serve_ __attribute__((cleanup(serve_closep)))

static void expect_status(struct serve *serve, const char *path, unsigned status)
{
	_client_ struct client client;
	_answer_ struct answer answer;
	_free_ char *type = NULL;

	client_connect(&client, serve);
	client_get(&client, path, "", &answer);
	assert_int_equal(answer.status, status);
	type = answer_header(&answer, "Content-Type");
	assert_non_null(type);
}

static void test_routes(void **state)
{
	struct sample sample = { .n_series = 3 };
	_serve_ struct serve *serve = start(&sample, (struct serve_options){});

	(void)state;
	expect_status(serve, "/metrics", 200);
	expect_status(serve, "/metrics?name%5B%5D=x", 200);
	expect_status(serve, "/healthz", 200);
	expect_status(serve, "/probes", 200);
	expect_status(serve, "/", 200);
	expect_status(serve, "/favicon.ico", 404);
	expect_status(serve, "/metrics/../healthz", 404);
	sample.sick = true;
	expect_status(serve, "/healthz", 503);
	sample.collect_error = -EIO;
	expect_status(serve, "/metrics", 500);
}

static void test_keep_alive(void **state)
{
	struct sample sample = { .n_series = 1000 };
	_serve_ struct serve *serve = start(&sample, (struct serve_options){});
	_client_ struct client client;

	(void)state;
	client_connect(&client, serve);
	for (int i = 0; i < 50; i++) {
		_answer_ struct answer answer;

		client_get(&client, i % 10 ? "/metrics" : "/nothing", "", &answer);
		assert_int_equal(answer.status, i % 10 ? 200 : 404);
	}
	assert_false(client.closed);
	assert_int_equal(sample.collected, 45);
}

/* Two requests in one packet are answered one after the other. */
static void test_pipelining(void **state)
{
	struct sample sample = { .n_series = 1 };
	_serve_ struct serve *serve = start(&sample, (struct serve_options){});
	_answer_ struct answer first, second;
	_client_ struct client client;

	(void)state;
	client_connect(&client, serve);
	client_send(&client, "GET /metrics HTTP/1.1\r\nHost: t\r\n\r\n"
			     "GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n");
	client_receive(&client, false, &first);
	client_receive(&client, false, &second);
	assert_non_null(strstr(first.body.text, "mpc_votes_total"));
	assert_string_equal(second.body.text, "ok\n");
}

static void test_head(void **state)
{
	struct sample sample = { .n_series = 10 };
	_serve_ struct serve *serve = start(&sample, (struct serve_options){});
	_free_ char *get_length = NULL, *head_length = NULL;
	_answer_ struct answer get, head, after;
	_client_ struct client client;

	(void)state;
	client_connect(&client, serve);
	client_get(&client, "/metrics", "", &get);
	client_send(&client, "HEAD /metrics HTTP/1.1\r\nHost: t\r\n\r\n");
	client_receive(&client, true, &head);
	assert_int_equal(head.status, 200);
	get_length = answer_header(&get, "Content-Length");
	head_length = answer_header(&head, "Content-Length");
	assert_string_equal(get_length, head_length);
	/* No body came: the next answer follows at once. */
	client_get(&client, "/healthz", "", &after);
	assert_string_equal(after.body.text, "ok\n");
}

static void test_gzip(void **state)
{
	struct sample sample = { .n_series = 5000 };
	_serve_ struct serve *serve = start(&sample, (struct serve_options){});
	_free_ char *encoding = NULL, *refused = NULL;
	_answer_ struct answer plain, packed, never;
	_strbuf_ struct strbuf unpacked = {};
	_client_ struct client client;

	(void)state;
	client_connect(&client, serve);
	client_get(&client, "/metrics", "", &plain);
	client_get(&client, "/metrics", "Accept-Encoding: gzip\r\n", &packed);
	client_get(&client, "/metrics", "Accept-Encoding: gzip;q=0, *\r\n", &never);
	encoding = answer_header(&packed, "Content-Encoding");
	assert_string_equal(encoding, "gzip");
	assert_true(packed.body.len < plain.body.len / 2);
	gunzip(packed.body.text, packed.body.len, &unpacked);
	assert_int_equal(unpacked.len, plain.body.len);
	assert_memory_equal(unpacked.text, plain.body.text, plain.body.len);
	refused = answer_header(&never, "Content-Encoding");
	assert_null(refused);
	assert_int_equal(never.body.len, plain.body.len);
}

static void test_negotiation(void **state)
{
	struct sample sample = { .n_series = 1 };
	_serve_ struct serve *serve = start(&sample, (struct serve_options){});
	_answer_ struct answer answer;
	_client_ struct client client;
	_free_ char *type = NULL;

	(void)state;
	client_connect(&client, serve);
	client_get(&client, "/metrics", "Accept: application/openmetrics-text\r\n", &answer);
	type = answer_header(&answer, "Content-Type");
	assert_string_equal(type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
	assert_non_null(strstr(answer.body.text, "# EOF\n"));
}

static void test_other_methods(void **state)
{
	struct sample sample = {};
	_serve_ struct serve *serve = start(&sample, (struct serve_options){});
	_answer_ struct answer answer;
	_client_ struct client client;
	_free_ char *allow = NULL;

	(void)state;
	client_connect(&client, serve);
	client_send(&client, "POST /metrics HTTP/1.1\r\nHost: t\r\nContent-Length: 1000000000\r\n"
			     "\r\nsome of it");
	client_receive(&client, false, &answer);
	assert_int_equal(answer.status, 405);
	allow = answer_header(&answer, "Allow");
	assert_string_equal(allow, "GET, HEAD");
	/* Nobody waits for the rest of that body. */
	assert_true(client_closed_within(&client, 5000));
	assert_int_equal(sample.collected, 0);
}

/* Whatever comes, the server answers with an error or closes, and serves the next client. */
static void test_garbage(void **state)
{
	static const char *const garbage[] = {
		"\r\n\r\n\r\n",
		"GET\r\n\r\n",
		"GET /metrics\r\n\r\n",
		"GET /metrics HTTP/9.9\r\n\r\n",
		"GET /metrics HTTP/1.1\r\n\r\n", /* no Host */
		"GET /metrics HTTP/1.1\r\nHost: t\r\nno colon\r\n\r\n",
		"GET /metrics HTTP/1.1\r\nHost: t\r\nContent-Length: -1\r\n\r\n",
		"GET /metrics HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"GET /metrics HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
		"GET /%00%ff%zz HTTP/1.1\r\nHost: t\r\n\r\n",
		"\x16\x03\x01\x02\x01\x01\x01\xfc\x03\x03", /* TLS hello */
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"\xff\xfe\xfd\r\n\r\n",
	};
	struct sample sample = { .n_series = 1 };
	_serve_ struct serve *serve = start(&sample, (struct serve_options){ .timeout_s = 1 });
	struct client clients[ARRAY_SIZE(garbage)];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(garbage); i++) {
		client_connect(&clients[i], serve);
		client_send(&clients[i], garbage[i]);
		shutdown(clients[i].fd, SHUT_WR);
		expect_status(serve, "/metrics", 200);
	}
	for (size_t i = 0; i < ARRAY_SIZE(garbage); i++) {
		if (!client_closed_within(&clients[i], 5000))
			fail_msg("garbage %zu keeps its connection", i);
		client_free(&clients[i]);
	}
	expect_status(serve, "/metrics", 200);
}

static void test_noise(void **state)
{
	struct sample sample = { .n_series = 1 };
	_serve_ struct serve *serve = start(&sample, (struct serve_options){});
	uint32_t x = 7;

	(void)state;
	for (int i = 0; i < 200; i++) {
		_client_ struct client client;
		char noise[256];

		for (size_t j = 0; j < sizeof(noise) - 1; j++) {
			x = x * 1664525 + 1013904223;
			noise[j] = (char)(1 + (x >> 24) % 255);
		}
		noise[sizeof(noise) - 1] = '\0';
		if (i % 2)
			memcpy(noise, "GET / HTTP/1.1\r\n", 16);
		client_connect(&client, serve);
		client_send(&client, noise);
		client_turn(&client, 0);
	}
	expect_status(serve, "/metrics", 200);
}

static void test_headers_too_long(void **state)
{
	struct sample sample = {};
	_serve_ struct serve *serve = start(&sample, (struct serve_options){});
	_strbuf_ struct strbuf request = {};
	_client_ struct client client;

	(void)state;
	strbuf_puts(&request, "GET /metrics HTTP/1.1\r\nHost: t\r\n");
	for (int i = 0; i < 5000; i++)
		strbuf_printf(&request, "X-%d: 0123456789abcdef\r\n", i);
	client_connect(&client, serve);
	client_send(&client, request.text);
	assert_true(client_closed_within(&client, 5000));
	assert_int_equal(sample.collected, 0);
}

/* A client that stops in the middle holds nobody up, and goes when its time is over. */
static void test_slow_client(void **state)
{
	struct sample sample = { .n_series = 1 };
	_serve_ struct serve *serve = start(&sample, (struct serve_options){ .timeout_s = 2 });
	_client_ struct client slow;
	int64_t began;

	(void)state;
	client_connect(&slow, serve);
	client_send(&slow, "GET /metr");
	client_turn(&slow, 0);
	began = client_now_ms();
	expect_status(serve, "/metrics", 200);
	client_turn(&slow, 0);
	assert_false(slow.closed);
	assert_true(client_closed_within(&slow, 8000));
	assert_true(client_now_ms() - began >= 1000);
}

/* A client that does not read its answer neither blocks the loop nor loses a byte. */
static void test_slow_reader(void **state)
{
	struct sample sample = { .n_series = 200000 };
	_serve_ struct serve *serve = start(&sample, (struct serve_options){});
	_answer_ struct answer answer;
	_client_ struct client slow;

	(void)state;
	client_connect(&slow, serve);
	client_send(&slow, "GET /metrics HTTP/1.1\r\nHost: t\r\n\r\n");
	for (int i = 0; i < 20; i++) {
		struct pollfd fd = { .fd = serve_fd(serve), .events = POLLIN };

		if (poll(&fd, 1, 10) > 0)
			serve_run(serve);
	}
	assert_int_equal(sample.collected, 1);
	expect_status(serve, "/healthz", 200);
	client_receive(&slow, false, &answer);
	assert_int_equal(answer.status, 200);
	assert_non_null(strstr(answer.body.text, "mpc_votes_total{node=\"199999\"} 199999\n"));
}

/* One that goes away in the middle of its answer is forgotten, and counted no longer. */
static void test_max_requests(void **state)
{
	struct sample sample = { .n_series = 200000 };
	_serve_ struct serve *serve = start(&sample, (struct serve_options){ .max_requests = 1 });
	struct client slow;

	(void)state;
	client_connect(&slow, serve);
	client_send(&slow, "GET /metrics HTTP/1.1\r\nHost: t\r\n\r\n");
	while (!sample.collected) {
		struct pollfd fd = { .fd = serve_fd(serve), .events = POLLIN };

		assert_true(poll(&fd, 1, CLIENT_PATIENCE_MS) > 0);
		serve_run(serve);
	}
	expect_status(serve, "/metrics", 503);
	expect_status(serve, "/healthz", 200);
	client_free(&slow);
	expect_status(serve, "/metrics", 200);
}

static void test_connection_limit(void **state)
{
	struct sample sample = { .n_series = 1 };
	_serve_ struct serve *serve =
		start(&sample, (struct serve_options){ .max_connections = 2, .timeout_s = 1 });
	struct client idle[4];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(idle); i++) {
		client_connect(&idle[i], serve);
		client_turn(&idle[i], 0);
	}
	/* The others wait until the idle ones have timed out. */
	expect_status(serve, "/metrics", 200);
	for (size_t i = 0; i < ARRAY_SIZE(idle); i++)
		client_free(&idle[i]);
}

static void test_nothing_to_do_is_quiet(void **state)
{
	struct sample sample = { .n_series = 1 };
	_serve_ struct serve *serve = start(&sample, (struct serve_options){});
	struct pollfd fd = { .fd = serve_fd(serve), .events = POLLIN };
	_client_ struct client client;
	_answer_ struct answer answer;

	(void)state;
	assert_int_equal(poll(&fd, 1, 50), 0);
	client_connect(&client, serve);
	client_get(&client, "/metrics", "", &answer);
	client_turn(&client, 0);
	assert_int_equal(poll(&fd, 1, 50), 0); /* with an idle connection open */
}

static void test_port_in_use(void **state)
{
	struct sample sample = {};
	_serve_ struct serve *serve = start(&sample, (struct serve_options){});
	const char *const taken[] = { "127.0.0.1:0", serve_address(serve, 0) };
	struct serve_content content = sample_content(&sample);
	struct serve_options options = { .addresses = taken, .n_addresses = 2 };
	struct serve *second = NULL;
	struct err err = {};

	(void)state;
	assert_int_equal(serve_open(&options, &content, &second, &err), -EADDRINUSE);
	assert_null(second);
	assert_non_null(strstr(err.text, "another program already listens on"));
	assert_non_null(strstr(err.text, taken[1]));
}

static void test_bad_options(void **state)
{
	static const char *const bad[] = { "nonsense" };
	struct sample sample = {};
	struct serve_content content = sample_content(&sample);
	struct serve_options options = { .addresses = bad, .n_addresses = 1 };
	struct serve *serve = NULL;
	struct err err = {};

	(void)state;
	assert_int_equal(serve_open(&options, &content, &serve, &err), -EINVAL);
	assert_non_null(strstr(err.text, "nonsense"));
	options.addresses = loopback;
	options.telemetry_path = "/healthz";
	assert_int_equal(serve_open(&options, &content, &serve, &err), -EINVAL);
	assert_null(serve);
}

static void test_several_addresses_and_sockets(void **state)
{
	static const char *const two[] = { "127.0.0.1:0", "127.0.0.1:0" };
	const struct address any = { .host = "127.0.0.1" };
	struct sample sample = { .n_series = 1 };
	struct serve_content content = sample_content(&sample);
	_close_ int socket = listen_open(&any, NULL);
	struct serve_options options = {
		.addresses = two,
		.n_addresses = 2,
		.sockets = &socket,
		.n_sockets = 1,
		.telemetry_path = "/m",
	};
	_serve_ struct serve *serve = NULL;
	_free_ char *name = listen_name(socket);
	struct err err = {};

	(void)state;
	assert_int_equal(serve_open(&options, &content, &serve, &err), 0);
	assert_int_equal(serve_n_addresses(serve), 3);
	assert_string_not_equal(serve_address(serve, 0), serve_address(serve, 1));
	assert_string_equal(serve_address(serve, 2), name);
	for (size_t i = 0; i < 3; i++) {
		_answer_ struct answer answer;
		_client_ struct client client;

		client_connect_to(&client, serve, i);
		client_get(&client, "/m", "", &answer);
		assert_int_equal(answer.status, 200);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_keep_alive),
		cmocka_unit_test(test_pipelining),
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_gzip),
		cmocka_unit_test(test_negotiation),
		cmocka_unit_test(test_other_methods),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_headers_too_long),
		cmocka_unit_test(test_slow_client),
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_max_requests),
		cmocka_unit_test(test_connection_limit),
		cmocka_unit_test(test_nothing_to_do_is_quiet),
		cmocka_unit_test(test_port_in_use),
		cmocka_unit_test(test_bad_options),
		cmocka_unit_test(test_several_addresses_and_sockets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
