/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether a function is used in the shipped file as it is in the rebuild. Where it
 * is referred to less often, its code was inlined somewhere, and what happens in
 * that copy is not seen at the function's own instructions. The same holds for the
 * functions that refer to it, and so on: a copy of one of those has a copy of it.
 */
#ifndef SYMBOL_TWIN_USES_H
#define SYMBOL_TWIN_USES_H

#include "base/strbuf.h"
#include "symbol/twin_match.h"

/* An instruction of @from refers to @to; of copies both are the first. */
struct twin_use {
	uint32_t to, from;
};

struct twin_uses;

struct twin_uses *twin_uses_open(const struct twin_match *match);
void twin_uses_free(struct twin_uses *uses);

/* The uses of function @f in one of the files, by `from`: the first, and how many. */
const struct twin_use *twin_uses_of(const struct twin_uses *uses, bool shipped, uint32_t f,
				    size_t *n);

/* True when all is as in the rebuild; else *@why says what is not. @f is a function of
 * the rebuild that has a counterpart. */
bool twin_uses_agree(const struct twin_uses *uses, uint32_t f, struct strbuf *why);

#endif
