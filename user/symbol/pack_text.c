// SPDX-License-Identifier: BSD-2-Clause
/* Reads the words of a pack. */
#include "symbol/pack_text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "base/utf8.h"
#include "symbol/pack_recipe.h"

bool pack_text_open(struct pack_text *t, const char *origin, const char *text, size_t size,
		    struct err *err, char **copy)
{
	*t = (struct pack_text){ .origin = origin, .err = err, .line = 1 };
	if (memchr(text, '\0', size))
		return pack_bad(t, "not a pack: there are NUL bytes in it");
	*copy = mem_alloc(size + 1);
	memcpy(*copy, text, size);
	t->at = *copy;
	t->end = *copy + size;
	for (char *p = t->at; (p = memchr(p, '\n', (size_t)(t->end - p)));)
		*p++ = '\0';
	return true;
}

bool pack_bad(const struct pack_text *t, const char *fmt, ...)
{
	char what[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	err_set(t->err, -EBADMSG, "%s:%u: %s", t->origin, t->line, what);
	return false;
}

static void skip_spaces(struct pack_text *t)
{
	while (*t->at == ' ')
		t->at++;
}

static bool ends_word(char c)
{
	return c == '\0' || c == ' ';
}

bool pack_word(struct pack_text *t, const char *word)
{
	size_t len = strlen(word);

	skip_spaces(t);
	if (strncmp(t->at, word, len) != 0 || !ends_word(t->at[len]))
		return false;
	t->at += len;
	return true;
}

bool pack_unexpected(struct pack_text *t, const char *expected)
{
	char here[32];
	size_t n = 0;

	skip_spaces(t);
	if (pack_at_end(t))
		return pack_bad(t, "the pack is cut off here, %s is missing", expected);
	while (n + 1 < sizeof(here) && t->at[n] > ' ' && t->at[n] < 0x7f) {
		here[n] = t->at[n];
		n++;
	}
	here[n] = '\0';
	return pack_bad(t, "%s expected, not \"%s\"", expected, here);
}

bool pack_want(struct pack_text *t, const char *word)
{
	return pack_word(t, word) || pack_unexpected(t, word);
}

bool pack_done(struct pack_text *t)
{
	skip_spaces(t);
	if (*t->at)
		return pack_unexpected(t, "the end of the line");
	if (pack_at_end(t))
		return pack_unexpected(t, "a line break");
	t->at++;
	t->line++;
	return true;
}

bool pack_at_end(const struct pack_text *t)
{
	return t->at == t->end;
}

bool pack_number(struct pack_text *t, unsigned base, uint64_t max, const char *what, uint64_t *out)
{
	static const char digits[] = "0123456789abcdef";
	uint64_t value = 0;
	const char *digit;
	size_t n = 0;

	skip_spaces(t);
	if (base == 16 && strncmp(t->at, "0x", 2) != 0)
		return pack_unexpected(t, what);
	if (base == 16)
		t->at += 2;
	for (; t->at[n] && (digit = memchr(digits, t->at[n], base)); n++)
		if (__builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(digit - digits), &value))
			return pack_bad(t, "%s is too large", what);
	if (!n || !ends_word(t->at[n]))
		return pack_unexpected(t, what);
	if (value > max)
		return pack_bad(t, "%s is %llu, at most %llu will do", what,
				(unsigned long long)value, (unsigned long long)max);
	t->at += n;
	*out = value;
	return true;
}

static int nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int hex_byte(const char *p)
{
	int high = nibble(p[0]), low = high < 0 ? -1 : nibble(p[1]);

	return low < 0 ? -1 : high << 4 | low;
}

bool pack_hex(struct pack_text *t, uint8_t *out, size_t max, const char *what, size_t *n)
{
	int byte;

	skip_spaces(t);
	for (*n = 0; (byte = hex_byte(t->at)) >= 0; t->at += 2) {
		if (*n == max)
			return pack_bad(t, "%s: at most %zu bytes will do", what, max);
		out[(*n)++] = (uint8_t)byte;
	}
	return (*n && ends_word(*t->at)) || pack_unexpected(t, what);
}

/* A piece of a string, at most 4 bytes; 0 where none is. */
static size_t take_piece(struct pack_text *t, char *out)
{
	size_t n = 1;
	uint32_t code;
	int byte;

	if (*t->at != '\\') {
		n = utf8_decode(t->at, (size_t)(t->end - t->at), &code);
		if (!n || utf8_is_control(code))
			return 0;
		memcpy(out, t->at, n);
		t->at += n;
	} else if (t->at[1] == '"' || t->at[1] == '\\') {
		*out = t->at[1];
		t->at += 2;
	} else {
		byte = t->at[1] == 'x' ? hex_byte(t->at + 2) : -1;
		if (byte <= 0)
			return 0;
		*out = (char)byte;
		t->at += 4;
	}
	return n;
}

bool pack_string(struct pack_text *t, const char *what, char **out)
{
	_strbuf_ struct strbuf text = {};
	char bytes[4];

	skip_spaces(t);
	if (*t->at != '"')
		return pack_unexpected(t, what);
	t->at++;
	while (*t->at && *t->at != '"') {
		size_t n = take_piece(t, bytes);

		if (!n)
			return pack_bad(t, "%s: a character or an escape that no pack has", what);
		strbuf_add(&text, bytes, n);
	}
	if (!*t->at)
		return pack_bad(t, "%s: the closing quote is missing", what);
	t->at++;
	if (!ends_word(*t->at))
		return pack_unexpected(t, "a space");
	free(*out);
	*out = strbuf_take(&text);
	return true;
}

bool pack_recipe(struct pack_text *t, bool address, struct abi_recipe *out)
{
	const char *why;
	size_t n;

	skip_spaces(t);
	n = pack_recipe_read(t->at, out, &why);
	if (!n)
		return pack_bad(t, "%s", why);
	if (!ends_word(t->at[n]))
		return pack_bad(t, "a recipe goes on with something unknown");
	if (address && out->width)
		return pack_bad(t, "the recipe of an address has no width");
	if (address && (out->reg == ABI_REG_KEY || out->reg == ABI_REG_SAVED))
		return pack_bad(t, "the recipe of an address begins with a processor's register");
	if (!address && !out->width)
		return pack_bad(t, "the recipe of a value has a width: 1, 2, 4 or 8");
	t->at += n;
	return true;
}
