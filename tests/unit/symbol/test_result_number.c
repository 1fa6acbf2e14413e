// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/result_number.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/pack_recipe.h"
#include "symbol/results_caller.h"

static struct plan *plan;

static int forget(void **state)
{
	plan_free(plan);
	plan = NULL;
	return stop(state);
}

static const struct plan_site *completion_of(const char *function, const char *path)
{
	plan_free(plan);
	profile_free(profile);
	profile = results_numbers(function, path);
	plan = NULL;
	assert_int_equal(resolve_plan(t.fd, "results.elf", NULL, profile, &plan, NULL), 0);
	return results_site(plan, ABI_SITE_RETURN);
}

static void reads(const char *function, const char *path, const char *recipes)
{
	const struct plan_site *site = completion_of(function, path);
	_strbuf_ struct strbuf out = {};

	assert_int_equal(site->n_values, 1);
	assert_int_equal(site->values[0].reading, PLAN_NUMBER);
	for (size_t n = 0; n < site->values[0].n_tests; n++) {
		strbuf_puts(&out, n ? " " : "");
		pack_recipe_write(&site->values[0].tests[n].recipe, &out);
	}
	assert_string_equal(out.text, recipes);
	assert_null(strstr(plan->rows[0].reason, "unknown"));
}

static void does_not_read(const char *function, const char *path, const char *why)
{
	assert_int_equal(completion_of(function, path)->n_values, 0);
	assert_int_equal(plan->rows[0].state, PLAN_PARTIAL);
	if (!strstr(plan->rows[0].reason, why))
		fail_msg("%s: \"%s\" does not say \"%s\"", function, plan->rows[0].reason, why);
}

/* call fate; …; mov [rbx+32], rax; mov [rbx+40], rdx: a variable that outlives an await. */
static void the_caller_keeps_it(void **state)
{
	(void)state;
	reads("stored::judge", "Ok", "rax:8r rdx:8r");
	reads("stored::judge", "Err.0", "rax:8r rdx:8r");
}

/* A `let` in the line of the await may be a sum: no variable of the `?` is left here. */
static void a_variable_of_the_line_proves_nothing(void **state)
{
	static const char why[] = "the result's Ok is unknown: it was inlined, and nothing proves "
				  "where the caller finds it";

	(void)state;
	does_not_read("matched::judge", "Ok", why);
	does_not_read("joined::judge", "Ok", why);
	does_not_read("number::judge", "number", "the result's number is unknown: it was inlined");
}

static void says_what_is_no_number(void **state)
{
	(void)state;
	does_not_read("stored::judge", "Okay",
		      "no variant \"Okay\" in Result<u64, results::Fault>");
	does_not_read("matched::judge", "Err", "is no number");
}

/* Where the tag is but one, nothing is read of it. */
static void a_tag_can_be_known(void **state)
{
	const struct coroutine_tag ok = { .constant = true, .raw = 0 },
				   err = { .constant = true, .raw = 1 };
	struct coroutine co = {};
	struct handover_graph graph = {};
	struct function *fn = tiny_open_function(&t, "7results6stored6caller0B5_");
	struct result_scene scene = { fn, &co, &caller, &graph };
	const struct profile_value want = { .kind = PROFILE_VALUE_RETURN,
					    .is_number = true,
					    .path = (char *)"Ok" };
	const struct coroutine_tag *const tags[] = { &ok, &err };
	size_t insn = 0;

	(void)state;
	open_caller("stored::judge");
	co.n_states = 1;
	co.states[0] = (struct flow_value){ FLOW_ARG, 0 };
	handover_graph(fn, &graph);
	while (fn->code->at[insn].op != OP_RET)
		insn++;
	for (size_t i = 0; i < 2; i++) {
		struct plan_value value = {};
		_strbuf_ struct strbuf why = {};

		/* nothing speaks of the number behind a return */
		assert_false(result_number(&scene, insn, tags[i], &want, &value, &why));
		assert_int_equal(value.tests[0].n_choices, 0);
		assert_int_equal(value.tests[0].otherwise.next, i == 0);
		assert_int_equal(value.tests[0].otherwise.skip, i == 1);
		assert_int_equal(value.tests[0].recipe.in_register, 1);
		assert_string_equal(why.text, "it was inlined, and nothing proves where the "
					      "caller finds it");
		plan_value_clear(&value);
	}
	handover_graph_free(&graph);
	function_free(fn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_caller_keeps_it, start, forget),
		cmocka_unit_test_setup_teardown(a_variable_of_the_line_proves_nothing, start,
						forget),
		cmocka_unit_test_setup_teardown(says_what_is_no_number, start, forget),
		cmocka_unit_test_setup_teardown(a_tag_can_be_known, start, forget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
