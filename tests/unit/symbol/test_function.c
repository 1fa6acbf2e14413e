// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/function.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/tiny_function.h"

static void opens_what_the_file_has(void **state)
{
	struct tiny t = tiny_open();
	struct function *fn = tiny_open_function(&t, "_RNCNvCsUDA5GgzdIC_4tiny12process_vote");

	(void)state;
	assert_true(fn->unwind.n_pads > 0);
	assert_int_equal(fn->unwind.low, fn->low);
	assert_true(fn->code->n > 50);
	function_free(fn);
	function_free(NULL);
	tiny_close(&t);
}

static void refuses_what_is_no_function(void **state)
{
	struct tiny t = tiny_open();
	struct function *fn = NULL;
	struct err err = {};

	(void)state;
	assert_int_equal(function_open(t.image, 0, 16, &fn, &err), -EBADMSG);
	assert_int_equal(function_open(t.image, 0x1bb0, 0x1bb0, &fn, &err), -EBADMSG);
	assert_null(fn);
	tiny_close(&t);
}

static void names_callees(void **state)
{
	struct tiny t = tiny_open();
	struct function *fn = tiny_open_function(&t, "_RNCNvCsUDA5GgzdIC_4tiny12process_vote");
	size_t resumed = 0, resume = 0;

	(void)state;
	for (size_t i = 0; i < fn->code->n; i++) {
		const char *name = function_callee(fn, i);

		if (!name)
			continue;
		assert_int_equal(fn->code->at[i].op, OP_CALL);
		resumed += strstr(name, "panic_const_async_fn_resumed") != NULL;
		resume += strcmp(name, "_Unwind_Resume") == 0;
	}
	assert_int_equal(resumed, 2); /* through the GOT */
	assert_int_equal(resume, 2);  /* directly */
	function_free(fn);
	tiny_close(&t);
}

/* push rbx; sub rsp, 16; mov rbx, rdi; mov [rsp+8], rsi; xor edi, edi; xor esi, esi; ret */
static const char spills[] = "\x53\x48\x83\xec\x10\x48\x89\xfb\x48\x89\x74\x24\x08\x31\xff\x31"
			     "\xf6\xc3";

static void locates_pointers(void **state)
{
	struct tiny_function t = tiny_function(spills, sizeof(spills) - 1, NULL, 0);
	struct flow_value future = { FLOW_ARG, 100 }, second = { FLOW_ARG + 1, -4 };
	struct abi_recipe r;

	(void)state;
	assert_true(function_locate(t.fn, 0, future, &r));
	assert_int_equal(r.reg, ABI_REG_RDI);
	assert_int_equal(r.tail, 100);
	assert_true(function_locate(t.fn, 6, future, &r)); /* rdi is gone */
	assert_int_equal(r.reg, ABI_REG_RBX);
	assert_int_equal(r.tail, 100);
	assert_int_equal(r.n_steps, 0);
	assert_true(function_locate(t.fn, 6, second, &r)); /* only on the stack */
	assert_int_equal(r.reg, ABI_REG_RSP);
	assert_int_equal(r.n_steps, 1);
	assert_int_equal(r.add[0], 8);
	assert_int_equal(r.tail, -4);
	tiny_function_close(&t);
}

static void does_not_locate(void **state)
{
	struct tiny_function t = tiny_function(spills, sizeof(spills) - 1, NULL, 0);
	struct abi_recipe r;

	(void)state;
	assert_false(function_locate(t.fn, 6, (struct flow_value){ FLOW_TOP, 0 }, &r));
	assert_false(function_locate(t.fn, 6, (struct flow_value){ FLOW_CONST, 8 }, &r));
	assert_false(function_locate(t.fn, 6, (struct flow_value){ FLOW_ARG, 1LL << 31 }, &r));
	assert_false(function_locate(t.fn, 6, (struct flow_value){ FLOW_ARG, INT64_MIN }, &r));
	assert_false(function_locate(t.fn, 6, (struct flow_value){ FLOW_ARG + 1, INT64_MAX }, &r));
	assert_false(function_locate(t.fn, 6, (struct flow_value){ FLOW_DEF + 3, 0 }, &r));
	tiny_function_close(&t);
}

static void reads_operands(void **state)
{
	struct insn in = { .mem = { REG_R12, REG_NONE, 0, -272 } };
	struct abi_recipe r;

	(void)state;
	assert_true(function_operand(&in, &r));
	assert_int_equal(r.reg, ABI_REG_R12);
	assert_int_equal(r.tail, -272);
	assert_int_equal(r.width, 0);
	in.mem.index = REG_RAX;
	assert_false(function_operand(&in, &r));
	in.mem = (struct code_mem){ REG_NONE, REG_NONE, 0, 272 };
	assert_false(function_operand(&in, &r));
	in.mem = (struct code_mem){ REG_R12, REG_NONE, 0, 1LL << 31 };
	assert_false(function_operand(&in, &r));
}

static void add(struct ranges *r, uint64_t lo, uint64_t hi)
{
	*VEC_ADD(r) = (struct range){ lo, hi };
}

/* Every way in which two ranges can lie to each other, against a table of addresses. */
static void subtracts_ranges(void **state)
{
	(void)state;
	for (uint64_t lo = 0; lo < 12; lo++) {
		for (uint64_t hi = lo + 1; hi <= 12; hi++) {
			_cleanup_(ranges_free) struct ranges from = {}, minus = {};

			add(&from, 2, 6);
			add(&from, 8, 10);
			add(&minus, lo, hi);
			add(&minus, 4, 5);
			ranges_subtract(&from, &minus);
			for (uint64_t at = 0; at < 13; at++) {
				bool was = (at >= 2 && at < 6) || (at >= 8 && at < 10);
				bool cut = (at >= lo && at < hi) || at == 4;

				assert_int_equal(ranges_have(&from, at), was && !cut);
			}
		}
	}
}

static void adds_a_draft_once(void **state)
{
	struct drafts d = {};
	struct abi_recipe a = { .reg = ABI_REG_RBX }, b = { .reg = ABI_REG_RAX };

	(void)state;
	drafts_add(&d, ABI_SITE_START, 3, a);
	drafts_add(&d, ABI_SITE_START, 3, b);
	drafts_add(&d, ABI_SITE_RETURN, 3, b);
	drafts_add(&d, ABI_SITE_START, 4, b);
	assert_int_equal(d.n, 3);
	assert_int_equal(d.at[0].key.reg, ABI_REG_RBX);
	free(d.at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_what_the_file_has),
		cmocka_unit_test(refuses_what_is_no_function),
		cmocka_unit_test(names_callees),
		cmocka_unit_test(locates_pointers),
		cmocka_unit_test(does_not_locate),
		cmocka_unit_test(reads_operands),
		cmocka_unit_test(subtracts_ranges),
		cmocka_unit_test(adds_a_draft_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
