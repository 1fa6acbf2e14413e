// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/coroutine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/tiny_function.h"

#define ALL(fn) (&(struct ranges){ &(struct range){ (fn)->low, (fn)->high }, 1, 1 })
#define POLL "_RNCNvCsUDA5GgzdIC_4tiny12process_vote"
#define DRIVE "_RINvCsUDA5GgzdIC_4tiny5drive"
#define DROP "13drop_in_placeNCNvCsUDA5GgzdIC_4tiny12process_vote"

static const struct draft *draft_at(const struct function *fn, const struct drafts *list,
				    enum abi_site_kind kind, uint64_t addr)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->at[i].kind == kind && fn->code->at[list->at[i].insn].addr == addr)
			return &list->at[i];
	fail_msg("no site of kind %d at 0x%llx", (int)kind, (unsigned long long)addr);
	return NULL;
}

static void key_is(const struct draft *d, unsigned reg, int tail)
{
	assert_int_equal(d->key.reg, reg);
	assert_int_equal(d->key.tail, tail);
	assert_int_equal(d->key.n_steps, 0);
}

static void finds_the_sites_of_a_poll_function(void **state)
{
	struct tiny t = tiny_open();
	struct function *fn = tiny_open_function(&t, POLL);
	struct coroutine co;

	(void)state;
	assert_true(coroutine_find(fn, ALL(fn), 5, &co));
	assert_int_equal(co.n_start, 1);
	assert_int_equal(co.n_return, 1);
	assert_int_equal(co.n_panic, 2);
	assert_true(co.sret && co.entry_dispatch);
	assert_int_equal(co.trouble.len, 0);
	key_is(draft_at(fn, &co.drafts, ABI_SITE_START, 0x1be1), ABI_REG_RBX, 24);
	/* mov al, 1 before a store that all states share */
	key_is(draft_at(fn, &co.drafts, ABI_SITE_RETURN, 0x1c83), ABI_REG_RBX, 24);
	key_is(draft_at(fn, &co.drafts, ABI_SITE_PANIC, 0x1cb3), ABI_REG_RBX, 24);
	key_is(draft_at(fn, &co.drafts, ABI_SITE_PANIC, 0x1ccd), ABI_REG_RBX, 24);
	coroutine_free(&co);
	function_free(fn);
	tiny_close(&t);
}

/* outer's poll in drive: its state comes from a setcc, which nobody can tell apart. */
static void refuses_a_computed_state(void **state)
{
	struct tiny t = tiny_open();
	struct function *fn = tiny_open_function(&t, DRIVE);
	struct range own[] = { { 0x1990, 0x19c8 }, { 0x1a3a, 0x1a6d } };
	struct coroutine co;

	(void)state;
	assert_false(coroutine_find(fn, &(struct ranges){ own, 2, 2 }, 5, &co));
	assert_non_null(strstr(co.trouble.text, "the state stored at 0x1a61 is computed"));
	coroutine_free(&co);
	function_free(fn);
	tiny_close(&t);
}

static void refuses_what_is_no_coroutine(void **state)
{
	struct tiny t = tiny_open();
	struct function *fn = tiny_open_function(&t, "4tiny5plain");
	struct coroutine co;

	(void)state;
	assert_false(coroutine_find(fn, ALL(fn), 5, &co));
	assert_non_null(strstr(co.trouble.text, "no branch on the state"));
	assert_int_equal(co.drafts.n, 0);
	coroutine_free(&co);
	coroutine_free(&co);
	function_free(fn);
	tiny_close(&t);
}

/* The poll function of tiny.elf with some bytes changed. */
static void with_patch(uint64_t addr, const void *bytes, size_t n, uint8_t *elf)
{
	memcpy(elf + addr - 0x1000, bytes, n);
}

/* Without the store that all states share, there is only one of 1 of which nobody knows
 * where it goes: that is no completion by itself. */
