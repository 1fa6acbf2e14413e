/* SPDX-License-Identifier: BSD-2-Clause */
/* Text within HTML: whatever a value holds, it stays a value. */
#ifndef SERVE_HTML_H
#define SERVE_HTML_H

#include <stddef.h>

#include "base/strbuf.h"

/* @len bytes of @text; what is no UTF-8 becomes the replacement character. */
void html_escape(struct strbuf *out, const char *text, size_t len);
/* @value between @open and @close, which are HTML; @value NULL: nothing. */
void html_tagged(struct strbuf *out, const char *open, const char *value, const char *close);
/* A name of words with underscores, which may be broken behind each. */
void html_name(struct strbuf *out, const char *name);

#endif
