/* SPDX-License-Identifier: BSD-2-Clause */
/* For tests: a folder with an authority's, a server's and clients' certificates, made anew. */
#ifndef TESTS_SERVE_CERT_H
#define TESTS_SERVE_CERT_H

#include <ftw.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

struct cert_wish {
	const char *name;    /* its files are NAME.pem and NAME.key */
	const char *issuer;  /* the name of another one; NULL: itself, an authority */
	const char *purpose; /* GNUTLS_KP_…, or NULL */
	gnutls_x509_subject_alt_name_t type;
	const char *san; /* NULL: none */
	size_t san_size; /* 0: a text */
	bool expired;
};

static inline void cert_path(char *out, size_t size, const char *folder, const char *name,
			     const char *end)
{
	assert_true(snprintf(out, size, "%s/%s%s", folder, name, end) < (int)size);
}

static inline void cert_write(const char *folder, const char *name, const char *end,
			      const void *data, size_t size)
{
	char path[256];
	FILE *f;

	cert_path(path, sizeof(path), folder, name, end);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, size, f), size);
	assert_int_equal(fclose(f), 0);
}

static inline gnutls_datum_t cert_read(const char *folder, const char *name, const char *end)
{
	gnutls_datum_t data;
	char path[256];

	cert_path(path, sizeof(path), folder, name, end);
	assert_int_equal(gnutls_load_file(path, &data), 0);
	return data;
}

static inline gnutls_x509_privkey_t cert_new_key(const char *folder, const char *name)
{
	gnutls_x509_privkey_t key;
	gnutls_datum_t out;

	gnutls_x509_privkey_init(&key);
	assert_int_equal(
		gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
					     GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
		0);
	assert_int_equal(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &out), 0);
	cert_write(folder, name, ".key", out.data, out.size);
	gnutls_free(out.data);
	return key;
}

static inline void cert_sign(const char *folder, const struct cert_wish *wish,
			     gnutls_x509_crt_t crt, gnutls_x509_privkey_t own)
{
	gnutls_x509_crt_t issuer = crt;
	gnutls_x509_privkey_t key = own;

	if (wish->issuer) {
		gnutls_datum_t pem = cert_read(folder, wish->issuer, ".pem");
		gnutls_datum_t secret = cert_read(folder, wish->issuer, ".key");

		gnutls_x509_crt_init(&issuer);
		gnutls_x509_privkey_init(&key);
		assert_int_equal(gnutls_x509_crt_import(issuer, &pem, GNUTLS_X509_FMT_PEM), 0);
		assert_int_equal(gnutls_x509_privkey_import(key, &secret, GNUTLS_X509_FMT_PEM), 0);
		gnutls_free(pem.data);
		gnutls_free(secret.data);
	}
	assert_int_equal(gnutls_x509_crt_sign2(crt, issuer, key, GNUTLS_DIG_SHA256, 0), 0);
	if (wish->issuer) {
		gnutls_x509_crt_deinit(issuer);
		gnutls_x509_privkey_deinit(key);
	}
}

/* Byte by byte, since the library would cut a name at its first NUL. */
static inline void cert_set_dns_name(gnutls_x509_crt_t crt, const struct cert_wish *wish)
{
	size_t n = wish->san_size ? wish->san_size : strlen(wish->san);
	unsigned char der[64] = { 0x30, (unsigned char)(n + 2), 0x82, (unsigned char)n };

	assert_true(n < 60);
	memcpy(der + 4, wish->san, n);
	assert_int_equal(
		gnutls_x509_crt_set_extension_by_oid(crt, GNUTLS_X509EXT_OID_SAN, der, n + 4, 0),
		0);
}

/* Makes the pair, in the place of one of that name. */
static inline void cert_make(const char *folder, const struct cert_wish *wish)
{
	gnutls_x509_privkey_t key = cert_new_key(folder, wish->name);
	unsigned char serial[8];
	gnutls_x509_crt_t crt;
	gnutls_datum_t out;
	time_t now = time(NULL);

	gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof(serial));
	serial[0] = 1;
	gnutls_x509_crt_init(&crt);
	gnutls_x509_crt_set_version(crt, 3);
	gnutls_x509_crt_set_serial(crt, serial, sizeof(serial));
	gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, wish->name,
				      (unsigned)strlen(wish->name));
	gnutls_x509_crt_set_activation_time(crt, now - 7200);
	gnutls_x509_crt_set_expiration_time(crt, wish->expired ? now - 3600 : now + 3600);
	gnutls_x509_crt_set_key(crt, key);
	gnutls_x509_crt_set_basic_constraints(crt, !wish->issuer, -1);
	if (wish->purpose)
		gnutls_x509_crt_set_key_purpose_oid(crt, wish->purpose, 0);
	if (wish->san && wish->type == GNUTLS_SAN_DNSNAME)
		cert_set_dns_name(crt, wish);
	else if (wish->san)
		gnutls_x509_crt_set_subject_alt_name(
			crt, wish->type, wish->san,
			(unsigned)(wish->san_size ? wish->san_size : strlen(wish->san)),
			GNUTLS_FSAN_SET);
	cert_sign(folder, wish, crt, key);
	assert_int_equal(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &out), 0);
	cert_write(folder, wish->name, ".pem", out.data, out.size);
	gnutls_free(out.data);
	gnutls_x509_crt_deinit(crt);
	gnutls_x509_privkey_deinit(key);
}

/* A new folder with "ca" and "server" in it; cert_folder_free() takes it away. */
static inline char *cert_folder(void)
{
	char *folder = mem_strdup("/tmp/mpc-cert-XXXXXX");

	assert_non_null(mkdtemp(folder));
	cert_make(folder, &(struct cert_wish){ .name = "ca" });
	cert_make(folder, &(struct cert_wish){ .name = "server",
					       .issuer = "ca",
					       .purpose = GNUTLS_KP_TLS_WWW_SERVER });
	return folder;
}

static inline int cert_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static inline void cert_folder_free(char **folder)
{
	nftw(*folder, cert_remove, 8, FTW_DEPTH | FTW_PHYS);
	free(*folder);
}

#define _folder_ __attribute__((cleanup(cert_folder_free)))

/* Writes FOLDER/web.yml and gives its path. */
static inline const char *cert_config(char path[256], const char *folder, const char *text)
{
	cert_write(folder, "web", ".yml", text, strlen(text));
	cert_path(path, 256, folder, "web", ".yml");
	return path;
}

#define CERT_PAIR "tls_server_config: {cert_file: server.pem, key_file: server.key}\n"

#endif
