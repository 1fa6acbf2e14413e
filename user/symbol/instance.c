// SPDX-License-Identifier: BSD-2-Clause
/* Looks at one DIE with code: where it is, what of it can be probed, what can be read there. */
#include "symbol/instance.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "symbol/coroutine.h"
#include "symbol/name.h"
#include "symbol/result.h"

/* Without types (debug = 1) the number of states is not known: try as many as small ones have. */
#define STATES_GUESS 16

/* --- where the code is --------------------------------------------------------- */

static bool has_code(const struct resolver *rs, Dwarf_Die *die, Dwarf_Addr *low)
{
	Dwarf_Addr base, from, to;

	/* lld leaves the entries of discarded functions with address 0 (or 1, -1) */
	for (ptrdiff_t at = 0; (at = dwarf_ranges(die, at, &base, &from, &to)) > 0;) {
		if (from < to && image_executable(rs->image, from)) {
			*low = from;
			return true;
		}
	}
	return false;
}

static void add_ranges(Dwarf_Die *die, struct ranges *out)
{
	Dwarf_Addr base, from, to;

	for (ptrdiff_t at = 0; (at = dwarf_ranges(die, at, &base, &from, &to)) > 0;)
		if (from < to)
			*VEC_ADD(out) = (struct range){ from, to };
}

static const char *name_of(Dwarf_Die *die)
{
	Dwarf_Attribute at;
	const char *name = NULL;

	if (dwarf_attr_integrate(die, DW_AT_name, &at))
		name = dwarf_formstring(&at);
	return name ? name : "";
}

static const char *linkage_name_of(Dwarf_Die *die)
{
	Dwarf_Attribute at;
	const char *name = NULL;

	if (dwarf_attr_integrate(die, DW_AT_linkage_name, &at))
		name = dwarf_formstring(&at);
	return name ? name : name_of(die);
}

static bool is_drop_glue_name(const char *name)
{
	return strncmp(name, "drop_in_place<", 14) == 0 || strncmp(name, "drop_glue<", 10) == 0;
}

static bool is_body_name(const char *name)
{
	return strncmp(name, "{async_fn#", 10) == 0 || strncmp(name, "{async_block#", 13) == 0;
}

/* The ranges of async bodies that were inlined into this one: their state is not ours. */
static void add_nested(Dwarf_Die *die, bool (*is_nested)(const char *), struct ranges *out)
{
	Dwarf_Die c;

	if (dwarf_child(die, &c) != 0)
		return;
	do {
		int tag = dwarf_tag(&c);

		if (tag == DW_TAG_inlined_subroutine && is_nested(name_of(&c)))
			add_ranges(&c, out);
		else if (tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block)
			add_nested(&c, is_nested, out);
	} while (dwarf_siblingof(&c, &c) == 0);
}

static char *demangled(const char *mangled)
{
	char *name = name_demangle(mangled);

	return name ? name : mem_strdup(mangled);
}

/* "poll function", or "inlined in a::b::c at file.rs:12" */
static char *describe(const struct debug_hit *hit, Dwarf_Die *die, Dwarf_Die *around)
{
	_free_ char *outer = NULL;
	Dwarf_Attribute at;
	Dwarf_Word line = 0, file = 0;
	const char *path = NULL, *slash;
	Dwarf_Files *files;
	size_t n_files;
	Dwarf_Die cu;

	if (!hit->inlined) {
		outer = demangled(linkage_name_of(die));
		return mem_printf("%s %s", hit->role == DEBUG_POLL ? "poll function" : "function",
				  outer);
	}
	outer = demangled(linkage_name_of(around));
	if (dwarf_attr(die, DW_AT_call_line, &at))
		dwarf_formudata(&at, &line);
	if (dwarf_attr(die, DW_AT_call_file, &at) && dwarf_formudata(&at, &file) == 0 &&
	    dwarf_diecu(die, &cu, NULL, NULL) && dwarf_getsrcfiles(&cu, &files, &n_files) == 0)
		path = dwarf_filesrc(files, file, NULL, NULL);
	slash = path ? strrchr(path, '/') : NULL;
	return mem_printf("inlined in %s at %s:%llu", outer,
			  slash ? slash + 1 :
			  path  ? path :
				  "?",
			  (unsigned long long)line);
}

