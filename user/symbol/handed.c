// SPDX-License-Identifier: BSD-2-Clause
/* Tail calls of C, direct and through objects, and functions that read one field. */
#include "symbol/handed.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "symbol/unwind.h"

#define NEAR 8        /* instructions between an address and its store */
#define STUB_MAX 16   /* bytes of a stub of the PLT */
#define GETTER_MAX 64 /* bytes of a function that only reads */

/* --- ways out ----------------------------------------------------------------------------- */

/* Nothing of the function's own is on the stack: what follows returns to its caller. */
static bool at_entry_depth(const struct flow_state *st)
{
	return st->reg[REG_RSP].kind == FLOW_FRAME && st->reg[REG_RSP].off == 0;
}

/* A jump of a switch: to the sum of a table's address and an entry of it. */
static bool is_table(const struct function *fn, const struct insn *in, const struct flow_state *st)
{
	uint32_t kind = in->dst == REG_NONE ? FLOW_TOP : st->reg[in->dst].kind;

	if (in->dst == REG_NONE)
		return in->mem.index != REG_NONE;
	if (kind < FLOW_DEF || kind >= FLOW_MERGE)
		return kind == FLOW_TARGETS;
	return kind - FLOW_DEF < fn->code->n && fn->code->at[kind - FLOW_DEF].op == OP_ADD;
}

/* Whether the register has one of the function's own arguments, or a place in what it points to. */
static bool is_argument(const struct function *fn, size_t insn, unsigned reg)
{
	struct flow_state st;

	return reg != REG_NONE && flow_at(fn->flow, insn, &st) && st.reg[reg].kind >= FLOW_ARG &&
	       st.reg[reg].kind < FLOW_DEF;
}

/* The distance of the field of an argument from which the jump's pointer is loaded. */
static bool field_of(const struct function *fn, size_t insn, int64_t *disp)
{
	const struct insn *in = &fn->code->at[insn];
	struct flow_state st;
	size_t load = insn; /* jmp *disp(reg) */

	if (in->dst != REG_NONE) {
		if (!flow_at(fn->flow, insn, &st) || st.reg[in->dst].kind < FLOW_DEF ||
		    st.reg[in->dst].kind >= FLOW_MERGE || st.reg[in->dst].off)
			return false;
		load = st.reg[in->dst].kind - FLOW_DEF;
		if (load >= fn->code->n || fn->code->at[load].op != OP_LOAD ||
		    fn->code->at[load].size != 8)
			return false;
	}
	in = &fn->code->at[load];
	*disp = in->mem.disp;
	return in->mem.index == REG_NONE && is_argument(fn, load, in->mem.base);
}

enum handed handed_way(const struct function *fn, size_t insn)
{
	const struct insn *in = &fn->code->at[insn];
	struct flow_state st;
	int64_t disp;

	if (in->op == OP_RET)
		return HANDED_RETURN;
	if ((in->op == OP_JMP || in->op == OP_JCC) &&
	    (in->target < fn->low || in->target >= fn->high))
		return HANDED_JUMP;
	if (in->op != OP_JMP_REG)
		return HANDED_ON;
	if (in->dst == REG_NONE && in->mem.base == REG_NONE && in->mem.index == REG_NONE)
		return HANDED_OUT;
	if (flow_at(fn->flow, insn, &st) && at_entry_depth(&st) && !is_table(fn, in, &st))
		return field_of(fn, insn, &disp) ? HANDED_FIELD : HANDED_OUT;
	return HANDED_ON;
}

const char *handed_import(const struct image *image, uint64_t addr)
{
	struct code *code = NULL;
	const char *name = NULL;

	if (!image_bytes(image, addr, STUB_MAX) ||
	    code_decode(image, addr, addr + STUB_MAX, &code, NULL) < 0)
		return NULL;
	for (size_t i = 0; i < code->n && i < 2; i++) { /* endbr64 may stand in front */
		const struct insn *in = &code->at[i];

		if (in->op == OP_JMP_REG && in->dst == REG_NONE && in->mem.base == REG_NONE &&
		    in->mem.index == REG_NONE)
			name = image_import(image, (uint64_t)in->mem.disp);
		if (name || in->op != OP_OTHER)
			break;
	}
	code_free(code);
	return name;
}

