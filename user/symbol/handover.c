// SPDX-License-Identifier: BSD-2-Clause
/* Follows a register from a completion to the code around, and back. */
#include "symbol/handover.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define NEXT_MAX 1024 /* targets of one jump table */

static bool is_landing_pad(const struct function *fn, size_t i)
{
	for (size_t p = 0; p < fn->unwind.n_pads; p++)
		if (fn->unwind.pads[p].pad == fn->code->at[i].addr)
			return true;
	return false;
}

/* The one instruction that follows @i when nothing unwinds; CODE_NONE when there are none or several. */
static size_t only_next(const struct function *fn, size_t i)
{
	size_t next[8], m = flow_next(fn->flow, i, next, ARRAY_SIZE(next)), found = CODE_NONE;

	for (size_t k = 0; k < m; k++) {
		if (is_landing_pad(fn, next[k]))
			continue;
		if (found != CODE_NONE)
			return CODE_NONE;
		found = next[k];
	}
	return found;
}

void handover_path(const struct function *fn, size_t from, struct handover_path *out)
{
	out->n = 0;
	for (size_t i = from; i != CODE_NONE && out->n < HANDOVER_PATH_MAX; i = only_next(fn, i)) {
		for (size_t k = 0; k < out->n; k++)
			if (out->at[k] == i)
				return;
		out->at[out->n++] = i;
	}
}

/* --- who leads where ----------------------------------------------------------- */

/* Counts or, with @place, notes the edges of the instructions that control gets to. */
static void each_edge(const struct function *fn, const uint8_t *reached, size_t *count,
		      size_t *place)
{
	_free_ size_t *next = mem_array(NEXT_MAX, sizeof(*next));

	for (size_t i = 0; i < fn->code->n; i++) {
		size_t m = reached[i] ? flow_next(fn->flow, i, next, NEXT_MAX) : 0;

		for (size_t k = 0; k < m; k++) {
			if (place)
				place[count[next[k]]] = i;
			count[next[k]]++;
		}
	}
}

void handover_graph(const struct function *fn, struct handover_graph *out)
{
	size_t n = fn->code->n;
	_free_ uint8_t *barrier = mem_array(n, 1);
	_free_ uint8_t *reached = mem_array(n, 1);
	_free_ size_t *fill = mem_array(n + 1, sizeof(*fill));

	flow_reach(fn->flow, 0, barrier, reached);
	out->first = mem_array(n + 1, sizeof(*out->first));
	each_edge(fn, reached, fill, NULL);
	for (size_t i = 0; i < n; i++)
		out->first[i + 1] = out->first[i] + fill[i];
	out->from = mem_array(out->first[n] + 1, sizeof(*out->from));
	memcpy(fill, out->first, n * sizeof(*fill));
	each_edge(fn, reached, fill, out->from);
}

void handover_graph_free(struct handover_graph *graph)
{
	free(graph->first);
	free(graph->from);
	*graph = (struct handover_graph){};
}

/* --- what is in a register -------------------------------------------------------- */

bool handover_writes(const struct insn *in, unsigned reg)
{
	unsigned mask = in->op == OP_CALL ? (unsigned)FLOW_CALLER_SAVED | in->writes : in->writes;

	return mask & (1u << reg);
}

void handover_defs(const struct function *fn, const struct handover_graph *graph, size_t at,
		   unsigned reg, const uint8_t *stop, struct handover_defs *out)
{
	_free_ size_t *stack = mem_array(fn->code->n + 1, sizeof(*stack));
	_free_ uint8_t *seen = mem_array(fn->code->n, 1);
	size_t depth = 0;

	*out = (struct handover_defs){};
	stack[depth++] = at;
	while (depth) {
		size_t to = stack[--depth];

		out->others |= to == 0;
		for (size_t e = graph->first[to]; e < graph->first[to + 1]; e++) {
			size_t i = graph->from[e];

			if (seen[i] || (stop && stop[i]))
				continue;
			seen[i] = 1;
			if (!handover_writes(&fn->code->at[i], reg))
				stack[depth++] = i;
			else if (out->n < HANDOVER_DEFS_MAX)
				out->at[out->n++] = i;
			else
				out->others = true;
		}
	}
}

static uint64_t mask(unsigned width)
{
	return width >= 8 ? ~0ULL : (1ULL << (width * 8)) - 1;
}

bool handover_constant(const struct function *fn, size_t i, unsigned reg, unsigned width,
		       uint64_t *raw)
{
	const struct insn *in = &fn->code->at[i];
	struct flow_value v = { FLOW_TOP, 0 };
	struct flow_state st;

	if (in->dst != reg || in->high || (in->size < 4 && in->size < width) ||
	    !flow_at(fn->flow, i, &st))
		return false;
	if (in->op == OP_CONST)
		v = (struct flow_value){ FLOW_CONST, in->imm };
	else if (in->op == OP_MOVE)
		v = st.reg[in->src];
	else if (in->op == OP_LEA)
		v = flow_address(&st, &in->mem);
	else if (in->op == OP_ADD && in->src == REG_NONE && st.reg[reg].kind == FLOW_CONST)
		v = (struct flow_value){ FLOW_CONST,
					 (int64_t)((uint64_t)st.reg[reg].off + (uint64_t)in->imm) };
	*raw = (uint64_t)v.off & mask(in->size) & mask(width);
	return v.kind == FLOW_CONST;
}

