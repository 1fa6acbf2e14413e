// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/shared.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/library_elf.h"
#include "symbol/pack.h"
#include "symbol/resolve.h"

#define HEAD "profile: t\nmetrics:\n  x_total:\n    type: counter\n    help: H\n"
#define L "library.so.1:"

static struct plan *plan_for(const char *text)
{
	struct profile *profile = tiny_profile(text);
	struct source_options from = { .library = "library.so.1" };
	_close_ int fd = library_fd();
	struct plan *plan = NULL;

	assert_int_equal(resolve_plan(fd, "library.so.1", &from, profile, &plan, NULL), 0);
	profile_free(profile);
	return plan;
}

static void finds_starts_and_ends(void **state)
{
	struct plan *plan = plan_for(HEAD "    from: ['" L "lib_plain', '" L "lib_exported', '" L
					  "lib_hidden', 'a::b', '" L "lib_handed', '" L
					  "lib_handed->', '" L "lib_gone', 'other.so:lib_plain']\n"
					  "    labels: {r: {return: {1: one}}}\n");
	_strbuf_ struct strbuf rows = {};

	(void)state;
	for (size_t r = 0; r < plan->n_rows; r++)
		strbuf_printf(&rows, "%s %s %s\n", plan->funcs[plan->rows[r].func].name,
			      plan_state_name(plan->rows[r].state),
			      plan->rows[r].how ? plan->rows[r].how : plan->rows[r].reason);
	assert_string_equal(
		rows.text, L
		"lib_plain ready entry and 2 return sites\n" L
		"lib_exported ready 1 entry and 2 return sites, 2 of them in functions that it jumps to\n" L
		"lib_hidden ready 1 entry and 2 return sites, 2 of them in functions that it jumps to\n" L
		"lib_handed ready 1 entry and 3 return sites, 2 of them in functions that it jumps to\n" L
		"lib_handed-> ready 2 entries and 2 return sites, 2 of them in functions that it jumps to\n" L
		"lib_gone absent library.so.1 exports no function of this name\n");
	/* what other files have is not spoken of */
	assert_int_equal(plan->n_funcs, 6);
	assert_string_equal(plan->library, "library.so.1");
	plan_free(plan);
}

/* Others come by at ends that lie in functions which are jumped to, and only there. */
static void marks_common_ends(void **state)
{
	struct plan *plan = plan_for(HEAD "    from: ['" L "lib_plain', '" L "lib_handed']\n");
	size_t own = 0, common = 0;

	(void)state;
	for (size_t i = 0; i < plan->n_sites; i++) {
		const struct plan_site *site = &plan->sites[i];

		assert_int_equal(site->key.reg, ABI_REG_RSP);
		assert_false(site->common && site->kind == ABI_SITE_START);
		own += site->kind == ABI_SITE_RETURN && !site->common;
		common += site->common;
	}
	assert_int_equal(own, 3);
	assert_int_equal(common, 2);
	plan_free(plan);
}

static const struct plan_value *value_at(const struct plan *plan, enum abi_site_kind kind,
					 const char *text)
{
	for (size_t i = 0; i < plan->n_sites; i++)
		for (size_t v = 0; v < plan->sites[i].n_values; v++)
			if (plan->sites[i].kind == kind &&
			    strcmp(plan->sites[i].values[v].text, text) == 0)
				return &plan->sites[i].values[v];
	return NULL;
}

/* Fields that functions show which do more than read them. */
static void reads_what_others_show(void **state)
{
	struct plan *plan = plan_for(
		HEAD
		"    from: '" L "lib_plain'\n"
		"    labels:\n"
		"      a: {arg: arg0.lib_resumed().asked, values: {2: two}}\n"
		"      r: {now: arg0.lib_resumed().returned, values: {1: one}}\n"
		"      p: {arg: [arg0.lib_resumed().asked, arg0.lib_resumed().returned], values: {2.1: x}}\n");
	const struct plan_value *v;

	(void)state;
	v = value_at(plan, ABI_SITE_START, "arg0.lib_resumed().asked");
	assert_non_null(v);
	assert_int_equal(v->tests[0].recipe.reg, ABI_REG_RDI);
	assert_int_equal(v->tests[0].recipe.tail, 0);
	v = value_at(plan, ABI_SITE_RETURN, "now arg0.lib_resumed().returned");
	assert_non_null(v);
	assert_int_equal(v->tests[0].recipe.reg, ABI_REG_SAVED);
	assert_int_equal(v->tests[0].recipe.tail, 24);
	v = value_at(plan, ABI_SITE_START,
		     "arg0.lib_resumed().asked and arg0.lib_resumed().returned");
	assert_non_null(v);
	assert_int_equal(v->n_tests, 2);
	assert_int_equal(v->tests[0].recipe.tail, 0);
	assert_int_equal(v->tests[1].recipe.tail, 24);
	assert_int_equal(plan->rows[0].state, PLAN_READY);
	plan_free(plan);
	plan = plan_for(HEAD "    from: '" L "lib_plain'\n"
			     "    labels:\n"
			     "      a: {arg: arg0.lib_late().asked, values: {2: two}}\n"
			     "      b: {arg: arg0.lib_either().returned, values: {2: two}}\n");
	assert_int_equal(plan->rows[0].state, PLAN_PARTIAL);
	assert_non_null(strstr(plan->rows[0].reason, "does not begin with a question"));
	assert_non_null(strstr(plan->rows[0].reason, "does not return one field"));
	plan_free(plan);
}

