// SPDX-License-Identifier: BSD-2-Clause
/* Functions of shared libraries: their names, and what can be asked of them. */
#include "profile/build.h"

#include "expect.h"

#define HEAD "profile: t\nmetrics:\n"
#define COUNTER "  x_total:\n    type: counter\n    help: H\n"
#define SOURCE(labels) \
	HEAD COUNTER "    from: [{function: 'liba.so.1:f', labels: {x: " labels "}}]\n"
#define SPAN                                                                      \
	HEAD "  x_seconds:\n    type: histogram\n    help: H\n    buckets: [1]\n" \
	     "    span:\n"

static void tells_libraries_apart(void **state)
{
	(void)state;
	assert_null(profile_symbol("a::b"));
	assert_string_equal(profile_symbol("libssl.so.3:SSL_free"), "SSL_free");
	assert_true(profile_is_of("a::b", NULL));
	assert_false(profile_is_of("a::b", "libssl.so.3"));
	assert_false(profile_is_of("libssl.so.3:SSL_free", NULL));
	assert_false(profile_is_of("libssl.so.3:SSL_free", "libssl.so"));
	assert_false(profile_is_of("libssl.so.3:SSL_free", "libssl.so.30"));
	assert_true(profile_is_of("libssl.so.3:SSL_free", "libssl.so.3"));
	assert_true(profile_is_handed("l.so:f->"));
	assert_false(profile_is_handed("l.so:f"));
	assert_string_equal(profile_behind_result(PROFILE_RETURNED "arg0.f()"), "arg0.f()");
	assert_string_equal(profile_behind_result("arg0 and arg1"), "arg0 and arg1");
	assert_int_equal(profile_way_size(".asked"), 6);
	assert_int_equal(profile_way_size(".returned and arg1"), 9);
	assert_int_equal(profile_way_size(".askedfor"), 0);
	assert_int_equal(profile_way_size(""), 0);
}

static void lists_the_libraries(void **state)
{
	struct profile *profile = parse_good(
		HEAD COUNTER "    from: ['b.so:f', 'a::b', 'a.so:f', 'b.so:g', 'c.so.1.2:h']\n");
	char *names[2];

	(void)state;
	assert_int_equal(profile_libraries(profile, names, 2), 3);
	assert_string_equal(names[0], "b.so");
	assert_string_equal(names[1], "a.so");
	assert_true(profile_has_of(profile, 0, NULL));
	assert_true(profile_has_of(profile, PROFILE_PARTS_MAX, "c.so.1.2"));
	assert_false(profile_has_of(profile, 0, "c.so"));
	assert_true(profile_concerns(profile, 0, "a.so"));
	assert_false(profile_concerns(profile, 0, "d.so"));
	free(names[0]);
	free(names[1]);
	profile_free(profile);
}

static void reads_values_of_c(void **state)
{
	struct profile *profile = parse_good(
		SPAN
		"      from:\n"
		"        function: liba.so.1:f->\n"
		"        key: arg0\n"
		"        until: {now: arg0.f_state(), values: {1: done}, skip: others}\n"
		"      to:\n"
		"        - function: liba.so.1:f->\n"
		"          key: arg0\n"
		"          labels: {r: {now: arg0.f_state(), values: {1: done}, skip: others}}\n"
		"        - {function: 'liba.so.1:f_free', key: arg0, at: start, gone: true, labels: {r: gone}}\n");
	const struct profile_func *f = &profile->funcs[0];
	const struct profile_source *from = &profile->metrics[0].sources[0];

	(void)state;
	assert_int_equal(profile->n_funcs, 2);
	assert_int_equal(f->n_values, 2); /* what ends it is one value in both */
	assert_true(f->values[0].is_key);
	assert_true(f->values[1].now && f->values[1].skip_rest);
	assert_string_equal(f->values[1].path, "arg0.f_state()");
	assert_true(from->has_until && from->until == 1 && !from->gone);
	assert_int_equal(profile->metrics[0].sources[1].labels[0].index, 1);
	assert_true(profile->metrics[0].sources[2].gone);
	profile_free(profile);
}

#define TEN(first)                                                                       \
	first "0: a, " first "1: a, " first "2: a, " first "3: a, " first "4: a, " first \
	      "5: a, " first "6: a, " first "7: a, " first "8: a, " first "9: a"

static void reads_pairs(void **state)
{
	struct profile *profile =
		parse_good(SOURCE("{arg: [arg0, arg1.f_kind()], values: {" TEN("20.1") ", " TEN(
			"20.2") ", " TEN("20.3") ", 20.1: one, 20.2: two}, skip: others}"));
	const struct profile_value *v = &profile->funcs[0].values[0];

	(void)state;
	assert_string_equal(v->path, "arg0" PROFILE_AND "arg1.f_kind()");
	assert_int_equal(v->n_choices, 32);
	assert_string_equal(v->choices[31].raw, "20.2");
	profile_free(profile);
	profile = parse_good(SOURCE("{now: [return, arg0.f()], values: {-12.1: a, -16.1: b}}"));
	assert_string_equal(profile->funcs[0].values[0].path, PROFILE_RETURNED "arg0.f()");
	assert_true(profile->funcs[0].values[0].now);
	profile_free(profile);
	profile =
		parse_good(SOURCE("{now: [arg0.f().asked, arg0.f().returned], values: {1.1: a}}"));
	assert_string_equal(profile->funcs[0].values[0].path,
			    "arg0.f()" PROFILE_ASKED PROFILE_AND "arg0.f()" PROFILE_GIVEN);
	profile_free(profile);
	profile = parse_good(SOURCE("{arg: arg0.f().asked, values: {1: a}}"));
	assert_string_equal(profile->funcs[0].values[0].path, "arg0.f()" PROFILE_ASKED);
	profile_free(profile);
}

