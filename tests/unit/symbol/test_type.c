// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/type.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/tiny_type.h"

static void describes_futures(void **state)
{
	struct tiny t = tiny_open();
	struct type_future vote = tiny_future(t.dbg, "process_vote");
	struct type_future store = tiny_future(t.dbg, "store");

	(void)state;
	assert_string_equal(vote.name, "tiny::process_vote::{async_fn_env#0}");
	assert_int_equal(vote.state, 24);
	assert_int_equal(vote.states, 5); /* two awaits */
	assert_true(vote.size > 24);
	assert_string_equal(store.name, "tiny::store::{async_fn_env#0}");
	assert_int_equal(store.states, 4);
	assert_in_range(store.state, 0, store.size - 1);
	type_future_free(&vote);
	type_future_free(&store);
	assert_null(vote.name);
	tiny_close(&t);
}

static void no_futures_of_others(void **state)
{
	struct tiny t = tiny_open();
	struct type_future future = {};
	Dwarf_Die die;

	(void)state;
	assert_true(tiny_die(t.dbg, DW_TAG_subprogram, "plain", &die));
	assert_false(type_future_of(&die, &future));
	assert_true(tiny_die(t.dbg, DW_TAG_structure_type, "Vote", &die));
	assert_false(type_future_of(&die, &future));
	assert_null(future.name);
	tiny_close(&t);
}

static void names_and_sizes(void **state)
{
	struct tiny t = tiny_open();
	_free_ char *name = NULL;
	Dwarf_Die die;

	(void)state;
	assert_true(tiny_die(t.dbg, DW_TAG_structure_type, "Vote", &die));
	name = type_name(&die);
	assert_string_equal(name, "tiny::Vote");
	assert_int_equal(type_size(&die), 8);
	assert_true(tiny_die(t.dbg, DW_TAG_pointer_type, "&tiny::Vote", &die));
	assert_int_equal(type_size(&die), 8);
	assert_true(tiny_die(t.dbg, DW_TAG_enumeration_type, "Kind", &die));
	assert_int_equal(type_size(&die), 1);
	assert_true(tiny_die(t.dbg, DW_TAG_base_type, "u32", &die));
	assert_int_equal(type_size(&die), 4);
	tiny_close(&t);
}

/* Relative to the state byte: the reference to the vote is at 0, the guard at 16. */
static void finds_arguments(void **state)
{
	struct tiny t = tiny_open();
	struct type_future f = tiny_future(t.dbg, "process_vote");
	_strbuf_ struct strbuf why = {};
	struct type_place p;

	(void)state;
	assert_true(type_argument(&f, "vote.approve", &p, &why));
	assert_int_equal(p.recipe.n_steps, 1);
	assert_int_equal(p.recipe.add[0], -24);
	assert_int_equal(p.recipe.tail, 5);
	assert_string_equal(dwarf_diename(&p.type), "bool");
	assert_true(type_argument(&f, "vote.kind", &p, &why));
	assert_int_equal(p.recipe.tail, 4);
	assert_int_equal(dwarf_tag(&p.type), DW_TAG_enumeration_type);
	assert_true(type_argument(&f, "guard.__0", &p, &why));
	assert_int_equal(p.recipe.n_steps, 0);
	assert_int_equal(p.recipe.tail, 16 - 24);
	assert_int_equal(why.len, 0);
	type_future_free(&f);
	tiny_close(&t);
}

static void says_which_fields_there_are(void **state)
{
	struct tiny t = tiny_open();
	struct type_future f = tiny_future(t.dbg, "process_vote");
	struct type_place p, v = tiny_place(t.dbg, DW_TAG_structure_type, "Vote");
	_strbuf_ struct strbuf why = {}, more = {};

	(void)state;
	assert_false(type_argument(&f, "vote.aprove", &p, &why));
	assert_non_null(strstr(why.text, "no field \"aprove\" in"));
	assert_false(type_follow(&v, "nothing", &more));
	assert_non_null(strstr(more.text, "no field \"nothing\" in Vote; it has"));
	assert_non_null(strstr(more.text, "approve"));
	assert_non_null(strstr(more.text, "round"));
	assert_non_null(strstr(more.text, "kind"));
	type_future_free(&f);
	tiny_close(&t);
}

