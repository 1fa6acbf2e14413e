// SPDX-License-Identifier: BSD-2-Clause
/* Finds dispatches by running them. */
#include "symbol/dispatch.h"

#include <string.h>

#include "base/mem.h"

/* A stack slot with a known value: builds without optimisation keep the state there. */
struct spill {
	uint8_t base, size;
	int64_t disp;
	uint64_t value;
};

#define SPILLS_MAX 8

/* What is known while running: registers, spills, the operands of the last compare. */
struct machine {
	const struct function *fn;
	const struct insn *state_load;
	unsigned state;
	bool known[CODE_REGS];
	uint64_t reg[CODE_REGS];
	bool flags;   /* left, right and size are known */
	bool logical; /* flags of a test, not of a compare */
	uint64_t left, right;
	unsigned size;
	struct spill spills[SPILLS_MAX];
	size_t n_spills;
};

static uint64_t low_bits(uint64_t v, unsigned size)
{
	return size >= 8 ? v : v & ((1ULL << (size * 8)) - 1);
}

static int64_t sign_extend(uint64_t v, unsigned size)
{
	unsigned shift = 64 - size * 8;

	return size >= 8 ? (int64_t)v : (int64_t)(v << shift) >> shift;
}

static void set_reg(struct machine *m, unsigned reg, uint64_t v, unsigned size)
{
	if (size < 4) { /* writes a part only */
		if (m->known[reg])
			m->reg[reg] = (m->reg[reg] & ~low_bits(~0ULL, size)) | low_bits(v, size);
		return;
	}
	m->known[reg] = true;
	m->reg[reg] = low_bits(v, size);
}

static bool mem_address(const struct machine *m, const struct code_mem *mem, uint64_t *out)
{
	uint64_t addr = (uint64_t)mem->disp;

	if (mem->base != REG_NONE) {
		if (!m->known[mem->base])
			return false;
		addr += m->reg[mem->base];
	}
	if (mem->index != REG_NONE) {
		if (!mem->scale || !m->known[mem->index])
			return false;
		addr += m->reg[mem->index] * mem->scale;
	}
	*out = addr;
	return true;
}

/* Constant data only: a jump table or a byte table. */
static bool load_constant(const struct machine *m, const struct insn *in, uint64_t *out)
{
	const uint8_t *p;
	uint64_t addr;

	if (in->size > 8 || !mem_address(m, &in->mem, &addr) ||
	    image_executable(m->fn->image, addr) ||
	    !(p = image_bytes(m->fn->image, addr, in->size)))
		return false;
	*out = 0;
	memcpy(out, p, in->size);
	return true;
}

static bool same_operand(const struct insn *a, const struct insn *b)
{
	return a->mem.base == b->mem.base && a->mem.index == b->mem.index &&
	       a->mem.disp == b->mem.disp && a->size == b->size;
}

static struct spill *find_spill(struct machine *m, const struct code_mem *mem)
{
	for (size_t i = 0; i < m->n_spills; i++)
		if (m->spills[i].base == mem->base && m->spills[i].disp == mem->disp)
			return &m->spills[i];
	return NULL;
}

/* Only registers of 32 or 64 bits stored to the stack are remembered; anything else forgets. */
static void run_store(struct machine *m, const struct insn *in)
{
	struct spill *spill = find_spill(m, &in->mem);

	if (in->mem.base != REG_RSP && in->mem.base != REG_RBP)
		return;
	if (spill)
		*spill = m->spills[--m->n_spills];
	if (in->op == OP_STORE && in->size >= 4 && m->known[in->src] && in->mem.index == REG_NONE &&
	    m->n_spills < SPILLS_MAX)
		m->spills[m->n_spills++] = (struct spill){ in->mem.base, in->size, in->mem.disp,
							   low_bits(m->reg[in->src], in->size) };
}

static bool load_spill(struct machine *m, const struct insn *in, uint64_t *out)
{
	const struct spill *spill = in->mem.index == REG_NONE ? find_spill(m, &in->mem) : NULL;

	if (!spill || in->size != spill->size)
		return false;
	*out = spill->value;
	return true;
}

static void run_load(struct machine *m, const struct insn *in)
{
	uint64_t v;
	bool known = true;

	if (in == m->state_load)
		v = m->state;
	else
		known = load_spill(m, in, &v) || load_constant(m, in, &v);
	if (known && in->op == OP_LOAD_SX)
		v = (uint64_t)sign_extend(v, in->size);
	if (in->dst == REG_NONE)
		return;
	if (!known) {
		m->known[in->dst] = false;
		return;
	}
	m->known[in->dst] = true;
	m->reg[in->dst] = v;
}

