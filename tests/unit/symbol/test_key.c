// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/type.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/containers.h"

static bool ask(const char *path, struct plan_value *out, struct strbuf *why)
{
	struct containers c = containers_open();
	struct type_place place = containers_held(&c);
	bool found;

	*out = (struct plan_value){};
	if (!type_follow(&place, path, why))
		fail_msg("%s: %s", path, why->text);
	found = type_key(&place, out, why);
	containers_close(&c);
	return found;
}

static struct plan_value key_of(const char *path)
{
	_strbuf_ struct strbuf why = {};
	struct plan_value value;

	if (!ask(path, &value, &why))
		fail_msg("%s: %s", path, why.text);
	assert_true(plan_is_key(&value));
	for (size_t t = 0; t < value.n_tests; t++)
		assert_int_equal(value.tests[t].n_choices, 0);
	return value;
}

/* One word of @width bytes. */
static void is_word(const char *path, unsigned width, unsigned steps, enum plan_reading reading)
{
	struct plan_value value = key_of(path);

	assert_int_equal(value.reading, reading);
	assert_int_equal(value.n_tests, 1);
	assert_int_equal(value.tests[0].recipe.width, width);
	assert_int_equal(value.tests[0].recipe.n_steps, steps);
}

/* The first and the last word of @size bytes. */
static void is_words_of(const char *path, int32_t size, unsigned steps)
{
	struct plan_value value = key_of(path);
	const struct abi_recipe *a = &value.tests[0].recipe, *b = &value.tests[1].recipe;

	assert_int_equal(value.reading, PLAN_KEY);
	assert_int_equal(value.n_tests, 2);
	assert_int_equal(a->width, 8);
	assert_int_equal(b->width, 8);
	assert_int_equal(a->n_steps, steps);
	assert_int_equal(b->n_steps, steps);
	assert_int_equal(b->tail, a->tail + size - 8);
}

static void is_two_words(const char *path, unsigned steps)
{
	is_words_of(path, 16, steps);
}

static void is_text(const char *path, unsigned steps)
{
	struct plan_value value = key_of(path);

	assert_int_equal(value.reading, PLAN_KEY_TEXT);
	assert_int_equal(value.n_tests, 2);
	for (size_t t = 0; t < 2; t++) {
		assert_int_equal(value.tests[t].recipe.width, 8);
		assert_int_equal(value.tests[t].recipe.n_steps, steps);
	}
	assert_int_not_equal(value.tests[0].recipe.tail, value.tests[1].recipe.tail);
}

/* Where the members of a type are within the struct that is asked. */
static void finds_the_words_of_a_text(void **state)
{
	struct containers c = containers_open();
	struct plan_value text = key_of("text"), string = key_of("string");
	int32_t at = (int32_t)containers_offset(&c, "Held", "text");
	int32_t vec = (int32_t)(containers_offset(&c, "Held", "string") +
				containers_offset(&c, "String", "vec"));

	(void)state;
	assert_int_equal(text.tests[0].recipe.tail, at);
	assert_int_equal(text.tests[1].recipe.tail, at + 8);
	assert_int_equal(
		string.tests[1].recipe.tail,
		vec + (int32_t)containers_offset(&c, "Vec<u8, alloc::alloc::Global>", "len"));
	containers_close(&c);
}

static void reads_whole_numbers(void **state)
{
	(void)state;
	is_word("small", 1, 0, PLAN_KEY);
	is_word("signed", 4, 0, PLAN_KEY_SIGNED);
	is_word("nonzero", 2, 0, PLAN_KEY);
	is_word("shared_atomic", 4, 1, PLAN_KEY_SIGNED);
	is_word("reference", 8, 1, PLAN_KEY);
	is_two_words("wide", 0);
	is_two_words("wide_signed", 0);
}

static void reads_texts(void **state)
{
	(void)state;
	is_text("text", 0);
	is_text("boxed_text", 0);
	is_text("string", 0);
	is_text("tx", 0);
	is_text("tx.0", 0);
	is_text("tx_behind", 1);
	is_text("cell", 1);
}

static void reads_ids_of_bytes(void **state)
{
	(void)state;
	is_two_words("session", 0);
	is_two_words("sessions", 1);
	is_words_of("hash", 32, 0);
	is_words_of("block", 32, 1);
	is_words_of("block.0", 32, 1);
}

