// SPDX-License-Identifier: BSD-2-Clause
/* Finds the sites of an async function in the code of its poll function. */
#include "symbol/coroutine.h"

#include <stdlib.h>

#include "base/mem.h"
#include "symbol/chosen.h"

#define STATES_MAX 255

enum { STATE_UNRESUMED, STATE_RETURNED, STATE_PANICKED, STATE_SUSPENDED };

/* --- writes to the state ------------------------------------------------------- */

/* If the store at @in covers the state byte, the part of its constant that goes there. */
enum cover { COVER_NO, COVER_YES, COVER_PERHAPS };

static enum cover covers_one(struct flow_value addr, unsigned size, struct flow_value state,
			     unsigned *byte)
{
	*byte = 0;
	if (state.kind == FLOW_TOP || addr.kind == FLOW_TOP ||
	    (addr.kind != state.kind && (addr.kind >= FLOW_DEF || state.kind >= FLOW_DEF)))
		return size == 1 ? COVER_PERHAPS : COVER_NO;
	if (addr.kind != state.kind || state.off < addr.off ||
	    state.off >= addr.off + (int64_t)size)
		return COVER_NO;
	*byte = (unsigned)(state.off - addr.off);
	return COVER_YES;
}

/* The same for all that the state's address is known by. A pointer that is known to
 * lead elsewhere in the same thing is no perhaps. @which is what was covered. */
static enum cover covers(const struct coroutine *co, struct flow_value addr, unsigned size,
			 unsigned *byte, struct flow_value *which)
{
	enum cover all = size == 1 ? COVER_PERHAPS : COVER_NO;

	/* all are names of one byte: what is surely not at one of them is elsewhere */
	for (size_t i = 0; i < co->n_states; i++) {
		enum cover one = covers_one(addr, size, co->states[i], byte);

		*which = co->states[i];
		if (one == COVER_YES)
			return one;
		if (one == COVER_NO)
			all = one;
	}
	*byte = 0;
	return all;
}

bool coroutine_writes(const struct function *fn, const struct coroutine *co, size_t i,
		      unsigned *state)
{
	const struct insn *in = &fn->code->at[i];
	struct flow_value which;
	struct flow_state st;
	unsigned byte;

	if ((in->op != OP_STORE && in->op != OP_STORE_CONST) || !flow_at(fn->flow, i, &st) ||
	    covers(co, flow_address(&st, &in->mem), in->size, &byte, &which) != COVER_YES)
		return false;
	if (in->op == OP_STORE_CONST && byte < 8)
		*state = (unsigned)((uint64_t)in->imm >> (byte * 8)) & 0xff;
	return true;
}

/* --- start ------------------------------------------------------------------- */

/* Whether a register is left alone by the instructions of a trace before @until. */
static bool register_kept(const struct function *fn, const struct dispatch_trace *t, size_t until,
			  unsigned reg)
{
	for (size_t k = 0; k < t->n && t->at[k] != until; k++)
		if (fn->code->at[t->at[k]].writes & (1u << reg))
			return false;
	return true;
}

static void add_name(struct coroutine *co, struct flow_value name)
{
	for (size_t i = 0; i < co->n_states; i++)
		if (flow_same(co->states[i], name))
			return;
	if (co->n_states < COROUTINE_STATES_MAX && flow_is_pointer(name))
		co->states[co->n_states++] = name;
}

/*
 * The register through which a dispatch reads the state still leads to the future
 * behind the branch. Where several ways come together there, dataflow knows it by
 * another name: learn those names, so that writes behind them are recognised.
 */
static void learn_names(const struct function *fn, const struct dispatch *d, unsigned states,
			struct coroutine *co)
{
	const struct insn *load = &fn->code->at[d->load];
	struct dispatch_trace t;
	struct flow_state st;

	add_name(co, d->state);
	if (co->n_operands < COROUTINE_DISPATCHES_MAX)
		co->operands[co->n_operands++] = load->mem;
	if (load->mem.base == REG_NONE || load->mem.index != REG_NONE)
		return;
	for (unsigned s = STATE_UNRESUMED; s < states && s < STATES_MAX; s++) {
		dispatch_trace(fn, d->load, s, &t);
		for (size_t k = 0; k < t.n && register_kept(fn, &t, t.at[k], load->mem.base); k++)
			if (flow_at(fn->flow, t.at[k], &st))
				add_name(co, flow_address(&st, &load->mem));
	}
}

