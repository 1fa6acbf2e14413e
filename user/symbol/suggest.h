/* SPDX-License-Identifier: BSD-2-Clause */
/* For a function that is not in a file: which of those that are there may be meant. */
#ifndef SYMBOL_SUGGEST_H
#define SYMBOL_SUGGEST_H

#include <elfutils/libdw.h>
#include <stdbool.h>

#include "base/strbuf.h"

/* Adds "; the file has a::b::f, a::c::f" to @out: functions of the same last name,
 * else of the nearest, by the linkage names in @dbg. Adds nothing when none is near.
 * Returns true, and adds nothing, where the very function is among them: it is declared,
 * but was dissolved into its callers. */
bool suggest_functions(Dwarf *dbg, const char *path, struct strbuf *out);

#endif
