// SPDX-License-Identifier: BSD-2-Clause
/* The fixpoint over basic blocks, and reachability on the graph that it finds. */
#include "symbol/flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define TABLE_ENTRIES_MAX 1024

struct table {
	uint64_t addr;
	size_t *targets; /* instruction indexes */
	size_t n;
};

struct block {
	size_t first, last; /* instructions, inclusive */
	size_t *next;       /* blocks */
	size_t n_next;
	bool queued;
};

struct flow {
	const struct code *code;
	const struct unwind_function *fn;
	struct table *tables;
	size_t n_tables;
	struct block *blocks;
	size_t n_blocks;
	struct flow_state *in; /* per block */
	size_t *block_of;      /* per instruction */
	size_t *queue;
	size_t n_queue;
};

static const struct flow_value top = { FLOW_TOP, 0 };

static struct flow_value value(uint32_t kind, int64_t off)
{
	return (struct flow_value){ kind, off };
}

/* Offsets wrap as addresses do. */
static int64_t add(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a + (uint64_t)b);
}

/* --- jump tables ------------------------------------------------------- */

/* Reads 32-bit table-relative entries while they lead to instructions of this
 * function. Tables of one function lie side by side: @end is where the next begins. */
static void read_table(struct flow *fl, uint64_t addr, uint64_t end)
{
	struct table t = { .addr = addr };

	if (image_executable(fl->code->image, addr))
		return;
	while (t.n < TABLE_ENTRIES_MAX && addr + t.n * 4 < end) {
		const uint8_t *p = image_bytes(fl->code->image, addr + t.n * 4, 4);
		int32_t rel;
		size_t target;

		if (!p)
			break;
		memcpy(&rel, p, 4);
		target = code_find(fl->code, addr + (uint64_t)(int64_t)rel);
		if (target == CODE_NONE)
			break;
		t.targets = mem_grow(t.targets, t.n + 1, sizeof(*t.targets));
		t.targets[t.n++] = target;
	}
	if (t.n < 2) {
		free(t.targets);
		return;
	}
	fl->tables = mem_grow(fl->tables, fl->n_tables + 1, sizeof(t));
	fl->tables[fl->n_tables++] = t;
}

static const struct table *table_at(const struct flow *fl, uint64_t addr)
{
	for (size_t i = 0; i < fl->n_tables; i++)
		if (fl->tables[i].addr == addr)
			return &fl->tables[i];
	return NULL;
}

static int address_order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void find_tables(struct flow *fl)
{
	_free_ uint64_t *starts = mem_array(fl->code->n + 1, sizeof(*starts));
	size_t n = 0;

	for (size_t i = 0; i < fl->code->n; i++) {
		const struct insn *in = &fl->code->at[i];

		if (in->op == OP_LEA && in->mem.base == REG_NONE && in->mem.index == REG_NONE)
			starts[n++] = (uint64_t)in->mem.disp;
	}
	qsort(starts, n, sizeof(*starts), address_order);
	starts[n] = UINT64_MAX;
	for (size_t i = 0; i < n; i++)
		if (starts[i] != starts[i + 1])
			read_table(fl, starts[i], starts[i + 1]);
}

/* --- blocks -------------------------------------------------------------- */

static void mark_leaders(const struct flow *fl, uint8_t *leader)
{
	const struct code *code = fl->code;
	size_t at;

	leader[0] = 1;
	for (size_t i = 0; i < code->n; i++) {
		const struct insn *in = &code->at[i];

		if ((in->op == OP_JMP || in->op == OP_JCC) &&
		    (at = code_find(code, in->target)) != CODE_NONE)
			leader[at] = 1;
		if ((code_ends_block(in) || in->op == OP_JCC) && i + 1 < code->n)
			leader[i + 1] = 1;
	}
	for (size_t i = 0; i < fl->n_tables; i++)
		for (size_t k = 0; k < fl->tables[i].n; k++)
			leader[fl->tables[i].targets[k]] = 1;
	for (size_t i = 0; i < fl->fn->n_pads; i++)
		if ((at = code_find(code, fl->fn->pads[i].pad)) != CODE_NONE)
			leader[at] = 1;
}

