// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/flow.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/tiny_function.h"

static struct flow_value reg_at(const struct tiny_function *t, size_t i, unsigned reg)
{
	struct flow_state st;

	assert_true(flow_at(t->fn->flow, i, &st));
	return st.reg[reg];
}

static void is(struct flow_value v, uint32_t kind, int64_t off)
{
	assert_int_equal(v.kind, kind);
	assert_true(v.off == off);
}

#define OPEN(bytes) tiny_function(bytes, sizeof(bytes) - 1, NULL, 0)

static void follows_pointers(void **state)
{
	/* 0 mov rbx, rdi  1 lea rcx, [rbx+16]  2 add rcx, 8  3 push rcx  4 sub rsp, 32
	 * 5 mov [rsp+8], rsi  6 mov rdx, [rsp+8]  7 mov rax, [rsp+32]  8 mov rdi, [rbx]  9 ret */
	struct tiny_function t = OPEN("\x48\x89\xfb\x48\x8d\x4b\x10\x48\x83\xc1\x08\x51\x48\x83\xec"
				      "\x20\x48\x89\x74\x24\x08\x48\x8b\x54\x24\x08\x48\x8b\x44\x24"
				      "\x20\x48\x8b\x3b\xc3");

	(void)state;
	is(reg_at(&t, 0, REG_RDI), FLOW_ARG, 0);
	is(reg_at(&t, 0, REG_R9), FLOW_ARG + 5, 0);
	is(reg_at(&t, 0, REG_RBX), FLOW_TOP, 0);
	is(reg_at(&t, 1, REG_RBX), FLOW_ARG, 0);
	is(reg_at(&t, 3, REG_RCX), FLOW_ARG, 24);
	is(reg_at(&t, 5, REG_RSP), FLOW_FRAME, -40);
	is(reg_at(&t, 7, REG_RDX), FLOW_ARG + 1, 0);
	is(reg_at(&t, 8, REG_RAX), FLOW_ARG, 24);
	is(reg_at(&t, 9, REG_RDI), FLOW_DEF + 8, 0);
	tiny_function_close(&t);
}

/* Parts of registers and stores over a part of a slot leave nothing known. */
static void forgets(void **state)
{
	/* 0 push rdi  1 mov edi, edi  2 mov byte [rsp+3], 0  3 mov rax, [rsp]  4 mov al, 7
	 * 5 mov ebx, 5  6 mov bh, 1  7 xor rbx, rax  8 ret */
	struct tiny_function t = OPEN("\x57\x89\xff\xc6\x44\x24\x03\x00\x48\x8b\x04\x24\xb0\x07\xbb"
				      "\x05\x00\x00\x00\xb7\x01\x48\x31\xc3\xc3");

	(void)state;
	is(reg_at(&t, 2, REG_RDI), FLOW_TOP, 0);
	is(reg_at(&t, 4, REG_RAX), FLOW_DEF + 3, 0); /* a new thing, not the argument */
	is(reg_at(&t, 5, REG_RAX), FLOW_BYTE, 7);
	is(reg_at(&t, 6, REG_RBX), FLOW_CONST, 5);
	assert_int_not_equal(reg_at(&t, 7, REG_RBX).kind, FLOW_CONST);
	tiny_function_close(&t);
}

static void calls_clobber(void **state)
{
	/* 0 mov rbx, rdi  1 call rax  2 mov rcx, rax  3 ret */
	struct tiny_function t = OPEN("\x48\x89\xfb\xff\xd0\x48\x89\xc1\xc3");

	(void)state;
	is(reg_at(&t, 2, REG_RBX), FLOW_ARG, 0);
	is(reg_at(&t, 2, REG_RDI), FLOW_TOP, 0);
	is(reg_at(&t, 3, REG_RCX), FLOW_DEF + 1, 0);
	tiny_function_close(&t);
}

