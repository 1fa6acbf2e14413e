// SPDX-License-Identifier: BSD-2-Clause
#include "probe/compile.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "probe/sample.h"

/* A plan for the sample: vote starts and returns, with its label read at the start. */
struct fixture {
	struct plan_func funcs[3];
	struct plan_row rows[3];
	struct plan_choice choices[3];
	struct plan_value value;
	struct plan_site sites[3];
	struct plan plan;
	struct profile numbers; /* of some tests */
	struct layout *layout;
	struct compiled *compiled;
};

static void fill(struct fixture *f)
{
	*f = (struct fixture){
		.funcs = { { (char *)"node::vote" }, { (char *)"node::other" }, { (char *)"node::sign" } },
		.choices = { { .raw = 1, .label = (char *)"approve" },
			     { .raw = 0xff00, .label = (char *)"reject" },
			     { .raw = 2, .next = 1 } },
		.sites = {
			{ .kind = ABI_SITE_START, .offset = 0x10, .n_bytes = 1, .n_values = 1,
			  .key = { .reg = ABI_REG_RDI }, .saved = { .reg = ABI_REG_NONE } },
			{ .kind = ABI_SITE_RETURN, .offset = 0x20, .n_bytes = 1,
			  .key = { .reg = ABI_REG_RSP }, .saved = { .reg = ABI_REG_NONE } },
			{ .kind = ABI_SITE_START, .func = 2, .instance = 2, .n_bytes = 1,
			  .key = { .reg = ABI_REG_RSP }, .saved = { .reg = ABI_REG_NONE } },
		},
	};
	f->value.n_tests = 2;
	f->value.text = (char *)"vote.approve";
	f->value.tests[0] = (struct plan_test){ .recipe = { .reg = ABI_REG_KEY, .width = 1 },
						.choices = f->choices,
						.n_choices = 3 };
	f->value.tests[1] =
		(struct plan_test){ .recipe = { .reg = ABI_REG_RAX, .width = 4, .in_register = 1 },
				    .otherwise = { .label = (char *)"approve" } };
	f->sites[0].values = &f->value;
	f->plan = (struct plan){ .funcs = f->funcs,
				 .n_funcs = 3,
				 .rows = f->rows,
				 .n_rows = 3,
				 .sites = f->sites,
				 .n_sites = 3 };
}

static int compile(struct fixture *f)
{
	assert_int_equal(layout_make(&sample, &f->layout, NULL), 0);
	return compile_plan(f->layout, &f->plan, &f->compiled, NULL);
}

static void clear(struct fixture *f)
{
	compiled_free(f->compiled);
	layout_free(f->layout);
}

static void turns_names_into_numbers(void **state)
{
	const struct abi_value *value;
	struct fixture f;

	(void)state;
	fill(&f);
	f.sites[2].func = 1; /* a function that the profile does not name */
	assert_int_equal(compile(&f), 0);
	assert_int_equal(f.compiled->n_sites, 2);
	assert_int_equal(f.compiled->n_refusals, 0);
	assert_int_equal(f.compiled->sites[0].func, VOTE);
	assert_int_equal(f.compiled->sites[0].slot[0], 0);
	assert_int_equal(f.compiled->sites[0].slot[1], ABI_NO_SLOT);
	assert_int_equal(f.compiled->sites[1].slot[0], ABI_NO_SLOT);
	value = &f.compiled->values[f.compiled->sites[0].value[0]];
	assert_int_equal(value->n_tests, 2);
	assert_int_equal(value->tests[0].target[0], 0);
	assert_int_equal(value->tests[0].target[1], 1);
	assert_int_equal(value->tests[0].raw[1], 0); /* as wide as what is read */
	assert_int_equal(value->tests[0].target[2], ABI_GOTO | 1);
	assert_int_equal(value->tests[0].otherwise, ABI_UNKNOWN);
	assert_int_equal(value->tests[1].otherwise, 0);
	clear(&f);
}

static void shares_values(void **state)
{
	struct fixture f;

	(void)state;
	fill(&f);
	f.sites[1].values = &f.value;
	f.sites[1].n_values = 1;
	assert_int_equal(compile(&f), 0);
	assert_int_equal(f.compiled->n_values, 1);
	clear(&f);
}