static struct function *open_around(struct resolver *rs, Dwarf_Die *around, struct strbuf *why)
{
	struct err err = {};
	Dwarf_Addr low, high;

	if (!has_code(rs, around, &low)) {
		strbuf_puts(why, "the function around it has no code of its own");
		return NULL;
	}
	if (dwarf_highpc(around, &high) != 0 || high <= low) {
		strbuf_puts(why, "the function's code is split into several parts");
		return NULL;
	}
	if (rs->open && rs->open->low == low && rs->open->high == high)
		return rs->open;
	function_free(rs->open);
	rs->open = NULL;
	if (function_open(rs->image, low, high, &rs->open, &err) < 0)
		strbuf_puts(why, err.text);
	return rs->open;
}

/* --- plan rows and sites -------------------------------------------------------- */

struct plan_site *instance_add_site(struct resolver *rs, const struct function *fn,
				    const struct draft *draft, unsigned func, unsigned row)
{
	const struct insn *in = &fn->code->at[draft->insn];
	const uint8_t *bytes = image_bytes(rs->image, in->addr, in->len);
	struct plan *plan = rs->plan;
	struct plan_site *site;
	uint64_t offset;

	if (!bytes || !image_offset(rs->image, in->addr, &offset))
		return NULL;
	plan->sites = mem_grow(plan->sites, plan->n_sites + 1, sizeof(*plan->sites));
	site = &plan->sites[plan->n_sites++];
	*site = (struct plan_site){ .kind = draft->kind,
				    .func = func,
				    .instance = row,
				    .offset = offset,
				    .n_bytes = in->len,
				    .key = draft->key,
				    .saved = { .reg = ABI_REG_NONE } };
	memcpy(site->bytes, bytes, in->len);
	return site;
}

/* --- async functions -------------------------------------------------------------- */

/* Adds the argument values of the function to a start site. */
static void add_arguments(const struct profile_func *pf, const struct type_future *future,
			  struct plan_site *site, struct strbuf *reason)
{
	for (unsigned v = 0; v < pf->n_values; v++) {
		const struct profile_value *want = &pf->values[v];
		_strbuf_ struct strbuf why = {};
		struct plan_value value = { .slot = v };
		struct type_place place;

		if (want->kind != PROFILE_VALUE_ARG)
			continue;
		if (!future->name) {
			strbuf_printf(reason,
				      "argument %s is unknown: no types in the debug "
				      "information, build with debug = 2; ",
				      want->path);
			continue;
		}
		if (!type_argument(future, want->path, &place, &why) ||
		    !type_tests(&place, want, &value, &why)) {
			strbuf_printf(reason, "argument %s is unknown: %s; ", want->path, why.text);
			plan_value_clear(&value);
			continue;
		}
		for (size_t t = 0; t < value.n_tests; t++)
			value.tests[t].recipe.reg = ABI_REG_KEY;
		value.text = plan_value_text(want);
		plan_add_value(site, &value);
	}
}

static void remember_future(struct resolver *rs, const struct type_future *future, unsigned func)
{
	struct resolver_future *f;

	if (!future->name)
		return;
	for (size_t i = 0; i < rs->futures.n; i++)
		if (rs->futures.at[i].func == func &&
		    strcmp(rs->futures.at[i].name, future->name) == 0)
			return;
	f = VEC_ADD(&rs->futures);
	*f = (struct resolver_future){ mem_strdup(future->name), func, future->states,
				       future->state, false };
}

