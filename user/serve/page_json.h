/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes the landing page's rows as JSON, for /probes. What is unknown is null. */
#ifndef SERVE_PAGE_JSON_H
#define SERVE_PAGE_JSON_H

#include "serve/page.h"

void page_json(const struct page *page, struct strbuf *out);

#endif
