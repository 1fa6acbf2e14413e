// SPDX-License-Identifier: BSD-2-Clause
/* The sections of a web configuration but for TLS: users, headers, rate. */
#include "serve/web_config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "profile/fault.h"
#include "serve/web_build.h"

/* ---- words ----------------------------------------------------------------------- */

bool web_build_bool(struct web_build *b, const struct tree_entry *entry, const char *what,
		    bool *out)
{
	static const char *const words[] = { "false", "true", "no", "yes", "off", "on", "n", "y" };
	const char *text = tree_text(&b->tree, entry, what);

	for (size_t i = 0; text && i < ARRAY_SIZE(words); i++) {
		if (strcasecmp(text, words[i]) != 0)
			continue;
		*out = i % 2;
		return true;
	}
	if (text)
		fault_add(b->tree.page, tree_span(&b->tree, entry->value),
			  "%s is true or false, not \"%.40s\"", what, text);
	return false;
}

/* ---- users ----------------------------------------------------------------------- */

#define HASH_LEN 60 /* $2y$NN$, 22 characters of salt and 31 of the hash */

static bool is_bcrypt(const char *hash)
{
	static const char digits[] =
		"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	int cost;

	if (strlen(hash) != HASH_LEN || strncmp(hash, "$2", 2) != 0 || !strchr("aby", hash[2]))
		return false;
	if (hash[3] != '$' || hash[6] != '$' || strspn(hash + 4, "0123456789") != 2)
		return false;
	cost = (hash[4] - '0') * 10 + hash[5] - '0';
	return cost >= 4 && cost <= 31 && strspn(hash + 7, digits) == HASH_LEN - 7;
}

static void build_users(struct web_build *b, const struct tree_entry *entry)
{
	size_t n;
	_free_ struct tree_entry *users = tree_mapping(&b->tree, entry, "\"basic_auth_users\"", &n);

	for (size_t i = 0; i < n; i++) {
		const char *hash = tree_text(&b->tree, &users[i], "the password of a user");

		if (hash && !is_bcrypt(hash))
			fault_add(b->tree.page, tree_span(&b->tree, users[i].value),
				  "the password of \"%.60s\" is no bcrypt hash ($2y$…, 60 "
				  "characters); make one with: htpasswd -nBC 10 \"\" | tr -d ':'",
				  users[i].name);
		if (strchr(users[i].name, ':'))
			fault_add(b->tree.page, tree_span(&b->tree, users[i].key),
				  "the name of a user has no colon: HTTP cannot send one");
		if (hash)
			*VEC_ADD(&b->config->users) =
				(struct web_user){ mem_strdup(users[i].name), mem_strdup(hash) };
	}
}

const struct web_user *web_config_user(const struct web_config *config, const char *name)
{
	for (size_t i = 0; i < config->users.n; i++)
		if (strcmp(config->users.at[i].name, name) == 0)
			return &config->users.at[i];
	return NULL;
}

/* ---- headers --------------------------------------------------------------------- */

static const struct {
	const char *name;
	const char *values[2]; /* NULL: any */
} headers[] = {
	{ "Strict-Transport-Security", {} },
	{ "X-Content-Type-Options", { "nosniff" } },
	{ "X-Frame-Options", { "deny", "sameorigin" } },
	{ "X-XSS-Protection", {} },
	{ "Content-Security-Policy", {} },
};

static void check_header_value(struct web_build *b, size_t h, const struct tree_entry *entry,
			       const char *value)
{
	const char *const *allowed = headers[h].values;

	if (!allowed[0] || !strcmp(value, allowed[0]) || (allowed[1] && !strcmp(value, allowed[1])))
		return;
	fault_add(b->tree.page, tree_span(&b->tree, entry->value),
		  "%s may be %s%s%s, not \"%.60s\"", headers[h].name, allowed[0],
		  allowed[1] ? " or " : "", allowed[1] ? allowed[1] : "", value);
}

