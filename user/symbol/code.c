// SPDX-License-Identifier: BSD-2-Clause
/* Decodes a function with Zydis into struct insn. */
#include "symbol/code.h"

#include <Zydis/Zydis.h>
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "bpf/abi.h"

/* A poll function is tens of kilobytes; this only bounds damaged input. */
#define FUNCTION_MAX (8u << 20)

unsigned code_dwarf_reg(unsigned number)
{
	static const uint8_t map[] = { REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
				       REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
				       REG_R12, REG_R13, REG_R14, REG_R15 };

	return number < ARRAY_SIZE(map) ? map[number] : (unsigned)REG_NONE;
}

unsigned code_abi_reg(unsigned reg)
{
	static const uint8_t map[CODE_REGS] = {
		[REG_RAX] = ABI_REG_RAX, [REG_RCX] = ABI_REG_RCX, [REG_RDX] = ABI_REG_RDX,
		[REG_RBX] = ABI_REG_RBX, [REG_RSP] = ABI_REG_RSP, [REG_RBP] = ABI_REG_RBP,
		[REG_RSI] = ABI_REG_RSI, [REG_RDI] = ABI_REG_RDI, [REG_R8] = ABI_REG_R8,
		[REG_R9] = ABI_REG_R9,   [REG_R10] = ABI_REG_R10, [REG_R11] = ABI_REG_R11,
		[REG_R12] = ABI_REG_R12, [REG_R13] = ABI_REG_R13, [REG_R14] = ABI_REG_R14,
		[REG_R15] = ABI_REG_R15,
	};

	return reg < CODE_REGS ? map[reg] : (unsigned)ABI_REG_NONE;
}

static uint8_t reg_number(ZydisRegister reg)
{
	ZydisRegister wide;

	if (reg == ZYDIS_REGISTER_NONE)
		return REG_NONE;
	wide = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
	if (wide < ZYDIS_REGISTER_RAX || wide > ZYDIS_REGISTER_R15)
		return REG_NONE;
	return (uint8_t)(wide - ZYDIS_REGISTER_RAX);
}

static bool is_high_byte(ZydisRegister reg)
{
	return reg == ZYDIS_REGISTER_AH || reg == ZYDIS_REGISTER_BH || reg == ZYDIS_REGISTER_CH ||
	       reg == ZYDIS_REGISTER_DH;
}

static void take_memory(struct insn *in, const ZydisDecodedOperand *op, uint8_t len)
{
	in->mem.base = reg_number(op->mem.base);
	in->mem.index = reg_number(op->mem.index);
	in->mem.scale = op->mem.scale;
	in->mem.disp = op->mem.disp.has_displacement ? op->mem.disp.value : 0;
	if (op->mem.base == ZYDIS_REGISTER_RIP) {
		in->mem.base = REG_NONE;
		in->mem.disp += (int64_t)(in->addr + len);
	} else if (op->mem.segment == ZYDIS_REGISTER_FS || op->mem.segment == ZYDIS_REGISTER_GS) {
		in->mem.base = REG_NONE; /* thread-local: never an address we follow */
		in->mem.index = REG_RAX;
		in->mem.scale = 0;
	}
}

