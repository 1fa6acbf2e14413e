// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/code.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bpf/abi.h"
#include "symbol/tiny_elf.h"

/* One instruction at TINY_CODE, decoded. */
static struct insn decode(const char *bytes, size_t n)
{
	_close_ int fd = tiny_code(bytes, n, NULL, 0);
	_cleanup_(image_freep) struct image *im = NULL;
	_cleanup_(code_freep) struct code *code = NULL;
	struct insn in;

	assert_int_equal(image_open(fd, "x", &im, NULL), 0);
	assert_int_equal(code_decode(im, TINY_CODE, TINY_CODE + n, &code, NULL), 0);
	assert_int_equal(code->n, 1);
	in = code->at[0];
	assert_int_equal(in.addr, TINY_CODE);
	assert_int_equal(in.len, n);
	return in;
}

#define DECODE(bytes) decode(bytes, sizeof(bytes) - 1)

static void moves(void **state)
{
	struct insn in = DECODE("\x48\x89\xfb"); /* mov rbx, rdi */

	(void)state;
	assert_int_equal(in.op, OP_MOVE);
	assert_int_equal(in.dst, REG_RBX);
	assert_int_equal(in.src, REG_RDI);
	assert_int_equal(in.size, 8);
	assert_int_equal(in.writes, 1u << REG_RBX);
	in = DECODE("\x41\x89\xc7"); /* mov r15d, eax */
	assert_int_equal(in.op, OP_MOVE);
	assert_int_equal(in.size, 4);
	assert_int_equal(in.dst, REG_R15);
	in = DECODE("\x0f\xb6\xe8"); /* movzx ebp, al */
	assert_int_equal(in.op, OP_MOVE);
	assert_int_equal(in.size, 1);
	assert_false(in.high);
	in = DECODE("\x0f\xb6\xc4"); /* movzx eax, ah */
	assert_true(in.high);
	in = DECODE("\xb0\x03"); /* mov al, 3 */
	assert_int_equal(in.op, OP_CONST);
	assert_int_equal(in.imm, 3);
	assert_int_equal(in.size, 1);
	in = DECODE("\x31\xc0"); /* xor eax, eax */
	assert_int_equal(in.op, OP_CONST);
	assert_int_equal(in.imm, 0);
	in = DECODE("\x48\xb8\xff\xff\xff\xff\xff\xff\xff\xff"); /* movabs rax, -1 */
	assert_int_equal(in.op, OP_CONST);
	assert_true(in.imm == -1);
}

static void memory(void **state)
{
	struct insn in = DECODE("\x0f\xb6\x47\x18"); /* movzx eax, byte [rdi+24] */

	(void)state;
	assert_int_equal(in.op, OP_LOAD);
	assert_int_equal(in.size, 1);
	assert_int_equal(in.mem.base, REG_RDI);
	assert_int_equal(in.mem.index, REG_NONE);
	assert_int_equal(in.mem.disp, 24);
	in = DECODE("\xc6\x83\x10\x01\x00\x00\x02"); /* mov byte [rbx+272], 2 */
	assert_int_equal(in.op, OP_STORE_CONST);
	assert_int_equal(in.imm, 2);
	assert_int_equal(in.size, 1);
	assert_int_equal(in.mem.disp, 272);
	assert_true(in.writes_mem);
	in = DECODE("\x88\x43\xf8"); /* mov [rbx-8], al */
	assert_int_equal(in.op, OP_STORE);
	assert_int_equal(in.src, REG_RAX);
	assert_int_equal(in.mem.disp, -8);
	in = DECODE("\x48\x63\x04\x81"); /* movsxd rax, dword [rcx+rax*4] */
	assert_int_equal(in.op, OP_LOAD_SX);
	assert_int_equal(in.size, 4);
	assert_int_equal(in.mem.index, REG_RAX);
	assert_int_equal(in.mem.scale, 4);
	in = DECODE("\x48\x8d\x0d\x00\x01\x00\x00"); /* lea rcx, [rip+256] */
	assert_int_equal(in.op, OP_LEA);
	assert_int_equal(in.mem.base, REG_NONE);
	assert_int_equal(in.mem.disp, TINY_CODE + 7 + 256);
	in = DECODE("\x8d\x41\xfd"); /* lea eax, [rcx-3] */
	assert_int_equal(in.op, OP_LEA);
	assert_int_equal(in.size, 4);
	in = DECODE("\x80\x7f\x09\x03"); /* cmp byte [rdi+9], 3 */
	assert_int_equal(in.op, OP_CMP_MEM);
	assert_int_equal(in.imm, 3);
	assert_int_equal(in.size, 1);
}

