/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A state that is chosen in a register and stored later: `mov al, 1 … mov [state], al`, one
 * store for several states. What tells a completion is then not the store but the choice, where
 * nothing but the store can follow it, or what lies between.
 */
#ifndef SYMBOL_CHOSEN_H
#define SYMBOL_CHOSEN_H

#include "symbol/function.h"

#define CHOSEN_MAX 64
#define CHOSEN_SITES_MAX 8

struct chosen {
	size_t at[CHOSEN_MAX]; /* instructions that put a constant into the register */
	size_t n;
	bool other; /* something else than a constant can arrive at the store */
};

/* Walks back from the store to the constants that can be in its register. */
struct chosen chosen_find(const struct function *fn, size_t store);

/* Where a call passes one of them, and no other, if and only if it will store what was chosen,
 * and where the future is then. */
struct chosen_sites {
	struct {
		size_t insn;
		struct abi_recipe key;
	} at[CHOSEN_SITES_MAX];
	size_t n;
};

enum chosen_result {
	CHOSEN_PROVEN,
	CHOSEN_LOST,   /* it may not be stored, and nothing tells when it is */
	CHOSEN_NO_KEY, /* it will be stored, but no register leads to the future */
};

/* The sites of one choice for the store at @state_addr: itself, or the first instructions behind a
 * call that may unwind. */
enum chosen_result chosen_sites(const struct function *fn, size_t choice, size_t store,
				struct flow_value state_addr, struct chosen_sites *out);

#endif