/* What is wrong with a label leaves the label out and keeps the site. */
static void keeps_site_without_label(struct fixture *f, const char *word)
{
	assert_int_equal(compile(f), 0);
	assert_int_equal(f->compiled->n_sites, 3);
	assert_int_equal(f->compiled->n_values, 0);
	assert_int_equal(f->compiled->n_refusals, 1);
	assert_false(f->compiled->refusals[0].whole);
	assert_non_null(strstr(f->compiled->refusals[0].reason, word));
	clear(f);
}

static void leaves_out_bad_labels(void **state)
{
	struct plan_choice many[17] = {};
	struct fixture f;

	(void)state;
	fill(&f);
	f.choices[0].label = (char *)"perhaps";
	keeps_site_without_label(&f, "no label \"perhaps\"");
	fill(&f);
	f.choices[2].next = 2;
	keeps_site_without_label(&f, "leads nowhere");
	fill(&f);
	f.value.tests[0].otherwise.next = 9;
	keeps_site_without_label(&f, "default leads nowhere");
	fill(&f);
	f.value.slot = 1;
	keeps_site_without_label(&f, "does not ask");
	fill(&f);
	f.value.n_tests = ABI_TESTS_MAX + 1;
	keeps_site_without_label(&f, "too many tests");
	fill(&f);
	f.value.tests[0].choices = many;
	f.value.tests[0].n_choices = 17;
	keeps_site_without_label(&f, "more than 16");
	fill(&f);
	f.value.tests[0].recipe.reg = ABI_REG_RIP;
	keeps_site_without_label(&f, "names no register");
	fill(&f);
	f.value.tests[0].recipe.width = 3;
	keeps_site_without_label(&f, "width");
	fill(&f);
	f.value.tests[1].recipe.n_steps = 1;
	keeps_site_without_label(&f, "register and memory at once");
	fill(&f);
	f.value.tests[1].recipe.tail = 9 - f.value.tests[1].recipe.width;
	keeps_site_without_label(&f, "reads past a register");
	fill(&f);
	f.value.tests[1].recipe.tail = -1;
	keeps_site_without_label(&f, "reads past a register");
	fill(&f);
	f.value.tests[0].recipe.n_steps = ABI_STEPS_MAX + 1;
	keeps_site_without_label(&f, "too many steps");
}

/* The fixture's vote with a number, "n", beside its label. */
static void fill_number(struct fixture *f, struct plan_value values[2])
{
	static struct profile_source source = { .func = VOTE, .on = 1, .number = 1 };
	static struct profile_metric metric = { .is_of_numbers = true,
						.sources = &source,
						.n_sources = 1 };

	fill(f);
	f->numbers = sample;
	f->numbers.metrics = &metric;
	f->numbers.n_metrics = 1;
	f->numbers.funcs[VOTE].values[1] =
		(struct profile_value){ .is_number = true, .path = (char *)"n" };
	f->numbers.funcs[VOTE].n_values = 2;
	values[0] = (struct plan_value){
		.slot = 1, .reading = PLAN_SIGNED, .n_tests = 1, .text = (char *)"n"
	};
	values[0].tests[0].recipe = (struct abi_recipe){ .reg = ABI_REG_KEY, .width = 4 };
	values[1] = f->value;
	f->sites[0].values = values;
	f->sites[0].n_values = 2;
}

/* Makes it a number of the result: behind one variant, others are skipped. */
static void make_result(struct fixture *f, struct plan_value *value, struct plan_choice *ok)
{
	f->numbers.funcs[VOTE].values[1].kind = PROFILE_VALUE_RETURN;
	value->text = (char *)"result n";
	value->n_tests = 2;
	value->tests[1].recipe = value->tests[0].recipe;
	*ok = (struct plan_choice){ .next = 1 };
	value->tests[0].choices = ok;
	value->tests[0].n_choices = 1;
	value->tests[0].otherwise.skip = true;
}

static void compile_numbers(struct fixture *f)
{
	assert_int_equal(layout_make(&f->numbers, &f->layout, NULL), 0);
	assert_int_equal(compile_plan(f->layout, &f->plan, &f->compiled, NULL), 0);
}