/* The key at a start: by dataflow, else by the dispatch's own operand. */
static bool start_key(const struct function *fn, const struct coroutine *co,
		      const struct dispatch *d, const struct dispatch_trace *t, size_t at,
		      struct abi_recipe *key)
{
	const struct insn *load = &fn->code->at[d->load];

	for (size_t i = 0; i < co->n_states; i++)
		if (function_locate(fn, at, co->states[i], key))
			return true;
	return load->mem.base != REG_NONE && register_kept(fn, t, at, load->mem.base) &&
	       function_operand(load, key);
}

/* What of the instance writes to the state byte: completions, and suspensions,
 * which a call that was not seen to start reaches first. */
static bool goes_on(const struct function *fn, const struct ranges *own, const struct coroutine *co,
		    size_t i)
{
	const struct insn *in = &fn->code->at[i];
	unsigned state = STATES_MAX;

	for (size_t d = 0; d < co->drafts.n; d++)
		if (co->drafts.at[d].kind == ABI_SITE_RETURN && co->drafts.at[d].insn == i)
			return true;
	if (!ranges_have(own, in->addr) || !coroutine_writes(fn, co, i, &state))
		return false;
	/* a future that is made, and one that unwinding ends, were not polled here */
	return state != STATE_UNRESUMED && state != STATE_PANICKED;
}

/* Whether a call can go on without passing a dispatch or @start. */
static bool bypassed(const struct function *fn, const struct ranges *own, const struct dispatch *d,
		     size_t n_dispatches, size_t start, const struct coroutine *co)
{
	_free_ uint8_t *barrier = mem_array(fn->code->n, 1);
	_free_ uint8_t *reached = mem_array(fn->code->n, 1);

	for (size_t i = 0; i < n_dispatches; i++)
		barrier[d[i].load] = 1;
	barrier[start] = 1;
	flow_reach(fn->flow, 0, barrier, reached);
	for (size_t i = 0; i < fn->code->n; i++)
		if (reached[i] && i != start && goes_on(fn, own, co, i))
			return true;
	return false;
}

/*
 * The start is the first instruction that only state 0 leads to. A caller that
 * has just made the future may jump past the dispatch into the middle of that
 * code (jump threading), so the start is moved on along the path until nothing
 * gets to a completion without it.
 */
static void find_start(const struct function *fn, const struct ranges *own,
		       const struct dispatch *all, size_t n, const struct dispatch *d,
		       unsigned states, struct coroutine *co)
{
	_free_ struct dispatch_trace *others = mem_array(STATES_MAX, sizeof(*others));
	struct dispatch_trace first;
	struct abi_recipe key;
	size_t n_others = 0, k;

	dispatch_trace(fn, d->load, STATE_UNRESUMED, &first);
	for (unsigned s = STATE_RETURNED; s < states && s < STATES_MAX; s++)
		dispatch_trace(fn, d->load, s, &others[n_others++]);
	for (k = dispatch_own(&first, 0, others, n_others); k != CODE_NONE;
	     k = dispatch_own(&first, k + 1, others, n_others)) {
		if (bypassed(fn, own, all, n, first.at[k], co))
			continue;
		if (!start_key(fn, co, d, &first, first.at[k], &key))
			continue;
		drafts_add(&co->drafts, ABI_SITE_START, first.at[k], key);
		co->n_start++;
		return;
	}
	strbuf_puts(&co->trouble,
		    "no instruction of the first poll is passed by every call with the "
		    "future at hand; ");
}

/* --- ends --------------------------------------------------------------------- */

static void add_end(struct coroutine *co, size_t i, unsigned state, const struct abi_recipe *key)
{
	enum abi_site_kind kind = state == STATE_RETURNED ? ABI_SITE_RETURN : ABI_SITE_PANIC;

	drafts_add(&co->drafts, kind, i, *key);
	if (kind == ABI_SITE_RETURN)
		co->n_return++;
	else
		co->n_panic++;
}

