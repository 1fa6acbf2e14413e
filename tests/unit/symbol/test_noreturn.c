// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/noreturn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/tiny_function.h"

static void knows_calls_that_do_not_come_back(void **state)
{
	struct tiny t = tiny_open();
	struct function *fn = tiny_open_function(&t, "_RNCNvCsUDA5GgzdIC_4tiny12process_vote");
	size_t back = 0, gone = 0;

	(void)state;
	noreturn_mark(t.image, fn->code);
	for (size_t i = 0; i < fn->code->n; i++) {
		const struct insn *in = &fn->code->at[i];
		const char *name = function_callee(fn, i);

		if (in->op != OP_CALL) {
			assert_false(in->noreturn);
			continue;
		}
		back += !in->noreturn;
		gone += in->noreturn;
		if (name && (strstr(name, "fn_resumed") || strcmp(name, "_Unwind_Resume") == 0))
			assert_true(in->noreturn);
	}
	assert_true(back >= 4); /* tiny_work and tiny_drop */
	assert_true(gone >= 4);
	function_free(fn);
	tiny_close(&t);
}

/* A function of @callee and a call of it in front. */
static bool returns(const char *callee, size_t n)
{
	uint8_t code[64] = { 0xe8, 0x0b, 0, 0, 0, 0xc3 }; /* call +11; ret */
	_cleanup_(image_freep) struct image *im = NULL;
	_cleanup_(code_freep) struct code *head = NULL;
	_close_ int fd = -1;

	memset(code + 6, 0xcc, sizeof(code) - 6);
	memcpy(code + 16, callee, n);
	fd = tiny_code(code, sizeof(code), NULL, 0);
	assert_int_equal(image_open(fd, "x", &im, NULL), 0);
	assert_int_equal(code_decode(im, TINY_CODE, TINY_CODE + 6, &head, NULL), 0);
	assert_int_equal(noreturn_target(im, head, 0), TINY_CODE + 16);
	noreturn_mark(im, head);
	return !head->at[0].noreturn;
}

static void looks_at_instructions(void **state)
{
	(void)state;
	assert_true(returns("\xc3", 1));
	assert_true(returns("\x90\x90\xc3", 3));
	assert_false(returns("\x0f\x0b", 2));         /* ud2 */
	assert_false(returns("\xeb\xfe", 2));         /* jmp itself */
	assert_true(returns("\xff\xe0", 2));          /* jmp rax: who knows */
	assert_true(returns("\xeb\xf3", 2));          /* jmp to the ret in front */
	assert_false(returns("\xeb\x1e\x0f\x0b", 4)); /* jmp to an int3 */
}

/* Functions that jump to each other in a circle, and addresses that are none. */
static void ends_in_circles(void **state)
{
	static const uint8_t code[] = { 0xe8, 0x0b, 0, 0, 0, 0xe8, 0,    0,    0,    0x70, 0xc3,
					0xcc, 0xcc, 0, 0, 0, 0xeb, 0x1e, 0xcc, 0xcc, 0xcc, 0xcc };
	uint8_t text[64];
	_cleanup_(image_freep) struct image *im = NULL;
	_cleanup_(code_freep) struct code *head = NULL;
	_close_ int fd = -1;

	(void)state;
	memset(text, 0xcc, sizeof(text));
	memcpy(text, code, sizeof(code));
	text[48] = 0xeb;
	text[49] = 0xde; /* back to 16 */
	fd = tiny_code(text, sizeof(text), NULL, 0);
	assert_int_equal(image_open(fd, "x", &im, NULL), 0);
	assert_int_equal(code_decode(im, TINY_CODE, TINY_CODE + 11, &head, NULL), 0);
	noreturn_mark(im, head);
	assert_false(head->at[1].noreturn); /* nothing known of what is outside */
}

static void calls_through_nothing_known(void **state)
{
	struct insn in = {
		.op = OP_CALL, .dst = REG_NONE, .src = REG_NONE, .mem = { REG_RAX, REG_NONE, 0, 8 }
	};
	struct code code = { .at = &in, .n = 1 };
	struct tiny t = tiny_open();

	(void)state;
	assert_int_equal(noreturn_target(t.image, &code, 0), 0);
	in.mem.base = REG_NONE;
	in.mem.disp = (int64_t)0x7fffffff0000;
	assert_int_equal(noreturn_target(t.image, &code, 0), 0);
	in.target = 0x1234;
	assert_int_equal(noreturn_target(t.image, &code, 0), 0x1234);
	tiny_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_calls_that_do_not_come_back),
		cmocka_unit_test(looks_at_instructions),
		cmocka_unit_test(ends_in_circles),
		cmocka_unit_test(calls_through_nothing_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
