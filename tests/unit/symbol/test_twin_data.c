// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/twin_data.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/tiny_twin.h"

/* One function that refers to the thing added first; @data makes that. */
static bool agrees(void (*one)(struct tiny_twin *), void (*two)(struct tiny_twin *),
		   size_t *n_pairs)
{
	struct tiny_twin x = {}, y = {};
	struct twin_pairs pairs = {};
	struct tiny_side a, b;
	bool same;

	one(&x);
	two(&y);
	a = twin_open(&x, false);
	b = twin_open(&y, true);
	same = twin_data_agrees(a.code, twin_number(&a, &x, x.n - 1), b.code,
				twin_number(&b, &y, y.n - 1), &pairs);
	if (n_pairs)
		*n_pairs = pairs.n;
	free(pairs.at);
	twin_close(&a);
	twin_close(&b);
	return same;
}

static void refer(struct tiny_twin *t, bool load)
{
	twin_thing(t, true);
	if (load)
		twin_load(t, 0);
	else
		twin_lea(t, 0);
	twin_ret(t);
}

/* An object ends where something refers to the next one. */
static void refer_to_each(struct tiny_twin *t, uint32_t n)
{
	twin_thing(t, true);
	for (uint32_t k = 0; k < n; k++)
		twin_lea(t, k);
	twin_ret(t);
}

static void text(struct tiny_twin *t, const char *words)
{
	twin_thing(t, false);
	twin_put(t, words, strlen(words));
}

static void string(struct tiny_twin *t)
{
	text(t, "a string of the program");
	refer(t, false);
}

static void other_string(struct tiny_twin *t)
{
	text(t, "a string of the proGram");
	refer(t, false);
}

static void compares_strings(void **state)
{
	(void)state;
	assert_true(agrees(string, string, NULL));
	assert_false(agrees(string, other_string, NULL));
}

/* Of a constant only what the instruction reads. */
static void constant(struct tiny_twin *t)
{
	text(t, "12345678tail");
	refer(t, true);
}

static void constant_other_tail(struct tiny_twin *t)
{
	text(t, "12345678TAIL");
	refer(t, true);
}

static void other_constant(struct tiny_twin *t)
{
	text(t, "1234567.tail");
	refer(t, true);
}

static void compares_constants(void **state)
{
	(void)state;
	assert_true(agrees(constant, constant_other_tail, NULL));
	assert_false(agrees(constant, other_constant, NULL));
}

/* A pointer to a string and to a function, in data. */
static void pointers_to(struct tiny_twin *t, const char *words)
{
	twin_thing(t, false);
	twin_pointer(t, 1);
	twin_pointer(t, 2);
	text(t, words);
	twin_thing(t, true);
	twin_ret(t);
	refer(t, false);
}

static void pointers(struct tiny_twin *t)
{
	pointers_to(t, "pointed to");
}

static void other_pointers(struct tiny_twin *t)
{
	pointers_to(t, "Pointed to");
}

static void number_instead(struct tiny_twin *t)
{
	pointers(t);
	t->at[0].fixes[0] = t->at[0].fixes[1];
	t->at[0].n_fixes = 1;
}

static void follows_pointers(void **state)
{
	size_t pairs;

	(void)state;
	assert_true(agrees(pointers, pointers, &pairs));
	assert_int_equal(pairs, 1);
	assert_false(agrees(pointers, other_pointers, NULL));
	assert_false(agrees(pointers, number_instead, NULL));
}

/* A source position, in builds from different folders. */
static void position(struct tiny_twin *t, const char *path, uint32_t line)
{
	text(t, path);
	twin_thing(t, false);
	twin_location(t, 0, line);
	twin_thing(t, true);
	twin_lea(t, 1);
	twin_ret(t);
}

static void position_here(struct tiny_twin *t)
{
	position(t, "/opt/one/crate-1.2/src/a.rs", 12);
}

static void position_there(struct tiny_twin *t)
{
	position(t, "/srv/elsewhere/crate-1.2/src/a.rs", 12);
}

static void position_of_another_line(struct tiny_twin *t)
{
	position(t, "/srv/elsewhere/crate-1.2/src/a.rs", 13);
}