static void cut_blocks(struct flow *fl)
{
	const struct code *code = fl->code;
	_free_ uint8_t *leader = mem_array(code->n, 1);

	mark_leaders(fl, leader);
	for (size_t i = 0; i < code->n; i++)
		fl->n_blocks += leader[i];
	fl->blocks = mem_array(fl->n_blocks, sizeof(*fl->blocks));
	fl->block_of = mem_array(code->n, sizeof(*fl->block_of));
	fl->in = mem_array(fl->n_blocks, sizeof(*fl->in));
	fl->queue = mem_array(fl->n_blocks, sizeof(*fl->queue));
	for (size_t i = 0, b = 0; i < code->n; i++) {
		if (leader[i] && i)
			b++;
		if (leader[i])
			fl->blocks[b].first = i;
		fl->blocks[b].last = i;
		fl->block_of[i] = b;
	}
}

static void add_edge(struct block *b, size_t to)
{
	for (size_t i = 0; i < b->n_next; i++)
		if (b->next[i] == to)
			return;
	b->next = mem_grow(b->next, b->n_next + 1, sizeof(*b->next));
	b->next[b->n_next++] = to;
}

/* --- states ---------------------------------------------------------------- */

static bool overlaps(const struct flow_slot *s, struct flow_value place, unsigned size)
{
	return s->place.kind == place.kind && place.off < s->place.off + 8 &&
	       s->place.off < place.off + (int64_t)size;
}

static void kill_slots(struct flow_state *st, struct flow_value place, unsigned size)
{
	for (size_t i = 0; i < st->n_slots;) {
		if (overlaps(&st->slots[i], place, size))
			st->slots[i] = st->slots[--st->n_slots];
		else
			i++;
	}
}

static void store(struct flow_state *st, struct flow_value place, unsigned size,
		  struct flow_value v)
{
	if (place.kind != FLOW_FRAME && place.kind != FLOW_ALIGNED)
		return;
	kill_slots(st, place, size ? size : 8);
	if (size == 8 && v.kind != FLOW_TOP && st->n_slots < FLOW_SLOTS_MAX)
		st->slots[st->n_slots++] = (struct flow_slot){ place, v };
}

static struct flow_value load(const struct flow_state *st, struct flow_value place)
{
	for (size_t i = 0; i < st->n_slots; i++)
		if (flow_same(st->slots[i].place, place))
			return st->slots[i].value;
	return top;
}

/* Forgets what instruction @i produced before: it is about to produce it anew. */
static void forget_def(struct flow_state *st, uint32_t kind)
{
	for (size_t r = 0; r < CODE_REGS; r++)
		if (st->reg[r].kind == kind)
			st->reg[r] = top;
	for (size_t s = 0; s < st->n_slots;) {
		if (st->slots[s].value.kind == kind)
			st->slots[s] = st->slots[--st->n_slots];
		else
			s++;
	}
}

struct flow_value flow_address(const struct flow_state *st, const struct code_mem *mem)
{
	struct flow_value base = value(FLOW_CONST, 0);

	if (mem->index != REG_NONE)
		return top;
	if (mem->base != REG_NONE)
		base = st->reg[mem->base];
	if (base.kind == FLOW_CONST || flow_is_pointer(base))
		return value(base.kind, add(base.off, mem->disp));
	return top;
}

/* movsxd reg, [table + index * 4] */
static struct flow_value load_table_entry(const struct flow *fl, const struct flow_state *st,
					  const struct insn *in)
{
	struct flow_value base;

	if (in->op != OP_LOAD_SX || in->size != 4 || in->mem.index == REG_NONE ||
	    in->mem.scale != 4 || in->mem.base == REG_NONE)
		return top;
	base = st->reg[in->mem.base];
	if (base.kind != FLOW_CONST || !table_at(fl, (uint64_t)(base.off + in->mem.disp)))
		return top;
	return value(FLOW_TABLE, base.off + in->mem.disp);
}

static struct flow_value add_values(struct flow_value a, struct flow_value b)
{
	if (a.kind == FLOW_TABLE && b.kind == FLOW_CONST && a.off == b.off)
		return value(FLOW_TARGETS, a.off);
	if (b.kind == FLOW_TABLE && a.kind == FLOW_CONST && a.off == b.off)
		return value(FLOW_TARGETS, a.off);
	if (b.kind == FLOW_CONST && (a.kind == FLOW_CONST || flow_is_pointer(a)))
		return value(a.kind, add(a.off, b.off));
	if (a.kind == FLOW_CONST && flow_is_pointer(b))
		return value(b.kind, add(a.off, b.off));
	return top;
}