bool handover_only(const struct function *fn, const struct handover_graph *graph, size_t at,
		   unsigned reg, uint64_t raw, unsigned width, const uint8_t *stop)
{
	struct handover_defs defs;

	handover_defs(fn, graph, at, reg, stop, &defs);
	for (size_t d = 0; d < defs.n; d++) {
		uint64_t put;

		if (!handover_constant(fn, defs.at[d], reg, width, &put) ||
		    put != (raw & mask(width)))
			return false;
	}
	return defs.n && !defs.others;
}

/* --- the test ------------------------------------------------------------------------ */

static bool leaves_flags(const struct insn *in)
{
	switch (in->op) {
	case OP_CONST:
		return in->imm != 0; /* the shortest way to 0 is an xor, which sets them */
	case OP_MOVE:
	case OP_LOAD:
	case OP_LOAD_SX:
	case OP_STORE:
	case OP_STORE_CONST:
	case OP_LEA:
	case OP_JMP:
		return true;
	default:
		return false;
	}
}

static bool is_equality(const struct insn *in)
{
	return in->op == OP_JCC && (in->cc == CC_E || in->cc == CC_NE);
}

/* The register that @in compares with @raw. */
static unsigned compared(const struct insn *in, const struct flow_state *st, uint64_t raw,
			 unsigned width)
{
	uint64_t want = raw & mask(width) & mask(in->size);

	/* four bytes of eight: the compiler knows that the others are 0 */
	if (in->high || in->dst == REG_NONE || (in->size < width && in->size != 4) ||
	    (raw & mask(width)) != want)
		return REG_NONE;
	if (in->op == OP_TEST)
		return in->src == in->dst && !want ? in->dst : REG_NONE;
	if (in->op != OP_CMP)
		return REG_NONE;
	if (in->src == REG_NONE)
		return ((uint64_t)in->imm & mask(in->size)) == want ? in->dst : REG_NONE;
	if (st->reg[in->src].kind == FLOW_CONST &&
	    ((uint64_t)st->reg[in->src].off & mask(in->size)) == want)
		return in->dst;
	if (st->reg[in->dst].kind == FLOW_CONST &&
	    ((uint64_t)st->reg[in->dst].off & mask(in->size)) == want)
		return in->src;
	return REG_NONE;
}

unsigned handover_test(const struct function *fn, const struct handover_path *path, uint64_t raw,
		       unsigned width, size_t *k)
{
	struct flow_state st;
	size_t i = path->n;

	if (i < 2 || !is_equality(&fn->code->at[path->at[i - 1]]))
		return REG_NONE;
	for (i -= 2; i && leaves_flags(&fn->code->at[path->at[i]]); i--)
		;
	if (!flow_at(fn->flow, path->at[i], &st))
		return REG_NONE;
	*k = i;
	return compared(&fn->code->at[path->at[i]], &st, raw, width);
}

/* Where the jumps at @i end. */
static size_t past_jumps(const struct function *fn, size_t i)
{
	for (unsigned n = 0; n < 8 && i != CODE_NONE && fn->code->at[i].op == OP_JMP; n++)
		i = code_find(fn->code, fn->code->at[i].target);
	return i;
}

size_t handover_side(const struct function *fn, const struct handover_path *path, bool equal)
{
	size_t last = path->n ? path->at[path->n - 1] : 0;
	const struct insn *in = &fn->code->at[last];

	if (!path->n || !is_equality(in))
		return CODE_NONE;
	if ((in->cc == CC_E) == equal)
		return past_jumps(fn, code_find(fn->code, in->target));
	return last + 1 < fn->code->n ? past_jumps(fn, last + 1) : CODE_NONE;
}

/* --- along the path --------------------------------------------------------------------- */

bool handover_settled(const struct function *fn, const struct handover_path *path, size_t k,
		      unsigned width, unsigned *reg, size_t *first)
{
	*first = 0;
	for (size_t i = k; i--;) {
		const struct insn *in = &fn->code->at[path->at[i]];

		if (*first && in->op == OP_CALL)
			return false;
		if (*first || !handover_writes(in, *reg))
			continue;
		if (in->op == OP_MOVE && in->dst == *reg && in->size >= width && !in->high)
			*reg = in->src;
		else if (in->op == OP_CALL)
			return false;
		else
			*first = i + 1;
	}
	return true;
}

/* Whether @in certainly reads all of @reg. */
static bool reads(const struct insn *in, unsigned reg)
{
	switch (in->op) {
	case OP_STORE:
	case OP_MOVE:
		return in->src == reg && in->size == 8;
	case OP_CMP:
	case OP_TEST:
		return in->dst == reg || in->src == reg;
	default:
		return false;
	}
}

bool handover_used(const struct function *fn, size_t at, unsigned reg)
{
	struct handover_path path;

	handover_path(fn, at, &path);
	for (size_t i = 0; i < path.n; i++) {
		const struct insn *in = &fn->code->at[path.at[i]];

		if (reads(in, reg))
			return true;
		if (handover_writes(in, reg))
			return false;
	}
	return false;
}

void handover_kept(const struct function *fn, size_t from, unsigned reg, uint8_t *kept)
{
	_free_ uint8_t *barrier = mem_array(fn->code->n, 1);

	for (size_t i = 0; i < fn->code->n; i++)
		barrier[i] = handover_writes(&fn->code->at[i], reg);
	flow_reach(fn->flow, from, barrier, kept);
}
