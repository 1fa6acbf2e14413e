// SPDX-License-Identifier: BSD-2-Clause
/* Faults: found in any order, shown in the order of the text. */
#include "profile/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

#define MESSAGE_MAX 600 /* characters of one sentence */
#define WINDOW 160      /* characters shown of a long line … */
#define WINDOW_LEAD 60  /* … and those in front of the bad word */

/* Bytes of the line break at @text. Unicode's own breaks, which YAML 1.1 knows
 * too, never reach the parser: they are refused as control characters. */
static size_t line_break(const char *text, size_t size)
{
	if (size >= 2 && text[0] == '\r' && text[1] == '\n')
		return 2;
	return size >= 1 && (text[0] == '\r' || text[0] == '\n') ? 1 : 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_full(const struct fault_page *page)
{
	return page->faults->n - page->n_before >= FAULTS_SHOWN_MAX;
}

void fault_page_open(struct fault_page *page, const char *origin, const char *text, size_t size,
		     struct profile_faults *faults)
{
	VEC(size_t) lines = {};

	if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		size -= 3;
	}
	*VEC_ADD(&lines) = 0;
	for (size_t i = 0; i < size;) {
		size_t n = line_break(text + i, size - i);

		i += n ? n : 1;
		if (n)
			*VEC_ADD(&lines) = i;
	}
	*page = (struct fault_page){
		.origin = origin,
		.text = text,
		.size = size,
		.lines = lines.at,
		.n_lines = lines.n,
		.faults = faults,
		.n_before = faults->n,
	};
}

bool fault_page_has_any(const struct fault_page *page)
{
	return page->faults->n > page->n_before || page->n_hidden > 0;
}

static int in_order(const void *a, const void *b)
{
	const struct profile_fault *x = a, *y = b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	if (x->column != y->column)
		return x->column < y->column ? -1 : 1;
	return strcmp(x->text, y->text);
}

void fault_page_close(struct fault_page *page)
{
	struct profile_faults *faults = page->faults;
	size_t n = page->n_before;

	if (faults->n > n)
		qsort(faults->at + n, faults->n - n, sizeof(*faults->at), in_order);
	for (size_t i = n; i < faults->n; i++) {
		if (n > page->n_before && in_order(&faults->at[n - 1], &faults->at[i]) == 0)
			free(faults->at[i].text);
		else
			faults->at[n++] = faults->at[i];
	}
	faults->n = n;
	if (page->n_hidden > 0) {
		struct profile_fault last = faults->at[n - 1];

		last.text = mem_printf("%s: %zu more faults are not shown", page->origin,
				       page->n_hidden);
		*VEC_ADD(faults) = last;
	}
	free(page->lines);
	page->lines = NULL;
}

const char *fault_line(const struct fault_page *page, size_t line, size_t *size)
{
	size_t first, end;

	if (line >= page->n_lines) {
		*size = 0;
		return "";
	}
	first = page->lines[line];
	for (end = first; end < page->size; end++)
		if (line_break(page->text + end, page->size - end))
			break;
	*size = end - first;
	return page->text + first;
}

/* Bytes of the next character, or 1 for a byte that begins none. */
static size_t step(const char *text, size_t size, uint32_t *code)
{
	size_t n = utf8_decode(text, size, code);

	if (n == 0)
		*code = 0xfffd;
	return n ? n : 1;
}

/* Adds up to @most characters of @text in a form that is safe on a terminal. */
static void add_visible(struct strbuf *out, const char *text, size_t size, size_t most)
{
	uint32_t code;
	size_t n;

	for (; size > 0 && most > 0; text += n, size -= n, most--) {
		n = step(text, size, &code);
		if (code == '\t' || (code != 0xfffd && !utf8_is_control(code)))
			strbuf_add(out, text, n);
		else
			strbuf_puts(out, "\xef\xbf\xbd");
	}
	if (size > 0)
		strbuf_puts(out, "\xe2\x80\xa6");
}

