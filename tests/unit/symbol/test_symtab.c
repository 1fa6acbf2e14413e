// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/symtab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/resolve.h"
#include "symbol/tiny_elf.h"
#include "symbol/tiny_strip.h"

static struct profile *profile;
static struct plan *whole, *alone; /* with debug information and without */

static int load(void **state)
{
	_close_ int a = tiny_fd(), b = tiny_stripped(TINY_KEEP_SYMBOLS);
	int r;

	(void)state;
	profile = tiny_profile(TINY_PROFILE);
	r = resolve_plan(a, "tiny.elf", NULL, profile, &whole, NULL);
	return r < 0 ? r : resolve_plan(b, "tiny.elf", NULL, profile, &alone, NULL);
}

static int unload(void **state)
{
	(void)state;
	plan_free(whole);
	plan_free(alone);
	profile_free(profile);
	return 0;
}

/* Each row as "function state where how". */
static char *rows_of(const struct plan *plan)
{
	struct strbuf out = {};

	for (size_t i = 0; i < plan->n_rows; i++) {
		const struct plan_row *r = &plan->rows[i];

		strbuf_printf(&out, "%s %s %s: %s\n", plan->funcs[r->func].name,
			      plan_state_name(r->state), r->where, r->how ? r->how : "");
	}
	return strbuf_take(&out);
}

static void finds_what_has_a_symbol(void **state)
{
	_free_ char *rows = rows_of(alone);

	(void)state;
	assert_string_equal(
		rows, "tiny::process_vote partial poll function "
		      "tiny::process_vote::{closure#0}: first poll, 1 completion, 2 panic sites\n"
		      "tiny::process_vote partial drop glue: 1 cancel site\n"
		      "tiny::plain partial function tiny::plain: entry and 1 return site\n"
		      "tiny::plain_result partial function tiny::plain_result: entry and 1 return "
		      "site\n"
		      "tiny::store absent nowhere: \n"
		      "tiny::gone absent nowhere: \n"
		      "tiny::outer absent nowhere: \n"
		      "tiny::absent absent nowhere: \n");
}

static void says_what_is_lost(void **state)
{
	(void)state;
	for (size_t i = 0; i < alone->n_rows; i++) {
		const struct plan_row *r = &alone->rows[i];

		assert_int_not_equal(r->state, PLAN_READY);
		assert_non_null(strstr(r->reason, r->state == PLAN_ABSENT ?
							  "give the debug file or a pack" :
							  "without debug information"));
	}
}

static const struct plan_site *site_like(const struct plan *plan, const struct plan_site *s)
{
	for (size_t i = 0; i < plan->n_sites; i++)
		if (plan->sites[i].kind == s->kind && plan->sites[i].func == s->func &&
		    plan->sites[i].offset == s->offset)
			return &plan->sites[i];
	return NULL;
}

/* No site that debug information would not have found too, but for completions: they
 * are at the write of the state where results are not asked for. */
static void sites_are_right(void **state)
{
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < alone->n_sites; i++) {
		const struct plan_site *s = &alone->sites[i], *same = site_like(whole, s);

		assert_int_equal(s->n_values, 0);
		assert_int_equal(s->saved.reg, ABI_REG_NONE);
		if (!same) {
			assert_int_equal(s->kind, ABI_SITE_RETURN);
			continue;
		}
		n++;
		assert_memory_equal(&s->key, &same->key, sizeof(s->key));
		assert_memory_equal(s->bytes, same->bytes, sizeof(s->bytes));
	}
	assert_int_equal(alone->n_sites, 9);
	assert_true(n >= 8);
}

/* A function that only moves and returns may make a future, whatever its name. */
static void refuses_what_may_make_a_future(void **state)
{
	static const uint8_t code[] = {
		0x48, 0x89, 0xf8, /* mov rax, rdi */
		0x48, 0x89, 0x30, /* mov [rax], rsi */
		0xc6, 0x40, 0x20, /* mov byte [rax + 0x20], 0 */
		0x00, 0xc3,       /* ret */
	};
	static const uint8_t branches[] = {
		0x48, 0x85, 0xff, /* test rdi, rdi */
		0x74, 0x01,       /* je +1 */
		0xc3,             /* ret */
		0xc3,             /* ret */
	};
	const struct {
		const uint8_t *code;
		size_t size;
		enum plan_state state;
		size_t sites;
	} cases[] = {
		{ code, sizeof(code), PLAN_REFUSED, 0 },
		{ branches, sizeof(branches), PLAN_PARTIAL, 3 },
	};

	(void)state;
	for (size_t c = 0; c < ARRAY_SIZE(cases); c++) {
		struct image_symbol symbol = { TINY_CODE, cases[c].size, "_RNvCs0_4tiny5plain" };
		_close_ int fd = tiny_code(cases[c].code, cases[c].size, NULL, 0);
		struct plan *plan = mem_alloc(sizeof(*plan));
		struct resolver rs = { .profile = profile, .plan = plan };

		assert_int_equal(image_open(fd, "x", &rs.image, NULL), 0);
		rs.image->symbols = mem_array(1, sizeof(symbol));
		rs.image->symbols[0] = symbol;
		rs.image->n_symbols = 1;
		symtab_scan(&rs);
		assert_int_equal(plan->n_rows, 1);
		assert_int_equal(plan->rows[0].func, 2);
		assert_int_equal(plan->rows[0].state, cases[c].state);
		assert_int_equal(plan->n_sites, cases[c].sites);
		image_free(rs.image);
		plan_free(plan);
	}
}

/* What is wrong in the code or in the symbols becomes a row, not a crash. */
static void stands_damage(void **state)
{
	_free_ uint8_t *bad = tiny_strip(TINY_KEEP_SYMBOLS), *good = tiny_strip(TINY_KEEP_SYMBOLS);
	uint64_t seed = 7;

	(void)state;
	for (unsigned round = 0; round < 400; round++) {
		_cleanup_(plan_freep) struct plan *plan = NULL;
		_close_ int fd = -1;

		memcpy(bad, good, TINY_SIZE);
		for (unsigned n = 1 + tiny_random(&seed) % 40; n; n--)
			bad[tiny_random(&seed) % TINY_SIZE] = (uint8_t)tiny_random(&seed);
		fd = tiny_file(bad, TINY_SIZE);
		if (resolve_plan(fd, "tiny.elf", NULL, profile, &plan, NULL) < 0)
			continue;
		for (size_t i = 0; plan->bare && i < plan->n_rows; i++)
			assert_int_not_equal(plan->rows[i].state, PLAN_READY);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_has_a_symbol),
		cmocka_unit_test(says_what_is_lost),
		cmocka_unit_test(sites_are_right),
		cmocka_unit_test(refuses_what_may_make_a_future),
		cmocka_unit_test(stands_damage),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