static void emit_poll(struct resolver *rs, const struct debug_hit *hit, struct coroutine *co,
		      const struct type_future *future, Dwarf_Die *origin, char *where)
{
	const struct profile_func *pf = &rs->profile->funcs[hit->func];
	unsigned row = plan_add_row(rs->plan, hit->func, PLAN_READY, where, NULL, NULL);
	struct plan_row *r;
	bool first = true;

	result_prepare(rs->open, co, hit, origin, pf);
	for (size_t i = 0; i < co->drafts.n; i++) {
		struct plan_site *site =
			instance_add_site(rs, rs->open, &co->drafts.at[i], hit->func, row);

		if (!site)
			continue;
		if (site->kind == ABI_SITE_START) {
			_strbuf_ struct strbuf again = {};

			add_arguments(pf, future, site, first ? &co->trouble : &again);
			first = false;
		} else if (site->kind == ABI_SITE_RETURN) {
			result_values(rs->open, co, co->drafts.at[i].insn, origin, pf, site);
		}
	}
	r = &rs->plan->rows[row];
	r->how = mem_printf("first poll, %u completion%s, %u panic site%s", co->n_return,
			    co->n_return == 1 ? "" : "s", co->n_panic, co->n_panic == 1 ? "" : "s");
	if (co->trouble.len) {
		r->state = PLAN_PARTIAL;
		r->reason = mem_strndup(co->trouble.text, co->trouble.len - 2);
	}
}

static bool open_dies(const struct debug_hit *hit, Dwarf_Die *die, Dwarf_Die *origin,
		      Dwarf_Die *around)
{
	return dwarf_offdie(hit->dbg, hit->die, die) &&
	       dwarf_offdie(hit->dbg, hit->origin, origin) &&
	       dwarf_offdie(hit->dbg, hit->enclosing, around);
}

bool instance_poll(struct resolver *rs, const struct debug_hit *hit)
{
	_cleanup_(ranges_free) struct ranges own = {}, nested = {};
	_strbuf_ struct strbuf why = {};
	struct type_future future = {};
	Dwarf_Die die, origin, around;
	struct coroutine co = {};
	struct function *fn;
	Dwarf_Addr low;

	if (!open_dies(hit, &die, &origin, &around) || !is_body_name(name_of(&origin)) ||
	    !has_code(rs, &die, &low))
		return false;
	add_ranges(&die, &own);
	add_nested(&die, is_body_name, &nested);
	ranges_subtract(&own, &nested);
	type_future_of(&origin, &future);
	remember_future(rs, &future, hit->func);
	fn = open_around(rs, &around, &why);
	if (fn && coroutine_find(fn, &own, future.name ? future.states : STATES_GUESS, &co)) {
		emit_poll(rs, hit, &co, &future, &origin, describe(hit, &die, &around));
	} else {
		if (fn && co.trouble.len) /* without the last "; " */
			strbuf_add(&why, co.trouble.text, co.trouble.len - 2);
		plan_add_row(rs->plan, hit->func, PLAN_REFUSED, describe(hit, &die, &around), NULL,
			     strbuf_take(&why));
	}
	coroutine_free(&co);
	type_future_free(&future);
	return true;
}

/* --- drop glue --------------------------------------------------------------------- */

/* Drop glue is small; a call out of it to something larger is not to glue. */
#define GLUE_SIZE_MAX 65536

/* How glue relates to a future: it drops just that, or something that has it inside,
 * as a task has the future that it runs. The glue of the inside may have no entry of
 * its own in the debug information. */
enum glue { GLUE_NONE, GLUE_OF_FUTURE, GLUE_AROUND };

/* drop_in_place<NAME> or drop_glue<NAME> */
static enum glue glue_of(const char *glue, const char *future)
{
	const char *open = strchr(glue, '<'), *inside;
	size_t len = strlen(future);

	if (!open)
		return GLUE_NONE;
	if (strncmp(open + 1, future, len) == 0 && strcmp(open + 1 + len, ">") == 0)
		return GLUE_OF_FUTURE;
	inside = strstr(open, future);
	return inside && (inside[len] == '>' || inside[len] == ',') ? GLUE_AROUND : GLUE_NONE;
}

/* All drop glue of a function is one row: its copies are many and tell nothing apart. */
static unsigned drop_row(struct resolver *rs, unsigned func)
{
	for (unsigned i = 0; i < rs->plan->n_rows; i++)
		if (rs->plan->rows[i].func == func &&
		    strcmp(rs->plan->rows[i].where, PLAN_DROP_GLUE) == 0)
			return i;
	return plan_add_row(rs->plan, func, PLAN_READY, mem_strdup(PLAN_DROP_GLUE), NULL, NULL);
}

