// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/handover.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/tiny_function.h"

/* A poll that was inlined: pending puts 2 into eax, a completion 0, and both meet at the test. */
static const uint8_t code[] = {
	0x83, 0xff, 0x07,             /* 0: cmp edi, 7 */
	0x74, 0x07,                   /* 1: je completion */
	0xb8, 0x02, 0x00, 0x00, 0x00, /* 2: mov eax, 2 */
	0xeb, 0x05,                   /* 3: jmp test */
	0x31, 0xc0,                   /* 4: completion: xor eax, eax */
	0xc6, 0x06, 0x01,             /* 5: mov byte [rsi], 1 */
	0x83, 0xf8, 0x02,             /* 6: test: cmp eax, 2 */
	0x75, 0x01,                   /* 7: jne ready */
	0xc3,                         /* 8: ret */
	0x48, 0x89, 0x06,             /* 9: ready: mov [rsi], rax */
	0xc3,                         /* 10: ret */
};

enum { PENDING = 2, COMPLETION = 4, STORE = 5, TEST = 6, RETURN = 8, READY = 9 };

/* The tag goes through a call in a register that the callee gives back. */
static const uint8_t call[] = {
	0x49, 0x89, 0xdc,             /* 0: mov r12, rbx */
	0xe8, 0x00, 0x00, 0x00, 0x00, /* 1: call the next one */
	0x49, 0x83, 0xfc, 0x02,       /* 2: cmp r12, 2 */
	0x74, 0x01,                   /* 3: je 5 */
	0xc3,                         /* 4: ret */
	0xc3,                         /* 5: ret */
};

static struct tiny_function t;
static struct handover_graph graph;

static int start(void **state)
{
	(void)state;
	t = tiny_function(code, sizeof(code), NULL, 0);
	handover_graph(t.fn, &graph);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	handover_graph_free(&graph);
	tiny_function_close(&t);
	return 0;
}

static void follows_what_must_follow(void **state)
{
	struct handover_path path;

	(void)state;
	handover_path(t.fn, COMPLETION, &path);
	assert_int_equal(path.n, 4);
	assert_int_equal(path.at[0], COMPLETION);
	assert_int_equal(path.at[3], TEST + 1);
	handover_path(t.fn, PENDING, &path);
	assert_int_equal(path.n, 4);
	assert_int_equal(path.at[2], TEST);
}

static void knows_who_leads_where(void **state)
{
	(void)state;
	assert_int_equal(graph.first[TEST + 1] - graph.first[TEST], 2);
	assert_int_equal(graph.from[graph.first[TEST]], PENDING + 1);
	assert_int_equal(graph.from[graph.first[TEST] + 1], STORE);
	assert_int_equal(graph.first[1] - graph.first[0], 0);
}

static void finds_the_test(void **state)
{
	struct handover_path path;
	size_t k = 9;

	(void)state;
	handover_path(t.fn, STORE, &path);
	assert_int_equal(handover_test(t.fn, &path, 2, 8, &k), REG_RAX);
	assert_int_equal(k, 1);
	assert_int_equal(handover_test(t.fn, &path, 3, 8, &k), REG_NONE);
	/* four bytes of a larger number say nothing */
	assert_int_equal(handover_test(t.fn, &path, 0x100000002, 8, &k), REG_NONE);
	assert_int_equal(handover_side(t.fn, &path, true), RETURN);
	assert_int_equal(handover_side(t.fn, &path, false), READY);
	handover_path(t.fn, READY, &path);
	assert_int_equal(handover_test(t.fn, &path, 2, 8, &k), REG_NONE);
	assert_int_equal(handover_side(t.fn, &path, true), CODE_NONE);
}

static void finds_what_is_in_a_register(void **state)
{
	struct handover_defs defs;

	(void)state;
	handover_defs(t.fn, &graph, TEST, REG_RAX, NULL, &defs);
	assert_int_equal(defs.n, 2);
	assert_false(defs.others);
	handover_defs(t.fn, &graph, TEST, REG_RSI, NULL, &defs);
	assert_int_equal(defs.n, 0);
	assert_true(defs.others);
}

