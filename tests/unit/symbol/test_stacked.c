// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/stacked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/tiny_function.h"

#define NOWHERE INT64_MIN

/* push rbp; push rbx; sub rsp,0x20 */
#define MADE "\x55\x53\x48\x83\xec\x20"
/* add rsp,0x20; pop rbx; pop rbp; ret */
#define LEFT "\x48\x83\xc4\x20\x5b\x5d\xc3"

/* How far from the stack pointer at the entry, or NOWHERE. */
static int64_t found(const void *code, size_t n, unsigned base, int64_t disp)
{
	struct tiny_function t = tiny_function(code, n, NULL, 0);
	int64_t at;

	if (!stacked_pointer(t.fn, base, disp, &at))
		at = NOWHERE;
	tiny_function_close(&t);
	return at;
}
#define FOUND(code, base, disp) found(code, sizeof(code) - 1, base, disp)

static void finds_what_is_loaded(void **state)
{
	/* mov rax,[rsp+0x40] */
	static const char code[] = MADE "\x48\x8b\x44\x24\x40" LEFT;
	/* the same behind other things */
	static const char later[] = MADE "\x31\xc0\x90\x48\x8b\x5c\x24\x48" LEFT;

	(void)state;
	assert_int_equal(FOUND(code, REG_RSP, 0x40), 0x40 - 0x30);
	assert_int_equal(FOUND(later, REG_RSP, 0x48), 0x48 - 0x30);
}

static void knows_a_frame_pointer(void **state)
{
	/* push rbp; mov rbp,rsp; mov rcx,[rbp+0x18]; pop rbp; ret */
	static const char code[] = "\x55\x48\x89\xe5\x48\x8b\x4d\x18\x5d\xc3";

	(void)state;
	assert_int_equal(FOUND(code, REG_RBP, 0x18), 0x10);
}

static void asks_the_code(void **state)
{
	static const char none[] = MADE "\x90" LEFT;
	/* mov eax,[rsp+0x40]: half of it is no pointer */
	static const char half[] = MADE "\x8b\x44\x24\x40" LEFT;
	/* lea rax,[rsp+0x40] */
	static const char own[] = MADE "\x48\x8d\x44\x24\x40" LEFT;
	static const char code[] = MADE "\x48\x8b\x44\x24\x40" LEFT;
	/* mov rax,[rsp+0x10]: of its own frame */
	static const char local[] = MADE "\x48\x8b\x44\x24\x10" LEFT;
	/* mov rax,[rsp+0x30]: the return address */
	static const char back[] = MADE "\x48\x8b\x44\x24\x30" LEFT;
	/* mov rax,[rsp+0x40], with one more word on the stack: what is at 0x38 */
	static const char deeper[] = MADE "\x31\xc0\x50\x48\x8b\x44\x24\x40\x58" LEFT;

	(void)state;
	assert_int_equal(FOUND(none, REG_RSP, 0x40), NOWHERE);
	assert_int_equal(FOUND(half, REG_RSP, 0x40), NOWHERE);
	assert_int_equal(FOUND(own, REG_RSP, 0x40), NOWHERE);
	assert_int_equal(FOUND(code, REG_RSP, 0x48), NOWHERE);
	assert_int_equal(FOUND(code, REG_RCX, 0x40), NOWHERE);
	assert_int_equal(FOUND(code, REG_NONE, 0x40), NOWHERE);
	assert_int_equal(FOUND(local, REG_RSP, 0x10), NOWHERE);
	assert_int_equal(FOUND(back, REG_RSP, 0x30), NOWHERE);
	assert_int_equal(FOUND(code, REG_RSP, INT64_MAX), NOWHERE);
	assert_int_equal(FOUND(deeper, REG_RSP, 0x38), 0x38 - 0x30);
	assert_int_equal(FOUND(deeper, REG_RSP, 0x40), NOWHERE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_is_loaded),
		cmocka_unit_test(knows_a_frame_pointer),
		cmocka_unit_test(asks_the_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