void instance_add_cancels(struct resolver *rs, const struct function *fn,
			  const struct drafts *drafts, unsigned func)
{
	unsigned row = drop_row(rs, func);

	for (size_t i = 0; i < drafts->n; i++)
		instance_add_site(rs, fn, &drafts->at[i], func, row);
	plan_count_cancels(rs->plan, row);
}

/* Where the state byte of @future can be, seen from the glue's argument. */
static size_t state_offsets(const struct debug_hit *hit, Dwarf_Die *origin,
			    const struct resolver_future *future, enum glue glue,
			    int64_t offsets[TYPE_INSIDE_MAX])
{
	size_t n = 1;

	if (hit->inlined) {
		offsets[0] = COROUTINE_ANYWHERE;
		return 1;
	}
	offsets[0] = 0;
	if (glue == GLUE_AROUND)
		n = type_inside(origin, future->name, offsets);
	for (size_t i = 0; i < n; i++)
		offsets[i] += future->state;
	return n;
}

static bool drop_one(struct resolver *rs, const struct debug_hit *hit, Dwarf_Die *die,
		     Dwarf_Die *origin, const struct resolver_future *future, enum glue glue)
{
	_cleanup_(ranges_free) struct ranges own = {}, nested = {};
	int64_t offsets[TYPE_INSIDE_MAX];
	struct drafts drafts = {};
	size_t n = state_offsets(hit, origin, future, glue, offsets);

	add_ranges(die, &own);
	if (glue == GLUE_OF_FUTURE) {
		add_nested(die, is_drop_glue_name, &nested);
		ranges_subtract(&own, &nested);
	}
	for (size_t i = 0; i < n; i++)
		coroutine_find_drop(rs->open, &own, future->states, offsets[i], &drafts);
	if (drafts.n)
		instance_add_cancels(rs, rs->open, &drafts, hit->func);
	free(drafts.at);
	return drafts.n > 0;
}

/*
 * Futures of the same layout share one drop glue when the compiler merges equal
 * functions, and then the debug information knows it by one of them only. What glue
 * around our future calls, and what looks at a state where ours is, is such a one.
 */
static bool drop_merged(struct resolver *rs, const struct debug_hit *hit, uint64_t target,
			const struct resolver_future *future)
{
	struct unwind_function bounds = {};
	struct ranges whole = {};
	struct drafts drafts = {};
	struct function *fn = NULL;
	bool found;

	if (unwind_find(rs->image, target, &bounds) < 0)
		return false;
	if (bounds.low == target && bounds.high - bounds.low < GLUE_SIZE_MAX &&
	    function_open(rs->image, bounds.low, bounds.high, &fn, NULL) == 0) {
		*VEC_ADD(&whole) = (struct range){ bounds.low, bounds.high };
		coroutine_find_drop(fn, &whole, future->states, future->state, &drafts);
	}
	found = drafts.n > 0;
	if (found)
		instance_add_cancels(rs, fn, &drafts, hit->func);
	free(drafts.at);
	ranges_free(&whole);
	function_free(fn);
	unwind_function_free(&bounds);
	return found;
}

static bool drop_called(struct resolver *rs, const struct debug_hit *hit, Dwarf_Die *die,
			const struct resolver_future *future)
{
	_cleanup_(ranges_free) struct ranges own = {};
	const struct code *code = rs->open->code;
	bool found = false;

	add_ranges(die, &own);
	for (size_t i = 0; i < code->n; i++) {
		const struct insn *in = &code->at[i];
		bool out =
			in->op == OP_CALL ||
			(in->op == OP_JMP && (in->target < code->low || in->target >= code->high));

		if (out && in->target && ranges_have(&own, in->addr))
			found |= drop_merged(rs, hit, in->target, future);
	}
	return found;
}

static bool drop_hit(struct resolver *rs, const struct debug_hit *hit, enum glue wanted)
{
	_strbuf_ struct strbuf why = {};
	Dwarf_Die die, origin, around;
	bool found = false;
	Dwarf_Addr low;

	if (!open_dies(hit, &die, &origin, &around) || !has_code(rs, &die, &low))
		return false;
	for (size_t i = 0; i < rs->futures.n; i++) {
		struct resolver_future *future = &rs->futures.at[i];
		bool one;

		if (future->func != hit->func ||
		    glue_of(name_of(&origin), future->name) != wanted ||
		    (wanted == GLUE_AROUND && future->has_glue) || !open_around(rs, &around, &why))
			continue;
		one = drop_one(rs, hit, &die, &origin, future, wanted);
		if (wanted == GLUE_AROUND)
			one |= drop_called(rs, hit, &die, future);
		else
			future->has_glue |= one;
		found |= one;
	}
	return found;
}