static void pending_is_all_that_others_hold(void **state)
{
	uint8_t completed[16] = { [COMPLETION] = 1, [STORE] = 1 }, all[16], none[16] = {};

	(void)state;
	assert_true(handover_only(t.fn, &graph, TEST, REG_RAX, 2, 8, completed));
	assert_false(handover_only(t.fn, &graph, TEST, REG_RAX, 3, 8, completed));
	assert_false(handover_only(t.fn, &graph, TEST, REG_RAX, 2, 8, none));
	assert_false(handover_only(t.fn, &graph, TEST, REG_RSI, 2, 8, completed));
	memset(all, 1, sizeof(all)); /* nothing comes another way */
	assert_false(handover_only(t.fn, &graph, TEST, REG_RAX, 2, 8, all));
}

static void reads_constants(void **state)
{
	uint64_t raw = 9;

	(void)state;
	assert_true(handover_constant(t.fn, PENDING, REG_RAX, 8, &raw));
	assert_int_equal(raw, 2);
	assert_true(handover_constant(t.fn, COMPLETION, REG_RAX, 8, &raw));
	assert_int_equal(raw, 0);
	assert_false(handover_constant(t.fn, COMPLETION, REG_RBX, 8, &raw));
	assert_false(handover_constant(t.fn, STORE, REG_RAX, 8, &raw));
}

static void settles_as_early_as_it_can(void **state)
{
	struct handover_path path;
	unsigned reg = REG_RAX;
	size_t first = 9;

	(void)state;
	handover_path(t.fn, STORE, &path);
	assert_true(handover_settled(t.fn, &path, 1, 8, &reg, &first));
	assert_int_equal(first, 0);
	handover_path(t.fn, COMPLETION, &path);
	assert_true(handover_settled(t.fn, &path, 2, 8, &reg, &first));
	assert_int_equal(first, 1); /* behind the xor */
	assert_int_equal(reg, REG_RAX);
}

static void follows_moves_through_calls(void **state)
{
	struct tiny_function other = tiny_function(call, sizeof(call), NULL, 0);
	struct handover_path path;
	unsigned reg = REG_R12;
	size_t first = 9, k = 9;

	(void)state;
	handover_path(other.fn, 0, &path);
	assert_int_equal(handover_test(other.fn, &path, 2, 8, &k), REG_R12);
	assert_true(handover_settled(other.fn, &path, k, 8, &reg, &first));
	assert_int_equal(reg, REG_RBX);
	assert_int_equal(first, 0);
	reg = REG_RAX; /* the call's own */
	assert_false(handover_settled(other.fn, &path, k, 8, &reg, &first));
	tiny_function_close(&other);
}

static void knows_what_is_used(void **state)
{
	uint8_t kept[16];

	(void)state;
	assert_true(handover_used(t.fn, READY, REG_RAX));
	assert_true(handover_used(t.fn, TEST, REG_RAX));
	assert_false(handover_used(t.fn, READY, REG_RDX));
	assert_false(handover_used(t.fn, COMPLETION, REG_RAX)); /* written first */
	handover_kept(t.fn, STORE, REG_RAX, kept);
	assert_true(kept[STORE] && kept[TEST] && kept[READY]);
	assert_false(kept[COMPLETION] || kept[PENDING]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(follows_what_must_follow, start, stop),
		cmocka_unit_test_setup_teardown(knows_who_leads_where, start, stop),
		cmocka_unit_test_setup_teardown(finds_the_test, start, stop),
		cmocka_unit_test_setup_teardown(finds_what_is_in_a_register, start, stop),
		cmocka_unit_test_setup_teardown(pending_is_all_that_others_hold, start, stop),
		cmocka_unit_test_setup_teardown(reads_constants, start, stop),
		cmocka_unit_test_setup_teardown(settles_as_early_as_it_can, start, stop),
		cmocka_unit_test_setup_teardown(follows_moves_through_calls, start, stop),
		cmocka_unit_test_setup_teardown(knows_what_is_used, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
