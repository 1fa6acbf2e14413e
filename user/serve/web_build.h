/* SPDX-License-Identifier: BSD-2-Clause */
/* What the readers of a web configuration's sections share. */
#ifndef SERVE_WEB_BUILD_H
#define SERVE_WEB_BUILD_H

#include "profile/tree.h"
#include "serve/web_config.h"

struct web_build {
	struct tree tree;
	struct web_config *config;
};

/* tls_server_config; in web_config_tls.c. */
void web_build_tls(struct web_build *b, const struct tree_entry *entry);
/* A word for true or false as YAML 1.1 knows them. False, with a fault, where it is none. */
bool web_build_bool(struct web_build *b, const struct tree_entry *entry, const char *what,
		    bool *out);

#endif
