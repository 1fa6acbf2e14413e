// SPDX-License-Identifier: BSD-2-Clause
/*
 * The caller of an inlined async function goes on with the parts of its result wherever
 * the compiler put them. What says where: the debug information of something that is
 * that result and nothing else, at some instruction behind the completion, or a store
 * into memory that is only for values of its type. From there the part is followed back
 * to the completion: along moves to a register, or to the load from memory that nothing
 * has written in between. And it must have been the function itself that put it there.
 */
#include "symbol/result_number.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "symbol/type.h"

#define FORKS_MAX 3 /* tests of the tag that are passed: Pending, then the variant */
#define VARIANTS_MAX 64
#define ORIGIN_DEPTH_MAX 8

struct part {
	int64_t offset; /* in Poll<T> */
	unsigned width;
};

struct finding {
	struct abi_recipe recipe; /* at the completion */
	struct flow_value at;     /* of memory: its address */
	bool exact;               /* it is the result, whatever the function computed */
};

/* --- back to the completion ------------------------------------------------------------ */

static bool overlap(struct flow_value a, unsigned na, struct flow_value b, unsigned nb)
{
	return a.off < b.off + (int64_t)nb && b.off < a.off + (int64_t)na;
}

static bool is_frame(struct flow_value v)
{
	return v.kind == FLOW_FRAME || v.kind == FLOW_ALIGNED;
}

/* Whether instruction @i can change the @width bytes at @at. The frame is not written
 * through other pointers, see flow.h. */
static bool changes(const struct function *fn, size_t i, struct flow_value at, unsigned width)
{
	const struct insn *in = &fn->code->at[i];
	struct flow_value to;
	struct flow_state st;

	if (in->op == OP_CALL || in->op == OP_PUSH)
		return true;
	if (in->op != OP_STORE && in->op != OP_STORE_CONST && !in->writes_mem)
		return false;
	if (!flow_at(fn->flow, i, &st))
		return true;
	to = flow_address(&st, &in->mem);
	if (to.kind == at.kind)
		return overlap(to, in->size, at, width);
	return !flow_is_pointer(to) || is_frame(to) == is_frame(at);
}

/* The @width bytes at @at before path->at[@k] as they are at the completion. */
static bool trace_memory(const struct result_scene *s, const struct handover_path *path, size_t k,
			 struct flow_value at, unsigned width, struct finding *out)
{
	if (!flow_is_pointer(at))
		return false;
	for (size_t i = k; i--;)
		if (changes(s->fn, path->at[i], at, width))
			return false;
	if (!function_locate(s->fn, path->at[0], at, &out->recipe))
		return false;
	out->recipe.width = (uint8_t)width;
	out->at = at;
	return true;
}

/* The low @width bytes that @reg has before path->at[@k]. */
static bool trace_register(const struct result_scene *s, const struct handover_path *path, size_t k,
			   unsigned reg, unsigned width, struct finding *out)
{
	for (size_t i = k; i--;) {
		const struct insn *in = &s->fn->code->at[path->at[i]];
		struct flow_state st;

		if (!handover_writes(in, reg))
			continue;
		if (in->dst != reg || in->high || in->size < width)
			return false;
		if (in->op == OP_MOVE)
			reg = in->src;
		else if (in->op == OP_LOAD && flow_at(s->fn->flow, path->at[i], &st))
			return trace_memory(s, path, i, flow_address(&st, &in->mem), width, out);
		else
			return false;
	}
	out->recipe = (struct abi_recipe){ .reg = (uint8_t)code_abi_reg(reg),
					   .in_register = 1,
					   .width = (uint8_t)width };
	return true;
}

/* --- made by the function ----------------------------------------------------------------
 *
 * What speaks of the result may speak of what a method behind the await made of it, as
 * map() may, and the compiler may have moved that computation into the function. So what
 * the function computed counts only where it is the result for certain; else the number
 * must have come out of a call or from memory, and was not touched since.
 */

struct origin {
	const struct result_scene *scene;
	unsigned width;
	int64_t before; /* from where the result begins to the part */
	bool exact;
};

static bool is_inside(const struct origin *o, size_t i)
{
	return ranges_have(&o->scene->caller->ranges, o->scene->fn->code->at[i].addr);
}

static bool register_made_inside(const struct origin *o, size_t insn, unsigned reg, unsigned depth);

/* Whether instruction @i writes a whole value of the result's type, the part of which is at
 * @at: it is a call that was given that place for its result. */
static bool is_call_into(const struct origin *o, size_t i, struct flow_value at)
{
	struct flow_state st;

	at.off -= o->before;
	return o->scene->fn->code->at[i].op == OP_CALL && flow_at(o->scene->fn->flow, i, &st) &&
	       flow_same(st.reg[REG_RDI], at);
}

