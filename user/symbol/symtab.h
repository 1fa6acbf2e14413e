/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What can be done with a symbol table alone: functions that have a symbol of their
 * own are probed, for the branch on a future's state is found in the code. What was
 * inlined has no symbol, and without types there are no arguments and no results;
 * so no row of it is ready.
 */
#ifndef SYMBOL_SYMTAB_H
#define SYMBOL_SYMTAB_H

#include "symbol/instance.h"

/* Adds the rows and sites of all functions of the profile that have symbols. */
void symtab_scan(struct resolver *rs);

#endif
