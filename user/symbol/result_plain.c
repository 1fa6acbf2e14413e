// SPDX-License-Identifier: BSD-2-Clause
/* Results of plain functions, by the Rust ABI as measured. */
#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "symbol/argument.h"
#include "symbol/result.h"
#include "symbol/type.h"

/* Whether the function returns through memory: then its first parameter is in the second register. */
static bool plain_sret(const struct function *fn, Dwarf_Die *die, Dwarf_Die *type)
{
	uint64_t size = type_size(type);
	Dwarf_Die param;

	if (size <= 8)
		return false;
	if (size <= 16 && argument_parameter(die, NULL, 0, &param))
		return argument_register(fn, &param) == REG_RSI;
	return size > 16;
}

static bool plain_result(const struct function *fn, Dwarf_Die *origin, Dwarf_Die *die,
			 const struct profile_value *want, struct plan_value *value,
			 struct strbuf *why)
{
	struct type_place place = {};
	bool sret;

	if (!result_type(origin, &place.type)) {
		strbuf_puts(why, "the function's type is not in the debug information");
		return false;
	}
	sret = plain_sret(fn, die, &place.type);
	if (!type_tests(&place, want, value, why))
		return false;
	for (size_t t = 0; t < value->n_tests; t++) {
		struct abi_recipe *r = &value->tests[t].recipe;

		r->reg = sret ? ABI_REG_SAVED : ABI_REG_RAX;
		r->in_register = !sret;
		if (!sret && (r->tail || r->n_steps)) {
			strbuf_puts(why, "it is returned in registers in a form not supported");
			return false;
		}
	}
	value->text = mem_strdup("result");
	return true;
}

void result_plain(const struct function *fn, Dwarf_Die *origin, Dwarf_Die *die,
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
			     plain_result(fn, origin, die, want, &value, &why);
		if (!ok) {
			strbuf_printf(trouble, "%s%s is unknown: %s", trouble->len ? "; " : "",
				      start ? want->path : "the result", why.text ? why.text : "");
			plan_value_clear(&value);
			continue;
		}
		plan_add_value(site, &value);
	}
}
