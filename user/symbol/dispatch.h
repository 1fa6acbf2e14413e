/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The dispatch of a state machine: the load of its state byte and the branch
 * on it, at the head of a poll function or of drop glue. Found by running the
 * instructions after a byte load with each state in turn.
 */
#ifndef SYMBOL_DISPATCH_H
#define SYMBOL_DISPATCH_H

#include "symbol/function.h"

#define DISPATCH_TRACE_MAX 48

/* The instructions that run from a dispatch with one state until the next call,
 * return or branch that depends on something else. */
struct dispatch_trace {
	size_t at[DISPATCH_TRACE_MAX];
	size_t n;
};

struct dispatch {
	size_t load;             /* the instruction that reads the state byte */
	struct flow_value state; /* its address, FLOW_TOP when not known */
};

/* Runs from @load with the state byte equal to @value. */
void dispatch_trace(const struct function *fn, size_t load, unsigned value,
		    struct dispatch_trace *out);

/* Position in @trace of its first instruction from @from on that is in none of
 * the @n others; CODE_NONE if all are shared. */
size_t dispatch_own(const struct dispatch_trace *trace, size_t from,
		    const struct dispatch_trace *others, size_t n);

/* Finds the dispatches of a poll function: states 1 and 2 lead to the panics
 * for a future polled after its end. Returns how many were put in @out. */
size_t dispatch_find_poll(const struct function *fn, const struct ranges *own, struct dispatch *out,
			  size_t max);

/* Finds the dispatches of drop glue: states 1 and 2 do nothing, some state >= 3 does. */
size_t dispatch_find_drop(const struct function *fn, const struct ranges *own, unsigned states,
			  struct dispatch *out, size_t max);

#endif
