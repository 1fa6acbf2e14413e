// SPDX-License-Identifier: BSD-2-Clause
/* Arguments of plain functions and results of all, by the Rust ABI as measured. */
#include "symbol/result.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "symbol/type.h"

static bool wants(const struct profile_func *pf, enum profile_value_kind kind)
{
	for (size_t v = 0; v < pf->n_values; v++)
		if (pf->values[v].kind == kind)
			return true;
	return false;
}

static bool return_type(Dwarf_Die *subprogram, Dwarf_Die *out)
{
	Dwarf_Attribute at;
	Dwarf_Die raw;

	return dwarf_attr_integrate(subprogram, DW_AT_type, &at) && dwarf_formref_die(&at, &raw) &&
	       dwarf_peel_type(&raw, out) == 0;
}

/* The recipe that goes on with @then where @first ends. */
static bool compose(const struct abi_recipe *first, const struct abi_recipe *then,
		    struct abi_recipe *out)
{
	struct abi_recipe r = *first;

	if (r.n_steps + then->n_steps > ABI_STEPS_MAX)
		return false;
	r.width = then->width;
	if (!then->n_steps) {
		r.tail += then->tail;
	} else {
		r.add[r.n_steps++] = r.tail + then->add[0];
		for (unsigned i = 1; i < then->n_steps; i++)
			r.add[r.n_steps++] = then->add[i];
		r.tail = then->tail;
	}
	*out = r;
	return true;
}

/* Puts @base in front of all tests of a value and hands it to the site. */
static bool attach_value(struct plan_site *site, struct plan_value *value,
			 const struct abi_recipe *base, const char *text)
{
	for (size_t t = 0; t < value->n_tests; t++)
		if (!compose(base, &value->tests[t].recipe, &value->tests[t].recipe))
			return false;
	value->text = mem_strdup(text);
	site->values = mem_grow(site->values, site->n_values + 1, sizeof(*site->values));
	site->values[site->n_values++] = *value;
	return true;
}

/* --- results of async functions ------------------------------------------------- */

static const struct flow_value result_pointer = { FLOW_ARG, 0 };

/* What runs only after a completion. */
static void completed_region(const struct function *fn, const struct coroutine *co, uint8_t *region,
			     uint8_t *shared)
{
	_free_ uint8_t *barrier = mem_array(fn->code->n, 1);

	flow_reach(fn->flow, barrier, region);
	for (size_t i = 0; i < co->drafts.n; i++)
		if (co->drafts.at[i].kind == ABI_SITE_RETURN)
			barrier[co->drafts.at[i].insn] = 1;
	flow_reach(fn->flow, barrier, shared);
	for (size_t i = 0; i < fn->code->n; i++)
		region[i] = (region[i] && !shared[i]) || barrier[i];
}

static bool is_landing_pad(const struct function *fn, size_t i)
{
	for (size_t p = 0; p < fn->unwind.n_pads; p++)
		if (fn->unwind.pads[p].pad == fn->code->at[i].addr)
			return true;
	return false;
}

static bool writes_result(const struct function *fn, size_t i)
{
	const struct insn *in = &fn->code->at[i];
	struct flow_state st;

	if (in->op != OP_STORE && in->op != OP_STORE_CONST && !in->writes_mem)
		return false;
	return flow_at(fn->flow, i, &st) && flow_address(&st, &in->mem).kind == result_pointer.kind;
}

/* Whether the result can still be written after leaving the region at @from. */
static bool written_later(const struct function *fn, size_t from, const uint8_t *shared)
{
	size_t n = fn->code->n, next[64], depth = 0;
	_free_ size_t *stack = mem_array(n + 1, sizeof(*stack));
	_free_ uint8_t *seen = mem_array(n, 1);

	stack[depth++] = from;
	while (depth) {
		size_t i = stack[--depth], m;

		if (writes_result(fn, i))
			return true;
		m = flow_next(fn->flow, i, next, ARRAY_SIZE(next));
		for (size_t k = 0; k < m && k < ARRAY_SIZE(next); k++) {
			if (seen[next[k]] || !shared[next[k]] || is_landing_pad(fn, next[k]))
				continue;
			seen[next[k]] = 1;
			stack[depth++] = next[k];
		}
	}
	return false;
}

/* The last instructions of the region: leaving them, code is shared with pending polls. */
static bool is_exit(const struct function *fn, size_t i, const uint8_t *shared)
{
	size_t next[64], m;

	if (fn->code->at[i].op == OP_RET)
		return true;
	m = flow_next(fn->flow, i, next, ARRAY_SIZE(next));
	for (size_t k = 0; k < m && k < ARRAY_SIZE(next); k++)
		if (shared[next[k]] && !is_landing_pad(fn, next[k]))
			return true;
	return false;
}

/* Collects the exits as new completion sites; false with the reason when one will not do. */
static bool collect_exits(const struct function *fn, struct coroutine *co, struct drafts *out)
{
	_free_ uint8_t *region = mem_array(fn->code->n, 1);
	_free_ uint8_t *shared = mem_array(fn->code->n, 1);

	completed_region(fn, co, region, shared);
	for (size_t i = 0; i < fn->code->n; i++) {
		struct abi_recipe key, result;

		if (!region[i] || !is_exit(fn, i, shared))
			continue;
		if (written_later(fn, i, shared)) {
			strbuf_puts(&co->trouble,
				    "the result is written by code that pending polls "
				    "share, so it is unknown; ");
			return false;
		}
		if (!function_locate(fn, i, co->state, &key) ||
		    !function_locate(fn, i, result_pointer, &result)) {
			strbuf_printf(
				&co->trouble,
				"no register leads to the result at 0x%llx, so it is unknown; ",
				(unsigned long long)fn->code->at[i].addr);
			return false;
		}
		drafts_add(out, ABI_SITE_RETURN, i, key);
	}
	return out->n > 0;
}

