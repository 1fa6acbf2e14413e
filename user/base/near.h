/* SPDX-License-Identifier: BSD-2-Clause */
/* Nearest names: what a person who mistyped a word probably meant. */
#ifndef BASE_NEAR_H
#define BASE_NEAR_H

#include <stddef.h>

#include "base/strbuf.h"

#define NEAR_FOUND_MAX 8

/* Edits (insert, delete, replace, swap of neighbours) between two words,
 * letters of either case being the same; @most + 1 where there are more. */
size_t near_distance(const char *a, const char *b, size_t most);

/* The largest distance at which a word of this length still looks mistyped
 * rather than different: a third of its letters, at least one. */
size_t near_limit(const char *word);

/* Writes up to @max (at most NEAR_FOUND_MAX) of @names that are within
 * near_limit() of @word to @found, nearest first, equal ones in their order.
 * Names that are NULL are passed over. Returns how many there are. */
size_t near_find(const char *word, const char *const *names, size_t n_names, const char **found,
		 size_t max);

/* Adds `; did you mean "a"?` for the nearest name (`"a" or "b"?` where two are
 * equally near), and nothing where none is near. */
void near_hint(struct strbuf *out, const char *word, const char *const *names, size_t n_names);

#endif
