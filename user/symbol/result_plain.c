// SPDX-License-Identifier: BSD-2-Clause
/* Results of plain functions, by the Rust ABI as measured. */
#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "symbol/argument.h"
#include "symbol/passing.h"
#include "symbol/result.h"
#include "symbol/type.h"

/* What the first parameter's register says: behind a result pointer it is the second. */
static bool agrees(const struct function *fn, Dwarf_Die *die, const struct passing *how)
{
	Dwarf_Die param;
	unsigned reg;

	if (!argument_parameter(die, NULL, 0, &param))
		return true;
	reg = argument_register(fn, &param);
	return how->kind == PASSING_MEMORY ? reg != REG_RDI : reg != REG_RSI;
}

/* Whether at the end @insn, where control goes to another function, that one is still
 * to make the result. */
static bool made_elsewhere(const struct function *fn, size_t insn, const struct passing *how)
{
	struct flow_state st;

	if (fn->code->at[insn].op == OP_RET)
		return false;
	return how->kind != PASSING_MEMORY || !flow_at(fn->flow, insn, &st) ||
	       st.reg[REG_RDI].kind == FLOW_ARG || st.reg[REG_RDI].kind == FLOW_TOP;
}

/* Makes a test of the result's bytes one of what holds them at the return. */
static bool place_test(const struct passing *how, struct abi_recipe *r)
{
	bool second;

	if (how->kind == PASSING_MEMORY) {
		r->reg = ABI_REG_SAVED;
		return true;
	}
	if (!passing_in_register(how, r, &second))
		return false;
	r->reg = second ? ABI_REG_RDX : ABI_REG_RAX;
	return true;
}

static bool plain_result(const struct function *fn, size_t insn, Dwarf_Die *origin, Dwarf_Die *die,
			 const struct profile_value *want, struct plan_value *value,
			 struct strbuf *why)
{
	struct type_place place = {};
	struct passing how;

	if (!result_type(origin, &place.type)) {
		strbuf_puts(why, "the function's type is not in the debug information");
		return false;
	}
	how = passing_of(&place.type);
	if (how.kind == PASSING_UNKNOWN || !agrees(fn, die, &how)) {
		strbuf_puts(why, "how it is returned could not be told");
		return false;
	}
	if (made_elsewhere(fn, insn, &how)) {
		strbuf_printf(why,
			      "at 0x%llx the function ends in a jump to another one, which "
			      "makes the result",
			      (unsigned long long)fn->code->at[insn].addr);
		return false;
	}
	if (!type_tests(&place, want, value, why))
		return false;
	for (size_t t = 0; t < value->n_tests; t++) {
		if (place_test(&how, &value->tests[t].recipe))
			continue;
		strbuf_puts(why, "it is returned in registers in a form not supported");
		return false;
	}
	value->text = plan_value_text(want);
	return true;
}

void result_plain(const struct function *fn, size_t insn, Dwarf_Die *origin, Dwarf_Die *die,
		  const struct profile_func *pf, struct plan_site *site, struct strbuf *trouble)
{
	bool start = site->kind == ABI_SITE_START;

	if (start && result_wants(pf, PROFILE_VALUE_RETURN))
		site->saved = (struct abi_recipe){ .reg = ABI_REG_RDI };
	for (unsigned v = 0; v < pf->n_values; v++) {
		const struct profile_value *want = &pf->values[v];
		struct plan_value value = { .slot = v };
		_strbuf_ struct strbuf why = {};
		bool ok;

		if (want->kind != (start ? PROFILE_VALUE_ARG : PROFILE_VALUE_RETURN))
			continue;
		ok = start ? argument_plain(fn, die, want, &value, &why) :
			     plain_result(fn, insn, origin, die, want, &value, &why);
		if (!ok) {
			_free_ char *what = start ? mem_strdup(want->path) : result_called(want);

			if (trouble->len)
				strbuf_puts(trouble, "; ");
			strbuf_printf(trouble, "%s is unknown: %s", what, why.text ? why.text : "");
			plan_value_clear(&value);
			continue;
		}
		plan_add_value(site, &value);
	}
}