/* --- through a field ------------------------------------------------------------------------ */

static int by_low(const void *a, const void *b)
{
	const struct unwind_bounds *x = a, *y = b;

	return x->low < y->low ? -1 : x->low > y->low;
}

/* The functions that an image has, and those of them that are found. */
struct targets {
	const struct unwind_bounds *all;
	size_t n_all;
	uint64_t *at;
	size_t n, max;
};

static void add_target(struct targets *t, uint64_t addr)
{
	struct unwind_bounds key = { .low = addr };

	if (!bsearch(&key, t->all, t->n_all, sizeof(key), by_low))
		return; /* data */
	for (size_t i = 0; i < t->n; i++)
		if (t->at[i] == addr)
			return;
	if (t->n < t->max)
		t->at[t->n++] = addr;
}

/* The addresses of functions that may have been put into the register shortly before
 * instruction @i, also one of two by a conditional move. */
static void add_addresses(struct targets *t, const struct code *code, size_t i, unsigned reg)
{
	uint32_t wanted = 1u << reg;

	for (size_t back = 1; wanted && back <= NEAR && back <= i; back++) {
		const struct insn *in = &code->at[i - back];

		if (in->op == OP_CALL)
			return;
		if (!(in->writes & wanted))
			continue;
		if (in->op == OP_LEA && in->mem.base == REG_NONE && in->mem.index == REG_NONE)
			add_target(t, (uint64_t)in->mem.disp);
		if (in->op == OP_OTHER && in->size == 8 && in->src != REG_NONE)
			wanted |= 1u << in->src;
		else
			wanted &= ~(uint32_t)in->writes;
	}
}

static bool is_store_into(const struct insn *in, int64_t disp)
{
	return in->op == OP_STORE && in->size == 8 && in->mem.disp == disp &&
	       in->mem.base != REG_NONE && in->mem.base != REG_RSP && in->mem.index == REG_NONE;
}

size_t handed_targets(const struct image *image, const struct function *fn, size_t insn,
		      uint64_t *out, size_t max)
{
	_free_ struct unwind_bounds *all = NULL;
	struct targets t = { .at = out, .max = max };
	int64_t disp;

	if (!field_of(fn, insn, &disp) || unwind_list(image, &all, &t.n_all) < 0)
		return 0;
	t.all = all;
	for (size_t f = 0; f < t.n_all; f++) {
		_cleanup_(code_freep) struct code *code = NULL;

		if (code_decode(image, all[f].low, all[f].high, &code, NULL) < 0)
			continue;
		for (size_t i = 0; i < code->n; i++)
			if (is_store_into(&code->at[i], disp))
				add_addresses(&t, code, i, code->at[i].src);
	}
	return t.n;
}

/* --- functions that read -------------------------------------------------------------------- */

/* What such a function may do besides: clear registers, mark that it can be jumped to. */
static bool is_harmless(const struct insn *in)
{
	return (in->op == OP_OTHER && !in->writes_mem && !in->writes) ||
	       (in->op == OP_CONST && in->dst != REG_RAX);
}

static bool is_field(const struct insn *in, unsigned base)
{
	return in->mem.base == base && in->mem.index == REG_NONE && in->mem.disp >= INT32_MIN &&
	       in->mem.disp <= INT32_MAX;
}

static bool is_load(const struct insn *in, unsigned base)
{
	return in->op == OP_LOAD && in->dst == REG_RAX && in->size >= 4 && is_field(in, base);
}

/* The function jumps to @target where a pointer is NULL: what it returns there. */
static bool returns_constant(const struct code *code, uint64_t target, int64_t *out)
{
	size_t i = code_find(code, target);

	if (i == CODE_NONE || i + 1 >= code->n || code->at[i].op != OP_CONST ||
	    code->at[i].dst != REG_RAX || code->at[i + 1].op != OP_RET)
		return false;
	*out = (int32_t)code->at[i].imm;
	return true;
}