/* What the hellos of TLS have in clear. */
static void reads_randoms(void **state)
{
	(void)state;
	is_words_of("random", 32, 0);
	is_words_of("randoms.client", 32, 0);
	is_words_of("randoms.server", 32, 0);
	is_words_of("shared_randoms.client", 32, 1);
}

static void refuses(const char *path, const char *want)
{
	_strbuf_ struct strbuf why = {};
	struct plan_value value;

	assert_false(ask(path, &value, &why));
	if (!strstr(why.text, want))
		fail_msg("%s: \"%s\" does not say \"%s\"", path, why.text, want);
	assert_int_equal(value.n_tests, 0);
}

static void refuses_what_is_none(void **state)
{
	static const char none[] = "is no id: a key is a whole number, a text or a Uuid";

	(void)state;
	refuses("flag", "bool is no id");
	refuses("letter", none);
	refuses("real", none);
	refuses("vec", none);
	refuses("slice", none);
	refuses("shared_text", none); /* its bytes lie behind two counts */
	refuses("option", none);
	refuses("beside", none);
	refuses("raw_bytes", none);
	refuses("c_string", none);
}

static void refuses_bytes_that_are_no_id(void **state)
{
	static const char data[] = "bytes of no type that is called an id, which are never read";

	(void)state;
	refuses("array", data);
	refuses("digest", data);
	refuses("session.0", data); /* the name is on the way no more */
	refuses("hash.0", data);
	refuses("bytes", data);
	refuses("random.0", data);
	refuses("blinding", data); /* another random is not sent to anybody */
	refuses("hello.random", data);
	refuses("randoms", "is no id");
	refuses("short", "not the 16 or 32 bytes of an id");
	refuses("words", "not the 16 or 32 bytes of an id");
	refuses("long_hash", "not the 16 or 32 bytes of an id");
}

static void refuses_secrets(void **state)
{
	struct containers c = containers_open();
	struct type_place place = containers_held(&c), at = place;
	_strbuf_ struct strbuf why = {};
	struct plan_value value = {};
	Dwarf_Die member, type = place.type;

	(void)state;
	assert_true(type_member(&type, "sealing", &member));
	assert_true(type_enter_member(&at, &member));
	assert_false(type_key(&at, &value, &why));
	assert_non_null(strstr(why.text, "SealingSecretId is secret by its name"));
	strbuf_free(&why);
	at = place;
	assert_true(type_member(&type, "seed_hash", &member));
	assert_true(type_enter_member(&at, &member));
	assert_false(type_key(&at, &value, &why));
	assert_non_null(strstr(why.text, "SeedHash is secret by its name"));
	strbuf_free(&why);
	at = place;
	assert_false(type_follow(&at, "randoms.hidden", &why));
	assert_non_null(strstr(why.text, "SecretShare is secret by its name"));
	assert_int_equal(value.n_tests, 0);
	containers_close(&c);
}

/* Where a reference points to, whatever that is. */
static void takes_addresses(void **state)
{
	struct containers c = containers_open();
	struct type_place place = containers_held(&c), at = place;
	_strbuf_ struct strbuf why = {};
	struct plan_value value = {};

	(void)state;
	assert_true(type_follow(&at, "reference.address()", &why));
	assert_true(type_address(&at, &value, &why));
	assert_int_equal(value.reading, PLAN_KEY);
	assert_int_equal(value.n_tests, 1);
	assert_int_equal(value.tests[0].recipe.width, 8);
	assert_int_equal(value.tests[0].recipe.n_steps, 0);
	assert_int_equal(value.tests[0].recipe.tail,
			 (int32_t)containers_offset(&c, "Held", "reference"));
	value = (struct plan_value){};
	at = place;
	assert_true(type_follow(&at, "small.address()", &why));
	assert_false(type_address(&at, &value, &why));
	assert_non_null(strstr(why.text, "u8 is no reference"));
	at = place;
	strbuf_free(&why);
	assert_true(type_follow(&at, "raw_bytes.address()", &why));
	assert_false(type_address(&at, &value, &why));
	assert_non_null(strstr(why.text, "is no reference"));
	assert_int_equal(value.n_tests, 0);
	containers_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_words_of_a_text),
		cmocka_unit_test(reads_whole_numbers),
		cmocka_unit_test(reads_texts),
		cmocka_unit_test(reads_ids_of_bytes),
		cmocka_unit_test(reads_randoms),
		cmocka_unit_test(refuses_what_is_none),
		cmocka_unit_test(refuses_bytes_that_are_no_id),
		cmocka_unit_test(refuses_secrets),
		cmocka_unit_test(takes_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
