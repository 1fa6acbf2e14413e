// SPDX-License-Identifier: BSD-2-Clause
/* Files that change while they are used. */
#include "serve/web.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "cert.h"
#include "hashes.h"

#define _web_ __attribute__((cleanup(web_closep)))

/* What was said, and how often. */
struct said {
	unsigned good, bad;
	char last[2048];
};

static void on_say(void *ctx, bool good, const char *text)
{
	struct said *said = ctx;

	said->good += good;
	said->bad += !good;
	snprintf(said->last, sizeof(said->last), "%s", text);
}

static struct web *open_web(const char *folder, const char *text, struct said *said)
{
	struct web *web = NULL;
	struct err err = {};
	char path[256];

	if (web_open(cert_config(path, folder, text), on_say, said, &web, &err) < 0)
		fail_msg("%s", err.text);
	return web;
}

static void renew(struct web *web, const char *folder, const char *text)
{
	char path[256];

	cert_config(path, folder, text);
	web_renew(web);
}

/* Copies NAME.pem or NAME.key over the server's. */
static void put(const char *folder, const char *name, const char *end)
{
	gnutls_datum_t data = cert_read(folder, name, end);

	cert_write(folder, "server", end, data.data, data.size);
	gnutls_free(data.data);
}

static void make_other(const char *folder)
{
	cert_make(folder, &(struct cert_wish){ .name = "other", .issuer = "ca" });
}

static void test_nothing_new(void **state)
{
	_folder_ char *folder = cert_folder();
	struct said said = {};
	_web_ struct web *web = open_web(folder, CERT_PAIR, &said);
	const struct tls *tls = web_tls(web);

	(void)state;
	assert_non_null(tls);
	for (int i = 0; i < 3; i++)
		web_renew(web);
	assert_ptr_equal(web_tls(web), tls);
	assert_true(web_holds(web));
	assert_int_equal(said.good + said.bad, 0);
}

static void test_new_users(void **state)
{
	_folder_ char *folder = cert_folder();
	struct said said = {};
	_web_ struct web *web = open_web(folder, "basic_auth_users: {a: " HASH_SECRET "}\n", &said);

	(void)state;
	assert_null(web_tls(web));
	renew(web, folder, "basic_auth_users: {b: " HASH_AGAIN "}\n");
	assert_true(web_holds(web));
	assert_null(web_config_user(web_current(web), "a"));
	assert_non_null(web_config_user(web_current(web), "b"));
	assert_int_equal(said.good, 1);
	assert_int_equal(said.bad, 0);
}

/* Refused at once, told once for each fault, and good again as soon as the file is. */
static void test_broken_file(void **state)
{
	_folder_ char *folder = cert_folder();
	struct said said = {};
	_web_ struct web *web = open_web(folder, CERT_PAIR, &said);

	(void)state;
	renew(web, folder, "tls_server_config: {\n");
	for (int i = 0; i < 3; i++)
		web_renew(web);
	assert_false(web_holds(web));
	assert_int_equal(said.bad, 1);
	assert_non_null(strstr(said.last, "nothing is served until"));
	assert_non_null(strstr(said.last, "web.yml:2:1: not YAML"));
	renew(web, folder, "");
	assert_false(web_holds(web));
	assert_int_equal(said.bad, 2);
	assert_non_null(strstr(said.last, "is empty"));
	put(folder, "server", ".pem"); /* of no use while the configuration is unknown */
	web_renew(web);
	assert_false(web_holds(web));
	assert_int_equal(said.bad, 2);
	assert_non_null(web_tls(web)); /* to say it over */
	renew(web, folder, CERT_PAIR);
	assert_true(web_holds(web));
	assert_int_equal(said.good, 1);
}

static void test_file_that_goes(void **state)
{
	_folder_ char *folder = cert_folder();
	struct said said = {};
	_web_ struct web *web = open_web(folder, CERT_PAIR, &said);
	char path[256];

	(void)state;
	cert_path(path, sizeof(path), folder, "web", ".yml");
	assert_int_equal(unlink(path), 0);
	web_renew(web);
	assert_false(web_holds(web));
	assert_non_null(strstr(said.last, "No such file"));
	renew(web, folder, CERT_PAIR);
	assert_true(web_holds(web));
}

