/* SPDX-License-Identifier: BSD-2-Clause */
/* The landing page's table of values: metrics and their series down, nodes across. */
#ifndef SERVE_PAGE_VALUES_H
#define SERVE_PAGE_VALUES_H

#include "serve/page.h"

/* Nothing while there is no node or no metric. */
void page_values(struct strbuf *out, const struct page *page);

#endif
