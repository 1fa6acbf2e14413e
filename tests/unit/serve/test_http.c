// SPDX-License-Identifier: BSD-2-Clause
#include "serve/http.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cert.h"
#include "client.h"
#include "gunzip.h"
#include "hashes.h"
#include "sample.h"
#include "serve/listen.h"
#include "tls_pair.h"

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

/* ---- with a web configuration ------------------------------------------------------- */

static struct serve *start_with(struct sample *sample, const char *folder, const char *text)
{
	char path[256];

	return start(sample,
		     (struct serve_options){ .web_config = cert_config(path, folder, text) });
}

/* "alice:secret" and "alice:wrong" */
#define RIGHT "Authorization: Basic YWxpY2U6c2VjcmV0\r\n"
#define WRONG "Authorization: Basic YWxpY2U6d3Jvbmc=\r\n"
#define ALICE "basic_auth_users: {alice: " HASH_SECRET "}\n"

static unsigned status_of(struct client *client, const char *headers)
{
	_answer_ struct answer answer;

	client_get(client, "/metrics", headers, &answer);
	return answer.status;
}

static void test_basic_auth(void **state)
{
	_folder_ char *folder = cert_folder();
	struct sample sample = { .n_series = 1 };
	_serve_ struct serve *serve = start_with(&sample, folder, ALICE);
	_client_ struct client client;
	_free_ char *who = NULL;
	_answer_ struct answer answer;

	(void)state;
	assert_false(serve_is_https(serve));
	client_connect(&client, serve);
	assert_int_equal(status_of(&client, ""), 401);
	assert_int_equal(status_of(&client, WRONG), 401);
	assert_int_equal(status_of(&client, "Authorization: Basic !\r\n"), 401);
	assert_int_equal(status_of(&client, "Authorization: Bearer x\r\n"), 401);
	assert_int_equal(sample.collected, 0);
	assert_int_equal(status_of(&client, RIGHT), 200);
	assert_int_equal(status_of(&client, RIGHT), 200);
	assert_int_equal(sample.collected, 2);
	client_get(&client, "/", "", &answer);
	who = answer_header(&answer, "WWW-Authenticate");
	assert_string_equal(who, "Basic realm=\"mpc-bpf-agent\"");
	assert_false(client.closed);
}

/* While one password is checked for seconds, others are served; the end does not wait for it. */
static void test_password_that_takes_long(void **state)
{
	_folder_ char *folder = cert_folder();
	struct sample sample = { .n_series = 1 };
	struct serve *serve = start_with(
		&sample, folder, "basic_auth_users: {alice: " HASH_SECRET ", s: " HASH_SLOW "}\n");
	struct client slow, again, quick;
	int64_t began;

	(void)state;
	client_connect(&quick, serve);
	assert_int_equal(status_of(&quick, RIGHT), 200);
	began = client_now_ms();
	client_connect(&slow, serve);
	client_connect(&again, serve);
	client_send(&slow,
		    "GET / HTTP/1.1\r\nHost: t\r\nAuthorization: Basic czpvdGhlcg==\r\n\r\n");
	client_send(&again,
		    "GET / HTTP/1.1\r\nHost: t\r\nAuthorization: Basic czpvdGhlcg==\r\n\r\n");
	for (int i = 0; i < 10; i++) {
		client_turn(&slow, 5);
		client_turn(&again, 5);
		assert_int_equal(status_of(&quick, RIGHT), 200);
	}
	assert_int_equal(slow.in.len, 0);
	serve_close(serve);
	assert_true(client_now_ms() - began < 3000);
	client_free(&slow);
	client_free(&again);
	client_free(&quick);
}

