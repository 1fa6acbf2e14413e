// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/handed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/library_elf.h"

static int fd = -1;
static struct image *image;

static int load(void **state)
{
	(void)state;
	fd = library_fd();
	if (image_open(fd, "library.so.1", &image, NULL) < 0)
		return -1;
	image_load_exports(image);
	return 0;
}

static int unload(void **state)
{
	(void)state;
	image_free(image);
	close(fd);
	return 0;
}

static struct function *opened(const char *name)
{
	const struct image_symbol *sym = library_symbol(image, name);
	struct function *fn = NULL;

	assert_non_null(sym);
	assert_int_equal(function_open(image, sym->addr, sym->addr + sym->size, &fn, NULL), 0);
	return fn;
}

/* How often the function is left in each way, in the order of enum handed. */
static void expect_ways(const char *name, size_t returns, size_t jumps, size_t fields)
{
	struct function *fn = opened(name);
	size_t n[HANDED_FIELD + 1] = {};

	for (size_t i = 0; i < fn->code->n; i++)
		n[handed_way(fn, i)]++;
	assert_int_equal(n[HANDED_RETURN], returns);
	assert_int_equal(n[HANDED_JUMP], jumps);
	assert_int_equal(n[HANDED_FIELD], fields);
	function_free(fn);
}

static void sees_ways_out(void **state)
{
	(void)state;
	expect_ways("lib_version", 1, 0, 0);
	expect_ways("lib_exported", 0, 1, 0);
	expect_ways("lib_hidden", 0, 1, 0);
	expect_ways("lib_imported", 0, 1, 0);
	expect_ways("lib_handed", 1, 0, 1);
	expect_ways("lib_global", 1, 0, 0);
}

/* The jump of a switch, with nothing on the stack, is none through a pointer. */
static void knows_a_table(void **state)
{
	struct function *fn = opened("lib_table");
	size_t jumps = 0;

	(void)state;
	for (size_t i = 0; i < fn->code->n; i++) {
		jumps += fn->code->at[i].op == OP_JMP_REG;
		assert_int_not_equal(handed_way(fn, i), HANDED_FIELD);
	}
	assert_int_equal(jumps, 1);
	function_free(fn);
}

static void names_imports(void **state)
{
	struct function *fn = opened("lib_imported");
	const char *name = NULL;

	(void)state;
	for (size_t i = 0; i < fn->code->n; i++)
		if (handed_way(fn, i) == HANDED_JUMP)
			name = handed_import(image, fn->code->at[i].target);
	assert_string_equal(name, "imported");
	assert_null(handed_import(image, fn->low));
	function_free(fn);
}

/* Both functions that lib_choose stores there, one of them by a conditional move, and not
 * the one that it stores into the field beside. */
static void finds_targets(void **state)
{
	struct function *fn = opened("lib_handed");
	uint64_t targets[4];
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < fn->code->n; i++)
		if (handed_way(fn, i) == HANDED_FIELD)
			n = handed_targets(image, fn, i, targets, 4);
	assert_int_equal(n, 2);
	for (size_t i = 0; i < n; i++) { /* each puts a number into esi and jumps to machine() */
		const uint8_t *code = image_bytes(image, targets[i], 1);

		assert_true(*code == 0x31 || *code == 0xbe);
		assert_null(image_symbol_at(image, targets[i]));
	}
	assert_int_equal(image_bytes(image, targets[0], 8)[1] == 2, 0);
	function_free(fn);
}

static bool is_getter(const char *name, struct handed_field *out)
{
	const struct image_symbol *sym = library_symbol(image, name);

	return handed_is_getter(image, sym->addr, sym->addr + sym->size, out);
}

static void knows_functions_that_read(void **state)
{
	struct handed_field r;

	(void)state;
	assert_true(is_getter("lib_version", &r));
	assert_int_equal(r.read.width, 4);
	assert_int_equal(r.read.tail, 0);
	assert_false(r.guarded);
	assert_true(is_getter("lib_result", &r));
	assert_int_equal(r.read.width, 8);
	assert_int_equal(r.read.tail, 32);
	assert_false(is_getter("lib_doubled", &r));
	assert_false(is_getter("lib_checked", &r));
	assert_false(is_getter("lib_counts", &r));
	assert_false(is_getter("lib_plain", &r));
}

/* Of what a field points to, if there is such a thing. */
static void knows_those_that_look_before(void **state)
{
	struct handed_field r;

	(void)state;
	assert_true(is_getter("lib_kind", &r));
	assert_true(r.guarded);
	assert_int_equal(r.guard.width, 8);
	assert_int_equal(r.guard.n_steps, 0);
	assert_int_equal(r.guard.tail, 56);
	assert_int_equal(r.read.n_steps, 1);
	assert_int_equal(r.read.add[0], 56);
	assert_int_equal(r.read.width, 4);
	assert_int_equal(r.read.tail, 8);
	assert_int_equal(r.absent, -7);
	assert_false(is_getter("lib_kind_sure", &r));
	assert_false(is_getter("lib_kind_or_version", &r));
}

static bool asks(const char *name, struct handed_field *out)
{
	const struct image_symbol *sym = library_symbol(image, name);

	return handed_asked(image, sym->addr, sym->addr + sym->size, out);
}

static bool gives(const char *name, struct handed_field *out)
{
	const struct image_symbol *sym = library_symbol(image, name);

	return handed_given(image, sym->addr, sym->addr + sym->size, out);
}

/* What it compares before all else. */
static void finds_what_is_asked(void **state)
{
	struct handed_field r;

	(void)state;
	assert_true(asks("lib_resumed", &r));
	assert_int_equal(r.read.width, 4);
	assert_int_equal(r.read.tail, 0);
	assert_int_equal(r.read.n_steps, 0);
	assert_false(r.guarded);
	assert_true(asks("lib_either", &r));
	assert_false(asks("lib_late", &r));
	assert_false(asks("lib_version", &r));
	assert_false(asks("lib_kind", &r)); /* that is a pointer, and not compared in memory */
	assert_false(asks("lib_plain", &r));
}

/* What it returns without having called anything. */
static void finds_what_is_returned(void **state)
{
	struct handed_field r;

	(void)state;
	assert_true(gives("lib_resumed", &r));
	assert_int_equal(r.read.width, 4);
	assert_int_equal(r.read.tail, 24);
	assert_false(r.guarded);
	assert_true(gives("lib_version", &r));
	assert_int_equal(r.read.tail, 0);
	assert_false(gives("lib_either", &r)); /* two of them */
	assert_false(gives("lib_late", &r));
	assert_false(gives("lib_doubled", &r));
	assert_false(gives("lib_counts", &r));
	assert_false(gives("lib_kind", &r)); /* of what the object points to */
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(sees_ways_out),
		cmocka_unit_test(knows_a_table),
		cmocka_unit_test(names_imports),
		cmocka_unit_test(finds_targets),
		cmocka_unit_test(knows_functions_that_read),
		cmocka_unit_test(knows_those_that_look_before),
		cmocka_unit_test(finds_what_is_asked),
		cmocka_unit_test(finds_what_is_returned),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
