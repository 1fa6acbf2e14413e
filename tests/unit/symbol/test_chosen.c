// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/chosen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/tiny_function.h"

#define CHOICE "\xb0\x01"    /* mov al,1 */
#define OTHER "\xb0\x02\xc3" /* mov al,2; ret */
#define ASK "\x85\xf6"       /* test esi,esi */
#define STORE "\x88\x47\x08" /* mov [rdi+8],al */
#define NOP "\x90"
#define RET "\xc3"

static const struct flow_value future = { .kind = FLOW_ARG, .off = 8 }; /* rdi+8 */

/* The sites of the choice, for the store. */
static enum chosen_result sites_of(const void *code, size_t n, struct flow_value state,
				   struct chosen_sites *out)
{
	struct tiny_function t = tiny_function(code, n, NULL, 0);
	enum chosen_result result =
		chosen_sites(t.fn, tiny_insn(t.fn, CHOICE, sizeof(CHOICE) - 1),
			     tiny_insn(t.fn, STORE, sizeof(STORE) - 1), state, out);

	tiny_function_close(&t);
	return result;
}
#define SITES(code, out) sites_of(code, sizeof(code) - 1, future, out)

static void is_site(const struct chosen_sites *sites, size_t i, size_t insn)
{
	assert_in_range(sites->n, i + 1, CHOSEN_SITES_MAX);
	assert_int_equal(sites->at[i].insn, insn);
	assert_int_equal(sites->at[i].key.reg, ABI_REG_RDI);
	assert_int_equal(sites->at[i].key.tail, 8);
}

static void finds_choices(void **state)
{
	/* mov al,1; test; je +2; mov al,3; store; ret */
	static const char two[] = CHOICE ASK "\x74\x02\xb0\x03" STORE RET;
	/* test; je +2; mov al,3; store: or what al was */
	static const char computed[] = ASK "\x74\x02\xb0\x03" STORE RET;
	struct tiny_function t = tiny_function(two, sizeof(two) - 1, NULL, 0);
	struct chosen found = chosen_find(t.fn, 4);

	(void)state;
	assert_int_equal(found.n, 2);
	assert_int_equal(found.at[0] + found.at[1], 0 + 3);
	assert_false(found.other);
	tiny_function_close(&t);
	t = tiny_function("\x0f\x94\xc0" STORE RET, 7, NULL, 0); /* sete al */
	found = chosen_find(t.fn, 1);
	assert_int_equal(found.n, 0);
	assert_true(found.other);
	tiny_function_close(&t);
	t = tiny_function(computed, sizeof(computed) - 1, NULL, 0);
	assert_int_equal(chosen_find(t.fn, 3).n, 1);
	tiny_function_close(&t);
}

static void takes_the_choice(void **state)
{
	static const char code[] = CHOICE NOP STORE RET;
	struct chosen_sites sites;

	(void)state;
	assert_int_equal(SITES(code, &sites), CHOSEN_PROVEN);
	assert_int_equal(sites.n, 1);
	is_site(&sites, 0, 0);
}

/* Where the choice may be lost: behind the question, on the way to the store alone. */
static void looks_behind(void **state)
{
	static const char one[] = CHOICE ASK "\x74\x05" NOP STORE RET OTHER;
	/* two ways to the store, and one that loses the choice: je, js */
	static const char two[] =
		CHOICE ASK "\x74\x08\x78\x09" NOP NOP STORE RET NOP "\xeb\xf9" OTHER;
	struct chosen_sites sites;

	(void)state;
	assert_int_equal(SITES(one, &sites), CHOSEN_PROVEN);
	assert_int_equal(sites.n, 1);
	is_site(&sites, 0, 3);
	assert_int_equal(SITES(two, &sites), CHOSEN_PROVEN);
	assert_int_equal(sites.n, 2);
	assert_int_equal(sites.at[0].insn + sites.at[1].insn, 4 + 8);
}

static void refuses_what_nothing_tells(void **state)
{
	/* the store is where the ways part */
	static const char at_once[] = CHOICE ASK "\x74\x04" STORE RET OTHER;
	/* what lies behind can be reached without the choice: js goes there */
	static const char joined[] = ASK "\x78\x06" CHOICE ASK "\x74\x05" NOP STORE RET OTHER;
	/* mov rdi,rsi between, and a future that flow does not know */
	static const char moved[] = CHOICE "\x48\x89\xf7" STORE RET;
	struct chosen_sites sites;

	(void)state;
	assert_int_equal(SITES(at_once, &sites), CHOSEN_LOST);
	assert_int_equal(SITES(joined, &sites), CHOSEN_LOST);
	assert_int_equal(sites_of(moved, sizeof(moved) - 1, (struct flow_value){}, &sites),
			 CHOSEN_NO_KEY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_choices),
		cmocka_unit_test(takes_the_choice),
		cmocka_unit_test(looks_behind),
		cmocka_unit_test(refuses_what_nothing_tells),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
