/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a shared library exports, found by its dynamic symbols, which strip leaves. A C
 * function begins once and returns once. It returns where one of its own RETs is, or, where
 * it ends by a jump to another function, where that one does: its return address has the
 * same place on the stack, by which the call is known.
 */
#ifndef SYMBOL_SHARED_H
#define SYMBOL_SHARED_H

#include "symbol/instance.h"

/* Adds rows and sites of the functions that the profile has of the library called @library. */
void shared_scan(struct resolver *rs, const char *library);

#endif