/* One whose client has gone while it waited is forgotten, and the next is served. */
static void test_client_that_does_not_wait(void **state)
{
	_folder_ char *folder = cert_folder();
	struct sample sample = { .n_series = 1 };
	_serve_ struct serve *serve = start_with(&sample, folder, ALICE);
	struct client gone;
	_client_ struct client client;

	(void)state;
	client_connect(&gone, serve);
	client_send(&gone, "GET /metrics HTTP/1.1\r\nHost: t\r\n" WRONG "\r\n");
	client_turn(&gone, 100);
	client_free(&gone);
	client_connect(&client, serve);
	assert_int_equal(status_of(&client, RIGHT), 200);
}

static void test_headers_of_the_file(void **state)
{
	_folder_ char *folder = cert_folder();
	struct sample sample = { .n_series = 1 };
	_serve_ struct serve *serve =
		start_with(&sample, folder,
			   "http_server_config: {headers: {X-Frame-Options: deny, "
			   "Content-Security-Policy: default-src 'self'}}\n");
	_free_ char *frame = NULL, *policy = NULL;
	_answer_ struct answer answer;
	_client_ struct client client;

	(void)state;
	client_connect(&client, serve);
	client_get(&client, "/", "", &answer);
	frame = answer_header(&answer, "X-Frame-Options");
	policy = answer_header(&answer, "Content-Security-Policy");
	assert_string_equal(frame, "deny");
	assert_string_equal(policy, "default-src 'self'");
}

static void test_file_that_breaks(void **state)
{
	_folder_ char *folder = cert_folder();
	struct sample sample = { .n_series = 1 };
	_serve_ struct serve *serve = start_with(&sample, folder, ALICE);
	_client_ struct client client;
	_answer_ struct answer answer;
	char path[256];

	(void)state;
	client_connect(&client, serve);
	assert_int_equal(status_of(&client, RIGHT), 200);
	cert_config(path, folder, "basic_auth_users:\n");
	client_get(&client, "/metrics", RIGHT, &answer);
	assert_int_equal(answer.status, 503);
	assert_non_null(
		strstr(answer.body.text, "web configuration of this agent is not in order"));
	assert_int_equal(sample.collected, 1);
	assert_int_equal(sample.said, 1);
	cert_config(path, folder, ALICE);
	assert_int_equal(status_of(&client, RIGHT), 200);
}

/* Nobody is answered who announces a body: for its password one cannot wait. */
static void test_body_and_password(void **state)
{
	_folder_ char *folder = cert_folder();
	struct sample sample = { .n_series = 1 };
	_serve_ struct serve *serve = start_with(&sample, folder, ALICE);
	_client_ struct client client;

	(void)state;
	client_connect(&client, serve);
	assert_int_equal(status_of(&client, RIGHT "Content-Length: 5\r\n"), 400);
	assert_int_equal(sample.collected, 0);
}

static void turn_serve(void *ctx)
{
	struct pollfd fd = { .fd = serve_fd(ctx), .events = POLLIN };

	if (poll(&fd, 1, 2) > 0)
		serve_run(ctx);
}

/* The status line of /metrics by way of TLS, or NULL where there is no connection. */
static char *get_by_tls(struct serve *serve, const struct tls_who *who, const char *headers)
{
	_free_ char *request = mem_printf("GET /metrics HTTP/1.1\r\nHost: t\r\n%s\r\n", headers);
	_tls_client_ struct tls_client tls;
	_client_ struct client client;
	int r = GNUTLS_E_AGAIN;
	char answer[4096];

	client_connect(&client, serve);
	fcntl(client.fd, F_SETFL, O_NONBLOCK);
	tls_client_open(&tls, client.fd, who);
	for (int i = 0; i < TLS_TURNS_MAX && r == GNUTLS_E_AGAIN; i++) {
		r = gnutls_handshake(tls.session);
		turn_serve(serve);
	}
	if (r < 0 || gnutls_record_send(tls.session, request, strlen(request)) < 0)
		return NULL;
	r = GNUTLS_E_AGAIN;
	for (int i = 0; i < TLS_TURNS_MAX && r == GNUTLS_E_AGAIN; i++) {
		turn_serve(serve);
		r = (int)gnutls_record_recv(tls.session, answer, sizeof(answer));
	}
	return r > 0 ? mem_strndup(answer, strcspn(answer, "\r")) : NULL;
}