bool instance_drop(struct resolver *rs, const struct debug_hit *hit)
{
	return drop_hit(rs, hit, GLUE_OF_FUTURE);
}

bool instance_drop_around(struct resolver *rs, const struct debug_hit *hit)
{
	return drop_hit(rs, hit, GLUE_AROUND);
}

/* --- plain functions ---------------------------------------------------------------- */

/* A direct jump out of the function, or one through the GOT, is a return of ours by way
 * of another function. */
static bool leaves(const struct function *fn, const struct insn *in)
{
	bool through_got = in->op == OP_JMP_REG && in->dst == REG_NONE &&
			   in->mem.base == REG_NONE && in->mem.index == REG_NONE;

	return in->op == OP_RET || through_got ||
	       ((in->op == OP_JMP || in->op == OP_JCC) &&
		(in->target < fn->low || in->target >= fn->high));
}

void instance_plain_drafts(const struct function *fn, struct drafts *out)
{
	struct abi_recipe key = { .reg = ABI_REG_RSP };

	drafts_add(out, ABI_SITE_START, 0, key);
	for (size_t i = 0; i < fn->code->n; i++)
		if (leaves(fn, &fn->code->at[i]))
			drafts_add(out, ABI_SITE_RETURN, i, key);
}

/* A stub that hands its call on: it neither calls nor returns, so where it jumps out nothing
 * has been done yet. */
static bool hands_on(const struct function *fn)
{
	for (size_t i = 0; i < fn->code->n; i++)
		if (fn->code->at[i].op == OP_RET || fn->code->at[i].op == OP_CALL)
			return false;
	return true;
}

static bool refuse_plain(struct resolver *rs, const struct debug_hit *hit, char *where,
			 const char *why)
{
	plan_add_row(rs->plan, hit->func, PLAN_REFUSED, where, NULL, mem_strdup(why));
	return true;
}

bool instance_plain(struct resolver *rs, const struct debug_hit *hit)
{
	const struct profile_func *pf = &rs->profile->funcs[hit->func];
	_strbuf_ struct strbuf why = {};
	Dwarf_Die die, origin, around;
	struct drafts drafts = {};
	struct function *fn;
	Dwarf_Addr low;
	unsigned row;

	if (!open_dies(hit, &die, &origin, &around) || !has_code(rs, &die, &low))
		return false;
	if (hit->inlined)
		return refuse_plain(rs, hit, describe(hit, &die, &around),
				    "a plain function that was inlined has no first and last "
				    "instruction of its own; name its caller, or keep it out of "
				    "line");
	fn = open_around(rs, &around, &why);
	if (!fn || !fn->code->n)
		return refuse_plain(rs, hit, describe(hit, &die, &around),
				    why.len ? why.text : "it has no code");
	if (hands_on(fn))
		return refuse_plain(rs, hit, describe(hit, &die, &around),
				    "in this build it only jumps on to a function that does its "
				    "work, so its end is not seen; name that function");
	instance_plain_drafts(fn, &drafts);
	row = plan_add_row(
		rs->plan, hit->func, PLAN_READY, describe(hit, &die, &around),
		mem_printf("entry and %zu return site%s", drafts.n - 1, drafts.n == 2 ? "" : "s"),
		NULL);
	for (size_t i = 0; i < drafts.n; i++) {
		struct plan_site *site = instance_add_site(rs, fn, &drafts.at[i], hit->func, row);

		if (site)
			result_plain(fn, drafts.at[i].insn, &origin, &die, pf, site, &why);
	}
	free(drafts.at);
	if (why.len) {
		rs->plan->rows[row].state = PLAN_PARTIAL;
		rs->plan->rows[row].reason = strbuf_take(&why);
	}
	return true;
}