/* Thread-local memory is no address that could be followed. */
static void thread_local_memory(void **state)
{
	struct insn in = DECODE("\x64\x48\x8b\x04\x25\x28\x00\x00\x00"); /* mov rax, fs:[40] */

	(void)state;
	assert_int_equal(in.op, OP_LOAD);
	assert_int_equal(in.mem.base, REG_NONE);
	assert_int_not_equal(in.mem.index, REG_NONE);
	assert_int_equal(in.mem.scale, 0);
}

static void arithmetic(void **state)
{
	struct insn in = DECODE("\x48\x83\xec\x08"); /* sub rsp, 8 */

	(void)state;
	assert_int_equal(in.op, OP_ADD);
	assert_int_equal(in.imm, -8);
	assert_int_equal(in.src, REG_NONE);
	in = DECODE("\x48\x01\xc8"); /* add rax, rcx */
	assert_int_equal(in.op, OP_ADD);
	assert_int_equal(in.src, REG_RCX);
	in = DECODE("\x48\x29\xc8"); /* sub rax, rcx */
	assert_int_equal(in.op, OP_SUB_REG);
	in = DECODE("\xff\xc9"); /* dec ecx */
	assert_int_equal(in.op, OP_ADD);
	assert_int_equal(in.imm, -1);
	in = DECODE("\x48\x83\xe4\xe0"); /* and rsp, -32 */
	assert_int_equal(in.op, OP_AND);
	assert_int_equal(in.imm, -32);
	in = DECODE("\xc1\xe0\x03"); /* shl eax, 3 */
	assert_int_equal(in.op, OP_SHIFT_LEFT);
	assert_int_equal(in.imm, 3);
	in = DECODE("\x83\xf8\x02"); /* cmp eax, 2 */
	assert_int_equal(in.op, OP_CMP);
	in = DECODE("\x85\xc9"); /* test ecx, ecx */
	assert_int_equal(in.op, OP_TEST);
	in = DECODE("\x48\x31\xc8"); /* xor rax, rcx */
	assert_int_equal(in.op, OP_OTHER);
	assert_int_equal(in.writes, 1u << REG_RAX);
	in = DECODE("\x48\xf7\xe1"); /* mul rcx */
	assert_int_equal(in.op, OP_OTHER);
	assert_int_equal(in.writes, 1u << REG_RAX | 1u << REG_RDX);
}

static void control(void **state)
{
	struct insn in = DECODE("\xe8\x00\x01\x00\x00"); /* call +256 */

	(void)state;
	assert_int_equal(in.op, OP_CALL);
	assert_int_equal(in.target, TINY_CODE + 5 + 256);
	assert_false(code_ends_block(&in));
	in = DECODE("\xff\x15\x10\x00\x00\x00"); /* call [rip+16] */
	assert_int_equal(in.op, OP_CALL);
	assert_int_equal(in.target, 0);
	assert_int_equal(in.mem.disp, TINY_CODE + 6 + 16);
	in = DECODE("\xff\xd0"); /* call rax */
	assert_int_equal(in.op, OP_CALL);
	assert_int_equal(in.target, 0);
	in = DECODE("\xeb\xfe"); /* jmp self */
	assert_int_equal(in.op, OP_JMP);
	assert_int_equal(in.target, TINY_CODE);
	assert_true(code_ends_block(&in));
	in = DECODE("\xff\xe0"); /* jmp rax */
	assert_int_equal(in.op, OP_JMP_REG);
	assert_int_equal(in.dst, REG_RAX);
	in = DECODE("\xff\x25\x00\x00\x00\x00"); /* jmp [rip] */
	assert_int_equal(in.op, OP_JMP_REG);
	assert_int_equal(in.dst, REG_NONE);
	in = DECODE("\x0f\x83\x04\x00\x00\x00"); /* jae +4 */
	assert_int_equal(in.op, OP_JCC);
	assert_int_equal(in.cc, 3);
	assert_false(code_ends_block(&in));
	in = DECODE("\xe3\x00"); /* jrcxz: no condition code */
	assert_int_equal(in.op, OP_OTHER);
	in = DECODE("\xc3");
	assert_int_equal(in.op, OP_RET);
	in = DECODE("\x0f\x0b"); /* ud2 */
	assert_int_equal(in.op, OP_TRAP);
	assert_true(code_ends_block(&in));
	in = DECODE("\x53"); /* push rbx */
	assert_int_equal(in.op, OP_PUSH);
	assert_int_equal(in.src, REG_RBX);
	in = DECODE("\x41\x5e"); /* pop r14 */
	assert_int_equal(in.op, OP_POP);
	assert_int_equal(in.dst, REG_R14);
}

