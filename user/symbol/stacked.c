// SPDX-License-Identifier: BSD-2-Clause
/* Arguments for which no register was left. */
#include "symbol/stacked.h"

#define RETURN_ADDRESS 8 /* bytes: what is above it is the caller's */

/* Puts registers away, or makes room. */
static bool is_of_prologue(const struct insn *in)
{
	return in->op == OP_PUSH ||
	       (in->op == OP_ADD && in->dst == REG_RSP && in->src == REG_NONE && in->imm < 0) ||
	       (in->op == OP_MOVE && in->dst == REG_RBP && in->src == REG_RSP) ||
	       (in->op == OP_OTHER && !in->writes && !in->writes_mem);
}

/* Where the frame's base is from the stack pointer at the entry, once the frame is made. */
static bool base_of_frame(const struct function *fn, unsigned base, int64_t *off)
{
	struct flow_state st;
	size_t i = 0;

	while (i < fn->code->n && is_of_prologue(&fn->code->at[i]))
		i++;
	if (i == fn->code->n || !flow_at(fn->flow, i, &st) || st.reg[base].kind != FLOW_FRAME)
		return false;
	*off = st.reg[base].off;
	return true;
}

/* Whether instruction @i is the load of a pointer from @at. */
static bool is_load(const struct function *fn, size_t i, int64_t at)
{
	const struct insn *in = &fn->code->at[i];
	struct flow_value from;
	struct flow_state st;

	if (in->op != OP_LOAD || in->size != 8 || in->mem.index != REG_NONE ||
	    in->mem.base == REG_NONE || !flow_at(fn->flow, i, &st))
		return false;
	from = flow_address(&st, &in->mem);
	return from.kind == FLOW_FRAME && from.off == at;
}

bool stacked_pointer(const struct function *fn, unsigned base, int64_t disp, int64_t *at)
{
	int64_t off;

	if ((base != REG_RSP && base != REG_RBP) || !base_of_frame(fn, base, &off) ||
	    __builtin_add_overflow(off, disp, at) || *at < RETURN_ADDRESS || *at > INT32_MAX)
		return false;
	for (size_t i = 0; i < fn->code->n; i++)
		if (is_load(fn, i, *at))
			return true;
	return false;
}