static void refuses_what_is_not_proven(void **state)
{
	struct tiny whole = tiny_open();
	const struct image_symbol *s = tiny_symbol(whole.image, POLL);
	uint64_t low = s->addr, high = s->addr + s->size;
	_free_ uint8_t *elf = mem_alloc(TINY_SIZE);
	_cleanup_(image_freep) struct image *im = NULL;
	struct function *fn = NULL;
	struct coroutine co;
	_close_ int fd = -1;

	(void)state;
	tiny_close(&whole);
	memcpy(elf, tiny_elf, TINY_SIZE);
	with_patch(0x1c6b, "\xc6\x00\x01\x90", 4, elf); /* mov byte [rax], 1; nop */
	with_patch(0x1c85, "\x90\x90\x90", 3, elf);
	fd = tiny_file(elf, TINY_SIZE);
	assert_int_equal(image_open(fd, "x", &im, NULL), 0);
	image_load_symbols(im, im->elf);
	assert_int_equal(function_open(im, low, high, &fn, NULL), 0);
	assert_false(coroutine_find(fn, ALL(fn), 5, &co));
	assert_int_equal(co.n_start, 1);
	assert_int_equal(co.n_return, 0);
	assert_non_null(strstr(co.trouble.text, "no write of the returned state"));
	coroutine_free(&co);
	function_free(fn);
}

/* Nothing is taken from instructions of somebody else. */
static void keeps_to_its_own(void **state)
{
	struct tiny t = tiny_open();
	struct function *fn = tiny_open_function(&t, POLL);
	struct range own = { fn->low, 0x1c80 }; /* without the completion and the panics */
	struct coroutine co;

	(void)state;
	assert_false(coroutine_find(fn, &(struct ranges){ &own, 1, 1 }, 5, &co));
	assert_int_equal(co.n_return, 0);
	assert_int_equal(co.n_panic, 0);
	assert_non_null(strstr(co.trouble.text, "no write of the returned state"));
	coroutine_free(&co);
	function_free(fn);
	tiny_close(&t);
}

static void finds_cancellation(void **state)
{
	struct tiny t = tiny_open();
	struct function *fn = tiny_open_function(&t, DROP);
	struct drafts drafts = {};

	(void)state;
	assert_int_equal(coroutine_find_drop(fn, ALL(fn), 5, 99, &drafts), 0); /* not its byte */
	assert_int_equal(drafts.n, 0);
	assert_true(coroutine_find_drop(fn, ALL(fn), 5, 24, &drafts) >= 1);
	assert_int_equal(drafts.n, 1);
	key_is(draft_at(fn, &drafts, ABI_SITE_CANCEL, 0x1b6c), ABI_REG_RDI, 24);
	drafts.n = 0;
	assert_true(coroutine_find_drop(fn, ALL(fn), 5, COROUTINE_ANYWHERE, &drafts) >= 1);
	assert_int_equal(drafts.n, 1);
	free(drafts.at);
	function_free(fn);
	tiny_close(&t);
}

/* A poll function with bytes changed: whatever is found lies in it. */
static void stands_damage(void **state)
{
	struct tiny whole = tiny_open();
	const struct image_symbol *s = tiny_symbol(whole.image, POLL);
	uint64_t low = s->addr, high = s->addr + s->size, seed = 3;
	_free_ uint8_t *bad = mem_alloc(TINY_SIZE);

	(void)state;
	tiny_close(&whole);
	for (unsigned round = 0; round < 1500; round++) {
		_cleanup_(image_freep) struct image *im = NULL;
		struct drafts drafts = {};
		struct function *fn;
		struct coroutine co;
		_close_ int fd = -1;

		memcpy(bad, tiny_elf, TINY_SIZE);
		for (unsigned n = 1 + tiny_random(&seed) % 12; n; n--)
			bad[low - 0x1000 + tiny_random(&seed) % (high - low)] =
				(uint8_t)tiny_random(&seed);
		fd = tiny_file(bad, TINY_SIZE);
		assert_int_equal(image_open(fd, "x", &im, NULL), 0);
		image_load_symbols(im, im->elf);
		assert_int_equal(function_open(im, low, high, &fn, NULL), 0);
		if (!coroutine_find(fn, ALL(fn), 255, &co))
			assert_true(co.trouble.len > 2);
		coroutine_find_drop(fn, ALL(fn), 255, COROUTINE_ANYWHERE, &drafts);
		for (size_t i = 0; i < co.drafts.n; i++)
			assert_true(co.drafts.at[i].insn < fn->code->n);
		free(drafts.at);
		coroutine_free(&co);
		function_free(fn);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_sites_of_a_poll_function),
		cmocka_unit_test(refuses_a_computed_state),
		cmocka_unit_test(refuses_what_is_no_coroutine),
		cmocka_unit_test(refuses_what_is_not_proven),
		cmocka_unit_test(keeps_to_its_own),
		cmocka_unit_test(finds_cancellation),
		cmocka_unit_test(stands_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
