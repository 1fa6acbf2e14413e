// SPDX-License-Identifier: BSD-2-Clause
/* Results of async functions, by the Rust ABI as measured. */
#include "symbol/result.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "symbol/passing.h"
#include "symbol/type.h"

/* Instructions from the end of a completion to the return: restoring registers. */
#define EPILOGUE_MAX 64

bool result_wants(const struct profile_func *pf, enum profile_value_kind kind)
{
	for (size_t v = 0; v < pf->n_values; v++)
		if (pf->values[v].kind == kind)
			return true;
	return false;
}

char *result_called(const struct profile_value *want)
{
	return want->is_number ? mem_printf("the result's %s", want->path) :
				 mem_strdup("the result");
}

bool result_type(Dwarf_Die *subprogram, Dwarf_Die *out)
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
		if (__builtin_add_overflow(r.tail, then->tail, &r.tail))
			return false;
	} else {
		if (__builtin_add_overflow(r.tail, then->add[0], &r.add[r.n_steps++]))
			return false;
		for (unsigned i = 1; i < then->n_steps; i++)
			r.add[r.n_steps++] = then->add[i];
		r.tail = then->tail;
	}
	*out = r;
	return true;
}

/* --- results of async functions ------------------------------------------------- */

static const struct flow_value result_pointer = { FLOW_ARG, 0 };

