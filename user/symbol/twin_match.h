/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which function of a rebuild is which function of the shipped file.
 *
 * Two functions are taken to be the same when they can be (symbol/twin_alike) and
 * one possibility is left on both sides, where functions that belong together
 * already take possibilities away: what both refer to at the same place belongs
 * together as well. In the end whatever contradicts itself is taken back: a
 * function of the one file can only be one of the other, wherever it is referred
 * to. Copies of a function within a file are one function here.
 */
#ifndef SYMBOL_TWIN_MATCH_H
#define SYMBOL_TWIN_MATCH_H

#include "symbol/twin_alike.h"

enum twin_why {
	TWIN_MATCHED,
	TWIN_ODD,          /* it has bytes that are no instructions */
	TWIN_CODE,         /* no function of the shipped file has the same instructions */
	TWIN_DATA,         /* one has, but with other data or landing pads */
	TWIN_AMBIGUOUS,    /* more than one can be it */
	TWIN_CONTRADICTED, /* one can be it, but not what it refers to or what refers to it */
};

struct twin_match {
	const struct twin_code *rebuild, *shipped;
	uint32_t *first_f, *first_g; /* by function of each file: the one that it is a copy of */
	/* by function that is no copy: its counterpart in the other file, or TWIN_NONE */
	uint32_t *to, *from;
	uint8_t *why; /* enum twin_why by function of the rebuild that is no copy */
	size_t n;     /* functions that belong together */
};

void twin_match_run(const struct twin_code *rebuild, const struct twin_code *shipped,
		    struct twin_match *out);
void twin_match_free(struct twin_match *match);

#endif
