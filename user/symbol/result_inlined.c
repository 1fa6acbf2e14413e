// SPDX-License-Identifier: BSD-2-Clause
/*
 * Results of async functions that were inlined: there is no return register and no
 * result pointer, the caller's code goes on with whatever register the compiler chose
 * for the tag of Poll<T>. Five ways prove which one that is:
 *
 *   test   the completion leads straight to a comparison with a value of the tag that
 *          is the await's, see is_await()
 *   match  it leads straight to the comparison by which `?` or another method of
 *          Result or Option tells the variants apart
 *   join   it leads straight to where the code goes on behind such a test, and the
 *          same register is used there
 *   store  on the straight way, in the line of the await, a register is stored where
 *          only values of the result's type lie, and the function itself set it
 *   name   the debug information names it for something in the caller that holds the
 *          result and nothing else, and the function itself put it there
 *
 * A completion for which none holds, or two disagree, has an unknown result.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "symbol/caller.h"
#include "symbol/handover.h"
#include "symbol/result.h"
#include "symbol/result_number.h"

#define TESTS_MAX 8
#define VARIANTS_MAX 64
#define STATE_SUSPENDED 3 /* the first of them */

struct search {
	const struct function *fn;
	struct coroutine *co;
	struct caller caller;
	struct handover_graph graph;
	uint8_t *completed; /* what runs only after a completion */
	struct {
		size_t ready; /* where it goes on with a result … */
		unsigned reg; /* … whose tag is here */
	} tests[TESTS_MAX];
	size_t n_tests;
};

/* --- what is only for completed calls -------------------------------------------- */

static void mark_completed(struct search *s)
{
	const struct function *fn = s->fn;
	_free_ uint8_t *barrier = mem_array(fn->code->n, 1);
	_free_ uint8_t *shared = mem_array(fn->code->n, 1);

	s->completed = mem_array(fn->code->n, 1);
	flow_reach(fn->flow, 0, barrier, s->completed);
	for (size_t i = 0; i < s->co->drafts.n; i++)
		if (s->co->drafts.at[i].kind == ABI_SITE_RETURN)
			barrier[s->co->drafts.at[i].insn] = 1;
	flow_reach(fn->flow, 0, barrier, shared);
	for (size_t i = 0; i < fn->code->n; i++)
		s->completed[i] = (s->completed[i] && !shared[i]) || barrier[i];
}

/* Whether all that @reg can hold at @at was made by the function itself. */
static bool made_inside(const struct search *s, size_t at, unsigned reg)
{
	struct handover_defs defs;

	handover_defs(s->fn, &s->graph, at, reg, NULL, &defs);
	for (size_t d = 0; d < defs.n; d++)
		if (!ranges_have(&s->caller.ranges, s->fn->code->at[defs.at[d]].addr))
			return false;
	return defs.n && !defs.others;
}

/*
 * The register that has the tag at path->at[@k], as early as only completions pass; or
 * what it is when that is put in on the way. With @inside only what the function
 * itself made will do: what the caller makes of a result can look the same.
 */
static bool settle(const struct search *s, const struct handover_path *path, size_t k, unsigned reg,
		   bool inside, struct coroutine_tag *out)
{
	unsigned width = s->caller.tag.width;
	size_t first;

	if (!handover_settled(s->fn, path, k, width, &reg, &first))
		return false;
	*out = (struct coroutine_tag){ .insn = path->at[0], .constant = true };
	if (first && handover_constant(s->fn, path->at[first - 1], reg, width, &out->raw))
		return !inside ||
		       ranges_have(&s->caller.ranges, s->fn->code->at[path->at[first - 1]].addr);
	if (!s->completed[path->at[first]])
		return false;
	*out = (struct coroutine_tag){ .insn = path->at[first], .reg = reg };
	return !inside || made_inside(s, out->insn, out->reg);
}

/* --- the ways ------------------------------------------------------------------------- */

/* Whether pending polls go on at @to: a write to the state that is no end leads
 * straight there, or to a copy of the test that does. */
static bool pending_goes_to(const struct search *s, size_t to)
{
	struct handover_path path;
	size_t test;

	for (size_t i = 0; i < s->fn->code->n; i++) {
		unsigned state = UINT_MAX;

		if (s->completed[i] || !ranges_have(&s->caller.ranges, s->fn->code->at[i].addr) ||
		    !coroutine_writes(s->fn, s->co, i, &state) || state < STATE_SUSPENDED)
			continue;
		handover_path(s->fn, i, &path);
		for (size_t k = 0; k < path.n; k++)
			if (path.at[k] == to)
				return true;
		if (handover_test(s->fn, &path, s->caller.pending, s->caller.tag.width, &test) !=
			    REG_NONE &&
		    handover_side(s->fn, &path, true) == to)
			return true;
	}
	return false;
}

