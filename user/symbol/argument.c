// SPDX-License-Identifier: BSD-2-Clause
/* Arguments of plain functions, by the Rust ABI as measured. */
#include "symbol/argument.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "symbol/result.h"
#include "symbol/stacked.h"
#include "symbol/type.h"

#define PARTS_MAX 4
#define IN_REGISTERS 16 /* bytes of the largest arguments that are handed over by value */

bool argument_parameter(Dwarf_Die *die, const char *name, size_t len, Dwarf_Die *out)
{
	if (dwarf_child(die, out) != 0)
		return false;
	do {
		Dwarf_Attribute at;
		const char *have;

		if (dwarf_tag(out) == DW_TAG_formal_parameter &&
		    dwarf_attr_integrate(out, DW_AT_name, &at) && (have = dwarf_formstring(&at)) &&
		    (!name || (strlen(have) == len && strncmp(have, name, len) == 0)))
			return true;
	} while (dwarf_siblingof(out, out) == 0);
	return false;
}

/* The register of `breg 0; constu 1; and; stack_value`: a bool is the low bits of one. */
static unsigned masked_register(const Dwarf_Op *expr, size_t len)
{
	if (len < 2 || expr[0].atom < DW_OP_breg0 || expr[0].atom > DW_OP_breg31 ||
	    expr[0].number || expr[len - 1].atom != DW_OP_stack_value)
		return REG_NONE;
	for (size_t i = 1; i + 1 < len; i++) {
		unsigned op = expr[i].atom;

		if (op != DW_OP_and && op != DW_OP_constu && op != DW_OP_convert &&
		    (op < DW_OP_lit1 || op > DW_OP_lit31))
			return REG_NONE;
	}
	return code_dwarf_reg(expr[0].atom - DW_OP_breg0);
}

/* Where an argument's bytes are when the function is entered. */
struct location {
	bool in_memory; /* at `offset` from what register `base` holds, … */
	bool behind;    /* … or what the pointer points to that is there */
	unsigned base;
	int64_t offset;
	size_t n; /* else in parts, in registers */
	struct part {
		unsigned reg;
		uint64_t at, size; /* of the argument's bytes */
	} part[PARTS_MAX];
};

static bool is_register(const Dwarf_Op *op)
{
	return op->atom >= DW_OP_reg0 && op->atom <= DW_OP_reg31;
}

/* `reg 5; piece 8; reg 4; piece 8`: a slice; a part without a register is nowhere. */
static bool read_parts(const Dwarf_Op *expr, size_t len, struct location *out)
{
	uint64_t at = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned reg = REG_NONE;

		if (is_register(&expr[i]))
			reg = code_dwarf_reg(expr[i++].atom - DW_OP_reg0);
		if (i == len || expr[i].atom != DW_OP_piece || out->n == PARTS_MAX)
			return false;
		out->part[out->n++] = (struct part){ reg, at, expr[i].number };
		at += expr[i].number;
	}
	return out->n > 0;
}

static bool locate(const struct function *fn, Dwarf_Die *param, struct location *out)
{
	Dwarf_Attribute at;
	Dwarf_Op *expr;
	size_t len;

	*out = (struct location){};
	if (!dwarf_attr_integrate(param, DW_AT_location, &at) ||
	    dwarf_getlocation_addr(&at, fn->low, &expr, &len, 1) != 1 || !len)
		return false;
	if (len == 1 && expr[0].atom >= DW_OP_breg0 && expr[0].atom <= DW_OP_breg31) {
		out->in_memory = true;
		out->base = code_dwarf_reg(expr[0].atom - DW_OP_breg0);
		out->offset = (int64_t)expr[0].number;
		return out->base != REG_NONE;
	}
	if (len > 1 && masked_register(expr, len) == REG_NONE)
		return read_parts(expr, len, out);
	out->n = 1;
	out->part[0] = (struct part){ masked_register(expr, len), 0, 8 };
	if (is_register(&expr[0]))
		out->part[0].reg = code_dwarf_reg(expr[0].atom - DW_OP_reg0);
	return out->part[0].reg != REG_NONE;
}