static void follows_fields(void **state)
{
	struct tiny t = tiny_open();
	struct type_place p = tiny_place(t.dbg, DW_TAG_structure_type, "Vote");
	_strbuf_ struct strbuf why = {};

	(void)state;
	p.recipe.tail = 100;
	assert_true(type_follow(&p, "", &why));
	assert_int_equal(p.recipe.tail, 100);
	assert_true(type_follow(&p, "round", &why));
	assert_int_equal(p.recipe.tail, 100);
	assert_string_equal(dwarf_diename(&p.type), "u32");
	assert_false(type_follow(&p, "further", &why));
	tiny_close(&t);
}

static void moves_within_reason(void **state)
{
	struct type_place p = { .recipe = { .tail = 8 } };

	(void)state;
	assert_true(type_move(&p, 8));
	assert_int_equal(p.recipe.tail, 16);
	assert_false(type_move(&p, INT32_MAX));
	assert_false(type_move(&p, UINT64_MAX));
	assert_false(type_move(&p, 1ULL << 32));
}

static void enters_ready(void **state)
{
	struct tiny t = tiny_open();
	struct type_place p = {}, same;
	Dwarf_Attribute at;
	Dwarf_Die body, raw;

	(void)state;
	assert_true(tiny_body(t.dbg, "process_vote", &body));
	assert_non_null(dwarf_attr_integrate(&body, DW_AT_type, &at));
	assert_non_null(dwarf_formref_die(&at, &raw));
	assert_int_equal(dwarf_peel_type(&raw, &p.type), 0);
	assert_memory_equal(dwarf_diename(&p.type), "Poll<", 5);
	type_enter_ready(&p);
	assert_string_equal(dwarf_diename(&p.type), "Result<tiny::Verdict, tiny::Fault>");
	assert_int_equal(p.recipe.tail, 0);
	same = p;
	type_enter_ready(&p); /* no Poll: nothing happens */
	assert_memory_equal(&p, &same, sizeof(p));
	tiny_close(&t);
}

/* Ready has no value of its own in Poll<Result<…>>: it is whatever Pending is not. */
static void tags_of_enums(void **state)
{
	struct tiny t = tiny_open();
	struct type_place poll = {};
	Dwarf_Die body, raw_type, vote;
	struct type_tag tag, inner;
	uint64_t raw[4], pending;
	Dwarf_Attribute at;

	(void)state;
	assert_true(tiny_body(t.dbg, "process_vote", &body));
	assert_non_null(dwarf_attr_integrate(&body, DW_AT_type, &at));
	assert_non_null(dwarf_formref_die(&at, &raw_type));
	assert_int_equal(dwarf_peel_type(&raw_type, &poll.type), 0);
	assert_true(type_tag(&poll.type, &tag));
	assert_true(type_variant(&poll.type, "Pending", &pending));
	assert_false(type_variant(&poll.type, "Ready", &raw[0]));
	assert_false(type_variant(&poll.type, "Nothing", &raw[0]));
	type_enter_ready(&poll);
	assert_true(type_tag(&poll.type, &inner));
	assert_true(inner.offset == tag.offset && inner.width == tag.width);
	assert_int_equal(type_variants(&poll.type, raw, 4), 2);
	assert_true(raw[0] != raw[1] && pending != raw[0] && pending != raw[1]);
	assert_int_equal(type_variants(&poll.type, raw, 1), 1);
	assert_true(tiny_die(t.dbg, DW_TAG_structure_type, "Vote", &vote));
	assert_false(type_tag(&vote, &tag));
	assert_int_equal(type_variants(&vote, raw, 4), 0);
	tiny_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(describes_futures),
		cmocka_unit_test(no_futures_of_others),
		cmocka_unit_test(names_and_sizes),
		cmocka_unit_test(finds_arguments),
		cmocka_unit_test(says_which_fields_there_are),
		cmocka_unit_test(follows_fields),
		cmocka_unit_test(moves_within_reason),
		cmocka_unit_test(enters_ready),
		cmocka_unit_test(tags_of_enums),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
