/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A pack: a plan as a small, readable, versioned text file, deterministic for
 * the same inputs. When read it is data from outside: every number is checked
 * against the limits of bpf/abi.h before it goes anywhere.
 */
#ifndef SYMBOL_PACK_H
#define SYMBOL_PACK_H

#include "base/err.h"
#include "base/strbuf.h"
#include "symbol/plan.h"

#define PACK_SIZE_MAX (16 * 1024 * 1024) /* bytes of text */
#define PACK_ROWS_MAX 65536

void pack_write(const struct plan *plan, struct strbuf *out);

/* Returns 0 and *@out, or -EBADMSG naming the line of @origin and what is wrong. */
int pack_read(const char *origin, const char *text, size_t size, struct plan **out,
	      struct err *err);

#endif
