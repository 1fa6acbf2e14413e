/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of this room share: a profile's text in, its faults out. */
#ifndef TEST_PROFILE_EXPECT_H
#define TEST_PROFILE_EXPECT_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "profile/profile.h"

/* A text with exactly one fault: where it is, the word under the carets, the sentence. */
struct fault_case {
	const char *yaml;
	unsigned line, column;
	const char *word;
	const char *sentence;
};

static inline struct profile *parse_good(const char *yaml)
{
	struct profile_faults faults = {};
	struct profile *profile = NULL;

	if (profile_parse("t.yaml", yaml, strlen(yaml), &profile, &faults) < 0)
		fail_msg("unexpected: %s", faults.at[0].text);
	assert_int_equal(faults.n, 0);
	profile_faults_free(&faults);
	return profile;
}

static inline struct profile_faults parse_bad(const char *yaml, size_t size)
{
	struct profile_faults faults = {};
	struct profile *profile = NULL;

	assert_int_equal(profile_parse("t.yaml", yaml, size, &profile, &faults), -EINVAL);
	assert_null(profile);
	assert_true(faults.n > 0);
	return faults;
}

/* The line of the text, and below it the carets: under the word, whole, and nowhere else. */
static inline char *drawing(const struct fault_case *want)
{
	_strbuf_ struct strbuf out = {};
	const char *line = want->yaml;
	size_t size;

	for (unsigned i = 1; i < want->line; i++)
		line = strchr(line, '\n') + 1;
	size = strcspn(line, "\n");
	strbuf_add(&out, line, size);
	strbuf_putc(&out, '\n');
	for (unsigned i = 0; i + 1 < want->column; i++)
		strbuf_putc(&out, i < size && line[i] == '\t' ? '\t' : ' ');
	for (size_t i = 0; i < strlen(want->word); i++)
		strbuf_putc(&out, '^');
	if (want->column - 1 + strlen(want->word) <= size)
		assert_memory_equal(line + want->column - 1, want->word, strlen(want->word));
	return strbuf_take(&out);
}

static inline void expect_fault_in(const struct profile_faults *faults, size_t i,
				   const struct fault_case *want)
{
	_free_ char *lines = drawing(want);
	_free_ char *text =
		mem_printf("t.yaml:%u:%u: %s\n%s", want->line, want->column, want->sentence, lines);

	assert_true(i < faults->n);
	assert_string_equal(faults->at[i].text, text);
	assert_int_equal(faults->at[i].line, want->line);
	assert_int_equal(faults->at[i].column, want->column);
}

static inline void expect_faults(const struct fault_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct profile_faults faults = parse_bad(cases[i].yaml, strlen(cases[i].yaml));

		expect_fault_in(&faults, 0, &cases[i]);
		if (faults.n > 1)
			fail_msg("one more than wanted: %s", faults.at[1].text);
		profile_faults_free(&faults);
	}
}

#endif
