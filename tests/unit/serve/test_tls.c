// SPDX-License-Identifier: BSD-2-Clause
/* Both ends of a connection, in one thread, for every kind of client. */
#include "serve/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "cert.h"
#include "tls_pair.h"

#define REFUSED(alert) (GNUTLS_A_##alert)
#define _config_ __attribute__((cleanup(web_config_freep)))
#define _unref_ __attribute__((cleanup(tls_unrefp)))

static char *folder;

static int make_folder(void **state)
{
	static const unsigned char four[] = { 10, 0, 0, 7 };
	static const unsigned char six[16] = { 0xfd, [15] = 1 };
	const struct cert_wish wishes[] = {
		{ "client", "ca", GNUTLS_KP_TLS_WWW_CLIENT, GNUTLS_SAN_DNSNAME, "prometheus", 0,
		  false },
		{ "plain", "ca", NULL, GNUTLS_SAN_URI, "spiffe://x/prom", 0, false },
		{ "mail", "ca", NULL, GNUTLS_SAN_RFC822NAME, "ops@example.org", 0, false },
		{ "four", "ca", NULL, GNUTLS_SAN_IPADDRESS, (const char *)four, 4, false },
		{ "six", "ca", NULL, GNUTLS_SAN_IPADDRESS, (const char *)six, 16, false },
		{ "zero", "ca", NULL, GNUTLS_SAN_DNSNAME, "prometheus\0.evil", 16, false },
		{ "serving", "ca", GNUTLS_KP_TLS_WWW_SERVER, 0, NULL, 0, false },
		{ "old", "ca", GNUTLS_KP_TLS_WWW_CLIENT, 0, NULL, 0, true },
		{ "other-ca", NULL, NULL, 0, NULL, 0, false },
		{ "stranger", "other-ca", GNUTLS_KP_TLS_WWW_CLIENT, GNUTLS_SAN_DNSNAME,
		  "prometheus", 0, false },
	};

	(void)state;
	folder = cert_folder();
	for (size_t i = 0; i < ARRAY_SIZE(wishes); i++)
		cert_make(folder, &wishes[i]);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	cert_folder_free(&folder);
	return 0;
}

static struct web_config *configure(const char *more)
{
	_free_ char *text = mem_printf(
		"tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n%s", more);
	struct web_config *config = NULL;
	struct err err = {};
	char path[256];

	if (web_config_load(cert_config(path, folder, text), &config, &err) < 0)
		fail_msg("%s", err.text);
	return config;
}

/* The server's side: an echo. */
struct server {
	gnutls_session_t session;
	bool greeted, over;
};

static void turn(void *ctx)
{
	struct server *server = ctx;
	char byte;
	int r;

	if (server->over)
		return;
	if (!server->greeted) {
		r = gnutls_handshake(server->session);
		server->greeted = r == 0;
		server->over = r < 0 && gnutls_error_is_fatal(r);
		if (server->over) /* as libmicrohttpd does: closed without another word */
			shutdown(gnutls_transport_get_int(server->session), SHUT_RDWR);
	} else if (gnutls_record_recv(server->session, &byte, 1) == 1) {
		gnutls_record_send(server->session, &byte, 1);
	}
}