/* What runs only after a completion. */
static void completed_region(const struct function *fn, const struct coroutine *co, uint8_t *region,
			     uint8_t *shared)
{
	_free_ uint8_t *barrier = mem_array(fn->code->n, 1);

	flow_reach(fn->flow, 0, barrier, region);
	for (size_t i = 0; i < co->drafts.n; i++)
		if (co->drafts.at[i].kind == ABI_SITE_RETURN)
			barrier[co->drafts.at[i].insn] = 1;
	flow_reach(fn->flow, 0, barrier, shared);
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

/*
 * The register that, before instruction @from, holds the low @size bytes of what the
 * function returns in @reg: the way from there to the return is followed, and back along
 * moves. REG_NONE when the way forks or the value is made on it.
 */
static unsigned register_returned(const struct function *fn, size_t from, unsigned reg,
				  unsigned size)
{
	size_t path[EPILOGUE_MAX], next[4], n = 0;

	for (size_t i = from; fn->code->at[i].op != OP_RET; i = next[0]) {
		if (n == EPILOGUE_MAX || flow_next(fn->flow, i, next, ARRAY_SIZE(next)) != 1)
			return REG_NONE;
		path[n++] = i;
	}
	while (n-- && reg != REG_NONE) {
		const struct insn *in = &fn->code->at[path[n]];

		if (!(in->writes & (1u << reg)))
			continue;
		reg = in->op == OP_MOVE && in->dst == reg && in->size >= 4 && in->size >= size ?
			      in->src :
			      REG_NONE;
	}
	return reg;
}

/* Whether the result can be read at the exit @i; adds the reason if not. */
static bool readable_at(const struct function *fn, struct coroutine *co, size_t i,
			const uint8_t *shared)
{
	struct abi_recipe result;

	if (!co->sret && register_returned(fn, i, REG_RAX, 0) == REG_NONE &&
	    register_returned(fn, i, REG_RDX, 0) == REG_NONE) {
		strbuf_printf(&co->trouble,
			      "no register holds the result at 0x%llx, so it is unknown; ",
			      (unsigned long long)fn->code->at[i].addr);
		return false;
	}
	if (co->sret && written_later(fn, i, shared)) {
		strbuf_puts(&co->trouble,
			    "the result is written by code that pending polls share, so "
			    "it is unknown; ");
		return false;
	}
	if (co->sret && !function_locate(fn, i, result_pointer, &result)) {
		strbuf_printf(&co->trouble,
			      "no register leads to the result at 0x%llx, so it is unknown; ",
			      (unsigned long long)fn->code->at[i].addr);
		return false;
	}
	return true;
}

/* Collects the exits as new completion sites; false with the reason when one will not do. */
static bool collect_exits(const struct function *fn, struct coroutine *co, struct drafts *out)
{
	_free_ uint8_t *region = mem_array(fn->code->n, 1);
	_free_ uint8_t *shared = mem_array(fn->code->n, 1);

	completed_region(fn, co, region, shared);
	for (size_t i = 0; i < fn->code->n; i++) {
		struct abi_recipe key;

		if (!region[i] || !is_exit(fn, i, shared))
			continue;
		if (!readable_at(fn, co, i, shared))
			return false;
		if (!function_locate(fn, i, co->state, &key)) {
			strbuf_printf(&co->trouble,
				      "no register leads to the future at 0x%llx, so the result is "
				      "unknown; ",
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

	if (!result_wants(pf, PROFILE_VALUE_RETURN))
		return;
	if (hit->inlined) {
		result_inlined_prepare(fn, co, hit, pf);
		return;
	}
	if (!co->entry_dispatch || !result_type(origin, &type)) {
		strbuf_puts(&co->trouble, "the result is unknown: the function was not called the "
					  "way that async functions are; ");
		return;
	}
	co->result = collect_exits(fn, co, &exits);
	if (!co->result) {
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

/* A result in registers: each test reads that which has its bytes where the call completes. */
static bool in_registers(const struct function *fn, size_t insn, Dwarf_Die *poll,
			 struct plan_value *value, struct strbuf *why)
{
	struct passing how = passing_of(poll);

	for (size_t t = 0; t < value->n_tests; t++) {
		struct abi_recipe *r = &value->tests[t].recipe;
		unsigned reg = REG_NONE;
		bool second;

		if (passing_in_register(&how, r, &second))
			reg = register_returned(fn, insn, second ? REG_RDX : REG_RAX,
						r->in_register ? (unsigned)r->tail + r->width : 8);
		if (reg == REG_NONE) {
			strbuf_puts(why, "it is not in one register where the call completes");
			return false;
		}
		r->reg = (uint8_t)code_abi_reg(reg);
	}
	return true;
}

static bool one_result(const struct function *fn, const struct coroutine *co, size_t insn,
		       Dwarf_Die *poll, const struct profile_value *want, struct plan_value *value,
		       struct strbuf *why)
{
	struct type_place ready = { .type = *poll };
	struct abi_recipe base;

	type_enter_ready(&ready);
	if (!type_tests(&ready, want, value, why))
		return false;
	if (!co->sret)
		return in_registers(fn, insn, poll, value, why);
	if (!function_locate(fn, insn, result_pointer, &base))
		return false;
	for (size_t t = 0; t < value->n_tests; t++)
		if (!compose(&base, &value->tests[t].recipe, &value->tests[t].recipe))
			return false;
	return true;
}

void result_add_trouble(struct coroutine *co, const struct profile_value *want, const char *why)
{
	_free_ char *what = result_called(want);
	_free_ char *all = mem_printf("%s is unknown: %s; ", what, why);

	if (!co->trouble.len || !strstr(co->trouble.text, all))
		strbuf_puts(&co->trouble, all);
}

void result_values(const struct function *fn, struct coroutine *co, size_t insn, Dwarf_Die *origin,
		   const struct profile_func *pf, struct plan_site *site)
{
	Dwarf_Die poll;

	if (co->inlined) {
		result_inlined_values(co, insn, origin, pf, site);
		return;
	}
	if (!co->result || !result_type(origin, &poll))
		return;
	for (unsigned v = 0; v < pf->n_values; v++) {
		struct plan_value value = { .slot = v };
		_strbuf_ struct strbuf why = {};

		if (pf->values[v].kind != PROFILE_VALUE_RETURN)
			continue;
		if (!one_result(fn, co, insn, &poll, &pf->values[v], &value, &why)) {
			result_add_trouble(co, &pf->values[v],
					   why.len ? why.text : "it is too far away");
			plan_value_clear(&value);
			continue;
		}
		value.text = plan_value_text(&pf->values[v]);
		plan_add_value(site, &value);
	}
}
