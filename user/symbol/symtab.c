// SPDX-License-Identifier: BSD-2-Clause
/* Functions by symbol and code, where there is no debug information. */
#include "symbol/symtab.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "symbol/coroutine.h"
#include "symbol/name.h"

/* States are tried up to this number at least: those beyond the last do no harm, one
 * that is left out could be taken for the first poll. */
#define STATES_LEAST 16
#define STATES_MOST 255
#define DISPATCHES_MAX 64

static const char alone[] =
	"found by its symbol, without debug information: copies of it that were inlined are not "
	"seen and their calls not counted; arguments and results are unknown";
static const char alone_glue[] =
	"found by its symbol, without debug information: glue that was inlined is not seen, and a "
	"call cancelled there stays in flight until its memory is used again";

static void whole_of(const struct function *fn, struct ranges *out)
{
	*VEC_ADD(out) = (struct range){ fn->low, fn->high };
}

static char *where_is(const char *what, const struct image_symbol *sym)
{
	_free_ char *name = name_demangle(sym->name);

	return mem_printf("%s %s", what, name ? name : sym->name);
}

/* --- async functions -------------------------------------------------------------- */

/* Of the dispatches that of the function itself, which its entry leads to before it
 * branches on anything else: those of futures inside come later. */
static const struct dispatch *dispatch_at_entry(const struct function *fn,
						const struct dispatch *all, size_t n)
{
	for (size_t i = 0; i < fn->code->n; i++) {
		const struct insn *in = &fn->code->at[i];
		const char *callee = function_callee(fn, i);

		for (size_t d = 0; d < n; d++)
			if (all[d].load == i)
				return &all[d];
		/* large frames are probed in a loop or by a function */
		if (in->op == OP_CALL && callee && strstr(callee, "probestack"))
			continue;
		if (in->op == OP_CALL || code_ends_block(in) ||
		    (in->op == OP_JCC && in->target > in->addr))
			return NULL;
	}
	return NULL;
}

/* The number of states that are stored as constants; STATES_LEAST where some other
 * state may be stored too. */
static unsigned count_states(const struct function *fn, struct flow_value state)
{
	unsigned states = 3;

	for (size_t i = 0; i < fn->code->n; i++) {
		const struct insn *in = &fn->code->at[i];
		struct flow_state st;
		unsigned value;

		if ((in->op != OP_STORE && in->op != OP_STORE_CONST) || in->size != 1 ||
		    !flow_at(fn->flow, i, &st) || !flow_same(flow_address(&st, &in->mem), state))
			continue;
		if (in->op == OP_STORE && st.reg[in->src].kind != FLOW_CONST &&
		    st.reg[in->src].kind != FLOW_BYTE)
			return STATES_LEAST;
		value = (unsigned)(in->op == OP_STORE ? st.reg[in->src].off : in->imm) & 0xff;
		states = value >= states ? value + 1 : states;
	}
	return states;
}

static unsigned clamp_states(unsigned states)
{
	return states < STATES_LEAST ? STATES_LEAST : states > STATES_MOST ? STATES_MOST : states;
}

static void remember_future(struct resolver *rs, unsigned func, unsigned states, int64_t state)
{
	*VEC_ADD(&rs->futures) =
		(struct resolver_future){ mem_strdup(""), func, states, state, false };
}

/* A panic through a pointer that was not followed may be that of a future inside. */
static void drop_unsure_panics(struct coroutine *co)
{
	size_t kept = 0;

	for (size_t i = 0; i < co->drafts.n; i++) {
		struct draft d = co->drafts.at[i];

		if (d.unsure && d.kind == ABI_SITE_PANIC)
			co->n_panic--;
		else
			co->drafts.at[kept++] = d;
	}
	co->drafts.n = kept;
}