/* What a register-writing instruction produces; TOP when it is a new thing. */
static struct flow_value produced(const struct flow *fl, const struct flow_state *st,
				  const struct insn *in)
{
	struct flow_value v;

	switch (in->op) {
	case OP_CONST:
		if (in->size < 4)
			return in->size == 1 && !in->high ? value(FLOW_BYTE, in->imm & 0xff) : top;
		return value(FLOW_CONST, in->size == 4 ? (int64_t)(uint32_t)in->imm : in->imm);
	case OP_MOVE:
		v = st->reg[in->src];
		if (in->size == 8 || (in->size == 4 && v.kind == FLOW_CONST))
			return v;
		if (in->size == 1 && !in->high && (v.kind == FLOW_CONST || v.kind == FLOW_BYTE))
			return value(FLOW_BYTE, v.off & 0xff);
		return top;
	case OP_LEA:
		v = flow_address(st, &in->mem);
		if (in->size == 8)
			return v;
		return v.kind == FLOW_CONST ? value(FLOW_CONST, (int64_t)(uint32_t)v.off) : top;
	case OP_LOAD:
		return in->size == 8 ? load(st, flow_address(st, &in->mem)) : top;
	case OP_LOAD_SX:
		return load_table_entry(fl, st, in);
	case OP_ADD:
		if (in->size != 8)
			return top;
		return add_values(st->reg[in->dst], in->src == REG_NONE ?
							    value(FLOW_CONST, in->imm) :
							    st->reg[in->src]);
	default:
		return top;
	}
}

static void transfer_stack(struct flow_state *st, const struct insn *in)
{
	struct flow_value *sp = &st->reg[REG_RSP];

	if (in->op == OP_PUSH) {
		sp->off -= 8;
		store(st, *sp, 8, in->src == REG_NONE ? top : st->reg[in->src]);
		return;
	}
	if (in->dst != REG_NONE)
		st->reg[in->dst] = load(st, *sp);
	if (in->dst != REG_RSP)
		sp->off += 8;
}

static void clobber(struct flow_state *st, unsigned mask)
{
	for (unsigned r = 0; r < CODE_REGS; r++)
		if (mask & (1u << r))
			st->reg[r] = top;
}

static void transfer(const struct flow *fl, struct flow_state *st, size_t i)
{
	const struct insn *in = &fl->code->at[i];
	struct flow_value v;

	if (in->op == OP_PUSH || in->op == OP_POP) {
		transfer_stack(st, in);
		return;
	}
	if (in->op == OP_CALL) {
		forget_def(st, FLOW_DEF + (uint32_t)i);
		clobber(st, FLOW_CALLER_SAVED);
		st->reg[REG_RAX] = value(FLOW_DEF + (uint32_t)i, 0);
		return;
	}
	if (in->op == OP_STORE || in->op == OP_STORE_CONST || in->writes_mem) {
		v = in->op == OP_STORE && in->size == 8 ? st->reg[in->src] : top;
		store(st, flow_address(st, &in->mem), in->size, v);
	}
	if (in->op == OP_AND && in->dst == REG_RSP && in->imm < 0) {
		st->reg[REG_RSP] = value(FLOW_ALIGNED, 0);
		return;
	}
	if (!in->writes)
		return;
	v = produced(fl, st, in);
	if (v.kind == FLOW_TOP && in->dst != REG_NONE && in->dst != REG_RSP &&
	    (in->writes & (1u << in->dst)) && (in->op == OP_LOAD ? in->size == 8 : in->size >= 8)) {
		forget_def(st, FLOW_DEF + (uint32_t)i);
		v = value(FLOW_DEF + (uint32_t)i, 0);
	}
	clobber(st, in->writes);
	if (in->dst != REG_NONE && (in->writes & (1u << in->dst)))
		st->reg[in->dst] = v;
}

/* --- fixpoint ---------------------------------------------------------------- */

/* Where the sides of block @b differ in a register, it holds a value of its own from
 * there on. A value of an earlier pass through the block is not that of this one, but
 * for the register itself when it was left alone. */