/*
 * Whether the comparison of @reg with a value of the tag at path->at[@k] is that of the
 * await. Pending polls that come there too say so by what they hold. Where only
 * completions come, the compiler could not see that a result is never Pending, or tells
 * all variants apart at once: then it must stand exactly where the await does, or lead
 * to where pending polls go on, for a payload might be compared with the same number in
 * the same line.
 */
static bool is_await(const struct search *s, const struct handover_path *path, size_t k,
		     unsigned reg, bool with_pending)
{
	size_t test = path->at[k], equal = handover_side(s->fn, path, true);
	enum caller_line line = caller_line(&s->caller, s->fn->code->at[test].addr);

	if (line == CALLER_ELSEWHERE || (line == CALLER_LINE && !with_pending))
		return false;
	if (s->completed[test])
		return line == CALLER_EXACTLY || (equal != CODE_NONE && pending_goes_to(s, equal));
	return handover_only(s->fn, &s->graph, test, reg, s->caller.pending, s->caller.tag.width,
			     s->completed);
}

static void note_test(struct search *s, const struct handover_path *path, unsigned reg)
{
	size_t ready = handover_side(s->fn, path, false);

	if (ready == CODE_NONE || s->n_tests == TESTS_MAX)
		return;
	s->tests[s->n_tests].ready = ready;
	s->tests[s->n_tests++].reg = reg;
}

/* The register that the fork at the end of the path compares with @raw, if that is the await's. */
static bool by_test_of(struct search *s, const struct handover_path *path, uint64_t raw,
		       struct coroutine_tag *out)
{
	bool pending = raw == s->caller.pending;
	size_t k;
	unsigned reg = handover_test(s->fn, path, raw, s->caller.tag.width, &k);

	if (reg == REG_NONE || !is_await(s, path, k, reg, pending) ||
	    !settle(s, path, k, reg, s->completed[path->at[k]], out))
		return false;
	if (pending)
		note_test(s, path, reg);
	return true;
}

static bool by_match_of(const struct search *s, const struct handover_path *path, uint64_t raw,
			struct coroutine_tag *out)
{
	size_t k;
	unsigned reg = handover_test(s->fn, path, raw, s->caller.tag.width, &k);

	return reg != REG_NONE && caller_matches(&s->caller, s->fn->code->at[path->at[k]].addr) &&
	       settle(s, path, k, reg, true, out);
}

/* By the comparison at the end of the path, with any value that the tag can have. */
static bool by_comparison(struct search *s, const struct handover_path *path,
			  struct coroutine_tag *out)
{
	Dwarf_Die type = s->caller.result;
	uint64_t raw[VARIANTS_MAX];
	size_t n = type_variants(&type, raw, VARIANTS_MAX);

	if (by_test_of(s, path, s->caller.pending, out))
		return true;
	for (size_t i = 0; i < n; i++)
		if (by_test_of(s, path, raw[i], out) || by_match_of(s, path, raw[i], out))
			return true;
	return false;
}

static bool by_join(const struct search *s, const struct handover_path *path,
		    struct coroutine_tag *out)
{
	_free_ uint8_t *kept = mem_array(s->fn->code->n, 1);

	for (size_t t = 0; t < s->n_tests; t++) {
		unsigned reg = s->tests[t].reg;
		size_t k = 0;

		handover_kept(s->fn, s->tests[t].ready, reg, kept);
		while (k < path->n && !kept[path->at[k]])
			k++;
		if (k < path->n &&
		    caller_line(&s->caller, s->fn->code->at[path->at[k]].addr) !=
			    CALLER_ELSEWHERE &&
		    handover_used(s->fn, path->at[k], reg))
			return settle(s, path, k, reg, false, out);
	}
	return false;
}

static bool agree(const struct search *s, const struct coroutine_tag *a,
		  const struct coroutine_tag *b)
{
	size_t last = a->insn > b->insn ? a->insn : b->insn;
	struct flow_value x, y;
	struct flow_state st;

	if (a->constant && b->constant)
		return a->raw == b->raw;
	if (!a->constant && !b->constant && a->reg == b->reg)
		return true;
	if (!flow_at(s->fn->flow, last, &st))
		return false;
	x = a->constant ? (struct flow_value){ FLOW_CONST, (int64_t)a->raw } : st.reg[a->reg];
	y = b->constant ? (struct flow_value){ FLOW_CONST, (int64_t)b->raw } : st.reg[b->reg];
	return x.kind != FLOW_TOP && flow_same(x, y);
}