static void expect_by_tls(struct serve *serve, const char *folder, const char *name,
			  const char *headers, const char *status)
{
	const struct tls_who who = { folder, name, NULL };
	_free_ char *line = get_by_tls(serve, &who, headers);

	if (!status) {
		assert_null(line);
	} else {
		assert_non_null(line);
		assert_string_equal(line, status);
	}
}

static void test_tls(void **state)
{
	static const char text[] =
		"tls_server_config: {cert_file: server.pem, key_file: server.key, client_ca_file: "
		"ca.pem, client_auth_type: RequireAndVerifyClientCert}\n" ALICE;
	_folder_ char *folder = cert_folder();
	struct sample sample = { .n_series = 1 };
	_serve_ struct serve *serve = start_with(&sample, folder, text);
	char path[256];

	(void)state;
	cert_make(folder, &(struct cert_wish){ .name = "client", .issuer = "ca" });
	cert_make(folder, &(struct cert_wish){ .name = "stranger" });
	assert_true(serve_is_https(serve));
	expect_by_tls(serve, folder, "client", RIGHT, "HTTP/1.1 200 OK");
	expect_by_tls(serve, folder, "client", WRONG, "HTTP/1.1 401 Unauthorized");
	expect_by_tls(serve, folder, "client", "", "HTTP/1.1 401 Unauthorized");
	expect_by_tls(serve, folder, "stranger", RIGHT, NULL);
	expect_by_tls(serve, folder, NULL, RIGHT, NULL);
	assert_int_equal(sample.collected, 1);
	/* broken: the sentence comes through the connection that was good */
	cert_config(path, folder, "basic_auth_users: {}\n");
	expect_by_tls(serve, folder, "client", RIGHT, "HTTP/1.1 503 Service Unavailable");
	expect_by_tls(serve, folder, NULL, RIGHT, NULL);
	cert_config(path, folder, text);
	expect_by_tls(serve, folder, "client", RIGHT, "HTTP/1.1 200 OK");
	assert_int_equal(sample.collected, 2);
}

/* A new connection is made with the new certificate, without a restart. */
static void test_tls_rotation(void **state)
{
	_folder_ char *folder = cert_folder();
	struct sample sample = { .n_series = 1 };
	_serve_ struct serve *serve = start_with(&sample, folder, CERT_PAIR);
	const struct cert_wish wish = { .name = "server", .issuer = "ca" };

	(void)state;
	for (int i = 0; i < 3; i++) {
		_tls_client_ struct tls_client tls;
		_client_ struct client client;
		const gnutls_datum_t *chain;
		gnutls_datum_t pem, der;
		int r = GNUTLS_E_AGAIN;
		unsigned n;

		cert_make(folder, &wish);
		client_connect(&client, serve);
		fcntl(client.fd, F_SETFL, O_NONBLOCK);
		tls_client_open(&tls, client.fd, &(struct tls_who){});
		for (int j = 0; j < TLS_TURNS_MAX && r == GNUTLS_E_AGAIN; j++) {
			r = gnutls_handshake(tls.session);
			turn_serve(serve);
		}
		assert_int_equal(r, 0);
		chain = gnutls_certificate_get_peers(tls.session, &n);
		pem = cert_read(folder, "server", ".pem");
		assert_int_equal(gnutls_pem_base64_decode2("CERTIFICATE", &pem, &der), 0);
		assert_int_equal(chain[0].size, der.size);
		assert_memory_equal(chain[0].data, der.data, der.size);
		gnutls_free(pem.data);
		gnutls_free(der.data);
	}
}

