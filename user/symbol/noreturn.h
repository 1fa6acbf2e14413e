/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls that do not come back. Compilers put nothing after them, so the next
 * instruction belongs to something else; taken for a successor it would mix
 * unrelated states into the dataflow.
 */
#ifndef SYMBOL_NORETURN_H
#define SYMBOL_NORETURN_H

#include "symbol/code.h"
#include "symbol/image.h"

/* Sets insn.noreturn of every call in @code whose callee never returns. What was
 * found out of callees is kept in @image. */
void noreturn_mark(struct image *image, struct code *code);

/* Where the call or jump @i goes when it is direct, through the GOT, or through a
 * register that was just loaded from the GOT; 0 when not known. */
uint64_t noreturn_target(const struct image *image, const struct code *code, size_t i);

#endif
