// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/type.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/containers.h"

/* The length of held.@field: behind so many pointers, in that member of the last block. */
static void is_at(const char *field, const char *in, const char *member, unsigned steps)
{
	struct containers c = containers_open();
	_free_ char *path = mem_printf("%s.len()", field);
	_strbuf_ struct strbuf why = {};
	struct type_place place = containers_held(&c), at = place;
	uint64_t offset = containers_offset(&c, in, member);

	if (!type_follow(&place, path, &why))
		fail_msg("%s: %s", path, why.text);
	assert_int_equal(place.recipe.n_steps, steps);
	assert_string_equal(dwarf_diename(&place.type), "usize");
	if (!steps) { /* in the field itself */
		assert_true(type_follow(&at, field, &why));
		offset += (uint64_t)at.recipe.tail;
	}
	assert_int_equal(place.recipe.tail, offset);
	containers_close(&c);
}

static void of_std(void **state)
{
	(void)state;
	is_at("vec", "Vec<u32, alloc::alloc::Global>", "len", 0);
	is_at("string", "Vec<u8, alloc::alloc::Global>", "len", 0);
	is_at("deque", "VecDeque<u8, alloc::alloc::Global>", "len", 0);
	is_at("tree", "BTreeMap<u8, u16, alloc::alloc::Global>", "length", 0);
	is_at("set", "BTreeMap<u8, u16, alloc::alloc::Global>", "length", 0);
	is_at("heap", "Vec<u8, alloc::alloc::Global>", "len", 0);
	is_at("list", "LinkedList<u8, alloc::alloc::Global>", "len", 0);
}

static void of_hash_tables(void **state)
{
	uint64_t table;
	struct containers c = containers_open();

	(void)state;
	table = containers_offset(&c, "HashMap<u8, u16>", "table");
	assert_true(table > 0); /* behind the hasher */
	containers_close(&c);
	is_at("map.table", "RawTableInner", "items", 0);
	is_at("hash_set.map.table", "RawTableInner", "items", 0);
	is_at("map.table.table", "RawTableInner", "items", 0);
}

/* The same place from outside: through the map, past its hasher. */
static void goes_past_the_hasher(void **state)
{
	static const char *const paths[] = { "map.len()", "map.table.len()", "hash_set.len()",
					     "hash_set.map.table.len()" };
	struct containers c = containers_open();
	struct type_place place[ARRAY_SIZE(paths)];
	_strbuf_ struct strbuf why = {};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		place[i] = containers_held(&c);
		assert_true(type_follow(&place[i], paths[i], &why));
	}
	assert_int_equal(place[0].recipe.tail, place[1].recipe.tail);
	assert_int_equal(place[2].recipe.tail, place[3].recipe.tail);
	assert_int_not_equal(place[0].recipe.tail, place[2].recipe.tail);
	containers_close(&c);
}

static void of_slices(void **state)
{
	(void)state;
	is_at("slice", "&[u32]", "length", 0);
	is_at("text", "&str", "length", 0);
	is_at("boxed", "alloc::boxed::Box<[u32], alloc::alloc::Global>", "length", 0);
	is_at("boxed_text", "alloc::boxed::Box<str, alloc::alloc::Global>", "length", 0);
	is_at("shared", "*const alloc::sync::ArcInner<[u32]>", "length", 0);
	is_at("shared_text", "*const alloc::sync::ArcInner<str>", "length", 0);
	is_at("counted", "*const alloc::rc::RcInner<[u8]>", "length", 0);
}

static void through_pointers_and_newtypes(void **state)
{
	struct containers c = containers_open();
	struct type_place place = containers_held(&c);
	_strbuf_ struct strbuf why = {};

	(void)state;
	is_at("names", "Vec<alloc::string::String, alloc::alloc::Global>", "len", 0);
	is_at("names.0", "Vec<alloc::string::String, alloc::alloc::Global>", "len", 0);
	is_at("behind", "Vec<u8, alloc::alloc::Global>", "len", 2);
	assert_true(type_follow(&place, "arc.len()", &why)); /* past the two counts of an Arc */
	assert_int_equal(place.recipe.n_steps, 1);
	assert_int_equal(place.recipe.tail,
			 16 + containers_offset(&c, "Vec<u8, alloc::alloc::Global>", "len"));
	place = containers_held(&c);
	assert_true(type_follow(&place, "cell.len()", &why));
	assert_int_equal(place.recipe.n_steps, 1);
	containers_close(&c);
}

static void refuses(const char *path, const char *want)
{
	struct containers c = containers_open();
	struct type_place place = containers_held(&c);
	_strbuf_ struct strbuf why = {};

	assert_false(type_follow(&place, path, &why));
	if (!strstr(why.text, want))
		fail_msg("%s: \"%s\" does not say \"%s\"", path, why.text, want);
	containers_close(&c);
}

/* What is not known is not guessed: a struct with a Vec beside something else has no length. */
static void says_what_has_no_length(void **state)
{
	(void)state;
	refuses("small.len()", "no length is known of it (type u8)");
	refuses("option.len()", "no length is known of it (type Option<");
	refuses("beside.len()", "no length is known of it (type Beside)");
	refuses("foreign.len()", "no length is known of it (type Vec)");
	refuses("object.len()", "no length is known of it (type ");
	refuses("c_string.len()", "no length is known of it (type CString)");
	refuses("array.len()", "an array has one length for ever");
	refuses("absent.len()", "no field \"absent\" in Held");
}

/* How many presignatures there are is no secret; anything about secret shares is. */
static void keeps_secrets(void **state)
{
	(void)state;
	is_at("presignatures", "Vec<hashbrown::Presignature, alloc::alloc::Global>", "len", 0);
	refuses("stock.len()", "SecretShare, alloc::alloc::Global> is secret by its name");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_std),
		cmocka_unit_test(of_hash_tables),
		cmocka_unit_test(goes_past_the_hasher),
		cmocka_unit_test(of_slices),
		cmocka_unit_test(through_pointers_and_newtypes),
		cmocka_unit_test(says_what_has_no_length),
		cmocka_unit_test(keeps_secrets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