static void reads_values(void **state)
{
	struct plan *plan =
		plan_for(HEAD "    from:\n"
			      "      - function: '" L "lib_plain'\n"
			      "        labels:\n"
			      "          n: {arg: arg1, values: {3: three}}\n"
			      "          v: {arg: arg0.lib_version(), values: {771: old}}\n"
			      "          w: {now: arg0.lib_result(), values: {1: one}}\n"
			      "          r: {return: {-1: bad}, skip: others}\n");
	const struct plan_value *v;

	(void)state;
	v = value_at(plan, ABI_SITE_START, "arg1");
	assert_non_null(v);
	assert_int_equal(v->tests[0].recipe.reg, ABI_REG_RSI);
	assert_true(v->tests[0].recipe.in_register && v->tests[0].recipe.width == 4);
	v = value_at(plan, ABI_SITE_START, "arg0.lib_version()");
	assert_int_equal(v->tests[0].recipe.reg, ABI_REG_RDI);
	assert_null(value_at(plan, ABI_SITE_RETURN, "arg0.lib_version()"));
	v = value_at(plan, ABI_SITE_START, "now arg0.lib_result()");
	assert_int_equal(v->tests[0].recipe.reg, ABI_REG_RDI);
	v = value_at(plan, ABI_SITE_RETURN, "now arg0.lib_result()");
	assert_int_equal(v->tests[0].recipe.reg, ABI_REG_SAVED);
	assert_int_equal(v->tests[0].recipe.tail, 32);
	v = value_at(plan, ABI_SITE_RETURN, "result");
	assert_int_equal(v->tests[0].recipe.reg, ABI_REG_RAX);
	assert_int_equal(v->tests[0].choices[0].raw, 0xffffffff);
	assert_true(v->tests[0].otherwise.skip);
	assert_int_equal(plan->rows[0].state, PLAN_READY);
	plan_free(plan);
}

static void expect_choice(const struct plan_choice *c, uint64_t raw, const char *label,
			  unsigned next, bool skip)
{
	assert_int_equal(c->raw, raw);
	if (label)
		assert_string_equal(c->label, label);
	else
		assert_null(c->label);
	assert_int_equal(c->next, next);
	assert_int_equal(c->skip, skip);
}

/* A test of the first number, and one of the second for each of those. */
static void tells_pairs_apart(void **state)
{
	struct plan *plan = plan_for(
		HEAD "    from:\n"
		     "      - function: '" L "lib_plain'\n"
		     "        labels:\n"
		     "          p: {arg: [arg1, arg0.lib_version()], values: {1.5: a, 2.5: b, "
		     "1.6: c}, skip: others}\n"
		     "          r: {now: [return, arg0.lib_result()], values: {-1.7: d}}\n");
	const struct plan_value *v = value_at(plan, ABI_SITE_START, "arg1 and arg0.lib_version()");

	(void)state;
	assert_non_null(v);
	assert_int_equal(v->n_tests, 3);
	assert_int_equal(v->tests[0].recipe.reg, ABI_REG_RSI);
	assert_true(v->tests[0].recipe.in_register && !v->tests[1].recipe.in_register);
	assert_int_equal(v->tests[1].recipe.reg, ABI_REG_RDI);
	assert_int_equal(v->tests[0].n_choices, 2);
	expect_choice(&v->tests[0].choices[0], 1, NULL, 1, false);
	expect_choice(&v->tests[0].choices[1], 2, NULL, 2, false);
	assert_int_equal(v->tests[1].n_choices, 2);
	expect_choice(&v->tests[1].choices[1], 6, "c", 0, false);
	expect_choice(&v->tests[2].choices[0], 5, "b", 0, false);
	for (size_t t = 0; t < v->n_tests; t++)
		assert_true(v->tests[t].otherwise.skip);
	assert_null(value_at(plan, ABI_SITE_START, "now return and arg0.lib_result()"));
	v = value_at(plan, ABI_SITE_RETURN, "now return and arg0.lib_result()");
	assert_non_null(v);
	assert_int_equal(v->tests[0].recipe.reg, ABI_REG_RAX);
	assert_int_equal(v->tests[1].recipe.reg, ABI_REG_SAVED);
	expect_choice(&v->tests[0].choices[0], 0xffffffff, NULL, 1, false);
	expect_choice(&v->tests[1].choices[0], 7, "d", 0, false);
	plan_free(plan);
}