static bool join(struct flow_state *into, const struct flow_state *from, size_t b)
{
	uint32_t merge = FLOW_MERGE + (uint32_t)b * CODE_REGS;
	bool changed = false;

	if (!into->seen) {
		*into = *from;
		into->seen = true;
		return true;
	}
	for (uint32_t r = 0; r < CODE_REGS; r++) {
		if (into->reg[r].kind == FLOW_TOP || into->reg[r].kind == merge + r ||
		    flow_same(into->reg[r], from->reg[r]))
			continue;
		into->reg[r] = value(merge + r, 0);
		changed = true;
	}
	for (size_t s = 0; s < into->n_slots;) {
		if (flow_same(load(from, into->slots[s].place), into->slots[s].value)) {
			s++;
			continue;
		}
		into->slots[s] = into->slots[--into->n_slots];
		changed = true;
	}
	return changed;
}

static void queue_state(struct flow *fl, size_t to, const struct flow_state *st)
{
	if (join(&fl->in[to], st, to) && !fl->blocks[to].queued) {
		fl->blocks[to].queued = true;
		fl->queue[fl->n_queue++] = to;
	}
}

static void flow_into(struct flow *fl, size_t from, size_t to, const struct flow_state *st)
{
	add_edge(&fl->blocks[from], to);
	queue_state(fl, to, st);
}

