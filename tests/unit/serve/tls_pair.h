/* SPDX-License-Identifier: BSD-2-Clause */
/* For tests: a TLS client, over a socket that does not block; @turn lets the other side go on. */
#ifndef TESTS_SERVE_TLS_PAIR_H
#define TESTS_SERVE_TLS_PAIR_H

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define TLS_TURNS_MAX 2000

struct tls_client {
	gnutls_session_t session;
	gnutls_certificate_credentials_t credentials;
};

/* Who it is and what it speaks. It checks the server's certificate itself, see the tests. */
struct tls_who {
	const char *folder, *name; /* name NULL: no certificate */
	const char *priority;      /* NULL: as usual */
};

static inline void tls_client_open(struct tls_client *client, int fd, const struct tls_who *who)
{
	char pem[256], key[256];

	/* it shows its certificate also to a server whose list of authorities has not its own */
	assert_int_equal(gnutls_init(&client->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK |
							       GNUTLS_NO_SIGNAL |
							       GNUTLS_FORCE_CLIENT_CERT),
			 0);
	gnutls_certificate_allocate_credentials(&client->credentials);
	if (who->name) {
		snprintf(pem, sizeof(pem), "%s/%s.pem", who->folder, who->name);
		snprintf(key, sizeof(key), "%s/%s.key", who->folder, who->name);
		assert_int_equal(gnutls_certificate_set_x509_key_file(client->credentials, pem, key,
								      GNUTLS_X509_FMT_PEM),
				 0);
	}
	gnutls_credentials_set(client->session, GNUTLS_CRD_CERTIFICATE, client->credentials);
	assert_int_equal(gnutls_priority_set_direct(client->session,
						    who->priority ? who->priority : "NORMAL", NULL),
			 0);
	gnutls_transport_set_int(client->session, fd);
}

static inline void tls_client_close(struct tls_client *client)
{
	gnutls_deinit(client->session);
	gnutls_certificate_free_credentials(client->credentials);
}

#define _tls_client_ __attribute__((cleanup(tls_client_close)))

/* Makes the handshake and one round trip of a byte more, since with TLS 1.3 a client hears
 * only then that it was refused. @turn is called while there is nothing to do. Returns 0, or
 * the alert that came, or -1 where none did. */
static inline int tls_client_greet(struct tls_client *client, void (*turn)(void *ctx), void *ctx)
{
	int r = GNUTLS_E_AGAIN;
	char byte;

	for (int i = 0; i < TLS_TURNS_MAX && r == GNUTLS_E_AGAIN; i++) {
		r = gnutls_handshake(client->session);
		turn(ctx);
	}
	if (r == 0) {
		gnutls_record_send(client->session, "?", 1);
		r = GNUTLS_E_AGAIN;
	}
	for (int i = 0; i < TLS_TURNS_MAX && r == GNUTLS_E_AGAIN; i++) {
		turn(ctx);
		r = (int)gnutls_record_recv(client->session, &byte, 1);
	}
	if (r == 1)
		return 0;
	return r == GNUTLS_E_FATAL_ALERT_RECEIVED ? (int)gnutls_alert_get(client->session) : -1;
}

#endif