static void position_of_another_crate(struct tiny_twin *t)
{
	position(t, "/srv/elsewhere/crate-1.3/src/a.rs", 12);
}

static void short_position(struct tiny_twin *t)
{
	position(t, "src/a.rs", 12);
}

static void compares_positions(void **state)
{
	(void)state;
	assert_true(agrees(position_here, position_here, NULL));
	assert_true(agrees(position_here, position_there, NULL));
	assert_true(agrees(short_position, short_position, NULL));
	assert_false(agrees(position_there, position_of_another_line, NULL));
	assert_false(agrees(position_here, position_of_another_crate, NULL));
	assert_false(agrees(position_here, short_position, NULL));
}

static void reads_positions(void **state)
{
	struct tiny_twin t = {};
	struct twin_position p = {};
	struct tiny_side s;

	(void)state;
	short_position(&t);
	s = twin_open(&t, false);
	assert_true(twin_data_position(s.code, t.at[1].addr, &p));
	assert_true(p.line == 12 && p.column == 5 && p.len == 8);
	assert_memory_equal(p.name, "src/a.rs", 8);
	assert_false(twin_data_position(s.code, t.at[0].addr, &p));
	assert_false(twin_data_position(s.code, t.at[1].addr + 8, &p));
	assert_false(twin_data_position(s.code, UINT64_MAX - 8, &p));
	twin_close(&s);
}

/* A jump table of two entries into a function that may be longer in front of them. */
static void jumps_to(struct tiny_twin *t, uint32_t second)
{
	twin_thing(t, false);
	twin_fix(t, 3, false, true, 7);
	twin_fix(t, 3, false, true, second);
	text(t, "x");
	refer_to_each(t, 2);
	twin_thing(t, true);
	twin_lea(t, 0);
	TWIN_PUT(t, { 0xff, 0xc0, 0xff, 0xc9, 0xc3 });
}

static void jumps(struct tiny_twin *t)
{
	jumps_to(t, 9);
}

static void other_jumps(struct tiny_twin *t)
{
	jumps_to(t, 11);
}

static void jumps_into_an_instruction(struct tiny_twin *t)
{
	jumps_to(t, 10);
}

static void compares_jump_tables(void **state)
{
	(void)state;
	assert_true(agrees(jumps, jumps, NULL));
	assert_false(agrees(jumps, other_jumps, NULL));
	assert_false(agrees(jumps, jumps_into_an_instruction, NULL));
}

/* A table of distances to strings. */
static void words(struct tiny_twin *t, const char *second)
{
	twin_thing(t, false);
	twin_fix(t, 1, false, true, 0);
	twin_fix(t, 2, false, true, 0);
	text(t, "first");
	text(t, second);
	text(t, "x");
	refer_to_each(t, 4);
	refer(t, false);
}

static void table_of_words(struct tiny_twin *t)
{
	words(t, "second");
}

static void other_table_of_words(struct tiny_twin *t)
{
	words(t, "sEcond");
}

static void compares_tables_of_strings(void **state)
{
	(void)state;
	assert_true(agrees(table_of_words, table_of_words, NULL));
	assert_false(agrees(table_of_words, other_table_of_words, NULL));
}

/* Calls to different places of a function are not the same, nor are code and data. */
static void into_the_middle(struct tiny_twin *t)
{
	twin_thing(t, true);
	twin_mov(t, 1);
	twin_ret(t);
	twin_thing(t, true);
	TWIN_PUT(t, { 0xe8 });
	twin_fix(t, 0, false, false, 5);
	twin_ret(t);
}

static void to_the_beginning(struct tiny_twin *t)
{
	twin_thing(t, true);
	twin_mov(t, 1);
	twin_ret(t);
	twin_thing(t, true);
	twin_call(t, 0);
	twin_ret(t);
}

static void compares_places_in_code(void **state)
{
	(void)state;
	assert_true(agrees(into_the_middle, into_the_middle, NULL));
	assert_true(agrees(to_the_beginning, to_the_beginning, NULL));
	assert_false(agrees(to_the_beginning, into_the_middle, NULL));
}