static void build_headers(struct web_build *b, const struct tree_entry *entry)
{
	struct tree_key keys[ARRAY_SIZE(headers)] = {};
	struct tree_entry got[ARRAY_SIZE(headers)];

	for (size_t h = 0; h < ARRAY_SIZE(headers); h++)
		keys[h].name = headers[h].name;
	if (!tree_keys(&b->tree, entry, "\"headers\"", keys, ARRAY_SIZE(keys), got))
		return;
	for (size_t h = 0; h < ARRAY_SIZE(headers); h++) {
		const char *value;

		if (!got[h].value)
			continue;
		value = tree_text(&b->tree, &got[h], headers[h].name);
		if (!value)
			continue;
		check_header_value(b, h, &got[h], value);
		*VEC_ADD(&b->config->headers) =
			(struct web_header){ mem_strdup(headers[h].name), mem_strdup(value) };
	}
}

/* HTTP/2 is an offer in this format; whoever is offered none speaks HTTP/1.1. */
static void build_http(struct web_build *b, const struct tree_entry *entry)
{
	static const struct tree_key keys[] = { { "http2", false }, { "headers", false } };
	struct tree_entry got[ARRAY_SIZE(keys)];
	bool http2;

	if (!tree_keys(&b->tree, entry, "\"http_server_config\"", keys, ARRAY_SIZE(keys), got))
		return;
	if (got[0].value)
		web_build_bool(b, &got[0], "\"http2\"", &http2);
	if (got[1].value)
		build_headers(b, &got[1]);
}

const char *web_config_header(const struct web_config *config, const char *name)
{
	for (size_t i = 0; i < config->headers.n; i++)
		if (strcasecmp(config->headers.at[i].name, name) == 0)
			return config->headers.at[i].value;
	return NULL;
}

/* ---- rate ------------------------------------------------------------------------ */

static const struct {
	const char *name;
	double ns;
} units[] = {
	{ "ns", 1 },  { "us", 1e3 }, { "µs", 1e3 },   { "ms", 1e6 },
	{ "s", 1e9 }, { "m", 60e9 }, { "h", 3600e9 },
};

/* Go's way to write a duration: "1s", "1m30s", "0.5s"; a number alone is nanoseconds. */
static bool read_duration(const char *text, uint64_t *out)
{
	double total = 0, number;
	size_t n;

	if (strspn(text, "0123456789") == strlen(text) && strlen(text) < 19) {
		*out = strtoull(text, NULL, 10);
		return true;
	}
	while (*text) {
		char *end;
		size_t u = 0;

		if (!strchr("0123456789.", *text))
			return false;
		number = strtod(text, &end);
		n = strcspn(end, "0123456789.");
		while (u < ARRAY_SIZE(units) &&
		       (strlen(units[u].name) != n || strncmp(units[u].name, end, n) != 0))
			u++;
		if (end == text || u == ARRAY_SIZE(units))
			return false;
		total += number * units[u].ns;
		text = end + n;
	}
	if (total > 9e18)
		return false;
	*out = (uint64_t)total;
	return true;
}

static bool read_burst(const char *text, unsigned *out)
{
	if (!*text || strlen(text) > 9 || strspn(text, "0123456789") != strlen(text))
		return false;
	*out = (unsigned)strtoul(text, NULL, 10);
	return true;
}

static void build_rate(struct web_build *b, const struct tree_entry *entry)
{
	static const struct tree_key keys[] = { { "interval", false }, { "burst", false } };
	struct tree_entry got[ARRAY_SIZE(keys)];
	struct web_config *config = b->config;
	const char *text;

	if (!tree_keys(&b->tree, entry, "\"rate_limit\"", keys, ARRAY_SIZE(keys), got))
		return;
	text = got[0].value ? tree_text(&b->tree, &got[0], "\"interval\"") : NULL;
	if (text && !read_duration(text, &config->rate_interval_ns))
		fault_add(b->tree.page, tree_span(&b->tree, got[0].value),
			  "\"interval\" is a duration such as 500ms, 1s or 1m30s, not \"%.40s\"",
			  text);
	text = got[1].value ? tree_text(&b->tree, &got[1], "\"burst\"") : NULL;
	if (text && !read_burst(text, &config->rate_burst))
		fault_add(b->tree.page, tree_span(&b->tree, got[1].value),
			  "\"burst\" is a whole number, not \"%.40s\"", text);
	else if (config->rate_interval_ns && !config->rate_burst)
		fault_add(
			b->tree.page, tree_value_span(&b->tree, got[1].value ? &got[1] : entry),
			"with a \"burst\" of 0 no request would ever be answered; make it 1 or more");
}