/* Where two ways meet with different values there is a new one; loops end. */
static void joins(void **state)
{
	/* 0 test esi, esi  1 je 3  2 mov rdi, rdx  3 mov rbx, rdi  4 dec ecx  5 jne 0  6 ret */
	struct tiny_function t =
		OPEN("\x85\xf6\x74\x03\x48\x89\xd7\x48\x89\xfb\xff\xc9\x75\xf2\xc3");
	size_t next[4];

	(void)state;
	assert_true(reg_at(&t, 3, REG_RDI).kind >= FLOW_MERGE);
	assert_true(flow_same(reg_at(&t, 4, REG_RBX), reg_at(&t, 3, REG_RDI)));
	is(reg_at(&t, 3, REG_RDX), FLOW_ARG + 2, 0);
	is(reg_at(&t, 6, REG_RDX), FLOW_ARG + 2, 0);
	assert_int_equal(flow_next(t.fn->flow, 1, next, 4), 2);
	assert_int_equal(next[0] + next[1], 2 + 3);
	assert_int_equal(flow_next(t.fn->flow, 5, next, 4), 2);
	assert_int_equal(flow_next(t.fn->flow, 2, next, 4), 1);
	assert_int_equal(flow_next(t.fn->flow, 6, next, 4), 0);
	tiny_function_close(&t);
}

/* A frame that is made page by page in a loop, as compilers do above one page: slots in
 * it are known behind the loop. */
static void knows_large_frames(void **state)
{
	/* 0 mov r11, rsp  1 sub r11, 0x11000  2 sub rsp, 0x1000  3 mov qword [rsp], 0
	 * 4 cmp rsp, r11  5 jne 2  6 sub rsp, 0x9f8  7 mov [rsp], rsi  8 mov rax, [rsp]  9 ret */
	struct tiny_function t = OPEN("\x49\x89\xe3\x49\x81\xeb\x00\x10\x01\x00\x48\x81\xec"
				      "\x00\x10\x00\x00\x48\xc7\x04\x24\x00\x00\x00\x00\x4c"
				      "\x39\xdc\x75\xec\x48\x81\xec\xf8\x09\x00\x00\x48\x89"
				      "\x34\x24\x48\x8b\x04\x24\xc3");

	(void)state;
	assert_true(reg_at(&t, 2, REG_RSP).kind >= FLOW_MERGE);
	is(reg_at(&t, 6, REG_RSP), FLOW_FRAME, -0x11000);
	is(reg_at(&t, 7, REG_RSP), FLOW_FRAME, -0x119f8);
	is(reg_at(&t, 9, REG_RAX), FLOW_ARG + 1, 0);
	tiny_function_close(&t);
}

/* The same with the way out as the branch that is taken. */
static void knows_large_frames_either_way(void **state)
{
	/* 0 lea r11, [rsp-0x2000]  1 sub rsp, 0x1000  2 cmp rsp, r11  3 je 5  4 jmp 1  5 ret */
	struct tiny_function t = OPEN("\x4c\x8d\x9c\x24\x00\xe0\xff\xff\x48\x81\xec\x00\x10"
				      "\x00\x00\x4c\x39\xdc\x74\x02\xeb\xf2\xc3");

	(void)state;
	is(reg_at(&t, 5, REG_RSP), FLOW_FRAME, -0x2000);
	assert_true(reg_at(&t, 4, REG_RSP).kind >= FLOW_MERGE);
	tiny_function_close(&t);
}

/* lea rcx, [rip+table]; movsxd rax, [rcx+rax*4]; add rax, rcx; jmp rax; and its two cases */
static void follows_jump_tables(void **state)
{
	static const char code[] =
		"\x48\x8d\x0d\xf9\x0f\x00\x00\x48\x63\x04\x81\x48\x01\xc8\xff\xe0"
		"\x31\xc0\xc3\xb0\x01\xc3\x90";
	int32_t table[3] = { TINY_CODE + 16 - TINY_DATA, TINY_CODE + 19 - TINY_DATA,
			     TINY_CODE + 17 - TINY_DATA /* inside of an instruction */ };
	struct tiny_function t = tiny_function(code, sizeof(code) - 1, table, sizeof(table));
	_free_ uint8_t *barrier = mem_array(t.fn->code->n, 1),
		       *reached = mem_array(t.fn->code->n, 1);
	size_t next[8];

	(void)state;
	is(reg_at(&t, 2, REG_RAX), FLOW_TABLE, TINY_DATA);
	is(reg_at(&t, 3, REG_RAX), FLOW_TARGETS, TINY_DATA);
	assert_int_equal(flow_next(t.fn->flow, 3, next, 8), 2);
	assert_int_equal(next[0], 4);
	assert_int_equal(next[1], 6);
	flow_reach(t.fn->flow, 0, barrier, reached);
	assert_int_equal(reached[6], 1);
	assert_int_equal(reached[8], 0); /* the nop behind */
	barrier[3] = 1;
	flow_reach(t.fn->flow, 0, barrier, reached);
	assert_int_equal(reached[3], 1);
	assert_int_equal(reached[4], 0);
	tiny_function_close(&t);
}