/* One request on a connection that is open already; whether it is to be closed after it. */
static bool closes_after(struct serve *serve, struct tls_client *tls)
{
	static const char request[] = "GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n";
	char answer[4096] = {};
	size_t n = 0;

	assert_true(gnutls_record_send(tls->session, request, strlen(request)) > 0);
	for (int i = 0; i < TLS_TURNS_MAX && !strstr(answer, "\r\n\r\nok\n"); i++) {
		ssize_t r = gnutls_record_recv(tls->session, answer + n, sizeof(answer) - 1 - n);

		turn_serve(serve);
		n += r > 0 ? (size_t)r : 0;
	}
	assert_memory_equal(answer, "HTTP/1.1 200 OK", 15);
	return strstr(answer, "Connection: close") != NULL;
}

/* Who keeps his connection gets one answer more after a change, and then has to come anew. */
static void test_tls_change_ends_connections(void **state)
{
	_folder_ char *folder = cert_folder();
	struct sample sample = { .n_series = 1 };
	_serve_ struct serve *serve = start_with(&sample, folder, CERT_PAIR);
	_tls_client_ struct tls_client tls;
	_client_ struct client client;
	int r = GNUTLS_E_AGAIN;

	(void)state;
	client_connect(&client, serve);
	fcntl(client.fd, F_SETFL, O_NONBLOCK);
	tls_client_open(&tls, client.fd, &(struct tls_who){});
	for (int i = 0; i < TLS_TURNS_MAX && r == GNUTLS_E_AGAIN; i++) {
		r = gnutls_handshake(tls.session);
		turn_serve(serve);
	}
	assert_int_equal(r, 0);
	assert_false(closes_after(serve, &tls));
	assert_false(closes_after(serve, &tls));
	cert_make(folder, &(struct cert_wish){ .name = "server", .issuer = "ca" });
	assert_true(closes_after(serve, &tls));
}

/* Plain HTTP on the port of HTTPS gets nothing, and harms nobody. */
static void test_http_to_https(void **state)
{
	_folder_ char *folder = cert_folder();
	struct sample sample = { .n_series = 1 };
	_serve_ struct serve *serve = start_with(&sample, folder, CERT_PAIR);
	_client_ struct client client;

	(void)state;
	client_connect(&client, serve);
	client_send(&client, "GET /metrics HTTP/1.1\r\nHost: t\r\n\r\n");
	assert_true(client_closed_within(&client, 5000));
	assert_null(client.in.text && strstr(client.in.text, "HTTP/") ? client.in.text : NULL);
	assert_int_equal(sample.collected, 0);
	expect_by_tls(serve, folder, NULL, "", "HTTP/1.1 200 OK");
}

static void test_bad_web_config(void **state)
{
	_folder_ char *folder = cert_folder();
	struct sample sample = {};
	struct serve_content content = sample_content(&sample);
	char path[256];
	struct serve_options options = {
		.addresses = loopback,
		.n_addresses = 1,
		.web_config = cert_config(path, folder, "tls_server_config: {cert_file: x}\n"),
	};
	struct serve *serve = NULL;
	struct err err = {};

	(void)state;
	assert_int_equal(serve_open(&options, &content, &serve, &err), -EINVAL);
	assert_non_null(strstr(err.text, "lacks the key \"key_file\""));
	assert_null(serve);
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
		cmocka_unit_test(test_basic_auth),
		cmocka_unit_test(test_password_that_takes_long),
		cmocka_unit_test(test_client_that_does_not_wait),
		cmocka_unit_test(test_headers_of_the_file),
		cmocka_unit_test(test_file_that_breaks),
		cmocka_unit_test(test_body_and_password),
		cmocka_unit_test(test_tls),
		cmocka_unit_test(test_tls_rotation),
		cmocka_unit_test(test_tls_change_ends_connections),
		cmocka_unit_test(test_http_to_https),
		cmocka_unit_test(test_bad_web_config),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