static void set_flags(struct machine *m, bool known, uint64_t a, uint64_t b, unsigned size,
		      bool logical)
{
	m->flags = known;
	m->left = low_bits(a, size);
	m->right = low_bits(b, size);
	m->size = size;
	m->logical = logical;
}

static void run_compare(struct machine *m, const struct insn *in)
{
	if (in->op == OP_CMP_MEM) {
		bool state = in == m->state_load || same_operand(in, m->state_load);

		set_flags(m, state, m->state, (uint64_t)in->imm, in->size, false);
		return;
	}
	if (in->dst == REG_NONE || !m->known[in->dst] || in->high ||
	    (in->src != REG_NONE && !m->known[in->src])) {
		m->flags = false;
		return;
	}
	set_flags(m, true, m->reg[in->dst],
		  in->src == REG_NONE ? (uint64_t)in->imm : m->reg[in->src], in->size,
		  in->op == OP_TEST);
}

static void run_arithmetic(struct machine *m, const struct insn *in)
{
	bool known = m->known[in->dst] && (in->src == REG_NONE || m->known[in->src]);
	uint64_t operand = in->src == REG_NONE ? (uint64_t)in->imm : m->reg[in->src];
	uint64_t before = m->reg[in->dst];

	if (in->op == OP_SUB_REG || (in->op == OP_ADD && in->imm < 0 && in->src == REG_NONE))
		set_flags(m, known, before, in->op == OP_SUB_REG ? operand : -operand, in->size,
			  false);
	else
		m->flags = false;
	if (!known) {
		m->known[in->dst] = false;
		return;
	}
	switch (in->op) {
	case OP_ADD:
		set_reg(m, in->dst, before + operand, in->size);
		break;
	case OP_SUB_REG:
		set_reg(m, in->dst, before - operand, in->size);
		break;
	case OP_AND:
		set_reg(m, in->dst, before & operand, in->size);
		break;
	default:
		set_reg(m, in->dst, before << (operand & 63), in->size);
	}
}

static void run_move(struct machine *m, const struct insn *in)
{
	uint64_t addr = 0;

	switch (in->op) {
	case OP_CONST:
		set_reg(m, in->dst, (uint64_t)in->imm, in->size);
		break;
	case OP_LEA:
		m->known[in->dst] = mem_address(m, &in->mem, &addr);
		m->reg[in->dst] = low_bits(addr, in->size);
		break;
	default: /* OP_MOVE; a narrow one zero-extends (movzx) or keeps the rest */
		m->known[in->dst] = m->known[in->src] && !in->high;
		m->reg[in->dst] = low_bits(m->reg[in->src], in->size);
	}
}

static bool condition(const struct machine *m, unsigned cc)
{
	uint64_t a = m->left, b = m->right, r = low_bits(m->logical ? a & b : a - b, m->size);
	int64_t sa = sign_extend(a, m->size), sb = sign_extend(b, m->size);
	bool result;

	switch (cc >> 1) {
	case 1: /* below */
		result = !m->logical && a < b;
		break;
	case 2: /* equal */
		result = r == 0;
		break;
	case 3: /* below or equal */
		result = r == 0 || (!m->logical && a < b);
		break;
	case 4: /* sign */
		result = sign_extend(r, m->size) < 0;
		break;
	case 6: /* less */
		result = m->logical ? sign_extend(r, m->size) < 0 : sa < sb;
		break;
	case 7: /* less or equal */
		result = r == 0 || (m->logical ? sign_extend(r, m->size) < 0 : sa < sb);
		break;
	default:
		return false;
	}
	return (cc & 1) ? !result : result;
}

static bool can_decide(unsigned cc)
{
	return (cc >> 1) != 0 && (cc >> 1) != 5; /* overflow and parity are not modelled */
}

/* One step; the index of the next instruction or CODE_NONE. */
static size_t step(struct machine *m, size_t i)
{
	const struct code *code = m->fn->code;
	const struct insn *in = &code->at[i];
	size_t next = i + 1 < code->n ? i + 1 : CODE_NONE;

	switch (in->op) {
	case OP_LOAD:
	case OP_LOAD_SX:
		run_load(m, in);
		return next;
	case OP_CMP:
	case OP_CMP_MEM:
	case OP_TEST:
		run_compare(m, in);
		return next;
	case OP_ADD:
	case OP_SUB_REG:
	case OP_AND:
	case OP_SHIFT_LEFT:
		run_arithmetic(m, in);
		return next;
	case OP_CONST:
	case OP_LEA:
	case OP_MOVE:
		run_move(m, in);
		return next;
	case OP_STORE:
	case OP_STORE_CONST:
		run_store(m, in);
		return next;
	case OP_JMP:
		return code_find(code, in->target);
	case OP_JMP_REG:
		return in->dst != REG_NONE && m->known[in->dst] ? code_find(code, m->reg[in->dst]) :
								  CODE_NONE;
	case OP_JCC:
		if (!m->flags || !can_decide(in->cc))
			return CODE_NONE;
		return condition(m, in->cc) ? code_find(code, in->target) : next;
	case OP_CALL:
	case OP_RET:
	case OP_TRAP:
		return CODE_NONE;
	default:
		for (unsigned r = 0; r < CODE_REGS; r++)
			if (in->writes & (1u << r))
				m->known[r] = false;
		if (in->op == OP_OTHER)
			m->flags = false;
		return next;
	}
}

