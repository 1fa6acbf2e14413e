/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The words of a pack's lines. Every question below takes what it asks for from
 * the text and returns true, or fills the error with origin:line and returns false.
 */
#ifndef SYMBOL_PACK_TEXT_H
#define SYMBOL_PACK_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "bpf/abi.h"

struct pack_text {
	const char *origin;
	struct err *err;
	unsigned line;
	char *at, *end; /* a NUL in place of every line break, and at the end */
};

/* Makes a copy of @text that can be asked; false when it is no text in lines. */
bool pack_text_open(struct pack_text *t, const char *origin, const char *text, size_t size,
		    struct err *err, char **copy);

/* Fill the error and return false: with a sentence, or with what was expected here. */
bool pack_bad(const struct pack_text *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
bool pack_unexpected(struct pack_text *t, const char *expected);

/* Takes @word if it is the next one; the only question that leaves no error. */
bool pack_word(struct pack_text *t, const char *word);
bool pack_want(struct pack_text *t, const char *word);
/* The line ends here; goes on to the next. */
bool pack_done(struct pack_text *t);
bool pack_at_end(const struct pack_text *t);

/* At most @max; @base is 10, or 16 for hexadecimal behind 0x. */
bool pack_number(struct pack_text *t, unsigned base, uint64_t max, const char *what, uint64_t *out);
/* One to @max bytes as hexadecimal digits. */
bool pack_hex(struct pack_text *t, uint8_t *out, size_t max, const char *what, size_t *n);
/* A text in quotes; frees what was in *@out. */
bool pack_string(struct pack_text *t, const char *what, char **out);
/* An address (no width, a register of the processor) or a value (with a width). */
bool pack_recipe(struct pack_text *t, bool address, struct abi_recipe *out);

#endif