/* The register that is the base of the function's frame. */
static unsigned frame_base(Dwarf_Die *die)
{
	Dwarf_Attribute at;
	Dwarf_Op *expr;
	size_t len;

	if (!dwarf_attr_integrate(die, DW_AT_frame_base, &at) ||
	    dwarf_getlocation(&at, &expr, &len) != 0 || len != 1 || !is_register(&expr[0]))
		return REG_NONE;
	return code_dwarf_reg(expr[0].atom - DW_OP_reg0);
}

/* What the caller has put on the stack: the argument, or of a large one its address. That is
 * described as if the argument were there itself, by some compilers with the step to where it is. */
static bool locate_stacked(const struct function *fn, Dwarf_Die *die, Dwarf_Die *param,
			   Dwarf_Die *type, struct location *out)
{
	bool large = type_size(type) > IN_REGISTERS;
	Dwarf_Attribute at;
	Dwarf_Op *expr;
	size_t len;

	*out = (struct location){ .in_memory = true, .behind = large, .base = REG_RSP };
	return dwarf_attr_integrate(param, DW_AT_location, &at) &&
	       dwarf_getlocation_addr(&at, fn->low, &expr, &len, 1) == 1 &&
	       (len == 1 || (large && len == 2 && expr[1].atom == DW_OP_deref)) &&
	       expr[0].atom == DW_OP_fbreg &&
	       stacked_pointer(fn, frame_base(die), (int64_t)expr[0].number, &out->offset);
}

unsigned argument_register(const struct function *fn, Dwarf_Die *param)
{
	struct location where;

	return locate(fn, param, &where) && !where.in_memory && where.n == 1 ? where.part[0].reg :
									       REG_NONE;
}

/* Turns a recipe that begins with the argument's own bytes into one that begins with a
 * register: the value itself, or the first pointer on the way to it. */
static bool begin_in_register(const struct location *where, struct abi_recipe *r)
{
	int32_t *first = r->n_steps ? &r->add[0] : &r->tail;
	uint64_t size = r->n_steps ? 8 : r->width;

	if (where->behind && r->n_steps == ABI_STEPS_MAX)
		return false;
	if (where->behind) {
		memmove(&r->add[1], &r->add[0], r->n_steps++ * sizeof(r->add[0]));
		r->add[0] = 0;
		first = &r->add[0];
	}
	if (where->in_memory) {
		r->reg = (uint8_t)code_abi_reg(where->base);
		return where->offset >= INT32_MIN && where->offset <= INT32_MAX &&
		       !__builtin_add_overflow(*first, (int32_t)where->offset, first);
	}
	for (size_t i = 0; i < where->n; i++) {
		const struct part *part = &where->part[i];

		if (*first < 0 || (uint64_t)*first != part->at || part->size < size ||
		    part->reg == REG_NONE)
			continue;
		r->reg = (uint8_t)code_abi_reg(part->reg);
		*first = 0;
		if (r->n_steps) {
			r->n_steps--;
			memmove(&r->add[0], &r->add[1], r->n_steps * sizeof(r->add[0]));
			r->add[r->n_steps] = 0;
		} else {
			r->in_register = 1;
		}
		return true;
	}
	return false;
}

bool argument_plain(const struct function *fn, Dwarf_Die *die, const struct profile_value *want,
		    struct plan_value *value, struct strbuf *why)
{
	size_t len = strcspn(want->path, ".");
	struct type_place place = {};
	struct location where;
	Dwarf_Die param;

	if (!argument_parameter(die, want->path, len, &param) ||
	    !result_type(&param, &place.type)) {
		strbuf_printf(why, "no parameter \"%.*s\"", (int)len, want->path);
		return false;
	}
	if (!locate(fn, &param, &where) && !locate_stacked(fn, die, &param, &place.type, &where)) {
		strbuf_puts(why, "it is in no known place when the function is entered");
		return false;
	}
	if (want->path[len] && !type_follow(&place, want->path + len + 1, why))
		return false;
	if (!type_tests(&place, want, value, why))
		return false;
	for (size_t t = 0; t < value->n_tests; t++) {
		if (begin_in_register(&where, &value->tests[t].recipe))
			continue;
		strbuf_puts(why, "it is passed in registers in a form not supported");
		return false;
	}
	value->text = plan_value_text(want);
	return true;
}
