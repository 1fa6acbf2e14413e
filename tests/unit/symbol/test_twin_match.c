// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/twin_match.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/tiny_twin.h"

/* Two builds of a program, the second in reverse order, and what was matched. */
struct both {
	struct tiny_twin x, y;
	struct tiny_side a, b;
	struct twin_match m;
};

static void open_both(struct both *t)
{
	t->a = twin_open(&t->x, false);
	t->b = twin_open(&t->y, true);
	twin_match_run(t->a.code, t->b.code, &t->m);
}

static void close_both(struct both *t)
{
	twin_match_free(&t->m);
	twin_close(&t->a);
	twin_close(&t->b);
}

/* Whether things @k of both builds belong together. */
static bool together(const struct both *t, uint32_t k)
{
	return t->m.to[twin_number(&t->a, &t->x, k)] == twin_number(&t->b, &t->y, k);
}

static unsigned why(const struct both *t, uint32_t k)
{
	uint32_t f = twin_number(&t->a, &t->x, k);

	assert_true((t->m.why[f] == TWIN_MATCHED) == (t->m.to[f] != TWIN_NONE));
	return t->m.why[f];
}

static void leaf(struct tiny_twin *t, uint32_t constant)
{
	twin_thing(t, true);
	twin_mov(t, constant);
	twin_ret(t);
}

static void caller(struct tiny_twin *t, uint32_t constant, uint32_t callee)
{
	twin_thing(t, true);
	twin_mov(t, constant);
	twin_call(t, callee);
	twin_ret(t);
}

static void matches_what_moved(void **state)
{
	struct both t = {};

	(void)state;
	for (uint32_t k = 0; k < 5; k++) {
		leaf(&t.x, k);
		leaf(&t.y, k == 2 ? 99 : k);
	}
	open_both(&t);
	for (uint32_t k = 0; k < 5; k++)
		assert_int_equal(together(&t, k), k != 2);
	assert_int_equal(why(&t, 2), TWIN_CODE);
	assert_int_equal(t.m.n, 4);
	close_both(&t);
}

static void sees_other_data(void **state)
{
	struct both t = {};

	(void)state;
	for (uint32_t k = 0; k < 2; k++) {
		struct tiny_twin *p = k ? &t.y : &t.x;

		twin_thing(p, false);
		twin_put(p, k ? "one text" : "two text", 8);
		twin_thing(p, true);
		twin_load(p, 0);
		twin_ret(p);
	}
	open_both(&t);
	assert_int_equal(why(&t, 1), TWIN_DATA);
	close_both(&t);
}

/* Two equal functions that call two which changed: nothing tells them apart. */
static void leaves_the_ambiguous(void **state)
{
	struct both t = {};

	(void)state;
	for (uint32_t k = 0; k < 2; k++) {
		struct tiny_twin *p = k ? &t.y : &t.x;

		caller(p, 7, 2);
		caller(p, 7, 3);
		leaf(p, 10 + k);
		leaf(p, 20 + k);
	}
	open_both(&t);
	assert_int_equal(why(&t, 0), TWIN_AMBIGUOUS);
	assert_int_equal(why(&t, 1), TWIN_AMBIGUOUS);
	assert_int_equal(t.m.n, 0);
	close_both(&t);
}

static void tells_apart_by_callees(void **state)
{
	struct both t = {};

	(void)state;
	for (uint32_t k = 0; k < 2; k++) {
		struct tiny_twin *p = k ? &t.y : &t.x;

		caller(p, 7, 2);
		caller(p, 7, 3);
		leaf(p, 10);
		leaf(p, 20 + k); /* one that is known is enough */
	}
	open_both(&t);
	assert_true(together(&t, 0) && together(&t, 1) && together(&t, 2));
	assert_int_equal(why(&t, 3), TWIN_CODE);
	close_both(&t);
}

static void tells_apart_by_callers(void **state)
{
	struct both t = {};

	(void)state;
	for (uint32_t k = 0; k < 2; k++) {
		struct tiny_twin *p = k ? &t.y : &t.x;

		caller(p, 7, 2);
		caller(p, 7, 3);
		leaf(p, 10 + k);
		leaf(p, 20 + k);
		caller(p, 30, 0);
		caller(p, 31, 1);
	}
	open_both(&t);
	assert_true(together(&t, 0) && together(&t, 1) && together(&t, 4) && together(&t, 5));
	close_both(&t);
}

