// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/unwind.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/tiny_elf.h"

/* Every function has its bounds in .eh_frame, found from any address inside. */
static void finds_functions(void **state)
{
	struct tiny t = tiny_open();
	size_t found = 0;

	(void)state;
	for (size_t i = 0; i < t.image->n_symbols; i++) {
		const struct image_symbol *s = &t.image->symbols[i];
		struct unwind_function fn = {};

		if (!s->size)
			continue; /* assembly */
		for (uint64_t at = s->addr; at < s->addr + s->size; at += s->size / 2 + 1) {
			assert_int_equal(unwind_find(t.image, at, &fn), 0);
			assert_int_equal(fn.low, s->addr);
			assert_int_equal(fn.high, s->addr + s->size);
			unwind_function_free(&fn);
		}
		found++;
	}
	assert_true(found > 10);
	tiny_close(&t);
}

/* process_vote stores the panicked state where calls that unwind come down. */
static void finds_landing_pads(void **state)
{
	struct tiny t = tiny_open();
	const struct image_symbol *s = tiny_symbol(t.image, "RNCNv");
	struct unwind_function fn = {};

	(void)state;
	for (size_t i = 0; i < t.image->n_symbols; i++)
		if (strncmp(t.image->symbols[i].name, "_RNCNv", 6) == 0 &&
		    strstr(t.image->symbols[i].name, "12process_vote0"))
			s = &t.image->symbols[i];
	assert_int_equal(unwind_find(t.image, s->addr, &fn), 0);
	assert_true(fn.n_pads >= 2);
	for (size_t i = 0; i < fn.n_pads; i++) {
		assert_in_range(fn.pads[i].pad, fn.low, fn.high - 1);
		assert_in_range(fn.pads[i].from, fn.low, fn.high - 1);
		assert_in_range(fn.pads[i].to, fn.pads[i].from + 1, fn.high);
	}
	unwind_function_free(&fn);
	s = tiny_symbol(t.image, "4tiny5plain");
	assert_int_equal(unwind_find(t.image, s->addr, &fn), 0);
	assert_int_equal(fn.n_pads, 0);
	unwind_function_free(&fn);
	tiny_close(&t);
}

static void knows_what_is_not_there(void **state)
{
	static const uint8_t code[] = { 0xc3 };
	_close_ int fd = tiny_code(code, 1, NULL, 0);
	_cleanup_(image_freep) struct image *im = NULL;
	struct tiny t = tiny_open();
	struct unwind_function fn = {};

	(void)state;
	assert_int_equal(image_open(fd, "x", &im, NULL), 0);
	assert_int_equal(unwind_find(im, TINY_CODE, &fn), -ENOENT);
	assert_int_equal(unwind_find(t.image, 0, &fn), -ENOENT);
	assert_int_equal(unwind_find(t.image, UINT64_MAX, &fn), -ENOENT);
	assert_null(fn.pads);
	tiny_close(&t);
}

/* This program's own frames, as another compiler and linker write them. */
static void finds_itself(void **state)
{
	_close_ int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	_cleanup_(image_freep) struct image *im = NULL;
	const struct image_symbol *sym;
	struct unwind_function fn = {};

	(void)state;
	assert_int_equal(image_open(fd, "self", &im, NULL), 0);
	image_load_symbols(im, im->elf);
	sym = tiny_symbol(im, "finds_itself");
	assert_int_equal(unwind_find(im, sym->addr + 5, &fn), 0);
	assert_int_equal(fn.low, sym->addr);
	assert_int_equal(fn.high, sym->addr + sym->size);
	unwind_function_free(&fn);
}

/* Damage in the frame data: an answer or none, and nothing behind the file. */
static void stands_damage(void **state)
{
	struct tiny whole = tiny_open();
	uint64_t from = whole.image->eh_frame_hdr, seed = 7;
	_free_ uint8_t *bad = mem_alloc(TINY_SIZE);
	uint64_t addr = tiny_symbol(whole.image, "12process_vote0")->addr;

	(void)state;
	tiny_close(&whole);
	from -= 0x40; /* .gcc_except_table stands in front, .eh_frame behind */
	for (unsigned round = 0; round < 3000; round++) {
		_cleanup_(image_freep) struct image *im = NULL;
		struct unwind_function fn = {};
		_close_ int fd = -1;
		int r;

		memcpy(bad, tiny_elf, TINY_SIZE);
		for (unsigned n = 1 + tiny_random(&seed) % 4; n; n--)
			bad[from + tiny_random(&seed) % 0x300] = (uint8_t)tiny_random(&seed);
		fd = tiny_file(bad, TINY_SIZE);
		assert_int_equal(image_open(fd, "x", &im, NULL), 0);
		r = unwind_find(im, addr, &fn);
		assert_true(r == 0 || r == -ENOENT || r == -EBADMSG);
		if (r == 0)
			assert_true(fn.low <= addr && addr < fn.high);
		unwind_function_free(&fn);
	}
}

/* All functions of the file, in order, each as it is found by its address. */
static void lists_functions(void **state)
{
	struct tiny t = tiny_open();
	_free_ struct unwind_bounds *all = NULL;
	size_t n = 0, sized = 0;

	(void)state;
	assert_int_equal(unwind_list(t.image, &all, &n), 0);
	for (size_t i = 0; i < n; i++) {
		struct unwind_function fn = {};

		assert_true(all[i].low < all[i].high && (!i || all[i - 1].high <= all[i].low));
		assert_int_equal(unwind_find(t.image, all[i].low, &fn), 0);
		assert_true(fn.low == all[i].low && fn.high == all[i].high);
		unwind_function_free(&fn);
	}
	for (size_t i = 0; i < t.image->n_symbols; i++)
		sized += t.image->symbols[i].size &&
			 (!i || t.image->symbols[i].addr != t.image->symbols[i - 1].addr);
	assert_in_range(n, sized, t.image->n_symbols);
	tiny_close(&t);
}

/* A table that promises more than the file has: no list, and no memory for it. */
static void refuses_a_list_too_long(void **state)
{
	_free_ uint8_t *bytes = mem_alloc(TINY_SIZE);
	struct tiny whole = tiny_open();
	uint64_t count_at = whole.image->eh_frame_hdr + 8;
	static const uint32_t counts[] = { 0x7fffffff, 0x80000, 0x1000 };

	(void)state;
	tiny_close(&whole);
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		_cleanup_(image_freep) struct image *im = NULL;
		struct unwind_bounds *all = NULL;
		_close_ int fd = -1;
		size_t n = 0;

		memcpy(bytes, tiny_elf, TINY_SIZE);
		memcpy(bytes + count_at, &counts[i], 4);
		fd = tiny_file(bytes, TINY_SIZE);
		assert_int_equal(image_open(fd, "x", &im, NULL), 0);
		assert_int_equal(unwind_list(im, &all, &n), -EBADMSG);
		assert_null(all);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_functions),         cmocka_unit_test(finds_landing_pads),
		cmocka_unit_test(knows_what_is_not_there), cmocka_unit_test(finds_itself),
		cmocka_unit_test(stands_damage),           cmocka_unit_test(lists_functions),
		cmocka_unit_test(refuses_a_list_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
