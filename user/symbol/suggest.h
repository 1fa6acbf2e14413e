/* SPDX-License-Identifier: BSD-2-Clause */
/* For a function that is not in a file: which of those that are there may be meant. */
#ifndef SYMBOL_SUGGEST_H
#define SYMBOL_SUGGEST_H

#include "base/strbuf.h"
#include "symbol/image.h"

/* Adds "; the file has a::b::f, a::c::f" to @out: functions of the same last name,
 * else of the nearest. Adds nothing when the file has no symbols or nothing near. */
void suggest_functions(const struct image *image, const char *path, struct strbuf *out);

#endif
