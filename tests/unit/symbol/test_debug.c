// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/debug.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/tiny_elf.h"

enum { PROCESS_VOTE, STORE, PLAIN, PLAIN_RESULT, GONE, OUTER, ABSENT };

static size_t count(const struct debug_hits *hits, unsigned func, enum debug_role role,
		    bool inlined)
{
	size_t n = 0;

	for (size_t i = 0; i < hits->n; i++)
		n += hits->at[i].func == func && hits->at[i].role == role &&
		     hits->at[i].inlined == inlined;
	return n;
}

static bool has_code(Dwarf_Die *die)
{
	Dwarf_Addr base, from, to;

	return dwarf_ranges(die, 0, &base, &from, &to) > 0;
}

static void finds_all_of_them(void **state)
{
	struct profile *profile = tiny_profile(TINY_PROFILE);
	struct tiny t = tiny_open();
	struct debug_hits hits = {};
	size_t poll = 0;

	(void)state;
	assert_int_equal(debug_scan(t.dbg, profile, &hits, NULL), 0);
	assert_int_equal(count(&hits, PLAIN, DEBUG_PLAIN, false), 1);
	assert_int_equal(count(&hits, PLAIN_RESULT, DEBUG_PLAIN, false), 1);
	assert_true(count(&hits, GONE, DEBUG_PLAIN, true) >= 1);
	assert_true(count(&hits, PROCESS_VOTE, DEBUG_POLL, false) >= 1);
	assert_true(count(&hits, STORE, DEBUG_POLL, true) >= 1);
	assert_true(count(&hits, OUTER, DEBUG_POLL, true) >= 1);
	assert_true(count(&hits, PROCESS_VOTE, DEBUG_DROP, false) >= 1);
	for (unsigned role = DEBUG_PLAIN; role <= DEBUG_DROP; role++)
		assert_int_equal(
			count(&hits, ABSENT, role, true) + count(&hits, ABSENT, role, false), 0);
	/* a hit's DIEs are what they are said to be */
	for (size_t i = 0; i < hits.n; i++) {
		Dwarf_Die die, origin, around;

		assert_non_null(dwarf_offdie(hits.at[i].dbg, hits.at[i].die, &die));
		assert_non_null(dwarf_offdie(hits.at[i].dbg, hits.at[i].origin, &origin));
		assert_non_null(dwarf_offdie(hits.at[i].dbg, hits.at[i].enclosing, &around));
		assert_int_equal(dwarf_tag(&die), hits.at[i].inlined ? DW_TAG_inlined_subroutine :
								       DW_TAG_subprogram);
		assert_int_equal(dwarf_tag(&origin), DW_TAG_subprogram);
		assert_int_equal(dwarf_tag(&around), DW_TAG_subprogram);
		if (hits.at[i].inlined)
			assert_true(has_code(&around));
		poll += hits.at[i].role == DEBUG_POLL;
	}
	assert_true(poll >= 3);
	debug_hits_free(&hits);
	profile_free(profile);
	tiny_close(&t);
}

/* Functions of C with the names of Rust, as gcc describes them. */
int a_legacy(int x) __asm__("_ZN4self6legacy17h0123456789abcdefE");
int a_v0(int x) __asm__("_RNvCsUDA5GgzdIC_4self2v0");

__attribute__((noinline)) int a_legacy(int x)
{
	return x + 1;
}

__attribute__((noinline)) int a_v0(int x)
{
	return a_legacy(x) + 2;
}

static void finds_both_manglings(void **state)
{
	struct profile *profile =
		tiny_profile("profile: x\nmetrics:\n"
			     "  a_total: {type: counter, help: x, from: self::legacy}\n"
			     "  b_total: {type: counter, help: x, from: self::v0}\n"
			     "  c_total: {type: counter, help: x, from: other::v0}\n");
	_close_ int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	Dwarf *dbg = dwarf_begin(fd, DWARF_C_READ);
	struct debug_hits hits = {};

	(void)state;
	assert_int_equal(a_v0(1), 4);
	assert_non_null(dbg);
	assert_int_equal(debug_scan(dbg, profile, &hits, NULL), 0);
	assert_int_equal(count(&hits, 0, DEBUG_PLAIN, false), 1);
	assert_int_equal(count(&hits, 1, DEBUG_PLAIN, false), 1);
	assert_int_equal(hits.n, 2);
	debug_hits_free(&hits);
	dwarf_end(dbg);
	profile_free(profile);
}

/* The name of a method is in its type alone: a copy refers to what stands for the copies, and
 * that to the declaration. */
static void finds_copies_of_methods(void **state)
{
	struct profile *profile = tiny_profile("profile: x\nmetrics:\n"
					       "  a_total: {type: counter, help: x, from: "
					       "'core::task::wake::Waker::from_raw'}\n");
	struct tiny t = tiny_open();
	struct debug_hits hits = {};

	(void)state;
	assert_int_equal(debug_scan(t.dbg, profile, &hits, NULL), 0);
	assert_int_equal(count(&hits, 0, DEBUG_PLAIN, true), 1);
	debug_hits_free(&hits);
	profile_free(profile);
	tiny_close(&t);
}

static void finds_nothing_where_nothing_is(void **state)
{
	struct profile *profile = tiny_profile(
		"profile: x\nmetrics:\n  a_total: {type: counter, help: x, from: no::where}\n");
	struct tiny t = tiny_open();
	struct debug_hits hits = {};

	(void)state;
	assert_int_equal(debug_scan(t.dbg, profile, &hits, NULL), 0);
	assert_int_equal(hits.n, 0);
	debug_hits_free(&hits);
	profile_free(profile);
	tiny_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_all_of_them),
		cmocka_unit_test(finds_both_manglings),
		cmocka_unit_test(finds_copies_of_methods),
		cmocka_unit_test(finds_nothing_where_nothing_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