/* Moves of segment, control and debug registers are none that we follow. */
static void other_registers(void **state)
{
	(void)state;
	assert_int_equal(DECODE("\x8c\xd8").op, OP_OTHER);      /* mov eax, ds */
	assert_int_equal(DECODE("\x8e\xd8").op, OP_OTHER);      /* mov ds, eax */
	assert_int_equal(DECODE("\x0f\x20\xc0").op, OP_OTHER);  /* mov rax, cr0 */
	assert_int_equal(DECODE("\x0f\x23\xc0").op, OP_OTHER);  /* mov dr0, rax */
	assert_int_equal(DECODE("\x0f\xa0").src, REG_NONE);     /* push fs */
	assert_int_equal(DECODE("\x66\x0f\x6e\xc0").writes, 0); /* movd xmm0, eax */
}

static void finds_instructions(void **state)
{
	static const char text[] = "\x53\x48\x89\xfb\x06\x90\xc3"; /* 06 is none */
	_close_ int fd = tiny_code(text, 7, NULL, 0);
	_cleanup_(image_freep) struct image *im = NULL;
	_cleanup_(code_freep) struct code *code = NULL;

	(void)state;
	assert_int_equal(image_open(fd, "x", &im, NULL), 0);
	assert_int_equal(code_decode(im, TINY_CODE, TINY_CODE + 7, &code, NULL), 0);
	assert_int_equal(code->n, 4);
	assert_int_equal(code_find(code, TINY_CODE), 0);
	assert_int_equal(code_find(code, TINY_CODE + 1), 1);
	assert_true(code_find(code, TINY_CODE + 2) == CODE_NONE);
	assert_true(code_find(code, TINY_CODE + 4) == CODE_NONE);
	assert_int_equal(code_find(code, TINY_CODE + 6), 3);
	assert_true(code_find(code, TINY_CODE + 7) == CODE_NONE);
	assert_true(code_find(code, 0) == CODE_NONE);
}

static void refuses_what_is_no_code(void **state)
{
	_close_ int fd = tiny_code("\xc3", 1, "\xc3", 1);
	_cleanup_(image_freep) struct image *im = NULL;
	struct code *code = NULL;
	struct err err = {};

	(void)state;
	assert_int_equal(image_open(fd, "x", &im, NULL), 0);
	assert_int_equal(code_decode(im, TINY_DATA, TINY_DATA + 1, &code, &err), -EBADMSG);
	assert_string_equal(err.text, "x: no code at 0x2000..0x2001");
	assert_int_equal(code_decode(im, TINY_CODE, TINY_CODE + 2, &code, &err), -EBADMSG);
	assert_int_equal(code_decode(im, TINY_CODE, TINY_CODE, &code, &err), -EBADMSG);
	assert_int_equal(code_decode(im, TINY_CODE, 0, &code, &err), -EBADMSG);
	assert_int_equal(code_decode(im, 0, UINT64_MAX, &code, &err), -EBADMSG);
	assert_null(code);
}

static void names_registers_as_the_kernel_does(void **state)
{
	(void)state;
	assert_int_equal(code_abi_reg(REG_RAX), ABI_REG_RAX);
	assert_int_equal(code_abi_reg(REG_RSP), ABI_REG_RSP);
	assert_int_equal(code_abi_reg(REG_R15), ABI_REG_R15);
	assert_int_equal(code_abi_reg(REG_NONE), ABI_REG_NONE);
	assert_int_equal(code_abi_reg(CODE_REGS), ABI_REG_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moves),
		cmocka_unit_test(memory),
		cmocka_unit_test(thread_local_memory),
		cmocka_unit_test(arithmetic),
		cmocka_unit_test(control),
		cmocka_unit_test(other_registers),
		cmocka_unit_test(finds_instructions),
		cmocka_unit_test(refuses_what_is_no_code),
		cmocka_unit_test(names_registers_as_the_kernel_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
