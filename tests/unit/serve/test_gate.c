// SPDX-License-Identifier: BSD-2-Clause
/* Verdicts, without a socket. */
#include "serve/gate.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "cert.h"
#include "hashes.h"

static void gate_closep(struct gate **gate)
{
	gate_close(*gate);
}

#define _gate_ __attribute__((cleanup(gate_closep)))

static struct gate *open_gate(const char *folder, const char *text)
{
	struct gate *gate = NULL;
	struct err err = {};
	char path[256];

	if (gate_open(cert_config(path, folder, text), NULL, NULL, &gate, &err) < 0)
		fail_msg("%s", err.text);
	return gate;
}

/* The status that a request gets in the end, 200 where it is let in. */
static unsigned ask(struct gate *gate, struct gate_request request)
{
	for (;;) {
		struct pollfd fd = { .fd = gate_fd(gate), .events = POLLIN };
		_reply_ struct reply reply = {};

		switch (gate_ask(gate, &request, &reply)) {
		case GATE_OPEN:
			return 200;
		case GATE_CLOSED:
			assert_int_equal(reply.body.text[reply.body.len - 1], '\n');
			return reply.status;
		case GATE_WAIT:
			break;
		}
		request.waited = true;
		do
			assert_int_equal(poll(&fd, 1, 20000), 1);
		while (!gate_ready(gate));
	}
}

static const char *header(const struct reply *reply, const char *name)
{
	for (size_t i = 0; i < reply->n_headers; i++)
		if (strcmp(reply->headers[i].name, name) == 0)
			return reply->headers[i].value;
	return NULL;
}

static void test_everybody(void **state)
{
	_folder_ char *folder = cert_folder();
	_gate_ struct gate *gate = open_gate(folder, "http_server_config: {http2: false}\n");

	(void)state;
	assert_int_equal(ask(gate, (struct gate_request){}), 200);
	assert_int_equal(ask(gate, (struct gate_request){ .body = true }), 200);
}

static void test_users(void **state)
{
	_folder_ char *folder = cert_folder();
	_gate_ struct gate *gate =
		open_gate(folder, "basic_auth_users: {a: " HASH_SECRET ", b: " HASH_AGAIN "}\n");
	_reply_ struct reply reply = {};

	(void)state;
	assert_int_equal(ask(gate, (struct gate_request){ "a", "secret", 0, 0 }), 200);
	assert_int_equal(ask(gate, (struct gate_request){ "b", "secret", 0, 0 }), 200);
	assert_int_equal(ask(gate, (struct gate_request){ "b", "wrong", 0, 0 }), 401);
	assert_int_equal(ask(gate, (struct gate_request){ "c", "secret", 0, 0 }), 401);
	assert_int_equal(ask(gate, (struct gate_request){ "", "", 0, 0 }), 401);
	assert_int_equal(ask(gate, (struct gate_request){ NULL, "secret", 0, 0 }), 401);
	assert_int_equal(ask(gate, (struct gate_request){ "a", NULL, 0, 0 }), 401);
	assert_int_equal(ask(gate, (struct gate_request){ "a", "secret", 0, true }), 400);
	gate_ask(gate, &(struct gate_request){}, &reply);
	assert_string_equal(header(&reply, "WWW-Authenticate"), "Basic realm=\"mpc-bpf-agent\"");
	assert_string_equal(header(&reply, "Cache-Control"), "no-store");
}

/* For a name that nobody has the costliest of the hashes is computed, too. */
static void test_unknown_user_takes_as_long(void **state)
{
	_folder_ char *folder = cert_folder();
	_gate_ struct gate *gate =
		open_gate(folder, "basic_auth_users: {a: " HASH_SECRET ", s: " HASH_SLOW "}\n");
	struct gate_request nobody = { "nobody", "x", 0, 0 };
	_reply_ struct reply reply = {};
	struct pollfd fd = { .fd = gate_fd(gate), .events = POLLIN };

	(void)state;
	assert_int_equal(gate_ask(gate, &nobody, &reply), GATE_WAIT);
	assert_int_equal(poll(&fd, 1, 300), 0); /* cost 4 would long be over */
}

/* A changed password holds at once, whatever is remembered of the old one. */
static void test_new_password(void **state)
{
	_folder_ char *folder = cert_folder();
	_gate_ struct gate *gate =
		open_gate(folder, "basic_auth_users: {a: " HASH_SECRET ", b: " HASH_SECRET "}\n");
	char path[256];

	(void)state;
	assert_int_equal(ask(gate, (struct gate_request){ "a", "secret", 0, 0 }), 200);
	assert_int_equal(ask(gate, (struct gate_request){ "b", "secret", 0, 0 }), 200);
	cert_config(path, folder, "basic_auth_users: {a: " HASH_SLOW "}\n");
	{
		_reply_ struct reply reply = {};
		const struct gate_request old = { "a", "secret", 0, 0 };

		assert_int_equal(gate_ask(gate, &old, &reply), GATE_WAIT);
	}
}

static void test_broken(void **state)
{
	_folder_ char *folder = cert_folder();
	_gate_ struct gate *gate = open_gate(folder, "basic_auth_users: {a: " HASH_SECRET "}\n");
	char path[256];

	(void)state;
	assert_int_equal(ask(gate, (struct gate_request){ "a", "secret", 0, 0 }), 200);
	cert_config(path, folder, "basic_auth_users: {a: b}\n");
	assert_int_equal(ask(gate, (struct gate_request){ "a", "secret", 0, 0 }), 503);
	assert_int_equal(ask(gate, (struct gate_request){}), 503);
	cert_config(path, folder, "basic_auth_users: {a: " HASH_SECRET "}\n");
	assert_int_equal(ask(gate, (struct gate_request){ "a", "secret", 0, 0 }), 200);
}

/* One that waited for its password was counted before. */
static void test_rate(void **state)
{
	_folder_ char *folder = cert_folder();
	_gate_ struct gate *gate = open_gate(folder, "rate_limit: {interval: 1h, burst: 2}\n"
						     "basic_auth_users: {a: " HASH_SECRET "}\n");

	(void)state;
	assert_int_equal(ask(gate, (struct gate_request){ "a", "secret", 0, 0 }), 200);
	assert_int_equal(ask(gate, (struct gate_request){ "a", "wrong", 0, 0 }), 401);
	assert_int_equal(ask(gate, (struct gate_request){ "a", "secret", 0, 0 }), 429);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everybody),
		cmocka_unit_test(test_users),
		cmocka_unit_test(test_unknown_user_takes_as_long),
		cmocka_unit_test(test_new_password),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
