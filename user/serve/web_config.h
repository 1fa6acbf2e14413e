/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A file of --web.config.file as values: how the agent's own endpoint is protected,
 * in the web configuration format of Prometheus' exporters. What is written in the
 * file is checked here; the files that it names are read by serve/tls.
 */
#ifndef SERVE_WEB_CONFIG_H
#define SERVE_WEB_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

#define WEB_CONFIG_SIZE_MAX (1 << 20)

enum web_client_auth {
	WEB_CLIENT_NONE,
	WEB_CLIENT_REQUEST,         /* one may come, and is not looked at */
	WEB_CLIENT_REQUIRE_ANY,     /* one must come, of anybody */
	WEB_CLIENT_VERIFY_IF_GIVEN, /* one may come, and must be good */
	WEB_CLIENT_REQUIRE_AND_VERIFY,
};

enum web_version { WEB_TLS10, WEB_TLS11, WEB_TLS12, WEB_TLS13, WEB_VERSIONS };

/* A file that the configuration names; relative paths are already joined to its folder. */
struct web_file {
	char *path; /* NULL: not named */
	unsigned line;
};

struct web_words {
	size_t *at; /* indices */
	size_t n, cap;
};

struct web_tls {
	bool on; /* https: */
	struct web_file cert, key, client_ca;
	enum web_client_auth client_auth;
	VEC(char *) client_sans;
	enum web_version min, max;
	struct web_words suites; /* of tls_suite_names; none: the library's own choice */
	struct web_words curves; /* of tls_curve_names, the same */
	bool prefer_server;
};

struct web_user {
	char *name, *hash; /* bcrypt */
};

struct web_header {
	char *name, *value;
};

struct web_config {
	char *path; /* as it was given, for sentences */
	struct web_tls tls;
	VEC(struct web_user) users; /* none: everybody may */
	VEC(struct web_header) headers;
	uint64_t rate_interval_ns; /* one request is let in every so often; 0: no limit */
	unsigned rate_burst;       /* that many at once */
};

/* Reads @text (of the file @path). Returns 0 and *@out (free with web_config_free), or
 * -EINVAL with the first fault's place and sentence; never a hash or a password. */
int web_config_parse(const char *path, const char *text, size_t size, struct web_config **out,
		     struct err *err);
/* The same for a file. */
int web_config_load(const char *path, struct web_config **out, struct err *err);
void web_config_free(struct web_config *config);
void web_config_freep(struct web_config **config);

/* The user of that name, or NULL. */
const struct web_user *web_config_user(const struct web_config *config, const char *name);
/* What the file sets that header to, or NULL. */
const char *web_config_header(const struct web_config *config, const char *name);

#endif