static void emit_poll(struct resolver *rs, const struct function *fn, struct coroutine *co,
		      const struct image_symbol *sym, unsigned func)
{
	unsigned row;

	drop_unsure_panics(co);
	row = plan_add_row(rs->plan, func, PLAN_PARTIAL, where_is("poll function", sym),
			   mem_printf("first poll, %u completion%s, %u panic site%s", co->n_return,
				      co->n_return == 1 ? "" : "s", co->n_panic,
				      co->n_panic == 1 ? "" : "s"),
			   mem_printf("%s%s", co->trouble.len ? co->trouble.text : "", alone));
	for (size_t i = 0; i < co->drafts.n; i++)
		instance_add_site(rs, fn, &co->drafts.at[i], func, row);
}

/* False when the symbol is no poll function: any closure has a name like that. */
static bool look_at_poll(struct resolver *rs, const struct function *fn,
			 const struct image_symbol *sym, unsigned func)
{
	_cleanup_(ranges_free) struct ranges own = {}, others = {};
	_free_ struct dispatch *all = mem_array(DISPATCHES_MAX, sizeof(*all));
	const struct dispatch *ours;
	struct coroutine co = {};
	unsigned states;
	size_t n;

	whole_of(fn, &own);
	n = dispatch_find_poll(fn, &own, all, DISPATCHES_MAX);
	ours = dispatch_at_entry(fn, all, n);
	if (!ours || (ours->state.kind != FLOW_ARG && ours->state.kind != FLOW_ARG + 1))
		return false;
	for (size_t d = 0; d < n; d++) {
		uint64_t addr = fn->code->at[all[d].load].addr;

		if (!flow_same(all[d].state, ours->state))
			*VEC_ADD(&others) = (struct range){ addr, addr + 1 };
	}
	ranges_subtract(&own, &others);
	states = count_states(fn, ours->state);
	if (coroutine_find(fn, &own, clamp_states(states), &co)) {
		emit_poll(rs, fn, &co, sym, func);
		remember_future(rs, func, states, ours->state.off);
	} else {
		plan_add_row(rs->plan, func, PLAN_REFUSED, where_is("poll function", sym), NULL,
			     mem_printf("%s%s", co.trouble.len ? co.trouble.text : "",
					"found by its symbol, without debug information"));
	}
	coroutine_free(&co);
	return true;
}

/* --- drop glue ----------------------------------------------------------------------- */

/* Whether this is the glue of the future of @path: drop_in_place<a::b::f::{{closure}}> */
static bool is_glue(const char *demangled, const char *path)
{
	const char *open = strchr(demangled, '<');
	size_t len = open ? strlen(open) : 0;
	_free_ char *inside = NULL;

	if (len < 3 || open[len - 1] != '>' ||
	    (strncmp(demangled, "core::ptr::drop_in_place", 24) != 0 &&
	     strncmp(demangled, "core::ptr::drop_glue", 20) != 0))
		return false;
	inside = mem_strndup(open + 1, len - 2);
	return name_compare(inside, path) == NAME_CLOSURE;
}

static void look_at_glue(struct resolver *rs, const struct function *fn, unsigned func)
{
	_cleanup_(ranges_free) struct ranges whole = {};
	struct drafts drafts = {};

	whole_of(fn, &whole);
	for (size_t i = 0; i < rs->futures.n; i++)
		if (rs->futures.at[i].func == func)
			coroutine_find_drop(fn, &whole, rs->futures.at[i].states,
					    rs->futures.at[i].state, &drafts);
	if (drafts.n)
		instance_add_cancels(rs, fn, &drafts, func);
	free(drafts.at);
}

/* --- plain functions ------------------------------------------------------------------- */

/*
 * The symbol of an async function is that of what makes its future: it moves the
 * arguments, asks nothing and calls nothing but memcpy. What is no more than that may
 * be one, and counting it would count futures and not calls.
 */
static bool may_make_a_future(const struct function *fn)
{
	for (size_t i = 0; i < fn->code->n; i++) {
		const struct insn *in = &fn->code->at[i];
		const char *callee = function_callee(fn, i);

		if (in->op == OP_JCC || in->op == OP_JMP_REG)
			return false;
		if (in->op == OP_CALL && (!callee || strncmp(callee, "mem", 3) != 0))
			return false;
	}
	return true;
}