static void look_at_choice(const struct function *fn, struct coroutine *co, size_t choice,
			   size_t store, struct flow_value state_addr)
{
	const struct insn *in = &fn->code->at[choice];
	unsigned state = (unsigned)in->imm & 0xff;
	struct chosen_sites sites;

	if (state != STATE_RETURNED && state != STATE_PANICKED)
		return;
	switch (chosen_sites(fn, choice, store, state_addr, &sites)) {
	case CHOSEN_PROVEN:
		for (size_t i = 0; i < sites.n; i++)
			add_end(co, sites.at[i].insn, state, &sites.at[i].key);
		break;
	case CHOSEN_LOST:
		strbuf_printf(&co->trouble, "the state chosen at 0x%llx may not be stored; ",
			      (unsigned long long)in->addr);
		break;
	case CHOSEN_NO_KEY:
		strbuf_printf(&co->trouble, "no register leads to the future at 0x%llx; ",
			      (unsigned long long)in->addr);
	}
}

/* Several states share one store, `mov [state], al`: the choice of the value tells a completion. */
static void shared_store(const struct function *fn, struct coroutine *co, size_t store,
			 struct flow_value state_addr)
{
	struct chosen found = chosen_find(fn, store);

	for (size_t k = 0; k < found.n; k++)
		look_at_choice(fn, co, found.at[k], store, state_addr);
	if (found.other)
		strbuf_printf(&co->trouble, "the state stored at 0x%llx is computed; ",
			      (unsigned long long)fn->code->at[store].addr);
}

/* A write through the same register and offset by which a dispatch reads: the
 * compiler keeps the future's pointer there, also where dataflow lost it. */
static bool like_dispatch(const struct coroutine *co, const struct insn *in)
{
	for (size_t i = 0; i < co->n_operands; i++)
		if (in->mem.base != REG_NONE && in->mem.base == co->operands[i].base &&
		    in->mem.index == REG_NONE && in->mem.disp == co->operands[i].disp)
			return true;
	return false;
}

static void look_at_store(const struct function *fn, struct coroutine *co, size_t i)
{
	const struct insn *in = &fn->code->at[i];
	struct abi_recipe operand;
	struct flow_value addr, which, v;
	struct flow_state st;
	unsigned byte, state;
	enum cover cover;

	if (!flow_at(fn->flow, i, &st))
		return;
	addr = flow_address(&st, &in->mem);
	cover = covers(co, addr, in->size, &byte, &which);
	if (cover == COVER_NO || byte > 7)
		return;
	if (cover == COVER_PERHAPS && like_dispatch(co, in)) {
		cover = COVER_YES;
		which = addr;
		add_name(co, addr);
	}
	if (in->op == OP_STORE_CONST) {
		state = (unsigned)((uint64_t)in->imm >> (byte * 8)) & 0xff;
	} else {
		v = st.reg[in->src];
		if (v.kind != FLOW_CONST && v.kind != FLOW_BYTE) {
			if (cover == COVER_YES && in->size == 1 && !in->high)
				shared_store(fn, co, i, which);
			return;
		}
		if (v.kind == FLOW_BYTE && byte)
			return;
		state = (unsigned)((uint64_t)v.off >> (byte * 8)) & 0xff;
	}
	if (state != STATE_RETURNED && state != STATE_PANICKED)
		return;
	if (!function_operand(in, &operand))
		return;
	if (__builtin_add_overflow(operand.tail, (int32_t)byte, &operand.tail))
		return;
	add_end(co, i, state, &operand);
	co->drafts.at[co->drafts.n - 1].unsure = cover == COVER_PERHAPS;
}

static void find_ends(const struct function *fn, const struct ranges *own, struct coroutine *co)
{
	for (size_t i = 0; i < fn->code->n; i++) {
		const struct insn *in = &fn->code->at[i];

		if ((in->op == OP_STORE_CONST || in->op == OP_STORE) && in->size <= 8 &&
		    ranges_have(own, in->addr))
			look_at_store(fn, co, i);
	}
}

/* --- ends through pointers that could not be followed ------------------------------ */

/* Whether a call can get from its start to a return without a write to its state
 * that is known as one. Then an end may hide behind a pointer not followed. */
static bool end_may_hide(const struct function *fn, const struct coroutine *co)
{
	_free_ uint8_t *barrier = mem_array(fn->code->n, 1);
	_free_ uint8_t *reached = mem_array(fn->code->n, 1);
	unsigned ignored;

	for (size_t i = 0; i < fn->code->n; i++)
		barrier[i] = coroutine_writes(fn, co, i, &ignored);
	for (size_t d = 0; d < co->drafts.n; d++) {
		if (co->drafts.at[d].kind != ABI_SITE_START)
			continue;
		flow_reach(fn->flow, co->drafts.at[d].insn, barrier, reached);
		for (size_t i = 0; i < fn->code->n; i++)
			if (reached[i] && !barrier[i] && fn->code->at[i].op == OP_RET)
				return true;
	}
	return false;
}

