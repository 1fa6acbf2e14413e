// SPDX-License-Identifier: BSD-2-Clause
#include "profile/word.h"

#include "expect.h"

static void takes_paths(void **state)
{
	static const char *const good[] = {
		"a::b",
		"threshold_consensus::vote_processor::VoteProcessor::process_vote",
		"protocols::*::signing::run",
		"a::C::*",
		"*::C::f",
		"<a::A as b::B>::f",
		"<A as *>::f",
		"<A as B>::*",
		"a::as::f",
		"_a::b9",
		"crate::h0123456789abcdef::f", /* a hash only at the end */
	};
	struct word_fault fault = {};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		if (!word_is_function(good[i], &fault))
			fail_msg("\"%s\" %s", good[i], fault.why);
}

static void refuses_the_rest(void **state)
{
	static const char form[] =
		"must be a path like crate::module::Type::function, with * for any one segment";
	static const char impl[] =
		"begins with <, which must go on as in <Type as Trait>::function";
	static const char closure[] =
		"names a closure; name the function itself, the agent finds what it compiles to";
	static const char generic[] =
		"has generic arguments; leave them out, all instances are found";
	static const char mangled[] =
		"is mangled; write the path as in the source, like crate::module::Type::function";
	static const struct {
		const char *text;
		size_t at, size;
		const char *why;
	} bad[] = {
		{ "f", 0, 1, "must have at least two segments, like Type::function" },
		{ "a::", 3, 0, form },
		{ "::a::b", 0, 1, form },
		{ "a::::b", 3, 1, form },
		{ "a:b::c", 1, 5, form },
		{ "a::b c", 4, 2, form },
		{ "a::9b", 3, 2, form },
		{ "a::b-c::d", 4, 5, form },
		{ "a::caf\xc3\xa9::d", 6, 5, form },
		{ "a::b*", 3, 2, "has a * that does not stand for a whole segment" },
		{ "a::*b", 3, 2, form },
		{ "a::**", 3, 2, form },
		{ "*::*", 0, 4, "fits nearly every function; name at least one segment" },
		{ "<* as *>::*", 0, 11, "fits nearly every function; name at least one segment" },
		{ "<A>::f", 0, 2, impl },
		{ "<A as B>", 0, 7, impl },
		{ "<A as B>f", 0, 7, impl },
		{ "<A as B>::", 10, 0, form },
		{ "a::C<T>::f", 4, 3, generic },
		{ "a::C::<T, U>::f", 6, 6, generic },
		{ "a::C<T", 4, 2, generic },
		{ "<A<T> as B>::f", 2, 9, generic },
		{ "a::f::{{closure}}", 6, 11, closure },
		{ "a::{closure#0}", 3, 11, closure },
		{ "a::f::{async_fn_env#0}", 6, 16, closure },
		{ "a::f(u32)", 4, 5, "has arguments; write the path alone" },
		{ "a.b.f", 1, 4, "has a dot; segments are joined by ::" },
		{ "a::f::h0123456789abcdef", 6, 17,
		  "ends in a hash; leave it out, it changes with every build" },
		{ "_ZN1a1bE", 0, 8, mangled },
		{ "_RNvC1a1b", 0, 9, mangled },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct word_fault fault = {};

		if (word_is_function(bad[i].text, &fault))
			fail_msg("\"%s\" was taken", bad[i].text);
		if (strcmp(fault.why, bad[i].why) != 0 || fault.at != bad[i].at ||
		    fault.size != bad[i].size)
			fail_msg("\"%s\" %s (%zu, %zu)", bad[i].text, fault.why, fault.at,
				 fault.size);
	}
}

static void bounds_the_length(void **state)
{
	_free_ char *much = mem_alloc(514);
	struct word_fault fault;

	(void)state;
	memset(much, 'a', 513);
	memcpy(much + 1, "::", 2);
	assert_false(word_is_function(much, &fault));
	assert_string_equal(fault.why, "is longer than 512 characters");
	much[512] = '\0';
	assert_true(word_is_function(much, &fault));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_paths),
		cmocka_unit_test(refuses_the_rest),
		cmocka_unit_test(bounds_the_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