/* A new certificate, and then its key: in between the old pair goes on. */
static void test_rotation(void **state)
{
	_folder_ char *folder = cert_folder();
	struct said said = {};
	_web_ struct web *web = open_web(folder, CERT_PAIR, &said);
	const struct tls *tls = web_tls(web);

	(void)state;
	make_other(folder);
	put(folder, "other", ".pem");
	web_renew(web);
	assert_true(web_holds(web));
	assert_ptr_equal(web_tls(web), tls);
	put(folder, "other", ".key");
	web_renew(web);
	assert_true(web_holds(web));
	assert_ptr_not_equal(web_tls(web), tls);
	assert_int_equal(said.bad, 0);
	assert_int_equal(said.good, 1);
}

/* A pair that stays broken is used only so long. */
static void test_rotation_that_stops_half_way(void **state)
{
	_folder_ char *folder = cert_folder();
	struct said said = {};
	_web_ struct web *web = open_web(folder, CERT_PAIR, &said);

	(void)state;
	make_other(folder);
	put(folder, "other", ".pem");
	web_renew(web);
	assert_true(web_holds(web));
	sleep(WEB_GRACE_SECONDS);
	assert_false(web_holds(web));
	web_renew(web);
	web_renew(web);
	assert_int_equal(said.bad, 1);
	assert_non_null(strstr(said.last, "does not belong to the (first) certificate"));
	put(folder, "other", ".key");
	web_renew(web);
	assert_true(web_holds(web));
}

/* A file that demands more than before is not waited for: nobody is served by the old one. */
static void test_new_file_without_its_pair(void **state)
{
	_folder_ char *folder = cert_folder();
	struct said said = {};
	_web_ struct web *web = open_web(folder, CERT_PAIR, &said);

	(void)state;
	renew(web, folder,
	      "tls_server_config: {cert_file: other.pem, key_file: other.key}\n"
	      "basic_auth_users: {a: " HASH_SECRET "}\n");
	assert_false(web_holds(web));
	assert_int_equal(said.bad, 1);
	make_other(folder);
	web_renew(web);
	assert_true(web_holds(web));
	assert_non_null(web_config_user(web_current(web), "a"));
}

/* A connection may still have what was in use before. */
static void test_reference(void **state)
{
	_folder_ char *folder = cert_folder();
	struct said said = {};
	struct web *web = open_web(folder, CERT_PAIR, &said);
	struct tls *tls = tls_ref(web_tls(web));

	(void)state;
	renew(web, folder, CERT_PAIR "http_server_config: {http2: false}\n");
	assert_ptr_not_equal(web_tls(web), tls);
	web_close(web);
	tls_unref(tls);
}

static void test_scheme_stays(void **state)
{
	_folder_ char *folder = cert_folder();
	struct said said = {};
	_web_ struct web *https = open_web(folder, CERT_PAIR, &said);

	(void)state;
	renew(https, folder, "http_server_config: {http2: false}\n");
	assert_false(web_holds(https));
	assert_non_null(
		strstr(said.last, "tls_server_config is gone, but this agent began with TLS"));
	{
		_web_ struct web *http =
			open_web(folder, "http_server_config: {http2: false}\n", &said);

		renew(http, folder, CERT_PAIR);
		assert_false(web_holds(http));
		assert_non_null(strstr(said.last, "tls_server_config was added"));
		assert_null(web_tls(http));
	}
}

static void test_refused_at_the_start(void **state)
{
	_folder_ char *folder = cert_folder();
	struct web *web = NULL;
	struct err err = {};
	char path[256];

	(void)state;
	cert_config(path, folder, "tls_server_config: {cert_file: no.pem, key_file: server.key}\n");
	assert_int_equal(web_open(path, NULL, NULL, &web, &err), -ENOENT);
	assert_non_null(strstr(err.text, "web.yml:1: cert_file: cannot open "));
	assert_int_equal(web_open("/nonexistent", NULL, NULL, &web, &err), -ENOENT);
	assert_null(web);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_new),
		cmocka_unit_test(test_new_users),
		cmocka_unit_test(test_broken_file),
		cmocka_unit_test(test_file_that_goes),
		cmocka_unit_test(test_rotation),
		cmocka_unit_test(test_rotation_that_stops_half_way),
		cmocka_unit_test(test_new_file_without_its_pair),
		cmocka_unit_test(test_reference),
		cmocka_unit_test(test_scheme_stays),
		cmocka_unit_test(test_refused_at_the_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
