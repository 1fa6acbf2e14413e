// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/twin_alike.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/tiny_twin.h"

#include "symbol/unwind.h"

/* f and g are equal but for what they call; h is a copy of f. */
static void program(struct tiny_twin *t)
{
	static const uint32_t calls[] = { 3, 4, 3 };

	for (uint32_t k = 0; k < 3; k++) {
		twin_thing(t, true);
		twin_mov(t, 5);
		twin_call(t, calls[k]);
		twin_ret(t);
	}
	for (uint32_t k = 0; k < 2; k++) {
		twin_thing(t, true);
		twin_mov(t, 100 + k);
		twin_ret(t);
	}
}

static void finds_possibilities(void **state)
{
	struct tiny_twin one = {}, two = {};
	struct twin_alikes all = {};
	const struct twin_alike *pair;
	struct tiny_side a, b;

	(void)state;
	program(&one);
	program(&two);
	a = twin_open(&one, false);
	b = twin_open(&two, true);
	twin_alike_find(a.code, b.code, &all);
	assert_int_equal(all.n, 9 + 2);
	for (size_t i = 1; i < all.n; i++)
		assert_true(all.at[i - 1].f < all.at[i].f || all.at[i - 1].g < all.at[i].g);
	pair = twin_alike_get(&all, 0, twin_number(&b, &two, 1));
	assert_non_null(pair);
	assert_int_equal(pair->refs.n, 1);
	assert_int_equal(pair->refs.at[0].rebuild, 3);
	assert_int_equal(pair->refs.at[0].shipped, twin_number(&b, &two, 4));
	assert_null(twin_alike_get(&all, 3, twin_number(&b, &two, 4)));
	twin_alike_free(&all);
	twin_close(&a);
	twin_close(&b);
}

/* A copy calls the same; what is equal but for its callee is none. */
static void finds_copies(void **state)
{
	struct tiny_twin t = {};
	_free_ uint32_t *first = NULL;
	struct tiny_side a;

	(void)state;
	program(&t);
	a = twin_open(&t, false);
	first = twin_alike_copies(a.code);
	assert_int_equal(first[0], 0);
	assert_int_equal(first[1], 1);
	assert_int_equal(first[2], 0);
	assert_int_equal(first[3], 3);
	assert_int_equal(first[4], 4);
	twin_close(&a);
}

/* Copies may call each other's copies, and each itself. */
static void finds_copies_of_copies(void **state)
{
	struct tiny_twin t = {};
	_free_ uint32_t *first = NULL;
	struct tiny_side a;

	(void)state;
	for (uint32_t k = 0; k < 2; k++) {
		twin_thing(&t, true);
		twin_call(&t, k + 2);
		twin_ret(&t);
	}
	for (uint32_t k = 0; k < 2; k++) {
		twin_thing(&t, true);
		twin_mov(&t, 9);
		twin_ret(&t);
	}
	a = twin_open(&t, false);
	first = twin_alike_copies(a.code);
	assert_int_equal(first[1], 0);
	assert_int_equal(first[3], 2);
	twin_close(&a);
}

/* Where a call unwinds to is part of a function: damage in that table tells two apart
 * whose instructions are equal. */
static void sees_landing_pads(void **state)
{
	_free_ uint8_t *bytes = mem_alloc(TINY_SIZE);
	struct tiny whole = tiny_open();
	uint64_t from = whole.image->eh_frame_hdr;
	struct twin_code *code = NULL;
	unsigned apart = 0;
	uint32_t f = TWIN_NONE;

	(void)state;
	assert_int_equal(twin_code_open(whole.image, &code, NULL), 0);
	for (uint32_t k = 0; k < code->n_funcs; k++) {
		struct unwind_function fn = {};

		if (unwind_find(whole.image, code->funcs[k].low, &fn) == 0 && fn.n_pads >= 2)
			f = k;
		unwind_function_free(&fn);
	}
	assert_int_not_equal(f, TWIN_NONE);
	for (uint64_t at = from - 0x100; at < from; at++) {
		_cleanup_(image_freep) struct image *im = NULL;
		_cleanup_(twin_code_freep) struct twin_code *other = NULL;
		_cleanup_(twin_alike_free) struct twin_alikes all = {};
		_close_ int fd = -1;

		memcpy(bytes, tiny_elf, TINY_SIZE);
		bytes[at] ^= 0x5;
		fd = tiny_file(bytes, TINY_SIZE);
		assert_int_equal(image_open(fd, "x", &im, NULL), 0);
		assert_int_equal(twin_code_open(im, &other, NULL), 0);
		twin_alike_find(code, other, &all);
		assert_true(twin_code_equal(code, f, other, f));
		apart += !twin_alike_get(&all, f, f);
	}
	assert_in_range(apart, 4, 128);
	twin_code_free(code);
	tiny_close(&whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_possibilities),
		cmocka_unit_test(finds_copies),
		cmocka_unit_test(finds_copies_of_copies),
		cmocka_unit_test(sees_landing_pads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
