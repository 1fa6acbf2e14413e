/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The web configuration as it stands in its files now: looked at again whenever
 * somebody asks, so that certificates and passwords change without a restart.
 * Whether it is HTTP or HTTPS is decided once, when it is opened.
 */
#ifndef SERVE_WEB_H
#define SERVE_WEB_H

#include <stdbool.h>

#include "base/err.h"
#include "serve/tls.h"
#include "serve/web_config.h"

/* What a half-written pair of certificate and key may take to become whole. Until then
 * the pair before it is used on. */
#define WEB_GRACE_SECONDS 5

struct web;

/* Told once for each change: @good, or why nothing is served any more. */
typedef void web_say_fn(void *ctx, bool good, const char *text);

/* Everything must be in order. @say may be NULL. */
int web_open(const char *path, web_say_fn *say, void *ctx, struct web **out, struct err *err);
void web_close(struct web *web); /* NULL is fine */
void web_closep(struct web **web);

/* Looks whether a file has changed, and reads it again. */
void web_renew(struct web *web);

/* Whether what was last read in order is what the files say. If not, serve nothing. */
bool web_holds(const struct web *web);
/* What was last read in order. */
const struct web_config *web_current(const struct web *web);
struct tls *web_tls(const struct web *web); /* NULL: HTTP */

#endif