static void take_side_effects(struct insn *in, const ZydisDecodedInstruction *zi,
			      const ZydisDecodedOperand *ops)
{
	bool have_memory = false;

	for (unsigned i = 0; i < zi->operand_count; i++) {
		bool written = ops[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;

		if (ops[i].type == ZYDIS_OPERAND_TYPE_REGISTER && written) {
			uint8_t reg = reg_number(ops[i].reg.value);

			if (reg != REG_NONE)
				in->writes |= (uint16_t)(1u << reg);
		} else if (ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
			   ops[i].mem.type == ZYDIS_MEMOP_TYPE_AGEN) {
			take_memory(in, &ops[i], zi->length);
		} else if (ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY && !have_memory) {
			/* a call through memory also writes the stack, but that comes second */
			have_memory = true;
			take_memory(in, &ops[i], zi->length);
			in->size = (uint8_t)(ops[i].size > 1024 ? 128 : ops[i].size / 8);
			in->writes_mem |= written;
		}
	}
}

/* Sources and destinations of the two-operand forms that matter. */
static void take_operands(struct insn *in, const ZydisDecodedOperand *ops, bool two)
{
	const ZydisDecodedOperand *a = &ops[0], *b = &ops[1];

	if (a->type == ZYDIS_OPERAND_TYPE_REGISTER) {
		in->dst = reg_number(a->reg.value);
		in->size = (uint8_t)(a->size / 8);
		in->high = is_high_byte(a->reg.value);
	}
	if (!two)
		return;
	if (b->type == ZYDIS_OPERAND_TYPE_REGISTER) {
		in->src = reg_number(b->reg.value);
		in->high |= is_high_byte(b->reg.value);
	} else if (b->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
		in->imm = b->imm.is_signed ? b->imm.value.s : (int64_t)b->imm.value.u;
	}
}

static uint8_t move_op(const ZydisDecodedOperand *ops)
{
	if (ops[0].type == ZYDIS_OPERAND_TYPE_MEMORY) {
		if (ops[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
			return OP_STORE_CONST;
		return reg_number(ops[1].reg.value) == REG_NONE ? OP_OTHER : OP_STORE;
	}
	if (ops[1].type == ZYDIS_OPERAND_TYPE_MEMORY)
		return OP_LOAD;
	if (reg_number(ops[0].reg.value) == REG_NONE)
		return OP_OTHER; /* segment and control registers */
	if (ops[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
		return OP_CONST;
	return reg_number(ops[1].reg.value) == REG_NONE ? OP_OTHER : OP_MOVE;
}

static uint8_t branch_op(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *ops,
			 struct insn *in)
{
	bool direct = ops[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE;

	if (direct)
		in->target = in->addr + zi->length + (uint64_t)ops[0].imm.value.s;
	if (zi->meta.category == ZYDIS_CATEGORY_CALL)
		return OP_CALL;
	if (zi->meta.category == ZYDIS_CATEGORY_COND_BR) {
		in->cc = zi->opcode & 0xf;
		/* loop and jrcxz share the category but not the condition codes */
		return zi->opcode >= 0xe0 && zi->opcode <= 0xe3 ? OP_OTHER : OP_JCC;
	}
	return direct ? OP_JMP : OP_JMP_REG;
}

static uint8_t arithmetic_op(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *ops,
			     struct insn *in)
{
	bool reg = ops[0].type == ZYDIS_OPERAND_TYPE_REGISTER;
	bool mem1 = ops[1].type == ZYDIS_OPERAND_TYPE_MEMORY;

	switch (zi->mnemonic) {
	case ZYDIS_MNEMONIC_ADD:
		return reg && !mem1 ? OP_ADD : OP_OTHER;
	case ZYDIS_MNEMONIC_SUB:
		if (!reg || mem1)
			return OP_OTHER;
		in->imm = -in->imm;
		return in->src == REG_NONE ? OP_ADD : OP_SUB_REG;
	case ZYDIS_MNEMONIC_INC:
	case ZYDIS_MNEMONIC_DEC:
		in->imm = zi->mnemonic == ZYDIS_MNEMONIC_INC ? 1 : -1;
		in->src = REG_NONE;
		return reg ? OP_ADD : OP_OTHER;
	case ZYDIS_MNEMONIC_AND:
		return reg && in->src == REG_NONE && !mem1 ? OP_AND : OP_OTHER;
	case ZYDIS_MNEMONIC_SHL:
		return reg && in->src == REG_NONE ? OP_SHIFT_LEFT : OP_OTHER;
	case ZYDIS_MNEMONIC_XOR:
		if (!reg || in->src != in->dst || in->high)
			return OP_OTHER;
		in->imm = 0;
		return OP_CONST;
	case ZYDIS_MNEMONIC_CMP:
		if (ops[0].type == ZYDIS_OPERAND_TYPE_MEMORY)
			return in->src == REG_NONE ? OP_CMP_MEM : OP_OTHER;
		return mem1 ? OP_OTHER : OP_CMP;
	case ZYDIS_MNEMONIC_TEST:
		return reg && !mem1 ? OP_TEST : OP_OTHER;
	default:
		return OP_OTHER;
	}
}

static uint8_t classify(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *ops,
			struct insn *in)
{
	switch (zi->mnemonic) {
	case ZYDIS_MNEMONIC_MOV:
		return move_op(ops);
	case ZYDIS_MNEMONIC_MOVZX:
		if (ops[1].type == ZYDIS_OPERAND_TYPE_MEMORY) {
			in->size = (uint8_t)(ops[1].size / 8);
			return OP_LOAD;
		}
		in->size = (uint8_t)(ops[1].size / 8);
		return OP_MOVE;
	case ZYDIS_MNEMONIC_MOVSX:
	case ZYDIS_MNEMONIC_MOVSXD:
		if (ops[1].type != ZYDIS_OPERAND_TYPE_MEMORY)
			return OP_OTHER;
		in->size = (uint8_t)(ops[1].size / 8);
		return OP_LOAD_SX;
	case ZYDIS_MNEMONIC_LEA:
		return in->size >= 4 ? OP_LEA : OP_OTHER;
	case ZYDIS_MNEMONIC_PUSH:
		in->src = in->dst;
		return OP_PUSH;
	case ZYDIS_MNEMONIC_POP:
		return OP_POP;
	case ZYDIS_MNEMONIC_RET:
		return OP_RET;
	case ZYDIS_MNEMONIC_UD2:
	case ZYDIS_MNEMONIC_UD1:
	case ZYDIS_MNEMONIC_INT3:
	case ZYDIS_MNEMONIC_HLT:
		return OP_TRAP;
	default:
		if (zi->meta.category == ZYDIS_CATEGORY_CALL ||
		    zi->meta.category == ZYDIS_CATEGORY_COND_BR ||
		    zi->meta.category == ZYDIS_CATEGORY_UNCOND_BR)
			return branch_op(zi, ops, in);
		return arithmetic_op(zi, ops, in);
	}
}

static void translate(struct insn *in, uint64_t addr, const ZydisDecodedInstruction *zi,
		      const ZydisDecodedOperand *ops)
{
	*in = (struct insn){ .addr = addr,
			     .len = zi->length,
			     .dst = REG_NONE,
			     .src = REG_NONE,
			     .mem = { REG_NONE, REG_NONE, 0, 0 } };
	take_side_effects(in, zi, ops);
	if (zi->operand_count_visible)
		take_operands(in, ops, zi->operand_count_visible > 1);
	in->op = classify(zi, ops, in);
}

int code_decode(const struct image *image, uint64_t low, uint64_t high, struct code **out,
		struct err *err)
{
	_cleanup_(code_freep) struct code *code = mem_alloc(sizeof(*code));
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction zi;
	const uint8_t *bytes;
	ZydisDecoder decoder;
	size_t cap;

	if (high <= low || high - low > FUNCTION_MAX)
		return err_set(err, -EBADMSG, "%s: a function at 0x%llx has the size %lld",
			       image->path, (unsigned long long)low, (long long)(high - low));
	bytes = image_bytes(image, low, high - low);
	if (!bytes || !image_executable(image, low))
		return err_set(err, -EBADMSG, "%s: no code at 0x%llx..0x%llx", image->path,
			       (unsigned long long)low, (unsigned long long)high);
	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	cap = (high - low) / 4 + 16;
	code->image = image;
	code->low = low;
	code->high = high;
	code->at = mem_array(cap, sizeof(*code->at));
	for (uint64_t pos = 0; pos < high - low;) {
		if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, bytes + pos, high - low - pos, &zi,
						       ops))) {
			pos++;
			continue;
		}
		if (code->n == cap) {
			cap *= 2;
			code->at = mem_grow(code->at, cap, sizeof(*code->at));
		}
		translate(&code->at[code->n++], low + pos, &zi, ops);
		pos += zi.length;
	}
	*out = TAKE_PTR(code);
	return 0;
}

void code_free(struct code *code)
{
	if (!code)
		return;
	free(code->at);
	free(code);
}

void code_freep(struct code **code)
{
	code_free(*code);
}

size_t code_find(const struct code *code, uint64_t addr)
{
	size_t lo = 0, hi = code->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (code->at[mid].addr < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < code->n && code->at[lo].addr == addr ? lo : CODE_NONE;
}

bool code_ends_block(const struct insn *in)
{
	return in->noreturn || in->op == OP_JMP || in->op == OP_JMP_REG || in->op == OP_RET ||
	       in->op == OP_TRAP;
}
