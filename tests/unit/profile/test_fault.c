// SPDX-License-Identifier: BSD-2-Clause
#include "profile/fault.h"

#include "expect.h"

struct shown {
	struct fault_page page;
	struct profile_faults faults;
};

static void open_page(struct shown *shown, const char *text, size_t size)
{
	*shown = (struct shown){};
	fault_page_open(&shown->page, "t.yaml", text, size, &shown->faults);
}

/* The one fault of a page, as text. */
static void expect_text(struct shown *shown, const char *text)
{
	fault_page_close(&shown->page);
	assert_int_equal(shown->faults.n, 1);
	assert_string_equal(shown->faults.at[0].text, text);
	profile_faults_free(&shown->faults);
}

static void underlines(void **state)
{
	static const char text[] = "one: 1\n  two: two\n";
	struct shown shown;

	(void)state;
	open_page(&shown, text, strlen(text));
	assert_false(fault_page_has_any(&shown.page));
	fault_add(&shown.page, (struct fault_span){ 1, 2, 3 }, "bad \"%s\"", "two");
	assert_true(fault_page_has_any(&shown.page));
	assert_int_equal(shown.faults.at[0].line, 2);
	assert_int_equal(shown.faults.at[0].column, 3);
	expect_text(&shown, "t.yaml:2:3: bad \"two\"\n  two: two\n  ^^^");
}

static void keeps_tabs_and_counts_characters(void **state)
{
	static const char text[] = "a\tcaf\xc3\xa9 bad\r\nnext";
	struct fault_span span;
	struct shown shown;

	(void)state;
	open_page(&shown, text, strlen(text));
	span = fault_span_of_bytes(&shown.page, 8, 3);
	assert_int_equal(span.column, 7);
	assert_int_equal(span.width, 3);
	fault_add(&shown.page, span, "x");
	expect_text(&shown, "t.yaml:1:8: x\na\tcaf\xc3\xa9 bad\n \t     ^^^");
}

static void passes_over_a_byte_order_mark(void **state)
{
	static const char text[] = "\xef\xbb\xbf"
				   "ab";
	struct shown shown;

	(void)state;
	open_page(&shown, text, strlen(text));
	fault_add(&shown.page, fault_span_of_rest(&shown.page, 0, 0), "x");
	expect_text(&shown, "t.yaml:1:1: x\nab\n^^");
}

static void makes_spans(void **state)
{
	static const char text[] = "key: a word  \n\nend";
	struct fault_span span;
	struct shown shown;
	size_t size;

	(void)state;
	open_page(&shown, text, strlen(text));
	span = fault_span_of_rest(&shown.page, 0, 5);
	assert_int_equal(span.width, 6); /* without the blanks */
	span = fault_span_of_word(&shown.page, 0, 5);
	assert_int_equal(span.width, 1);
	span = fault_span_of_word(&shown.page, 0, 7);
	assert_int_equal(span.width, 4);
	span = fault_span_of_rest(&shown.page, 1, 0);
	assert_int_equal(span.width, 1); /* never none */
	span = fault_span_of_rest(&shown.page, 99, 7);
	assert_int_equal(span.width, 1);
	span = fault_span_of_bytes(&shown.page, 15, 99);
	assert_int_equal(span.line, 2);
	assert_int_equal(span.width, 3);
	assert_memory_equal(fault_line(&shown.page, 2, &size), "end", 3);
	assert_int_equal(size, 3);
	fault_page_close(&shown.page);
	assert_int_equal(shown.faults.n, 0);
}

/* Nothing from the file or a word of it may reach a terminal as an order. */
static void shows_only_what_is_safe(void **state)
{
	static const char text[] = "\x1b[31m\xff";
	struct shown shown;

	(void)state;
	open_page(&shown, text, strlen(text));
	fault_add(&shown.page, (struct fault_span){ 0, 0, 1 }, "%s", "\x1b]0;x\x07\xe2\x80\xae");
	expect_text(&shown, "t.yaml:1:1: \xef\xbf\xbd]0;x\xef\xbf\xbd\xef\xbf\xbd\n"
			    "\xef\xbf\xbd[31m\xef\xbf\xbd\n^");
}

static void cuts_long_lines_around_the_word(void **state)
{
	_free_ char *text = mem_alloc(100001);
	_strbuf_ struct strbuf want = {};
	struct shown shown;

	(void)state;
	memset(text, 'x', 100000);
	open_page(&shown, text, 100000);
	fault_add(&shown.page, (struct fault_span){ 0, 5000, 4000 }, "%s", text);
	strbuf_puts(&want, "t.yaml:1:5001: ");
	strbuf_add(&want, text, 600);
	strbuf_puts(&want, "\xe2\x80\xa6\n\xe2\x80\xa6");
	strbuf_add(&want, text, 160);
	strbuf_printf(&want, "\xe2\x80\xa6\n %60s", "");
	for (int i = 0; i < 100; i++)
		strbuf_putc(&want, '^');
	expect_text(&shown, want.text);
}

static void sorts_and_says_all_once(void **state)
{
	struct profile_faults faults = {};
	struct fault_page page;

	(void)state;
	*VEC_ADD(&faults) = (struct profile_fault){ 9, 9, mem_strdup("of another page") };
	fault_page_open(&page, "t.yaml", "a\nb\nc", 5, &faults);
	assert_false(fault_page_has_any(&page));
	fault_add(&page, (struct fault_span){ 2, 0, 1 }, "third");
	fault_add(&page, (struct fault_span){ 0, 1, 1 }, "second");
	fault_add(&page, (struct fault_span){ 2, 0, 1 }, "third");
	fault_add(&page, (struct fault_span){ 0, 0, 1 }, "first");
	fault_page_close(&page);
	assert_int_equal(faults.n, 4);
	assert_string_equal(faults.at[0].text, "of another page");
	assert_string_equal(faults.at[1].text, "t.yaml:1:1: first\na\n^");
	assert_string_equal(faults.at[2].text, "t.yaml:1:2: second\na\n ^");
	assert_string_equal(faults.at[3].text, "t.yaml:3:1: third\nc\n^");
	profile_faults_free(&faults);
	assert_int_equal(faults.n, 0);
}

static void counts_what_it_does_not_show(void **state)
{
	struct shown shown;

	(void)state;
	open_page(&shown, "a", 1);
	for (int i = 0; i < FAULTS_SHOWN_MAX + 7; i++)
		fault_add(&shown.page, (struct fault_span){ 0, 0, 1 }, "fault %d", i);
	fault_page_close(&shown.page);
	assert_int_equal(shown.faults.n, FAULTS_SHOWN_MAX + 1);
	assert_string_equal(shown.faults.at[FAULTS_SHOWN_MAX].text,
			    "t.yaml: 7 more faults are not shown");
	profile_faults_free(&shown.faults);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(underlines),
		cmocka_unit_test(keeps_tabs_and_counts_characters),
		cmocka_unit_test(passes_over_a_byte_order_mark),
		cmocka_unit_test(makes_spans),
		cmocka_unit_test(shows_only_what_is_safe),
		cmocka_unit_test(cuts_long_lines_around_the_word),
		cmocka_unit_test(sorts_and_says_all_once),
		cmocka_unit_test(counts_what_it_does_not_show),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