static void drop_unsure(struct coroutine *co)
{
	size_t kept = 0;

	co->n_return = co->n_panic = 0;
	for (size_t i = 0; i < co->drafts.n; i++) {
		struct draft d = co->drafts.at[i];

		if (d.unsure && d.kind == ABI_SITE_RETURN)
			continue;
		co->n_return += d.kind == ABI_SITE_RETURN;
		co->n_panic += d.kind == ABI_SITE_PANIC;
		co->drafts.at[kept++] = d;
	}
	co->drafts.n = kept;
}

/* A store of 1 through a pointer that was not followed may be of anything, mostly of a
 * drop flag. Beside ends that are proven it costs no more than its trap: it finds no call.
 * Alone it proves nothing. */
static void judge_unsure(const struct function *fn, struct coroutine *co)
{
	unsigned sure = 0, unsure = 0;

	for (size_t i = 0; i < co->drafts.n; i++) {
		if (co->drafts.at[i].kind != ABI_SITE_RETURN)
			continue;
		sure += !co->drafts.at[i].unsure;
		unsure += co->drafts.at[i].unsure;
	}
	if (!unsure)
		return;
	if (!sure || (co->n_start && !end_may_hide(fn, co)))
		drop_unsure(co);
	else
		strbuf_printf(&co->trouble,
			      "of %u of the completions it is not proven that they are its own; ",
			      unsure);
}

/* --- the whole ------------------------------------------------------------------ */

bool coroutine_find(const struct function *fn, const struct ranges *own, unsigned states,
		    struct coroutine *co)
{
	struct dispatch d[COROUTINE_DISPATCHES_MAX];
	size_t n = dispatch_find_poll(fn, own, d, ARRAY_SIZE(d));

	*co = (struct coroutine){};
	if (!n) {
		strbuf_puts(&co->trouble, "no branch on the state of the future was recognised; ");
		return false;
	}
	co->state = d[0].state;
	for (size_t i = 0; i < n; i++)
		learn_names(fn, &d[i], states, co);
	co->sret = co->state.kind == FLOW_ARG + 1;
	co->entry_dispatch = co->state.kind == FLOW_ARG || co->sret;
	find_ends(fn, own, co);
	for (size_t i = 0; i < n; i++)
		find_start(fn, own, d, n, &d[i], states, co);
	judge_unsure(fn, co);
	if (!co->n_return)
		strbuf_puts(&co->trouble, "no write of the returned state was found; ");
	return co->n_start && co->n_return;
}

size_t coroutine_find_drop(const struct function *fn, const struct ranges *own, unsigned states,
			   int64_t offset, struct drafts *out)
{
	struct dispatch d[COROUTINE_DISPATCHES_MAX];
	size_t n = dispatch_find_drop(fn, own, states, d, ARRAY_SIZE(d)), found = 0;
	struct dispatch_trace quiet[3], trace;

	for (size_t i = 0; i < n; i++) {
		struct coroutine glue = {};

		if (offset != COROUTINE_ANYWHERE &&
		    !flow_same(d[i].state, (struct flow_value){ FLOW_ARG, offset }))
			continue;
		learn_names(fn, &d[i], states, &glue);
		for (unsigned s = 0; s < 3; s++)
			dispatch_trace(fn, d[i].load, s, &quiet[s]);
		for (unsigned s = STATE_SUSPENDED; s < states; s++) {
			struct abi_recipe key;
			size_t k;

			dispatch_trace(fn, d[i].load, s, &trace);
			k = dispatch_own(&trace, 0, quiet, 3);
			if (k == CODE_NONE ||
			    !start_key(fn, &glue, &d[i], &trace, trace.at[k], &key))
				continue;
			drafts_add(out, ABI_SITE_CANCEL, trace.at[k], key);
			found++;
		}
	}
	return found;
}

void coroutine_free(struct coroutine *co)
{
	free(co->drafts.at);
	free(co->tags.at);
	for (size_t i = 0; i < co->numbers.n; i++)
		plan_value_clear(&co->numbers.at[i].value);
	free(co->numbers.at);
	strbuf_free(&co->trouble);
	*co = (struct coroutine){};
}
