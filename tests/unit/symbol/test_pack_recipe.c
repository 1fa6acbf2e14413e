// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/pack_recipe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

static void same(const struct abi_recipe *recipe, const char *text)
{
	_strbuf_ struct strbuf out = {};
	struct abi_recipe again;
	const char *why;

	pack_recipe_write(recipe, &out);
	assert_string_equal(out.text, text);
	assert_int_equal(pack_recipe_read(text, &again, &why), strlen(text));
	assert_memory_equal(&again, recipe, sizeof(again));
}

static void goes_there_and_back(void **state)
{
	(void)state;
	same(&(struct abi_recipe){ .reg = ABI_REG_RBX, .tail = 272 }, "rbx+272");
	same(&(struct abi_recipe){ .reg = ABI_REG_RSP }, "rsp");
	same(&(struct abi_recipe){ .reg = ABI_REG_RSP, .n_steps = 1, .add = { 72 }, .tail = 8 },
	     "[rsp+72]+8");
	same(&(struct abi_recipe){ .reg = ABI_REG_KEY, .width = 1, .tail = -104 }, "key-104:1");
	same(&(struct abi_recipe){ .reg = ABI_REG_RAX, .width = 8, .in_register = 1 }, "rax:8r");
	same(&(struct abi_recipe){ .reg = ABI_REG_RAX, .width = 1, .in_register = 1, .tail = 7 },
	     "rax+7:1r");
	same(&(struct abi_recipe){ .reg = ABI_REG_SAVED,
				   .n_steps = 4,
				   .width = 4,
				   .add = { 0, INT32_MAX, INT32_MIN, -1 },
				   .tail = INT32_MIN },
	     "[[[[saved]+2147483647]-2147483648]-1]-2147483648:4");
}

static void knows_every_register(void **state)
{
	unsigned known = 0;

	(void)state;
	for (unsigned reg = 0; reg < 256; reg++) {
		struct abi_recipe recipe = { .reg = (__u8)reg }, again;
		_strbuf_ struct strbuf out = {};
		const char *why;

		pack_recipe_write(&recipe, &out);
		if (strcmp(out.text, "?") == 0)
			continue;
		known++;
		assert_int_equal(pack_recipe_read(out.text, &again, &why), out.len);
		assert_int_equal(again.reg, reg);
		assert_int_not_equal(reg, ABI_REG_NONE);
		assert_int_not_equal(reg, ABI_REG_RIP);
	}
	assert_int_equal(known, 18);
}

/* What goes on behind a recipe is not its matter. */
static void takes_what_is_its_own(void **state)
{
	struct abi_recipe recipe;
	const char *why;

	(void)state;
	assert_int_equal(pack_recipe_read("rbx+272 saved rdi", &recipe, &why), 7);
	assert_int_equal(pack_recipe_read("rax]", &recipe, &why), 3);
	assert_int_equal(pack_recipe_read("rax:8rr", &recipe, &why), 6);
	assert_int_equal(pack_recipe_read("[r8]:1", &recipe, &why), 6);
}

static void refuses(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "", "no register" },
		{ "rip", "no register" },
		{ "ra", "no register" },
		{ "raxx", "no register" },
		{ "RAX", "no register" },
		{ "+8", "no register" },
		{ "[]", "no register" },
		{ "rax+", "offset" },
		{ "rax-", "offset" },
		{ "rax+-8", "offset" },
		{ "rax+2147483648", "offset" },
		{ "rax-2147483649", "offset" },
		{ "rax+99999999999999999999999999", "offset" },
		{ "[rax+2147483648]", "offset" },
		{ "[rax", "no ]" },
		{ "[[rax]+8", "no ]" },
		{ "[rax:4]", "no ]" },
		{ "[[[[[rax]]]]]", "more than 4 steps" },
		{ "[[[[[[[[[[[[[[[[[[[[[[[[[[[", "more than 4 steps" },
		{ "rax:", "1, 2, 4 or 8" },
		{ "rax:0", "1, 2, 4 or 8" },
		{ "rax:3", "1, 2, 4 or 8" },
		{ "rax:r", "1, 2, 4 or 8" },
		{ "rax+8:8r", "past a register" },
		{ "rax+7:2r", "past a register" },
		{ "rax-1:1r", "past a register" },
		{ "[rax]:8r", "at once" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct abi_recipe recipe = { .reg = 77 };
		const char *why = NULL;

		assert_int_equal(pack_recipe_read(cases[i].text, &recipe, &why), 0);
		assert_non_null(strstr(why, cases[i].why));
		assert_int_equal(recipe.reg, 77);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goes_there_and_back),
		cmocka_unit_test(knows_every_register),
		cmocka_unit_test(takes_what_is_its_own),
		cmocka_unit_test(refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