static const struct unwind_pad *pad_of(const struct flow *fl, uint64_t addr)
{
	size_t lo = 0, hi = fl->fn->n_pads;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (fl->fn->pads[mid].to <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < fl->fn->n_pads && addr >= fl->fn->pads[lo].from ? &fl->fn->pads[lo] : NULL;
}

/* A call that unwinds: the landing pad sees the callee-saved registers and the stack. */
static void unwind_into(struct flow *fl, size_t i, const struct flow_state *st)
{
	const struct unwind_pad *pad = pad_of(fl, fl->code->at[i].addr);
	struct flow_state landing;
	size_t at;

	if (!pad || (at = code_find(fl->code, pad->pad)) == CODE_NONE)
		return;
	landing = *st;
	clobber(&landing, FLOW_CALLER_SAVED);
	queue_state(fl, fl->block_of[at], &landing);
}

/*
 * A frame of more than a page is made in a loop that touches page after page, until the
 * stack pointer is what another register says. Where @b ends in that comparison it is
 * known again on the side of equality: *@equal is then what that side sees.
 */
static bool ends_stack_probe(const struct flow *fl, size_t b, const struct flow_state *st,
			     struct flow_state *equal)
{
	size_t last = fl->blocks[b].last;
	const struct insn *in = &fl->code->at[last], *cmp;

	if (in->op != OP_JCC || (in->cc != CC_E && in->cc != CC_NE) || last == fl->blocks[b].first)
		return false;
	cmp = &fl->code->at[last - 1];
	if (cmp->op != OP_CMP || cmp->size != 8 || cmp->dst != REG_RSP || cmp->src == REG_NONE ||
	    st->reg[cmp->src].kind != FLOW_FRAME)
		return false;
	*equal = *st;
	equal->reg[REG_RSP] = st->reg[cmp->src];
	return true;
}

static void leave_block(struct flow *fl, size_t b, const struct flow_state *st)
{
	size_t last = fl->blocks[b].last, at;
	const struct insn *in = &fl->code->at[last];
	struct flow_state equal;
	bool probe = ends_stack_probe(fl, b, st, &equal);
	const struct table *t;

	if ((in->op == OP_JMP || in->op == OP_JCC) &&
	    (at = code_find(fl->code, in->target)) != CODE_NONE)
		flow_into(fl, b, fl->block_of[at], probe && in->cc == CC_E ? &equal : st);
	if (in->op == OP_JMP_REG && in->dst != REG_NONE && st->reg[in->dst].kind == FLOW_TARGETS &&
	    (t = table_at(fl, (uint64_t)st->reg[in->dst].off)))
		for (size_t k = 0; k < t->n; k++)
			flow_into(fl, b, fl->block_of[t->targets[k]], st);
	if (!code_ends_block(in) && last + 1 < fl->code->n)
		flow_into(fl, b, fl->block_of[last + 1], probe && in->cc == CC_NE ? &equal : st);
}

static void run_block(struct flow *fl, size_t b)
{
	struct flow_state st = fl->in[b];

	for (size_t i = fl->blocks[b].first; i < fl->blocks[b].last; i++) {
		if (fl->code->at[i].op == OP_CALL)
			unwind_into(fl, i, &st);
		transfer(fl, &st, i);
	}
	if (fl->code->at[fl->blocks[b].last].op == OP_CALL)
		unwind_into(fl, fl->blocks[b].last, &st);
	if (!code_ends_block(&fl->code->at[fl->blocks[b].last]))
		transfer(fl, &st, fl->blocks[b].last);
	leave_block(fl, b, &st);
}

static void enter(struct flow *fl)
{
	static const uint8_t args[] = { REG_RDI, REG_RSI, REG_RDX, REG_RCX, REG_R8, REG_R9 };
	struct flow_state *st = &fl->in[0];

	st->seen = true;
	for (unsigned i = 0; i < ARRAY_SIZE(args); i++)
		st->reg[args[i]] = value(FLOW_ARG + i, 0);
	st->reg[REG_RSP] = value(FLOW_FRAME, 0);
	fl->queue[fl->n_queue++] = 0;
	fl->blocks[0].queued = true;
}

int flow_run(const struct code *code, const struct unwind_function *fn, struct flow **out,
	     struct err *err)
{
	struct flow *fl;

	if (!code->n)
		return err_set(err, -EBADMSG, "%s: no instruction at 0x%llx", code->image->path,
			       (unsigned long long)code->low);
	fl = mem_alloc(sizeof(*fl));
	fl->code = code;
	fl->fn = fn;
	find_tables(fl);
	cut_blocks(fl);
	enter(fl);
	while (fl->n_queue) {
		size_t b = fl->queue[--fl->n_queue];

		fl->blocks[b].queued = false;
		run_block(fl, b);
	}
	*out = fl;
	return 0;
}

void flow_free(struct flow *fl)
{
	if (!fl)
		return;
	for (size_t i = 0; i < fl->n_tables; i++)
		free(fl->tables[i].targets);
	for (size_t i = 0; i < fl->n_blocks; i++)
		free(fl->blocks[i].next);
	free(fl->tables);
	free(fl->blocks);
	free(fl->block_of);
	free(fl->in);
	free(fl->queue);
	free(fl);
}

void flow_freep(struct flow **flow)
{
	flow_free(*flow);
}

bool flow_at(const struct flow *fl, size_t i, struct flow_state *out)
{
	size_t b = fl->block_of[i];

	if (!fl->in[b].seen)
		return false;
	*out = fl->in[b];
	for (size_t k = fl->blocks[b].first; k < i; k++)
		transfer(fl, out, k);
	return true;
}

size_t flow_next(const struct flow *fl, size_t i, size_t *next, size_t max)
{
	const struct block *b = &fl->blocks[fl->block_of[i]];
	const struct unwind_pad *pad =
		fl->code->at[i].op == OP_CALL ? pad_of(fl, fl->code->at[i].addr) : NULL;
	size_t n = 0, at;

	if (pad && (at = code_find(fl->code, pad->pad)) != CODE_NONE && n < max)
		next[n++] = at;
	if (i < b->last && n < max)
		next[n++] = i + 1;
	for (size_t k = 0; i == b->last && k < b->n_next && n < max; k++)
		next[n++] = fl->blocks[b->next[k]].first;
	return n;
}

void flow_reach(const struct flow *fl, size_t from, const uint8_t *barrier, uint8_t *reached)
{
	_free_ size_t *stack = mem_array(fl->code->n, sizeof(*stack));
	size_t next[TABLE_ENTRIES_MAX], depth = 0;

	memset(reached, 0, fl->code->n);
	reached[from] = 1;
	stack[depth++] = from;
	while (depth) {
		size_t i = stack[--depth], n;

		if (barrier[i])
			continue;
		n = flow_next(fl, i, next, ARRAY_SIZE(next));
		for (size_t k = 0; k < n; k++) {
			if (reached[next[k]])
				continue;
			reached[next[k]] = 1;
			stack[depth++] = next[k];
		}
	}
}
