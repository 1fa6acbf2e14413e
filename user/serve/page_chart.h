/* SPDX-License-Identifier: BSD-2-Clause */
/* The landing page's small pictures, as SVG within the page. */
#ifndef SERVE_PAGE_CHART_H
#define SERVE_PAGE_CHART_H

#include "serve/page.h"

/* How a function's latencies are spread: a bar for each bucket that is not beyond the
 * first and the last that has something; a dash where nothing was measured. */
void page_chart_latencies(struct strbuf *out, const struct page_function *fn);

#endif
