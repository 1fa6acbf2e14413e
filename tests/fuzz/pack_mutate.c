// SPDX-License-Identifier: BSD-2-Clause
/* Changes a pack by its lines and words, so that much of it stays readable. */
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "fuzz/fuzz.h"

size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t n_a, const uint8_t *b, size_t n_b,
				 uint8_t *out, size_t max, unsigned seed);

#define PIECE_MAX 4096

struct text {
	uint8_t *at;
	size_t size, max;
};

struct range {
	size_t at, len;
};

/* Puts @n bytes in place of @where; nothing happens where there is no room. */
static void replace(struct text *t, struct range where, const uint8_t *with, size_t n)
{
	uint8_t copy[PIECE_MAX];

	if (n > sizeof(copy) || t->size - where.len + n > t->max)
		return;
	if (n)
		memcpy(copy, with, n);
	memmove(t->at + where.at + n, t->at + where.at + where.len, t->size - where.at - where.len);
	if (n)
		memcpy(t->at + where.at, copy, n);
	t->size += n - where.len;
}

static struct range grow(const uint8_t *text, size_t size, size_t at, bool (*ends)(int))
{
	struct range r = { at, 0 };

	while (r.at && !ends(text[r.at - 1]))
		r.at--;
	while (r.at + r.len < size && !ends(text[r.at + r.len]))
		r.len++;
	return r;
}

static bool ends_line(int c)
{
	return c == '\n';
}

static bool ends_word(int c)
{
	return isspace(c) || c == '[' || c == ']' || c == ':' || c == '+' || c == '"';
}

static bool ends_number(int c)
{
	return !isdigit(c);
}

static struct range line(const uint8_t *text, size_t size, size_t at)
{
	struct range r = grow(text, size, at, ends_line);

	r.len += r.at + r.len < size; /* its line break too */
	return r;
}

static bool indented(const uint8_t *text, size_t size, size_t at)
{
	return at < size && text[at] == ' ';
}

/* A line; or a row, a site or what else is not indented, and all that is indented
 * below it. */
static struct range lines(const uint8_t *text, size_t size, uint64_t *seed)
{
	struct range r = line(text, size, fuzz_random(seed, (uint32_t)size)), next;

	if (fuzz_random(seed, 4) == 0)
		return r;
	while (indented(text, size, r.at) && r.at)
		r = line(text, size, r.at - 1);
	while (indented(text, size, r.at + r.len)) {
		next = line(text, size, r.at + r.len);
		r.len += next.len;
	}
	return r;
}

static struct range word(const struct text *t, uint64_t *seed)
{
	return grow(t->at, t->size, fuzz_random(seed, (uint32_t)t->size), ends_word);
}

static void other_number(struct text *t, uint64_t *seed)
{
	static const char *const edges[] = { "0",
					     "1",
					     "2",
					     "3",
					     "4",
					     "8",
					     "15",
					     "16",
					     "63",
					     "64",
					     "127",
					     "128",
					     "255",
					     "256",
					     "65535",
					     "65536",
					     "2147483647",
					     "-2147483648",
					     "4294967295",
					     "4294967296",
					     "9223372036854775807",
					     "9223372036854775808",
					     "18446744073709551615",
					     "18446744073709551616",
					     "0x1000",
					     "0xfff",
					     "0x1fff",
					     "0x2000",
					     "0x7fffffffffffffff" };
	size_t from = fuzz_random(seed, (uint32_t)t->size);

	while (from < t->size && !isdigit(t->at[from]))
		from++;
	if (from < t->size) {
		const char *edge = edges[fuzz_random(seed, sizeof(edges) / sizeof(*edges))];

		replace(t, grow(t->at, t->size, from, ends_number), (const uint8_t *)edge,
			strlen(edge));
	}
}

/* Numbers, names of registers, other words: few are taken for one another. */
static int kind_of(const struct text *t, struct range r)
{
	if (!r.len)
		return 0;
	if (isdigit(t->at[r.at]))
		return r.len > 2 && t->at[r.at + 1] == 'x' ? 4 : r.len > 3 ? 5 : 1;
	return r.len <= 3 ? 2 : 3;
}

/* A word in place of another one, mostly of its kind. */
static void other_word(struct text *t, uint64_t *seed)
{
	struct range a = word(t, seed), b = word(t, seed);

	for (unsigned tries = 16; tries && kind_of(t, a) != kind_of(t, b); tries--)
		b = word(t, seed);
	replace(t, b, t->at + a.at, a.len);
}

static bool begin_alike(const uint8_t *a, struct range x, const uint8_t *b, struct range y)
{
	return x.len >= 5 && y.len >= 5 && memcmp(a + x.at, b + y.at, 5) == 0;
}

/* Of @t, what begins as @like of @text does; anything where nothing is found. */
static struct range lines_like(const struct text *t, const uint8_t *text, struct range like,
			       uint64_t *seed)
{
	struct range r = lines(t->at, t->size, seed);

	for (unsigned tries = 16; tries && !begin_alike(text, like, t->at, r); tries--)
		r = lines(t->at, t->size, seed);
	return r;
}

/* In place of @b, or before or behind it. */
static struct range place(struct range b, uint64_t *seed)
{
	switch (fuzz_random(seed, 4)) {
	case 0:
		return (struct range){ b.at, 0 };
	case 1:
		return (struct range){ b.at + b.len, 0 };
	default:
		return b;
	}
}

static void change(struct text *t, uint64_t *seed)
{
	struct range a = lines(t->at, t->size, seed), b = lines_like(t, t->at, a, seed);

	switch (fuzz_random(seed, 16)) {
	case 0:
		replace(t, a, NULL, 0);
		break;
	case 1:
		t->size = LLVMFuzzerMutate(t->at, t->size, t->max);
		break;
	case 2:
	case 3:
	case 4:
	case 5:
		replace(t, place(b, seed), t->at + a.at, a.len);
		break;
	case 6:
	case 7:
	case 8:
		other_number(t, seed);
		break;
	default:
		other_word(t, seed);
	}
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned number)
{
	struct text t = { data, size, max };
	uint64_t seed = number;

	for (unsigned edits = fuzz_random(&seed, 4) ? 1 : 3; edits && t.size; edits--)
		change(&t, &seed);
	return t.size ? t.size : LLVMFuzzerMutate(data, size, max);
}

/* Lines of @b put into @a. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t n_a, const uint8_t *b, size_t n_b,
				 uint8_t *out, size_t max, unsigned number)
{
	uint64_t seed = number;
	struct text t = { out, n_a < max ? n_a : max, max };
	struct range from;

	memcpy(out, a, t.size);
	if (!t.size || !n_b)
		return t.size;
	from = lines(b, n_b, &seed);
	replace(&t, place(lines_like(&t, b, from, &seed), &seed), b + from.at, from.len);
	return t.size;
}