/* Whether the write at @i is one of the function: all of the part, by a store or a call. */
static bool is_own_write(const struct origin *o, size_t i, struct flow_value at, unsigned depth)
{
	const struct insn *in = &o->scene->fn->code->at[i];
	struct flow_state st;

	if (!is_inside(o, i))
		return false;
	if (in->op == OP_CALL)
		return true;
	if (in->op != OP_STORE || in->high || in->size < o->width ||
	    !flow_at(o->scene->fn->flow, i, &st) || !flow_same(flow_address(&st, &in->mem), at))
		return o->exact && in->op == OP_STORE_CONST;
	return o->exact || register_made_inside(o, i, in->src, depth + 1);
}

/* The last write on every way to @insn. */
static bool memory_made_inside(const struct origin *o, size_t insn, struct flow_value at,
			       unsigned depth)
{
	const struct function *fn = o->scene->fn;
	const struct handover_graph *graph = o->scene->graph;
	_free_ size_t *stack = mem_array(fn->code->n + 1, sizeof(*stack));
	_free_ uint8_t *seen = mem_array(fn->code->n, 1);
	size_t n = 0;

	stack[n++] = insn;
	while (n) {
		size_t to = stack[--n];

		if (to == 0)
			return false;
		for (size_t e = graph->first[to]; e < graph->first[to + 1]; e++) {
			size_t i = graph->from[e];
			bool call = fn->code->at[i].op == OP_CALL;

			if (seen[i])
				continue;
			seen[i] = 1;
			if (call ? !is_call_into(o, i, at) : !changes(fn, i, at, o->width))
				stack[n++] = i;
			else if (!is_own_write(o, i, at, depth))
				return false;
		}
	}
	return true;
}

/* Whether instruction @i put into @reg what the function made; a load of the caller's own
 * code, of what the function left in memory, counts too. */
static bool is_own_def(const struct origin *o, size_t i, unsigned reg, unsigned depth)
{
	const struct insn *in = &o->scene->fn->code->at[i];
	struct flow_state st;
	struct flow_value at;

	if (in->op == OP_LOAD && in->size >= o->width && !in->high) {
		if (is_inside(o, i))
			return true;
		if (!flow_at(o->scene->fn->flow, i, &st))
			return false;
		at = flow_address(&st, &in->mem);
		return flow_is_pointer(at) && memory_made_inside(o, i, at, depth);
	}
	if (!is_inside(o, i))
		return false;
	if (o->exact || (in->op == OP_CALL && (reg == REG_RAX || reg == REG_RDX)))
		return true;
	return in->op == OP_MOVE && in->size >= o->width && !in->high &&
	       register_made_inside(o, i, in->src, depth + 1);
}

/* All that @reg can hold at @insn. */
static bool register_made_inside(const struct origin *o, size_t insn, unsigned reg, unsigned depth)
{
	struct handover_defs defs;

	if (depth == ORIGIN_DEPTH_MAX)
		return false;
	handover_defs(o->scene->fn, o->scene->graph, insn, reg, NULL, &defs);
	for (size_t d = 0; d < defs.n; d++)
		if (!is_own_def(o, defs.at[d], reg, depth))
			return false;
	return defs.n && !defs.others;
}

static unsigned code_reg_of(const struct abi_recipe *r)
{
	unsigned reg = 0;

	while (code_abi_reg(reg) != r->reg)
		reg++;
	return reg;
}

static bool made_inside(const struct result_scene *s, size_t insn, const struct finding *found,
			int64_t before)
{
	const struct origin o = { s, found->recipe.width, before, found->exact };

	return found->recipe.in_register ?
		       register_made_inside(&o, insn, code_reg_of(&found->recipe), 0) :
		       memory_made_inside(&o, insn, found->at, 0);
}

/* --- the way on --------------------------------------------------------------------------- */

/* Whether @reg at path->at[@k] still is the tag. */
static bool is_tag(const struct result_scene *s, const struct handover_path *path, size_t k,
		   unsigned reg, const struct coroutine_tag *tag)
{
	struct finding found = {};

	return trace_register(s, path, k, reg, s->caller->tag.width, &found) &&
	       found.recipe.in_register && found.recipe.reg == code_abi_reg(tag->reg);
}

/* The last instruction but one, where that tests bits of a register. */
static const struct insn *bit_test(const struct result_scene *s, const struct handover_path *path)
{
	const struct insn *in = path->n < 2 ? NULL : &s->fn->code->at[path->at[path->n - 2]];

	return in && in->op == OP_TEST && in->src == REG_NONE && in->dst != REG_NONE && !in->high ?
		       in :
		       NULL;
}

