/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The instructions of one function, decoded into the little that the resolver
 * asks about: what is moved where, what is compared, where control goes.
 */
#ifndef SYMBOL_CODE_H
#define SYMBOL_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "symbol/image.h"

/* Registers by hardware number: rax rcx rdx rbx rsp rbp rsi rdi r8 … r15. */
enum code_reg {
	REG_RAX,
	REG_RCX,
	REG_RDX,
	REG_RBX,
	REG_RSP,
	REG_RBP,
	REG_RSI,
	REG_RDI,
	REG_R8,
	REG_R9,
	REG_R10,
	REG_R11,
	REG_R12,
	REG_R13,
	REG_R14,
	REG_R15,
	CODE_REGS,
	REG_NONE = 0xff,
};

/* The enum abi_reg of a code_reg. */
unsigned code_abi_reg(unsigned reg);
/* The code_reg of a DWARF register number (System V ABI 1.0, figure 3.36), REG_NONE of others. */
unsigned code_dwarf_reg(unsigned number);

enum code_op {
	OP_OTHER,       /* anything else: `writes` says which registers it changes */
	OP_MOVE,        /* dst = src (64 or 32 bits by `size`) */
	OP_CONST,       /* dst = imm */
	OP_LOAD,        /* dst = memory, `size` bytes, zero-extended */
	OP_LOAD_SX,     /* the same, sign-extended */
	OP_STORE,       /* memory = src */
	OP_STORE_CONST, /* memory = imm */
	OP_LEA,         /* dst = address of the memory operand, its low 32 bits by `size` */
	OP_ADD,         /* dst += src or imm (src REG_NONE); subtraction has -imm */
	OP_AND,         /* dst &= imm */
	OP_SUB_REG,     /* dst -= src */
	OP_SHIFT_LEFT,  /* dst <<= imm */
	OP_CMP,         /* flags of dst - (src or imm) */
	OP_CMP_MEM,     /* flags of memory - imm, `size` bytes */
	OP_TEST,        /* flags of dst & (src or imm) */
	OP_PUSH,
	OP_POP,
	OP_CALL,    /* target 0 when indirect */
	OP_JMP,     /* direct */
	OP_JMP_REG, /* through dst, or through memory (dst REG_NONE) */
	OP_JCC,     /* conditional, `cc` is the x86 condition code 0..15 */
	OP_RET,
	OP_TRAP, /* ud2, int3, hlt */
};

/* Of the condition codes: those that tell whether two things are equal. */
enum { CC_E = 4, CC_NE = 5 };

struct code_mem {
	uint8_t base, index, scale; /* REG_NONE when absent */
	int64_t disp;               /* absolute address when rip-relative (base REG_NONE) */
};

struct insn {
	uint64_t addr;
	uint64_t target; /* of a direct call or jump */
	int64_t imm;
	struct code_mem mem;
	uint8_t len, op, size, dst, src, cc;
	bool high;       /* an 8-bit operand is ah, bh, ch or dh */
	bool noreturn;   /* OP_CALL: control does not come back (set by symbol/noreturn) */
	bool writes_mem; /* OP_OTHER: changes the memory operand, `size` bytes */
	uint16_t writes; /* registers changed, bit per code_reg */
};

struct code {
	const struct image *image;
	uint64_t low, high;
	struct insn *at; /* ascending */
	size_t n;
};

#define CODE_NONE SIZE_MAX

/* Decodes [low, high). Bytes that are no instruction end the decoding of a
 * stretch and are skipped one by one (padding, data in text). */
int code_decode(const struct image *image, uint64_t low, uint64_t high, struct code **out,
		struct err *err);
void code_free(struct code *code);
void code_freep(struct code **code);

/* Index of the instruction that starts at @addr, or CODE_NONE. */
size_t code_find(const struct code *code, uint64_t addr);

/* Whether control never goes on to the next instruction. */
bool code_ends_block(const struct insn *in);

#endif