/* Numbers stand behind the labels, and every site of the function knows of them. */
static void reads_numbers(void **state)
{
	struct plan_value values[2];
	const struct abi_site *site;
	struct fixture f;

	(void)state;
	fill_number(&f, values);
	compile_numbers(&f);
	assert_int_equal(f.compiled->n_refusals, 0);
	site = &f.compiled->sites[0];
	assert_int_equal(site->numbered, 1);
	assert_int_equal(site->slot[0], 0);
	assert_int_equal(site->slot[1], ABI_NUMBER_SLOT | 1);
	assert_int_equal(site->slot[2], ABI_NO_SLOT);
	assert_int_equal(f.compiled->values[site->value[1]].is_signed, 1);
	assert_int_equal(f.compiled->values[site->value[1]].n_tests, 1);
	assert_int_equal(f.compiled->values[site->value[0]].is_signed, 0);
	assert_int_equal(f.compiled->sites[1].numbered, 1);
	assert_int_equal(f.compiled->sites[2].numbered, 0);
	clear(&f);
}

static void keeps_site_without_number(struct fixture *f, const char *word)
{
	compile_numbers(f);
	assert_int_equal(f->compiled->n_sites, 3);
	assert_int_equal(f->compiled->n_refusals, 1);
	assert_non_null(strstr(f->compiled->refusals[0].reason, word));
	assert_int_equal(f->compiled->sites[0].slot[1], ABI_NO_SLOT);
	clear(f);
}

static void tells_other_variants(void **state)
{
	const struct abi_value *value;
	struct plan_value values[2];
	struct plan_choice ok;
	struct fixture f;

	(void)state;
	fill_number(&f, values);
	make_result(&f, &values[0], &ok);
	compile_numbers(&f);
	assert_int_equal(f.compiled->n_refusals, 0);
	value = &f.compiled->values[f.compiled->sites[0].value[1]];
	assert_int_equal(value->n_tests, 2);
	assert_int_equal(value->tests[0].target[0], ABI_GOTO | 1);
	assert_int_equal(value->tests[0].otherwise, ABI_SKIP);
	clear(&f);
	fill_number(&f, values);
	make_result(&f, &values[0], &ok);
	values[0].text = (char *)"n"; /* an argument of that name */
	keeps_site_without_number(&f, "does not ask");
}

/* Calls are left out where the profile says so, not where only an old pack does. */
static void skips_what_the_profile_skips(void **state)
{
	struct profile_choice skipping[] = { { (char *)"true", (char *)"approve" },
					     { (char *)"1", (char *)"reject" },
					     { (char *)"false", NULL } };
	struct fixture f;

	(void)state;
	fill(&f);
	f.choices[1] = (struct plan_choice){ .raw = 0, .skip = true };
	keeps_site_without_label(&f, "the profile skips nothing there");
	fill(&f);
	f.choices[1] = (struct plan_choice){ .raw = 0, .skip = true };
	f.numbers = sample;
	f.numbers.funcs[VOTE].values[0].choices = skipping;
	assert_int_equal(layout_make(&f.numbers, &f.layout, NULL), 0);
	assert_int_equal(f.layout->values[VOTE][0].n, 2);
	assert_int_equal(compile_plan(f.layout, &f.plan, &f.compiled, NULL), 0);
	assert_int_equal(f.compiled->n_refusals, 0);
	assert_int_equal(f.compiled->values[0].tests[0].target[1], ABI_SKIP);
	clear(&f);
}

/* The fixture's vote with a key, "id", beside its label: it begins spans. */
static void fill_key(struct fixture *f, struct plan_value values[2], enum plan_reading reading)
{
	static struct profile_source source = { .func = VOTE, .begins = true, .key = 1 };
	static struct profile_metric metric = {
		.type = PROFILE_HISTOGRAM, .is_of_spans = true, .sources = &source, .n_sources = 1
	};

	fill_number(f, values);
	f->numbers.metrics = &metric;
	f->numbers.funcs[VOTE].values[1] =
		(struct profile_value){ .is_key = true, .path = (char *)"id" };
	values[0].text = (char *)"id";
	values[0].reading = reading;
	values[0].n_tests = reading == PLAN_KEY_TEXT ? 2 : 1;
	values[0].tests[0].recipe.width = 8;
	values[0].tests[1].recipe =
		(struct abi_recipe){ .reg = ABI_REG_KEY, .width = 8, .tail = 8 };
}

