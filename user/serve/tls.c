// SPDX-License-Identifier: BSD-2-Clause
/* GnuTLS, told what a web configuration says. */
#include "serve/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/strbuf.h"
#include "serve/tls_words.h"

#define PEM_SIZE_MAX (16 << 20) /* a bundle of every authority there is has a few hundred kB */

struct tls {
	unsigned refs;
	gnutls_certificate_credentials_t credentials;
	gnutls_priority_t priority;
	enum web_client_auth client_auth;
	char **client_sans;
	size_t n_client_sans;
};

/* ---- the client's certificate ------------------------------------------------------ */

static bool allows(const struct tls *tls, const char *name)
{
	for (size_t i = 0; i < tls->n_client_sans; i++)
		if (strcmp(tls->client_sans[i], name) == 0)
			return true;
	return false;
}

/* One alternative name of a certificate as text, addresses in their usual form. */
static bool allows_name(const struct tls *tls, unsigned type, const char *data, size_t size)
{
	char address[INET6_ADDRSTRLEN];
	_free_ char *text = NULL;

	if (type == GNUTLS_SAN_IPADDRESS)
		return (size == 4 || size == 16) &&
		       inet_ntop(size == 4 ? AF_INET : AF_INET6, data, address, sizeof(address)) &&
		       allows(tls, address);
	if (type != GNUTLS_SAN_DNSNAME && type != GNUTLS_SAN_RFC822NAME && type != GNUTLS_SAN_URI)
		return false;
	if (memchr(data, '\0', size)) /* nobody has such a name; a shorter one it is not */
		return false;
	text = mem_strndup(data, size);
	return allows(tls, text);
}

static bool allows_certificate(const struct tls *tls, const gnutls_datum_t *der)
{
	gnutls_x509_crt_t crt;
	bool found = false;
	int r = 0;

	if (gnutls_x509_crt_init(&crt) < 0)
		return false;
	if (gnutls_x509_crt_import(crt, der, GNUTLS_X509_FMT_DER) < 0)
		r = GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE;
	for (unsigned i = 0; r >= 0 && !found; i++) {
		char name[2048];
		size_t size = sizeof(name);

		r = gnutls_x509_crt_get_subject_alt_name(crt, i, name, &size, NULL);
		if (r == GNUTLS_E_SHORT_MEMORY_BUFFER)
			r = GNUTLS_SAN_OTHERNAME; /* too long to be one of ours */
		else if (r >= 0)
			found = allows_name(tls, (unsigned)r, name, size);
	}
	gnutls_x509_crt_deinit(crt);
	return found;
}

/* Ends the handshake with an alert, which the library would not send: without it a client
 * sees a connection that breaks off. */
static int refuse(gnutls_session_t session, gnutls_alert_description_t alert)
{
	gnutls_alert_send(session, GNUTLS_AL_FATAL, alert);
	return GNUTLS_E_CERTIFICATE_ERROR;
}

/* Called in the handshake, also where no certificate came. That the client has the key to
 * its certificate is seen to by the library. */