void result_prepare(const struct function *fn, struct coroutine *co, const struct debug_hit *hit,
		    Dwarf_Die *origin, const struct profile_func *pf)
{
	struct drafts exits = {};
	Dwarf_Die type;

	if (!wants(pf, PROFILE_VALUE_RETURN))
		return;
	if (hit->inlined || !co->sret || !return_type(origin, &type)) {
		strbuf_printf(&co->trouble, "the result is unknown: %s; ",
			      hit->inlined ? "an inlined function hands it over in its own way" :
					     "it is returned in registers");
		co->sret = false;
		return;
	}
	if (!collect_exits(fn, co, &exits)) {
		co->sret = false;
		free(exits.at);
		return;
	}
	for (size_t i = 0; i < co->drafts.n; i++)
		if (co->drafts.at[i].kind != ABI_SITE_RETURN)
			drafts_add(&exits, co->drafts.at[i].kind, co->drafts.at[i].insn,
				   co->drafts.at[i].key);
	free(co->drafts.at);
	co->drafts = exits;
}

void result_values(const struct function *fn, struct coroutine *co, size_t insn, Dwarf_Die *origin,
		   const struct profile_func *pf, struct plan_site *site)
{
	struct type_place ready = {};
	struct abi_recipe base;

	if (!co->sret || !return_type(origin, &ready.type) ||
	    !function_locate(fn, insn, result_pointer, &base))
		return;
	type_enter_ready(&ready);
	for (unsigned v = 0; v < pf->n_values; v++) {
		struct plan_value value = { .slot = v };
		_strbuf_ struct strbuf why = {};

		if (pf->values[v].kind != PROFILE_VALUE_RETURN)
			continue;
		if (!type_tests(&ready, &pf->values[v], &value, &why) ||
		    !attach_value(site, &value, &base, "result")) {
			strbuf_printf(&co->trouble, "the result is unknown: %s; ", why.text);
			plan_value_clear(&value);
		}
	}
}

/* --- plain functions ---------------------------------------------------------------- */

static bool find_parameter(Dwarf_Die *die, const char *name, size_t len, Dwarf_Die *out)
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

/* The register that holds a parameter when the function is entered. */
static unsigned entry_register(const struct function *fn, Dwarf_Die *param)
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

/* An argument at the entry: a scalar in a register, or behind a pointer in one. */
static bool plain_argument(const struct function *fn, Dwarf_Die *die,
			   const struct profile_value *want, struct plan_value *value,
			   struct strbuf *why)
{
	size_t len = strcspn(want->path, ".");
	struct type_place place = {};
	Dwarf_Die param;
	unsigned reg;

	if (!find_parameter(die, want->path, len, &param) || !return_type(&param, &place.type)) {
		strbuf_printf(why, "no parameter \"%.*s\"", (int)len, want->path);
		return false;
	}
	reg = entry_register(fn, &param);
	if (reg == REG_NONE) {
		strbuf_puts(why, "it is not in one register when the function is entered");
		return false;
	}
	if (dwarf_tag(&place.type) == DW_TAG_pointer_type) {
		if (!return_type(&place.type, &place.type))
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

/* Whether the function returns through memory: then its first parameter is in the second register. */
static bool plain_sret(const struct function *fn, Dwarf_Die *die, Dwarf_Die *type)
{
	uint64_t size = type_size(type);
	Dwarf_Die param;

	if (size <= 8)
		return false;
	if (size <= 16 && find_parameter(die, NULL, 0, &param))
		return entry_register(fn, &param) == REG_RSI;
	return size > 16;
}

static bool plain_result(const struct function *fn, Dwarf_Die *origin, Dwarf_Die *die,
			 const struct profile_value *want, struct plan_value *value,
			 struct strbuf *why)
{
	struct type_place place = {};
	bool sret;

	if (!return_type(origin, &place.type)) {
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

	if (start && wants(pf, PROFILE_VALUE_RETURN))
		site->saved = (struct abi_recipe){ .reg = ABI_REG_RDI };
	for (unsigned v = 0; v < pf->n_values; v++) {
		const struct profile_value *want = &pf->values[v];
		struct plan_value value = { .slot = v };
		_strbuf_ struct strbuf why = {};
		bool ok;

		if (want->kind != (start ? PROFILE_VALUE_ARG : PROFILE_VALUE_RETURN))
			continue;
		ok = start ? plain_argument(fn, die, want, &value, &why) :
			     plain_result(fn, origin, die, want, &value, &why);
		if (!ok) {
			strbuf_printf(trouble, "%s%s is unknown: %s", trouble->len ? "; " : "",
				      start ? want->path : "the result", why.text ? why.text : "");
			plan_value_clear(&value);
			continue;
		}
		site->values = mem_grow(site->values, site->n_values + 1, sizeof(value));
		site->values[site->n_values++] = value;
	}
}