/* Where the fork at the end goes that tests bits of a constant. */
static size_t known_side(const struct result_scene *s, const struct handover_path *path)
{
	const struct insn *in = bit_test(s, path);
	struct flow_state st;

	if (!in || !flow_at(s->fn->flow, path->at[path->n - 2], &st) ||
	    st.reg[in->dst].kind != FLOW_CONST)
		return CODE_NONE;
	return handover_side(s->fn, path, (st.reg[in->dst].off & in->imm) == 0);
}

/* Where a completion with the variant that is wanted goes from the fork at the end. */
static size_t wanted_side(const struct result_scene *s, const struct handover_path *path,
			  const struct coroutine_tag *tag, const uint64_t *wanted)
{
	const struct insn *bits = bit_test(s, path);
	Dwarf_Die type = s->caller->poll;
	uint64_t raw[VARIANTS_MAX + 1];
	size_t n = type_variants(&type, raw, VARIANTS_MAX), k;

	if (bits && wanted && is_tag(s, path, path->n - 2, bits->dst, tag))
		return handover_side(s->fn, path, (*wanted & (uint64_t)bits->imm) == 0);
	if (wanted)
		raw[n++] = *wanted;
	for (size_t i = 0; i < n; i++) {
		unsigned reg = handover_test(s->fn, path, raw[i], s->caller->tag.width, &k);

		if (reg != REG_NONE && is_tag(s, path, k, reg, tag))
			return handover_side(s->fn, path, wanted && raw[i] == *wanted);
	}
	return CODE_NONE;
}

/* The path from @insn on, past the tests of the tag: what is read counts only if the tag
 * at @insn says that it is the wanted variant. */
static void follow_path(const struct result_scene *s, size_t insn, const struct coroutine_tag *tag,
			const uint64_t *wanted, struct handover_path *path)
{
	handover_path(s->fn, insn, path);
	for (unsigned forks = 0; forks < FORKS_MAX; forks++) {
		size_t side = known_side(s, path);
		struct handover_path more;

		if (side == CODE_NONE && tag && !tag->constant)
			side = wanted_side(s, path, tag, wanted);
		if (side == CODE_NONE)
			return;
		handover_path(s->fn, side, &more);
		if (path->n + more.n > HANDOVER_PATH_MAX)
			more.n = HANDOVER_PATH_MAX - path->n;
		memcpy(path->at + path->n, more.at, more.n * sizeof(more.at[0]));
		path->n += more.n;
	}
}

/* --- one part ------------------------------------------------------------------------------- */

/* By the debug information at path->at[@k]. */
static bool by_name(const struct result_scene *s, const struct handover_path *path, size_t k,
		    const struct part *part, struct finding *out)
{
	struct caller_place place = caller_part(s->caller, s->fn->code->at[path->at[k]].addr,
						part->offset, part->width);
	struct flow_value at;
	struct flow_state st;

	out->exact = place.exact;
	if (place.kind == CALLER_REGISTER)
		return trace_register(s, path, k, place.reg, part->width, out);
	if (place.kind != CALLER_MEMORY || !flow_at(s->fn->flow, path->at[k], &st))
		return false;
	at = st.reg[place.reg];
	at.off += place.offset;
	return trace_memory(s, path, k, at, part->width, out);
}

/* By a store at path->at[@k] into memory that is only for values of the result's type. */
static bool by_store(const struct result_scene *s, const struct handover_path *path, size_t k,
		     const struct part *part, struct finding *out)
{
	const struct insn *in = &s->fn->code->at[path->at[k]];
	struct flow_state st;

	if (in->op != OP_STORE || in->high || in->size < part->width ||
	    caller_line(s->caller, in->addr) == CALLER_ELSEWHERE ||
	    !flow_at(s->fn->flow, path->at[k], &st))
		return false;
	for (size_t i = 0; i < s->caller->slots.n; i++) {
		const struct caller_slot *slot = &s->caller->slots.at[i];
		size_t n = slot->reg == REG_NONE ? s->co->n_states : 1;

		for (size_t a = 0; a < n; a++) {
			struct flow_value at =
				slot->reg == REG_NONE ? s->co->states[a] : st.reg[slot->reg];

			at.off += slot->off - (int64_t)s->caller->tag.offset + part->offset;
			if (flow_is_pointer(at) && flow_same(at, flow_address(&st, &in->mem)))
				return trace_register(s, path, k, in->src, part->width, out);
		}
	}
	return false;
}

static bool differ(const struct abi_recipe *a, const struct abi_recipe *b)
{
	return a->in_register == b->in_register && (a->reg != b->reg || a->tail != b->tail);
}

