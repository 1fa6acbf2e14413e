/* SPDX-License-Identifier: BSD-2-Clause */
/* What is read of a call, in words for people. */
#ifndef SYMBOL_READS_H
#define SYMBOL_READS_H

#include "base/strbuf.h"
#include "symbol/plan.h"

/* For row @row of @plan: each value with the places where it is read, as recipes are
 * written in packs, and when: "vote.approve from key-360:1 at the start". Nothing is
 * written where nothing is read. */
void reads_write(const struct plan *plan, unsigned row, struct strbuf *out);

#endif