/* False also when names disagree; then *@conflict is set. */
static bool by_name(const struct search *s, const struct handover_path *path,
		    struct coroutine_tag *out, bool *conflict)
{
	bool found = false;

	for (size_t k = 0; k < path->n; k++) {
		struct caller_place place =
			caller_names(&s->caller, s->fn->code->at[path->at[k]].addr);
		struct coroutine_tag tag = { .insn = path->at[0],
					     .constant = true,
					     .raw = place.constant };

		if (place.kind == CALLER_NOWHERE)
			continue;
		*conflict |= place.kind == CALLER_CONFLICT;
		if (place.kind == CALLER_REGISTER && !settle(s, path, k, place.reg, true, &tag))
			continue;
		*conflict |= found && !agree(s, out, &tag);
		*out = tag;
		found = true;
	}
	return found && !*conflict;
}

/* The slot into which instruction @i stores the tag. */
static const struct caller_slot *slot_stored(const struct search *s, size_t i)
{
	const struct insn *in = &s->fn->code->at[i];
	struct flow_value to;
	struct flow_state st;

	if ((in->op != OP_STORE && in->op != OP_STORE_CONST) || in->high ||
	    in->size != s->caller.tag.width || !flow_at(s->fn->flow, i, &st))
		return NULL;
	to = flow_address(&st, &in->mem);
	for (size_t k = 0; k < s->caller.slots.n; k++) {
		const struct caller_slot *slot = &s->caller.slots.at[k];
		size_t n = slot->reg == REG_NONE ? s->co->n_states : 1;

		for (size_t a = 0; a < n; a++) {
			struct flow_value at =
				slot->reg == REG_NONE ? s->co->states[a] : st.reg[slot->reg];

			at.off = (int64_t)((uint64_t)at.off + (uint64_t)slot->off);
			if (flow_is_pointer(at) && flow_same(at, to))
				return slot;
		}
	}
	return NULL;
}

static bool by_store(const struct search *s, const struct handover_path *path,
		     struct coroutine_tag *out, bool *conflict)
{
	bool found = false;

	for (size_t k = 0; k < path->n; k++) {
		const struct insn *in = &s->fn->code->at[path->at[k]];
		const struct caller_slot *slot = slot_stored(s, path->at[k]);
		struct coroutine_tag tag = { .insn = path->at[0],
					     .constant = true,
					     .raw = (uint64_t)in->imm };

		if (!slot || caller_line(&s->caller, in->addr) == CALLER_ELSEWHERE)
			continue;
		if (in->op == OP_STORE ? !settle(s, path, k, in->src, true, &tag) :
					 !slot->untouched)
			continue;
		*conflict |= found && !agree(s, out, &tag);
		*out = tag;
		found = true;
	}
	return found && !*conflict;
}

/* --- the sites --------------------------------------------------------------------------- */

/* Whether a completion at @other would run into the one at @at as well. */
static bool runs_into(const struct search *s, size_t other, size_t at)
{
	_free_ uint8_t *barrier = mem_array(s->fn->code->n, 1);
	_free_ uint8_t *reached = mem_array(s->fn->code->n, 1);

	for (size_t i = 0; i < s->co->drafts.n; i++)
		if (s->co->drafts.at[i].kind == ABI_SITE_START)
			barrier[s->co->drafts.at[i].insn] = 1;
	flow_reach(s->fn->flow, other, barrier, reached);
	return reached[at];
}

/* Moves the completion to @to, where the future must be at hand; false leaves it. */
static bool move_completion(const struct search *s, struct draft *draft, size_t to)
{
	struct abi_recipe key;
	bool located = draft->insn == to;

	if (located)
		return true;
	for (size_t i = 0; i < s->co->drafts.n; i++)
		if (s->co->drafts.at[i].kind == ABI_SITE_RETURN && &s->co->drafts.at[i] != draft &&
		    runs_into(s, s->co->drafts.at[i].insn, to))
			return false;
	for (size_t i = 0; i < s->co->n_states && !located; i++)
		located = function_locate(s->fn, to, s->co->states[i], &key);
	if (located) {
		draft->insn = to;
		draft->key = key;
	}
	return located;
}

/* All ways, which must not disagree. */
static bool find_tag(struct search *s, const struct draft *draft, bool again,
		     struct coroutine_tag *tag, bool *conflict)
{
	struct coroutine_tag other;
	struct handover_path path;
	bool found, more;