/* Where a part is at the completion, if all that speaks of it says the same. */
static bool find_part(const struct result_scene *s, const struct handover_path *path,
		      const struct part *part, struct abi_recipe *out)
{
	int64_t before = part->offset - caller_result_offset(s->caller);
	bool found = false;

	for (size_t k = 0; k < path->n; k++) {
		struct finding here = {};

		if ((!by_name(s, path, k, part, &here) && !by_store(s, path, k, part, &here)) ||
		    !made_inside(s, path->at[0], &here, before))
			continue;
		if (found && differ(out, &here.recipe))
			return false;
		if (!found || here.recipe.in_register)
			*out = here.recipe;
		found = true;
	}
	return found;
}

/* --- the whole ---------------------------------------------------------------------------------- */

static bool is_poll_tag(const struct result_scene *s, const struct abi_recipe *r)
{
	return !r->n_steps && r->tail >= 0 && (uint64_t)r->tail == s->caller->tag.offset &&
	       r->width == s->caller->tag.width;
}

/* The raw value of the tag for the variant of the first test, where it has one. */
static const uint64_t *wanted_of(const struct result_scene *s, const struct plan_value *value)
{
	const struct plan_test *test = &value->tests[0];

	if (value->n_tests < 2 || !is_poll_tag(s, &test->recipe) || test->n_choices != 1 ||
	    test->choices[0].skip)
		return NULL;
	return &test->choices[0].raw;
}

/* The test of a tag that is but one here reads any register and has one outcome. */
static void decide_now(struct plan_test *test, uint64_t raw)
{
	struct plan_choice out = test->otherwise;

	for (size_t c = 0; c < test->n_choices; c++)
		if (test->choices[c].raw == raw)
			out = test->choices[c];
	test->n_choices = 0;
	test->otherwise = out;
	test->recipe = (struct abi_recipe){ .reg = ABI_REG_RSP, .in_register = 1, .width = 8 };
}

/* Turns a test of the result's bytes into one of where they are. */
static bool place_test(const struct result_scene *s, const struct handover_path *path,
		       const struct coroutine_tag *tag, struct plan_test *test)
{
	struct abi_recipe *r = &test->recipe, base;
	struct part part = { r->n_steps ? r->add[0] : r->tail, r->n_steps ? 8 : r->width };
	uint64_t mask = r->width >= 8 ? ~0ULL : (1ULL << (r->width * 8)) - 1;

	if (is_poll_tag(s, r) && tag && tag->constant) {
		decide_now(test, tag->raw & mask);
		return true;
	}
	if (is_poll_tag(s, r) && tag) {
		base = (struct abi_recipe){ .reg = (uint8_t)code_abi_reg(tag->reg),
					    .in_register = 1,
					    .width = r->width };
	} else if (r->n_steps || !find_part(s, path, &part, &base)) {
		return false;
	}
	*r = base;
	return true;
}

/* A register that a fork on the way compares with the tag's values, if what speaks of the
 * result behind that fork says that this is the tag. */
static bool guess_tag(const struct result_scene *s, size_t insn, const uint64_t *wanted,
		      struct coroutine_tag *out)
{
	const struct part part = { (int64_t)s->caller->tag.offset, s->caller->tag.width };
	Dwarf_Die type = s->caller->poll;
	uint64_t raw[VARIANTS_MAX + 1];
	size_t n = type_variants(&type, raw, VARIANTS_MAX), k;
	struct handover_path path;
	struct abi_recipe named;

	if (wanted)
		raw[n++] = *wanted;
	handover_path(s->fn, insn, &path);
	for (size_t i = 0; i < n; i++) {
		unsigned reg = handover_test(s->fn, &path, raw[i], part.width, &k);
		struct finding found = {};

		if (reg == REG_NONE || !trace_register(s, &path, k, reg, part.width, &found) ||
		    !found.recipe.in_register)
			continue;
		*out = (struct coroutine_tag){ .insn = insn, .reg = code_reg_of(&found.recipe) };
		follow_path(s, insn, out, wanted, &path);
		return find_part(s, &path, &part, &named) && named.in_register &&
		       named.reg == found.recipe.reg;
	}
	return false;
}

bool result_number(const struct result_scene *s, size_t insn, const struct coroutine_tag *tag,
		   const struct profile_value *want, struct plan_value *value, struct strbuf *why)
{
	struct type_place ready = { .type = s->caller->poll };
	struct coroutine_tag guessed;
	struct handover_path path;
	const uint64_t *wanted;

	type_enter_ready(&ready);
	if (!type_tests(&ready, want, value, why))
		return false;
	wanted = wanted_of(s, value);
	if (!tag && guess_tag(s, insn, wanted, &guessed))
		tag = &guessed;
	follow_path(s, insn, tag, wanted, &path);
	for (size_t t = 0; t < value->n_tests; t++) {
		if (place_test(s, &path, tag, &value->tests[t]))
			continue;
		strbuf_puts(why, "it was inlined, and nothing proves where the caller finds it");
		return false;
	}
	return true;
}