/* The line around the bad word and the carets below it; tabs stay tabs in both. */
static void add_source(struct strbuf *out, const struct fault_page *page, struct fault_span span)
{
	size_t size, start = 0, column = span.column, width = span.width ? span.width : 1;
	const char *line = fault_line(page, span.line, &size);
	uint32_t code;

	if (column + (width < WINDOW_LEAD ? width : WINDOW_LEAD) > WINDOW)
		start = column - WINDOW_LEAD;
	for (size_t i = 0; i < start && size > 0; i++) {
		size_t n = step(line, size, &code);

		line += n;
		size -= n;
	}
	strbuf_putc(out, '\n');
	if (start)
		strbuf_puts(out, "\xe2\x80\xa6");
	add_visible(out, line, size, WINDOW);
	strbuf_puts(out, start ? "\n " : "\n");
	for (size_t i = start; i < column; i++) {
		size_t n = size ? step(line, size, &code) : 0;

		strbuf_putc(out, n && code == '\t' ? '\t' : ' ');
		line += n;
		size -= n;
	}
	if (width > WINDOW - (column - start))
		width = WINDOW - (column - start);
	while (width-- > 0)
		strbuf_putc(out, '^');
}

void fault_add(struct fault_page *page, struct fault_span span, const char *fmt, ...)
{
	_strbuf_ struct strbuf out = {};
	_free_ char *message = NULL;
	struct profile_fault *fault;
	va_list ap;

	if (is_full(page)) {
		page->n_hidden++;
		return;
	}
	va_start(ap, fmt);
	message = mem_vprintf(fmt, ap);
	va_end(ap);
	strbuf_printf(&out, "%s:%zu:%zu: ", page->origin, span.line + 1, span.column + 1);
	add_visible(&out, message, strlen(message), MESSAGE_MAX);
	add_source(&out, page, span);
	fault = VEC_ADD(page->faults);
	fault->line = (unsigned)span.line + 1;
	fault->column = (unsigned)span.column + 1;
	fault->text = strbuf_take(&out);
}

struct fault_span fault_span_of_bytes(const struct fault_page *page, size_t offset, size_t size)
{
	struct fault_span span = {};
	size_t line_size, at = 0, end;
	const char *line;
	uint32_t code;

	while (span.line + 1 < page->n_lines && page->lines[span.line + 1] <= offset)
		span.line++;
	line = fault_line(page, span.line, &line_size);
	offset -= page->lines[span.line];
	end = offset + size < line_size ? offset + size : line_size;
	for (; at < offset && at < line_size; span.column++)
		at += step(line + at, line_size - at, &code);
	for (; at < end; span.width++)
		at += step(line + at, line_size - at, &code);
	return span;
}

/* Characters from @column to the end of the line or, of a word, to the next blank. */
static struct fault_span span_from(const struct fault_page *page, size_t line, size_t column,
				   bool word)
{
	struct fault_span span = { .line = line, .column = column, .width = 1 };
	size_t size, at = 0, characters = 0;
	const char *text;
	uint32_t code;

	if (is_full(page))
		return span; /* nobody will see it, and lines can be long */
	text = fault_line(page, line, &size);
	while (size > 0 && is_blank(text[size - 1]))
		size--;
	for (; at < size && !(word && characters > column && is_blank(text[at])); characters++)
		at += step(text + at, size - at, &code);
	if (characters > column)
		span.width = characters - column;
	return span;
}

struct fault_span fault_span_of_rest(const struct fault_page *page, size_t line, size_t column)
{
	return span_from(page, line, column, false);
}

struct fault_span fault_span_of_word(const struct fault_page *page, size_t line, size_t column)
{
	return span_from(page, line, column, true);
}

void profile_faults_free(struct profile_faults *faults)
{
	for (size_t i = 0; i < faults->n; i++)
		free(faults->at[i].text);
	free(faults->at);
	*faults = (struct profile_faults){};
}
