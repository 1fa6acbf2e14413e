/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One out-of-line function opened for analysis: its instructions, unwinding
 * and dataflow, together with the questions that several kinds of sites ask.
 */
#ifndef SYMBOL_FUNCTION_H
#define SYMBOL_FUNCTION_H

#include "symbol/code.h"
#include "symbol/flow.h"
#include "symbol/plan.h"
#include "symbol/unwind.h"

struct function {
	const struct image *image;
	uint64_t low, high;
	struct code *code;
	struct unwind_function unwind;
	struct flow *flow;
};

/* @image is not changed but for its cache of callees. */
int function_open(struct image *image, uint64_t low, uint64_t high, struct function **out,
		  struct err *err);
void function_free(struct function *fn);

/* Address ranges [lo, hi), e.g. those of an inlined function. */
struct range {
	uint64_t lo, hi;
};

struct ranges {
	struct range *at;
	size_t n, cap;
};

bool ranges_have(const struct ranges *ranges, uint64_t addr);
/* Takes the addresses of @minus out of @from. */
void ranges_subtract(struct ranges *from, const struct ranges *minus);
void ranges_free(struct ranges *ranges);

/* A site found in a function, before it has file offsets and values. */
struct draft {
	enum abi_site_kind kind;
	size_t insn;
	struct abi_recipe key;
	bool unsure; /* it may concern another future: the address could not be told */
};

struct drafts {
	struct draft *at;
	size_t n, cap;
};

void drafts_add(struct drafts *list, enum abi_site_kind kind, size_t insn, struct abi_recipe key);

/* Writes how to get the address @want at instruction @i from the registers and
 * the stack as they are there. False when nothing there leads to it. */
bool function_locate(const struct function *fn, size_t i, struct flow_value want,
		     struct abi_recipe *out);

/* The address that a memory operand names, as a recipe over its own registers. */
bool function_operand(const struct insn *in, struct abi_recipe *out);

/* Name of the function that a direct call at @i enters, or NULL. */
const char *function_callee(const struct function *fn, size_t i);

#endif
