// SPDX-License-Identifier: BSD-2-Clause
/* From Go's names to GnuTLS' priority string. */
#include "serve/tls_words.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

enum exchange { NO_EXCHANGE, ECDHE_RSA, ECDHE_ECDSA }; /* NO_EXCHANGE: of TLS 1.3 */

/* The columns that GnuTLS wants apart; mac "AEAD" goes with TLS 1.3, too. */
static const struct suite {
	enum exchange exchange;
	const char *cipher, *mac;
} suites[] = {
	{ NO_EXCHANGE, "AES-128-GCM", "AEAD" },       { NO_EXCHANGE, "AES-256-GCM", "AEAD" },
	{ NO_EXCHANGE, "CHACHA20-POLY1305", "AEAD" }, { ECDHE_ECDSA, "AES-128-CBC", "SHA1" },
	{ ECDHE_ECDSA, "AES-256-CBC", "SHA1" },       { ECDHE_RSA, "AES-128-CBC", "SHA1" },
	{ ECDHE_RSA, "AES-256-CBC", "SHA1" },         { ECDHE_ECDSA, "AES-128-GCM", "AEAD" },
	{ ECDHE_ECDSA, "AES-256-GCM", "AEAD" },       { ECDHE_RSA, "AES-128-GCM", "AEAD" },
	{ ECDHE_RSA, "AES-256-GCM", "AEAD" },         { ECDHE_RSA, "CHACHA20-POLY1305", "AEAD" },
	{ ECDHE_ECDSA, "CHACHA20-POLY1305", "AEAD" },
};

const char *const tls_suite_names[] = {
	"TLS_AES_128_GCM_SHA256",
	"TLS_AES_256_GCM_SHA384",
	"TLS_CHACHA20_POLY1305_SHA256",
	"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
	"TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
	"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
	"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
	"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
	"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
	"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
	"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
	"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
	"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
};
const size_t tls_suite_count = ARRAY_SIZE(tls_suite_names);
static_assert(ARRAY_SIZE(suites) == ARRAY_SIZE(tls_suite_names));

const char *const tls_curve_names[] = { "CurveP256", "CurveP384", "CurveP521", "X25519" };
const size_t tls_curve_count = ARRAY_SIZE(tls_curve_names);

static const char *const groups[] = { "SECP256R1", "SECP384R1", "SECP521R1", "X25519" };
static const char *const versions[] = { "TLS1.0", "TLS1.1", "TLS1.2", "TLS1.3" };
static_assert(ARRAY_SIZE(groups) == ARRAY_SIZE(tls_curve_names));
static_assert(ARRAY_SIZE(versions) == WEB_VERSIONS);

static bool names(const struct web_tls *tls, size_t suite)
{
	for (size_t i = 0; i < tls->suites.n; i++)
		if (tls->suites.at[i] == suite)
			return true;
	return false;
}

/* Whether it would be allowed along with the named ones: its parts are. */
static bool comes_along(const struct web_tls *tls, size_t suite)
{
	bool exchange = false, cipher = false;

	for (size_t i = 0; i < tls->suites.n; i++) {
		const struct suite *it = &suites[tls->suites.at[i]];

		exchange |= it->exchange == suites[suite].exchange;
		cipher |= strcmp(it->cipher, suites[suite].cipher) == 0;
	}
	return exchange && cipher;
}

char *tls_suites_fault(const struct web_tls *tls)
{
	bool modern = false;

	for (size_t i = 0; i < tls->suites.n; i++)
		modern |= strcmp(suites[tls->suites.at[i]].mac, "AEAD") == 0;
	if (tls->suites.n && !modern && tls->max == WEB_TLS13)
		return mem_strdup(
			"none of these is of TLS 1.3; add one with GCM or CHACHA20, or set "
			"max_version: TLS12");
	for (size_t s = 0; s < ARRAY_SIZE(suites) && tls->min < WEB_TLS13; s++)
		if (suites[s].exchange != NO_EXCHANGE && !names(tls, s) && comes_along(tls, s))
			return mem_printf(
				"with these, the TLS library here (GnuTLS) would allow %s as "
				"well; add it, or leave out what it has in common with others",
				tls_suite_names[s]);
	return NULL;
}

static void add(struct strbuf *out, const char *kind, const char *name)
{
	strbuf_printf(out, ":+%s%s", kind, name);
}

/* Later words for the same thing do no harm. */
static void add_suites(const struct web_tls *tls, struct strbuf *out)
{
	static const char *const exchanges[] = { NULL, "ECDHE-RSA", "ECDHE-ECDSA" };

	if (tls->suites.n)
		strbuf_puts(out, ":-CIPHER-ALL:-MAC-ALL");
	for (size_t i = 0; i < tls->suites.n; i++) {
		const struct suite *it = &suites[tls->suites.at[i]];

		add(out, "", it->cipher);
		add(out, "", it->mac);
		if (it->exchange != NO_EXCHANGE)
			add(out, "", exchanges[it->exchange]);
	}
	if (!tls->suites.n)
		strbuf_puts(out, ":+ECDHE-ECDSA:+ECDHE-RSA");
}

/* Key exchanges are those of Go: without forward secrecy there is none. */
void tls_priority(const struct web_tls *tls, struct strbuf *out)
{
	strbuf_puts(out, "NORMAL:-VERS-ALL:-KX-ALL");
	for (size_t v = tls->max + 1; v-- > tls->min;)
		add(out, "VERS-", versions[v]);
	add_suites(tls, out);
	if (tls->curves.n)
		strbuf_puts(out, ":-GROUP-ALL");
	for (size_t i = 0; i < tls->curves.n; i++)
		add(out, "GROUP-", groups[tls->curves.at[i]]);
	if (tls->prefer_server)
		strbuf_puts(out, ":%SERVER_PRECEDENCE");
}
