/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes the landing page: one self-contained HTML document that keeps itself current. */
#ifndef SERVE_PAGE_HTML_H
#define SERVE_PAGE_HTML_H

#include "serve/page.h"

/* @nonce marks the one style and the one script, for the Content-Security-Policy. */
void page_html(const struct page *page, const char *nonce, struct strbuf *out);

#endif