/* Copies are one function, however many there are. */
static void takes_copies_together(void **state)
{
	struct both t = {};
	uint32_t f, g;

	(void)state;
	for (uint32_t k = 0; k < 2; k++) {
		struct tiny_twin *p = k ? &t.y : &t.x;

		leaf(p, 1);
		leaf(p, 1);
		caller(p, 7, 0);
		caller(p, 8, k); /* calls the other copy here */
	}
	open_both(&t);
	assert_true(together(&t, 2) && together(&t, 3));
	f = t.m.first_f[twin_number(&t.a, &t.x, 1)];
	g = t.m.first_g[twin_number(&t.b, &t.y, 1)];
	assert_int_equal(f, twin_number(&t.a, &t.x, 0));
	assert_int_equal(t.m.to[f], g);
	assert_int_equal(t.m.n, 3);
	close_both(&t);
}

/* The caller says that 1 is 2, their code says that it is not: neither counts. */
static void takes_back_contradictions(void **state)
{
	struct both t = {};

	(void)state;
	for (uint32_t k = 0; k < 2; k++) {
		struct tiny_twin *p = k ? &t.y : &t.x;

		caller(p, 7, 1 + k);
		leaf(p, 1);
		leaf(p, 2);
		leaf(p, 3);
	}
	open_both(&t);
	for (uint32_t k = 0; k < 3; k++)
		assert_int_equal(why(&t, k), TWIN_CONTRADICTED);
	assert_true(together(&t, 3));
	close_both(&t);
}

/* Callees and callers say the opposite of each other. */
static void does_not_choose_between_voices(void **state)
{
	struct both t = {};

	(void)state;
	for (uint32_t k = 0; k < 2; k++) {
		struct tiny_twin *p = k ? &t.y : &t.x;

		caller(p, 7, 2); /* equal to the next, told apart by callees */
		caller(p, 7, 3);
		leaf(p, 10);
		leaf(p, 20);
		caller(p, 30, k); /* and the callers say the opposite */
	}
	open_both(&t);
	assert_int_equal(why(&t, 0), TWIN_CONTRADICTED);
	assert_int_equal(why(&t, 1), TWIN_CONTRADICTED);
	close_both(&t);
}

/* Real code: each function of a file is itself, or a copy. */
static void matches_itself(void **state)
{
	struct tiny t = tiny_open();
	struct twin_code *code = NULL, *again = NULL;
	struct twin_match m;

	(void)state;
	assert_int_equal(twin_code_open(t.image, &code, NULL), 0);
	assert_int_equal(twin_code_open(t.image, &again, NULL), 0);
	twin_match_run(code, again, &m);
	for (uint32_t f = 0; f < code->n_funcs; f++)
		if (m.first_f[f] == f)
			assert_int_equal(m.to[f], f);
	twin_match_free(&m);
	twin_code_free(code);
	twin_code_free(again);
	tiny_close(&t);
}

/* More functions of equal code than are compared: the reason is that, not other data. */
static void says_too_many(void **state)
{
	struct twin_function *many = mem_array(TWIN_ALIKE_MAX + 2, sizeof(*many));
	struct both t = {};
	struct twin_code *b;
	uint32_t n = 0;

	(void)state;
	leaf(&t.x, 7);
	leaf(&t.y, 7);
	t.a = twin_open(&t.x, false);
	t.b = twin_open(&t.y, true);
	b = t.b.code;
	while (n < TWIN_ALIKE_MAX + 2)
		many[n++] = b->funcs[0];
	free(b->funcs);
	b->funcs = many;
	b->n_funcs = TWIN_ALIKE_MAX;
	twin_match_run(t.a.code, b, &t.m);
	assert_int_equal(t.m.why[0], TWIN_MATCHED); /* as many copies of one */
	twin_match_free(&t.m);
	b->n_funcs = n;
	twin_match_run(t.a.code, b, &t.m);
	assert_int_equal(t.m.why[0], TWIN_AMBIGUOUS);
	close_both(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches_what_moved),
		cmocka_unit_test(sees_other_data),
		cmocka_unit_test(leaves_the_ambiguous),
		cmocka_unit_test(tells_apart_by_callees),
		cmocka_unit_test(tells_apart_by_callers),
		cmocka_unit_test(takes_copies_together),
		cmocka_unit_test(takes_back_contradictions),
		cmocka_unit_test(does_not_choose_between_voices),
		cmocka_unit_test(matches_itself),
		cmocka_unit_test(says_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