/* ---- the whole ------------------------------------------------------------------- */

static void build(struct web_build *b)
{
	static const struct {
		struct tree_key key;
		void (*build)(struct web_build *b, const struct tree_entry *entry);
	} sections[] = {
		{ { "tls_server_config", false }, web_build_tls },
		{ { "http_server_config", false }, build_http },
		{ { "basic_auth_users", false }, build_users },
		{ { "rate_limit", false }, build_rate },
	};
	struct tree_entry root = { .value = b->tree.root }, got[ARRAY_SIZE(sections)];
	struct tree_key keys[ARRAY_SIZE(sections)];

	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		keys[i] = sections[i].key;
	if (!tree_keys(&b->tree, &root, "a web configuration", keys, ARRAY_SIZE(keys), got))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		if (got[i].value)
			sections[i].build(b, &got[i]);
}

/* The first fault's place and sentence. The line of the file that would follow may
 * hold the hash of a password. */
static int first_fault(const struct profile_faults *faults, struct err *err)
{
	int size = (int)strcspn(faults->at[0].text, "\n");

	if (faults->n == 1)
		return err_set(err, -EINVAL, "%.*s", size, faults->at[0].text);
	return err_set(err, -EINVAL, "%.*s (and %zu more)", size, faults->at[0].text,
		       faults->n - 1);
}

int web_config_parse(const char *path, const char *text, size_t size, struct web_config **out,
		     struct err *err)
{
	/* A file that somebody is just writing is empty too: that must not open the door. */
	static const char if_empty[] = "the web configuration is empty; where nothing is to be "
				       "protected leave out --web.config.file";
	_cleanup_(web_config_freep) struct web_config *config = mem_alloc(sizeof(*config));
	_cleanup_(profile_faults_free) struct profile_faults faults = {};
	struct web_build b = { .config = config };
	struct fault_page page;

	config->path = mem_strdup(path);
	config->tls.min = WEB_TLS12;
	config->tls.max = WEB_TLS13;
	config->tls.prefer_server = true;
	fault_page_open(&page, path, text, size, &faults);
	if (tree_load(&b.tree, &page, if_empty)) {
		build(&b);
		tree_free(&b.tree);
	}
	fault_page_close(&page);
	if (faults.n)
		return first_fault(&faults, err);
	*out = TAKE_PTR(config);
	return 0;
}

int web_config_load(const char *path, struct web_config **out, struct err *err)
{
	_free_ char *text = NULL;
	size_t size;
	int r = file_read(path, WEB_CONFIG_SIZE_MAX, &text, &size, err);

	return r < 0 ? r : web_config_parse(path, text, size, out, err);
}

void web_config_free(struct web_config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->users.n; i++) {
		free(config->users.at[i].name);
		free(config->users.at[i].hash);
	}
	for (size_t i = 0; i < config->headers.n; i++) {
		free(config->headers.at[i].name);
		free(config->headers.at[i].value);
	}
	for (size_t i = 0; i < config->tls.client_sans.n; i++)
		free(config->tls.client_sans.at[i]);
	free(config->tls.client_sans.at);
	free(config->tls.suites.at);
	free(config->tls.curves.at);
	free(config->tls.cert.path);
	free(config->tls.key.path);
	free(config->tls.client_ca.path);
	free(config->users.at);
	free(config->headers.at);
	free(config->path);
	free(config);
}

void web_config_freep(struct web_config **config)
{
	web_config_free(*config);
	*config = NULL;
}