static int verify(gnutls_session_t session)
{
	const struct tls *tls = gnutls_db_get_ptr(session);
	gnutls_typed_vdata_st client = { .type = GNUTLS_DT_KEY_PURPOSE_OID,
					 .data = (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT };
	bool must_come = tls->client_auth == WEB_CLIENT_REQUIRE_ANY ||
			 tls->client_auth == WEB_CLIENT_REQUIRE_AND_VERIFY;
	const gnutls_datum_t *chain;
	unsigned n = 0, status = 0;

	chain = gnutls_certificate_get_peers(session, &n);
	if (!chain || !n)
		return must_come ? refuse(session, GNUTLS_A_CERTIFICATE_REQUIRED) : 0;
	if (tls->client_auth >= WEB_CLIENT_VERIFY_IF_GIVEN &&
	    (gnutls_certificate_verify_peers(session, &client, 1, &status) < 0 || status))
		return refuse(session, status & GNUTLS_CERT_SIGNER_NOT_FOUND ? GNUTLS_A_UNKNOWN_CA :
				       status & GNUTLS_CERT_EXPIRED ? GNUTLS_A_CERTIFICATE_EXPIRED :
								      GNUTLS_A_BAD_CERTIFICATE);
	if (tls->n_client_sans && !allows_certificate(tls, &chain[0]))
		return refuse(session, GNUTLS_A_ACCESS_DENIED);
	return 0;
}

/* One that must come is only asked for here: verify() misses it with an alert. The pointer
 * for a store of sessions is free for us: there is no such store. */
int tls_begin(struct tls *tls, gnutls_session_t session)
{
	if (gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, tls->credentials) < 0 ||
	    gnutls_priority_set(session, tls->priority) < 0)
		return -EIO;
	gnutls_db_set_ptr(session, tls);
	gnutls_session_set_verify_function(session, verify);
	gnutls_certificate_server_set_request(session, tls->client_auth == WEB_CLIENT_NONE ?
							       GNUTLS_CERT_IGNORE :
							       GNUTLS_CERT_REQUEST);
	return 0;
}

/* ---- loading ----------------------------------------------------------------------- */

struct pem {
	char *text;
	size_t size;
};

static void pem_wipe(struct pem *pem)
{
	if (pem->text)
		explicit_bzero(pem->text, pem->size);
	free(pem->text);
	*pem = (struct pem){};
}

static gnutls_datum_t datum(const struct pem *pem)
{
	return (gnutls_datum_t){ (unsigned char *)pem->text, (unsigned)pem->size };
}

static int read_pem(const struct web_config *config, const char *key, const struct web_file *file,
		    struct pem *out, struct err *err)
{
	int r = file_read(file->path, PEM_SIZE_MAX, &out->text, &out->size, err);

	if (r < 0)
		err_wrap(err, "%s:%u: %s", config->path, file->line, key);
	return r;
}

static int blame(const struct web_config *config, const struct web_file *file, const char *why,
		 struct err *err)
{
	return err_set(err, -EINVAL, "%s:%u: %s %s", config->path, file->line, file->path, why);
}

/* The library says that a pair is bad, not which half: each is tried alone first. */
static int check_cert(const struct web_config *config, const struct pem *pem, struct err *err)
{
	gnutls_datum_t data = datum(pem);
	gnutls_x509_crt_t *list = NULL;
	unsigned n = 0;
	int r = gnutls_x509_crt_list_import2(&list, &n, &data, GNUTLS_X509_FMT_PEM, 0);

	for (unsigned i = 0; r >= 0 && i < n; i++)
		gnutls_x509_crt_deinit(list[i]);
	if (r >= 0)
		gnutls_free(list);
	return r < 0 ? blame(config, &config->tls.cert,
			     "holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)",
			     err) :
		       0;
}

static int check_key(const struct web_config *config, const struct pem *pem, struct err *err)
{
	gnutls_datum_t data = datum(pem);
	gnutls_x509_privkey_t key;
	int r;

	if (gnutls_x509_privkey_init(&key) < 0)
		return err_set(err, -ENOMEM, "no memory for a key");
	r = gnutls_x509_privkey_import2(key, &data, GNUTLS_X509_FMT_PEM, NULL, 0);
	gnutls_x509_privkey_deinit(key);
	if (r >= 0)
		return 0;
	return blame(config, &config->tls.key,
		     r == GNUTLS_E_DECRYPTION_FAILED ?
			     "is encrypted, and nobody can be asked for the pass phrase; save it "
			     "without one" :
			     "holds no private key in PEM form (-----BEGIN PRIVATE KEY-----)",
		     err);
}

