/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which functions are known to come from the same place in the sources. Equal
 * code alone does not say so: the glue that drops one type can be that of another
 * to the last instruction. What does:
 *
 * - a source position (core::panic::Location: file, line, column) that of all the
 *   functions of a file only one refers to, in both files: the code of that line
 *   is in no other function, not even in part;
 * - the program's entry point;
 * - a reference at the same place of functions that are known already.
 *
 * A little less certain, as it takes the same sources for granted: being one of
 * those that refer to a known function, where these are the same functions in both
 * files, none more and none less.
 */
#ifndef SYMBOL_TWIN_ANCHOR_H
#define SYMBOL_TWIN_ANCHOR_H

#include "symbol/twin_uses.h"

enum twin_known {
	TWIN_STRANGER,
	TWIN_RELATED, /* by what it refers to */
	TWIN_KNOWN,
};

/* By function of the rebuild that is no copy and has a counterpart: enum twin_known
 * (free the answer). */
uint8_t *twin_anchor_run(const struct twin_match *match, const struct twin_uses *uses);

#endif
