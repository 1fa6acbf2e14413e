/* SPDX-License-Identifier: BSD-2-Clause */
/* From the agent's state to the landing page, and whether all is well. */
#ifndef CMD_SHOW_H
#define CMD_SHOW_H

#include "cmd/agent.h"
#include "serve/page.h"

/* The upper bound of the bucket that the quantile is in; NAN where nothing was counted. */
double show_quantile(const struct profile_metric *metric, const uint64_t *buckets, double q);
/* The rows of one metric; in show_values.c. */
void show_values(const struct agent *agent, uint64_t *const *cells, size_t m, struct page *page,
		 struct page_metric *out);

void show_page(struct agent *agent, struct page *page);
bool show_healthy(const struct agent *agent, struct strbuf *why);

#endif
