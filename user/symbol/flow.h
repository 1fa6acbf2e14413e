/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Forward dataflow over one function: which registers and stack slots hold
 * which of the function's own pointers (arguments, frame, results of earlier
 * loads) plus a constant, at every instruction. It answers "which address does
 * this operand name" and "where is the pointer to the future now".
 *
 * Assumptions, each safe for what it is used for because a wrong address finds
 * no call in flight: a callee keeps the caller's spill slots, and a store
 * through a pointer that is not the frame's does not hit a spill slot.
 */
#ifndef SYMBOL_FLOW_H
#define SYMBOL_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbol/code.h"
#include "symbol/unwind.h"

enum flow_kind {
	FLOW_TOP,     /* not known */
	FLOW_CONST,   /* the number `off` */
	FLOW_BYTE,    /* only the low 8 bits are known: `off` */
	FLOW_FRAME,   /* stack pointer at entry + off */
	FLOW_ALIGNED, /* stack pointer after an alignment + off */
	FLOW_TABLE,   /* an entry of the jump table at `off` */
	FLOW_TARGETS, /* a target of the jump table at `off` */
	FLOW_ARG,     /* FLOW_ARG + i: argument register i at entry (rdi rsi rdx rcx r8 r9) + off */
	FLOW_DEF = FLOW_ARG + 6, /* FLOW_DEF + i: what instruction i last produced + off */
	/* FLOW_MERGE + 16 * b + r: what register r held when block b was last entered, from
	 * several sides with several values, + off */
	FLOW_MERGE = 0x80000000u,
};

struct flow_value {
	uint32_t kind;
	int64_t off;
};

/* Registers that a call may change (System V ABI 1.0, figure 3.4), bit per code_reg. */
#define FLOW_CALLER_SAVED                                                                \
	(1u << REG_RAX | 1u << REG_RCX | 1u << REG_RDX | 1u << REG_RSI | 1u << REG_RDI | \
	 1u << REG_R8 | 1u << REG_R9 | 1u << REG_R10 | 1u << REG_R11)

#define FLOW_SLOTS_MAX 96

struct flow_slot {
	struct flow_value place; /* FLOW_FRAME or FLOW_ALIGNED */
	struct flow_value value;
};

struct flow_state {
	bool seen;
	uint16_t n_slots;
	struct flow_value reg[CODE_REGS];
	struct flow_slot slots[FLOW_SLOTS_MAX];
};

struct flow;

int flow_run(const struct code *code, const struct unwind_function *fn, struct flow **out,
	     struct err *err);
void flow_free(struct flow *flow);
void flow_freep(struct flow **flow);

/* The state before instruction @i; false when control never gets there. */
bool flow_at(const struct flow *flow, size_t i, struct flow_state *out);

/* The value of a memory operand's address (without loading it). */
struct flow_value flow_address(const struct flow_state *st, const struct code_mem *mem);

/* Up to @max instructions that can follow @i, by unwinding too; returns how many it put in @next. */
size_t flow_next(const struct flow *flow, size_t i, size_t *next, size_t max);

/* Marks in @reached (code->n bytes) what can be reached from instruction @from (0
 * is the entry) without going on past an instruction marked in @barrier. */
void flow_reach(const struct flow *flow, size_t from, const uint8_t *barrier, uint8_t *reached);

static inline bool flow_same(struct flow_value a, struct flow_value b)
{
	return a.kind == b.kind && a.off == b.off;
}

/* A pointer whose offset means something: an argument, the frame, an earlier result. */
static inline bool flow_is_pointer(struct flow_value v)
{
	return v.kind == FLOW_FRAME || v.kind == FLOW_ALIGNED || v.kind >= FLOW_ARG;
}

#endif