/* In a file linked to fixed addresses a number can be one, in code and in data. */
static void fixed_to(struct tiny_twin *t, const char *words, uint32_t number)
{
	t->fixed = true;
	twin_thing(t, false);
	twin_pointer(t, 1);
	text(t, words);
	refer_to_each(t, 2);
	twin_thing(t, true);
	twin_address(t, 0);
	twin_mov(t, number);
	twin_ret(t);
}

static void fixed(struct tiny_twin *t)
{
	fixed_to(t, "some words", 7);
}

static void fixed_other_words(struct tiny_twin *t)
{
	fixed_to(t, "SOME words", 7);
}

static void knows_fixed_addresses(void **state)
{
	struct tiny_twin x = {}, y = {}, z = {};
	struct tiny_side a, b, c;

	(void)state;
	assert_true(agrees(fixed, fixed, NULL));
	assert_false(agrees(fixed, fixed_other_words, NULL));
	fixed_to(&x, "", 7);
	fixed_to(&y, "", 7);
	fixed_to(&z, "", 8);
	a = twin_open(&x, false);
	b = twin_open(&y, true);
	c = twin_open(&z, true);
	assert_true(a.code->fixed);
	assert_true(twin_code_equal(a.code, 1, b.code, 0));
	assert_false(twin_code_equal(a.code, 1, c.code, 0));
	twin_close(&a);
	twin_close(&b);
	twin_close(&c);
}

/* Functions of this very program, equal but for what they import. */
__attribute__((noinline, noipa)) int import_one(void);
__attribute__((noinline, noipa)) int import_another(void);
__attribute__((noinline, noipa)) int import_one_again(void);

int import_one(void)
{
	return (int)getppid() + 1;
}

int import_another(void)
{
	return (int)getpgrp() + 1;
}

int import_one_again(void)
{
	return (int)getppid() + 1;
}

static uint32_t own(const struct twin_code *code, const char *name)
{
	uint32_t f = TWIN_NONE;

	for (size_t i = 0; i < code->image->n_symbols; i++)
		if (strcmp(code->image->symbols[i].name, name) == 0)
			f = twin_code_at(code, code->image->symbols[i].addr);
	assert(f != TWIN_NONE);
	return f;
}

static void compares_imports(void **state)
{
	_close_ int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	_cleanup_(twin_code_freep) struct twin_code *code = NULL;
	_cleanup_(image_freep) struct image *im = NULL;
	struct twin_pairs pairs = {};
	uint32_t one, other, again;

	(void)state;
	assert_int_equal(image_open(fd, "self", &im, NULL), 0);
	image_load_symbols(im, im->elf);
	assert_int_equal(twin_code_open(im, &code, NULL), 0);
	one = own(code, "import_one");
	other = own(code, "import_another");
	again = own(code, "import_one_again");
	assert_true(twin_code_equal(code, one, code, again));
	assert_true(twin_code_equal(code, one, code, other));
	assert_true(twin_data_agrees(code, one, code, again, &pairs));
	assert_false(twin_data_agrees(code, one, code, other, &pairs));
	free(pairs.at);
}

/* Real data: every function agrees with itself. */
static void agrees_with_itself(void **state)
{
	struct tiny t = tiny_open();
	struct twin_code *code = NULL;

	(void)state;
	assert_int_equal(twin_code_open(t.image, &code, NULL), 0);
	for (uint32_t f = 0; f < code->n_funcs; f++) {
		struct twin_pairs pairs = {};

		assert_true(twin_data_agrees(code, f, code, f, &pairs));
		for (size_t i = 0; i < pairs.n; i++)
			assert_int_equal(pairs.at[i].rebuild, pairs.at[i].shipped);
		free(pairs.at);
	}
	twin_code_free(code);
	tiny_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compares_strings),
		cmocka_unit_test(compares_constants),
		cmocka_unit_test(follows_pointers),
		cmocka_unit_test(compares_positions),
		cmocka_unit_test(reads_positions),
		cmocka_unit_test(compares_jump_tables),
		cmocka_unit_test(compares_tables_of_strings),
		cmocka_unit_test(compares_places_in_code),
		cmocka_unit_test(knows_fixed_addresses),
		cmocka_unit_test(compares_imports),
		cmocka_unit_test(agrees_with_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
