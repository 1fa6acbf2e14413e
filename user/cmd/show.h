/* SPDX-License-Identifier: BSD-2-Clause */
/* From the agent's state to the landing page, and whether all is well. */
#ifndef CMD_SHOW_H
#define CMD_SHOW_H

#include "cmd/agent.h"
#include "serve/page.h"

void show_page(struct agent *agent, struct page *page);
bool show_healthy(const struct agent *agent, struct strbuf *why);

#endif