	handover_path(s->fn, draft->insn, &path);
	found = again ? by_join(s, &path, tag) : by_comparison(s, &path, tag);
	more = by_name(s, &path, &other, conflict);
	for (unsigned way = 0; way < 2; way++) {
		if (more) {
			*conflict |= found && !agree(s, tag, &other);
			if (!found)
				*tag = other;
			found = true;
		}
		more = by_store(s, &path, &other, conflict);
	}
	return found && !*conflict;
}

static bool has_tag(const struct coroutine *co, size_t insn)
{
	for (size_t i = 0; i < co->tags.n; i++)
		if (co->tags.at[i].insn == insn)
			return true;
	return false;
}

/* One look at the completions that have no tag yet: joins are known after the tests. */
static void look(struct search *s, bool again, bool *conflict)
{
	for (size_t i = 0; i < s->co->drafts.n; i++) {
		struct draft *draft = &s->co->drafts.at[i];
		struct coroutine_tag tag;
		bool here = false;

		if (draft->kind == ABI_SITE_RETURN && !has_tag(s->co, draft->insn) &&
		    find_tag(s, draft, again, &tag, &here) && move_completion(s, draft, tag.insn))
			*VEC_ADD(&s->co->tags) = tag;
		*conflict |= here;
	}
}

static const struct coroutine_tag *tag_at(const struct coroutine *co, size_t insn)
{
	for (size_t i = 0; i < co->tags.n; i++)
		if (co->tags.at[i].insn == insn)
			return &co->tags.at[i];
	return NULL;
}

/* Says that a result is unknown at @unknown of @n completions. */
static void say_unknown(struct coroutine *co, const struct profile_value *want, size_t unknown,
			size_t n, const char *why)
{
	_free_ char *where =
		unknown < n ? mem_printf(" at %zu of %zu completions", unknown, n) : mem_strdup("");
	_free_ char *what = result_called(want);
	_free_ char *all = mem_printf("%s is unknown%s: %s; ", what, where, why);

	if (unknown && (!co->trouble.len || !strstr(co->trouble.text, all)))
		strbuf_puts(&co->trouble, all);
}

static void say_unknown_labels(struct coroutine *co, const struct profile_func *pf, const char *why)
{
	size_t unknown = 0, n = 0;

	for (size_t i = 0; i < co->drafts.n; i++) {
		if (co->drafts.at[i].kind != ABI_SITE_RETURN)
			continue;
		n++;
		unknown += !has_tag(co, co->drafts.at[i].insn);
	}
	for (size_t v = 0; v < pf->n_values; v++)
		if (pf->values[v].kind == PROFILE_VALUE_RETURN && !pf->values[v].is_number)
			say_unknown(co, &pf->values[v], unknown, n, why);
}

/* Looks for the function's number @v at every completion. */
static void look_for_number(struct search *s, const struct profile_func *pf, unsigned v)
{
	const struct result_scene scene = { s->fn, s->co, &s->caller, &s->graph };
	size_t unknown = 0, n = 0;
	_strbuf_ struct strbuf said = {};

	for (size_t i = 0; i < s->co->drafts.n; i++) {
		size_t insn = s->co->drafts.at[i].insn;
		struct plan_value value = { .slot = v };
		_strbuf_ struct strbuf why = {};

		if (s->co->drafts.at[i].kind != ABI_SITE_RETURN)
			continue;
		n++;
		if (result_number(&scene, insn, tag_at(s->co, insn), &pf->values[v], &value,
				  &why)) {
			*VEC_ADD(&s->co->numbers) = (struct coroutine_number){ insn, value };
			continue;
		}
		if (!unknown++)
			strbuf_puts(&said, why.len ? why.text : "its type is not described");
		plan_value_clear(&value);
	}
	say_unknown(s->co, &pf->values[v], unknown, n, said.text);
}

void result_inlined_prepare(const struct function *fn, struct coroutine *co,
			    const struct debug_hit *hit, const struct profile_func *pf)
{
	struct search s = { .fn = fn, .co = co };
	_strbuf_ struct strbuf why = {};
	bool conflict = false, open = caller_open(hit, &s.caller, &why);

	co->inlined = true;
	if (open) {
		handover_graph(fn, &s.graph);
		mark_completed(&s);
		look(&s, false, &conflict);
		look(&s, true, &conflict);
		strbuf_puts(&why, conflict ? "the code and the debug information disagree on where "
					     "the caller finds it" :
					     "it was inlined, and nothing proves where the caller "
					     "finds it");
	}
	say_unknown_labels(co, pf, why.text);
	for (unsigned v = 0; v < pf->n_values; v++) {
		if (pf->values[v].kind != PROFILE_VALUE_RETURN || !pf->values[v].is_number)
			continue;
		if (open)
			look_for_number(&s, pf, v);
		else
			say_unknown(co, &pf->values[v], 1, 1, why.text);
	}
	handover_graph_free(&s.graph);
	caller_close(&s.caller);
	free(s.completed);
}