static void knows_what_is_not_reached(void **state)
{
	struct tiny_function t = OPEN("\xeb\x01\x90\xc3"); /* jmp over a nop */
	struct flow_state st;

	(void)state;
	assert_false(flow_at(t.fn->flow, 1, &st));
	assert_true(flow_at(t.fn->flow, 2, &st));
	tiny_function_close(&t);
}

static void refuses_no_instructions(void **state)
{
	struct image image = { .path = (char *)"x" };
	struct code code = { .image = &image };
	struct unwind_function fn = {};
	struct flow *flow = NULL;
	struct err err = {};

	(void)state;
	assert_int_equal(flow_run(&code, &fn, &flow, &err), -EBADMSG);
	assert_null(flow);
}

/* Landing pads of tiny.elf are reached with the registers that callees save. */
static void unwinds(void **state)
{
	struct tiny t = tiny_open();
	struct function *fn = tiny_open_function(&t, "_RNCNvCsUDA5GgzdIC_4tiny12process_vote");

	(void)state;
	assert_true(fn->unwind.n_pads > 0);
	for (size_t p = 0; p < fn->unwind.n_pads; p++) {
		size_t at = code_find(fn->code, fn->unwind.pads[p].pad);
		struct flow_state st;

		assert_true(at != CODE_NONE);
		if (flow_at(fn->flow, at, &st))
			assert_int_not_equal(st.reg[REG_RDI].kind, FLOW_ARG);
	}
	function_free(fn);
	tiny_close(&t);
}

/* Bytes that nobody compiled: it ends, and asks for nothing that is not there. */
static void stands_any_bytes(void **state)
{
	static const uint8_t likely[] = { 0x48, 0x89, 0x8b, 0x8d, 0xc7, 0x83, 0xff, 0xeb, 0x74,
					  0x53, 0x5b, 0xe8, 0x64, 0x24, 0x8c, 0x8e, 0x0f, 0xb6 };
	uint64_t seed = 11;
	uint8_t code[96];

	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		struct tiny_function t;

		for (size_t i = 0; i < sizeof(code); i++)
			code[i] = tiny_random(&seed) % 2 ?
					  likely[tiny_random(&seed) % sizeof(likely)] :
					  (uint8_t)tiny_random(&seed);
		code[sizeof(code) - 1] = 0xc3;
		t = tiny_function(code, sizeof(code), code, sizeof(code));
		for (size_t i = 0; i < t.fn->code->n; i++) {
			struct flow_state st;
			size_t next[8], n = flow_next(t.fn->flow, i, next, 8);

			for (size_t k = 0; k < n; k++)
				assert_true(next[k] < t.fn->code->n);
			if (flow_at(t.fn->flow, i, &st))
				flow_address(&st, &t.fn->code->at[i].mem);
		}
		tiny_function_close(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(follows_pointers),
		cmocka_unit_test(forgets),
		cmocka_unit_test(calls_clobber),
		cmocka_unit_test(joins),
		cmocka_unit_test(knows_large_frames),
		cmocka_unit_test(knows_large_frames_either_way),
		cmocka_unit_test(follows_jump_tables),
		cmocka_unit_test(knows_what_is_not_reached),
		cmocka_unit_test(refuses_no_instructions),
		cmocka_unit_test(unwinds),
		cmocka_unit_test(stands_any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
