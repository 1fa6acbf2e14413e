/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Faults of a profile as a compiler would show them: the place, the sentence,
 * the line of the source and carets under the bad word.
 */
#ifndef PROFILE_FAULT_H
#define PROFILE_FAULT_H

#include <stdbool.h>
#include <stddef.h>

#include "profile/profile.h"

#define FAULTS_SHOWN_MAX 100 /* of one profile; the rest is only counted */

/* A stretch of one line; lines and columns from 0, columns in characters. */
struct fault_span {
	size_t line, column, width;
};

/* The text of a profile and the faults found in it so far. */
struct fault_page {
	const char *origin;
	const char *text; /* without byte order mark */
	size_t size;
	size_t *lines; /* offset of each line's first byte */
	size_t n_lines;
	struct profile_faults *faults;
	size_t n_before; /* faults that were there when the page was opened */
	size_t n_hidden;
};

void fault_page_open(struct fault_page *page, const char *origin, const char *text, size_t size,
		     struct profile_faults *faults);
/* Brings the faults into the order of the text, each place and sentence once. */
void fault_page_close(struct fault_page *page);
bool fault_page_has_any(const struct fault_page *page);

void fault_add(struct fault_page *page, struct fault_span span, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The span of @size bytes at @offset of the text, cut at the end of the line. */
struct fault_span fault_span_of_bytes(const struct fault_page *page, size_t offset, size_t size);
/* The span from a place to the end of its line, without blanks there. */
struct fault_span fault_span_of_rest(const struct fault_page *page, size_t line, size_t column);
/* The span from a place to the next blank. */
struct fault_span fault_span_of_word(const struct fault_page *page, size_t line, size_t column);
/* The bytes of a line without its break. */
const char *fault_line(const struct fault_page *page, size_t line, size_t *size);

#endif
