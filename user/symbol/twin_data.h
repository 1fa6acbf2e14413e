/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the references of a function lead to, compared between two builds: data
 * by its contents, pointers in it by what they point to, tables of distances by
 * where they lead, imports by name. Pairs of functions that would have to be the
 * same are handed out: whether they are is for symbol/twin_match.
 */
#ifndef SYMBOL_TWIN_DATA_H
#define SYMBOL_TWIN_DATA_H

#include "symbol/twin_code.h"

/* Function @rebuild of one file and @shipped of the other. */
struct twin_pair {
	uint32_t rebuild, shipped;
};

struct twin_pairs {
	struct twin_pair *at;
	size_t n, cap;
};

/* Whether two functions with equal instructions refer to the same things. Adds to
 * @pairs the functions that are referred to at the same places, directly or by
 * pointers in data. Of memory that the file does not back nothing is known; it
 * speaks neither for nor against. */
bool twin_data_agrees(const struct twin_code *rebuild, uint32_t f, const struct twin_code *shipped,
		      uint32_t g, struct twin_pairs *pairs);

#endif