/* What a client hears of a server with that configuration. */
static int greet(const char *more, const char *name, const char *priority)
{
	_config_ struct web_config *config = configure(more);
	const struct tls_who who = { folder, name, priority };
	_unref_ struct tls *tls = NULL;
	_tls_client_ struct tls_client client;
	struct server server = {};
	struct err err = {};
	int fds[2], r;

	if (tls_load(config, &tls, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	gnutls_init(&server.session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
	gnutls_transport_set_int(server.session, fds[0]);
	assert_int_equal(tls_begin(tls, server.session), 0);
	tls_client_open(&client, fds[1], &who);
	r = tls_client_greet(&client, turn, &server);
	gnutls_deinit(server.session);
	close(fds[0]);
	close(fds[1]);
	return r;
}

#define TLS12 "NORMAL:-VERS-ALL:+VERS-TLS1.2"
#define TLS13 "NORMAL:-VERS-ALL:+VERS-TLS1.3"

static void test_no_client_certificate(void **state)
{
	(void)state;
	assert_int_equal(greet("", NULL, NULL), 0);
	assert_int_equal(greet("", "stranger", NULL), 0);
	assert_int_equal(greet("", NULL, TLS12), 0);
	assert_int_equal(greet("  client_auth_type: NoClientCert\n", NULL, NULL), 0);
}

/* Each word against each kind of client, with both versions. */
static void test_client_auth_words(void **state)
{
	static const struct {
		const char *word;
		int none, stranger, expired, wrong_use;
	} words[] = {
		{ "RequestClientCert", 0, 0, 0, 0 },
		{ "RequireAnyClientCert", REFUSED(CERTIFICATE_REQUIRED), 0, 0, 0 },
		{ "VerifyClientCertIfGiven", 0, REFUSED(UNKNOWN_CA), REFUSED(CERTIFICATE_EXPIRED),
		  REFUSED(BAD_CERTIFICATE) },
		{ "RequireAndVerifyClientCert", REFUSED(CERTIFICATE_REQUIRED), REFUSED(UNKNOWN_CA),
		  REFUSED(CERTIFICATE_EXPIRED), REFUSED(BAD_CERTIFICATE) },
	};
	static const char *const versions[] = { TLS12, TLS13 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		for (size_t v = 0; v < ARRAY_SIZE(versions); v++) {
			_free_ char *more =
				mem_printf("  client_ca_file: %s.pem\n  client_auth_type: %s\n",
					   "ca", words[i].word);

			assert_int_equal(greet(more, "client", versions[v]), 0);
			assert_int_equal(greet(more, "plain", versions[v]), 0);
			assert_int_equal(greet(more, NULL, versions[v]), words[i].none);
			assert_int_equal(greet(more, "stranger", versions[v]), words[i].stranger);
			assert_int_equal(greet(more, "old", versions[v]), words[i].expired);
			assert_int_equal(greet(more, "serving", versions[v]), words[i].wrong_use);
		}
	}
}

static void test_allowed_sans(void **state)
{
	static const char must[] =
		"  client_ca_file: ca.pem\n  client_auth_type: RequireAndVerifyClientCert\n";
	static const struct {
		const char *san, *client;
		int heard;
	} cases[] = {
		{ "prometheus", "client", 0 },
		{ "spiffe://x/prom", "plain", 0 },
		{ "ops@example.org", "mail", 0 },
		{ "10.0.0.7", "four", 0 },
		{ "'fd00::1'", "six", 0 },
		{ "Prometheus", "client", REFUSED(ACCESS_DENIED) },
		{ "prometheus", "plain", REFUSED(ACCESS_DENIED) },
		{ "prometheus", "zero", REFUSED(ACCESS_DENIED) },
		{ "old", "serving", REFUSED(BAD_CERTIFICATE) },
		{ "prometheus", "stranger", REFUSED(UNKNOWN_CA) },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int heard;
		_free_ char *more = mem_printf("%s  client_allowed_sans: [none.example, %s]\n",
					       must, cases[i].san);

		heard = greet(more, cases[i].client, NULL);
		if (heard != cases[i].heard)
			fail_msg("%s for %s hears %d", cases[i].client, cases[i].san, heard);
	}
}

static void test_versions_and_suites(void **state)
{
	static const char one[] =
		"  max_version: TLS12\n  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]\n";

	(void)state;
	assert_int_not_equal(greet("  min_version: TLS13\n", NULL, TLS12), 0);
	assert_int_equal(greet("  max_version: TLS12\n", NULL, TLS12), 0);
	assert_int_equal(greet(one, NULL, TLS12 ":-CIPHER-ALL:+AES-256-GCM"), 0);
	assert_int_not_equal(greet(one, NULL, TLS12 ":-CIPHER-ALL:+AES-128-GCM"), 0);
	assert_int_equal(greet("  curve_preferences: [CurveP384]\n", NULL,
			       "NORMAL:-GROUP-ALL:+GROUP-SECP384R1"),
			 0);
	assert_int_not_equal(greet("  curve_preferences: [CurveP384]\n", NULL,
				   "NORMAL:-GROUP-ALL:+GROUP-X25519"),
			     0);
}

static void test_bad_files(void **state)
{
	static const char encrypted[] =
		"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
		"MIGjMF8GCSqGSIb3DQEFDTBSMDEGCSqGSIb3DQEFDDAkBBAAAAAAAAAAAAAAAAAA\n"
		"AAAAAgIIADAMBggqhkiG9w0CCQUAMB0GCWCGSAFlAwQBKgQQAAAAAAAAAAAAAAAA\n"
		"AAAAAARAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==\n-----END ENCRYPTED PRIVATE KEY-----\n";
	static const struct {
		const char *yaml, *words[3];
	} cases[] = {
		{ "{cert_file: no.pem, key_file: server.key}",
		  { "web.yml:1: cert_file: cannot open ", "no.pem: No such file" } },
		{ "{cert_file: server.pem, key_file: no.key}",
		  { "web.yml:1: key_file: cannot open ", "no.key: No such file" } },
		{ "{cert_file: server.key, key_file: server.key}",
		  { "web.yml:1: ", "server.key holds no certificate in PEM form" } },
		{ "{cert_file: server.pem, key_file: server.pem}",
		  { "web.yml:1: ", "server.pem holds no private key in PEM form" } },
		{ "{cert_file: server.pem, key_file: secret.key}",
		  { "web.yml:1: ", "secret.key is encrypted", "without one" } },
		{ "{cert_file: server.pem, key_file: client.key}",
		  { "the key in ", "client.key does not belong to the (first) certificate in ",
		    "server.pem" } },
		{ "{cert_file: server.pem, key_file: server.key, client_auth_type: "
		  "RequestClientCert, client_ca_file: server.key}",
		  { "web.yml:1: ", "server.key holds no certificate in PEM form" } },
	};

	(void)state;
	cert_write(folder, "secret", ".key", encrypted, strlen(encrypted));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_free_ char *text = mem_printf("tls_server_config: %s\n", cases[i].yaml);
		_config_ struct web_config *config = NULL;
		struct tls *tls = NULL;
		struct err err = {};
		char path[256];

		assert_int_equal(web_config_load(cert_config(path, folder, text), &config, &err),
				 0);
		assert_true(tls_load(config, &tls, &err) < 0);
		assert_null(tls);
		for (size_t w = 0; w < 3 && cases[i].words[w]; w++)
			if (!strstr(err.text, cases[i].words[w]))
				fail_msg("\"%s\" is not in: %s", cases[i].words[w], err.text);
		assert_null(strstr(err.text, "BEGIN PRIVATE KEY-----\n"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_client_certificate),
		cmocka_unit_test(test_client_auth_words),
		cmocka_unit_test(test_allowed_sans),
		cmocka_unit_test(test_versions_and_suites),
		cmocka_unit_test(test_bad_files),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
