/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How the code of an inlined poll hands its result to the code around it. From
 * a completion on, control goes straight to a place where both meet: the test
 * whether the poll is pending, or another use of the result. These functions
 * follow a register along that way, and back to what was put into it.
 */
#ifndef SYMBOL_HANDOVER_H
#define SYMBOL_HANDOVER_H

#include "symbol/function.h"

#define HANDOVER_PATH_MAX 96
#define HANDOVER_DEFS_MAX 64

/* Instructions that follow each other in every run, unwinding aside. */
struct handover_path {
	size_t at[HANDOVER_PATH_MAX];
	size_t n;
};

/* From instruction @from to the first fork, return or HANDOVER_PATH_MAX. */
void handover_path(const struct function *fn, size_t from, struct handover_path *out);

/* Who leads to an instruction: those that lead to @i are from[first[i]] up to from[first[i + 1]]. */
struct handover_graph {
	size_t *first, *from;
};

void handover_graph(const struct function *fn, struct handover_graph *out);
void handover_graph_free(struct handover_graph *graph);

/* What a register can hold at an instruction: the instructions that last wrote it. */
struct handover_defs {
	size_t at[HANDOVER_DEFS_MAX];
	size_t n;
	bool others; /* there are more, or the function's entry is one */
};

/* Those of @reg before instruction @at, by ways that do not pass an instruction marked in @stop. */
void handover_defs(const struct function *fn, const struct handover_graph *graph, size_t at,
		   unsigned reg, const uint8_t *stop, struct handover_defs *out);

/* The register that the fork at the end of the path compares with the constant
 * @raw of @width bytes; REG_NONE when it does not. *@k is where on the path. */
unsigned handover_test(const struct function *fn, const struct handover_path *path, uint64_t raw,
		       unsigned width, size_t *k);

/* Where control goes from the fork at the end of the path when the two are @equal
 * or differ, past jumps; CODE_NONE when that is no such fork. */
size_t handover_side(const struct function *fn, const struct handover_path *path, bool equal);

/* The constant of @width bytes that instruction @i puts into @reg. */
bool handover_constant(const struct function *fn, size_t i, unsigned reg, unsigned width,
		       uint64_t *raw);

/* Whether @reg holds the constant @raw of @width bytes at @at on every way there
 * that does not pass @stop, and there is such a way. */
bool handover_only(const struct function *fn, const struct handover_graph *graph, size_t at,
		   unsigned reg, uint64_t raw, unsigned width, const uint8_t *stop);

/* The first place on the path from which on the @width bytes that @reg has at
 * path->at[@k] are only moved about, and the register (in *@reg) that has them
 * there. False when a call comes before that place. */
bool handover_settled(const struct function *fn, const struct handover_path *path, size_t k,
		      unsigned width, unsigned *reg, size_t *first);

/* Whether @in changes @reg, or is a call that may. */
bool handover_writes(const struct insn *in, unsigned reg);

/* Whether the value of @reg at instruction @at is used on the straight way from there. */
bool handover_used(const struct function *fn, size_t at, unsigned reg);

/* Marks in @kept (code->n bytes) where @reg still has the value that it has at @from. */
void handover_kept(const struct function *fn, size_t from, unsigned reg, uint8_t *kept);

#endif
