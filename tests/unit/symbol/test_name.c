// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

static void demangles(void **state)
{
	static const char *const names[][2] = {
		{ "_ZN4tiny5plain17h0123456789abcdefE", "tiny::plain" },
		{ "_ZN4tiny5plain17h0123456789abcdefE.llvm.1234567890", "tiny::plain" },
		{ "_ZN4tiny12process_vote28_$u7b$$u7b$closure$u7d$$u7d$17h0123456789abcdefE",
		  "tiny::process_vote::{{closure}}" },
		{ "_ZN45_$LT$a..Node$u20$as$u20$b..Vote$LT$u8$GT$$GT$4vote17h0123456789abcdefE",
		  "<a::Node as b::Vote<u8>>::vote" },
		{ "_RNvCsUDA5GgzdIC_4tiny5plain", "tiny::plain" },
		{ "_RNCNvCsUDA5GgzdIC_4tiny12process_vote0", "tiny::process_vote::{closure#0}" },
		{ "_RNCNvCsUDA5GgzdIC_4tiny12process_vote0B3_.llvm.77",
		  "tiny::process_vote::{closure#0}" },
		{ "_RINvCsUDA5GgzdIC_4tiny5driveNCNvB2_5outer0EB2_",
		  "tiny::drive::<tiny::outer::{closure#0}>" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_free_ char *name = name_demangle(names[i][0]);

		assert_non_null(name);
		assert_string_equal(name, names[i][1]);
	}
}

static void leaves_other_names(void **state)
{
	static const char *const others[] = {
		"",   "main", "_start",   "_Z3foov", "ZN4tiny5plain17h0123456789abcdefE",
		"_R", "_ZN",  "_ZN4tiny", "_RNvCs",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		_free_ char *name = name_demangle(others[i]);

		if (name)
			fail_msg("%s gave %s", others[i], name);
	}
}

static void makes_needles(void **state)
{
	_free_ char *a = name_needle("a::b::process_vote"), *b = name_needle("f");
	_free_ char *c = name_needle("a::*");

	(void)state;
	assert_string_equal(a, "12process_vote");
	assert_string_equal(b, "1f");
	assert_string_equal(c, "1*");
}

static void compares(void **state)
{
	static const struct {
		const char *name, *path;
		enum name_match match;
	} cases[] = {
		{ "a::b::f", "a::b::f", NAME_SAME },
		{ "a::b::f", "a::b::g", NAME_OTHER },
		{ "a::b::f", "b::f", NAME_OTHER },
		{ "a::b::ff", "a::b::f", NAME_OTHER },
		{ "a::b::f", "a::b::ff", NAME_OTHER },
		{ "a::b::f::{{closure}}", "a::b::f", NAME_CLOSURE },
		{ "a::b::f::{closure#0}", "a::b::f", NAME_CLOSURE },
		{ "a::b::f::{closure#1}", "a::b::f", NAME_OTHER },
		{ "a::b::f::{{closure}}::{{closure}}", "a::b::f", NAME_OTHER },
		/* generic arguments of the name do not count */
		{ "a::B<T>::f", "a::B::f", NAME_SAME },
		{ "a::B::<T>::f", "a::B::f", NAME_SAME },
		{ "<a::B<T>>::f", "a::B::f", NAME_SAME },
		{ "<a::B>::f::{closure#0}", "a::B::f", NAME_CLOSURE },
		{ "a::f::<fn(u8) -> b::C<u8>>", "a::f", NAME_SAME },
		{ "a::f<alloc::vec::Vec<alloc::string::String>>::{{closure}}", "a::f",
		  NAME_CLOSURE },
		/* a method of a trait is one of the type */
		{ "<a::Node as b::Vote>::vote", "a::Node::vote", NAME_SAME },
		{ "<a::Node<K> as b::Vote<u8>>::vote::{{closure}}", "a::Node::vote", NAME_CLOSURE },
		{ "<a::Node as b::Vote>::vote", "b::Vote::vote", NAME_OTHER },
		/* people write generics and traits in profiles too */
		{ "a::B::f", "a::B<T>::f", NAME_SAME },
		{ "<a::Node as b::Vote>::vote", "<a::Node as b::Vote>::vote", NAME_SAME },
		{ "a::b::f", "a::*::f", NAME_SAME },
		{ "a::bcd::f::{{closure}}", "a::*::f", NAME_CLOSURE },
		{ "a::b::c::f", "a::*::f", NAME_OTHER },
		{ "a::b::f", "*::b::f", NAME_SAME },
		{ "a::b::f", "a::b::*", NAME_SAME },
		{ "", "", NAME_SAME },
		{ "<<<", "a", NAME_OTHER },
		{ ">>>", "a", NAME_OTHER },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (name_compare(cases[i].name, cases[i].path) != cases[i].match)
			fail_msg("%s and %s: not %d", cases[i].name, cases[i].path, cases[i].match);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(demangles),
		cmocka_unit_test(leaves_other_names),
		cmocka_unit_test(makes_needles),
		cmocka_unit_test(compares),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
