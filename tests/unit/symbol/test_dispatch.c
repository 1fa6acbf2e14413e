// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/dispatch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/tiny_function.h"

#define ALL(fn) (&(struct ranges){ &(struct range){ (fn)->low, (fn)->high }, 1, 1 })
#define POLL "_RNCNvCsUDA5GgzdIC_4tiny12process_vote"
#define DROP "13drop_in_placeNCNvCsUDA5GgzdIC_4tiny12process_vote"
#define DROP_OUTER "13drop_in_placeNCNvCsUDA5GgzdIC_4tiny5outer"

static uint64_t addr_of(const struct function *fn, const struct dispatch_trace *t, size_t k)
{
	return fn->code->at[t->at[k]].addr;
}

/* cmp byte [rdi+9], STATE style: compares decide where each state goes. */
static void runs_compares(void **state)
{
	/* 0 movzx eax, byte [rdi+8]  1 lea ecx, [rax-3]  2 cmp ecx, 2  3 jb 6
	 * 4 test eax, eax  5 je 7  6 nop  7 ret */
	struct tiny_function t = tiny_function(
		"\x0f\xb6\x47\x08\x8d\x48\xfd\x83\xf9\x02\x72\x04\x85\xc0\x74\x01\x90\xc3", 18,
		NULL, 0);
	static const size_t ends[] = { 7, 6, 6, 6, 6, 6, 6 };
	struct dispatch_trace trace;

	(void)state;
	for (unsigned s = 0; s < ARRAY_SIZE(ends); s++) {
		bool through_nop = false;

		dispatch_trace(t.fn, 0, s, &trace);
		assert_int_equal(trace.at[0], 0);
		assert_int_equal(trace.at[trace.n - 1], 7);
		for (size_t k = 0; k < trace.n; k++)
			through_nop |= trace.at[k] == 6;
		assert_int_equal(through_nop, ends[s] == 6);
		/* 3 and 4 skip the second test */
		assert_int_equal(trace.n, s == 3 || s == 4 ? 6 : s == 0 ? 7 : 8);
	}
	tiny_function_close(&t);
}

/* A branch on something else than the state ends a trace: nobody knows. */
static void stops_where_it_cannot_know(void **state)
{
	/* 0 movzx eax, byte [rdi]  1 cmp esi, 1  2 je 3  3 ret */
	struct tiny_function t = tiny_function("\x0f\xb6\x07\x83\xfe\x01\x74\x00\xc3", 9, NULL, 0);
	/* 0 movzx eax, byte [rdi]  1 mov eax, fs:[0]  2 cmp eax, 1  3 je 4  4 ret */
	struct tiny_function u =
		tiny_function("\x0f\xb6\x07\x64\x8b\x04\x25\x00\x00\x00\x00\x83\xf8"
			      "\x01\x74\x00\xc3",
			      17, NULL, 0);
	struct dispatch_trace trace;

	(void)state;
	dispatch_trace(t.fn, 0, 1, &trace);
	assert_int_equal(trace.n, 3);
	dispatch_trace(u.fn, 0, 1, &trace);
	assert_int_equal(trace.n, 4);
	tiny_function_close(&t);
	tiny_function_close(&u);
}

static void finds_the_table_of_a_poll_function(void **state)
{
	struct tiny t = tiny_open();
	struct function *fn = tiny_open_function(&t, POLL);
	struct dispatch_trace trace[5];
	struct dispatch d[4];
	size_t n = dispatch_find_poll(fn, ALL(fn), d, 4), own;

	(void)state;
	assert_int_equal(n, 1);
	assert_int_equal(d[0].state.kind, FLOW_ARG + 1); /* behind the result pointer */
	assert_int_equal(d[0].state.off, 24);
	for (unsigned s = 0; s < 5; s++) {
		dispatch_trace(fn, d[0].load, s, &trace[s]);
		assert_int_equal(trace[s].at[0], d[0].load);
		assert_true(trace[s].n > 3);
	}
	own = dispatch_own(&trace[0], 0, trace + 1, 4);
	assert_true(own != CODE_NONE);
	assert_int_equal(addr_of(fn, &trace[0], own), 0x1be1); /* the start in the whole plan */
	assert_true(dispatch_own(&trace[0], 0, trace, 5) == CODE_NONE);
	assert_int_equal(dispatch_find_poll(fn, ALL(fn), d, 0), 0);
	assert_int_equal(dispatch_find_poll(fn, &(struct ranges){}, d, 4), 0);
	function_free(fn);
	tiny_close(&t);
}

static void finds_the_branches_of_drop_glue(void **state)
{
	struct tiny t = tiny_open();
	struct function *fn = tiny_open_function(&t, DROP);
	struct dispatch d[4];

	(void)state;
	assert_int_equal(dispatch_find_drop(fn, ALL(fn), 5, d, 4), 1);
	assert_int_equal(d[0].state.kind, FLOW_ARG);
	assert_int_equal(d[0].state.off, 24);
	assert_int_equal(dispatch_find_drop(fn, ALL(fn), 3, d, 4), 0); /* never suspended */
	assert_int_equal(dispatch_find_poll(fn, ALL(fn), d, 4), 0);
	function_free(fn);
	fn = tiny_open_function(&t, DROP_OUTER); /* cmp byte [rdi+9], 3, and store's inside */
	assert_int_equal(dispatch_find_drop(fn, ALL(fn), 5, d, 4), 2);
	assert_int_equal(d[0].state.off, 9);
	assert_int_equal(d[1].state.off, 29);
	function_free(fn);
	tiny_close(&t);
}

static void finds_none_elsewhere(void **state)
{
	struct tiny t = tiny_open();
	struct function *fn = tiny_open_function(&t, "4tiny5plain");
	struct dispatch d[4];

	(void)state;
	assert_int_equal(dispatch_find_poll(fn, ALL(fn), d, 4), 0);
	assert_int_equal(dispatch_find_drop(fn, ALL(fn), 200, d, 4), 0);
	function_free(fn);
	tiny_close(&t);
}

static void stands_any_bytes(void **state)
{
	static const uint8_t likely[] = { 0x0f, 0xb6, 0x80, 0x3c, 0x8d, 0x83, 0x48, 0x74, 0x75,
					  0xff, 0xe0, 0x64, 0x8c, 0x8e, 0xc1, 0x63, 0x04, 0x81 };
	uint64_t seed = 5;
	uint8_t code[64];

	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		struct dispatch d[4];
		struct tiny_function t;

		for (size_t i = 0; i < sizeof(code); i++)
			code[i] = tiny_random(&seed) % 4 ?
					  likely[tiny_random(&seed) % sizeof(likely)] :
					  (uint8_t)tiny_random(&seed);
		t = tiny_function(code, sizeof(code), code, sizeof(code));
		dispatch_find_poll(t.fn, ALL(t.fn), d, 4);
		dispatch_find_drop(t.fn, ALL(t.fn), 8, d, 4);
		for (size_t i = 0; i < t.fn->code->n; i++) {
			struct dispatch_trace trace;

			dispatch_trace(t.fn, i, (unsigned)i, &trace);
			assert_true(trace.n <= DISPATCH_TRACE_MAX);
		}
		tiny_function_close(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_compares),
		cmocka_unit_test(stops_where_it_cannot_know),
		cmocka_unit_test(finds_the_table_of_a_poll_function),
		cmocka_unit_test(finds_the_branches_of_drop_glue),
		cmocka_unit_test(finds_none_elsewhere),
		cmocka_unit_test(stands_any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
