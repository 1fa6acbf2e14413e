/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a call of an async function starts and ends in the code of its poll
 * function, whether that is a function of its own or was inlined in another.
 *
 *   start       the first instruction that only state 0 leads to
 *   completion  the write of 1 to the state byte, or the choice of the value 1
 *               for a write that several states share
 *   panic       the write of 2
 *   cancel      in drop glue: the first instruction that a suspended state leads to
 *
 * A call's identity is the address of its state byte.
 */
#ifndef SYMBOL_COROUTINE_H
#define SYMBOL_COROUTINE_H

#include "base/strbuf.h"
#include "symbol/dispatch.h"
#include "symbol/function.h"

#define COROUTINE_DISPATCHES_MAX 8
#define COROUTINE_STATES_MAX 32

/* Where the tag of the result is at a completion of an inlined instance: in a
 * register, or there is but one that this completion can have (symbol/result_inlined). */
struct coroutine_tag {
	size_t insn;
	bool constant;
	unsigned reg; /* a code_reg */
	uint64_t raw;
};

struct coroutine {
	struct drafts drafts;
	struct flow_value state; /* abstract address of the state byte at the first dispatch */
	struct flow_value
		states[COROUTINE_STATES_MAX]; /* all that it is known by, see learn_names() */
	size_t n_states;
	struct code_mem operands[COROUTINE_DISPATCHES_MAX]; /* by which the dispatches read it */
	size_t n_operands;
	unsigned n_start, n_return, n_panic;
	bool entry_dispatch; /* the state pointer came in a register at the function's entry */
	bool sret;           /* … behind a result pointer in the first register */
	bool result;         /* the returns are where the result can be read (symbol/result) */
	struct {
		struct coroutine_tag *at;
		size_t n, cap;
	} tags;
	bool inlined; /* the result was looked for in the caller */
	struct {
		struct coroutine_number {
			size_t insn;
			struct plan_value value;
		} *at;
		size_t n, cap;
	} numbers;             /* of the result, at completions where it was found */
	struct strbuf trouble; /* why it is not complete; empty when it is */
};

/* Analyses the instance with the instructions @own in @fn. False with the
 * reason in out->trouble when it has no usable start or end. */
bool coroutine_find(const struct function *fn, const struct ranges *own, unsigned states,
		    struct coroutine *out);

/* Whether instruction @i surely writes the state; *@state is what, if that is a constant. */
bool coroutine_writes(const struct function *fn, const struct coroutine *co, size_t i,
		      unsigned *state);

#define COROUTINE_ANYWHERE INT64_MIN

/* Adds the cancel sites of drop glue with the instructions @own in @fn; @offset is
 * that of the state byte from the glue's argument (COROUTINE_ANYWHERE when the
 * glue was inlined and its argument is the caller's matter). */
size_t coroutine_find_drop(const struct function *fn, const struct ranges *own, unsigned states,
			   int64_t offset, struct drafts *out);

void coroutine_free(struct coroutine *co);

#endif
