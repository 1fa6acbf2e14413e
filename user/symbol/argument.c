// SPDX-License-Identifier: BSD-2-Clause
/* Arguments of plain functions, by the Rust ABI as measured. */
#include "symbol/argument.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "symbol/result.h"
#include "symbol/type.h"

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

/* DWARF register numbers of x86-64 (System V ABI 1.0, figure 3.36) as code_reg. */
static unsigned dwarf_reg(unsigned reg)
{
	static const uint8_t map[] = { REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
				       REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
				       REG_R12, REG_R13, REG_R14, REG_R15 };

	return reg < ARRAY_SIZE(map) ? map[reg] : (unsigned)REG_NONE;
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
	return dwarf_reg(expr[0].atom - DW_OP_breg0);
}

unsigned argument_register(const struct function *fn, Dwarf_Die *param)
{
	Dwarf_Attribute at;
	Dwarf_Op *expr;
	size_t len;

	if (!dwarf_attr_integrate(param, DW_AT_location, &at) ||
	    dwarf_getlocation_addr(&at, fn->low, &expr, &len, 1) != 1)
		return REG_NONE;
	if (len != 1 || expr[0].atom < DW_OP_reg0 || expr[0].atom > DW_OP_reg31)
		return masked_register(expr, len);
	return dwarf_reg(expr[0].atom - DW_OP_reg0);
}

bool argument_plain(const struct function *fn, Dwarf_Die *die, const struct profile_value *want,
		    struct plan_value *value, struct strbuf *why)
{
	size_t len = strcspn(want->path, ".");
	struct type_place place = {};
	Dwarf_Die param;
	unsigned reg;

	if (!argument_parameter(die, want->path, len, &param) ||
	    !result_type(&param, &place.type)) {
		strbuf_printf(why, "no parameter \"%.*s\"", (int)len, want->path);
		return false;
	}
	reg = argument_register(fn, &param);
	if (reg == REG_NONE) {
		strbuf_puts(why, "it is not in one register when the function is entered");
		return false;
	}
	if (dwarf_tag(&place.type) == DW_TAG_pointer_type) {
		if (!result_type(&place.type, &place.type))
			return false;
	} else if (want->path[len] || type_size(&place.type) > 8) {
		strbuf_puts(why, "only scalars and what is behind references can be read");
		return false;
	} else {
		place.recipe.in_register = 1;
	}
	if (want->path[len] && !type_follow(&place, want->path + len + 1, why))
		return false;
	if (!type_tests(&place, want, value, why))
		return false;
	for (size_t t = 0; t < value->n_tests; t++) {
		struct abi_recipe *r = &value->tests[t].recipe;

		r->reg = (uint8_t)code_abi_reg(reg);
		if (r->in_register && (r->tail || r->n_steps)) {
			strbuf_puts(why, "it is passed in a register in a form not supported");
			return false;
		}
	}
	value->text = mem_strdup(want->path);
	return true;
}