static void refuses_names(void **state)
{
	static const struct fault_case cases[] = {
		{ HEAD COUNTER "    from: 'libssl:f'\n", 6, 12, "libssl",
		  "function \"libssl:f\" has a library that is no file like libssl.so.3: give the name under which programs load it" },
		{ HEAD COUNTER "    from: 'lib/a.so:f'\n", 6, 15, "/",
		  "function \"lib/a.so:f\" has a library whose file cannot be called that" },
		{ HEAD COUNTER "    from: 'a.so:f(x)'\n", 6, 17, "f(x)",
		  "function \"a.so:f(x)\" must end in what the library exports, like SSL_do_handshake" },
	};

	(void)state;
	expect_faults(cases, ARRAY_SIZE(cases));
}

static void refuses_what_c_does_not_tell(void **state)
{
	static const struct fault_case cases[] = {
		{ SOURCE("{arg: self.kind, values: {1: a}}"), 6, 47, "x",
		  "\"x\" is of a C function, whose arguments are arg0 to arg5, or arg0.FUNCTION() with a function of the library that reads one field" },
		{ SOURCE("{arg: arg0.f().said, values: {1: a}}"), 6, 61, "f()",
		  "argument \"arg0.f().said\" must be an argument and its fields, like vote.approve, tx.0 or shares.len()" },
		{ SOURCE("{arg: arg0.f().asked.more, values: {1: a}}"), 6, 61, "f()",
		  "argument \"arg0.f().asked.more\" must be an argument and its fields, like vote.approve, tx.0 or shares.len()" },
		{ SOURCE("{arg: arg0, values: {A: a}}"), 6, 47, "x",
		  "\"x\" is of a C function, whose values are whole numbers" },
		{ SOURCE("{arg: [return, arg1], values: {1.1: a}}"), 6, 47, "x",
		  "\"x\" is of a C function, whose arguments are arg0 to arg5, or arg0.FUNCTION() with a function of the library that reads one field" },
		{ SOURCE("{now: [return, arg1], values: {1.1: a}}"), 6, 47, "x",
		  "\"x\" is an argument itself, which is there only when the call begins: \"now\" is for arg0.FUNCTION()" },
		{ SOURCE("{now: [arg0.f(), arg1], values: {1.1: a}}"), 6, 47, "x",
		  "\"x\" is an argument itself, which is there only when the call begins: \"now\" is for arg0.FUNCTION()" },
		{ SOURCE("{arg: [arg0, arg1],\n      values: {" TEN("1.1") ", " TEN(
			  "1.2") ", 2.1: b}}"),
		  6, 47, "x",
		  "\"x\" tells more pairs apart than can be: of up to two first numbers, with up to 16 second ones each, or of one with 32" },
		{ SOURCE("{arg: arg0, values: {" TEN("1") ",\n      " TEN("2") ",\n      " TEN(
			  "3") ",\n      1: a, 2: a, 3: a}}"),
		  9, 19, "3",
		  "values of label \"x\" of a source of metric \"x_total\" has more than 32 values" },
		{ SOURCE("{outcome: {returned: a}}"), 6, 47, "x",
		  "\"x\" is of a C function, which can only return" },
		{ HEAD COUNTER "    from: 'a.so:f'\n    value: {arg: arg1}\n", 7, 5, "value",
		  "\"value\" is an argument of a C function: it can be a label or a key, but not a number, for its type is not known" },
		{ HEAD COUNTER "    from: 'a.so:f'\n    value: {return: Ok}\n", 7, 5, "value",
		  "\"value\" is of a C function: what it returned is called number" },
		{ HEAD COUNTER
		  "    from: [{function: 'a::f', labels: {x: {now: vote.kind, values: {A: a}}}}]\n",
		  6, 40, "x",
		  "\"x\" is read at the end of the call, which is done with functions of shared libraries only" },
		{ HEAD COUNTER
		  "    from: [{function: 'a::f', labels: {x: {return: {A: a}, skip: others}}}]\n",
		  6, 40, "x",
		  "\"x\" skips all others, which is done with functions of shared libraries only" },
		{ HEAD COUNTER
		  "    from: [{function: 'a::f', labels: {x: {arg: arg0.f(), values: {1: a}}}}]\n",
		  6, 40, "x",
		  "\"x\" calls a function, which is done with functions of shared libraries only" },
		{ SPAN "      from: {function: 'a::b', key: id, gone: true}\n"
		       "      to: {function: 'a::c', key: id}\n",
		  8, 41, "gone",
		  "\"gone\" cannot stand in \"from\" of a span: where it begins, its key is known" },
		{ SPAN "      from: {function: 'a::b', key: id}\n"
		       "      to: {function: 'a::c', key: id, until: {return: {Ok: a}}}\n",
		  9, 39, "until",
		  "\"until\" stands in \"from\" of a span: what ends it is in \"to\"" },
	};

	(void)state;
	expect_faults(cases, ARRAY_SIZE(cases));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_libraries_apart),
		cmocka_unit_test(lists_the_libraries),
		cmocka_unit_test(reads_values_of_c),
		cmocka_unit_test(reads_pairs),
		cmocka_unit_test(refuses_names),
		cmocka_unit_test(refuses_what_c_does_not_tell),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
