/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cipher suites and curves by the names that Go gives them, which is what a web
 * configuration has, and what of them GnuTLS is told. GnuTLS is told ciphers, MACs
 * and key exchanges apart and allows every combination; a list that does not name
 * every combination is refused rather than widened.
 */
#ifndef SERVE_TLS_WORDS_H
#define SERVE_TLS_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"
#include "serve/web_config.h"

/* The names, in the order of the indices. */
extern const char *const tls_suite_names[];
extern const size_t tls_suite_count;
extern const char *const tls_curve_names[];
extern const size_t tls_curve_count;

/* What is wrong with the list of suites for these versions, or NULL (free it). */
char *tls_suites_fault(const struct web_tls *tls);
/* Writes GnuTLS' priority string. */
void tls_priority(const struct web_tls *tls, struct strbuf *out);

#endif
