/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a TLS connection is opened with: certificate, key, the clients' authority,
 * versions and suites. Loaded whole from a web configuration and then never
 * changed; connections hold on to the one that they began with.
 */
#ifndef SERVE_TLS_H
#define SERVE_TLS_H

#include <gnutls/gnutls.h>

#include "base/err.h"
#include "serve/web_config.h"

struct tls;

/* Reads the files that @config names. Returns 0 and *@out with one reference, or a
 * negative errno with the place in the configuration and what is wrong. */
int tls_load(const struct web_config *config, struct tls **out, struct err *err);
struct tls *tls_ref(struct tls *tls);
void tls_unref(struct tls *tls); /* NULL is fine */
void tls_unrefp(struct tls **tls);

/* Prepares a session of a server before its handshake; @tls must outlive it. Returns 0
 * or a negative errno, and then the session must not be used. */
int tls_begin(struct tls *tls, gnutls_session_t session);

#endif
