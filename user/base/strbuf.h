/* SPDX-License-Identifier: BSD-2-Clause */
/* A growing text buffer, always NUL-terminated. */
#ifndef BASE_STRBUF_H
#define BASE_STRBUF_H

#include <stddef.h>

struct strbuf {
	char *text; /* NULL until something was added */
	size_t len, cap;
};

void strbuf_add(struct strbuf *sb, const void *data, size_t len);
void strbuf_puts(struct strbuf *sb, const char *text);
void strbuf_putc(struct strbuf *sb, char c);
void strbuf_printf(struct strbuf *sb, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Hands the text out (never NULL; the caller frees it) and empties the buffer. */
char *strbuf_take(struct strbuf *sb);
void strbuf_free(struct strbuf *sb);

#define _strbuf_ __attribute__((cleanup(strbuf_free)))

#endif
