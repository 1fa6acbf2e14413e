// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/tiny_plan.h"

static void writes_everything(void **state)
{
	_cleanup_(plan_freep) struct plan *plan = tiny_plan();
	_strbuf_ struct strbuf out = {};

	(void)state;
	pack_write(plan, &out);
	assert_string_equal(out.text, TINY_PACK);
}

static void writes_what_is_skipped(void **state)
{
	_cleanup_(plan_freep) struct plan *plan = tiny_plan();
	_strbuf_ struct strbuf out = {};

	(void)state;
	plan->sites[0].values[0].tests[0].choices[1].skip = true;
	plan->sites[0].values[1].tests[2].otherwise.skip = true;
	pack_write(plan, &out);
	assert_non_null(strstr(out.text, "      255 = skip\n      else \"yes\"\n"));
	assert_non_null(strstr(out.text, "      7 = \"seven\"\n      else skip\n"));
}

static void writes_nothing_much(void **state)
{
	struct plan empty = {};
	_strbuf_ struct strbuf out = {};

	(void)state;
	pack_write(&empty, &out);
	assert_string_equal(out.text, "mpc-bpf-agent pack 1\nbinary \"\"\nbuild-id none\nend\n");
}

static void writes_the_code_of_what_has_no_build_id(void **state)
{
	struct plan plan = { .has_code = true, .code = { 0xba, [31] = 0x0d } };
	_strbuf_ struct strbuf out = {};

	(void)state;
	pack_write(&plan, &out);
	assert_string_equal(out.text, "mpc-bpf-agent pack 1\nbinary \"\"\nbuild-id none\n"
				      "code-sha256 ba00000000000000000000000000000000000000000000"
				      "00000000000000000d\nend\n");
}

/* Where somebody built it is nobody's business. */
static void names_no_folder(void **state)
{
	static const char *const paths[] = { "/a/b/node", "b/node", "node" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		_free_ char *path = mem_strdup(paths[i]);
		struct plan plan = { .binary = path };
		_strbuf_ struct strbuf out = {};

		pack_write(&plan, &out);
		assert_string_equal(out.text, "mpc-bpf-agent pack 1\nbinary \"node\"\n"
					      "build-id none\nend\n");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_everything),
		cmocka_unit_test(writes_what_is_skipped),
		cmocka_unit_test(writes_nothing_much),
		cmocka_unit_test(writes_the_code_of_what_has_no_build_id),
		cmocka_unit_test(names_no_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
