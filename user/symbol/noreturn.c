// SPDX-License-Identifier: BSD-2-Clause
/* A function returns if it has a return, or jumps on to one that does. */
#include "symbol/noreturn.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "symbol/unwind.h"

#define CHAIN_MAX 4 /* functions that end in a jump to another */

static bool import_returns(const char *name)
{
	static const char *const never[] = {
		"_Unwind_Resume",   "abort",        "exit",         "_exit",
		"__stack_chk_fail", "pthread_exit", "__assert_fail"
	};

	for (size_t i = 0; i < ARRAY_SIZE(never); i++)
		if (strcmp(never[i], name) == 0)
			return false;
	return true;
}

/* How far back the load of a call's register is looked for. */
#define LOOK_BACK 16

static bool is_slot(const struct insn *in)
{
	return in->mem.base == REG_NONE && in->mem.index == REG_NONE && in->mem.disp;
}

/* The instruction that last wrote @reg before @i in straight code, or NULL. */
static const struct insn *last_writer(const struct code *code, size_t i, unsigned reg)
{
	for (size_t back = 1; back <= LOOK_BACK && back <= i; back++) {
		const struct insn *in = &code->at[i - back];

		if (code_ends_block(in) || in->op == OP_CALL)
			return NULL;
		if (in->writes & (1u << reg))
			return in;
	}
	return NULL;
}

/* The GOT slot through which the call or jump @i goes, 0 when it does not. */
static uint64_t slot_of(const struct code *code, size_t i)
{
	const struct insn *in = &code->at[i], *load;

	if (in->target)
		return 0;
	if (in->dst == REG_NONE)
		return is_slot(in) ? (uint64_t)in->mem.disp : 0;
	load = last_writer(code, i, in->dst);
	return load && load->op == OP_LOAD && load->size == 8 && is_slot(load) ?
		       (uint64_t)load->mem.disp :
		       0;
}

uint64_t noreturn_target(const struct image *image, const struct code *code, size_t i)
{
	uint64_t slot = slot_of(code, i);

	return slot ? image_pointer(image, slot) : code->at[i].target;
}

static bool function_returns(struct image *image, uint64_t addr, unsigned depth);

/* What a call or a jump leads to. */
static bool destination_returns(struct image *image, const struct code *code, size_t i,
				unsigned depth)
{
	uint64_t slot = slot_of(code, i), target = noreturn_target(image, code, i);
	const char *import = slot ? image_import(image, slot) : NULL;

	if (import)
		return import_returns(import);
	return !target || function_returns(image, target, depth);
}

/* Whether this instruction leads out of [low, high) to something that returns. */
static bool leads_back(struct image *image, const struct code *code, size_t i, unsigned depth)
{
	const struct insn *in = &code->at[i];
	bool leaves = in->target < code->low || in->target >= code->high;

	if (in->op == OP_RET)
		return true;
	if (in->op == OP_JMP_REG && in->dst != REG_NONE)
		return true; /* a jump table's targets stay inside, but its cases return */
	if (((in->op == OP_JMP || in->op == OP_JCC) && leaves) || in->op == OP_JMP_REG)
		return destination_returns(image, code, i, depth + 1);
	return false;
}

/* Looks at the instructions: a return, a way out that returns, or neither. An entry
 * of the PLT is only its first jump; what follows there is for lazy binding. */
static bool look(struct image *image, uint64_t low, uint64_t high, bool plt, unsigned depth)
{
	_cleanup_(code_freep) struct code *code = NULL;

	if (code_decode(image, low, high, &code, NULL) < 0)
		return true;
	for (size_t i = 0; i < code->n; i++) {
		if (leads_back(image, code, i, depth))
			return true;
		if (plt && code_ends_block(&code->at[i]))
			return false;
	}
	return false;
}

static bool function_returns(struct image *image, uint64_t addr, unsigned depth)
{
	struct unwind_function fn = {};
	bool returns, plt;

	for (size_t i = 0; i < image->n_callees; i++)
		if (image->callees[i].addr == addr)
			return image->callees[i].returns;
	if (depth > CHAIN_MAX || !image_executable(image, addr))
		return true;
	/* entries of the PLT are 16 bytes and share a frame entry, or have none */
	plt = unwind_find(image, addr, &fn) < 0 || fn.low != addr;
	returns = look(image, addr, plt ? addr + 16 : fn.high, plt, depth);
	unwind_function_free(&fn);
	image->callees = mem_grow(image->callees, image->n_callees + 1, sizeof(*image->callees));
	image->callees[image->n_callees++] = (struct image_callee){ addr, returns };
	return returns;
}

void noreturn_mark(struct image *image, struct code *code)
{
	for (size_t i = 0; i < code->n; i++)
		if (code->at[i].op == OP_CALL)
			code->at[i].noreturn = !destination_returns(image, code, i, 0);
}