static int load_pair(struct tls *tls, const struct web_config *config, struct err *err)
{
	_cleanup_(pem_wipe) struct pem cert = {}, key = {};
	gnutls_datum_t cert_data, key_data;
	int r;

	r = read_pem(config, "cert_file", &config->tls.cert, &cert, err);
	if (r == 0)
		r = check_cert(config, &cert, err);
	if (r == 0)
		r = read_pem(config, "key_file", &config->tls.key, &key, err);
	if (r == 0)
		r = check_key(config, &key, err);
	if (r < 0)
		return r;
	cert_data = datum(&cert);
	key_data = datum(&key);
	r = gnutls_certificate_set_x509_key_mem(tls->credentials, &cert_data, &key_data,
						GNUTLS_X509_FMT_PEM);
	if (r == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
		return err_set(err, -EINVAL,
			       "%s:%u: the key in %s does not belong to the "
			       "(first) certificate in %s",
			       config->path, config->tls.key.line, config->tls.key.path,
			       config->tls.cert.path);
	if (r < 0)
		return err_set(err, -EINVAL, "%s:%u: %s and %s cannot be used together: %s",
			       config->path, config->tls.cert.line, config->tls.cert.path,
			       config->tls.key.path, gnutls_strerror(r));
	return 0;
}

/* Without a file the authorities of the system are those of clients, as the format has it. */
static int load_client_ca(struct tls *tls, const struct web_config *config, struct err *err)
{
	const struct web_file *file = &config->tls.client_ca;
	_cleanup_(pem_wipe) struct pem pem = {};
	gnutls_datum_t data;
	int r;

	if (!file->path) {
		if (tls->client_auth >= WEB_CLIENT_VERIFY_IF_GIVEN)
			gnutls_certificate_set_x509_system_trust(tls->credentials);
		return 0;
	}
	r = read_pem(config, "client_ca_file", file, &pem, err);
	if (r < 0)
		return r;
	data = datum(&pem);
	if (gnutls_certificate_set_x509_trust_mem(tls->credentials, &data, GNUTLS_X509_FMT_PEM) <=
	    0)
		return blame(config, file,
			     "holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)", err);
	return 0;
}

static int load_priority(struct tls *tls, const struct web_config *config, struct err *err)
{
	_strbuf_ struct strbuf text = {};

	tls_priority(&config->tls, &text);
	if (gnutls_priority_init(&tls->priority, text.text, NULL) < 0)
		return err_set(err, -EINVAL,
			       "%s: the TLS library of this system knows no such versions, suites "
			       "or curves (%s)",
			       config->path, text.text);
	return 0;
}

int tls_load(const struct web_config *config, struct tls **out, struct err *err)
{
	_cleanup_(tls_unrefp) struct tls *tls = mem_alloc(sizeof(*tls));
	int r;

	tls->refs = 1;
	tls->client_auth = config->tls.client_auth;
	tls->n_client_sans = config->tls.client_sans.n;
	tls->client_sans = mem_array(tls->n_client_sans, sizeof(*tls->client_sans));
	for (size_t i = 0; i < tls->n_client_sans; i++)
		tls->client_sans[i] = mem_strdup(config->tls.client_sans.at[i]);
	if (gnutls_certificate_allocate_credentials(&tls->credentials) < 0)
		return err_set(err, -ENOMEM, "no memory for TLS");
	r = load_pair(tls, config, err);
	if (r == 0)
		r = load_client_ca(tls, config, err);
	if (r == 0)
		r = load_priority(tls, config, err);
	if (r < 0)
		return r;
	*out = TAKE_PTR(tls);
	return 0;
}

struct tls *tls_ref(struct tls *tls)
{
	tls->refs++;
	return tls;
}

void tls_unref(struct tls *tls)
{
	if (!tls || --tls->refs)
		return;
	if (tls->priority)
		gnutls_priority_deinit(tls->priority);
	if (tls->credentials)
		gnutls_certificate_free_credentials(tls->credentials);
	for (size_t i = 0; i < tls->n_client_sans; i++)
		free(tls->client_sans[i]);
	free(tls->client_sans);
	free(tls);
}

void tls_unrefp(struct tls **tls)
{
	tls_unref(*tls);
	*tls = NULL;
}