/* A load of a pointer, then `test`, `je` to a constant, and the load of a field. */
static bool is_guarded(const struct code *code, size_t i, struct handed_field *out)
{
	const struct insn *in = &code->at[i];

	if (i + 3 >= code->n || in[0].size != 8 || in[1].op != OP_TEST || in[1].dst != REG_RAX ||
	    in[1].src != REG_RAX || in[1].size != 8 || in[2].op != OP_JCC || in[2].cc != CC_E ||
	    !is_load(&in[3], REG_RAX) || !returns_constant(code, in[2].target, &out->absent))
		return false;
	out->guarded = true;
	out->guard = (struct abi_recipe){ .width = 8, .tail = (int32_t)in[0].mem.disp };
	out->read = (struct abi_recipe){ .n_steps = 1,
					 .add = { (int32_t)in[0].mem.disp },
					 .width = in[3].size,
					 .tail = (int32_t)in[3].mem.disp };
	return true;
}

bool handed_is_getter(const struct image *image, uint64_t low, uint64_t high,
		      struct handed_field *out)
{
	_cleanup_(code_freep) struct code *code = NULL;
	const struct insn *load = NULL;

	*out = (struct handed_field){};
	if (high <= low || high - low > GETTER_MAX ||
	    code_decode(image, low, high, &code, NULL) < 0)
		return false;
	for (size_t i = 0; i < code->n; i++) {
		const struct insn *in = &code->at[i];

		if (in->op == OP_RET)
			return load;
		if (!load && is_load(in, REG_RDI)) {
			load = in;
			out->read = (struct abi_recipe){ .width = in->size,
							 .tail = (int32_t)in->mem.disp };
			if (is_guarded(code, i, out))
				i += 3;
		} else if (!is_harmless(in) ||
			   (!load && in->op == OP_CONST && in->dst == REG_RDI)) {
			return false;
		}
	}
	return false;
}

bool handed_asked(const struct image *image, uint64_t low, uint64_t high, struct handed_field *out)
{
	_cleanup_(code_freep) struct code *code = NULL;
	const struct insn *in;
	size_t i = 0;

	*out = (struct handed_field){};
	if (high <= low || code_decode(image, low, high, &code, NULL) < 0)
		return false;
	while (i < code->n && is_harmless(&code->at[i]))
		i++;
	if (i + 1 >= code->n)
		return false;
	in = &code->at[i];
	out->read = (struct abi_recipe){ .width = in->size, .tail = (int32_t)in->mem.disp };
	return in[0].op == OP_CMP_MEM && is_field(in, REG_RDI) && in[1].op == OP_JCC &&
	       (in[1].cc == CC_E || in[1].cc == CC_NE);
}

/* Whether the function returns at @insn + 1 what it loads before from its first argument. */
static bool gives_field(const struct function *fn, size_t insn)
{
	const struct insn *in = &fn->code->at[insn];
	struct flow_state st;

	return insn + 1 < fn->code->n && in[1].op == OP_RET && in[0].op == OP_LOAD &&
	       in[0].dst == REG_RAX && is_field(in, REG_RDI) && flow_at(fn->flow, insn, &st) &&
	       flow_same(st.reg[REG_RDI], (struct flow_value){ .kind = FLOW_ARG });
}

bool handed_given(struct image *image, uint64_t low, uint64_t high, struct handed_field *out)
{
	struct abi_recipe found = {};
	struct function *fn = NULL;
	bool one = true;

	*out = (struct handed_field){};
	if (high <= low || function_open(image, low, high, &fn, NULL) < 0)
		return false;
	for (size_t i = 0; i < fn->code->n; i++) {
		const struct insn *in = &fn->code->at[i];

		if (!gives_field(fn, i))
			continue;
		one &= !found.width ||
		       (found.width == in->size && found.tail == (int32_t)in->mem.disp);
		found = (struct abi_recipe){ .width = in->size, .tail = (int32_t)in->mem.disp };
	}
	function_free(fn);
	out->read = found;
	return one && found.width;
}