/* More than one test holds are told by the next one, where none of the first fits. */
static void tells_many_apart(void **state)
{
	_strbuf_ struct strbuf text = {};
	const struct plan_value *v;
	struct plan *plan;

	(void)state;
	strbuf_puts(&text,
		    HEAD "    from: ['" L "lib_plain']\n    labels: {n: {arg: arg1, values: {");
	for (int i = 0; i < 17; i++)
		strbuf_printf(&text, "%s%d: v%d", i ? ", " : "", i, i);
	strbuf_puts(&text, "}}}\n");
	plan = plan_for(text.text);
	v = value_at(plan, ABI_SITE_START, "arg1");
	assert_int_equal(v->n_tests, 2);
	assert_int_equal(v->tests[0].n_choices, 16);
	expect_choice(&v->tests[0].otherwise, 0, NULL, 1, false);
	assert_int_equal(v->tests[1].n_choices, 1);
	assert_int_equal(v->tests[1].recipe.reg, ABI_REG_RSI);
	expect_choice(&v->tests[1].choices[0], 16, "v16", 0, false);
	expect_choice(&v->tests[1].otherwise, 0, NULL, 0, false);
	plan_free(plan);
}

/* The pointer to what has the field is looked at before. */
static void reads_behind_a_pointer(void **state)
{
	struct plan *plan = plan_for(
		HEAD "    from: ['" L "lib_plain']\n"
		     "    labels: {k: {arg: arg0.lib_kind(), values: {-7: none, 3: three}}}\n");
	const struct plan_value *v = value_at(plan, ABI_SITE_START, "arg0.lib_kind()");

	(void)state;
	assert_int_equal(v->n_tests, 2);
	assert_int_equal(v->tests[0].recipe.n_steps, 0);
	assert_int_equal(v->tests[0].recipe.width, 8);
	assert_int_equal(v->tests[0].n_choices, 1);
	expect_choice(&v->tests[0].choices[0], 0, "none", 0, false);
	expect_choice(&v->tests[0].otherwise, 0, NULL, 1, false);
	assert_int_equal(v->tests[1].recipe.n_steps, 1);
	assert_int_equal(v->tests[1].recipe.reg, ABI_REG_RDI);
	assert_int_equal(v->tests[1].n_choices, 2);
	plan_free(plan);
}

static void says_what_is_not_told(void **state)
{
	struct plan *plan =
		plan_for(HEAD "    from:\n"
			      "      - function: '" L "lib_imported'\n"
			      "        labels:\n"
			      "          v: {arg: arg0.lib_doubled(), values: {771: old}}\n"
			      "          w: {arg: arg0.lib_lost(), values: {1: one}}\n"
			      "          r: {return: {1: one}}\n");

	(void)state;
	assert_int_equal(plan->rows[0].state, PLAN_PARTIAL);
	assert_string_equal(
		plan->rows[0].reason,
		"arg0.lib_doubled() is unknown: in this build that function does more than read "
		"one field; arg0.lib_lost() is unknown: the library has no such function; result "
		"is unknown: where it ends by a jump to a function that is not the library's, what "
		"that one returns is not seen");
	plan_free(plan);
}

/* As it comes from the process that resolves. */
static void survives_a_pack(void **state)
{
	struct plan *plan = plan_for(HEAD "    from: ['" L "lib_handed']\n"
					  "    labels: {r: {return: {1: one}, skip: others}}\n");
	_strbuf_ struct strbuf a = {}, b = {};
	struct plan *again = NULL;

	(void)state;
	pack_write(plan, &a);
	assert_non_null(strstr(a.text, " key rsp common\n"));
	assert_int_equal(pack_read("p", a.text, a.len, &again, NULL), 0);
	pack_write(again, &b);
	assert_string_equal(a.text, b.text);
	plan_free(plan);
	plan_free(again);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_starts_and_ends),  cmocka_unit_test(marks_common_ends),
		cmocka_unit_test(reads_values),           cmocka_unit_test(says_what_is_not_told),
		cmocka_unit_test(survives_a_pack),        cmocka_unit_test(tells_pairs_apart),
		cmocka_unit_test(tells_many_apart),       cmocka_unit_test(reads_behind_a_pointer),
		cmocka_unit_test(reads_what_others_show),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
