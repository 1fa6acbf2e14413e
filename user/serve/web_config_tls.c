// SPDX-License-Identifier: BSD-2-Clause
/* The section tls_server_config. */
#include <assert.h>
#include <string.h>

#include "base/near.h"
#include "profile/fault.h"
#include "serve/tls_words.h"
#include "serve/web_build.h"

enum key {
	KEY_CERT,
	KEY_KEY,
	KEY_CLIENT_CA,
	KEY_CLIENT_AUTH,
	KEY_CLIENT_SANS,
	KEY_MIN,
	KEY_MAX,
	KEY_SUITES,
	KEY_PREFER_SERVER,
	KEY_CURVES,
	N_KEYS,
};

static const struct tree_key keys[N_KEYS] = {
	[KEY_CERT] = { "cert_file", false },
	[KEY_KEY] = { "key_file", false },
	[KEY_CLIENT_CA] = { "client_ca_file", false },
	[KEY_CLIENT_AUTH] = { "client_auth_type", false },
	[KEY_CLIENT_SANS] = { "client_allowed_sans", false },
	[KEY_MIN] = { "min_version", false },
	[KEY_MAX] = { "max_version", false },
	[KEY_SUITES] = { "cipher_suites", false },
	[KEY_PREFER_SERVER] = { "prefer_server_cipher_suites", false },
	[KEY_CURVES] = { "curve_preferences", false },
};

static const char *const versions[] = { "TLS10", "TLS11", "TLS12", "TLS13" };
static_assert(ARRAY_SIZE(versions) == WEB_VERSIONS);

static const char *const client_auths[] = {
	"NoClientCert",
	"RequestClientCert",
	"RequireAnyClientCert",
	"VerifyClientCertIfGiven",
	"RequireAndVerifyClientCert",
	"RequireClientCert",
};
static_assert(ARRAY_SIZE(client_auths) == WEB_CLIENT_REQUIRE_AND_VERIFY + 2);

/* The index of the word that stands there, or @n_words with a fault. */
static size_t read_word(struct web_build *b, const struct tree_entry *entry, const char *what,
			const char *const *words, size_t n_words)
{
	const char *text = tree_text(&b->tree, entry, what);
	_strbuf_ struct strbuf hint = {};
	size_t i = 0;

	if (!text)
		return n_words;
	while (i < n_words && strcmp(words[i], text) != 0)
		i++;
	if (i < n_words)
		return i;
	near_hint(&hint, text, words, n_words);
	if (!hint.len) {
		strbuf_puts(&hint, "; there are:");
		for (size_t w = 0; w < n_words; w++)
			strbuf_printf(&hint, "%s %s", w ? "," : "", words[w]);
	}
	fault_add(b->tree.page, tree_span(&b->tree, entry->value), "%s knows no \"%.60s\"%s", what,
		  text, hint.text);
	return n_words;
}

static void read_file(struct web_build *b, const struct tree_entry *entry, const char *what,
		      struct web_file *out)
{
	const char *text = entry->value ? tree_text(&b->tree, entry, what) : NULL;
	const char *config = b->config->path, *slash = strrchr(config, '/');

	if (!text)
		return;
	out->line = (unsigned)tree_span(&b->tree, entry->value).line + 1;
	if (text[0] == '/' || !slash)
		out->path = mem_strdup(text);
	else
		out->path = mem_printf("%.*s/%s", (int)(slash - config), config, text);
}

static void read_version(struct web_build *b, const struct tree_entry *entry, const char *what,
			 enum web_version *out)
{
	size_t i = entry->value ? read_word(b, entry, what, versions, ARRAY_SIZE(versions)) :
				  WEB_VERSIONS;

	if (i < WEB_VERSIONS)
		*out = (enum web_version)i;
}

static void read_client_auth(struct web_build *b, const struct tree_entry *entry)
{
	size_t i =
		read_word(b, entry, "\"client_auth_type\"", client_auths, ARRAY_SIZE(client_auths));

	if (i == ARRAY_SIZE(client_auths) - 1)
		i = WEB_CLIENT_REQUIRE_ANY; /* an old name of it */
	if (i < ARRAY_SIZE(client_auths))
		b->config->tls.client_auth = (enum web_client_auth)i;
}

