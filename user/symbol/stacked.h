/* SPDX-License-Identifier: BSD-2-Clause */
/* Arguments for which no register was left. */
#ifndef SYMBOL_STACKED_H
#define SYMBOL_STACKED_H

#include "symbol/function.h"

/*
 * A large argument is handed over as a pointer to it, and the seventh word of arguments lies on
 * the stack. The debug information says of both alike that the argument is at @disp from the
 * frame's base (enum code_reg), so the code is asked: where it loads a pointer from there, in the
 * frame that it has made, and the caller has put it, *@at is how far that is from the stack
 * pointer at the entry.
 */
bool stacked_pointer(const struct function *fn, unsigned base, int64_t disp, int64_t *at);

#endif
