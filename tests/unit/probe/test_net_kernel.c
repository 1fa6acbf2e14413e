// SPDX-License-Identifier: BSD-2-Clause
/* What the running kernel says of itself. */
#include "probe/net_kernel.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

static void has_a_program_or_a_reason(void **state)
{
	struct net_kernel kernel = {};
	struct err err = {};

	(void)state;
	if (net_kernel_ask(&kernel, &err) < 0) { /* no BTF here */
		assert_non_null(strstr(err.text, "types"));
		skip();
	}
	for (size_t h = 0; h < NET_HOOKS; h++) {
		const struct net_tracepoint *t = &net_tracepoints[h];

		assert_true(t->name && t->since && t->what && t->arguments);
		assert_true(kernel.waits[h] ? kernel.program[h] && kernel.reason[h] :
					      !kernel.program[h] == !!kernel.reason[h]);
		assert_true(!kernel.waits[h] || t->module);
		assert_true(!kernel.reason[h] || strstr(kernel.reason[h], t->name));
		assert_true(!kernel.program[h] || kernel.program[h] == t->program ||
			    kernel.program[h] == t->program_before);
		/* those that others need come before them, and need nobody */
		for (size_t o = 0; o < NET_HOOKS; o++)
			assert_true(!(t->needs >> o & 1) ||
				    (o < h && !(net_tracepoints[o].needs >> h & 1)));
	}
	for (size_t h = 0; h < NET_HOOKS; h++) /* only a module can come meanwhile */
		assert_true(!(net_kernel_look_again(&kernel, ~0u) >> h & 1) ||
			    net_tracepoints[h].module);
	/* the kernel's names begin above the two numbers that are no drops */
	assert_true(!kernel.n_drops || (kernel.drops[2] && !kernel.drops[0]));
	net_kernel_free(&kernel);
}

static void keeps_the_first_reason(void **state)
{
	struct net_kernel kernel = { .program = { [NET_DROP] = "on_drop" } };

	(void)state;
	net_kernel_leave_out(&kernel, NET_DROP, "first");
	net_kernel_leave_out(&kernel, NET_DROP, "second");
	assert_null(kernel.program[NET_DROP]);
	assert_string_equal(kernel.reason[NET_DROP], "first");
	/* but waiting is none when it is refused */
	kernel.waits[NET_TLS_RECORD] = true;
	kernel.reason[NET_TLS_RECORD] = mem_strdup("once its module is there");
	net_kernel_leave_out(&kernel, NET_TLS_RECORD, "refused");
	assert_string_equal(kernel.reason[NET_TLS_RECORD], "refused");
	assert_false(kernel.waits[NET_TLS_RECORD]);
	net_kernel_free(&kernel);
	assert_null(kernel.reason[NET_DROP]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_a_program_or_a_reason),
		cmocka_unit_test(keeps_the_first_reason),
	};

	return cmocka_run_group_tests_name("probe/net_kernel", tests, NULL, NULL);
}
