// SPDX-License-Identifier: BSD-2-Clause
/* Where it is certain that a state chosen in a register will be stored. */
#include "symbol/chosen.h"

#include <stdlib.h>

#include "base/mem.h"

static bool is_choice(const struct insn *in, unsigned reg)
{
	return in->op == OP_CONST && in->dst == reg && !in->high;
}

struct chosen chosen_find(const struct function *fn, size_t store)
{
	size_t n = fn->code->n, next[64], depth = 0;
	unsigned reg = fn->code->at[store].src;
	struct chosen out = {};
	_free_ size_t *stack = mem_array(n, sizeof(*stack));
	_free_ uint8_t *seen = mem_array(n, 1);

	/* predecessors are found by looking who leads here: functions are small enough */
	stack[depth++] = store;
	while (depth) {
		size_t to = stack[--depth];

		for (size_t i = 0; i < n; i++) {
			const struct insn *in = &fn->code->at[i];
			size_t m, k;

			if (seen[i] || (i + 1 != to && !code_ends_block(in) && in->op != OP_JCC))
				continue;
			m = flow_next(fn->flow, i, next, ARRAY_SIZE(next));
			for (k = 0; k < m && k < ARRAY_SIZE(next) && next[k] != to; k++)
				;
			if (k == m || k == ARRAY_SIZE(next))
				continue;
			seen[i] = 1;
			if (is_choice(in, reg) && out.n < ARRAY_SIZE(out.at))
				out.at[out.n++] = i;
			else if (in->writes & (1u << reg))
				out.other = true;
			else
				stack[depth++] = i;
		}
	}
	return out;
}

/* Whether the store follows @choice on every way on, with the registers in @kept untouched. */
static bool only_leads_to(const struct function *fn, size_t choice, size_t store, unsigned kept)
{
	size_t n = fn->code->n, next[1];
	_free_ uint8_t *barrier = mem_array(n, 1);
	_free_ uint8_t *reached = mem_array(n, 1);

	barrier[store] = 1;
	flow_reach(fn->flow, choice, barrier, reached);
	for (size_t i = 0; i < n; i++) {
		const struct insn *in = &fn->code->at[i];

		if (!reached[i] || i == store)
			continue;
		if (i != choice && (in->writes & kept))
			return false;
		if (in->op == OP_RET || !flow_next(fn->flow, i, next, ARRAY_SIZE(next)))
			return false;
	}
	return true;
}

/* The key at a choice: by dataflow, else through the store's own operand, whose
 * register must then be left alone on the way. */
static bool choice_key(const struct function *fn, size_t choice, size_t store,
		       struct flow_value state_addr, struct abi_recipe *key)
{
	const struct insn *in = &fn->code->at[store];

	if (function_locate(fn, choice, state_addr, key))
		return true;
	return in->mem.base != REG_NONE &&
	       only_leads_to(fn, choice, store, 1u << in->src | 1u << in->mem.base) &&
	       function_operand(in, key);
}

/* Where a call between a choice and the store can unwind, the choice may be lost: then what
 * tells are the first instructions behind it that only the store can follow. */
struct behind {
	const struct function *fn;
	size_t choice, store;
	unsigned kept;
	struct flow_value state_addr;
	uint8_t *elsewhere; /* what can be reached without the choice */
	struct chosen_sites *found;
	bool bad; /* the store can be reached past all of them, or they are too many */
};

static bool add_site(struct chosen_sites *sites, size_t insn, const struct abi_recipe *key)
{
	if (sites->n == ARRAY_SIZE(sites->at))
		return false;
	sites->at[sites->n].insn = insn;
	sites->at[sites->n++].key = *key;
	return true;
}

/* Whether it is one of them; then it is found. */
static bool is_behind(struct behind *b, size_t i)
{
	struct abi_recipe key;

	if (i == b->choice || b->elsewhere[i] || !only_leads_to(b->fn, i, b->store, b->kept) ||
	    !choice_key(b->fn, i, b->store, b->state_addr, &key))
		return false;
	b->bad |= !add_site(b->found, i, &key);
	return true;
}

static void look_behind(struct behind *b)
{
	size_t n = b->fn->code->n, next[64], depth = 0;
	_free_ size_t *stack = mem_array(n + 1, sizeof(*stack));
	_free_ uint8_t *seen = mem_array(n, 1);

	stack[depth++] = b->choice;
	while (depth) {
		size_t i = stack[--depth], m;

		/* another value: this way the choice is lost */
		if (i != b->choice && (b->fn->code->at[i].writes & b->kept))
			continue;
		b->bad |= i == b->store;
		if (is_behind(b, i))
			continue;
		m = flow_next(b->fn->flow, i, next, ARRAY_SIZE(next));
		for (size_t k = 0; k < m && k < ARRAY_SIZE(next); k++) {
			if (!seen[next[k]]) {
				seen[next[k]] = 1;
				stack[depth++] = next[k];
			}
		}
	}
}

/* Whether no way to the store passes two of them. */
static bool are_apart(const struct function *fn, size_t store, const struct chosen_sites *sites)
{
	_free_ uint8_t *barrier = mem_array(fn->code->n, 1);

	barrier[store] = 1;
	for (size_t i = 0; i < sites->n; i++) {
		_free_ uint8_t *reached = mem_array(fn->code->n, 1);

		flow_reach(fn->flow, sites->at[i].insn, barrier, reached);
		for (size_t k = 0; k < sites->n; k++)
			if (k != i && reached[sites->at[k].insn])
				return false;
	}
	return true;
}

static bool find_behind(const struct function *fn, size_t choice, size_t store,
			struct flow_value state_addr, struct chosen_sites *out)
{
	_free_ uint8_t *barrier = mem_array(fn->code->n, 1);
	_free_ uint8_t *elsewhere = mem_array(fn->code->n, 1);
	struct behind b = { fn,         choice,    store, 1u << fn->code->at[store].src,
			    state_addr, elsewhere, out,   false };

	barrier[choice] = 1;
	flow_reach(fn->flow, 0, barrier, elsewhere);
	look_behind(&b);
	return !b.bad && out->n && are_apart(fn, store, out);
}

enum chosen_result chosen_sites(const struct function *fn, size_t choice, size_t store,
				struct flow_value state_addr, struct chosen_sites *out)
{
	struct abi_recipe key;

	*out = (struct chosen_sites){};
	if (!only_leads_to(fn, choice, store, 1u << fn->code->at[store].src))
		return find_behind(fn, choice, store, state_addr, out) ? CHOSEN_PROVEN :
									 CHOSEN_LOST;
	if (!choice_key(fn, choice, store, state_addr, &key))
		return CHOSEN_NO_KEY;
	add_site(out, choice, &key);
	return CHOSEN_PROVEN;
}
