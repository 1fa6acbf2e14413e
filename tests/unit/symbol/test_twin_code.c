// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/twin_code.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/tiny_twin.h"

/* Two functions that call each other, with padding; a constant may differ. */
static void program(struct tiny_twin *t, uint32_t constant)
{
	uint32_t f = twin_thing(t, true);

	twin_mov(t, constant);
	twin_call(t, f + 1);
	twin_ret(t);
	twin_thing(t, true);
	twin_mov(t, 7);
	twin_lea(t, f);
	twin_call(t, f);
	twin_call(t, f + 1);
	twin_ret(t);
}

static void masks_addresses(void **state)
{
	struct tiny_twin one = {}, two = {};
	struct tiny_side a, b;

	(void)state;
	program(&one, 5);
	program(&two, 5);
	a = twin_open(&one, false);
	b = twin_open(&two, true);
	assert_int_equal(a.code->n_funcs, 2);
	assert_int_equal(b.code->n_funcs, 2);
	assert_int_equal(twin_number(&b, &two, 0), 1);
	for (uint32_t k = 0; k < 2; k++) {
		uint32_t f = twin_number(&a, &one, k), g = twin_number(&b, &two, k);

		assert_false(a.code->funcs[f].odd);
		assert_true(twin_code_equal(a.code, f, b.code, g));
		assert_false(twin_code_equal(a.code, f, b.code, 1 - g));
	}
	twin_close(&a);
	twin_close(&b);
}

static void sees_a_constant(void **state)
{
	struct tiny_twin one = {}, two = {};
	struct tiny_side a, b;

	(void)state;
	program(&one, 5);
	program(&two, 6);
	a = twin_open(&one, false);
	b = twin_open(&two, false);
	assert_false(twin_code_equal(a.code, 0, b.code, 0));
	assert_true(twin_code_equal(a.code, 1, b.code, 1));
	twin_close(&a);
	twin_close(&b);
}

/* References have the targets that the program has; a call to itself is none. */
static void keeps_references(void **state)
{
	struct tiny_twin t = {};
	struct tiny_side a;
	const struct twin_ref *r;

	(void)state;
	program(&t, 5);
	a = twin_open(&t, false);
	assert_int_equal(a.code->funcs[0].n_refs, 1);
	assert_int_equal(a.code->funcs[1].n_refs, 2);
	assert_int_equal(a.code->funcs[1].n_insns, 5);
	assert_int_equal(a.code->funcs[1].n_calls, 2);
	r = &a.code->refs.at[a.code->funcs[0].ref];
	assert_true(r->branch && r->insn == 1 && r->target == a.code->funcs[1].low);
	r = &a.code->refs.at[a.code->funcs[1].ref];
	assert_true(!r->branch && r->size == 0 && r->insn == 1 &&
		    r->target == a.code->funcs[0].low);
	assert_int_equal(twin_code_extent(a.code, TINY_CODE - 4), 4);
	twin_close(&a);
}

/* A jump over padding: short or long, with one nop or three, it leads to the same instruction. */
static void ignores_encodings_of_jumps(void **state)
{
	struct tiny_twin one = {}, two = {}, other = {};
	struct tiny_side a, b, c;

	(void)state;
	twin_thing(&one, true);
	TWIN_PUT(&one, { 0x74, 0x02, 0xff, 0xc0, 0x90, 0xff, 0xc9, 0xeb, 0xf7, 0xc3 });
	twin_thing(&two, true);
	TWIN_PUT(&two, { 0x0f, 0x84, 0x02, 0x00, 0x00, 0x00, 0xff, 0xc0, 0x66, 0x0f, 0x1f,
			 0x44, 0x00, 0x00, 0xff, 0xc9, 0xe9, 0xeb, 0xff, 0xff, 0xff, 0xc3 });
	twin_thing(&other, true); /* back to the second instruction, not the first */
	TWIN_PUT(&other, { 0x74, 0x02, 0xff, 0xc0, 0x90, 0xff, 0xc9, 0xeb, 0xf9, 0xc3 });
	a = twin_open(&one, false);
	b = twin_open(&two, false);
	c = twin_open(&other, false);
	assert_true(twin_code_equal(a.code, 0, b.code, 0));
	assert_false(twin_code_equal(a.code, 0, c.code, 0));
	assert_int_equal(a.code->funcs[0].n_insns, 5);
	assert_int_equal(twin_code_address(b.code, 0, 2), TINY_CODE + 14);
	assert_int_equal(twin_code_insn(b.code, 0, TINY_CODE + 14), 2);
	assert_int_equal(twin_code_insn(b.code, 0, TINY_CODE + 8), TWIN_NONE); /* padding */
	assert_int_equal(twin_code_from(b.code, 0, TINY_CODE + 8), 2);
	assert_int_equal(b.code->insns.at[2].len, 2);
	twin_close(&a);
	twin_close(&b);
	twin_close(&c);
}

/* Bytes that are no instructions, and a jump into the middle of one: compared with nothing. */
static void leaves_odd_code_alone(void **state)
{
	struct tiny_twin t = {};
	struct tiny_side a;

	(void)state;
	twin_thing(&t, true);
	TWIN_PUT(&t, { 0x06, 0xc3 });
	twin_thing(&t, true);
	TWIN_PUT(&t, { 0xeb, 0x01, 0xb8, 0x01, 0x00, 0x00, 0x00, 0xc3 });
	a = twin_open(&t, false);
	for (uint32_t f = 0; f < 2; f++) {
		assert_true(a.code->funcs[f].odd);
		assert_false(twin_code_equal(a.code, f, a.code, f));
	}
	twin_close(&a);
}

/* Every function of real code, by its bounds and with every address in it. */
static void reads_real_code(void **state)
{
	struct tiny t = tiny_open();
	struct twin_code *code = NULL;
	size_t masked = 0;

	(void)state;
	assert_int_equal(twin_code_open(t.image, &code, NULL), 0);
	for (size_t i = 0; i < t.image->n_symbols; i++) {
		const struct image_symbol *s = &t.image->symbols[i];
		uint32_t f = twin_code_at(code, s->addr);

		if (!s->size)
			continue;
		assert_int_equal(code->funcs[f].low, s->addr);
		assert_int_equal(code->funcs[f].high, s->addr + s->size);
		assert_false(code->funcs[f].odd);
		for (uint32_t k = 0; k < code->funcs[f].n_insns; k++)
			assert_int_equal(twin_code_insn(code, f, twin_code_address(code, f, k)), k);
		masked += code->funcs[f].n_refs;
	}
	assert_true(masked > 20);
	assert_int_equal(twin_code_at(code, 0), TWIN_NONE);
	twin_code_free(code);
	tiny_close(&t);
}

static void wants_a_table_of_functions(void **state)
{
	static const uint8_t ret[] = { 0xc3 };
	_close_ int fd = tiny_code(ret, 1, NULL, 0);
	_cleanup_(image_freep) struct image *im = NULL;
	struct twin_code *code = NULL;
	struct err err = {};

	(void)state;
	assert_int_equal(image_open(fd, "x", &im, NULL), 0);
	assert_true(twin_code_open(im, &code, &err) < 0);
	assert_non_null(strstr(err.text, ".eh_frame_hdr"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(masks_addresses),
		cmocka_unit_test(sees_a_constant),
		cmocka_unit_test(keeps_references),
		cmocka_unit_test(ignores_encodings_of_jumps),
		cmocka_unit_test(leaves_odd_code_alone),
		cmocka_unit_test(reads_real_code),
		cmocka_unit_test(wants_a_table_of_functions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
