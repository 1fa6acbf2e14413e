/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions that can be the same: instructions, landing pads and data are, and
 * so are then the functions that they refer to. Of two files, these are the
 * possibilities from which symbol/twin_match chooses; of one file, they are its
 * copies of one function, which compilers and linkers leave now and then.
 */
#ifndef SYMBOL_TWIN_ALIKE_H
#define SYMBOL_TWIN_ALIKE_H

#include "symbol/twin_data.h"

#define TWIN_ALIKE_MAX 128 /* functions of equal code in a file: more are not compared */

struct twin_alike {
	uint32_t f, g;
	struct twin_pairs refs; /* that would have to be the same too */
};

struct twin_alikes {
	struct twin_alike *at; /* by f, then g */
	size_t n, cap;
};

/* All pairs of a function of @a and one of @b; with @a == @b only those with f < g. */
void twin_alike_find(const struct twin_code *a, const struct twin_code *b, struct twin_alikes *out);
void twin_alike_free(struct twin_alikes *alikes);
/* The pair, or NULL. */
const struct twin_alike *twin_alike_get(const struct twin_alikes *alikes, uint32_t f, uint32_t g);

/* By function: the first function of the file that it is a copy of, itself when of none.
 * Copies do and refer to the same in every respect (free the answer). */
uint32_t *twin_alike_copies(const struct twin_code *code);

#endif