static void reads_keys(void **state)
{
	static const struct {
		enum plan_reading reading;
		unsigned hashed, is_signed, n_tests;
	} cases[] = { { PLAN_KEY, ABI_HASHED_WORDS, 0, 1 },
		      { PLAN_KEY_SIGNED, ABI_HASHED_WORDS, 1, 1 },
		      { PLAN_KEY_TEXT, ABI_HASHED_TEXT, 0, 2 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct plan_value values[2];
		const struct abi_value *value;
		struct fixture f;

		fill_key(&f, values, cases[i].reading);
		compile_numbers(&f);
		assert_int_equal(f.compiled->n_refusals, 0);
		assert_int_equal(f.compiled->sites[0].numbered, 1);
		assert_int_equal(f.compiled->sites[0].slot[1], ABI_NUMBER_SLOT | 1);
		value = &f.compiled->values[f.compiled->sites[0].value[1]];
		assert_int_equal(value->hashed, cases[i].hashed);
		assert_int_equal(value->is_signed, cases[i].is_signed);
		assert_int_equal(value->n_tests, cases[i].n_tests);
		assert_int_equal(f.compiled->values[f.compiled->sites[0].value[0]].hashed, 0);
		clear(&f);
	}
}

static void fill_time(struct fixture *f, struct plan_value values[2])
{
	fill_number(f, values);
	f->numbers.funcs[VOTE].values[1] =
		(struct profile_value){ .is_number = true, .path = (char *)"rtt.as_secs_f64()" };
	values[0].text = (char *)"rtt.as_secs_f64()";
	values[0].reading = PLAN_TIME;
	values[0].n_tests = 2;
	values[0].tests[0].recipe.width = 8;
	values[0].tests[1].recipe =
		(struct abi_recipe){ .reg = ABI_REG_KEY, .width = 4, .tail = 8 };
}

static void reads_times(void **state)
{
	struct plan_choice label = { .raw = 1, .label = (char *)"approve" };
	struct plan_value values[2];
	const struct abi_value *value;
	struct fixture f;

	(void)state;
	fill_time(&f, values);
	compile_numbers(&f);
	assert_int_equal(f.compiled->n_refusals, 0);
	value = &f.compiled->values[f.compiled->sites[0].value[1]];
	assert_int_equal(value->is_time, 1);
	assert_int_equal(value->n_tests, 2);
	clear(&f);
	fill_time(&f, values);
	values[0].n_tests = 1;
	keeps_site_without_number(&f, "a time has seconds and nanoseconds");
	fill_time(&f, values);
	values[0].tests[1].recipe.width = 8;
	keeps_site_without_number(&f, "a time has seconds and nanoseconds");
	fill_time(&f, values);
	values[0].tests[0].choices = &label;
	values[0].tests[0].n_choices = 1;
	keeps_site_without_number(&f, "a time has seconds and nanoseconds");
}

static void leaves_out_bad_keys(void **state)
{
	struct plan_choice label = { .raw = 1, .label = (char *)"approve" };
	struct plan_value values[2];
	struct fixture f;

	(void)state;
	fill_key(&f, values, PLAN_KEY);
	values[0].text = (char *)"another";
	keeps_site_without_number(&f, "another: the profile does not ask for it, so the key");
	fill_key(&f, values, PLAN_NUMBER);
	keeps_site_without_number(&f, "does not ask");
	fill_number(&f, values);
	values[0].reading = PLAN_KEY;
	keeps_site_without_number(&f, "does not ask");
	fill_key(&f, values, PLAN_KEY_TEXT);
	values[0].n_tests = 1;
	keeps_site_without_number(&f, "a place and a length");
	fill_key(&f, values, PLAN_KEY_SIGNED);
	values[0].n_tests = 2;
	keeps_site_without_number(&f, "a place and a length");
	fill_key(&f, values, PLAN_KEY);
	values[0].n_tests = 3;
	keeps_site_without_number(&f, "a place and a length");
	fill_key(&f, values, PLAN_KEY_TEXT);
	values[0].tests[1].recipe.width = 4;
	keeps_site_without_number(&f, "no width, or a wrong one");
	fill_key(&f, values, PLAN_KEY);
	values[0].tests[0].recipe.width = 0;
	keeps_site_without_number(&f, "no width, or a wrong one");
	fill_key(&f, values, PLAN_KEY);
	values[0].tests[0].choices = &label;
	values[0].tests[0].n_choices = 1;
	keeps_site_without_number(&f, "the way to a key has labels");
}

/* A pack that was made with other profiles numbers the values otherwise. */
static void finds_values_elsewhere(void **state)
{
	struct plan_value values[2];
	struct fixture f;

	(void)state;
	fill_number(&f, values);
	values[0].slot = 0; /* a label's */
	compile_numbers(&f);
	assert_int_equal(f.compiled->n_refusals, 0);
	assert_int_equal(f.compiled->sites[0].slot[0], 0);
	assert_int_equal(f.compiled->sites[0].slot[1], ABI_NUMBER_SLOT | 1);
	clear(&f);
}

/* A pack of another profile must not feed one number for another. */
static void leaves_out_bad_numbers(void **state)
{
	struct plan_choice label = { .raw = 1, .label = (char *)"approve" };
	struct plan_value values[2];
	struct fixture f;

	(void)state;
	fill_number(&f, values);
	values[0].text = (char *)"m";
	keeps_site_without_number(&f, "m: the profile does not ask for it, so the number");
	fill_number(&f, values);
	values[0].text = NULL;
	keeps_site_without_number(&f, "does not ask");
	fill_number(&f, values);
	values[0].reading = PLAN_LABEL;
	keeps_site_without_number(&f, "does not ask");
	fill_number(&f, values);
	values[0].tests[0].choices = &label;
	values[0].tests[0].n_choices = 1;
	keeps_site_without_number(&f, "the way to a number has labels");
	fill_number(&f, values);
	values[0].tests[0].recipe.width = 3;
	keeps_site_without_number(&f, "width");
}

/* What is wrong with a site takes its whole instance, and no other. */
static void refuses_instance(struct fixture *f, const char *word)
{
	assert_int_equal(compile(f), 0);
	assert_int_equal(f->compiled->n_sites, 1);
	assert_int_equal(f->compiled->sites[0].func, SIGN);
	assert_int_equal(f->compiled->n_refusals, 1);
	assert_true(f->compiled->refusals[0].whole);
	assert_int_equal(f->compiled->refusals[0].instance, 0);
	assert_non_null(strstr(f->compiled->refusals[0].reason, word));
	clear(f);
}

static void leaves_out_bad_instances(void **state)
{
	struct fixture f;

	(void)state;
	fill(&f);
	f.sites[1].kind = (enum abi_site_kind)4;
	refuses_instance(&f, "kind");
	fill(&f);
	f.sites[1].n_bytes = 0;
	refuses_instance(&f, "which bytes");
	fill(&f);
	f.sites[1].n_bytes = PLAN_BYTES_MAX + 1;
	refuses_instance(&f, "which bytes");
	fill(&f);
	f.sites[1].key.width = 8;
	refuses_instance(&f, "yields no address");
	fill(&f);
	f.sites[1].key.reg = ABI_REG_KEY;
	refuses_instance(&f, "names no register");
	fill(&f);
	f.sites[0].saved.reg = 200;
	refuses_instance(&f, "saved pointer names no register");
	fill(&f);
	f.sites[0].n_values = ABI_VALUES_MAX + 1;
	refuses_instance(&f, "reads 5 values");
}

static void survives_wild_indexes(void **state)
{
	struct fixture f;

	(void)state;
	fill(&f);
	f.sites[0].func = 77;
	f.sites[1].instance = 77;
	assert_int_equal(compile(&f), 0);
	assert_int_equal(f.compiled->n_sites, 1);
	clear(&f);
}

static void refuses_huge_plans(void **state)
{
	struct fixture f;
	struct err err = {};

	(void)state;
	fill(&f);
	f.plan.n_sites = ABI_SITES_MAX + 1;
	f.plan.sites = mem_array(f.plan.n_sites, sizeof(*f.plan.sites));
	for (size_t i = 0; i < f.plan.n_sites; i++)
		f.plan.sites[i] = f.sites[1];
	assert_int_equal(layout_make(&sample, &f.layout, NULL), 0);
	assert_int_equal(compile_plan(f.layout, &f.plan, &f.compiled, &err), -E2BIG);
	assert_null(f.compiled);
	assert_non_null(strstr(err.text, "8193 sites"));
	mem_freep(&f.plan.sites);
	clear(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(turns_names_into_numbers),
		cmocka_unit_test(finds_values_elsewhere),
		cmocka_unit_test(shares_values),
		cmocka_unit_test(leaves_out_bad_labels),
		cmocka_unit_test(reads_numbers),
		cmocka_unit_test(tells_other_variants),
		cmocka_unit_test(skips_what_the_profile_skips),
		cmocka_unit_test(leaves_out_bad_numbers),
		cmocka_unit_test(reads_keys),
		cmocka_unit_test(reads_times),
		cmocka_unit_test(leaves_out_bad_keys),
		cmocka_unit_test(leaves_out_bad_instances),
		cmocka_unit_test(survives_wild_indexes),
		cmocka_unit_test(refuses_huge_plans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
