// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/argument.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/containers.h"
#include "symbol/tiny_function.h"
#include "symbol/tiny_type.h"

/* Asks for the first argument that a label of tiny::plain wants. */
static bool ask(const char *label, struct plan_value *value, struct strbuf *why)
{
	_free_ char *text =
		mem_printf("profile: x\nmetrics:\n  a_total:\n    type: counter\n"
			   "    help: x\n    from: tiny::plain\n    labels:\n      l: %s\n",
			   label);
	struct tiny t = tiny_open();
	struct function *fn = tiny_open_function(&t, "4tiny5plain");
	struct profile *profile = tiny_profile(text);
	Dwarf_Die die;
	bool found;

	assert_true(tiny_die(t.dbg, DW_TAG_subprogram, "plain", &die));
	*value = (struct plan_value){};
	found = argument_plain(fn, &die, &profile->funcs[0].values[0], value, why);
	function_free(fn);
	profile_free(profile);
	tiny_close(&t);
	return found;
}

static void is_at(const char *label, unsigned reg, unsigned width, bool in_register, int tail)
{
	_strbuf_ struct strbuf why = {};
	struct plan_value value;
	const struct abi_recipe *r = &value.tests[0].recipe;

	assert_true(ask(label, &value, &why));
	assert_int_equal(value.n_tests, 1);
	assert_int_equal(r->reg, reg);
	assert_int_equal(r->width, width);
	assert_int_equal(r->in_register, in_register);
	assert_int_equal(r->tail, tail);
	assert_int_equal(r->n_steps, 0);
	plan_value_clear(&value);
}

static void in_registers(void **state)
{
	(void)state;
	/* a bool is described as the low bit of edi */
	is_at("{arg: approve, values: {true: a, false: r}}", ABI_REG_RDI, 1, true, 0);
	is_at("{arg: kind, values: {Timeout: t}}", ABI_REG_RDX, 1, true, 0);
}

static void behind_references(void **state)
{
	(void)state;
	is_at("{arg: vote.round, values: {1: one}}", ABI_REG_RSI, 4, false, 0);
	is_at("{arg: vote.approve, values: {true: a}}", ABI_REG_RSI, 1, false, 5);
}

/* The seventh argument, of which the pointer is on the stack, above the return address; its
 * own place is in the debug information, by the frame that the function makes. */
static void behind_the_stack(void **state)
{
	static const char text[] =
		"profile: x\nmetrics:\n  a_seconds:\n    type: histogram\n    help: x\n"
		"    buckets: [1]\n    span:\n      from: {function: 'x::greets', key: hello.random}\n"
		"      to: {function: 'x::y', key: id}\n";
	struct containers c = containers_open();
	struct profile *profile = tiny_profile(text);
	_strbuf_ struct strbuf why = {};
	struct plan_value value = {};
	const struct abi_recipe *a = &value.tests[0].recipe, *b = &value.tests[1].recipe;
	struct function *fn = NULL;
	struct image *image = NULL;
	const struct image_symbol *sym;
	Dwarf_Die die;

	(void)state;
	assert_int_equal(image_open(c.fd, "containers.elf", &image, NULL), 0);
	image_load_symbols(image, image->elf);
	sym = tiny_symbol(image, "greets");
	assert_int_equal(function_open(image, sym->addr, sym->addr + sym->size, &fn, NULL), 0);
	assert_true(tiny_die(c.dbg, DW_TAG_subprogram, "greets", &die));
	if (!argument_plain(fn, &die, &profile->funcs[0].values[0], &value, &why))
		fail_msg("%s", why.text);
	assert_int_equal(value.n_tests, 2);
	assert_int_equal(a->reg, ABI_REG_RSP);
	assert_int_equal(a->n_steps, 1);
	assert_int_equal(a->add[0], 8);
	assert_int_equal(a->tail, (int32_t)containers_offset(&c, "Greeting", "random"));
	assert_int_equal(b->add[0], 8);
	assert_int_equal(b->tail, a->tail + 24);
	plan_value_clear(&value);
	function_free(fn);
	image_free(image);
	profile_free(profile);
	containers_close(&c);
}

static void says_why_not(void **state)
{
	_strbuf_ struct strbuf why = {}, more = {};
	struct plan_value value;

	(void)state;
	assert_false(ask("{arg: nobody, values: {1: one}}", &value, &why));
	assert_string_equal(why.text, "no parameter \"nobody\"");
	plan_value_clear(&value);
	assert_false(ask("{arg: kind.more, values: {1: one}}", &value, &more));
	assert_string_equal(more.text, "no field \"more\" in Kind");
	plan_value_clear(&value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_registers),
		cmocka_unit_test(behind_references),
		cmocka_unit_test(behind_the_stack),
		cmocka_unit_test(says_why_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