static void read_sans(struct web_build *b, const struct tree_entry *entry)
{
	size_t n;
	_free_ struct tree_entry *items = tree_list(&b->tree, entry, "\"client_allowed_sans\"", &n);

	for (size_t i = 0; i < n; i++) {
		const char *text = tree_text(&b->tree, &items[i], "a name of a client");

		if (text)
			*VEC_ADD(&b->config->tls.client_sans) = mem_strdup(text);
	}
}

static void read_words(struct web_build *b, const struct tree_entry *entry, const char *what,
		       const char *const *words, size_t n_words, struct web_words *out)
{
	size_t n;
	_free_ struct tree_entry *items = tree_list(&b->tree, entry, what, &n);

	for (size_t i = 0; i < n; i++) {
		size_t at = read_word(b, &items[i], what, words, n_words);

		if (at < n_words)
			*VEC_ADD(out) = at;
	}
}

static void read_suites(struct web_build *b, const struct tree_entry *entry)
{
	_free_ char *fault = NULL;

	read_words(b, entry, "\"cipher_suites\"", tls_suite_names, tls_suite_count,
		   &b->config->tls.suites);
	if (!fault_page_has_any(b->tree.page))
		fault = tls_suites_fault(&b->config->tls);
	if (fault)
		fault_add(b->tree.page, tree_span(&b->tree, entry->key), "\"cipher_suites\": %s",
			  fault);
}

/* What does not go together. */
static void check(struct web_build *b, const struct tree_entry *entry, const struct tree_entry *got)
{
	const struct web_tls *tls = &b->config->tls;
	struct fault_page *page = b->tree.page;

	for (size_t k = KEY_CERT; k <= KEY_KEY; k++)
		if (!got[k].value)
			fault_add(page, tree_span(&b->tree, entry->key),
				  "\"tls_server_config\" lacks the key \"%s\"", keys[k].name);
	if (got[KEY_CLIENT_CA].value && tls->client_auth == WEB_CLIENT_NONE)
		fault_add(page, tree_span(&b->tree, got[KEY_CLIENT_CA].key),
			  "\"client_ca_file\" is of no use while no client is asked for a "
			  "certificate; add client_auth_type: RequireAndVerifyClientCert");
	if (got[KEY_CLIENT_SANS].value && tls->client_auth == WEB_CLIENT_NONE)
		fault_add(page, tree_span(&b->tree, got[KEY_CLIENT_SANS].key),
			  "\"client_allowed_sans\" is of no use while no client is asked for a "
			  "certificate; add client_auth_type: RequireAndVerifyClientCert");
	if (tls->min > tls->max)
		fault_add(page, tree_span(&b->tree, entry->key),
			  "no version of TLS is left between min_version %s and max_version %s",
			  versions[tls->min], versions[tls->max]);
}

void web_build_tls(struct web_build *b, const struct tree_entry *entry)
{
	struct web_tls *tls = &b->config->tls;
	struct tree_entry got[N_KEYS];

	if (!tree_keys(&b->tree, entry, "\"tls_server_config\"", keys, N_KEYS, got))
		return;
	tls->on = true;
	read_file(b, &got[KEY_CERT], "\"cert_file\"", &tls->cert);
	read_file(b, &got[KEY_KEY], "\"key_file\"", &tls->key);
	read_file(b, &got[KEY_CLIENT_CA], "\"client_ca_file\"", &tls->client_ca);
	read_version(b, &got[KEY_MIN], "\"min_version\"", &tls->min);
	read_version(b, &got[KEY_MAX], "\"max_version\"", &tls->max);
	if (got[KEY_CLIENT_AUTH].value)
		read_client_auth(b, &got[KEY_CLIENT_AUTH]);
	if (got[KEY_CLIENT_SANS].value)
		read_sans(b, &got[KEY_CLIENT_SANS]);
	if (got[KEY_PREFER_SERVER].value)
		web_build_bool(b, &got[KEY_PREFER_SERVER], "\"prefer_server_cipher_suites\"",
			       &tls->prefer_server);
	if (got[KEY_CURVES].value)
		read_words(b, &got[KEY_CURVES], "\"curve_preferences\"", tls_curve_names,
			   tls_curve_count, &tls->curves);
	check(b, entry, got);
	if (got[KEY_SUITES].value)
		read_suites(b, &got[KEY_SUITES]);
}