/* --- values -------------------------------------------------------------------------------- */

/* Whether the test looks at the tag of Poll<T> and nothing else. */
static bool looks_at_tag(const struct plan_test *test, const struct type_tag *tag)
{
	return !test->recipe.n_steps && test->recipe.tail >= 0 &&
	       (uint64_t)test->recipe.tail == tag->offset && test->recipe.width == tag->width;
}

/* Every test reads the register. */
static void in_register(struct plan_value *value, unsigned reg)
{
	for (size_t t = 0; t < value->n_tests; t++) {
		struct abi_recipe *r = &value->tests[t].recipe;

		r->tail = 0;
		r->in_register = 1;
		r->reg = (uint8_t)code_abi_reg(reg);
	}
}

/* The tag is known here: the tests become one that has one outcome. */
static void is_constant(struct plan_value *value, uint64_t raw, unsigned width)
{
	uint64_t mask = width >= 8 ? ~0ULL : (1ULL << (width * 8)) - 1;
	const struct plan_choice *found = &value->tests[0].otherwise;
	struct plan_value out = { .slot = value->slot, .n_tests = 1 };

	for (size_t t = 0; t < value->n_tests; t = found->next) {
		const struct plan_test *test = &value->tests[t];

		found = &test->otherwise;
		for (size_t c = 0; c < test->n_choices; c++)
			if (test->choices[c].raw == (raw & mask))
				found = &test->choices[c];
		if (found->label || !found->next)
			break;
	}
	out.tests[0].recipe =
		(struct abi_recipe){ .reg = ABI_REG_RSP, .in_register = 1, .width = 8 };
	out.tests[0].otherwise.label = found->label ? mem_strdup(found->label) : NULL;
	out.tests[0].otherwise.skip = found->skip;
	plan_value_clear(value);
	*value = out;
}

static bool one_value(const struct coroutine_tag *tag, Dwarf_Die *origin,
		      const struct profile_value *want, struct plan_value *value,
		      struct strbuf *why)
{
	struct type_place ready = {};
	struct type_tag poll;

	if (!result_type(origin, &ready.type) || !type_tag(&ready.type, &poll))
		return false;
	type_enter_ready(&ready);
	if (!type_tests(&ready, want, value, why))
		return false;
	for (size_t t = 0; t < value->n_tests; t++) {
		if (looks_at_tag(&value->tests[t], &poll))
			continue;
		strbuf_puts(why, "it was inlined, and only what tells a result from none is in a "
				 "known place");
		return false;
	}
	if (tag->constant)
		is_constant(value, tag->raw, poll.width);
	else
		in_register(value, tag->reg);
	return true;
}

/* Hands a site the numbers that were found there. */
static void add_numbers(struct coroutine *co, size_t insn, const struct profile_func *pf,
			struct plan_site *site)
{
	for (size_t i = 0; i < co->numbers.n; i++) {
		struct plan_value *value = &co->numbers.at[i].value;

		if (co->numbers.at[i].insn != insn || !value->n_tests)
			continue;
		value->text = plan_value_text(&pf->values[value->slot]);
		plan_add_value(site, value);
		*value = (struct plan_value){};
	}
}

void result_inlined_values(struct coroutine *co, size_t insn, Dwarf_Die *origin,
			   const struct profile_func *pf, struct plan_site *site)
{
	const struct coroutine_tag *tag = tag_at(co, insn);

	for (unsigned v = 0; tag && v < pf->n_values; v++) {
		struct plan_value value = { .slot = v };
		_strbuf_ struct strbuf why = {};

		if (pf->values[v].kind != PROFILE_VALUE_RETURN || pf->values[v].is_number)
			continue;
		if (!one_value(tag, origin, &pf->values[v], &value, &why)) {
			result_add_trouble(co, &pf->values[v],
					   why.len ? why.text : "its type is not described");
			plan_value_clear(&value);
			continue;
		}
		value.text = plan_value_text(&pf->values[v]);
		plan_add_value(site, &value);
	}
	add_numbers(co, insn, pf, site);
}