void dispatch_trace(const struct function *fn, size_t load, unsigned value,
		    struct dispatch_trace *out)
{
	struct machine m = { .fn = fn, .state_load = &fn->code->at[load], .state = value };
	struct flow_state st;

	out->n = 0;
	/* the address of the jump table may have been computed before the load */
	if (flow_at(fn->flow, load, &st)) {
		for (unsigned r = 0; r < CODE_REGS; r++) {
			m.known[r] = st.reg[r].kind == FLOW_CONST;
			m.reg[r] = (uint64_t)st.reg[r].off;
		}
	}
	for (size_t i = load; i != CODE_NONE && out->n < DISPATCH_TRACE_MAX; i = step(&m, i))
		out->at[out->n++] = i;
}

static bool in_trace(const struct dispatch_trace *t, size_t i)
{
	for (size_t k = 0; k < t->n; k++)
		if (t->at[k] == i)
			return true;
	return false;
}

size_t dispatch_own(const struct dispatch_trace *trace, size_t from,
		    const struct dispatch_trace *others, size_t n)
{
	for (size_t k = from; k < trace->n; k++) {
		bool shared = false;

		for (size_t o = 0; o < n && !shared; o++)
			shared = in_trace(&others[o], trace->at[k]);
		if (!shared)
			return k;
	}
	return CODE_NONE;
}

/* core::panicking::panic_const::panic_const_async_fn_resumed{,_panic} */
static bool ends_in_resumed_panic(const struct function *fn, const struct dispatch_trace *t)
{
	const char *name = t->n ? function_callee(fn, t->at[t->n - 1]) : NULL;

	return name && strstr(name, "fn_resumed");
}

static bool reads_byte(const struct insn *in)
{
	return in->size == 1 && (in->op == OP_LOAD || in->op == OP_CMP_MEM);
}

static struct flow_value state_address(const struct function *fn, size_t i)
{
	struct flow_state st;

	if (!flow_at(fn->flow, i, &st))
		return (struct flow_value){ FLOW_TOP, 0 };
	return flow_address(&st, &fn->code->at[i].mem);
}

size_t dispatch_find_poll(const struct function *fn, const struct ranges *own, struct dispatch *out,
			  size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < fn->code->n && n < max; i++) {
		struct dispatch_trace done, panicked;

		if (!reads_byte(&fn->code->at[i]) || !ranges_have(own, fn->code->at[i].addr))
			continue;
		dispatch_trace(fn, i, 1, &done);
		if (!ends_in_resumed_panic(fn, &done))
			continue;
		dispatch_trace(fn, i, 2, &panicked);
		if (!ends_in_resumed_panic(fn, &panicked))
			continue;
		out[n++] = (struct dispatch){ i, state_address(fn, i) };
	}
	return n;
}

static bool same_trace(const struct dispatch_trace *a, const struct dispatch_trace *b)
{
	return a->n == b->n && memcmp(a->at, b->at, a->n * sizeof(a->at[0])) == 0;
}

size_t dispatch_find_drop(const struct function *fn, const struct ranges *own, unsigned states,
			  struct dispatch *out, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < fn->code->n && n < max; i++) {
		struct dispatch_trace done, panicked, suspended;
		bool differs = false;

		if (!reads_byte(&fn->code->at[i]) || !ranges_have(own, fn->code->at[i].addr))
			continue;
		dispatch_trace(fn, i, 1, &done);
		dispatch_trace(fn, i, 2, &panicked);
		if (!same_trace(&done, &panicked))
			continue;
		for (unsigned s = 3; s < states && !differs; s++) {
			dispatch_trace(fn, i, s, &suspended);
			differs = !same_trace(&suspended, &done);
		}
		if (differs)
			out[n++] = (struct dispatch){ i, state_address(fn, i) };
	}
	return n;
}