static void look_at_plain(struct resolver *rs, const struct function *fn,
			  const struct image_symbol *sym, unsigned func)
{
	struct drafts drafts = {};
	unsigned row;

	if (may_make_a_future(fn)) {
		plan_add_row(
			rs->plan, func, PLAN_REFUSED, where_is("function", sym), NULL,
			mem_strdup("without debug information it cannot be told from what makes "
				   "the future of an async function: give the debug file or a "
				   "pack"));
		return;
	}
	instance_plain_drafts(fn, &drafts);
	row = plan_add_row(
		rs->plan, func, PLAN_PARTIAL, where_is("function", sym),
		mem_printf("entry and %zu return site%s", drafts.n - 1, drafts.n == 2 ? "" : "s"),
		mem_strdup(alone));
	for (size_t i = 0; i < drafts.n; i++)
		instance_add_site(rs, fn, &drafts.at[i], func, row);
	free(drafts.at);
}

/* --- the whole -------------------------------------------------------------------------- */

enum symbol_role { ROLE_NONE, ROLE_POLL, ROLE_PLAIN, ROLE_GLUE };

/* In the older mangling the types that glue is for stand without their lengths. */
static bool may_be_of(const char *mangled, const char *needle)
{
	const char *name = needle + strspn(needle, "0123456789");

	return strstr(mangled, needle) || (strstr(mangled, "drop_") && strstr(mangled, name));
}

static enum symbol_role role_of(const char *mangled, const char *needle, const char *path)
{
	_free_ char *name = may_be_of(mangled, needle) ? name_demangle(mangled) : NULL;

	if (!name)
		return ROLE_NONE;
	if (is_glue(name, path))
		return ROLE_GLUE;
	switch (name_compare(name, path)) {
	case NAME_CLOSURE:
		return ROLE_POLL;
	case NAME_SAME:
		return ROLE_PLAIN;
	default:
		return ROLE_NONE;
	}
}

/* Looks at one symbol in its role; true where it is a poll function. */
static bool look_at(struct resolver *rs, const struct image_symbol *sym, enum symbol_role role,
		    unsigned func)
{
	struct function *fn = NULL;
	struct err err = {};
	bool poll = false;

	if (!sym->size || !image_executable(rs->image, sym->addr))
		return false;
	if (function_open(rs->image, sym->addr, sym->addr + sym->size, &fn, &err) < 0) {
		if (role == ROLE_PLAIN)
			plan_add_row(rs->plan, func, PLAN_REFUSED, where_is("function", sym), NULL,
				     mem_strdup(err.text));
		return false;
	}
	if (role == ROLE_POLL)
		poll = look_at_poll(rs, fn, sym, func);
	else if (role == ROLE_GLUE)
		look_at_glue(rs, fn, func);
	else
		look_at_plain(rs, fn, sym, func);
	function_free(fn);
	return poll;
}

/* Poll functions first: where there is one, the plain symbol makes only the future. */
static void scan_func(struct resolver *rs, unsigned func)
{
	const char *path = rs->profile->funcs[func].name;
	_free_ char *needle = name_needle(path);
	bool async = false;

	for (enum symbol_role role = ROLE_POLL; role <= ROLE_GLUE; role++) {
		if (role == ROLE_PLAIN && async)
			continue;
		for (size_t i = 0; i < rs->image->n_symbols; i++) {
			const struct image_symbol *sym = &rs->image->symbols[i];

			if (role_of(sym->name, needle, path) == role)
				async |= look_at(rs, sym, role, func);
		}
	}
}

void symtab_scan(struct resolver *rs)
{
	for (unsigned f = 0; f < rs->profile->n_funcs; f++)
		if (profile_is_of(rs->profile->funcs[f].name, NULL))
			scan_func(rs, f);
	/* the row of drop glue is made ready */
	for (size_t i = 0; i < rs->plan->n_rows; i++) {
		struct plan_row *row = &rs->plan->rows[i];

		if (row->state == PLAN_READY) {
			row->state = PLAN_PARTIAL;
			row->reason = mem_strdup(alone_glue);
		}
	}
}
