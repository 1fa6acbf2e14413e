// SPDX-License-Identifier: BSD-2-Clause
/* Opens a function for analysis and answers where a pointer is at an instruction. */
#include "symbol/function.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "symbol/noreturn.h"

int function_open(struct image *image, uint64_t low, uint64_t high, struct function **out,
		  struct err *err)
{
	struct function *fn = mem_alloc(sizeof(*fn));
	int r;

	fn->image = image;
	fn->low = low;
	fn->high = high;
	/* without a frame entry there are no landing pads to know of */
	if (unwind_find(image, low, &fn->unwind) < 0)
		fn->unwind = (struct unwind_function){ .low = low, .high = high };
	r = code_decode(image, low, high, &fn->code, err);
	if (r == 0)
		noreturn_mark(image, fn->code);
	if (r == 0)
		r = flow_run(fn->code, &fn->unwind, &fn->flow, err);
	if (r < 0) {
		function_free(fn);
		return r;
	}
	*out = fn;
	return 0;
}

void function_free(struct function *fn)
{
	if (!fn)
		return;
	flow_free(fn->flow);
	code_free(fn->code);
	unwind_function_free(&fn->unwind);
	free(fn);
}

bool ranges_have(const struct ranges *ranges, uint64_t addr)
{
	for (size_t i = 0; i < ranges->n; i++)
		if (addr >= ranges->at[i].lo && addr < ranges->at[i].hi)
			return true;
	return false;
}

void ranges_subtract(struct ranges *from, const struct ranges *minus)
{
	for (size_t m = 0; m < minus->n; m++) {
		struct range cut = minus->at[m];

		for (size_t i = 0; i < from->n; i++) {
			struct range r = from->at[i];

			if (cut.hi <= r.lo || cut.lo >= r.hi)
				continue;
			from->at[i].hi = cut.lo > r.lo ? cut.lo : r.lo;
			if (cut.hi < r.hi)
				*VEC_ADD(from) = (struct range){ cut.hi, r.hi };
		}
	}
}

void ranges_free(struct ranges *ranges)
{
	free(ranges->at);
	*ranges = (struct ranges){};
}

void drafts_add(struct drafts *list, enum abi_site_kind kind, size_t insn, struct abi_recipe key)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->at[i].kind == kind && list->at[i].insn == insn)
			return;
	*VEC_ADD(list) = (struct draft){ kind, insn, key, false };
}

static bool fits(int64_t off)
{
	return off >= INT32_MIN && off <= INT32_MAX;
}

/* The way from one offset to another, if a recipe can go it. */
static bool distance(int64_t from, int64_t to, int32_t *out)
{
	int64_t off;

	if (__builtin_sub_overflow(to, from, &off) || !fits(off))
		return false;
	*out = (int32_t)off;
	return true;
}

bool function_locate(const struct function *fn, size_t i, struct flow_value want,
		     struct abi_recipe *out)
{
	struct abi_recipe recipe = {};
	struct flow_state st;

	if (!flow_is_pointer(want) || !flow_at(fn->flow, i, &st))
		return false;
	for (unsigned r = 0; r < CODE_REGS; r++) {
		if (st.reg[r].kind != want.kind || !distance(st.reg[r].off, want.off, &recipe.tail))
			continue;
		recipe.reg = (uint8_t)code_abi_reg(r);
		*out = recipe;
		return true;
	}
	for (size_t s = 0; s < st.n_slots; s++) {
		const struct flow_slot *slot = &st.slots[s];

		if (slot->value.kind != want.kind || slot->place.kind != st.reg[REG_RSP].kind ||
		    !distance(st.reg[REG_RSP].off, slot->place.off, &recipe.add[0]) ||
		    !distance(slot->value.off, want.off, &recipe.tail))
			continue;
		recipe.reg = ABI_REG_RSP;
		recipe.n_steps = 1;
		*out = recipe;
		return true;
	}
	return false;
}

bool function_operand(const struct insn *in, struct abi_recipe *out)
{
	if (in->mem.base == REG_NONE || in->mem.index != REG_NONE || !fits(in->mem.disp))
		return false;
	*out = (struct abi_recipe){ .reg = (uint8_t)code_abi_reg(in->mem.base),
				    .tail = (int32_t)in->mem.disp };
	return true;
}

const char *function_callee(const struct function *fn, size_t i)
{
	const struct insn *in = &fn->code->at[i];
	uint64_t target = in->op == OP_CALL ? noreturn_target(fn->image, fn->code, i) : 0;
	const struct image_symbol *sym = target ? image_symbol_at(fn->image, target) : NULL;

	return sym ? sym->name : NULL;
}
