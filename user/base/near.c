// SPDX-License-Identifier: BSD-2-Clause
/* Nearest names by optimal string alignment, the Damerau-Levenshtein distance
 * in which no part of a word is edited twice. */
#include "base/near.h"

#include <ctype.h>
#include <string.h>

#include "base/mem.h"

static size_t min_of(size_t a, size_t b)
{
	return a < b ? a : b;
}

static int same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* One row of the table: distances between a[0..i] and every prefix of b, from
 * the two rows before it. Returns the smallest of them. */
static size_t fill_row(const char *a, size_t i, const char *b, size_t n, const size_t *above2,
		       const size_t *above, size_t *row)
{
	size_t best = row[0] = i + 1;

	for (size_t j = 0; j < n; j++) {
		size_t cost =
			min_of(above[j] + !same(a[i], b[j]), min_of(above[j + 1], row[j]) + 1);

		if (i > 0 && j > 0 && same(a[i], b[j - 1]) && same(a[i - 1], b[j]))
			cost = min_of(cost, above2[j - 1] + 1);
		row[j + 1] = cost;
		best = min_of(best, cost);
	}
	return best;
}

size_t near_distance(const char *a, const char *b, size_t most)
{
	size_t m = strlen(a), n = strlen(b), apart = m > n ? m - n : n - m, distance;
	_free_ size_t *rows = NULL;
	size_t *above2, *above, *row;

	if (apart > most)
		return most + 1;
	rows = mem_array(3 * (n + 1), sizeof(*rows));
	above2 = rows;
	above = rows + (n + 1);
	row = rows + 2 * (n + 1);
	for (size_t j = 0; j <= n; j++)
		above[j] = j;
	for (size_t i = 0; i < m; i++) {
		size_t *oldest = above2;

		/* A swap reaches back two rows, so one bad row alone proves nothing. */
		if (fill_row(a, i, b, n, above2, above, row) > most + 1)
			return most + 1;
		above2 = above;
		above = row;
		row = oldest;
	}
	distance = above[n];
	return distance > most ? most + 1 : distance;
}

size_t near_limit(const char *word)
{
	size_t third = strlen(word) / 3;

	return third ? third : 1;
}

size_t near_find(const char *word, const char *const *names, size_t n_names, const char **found,
		 size_t max)
{
	size_t limit = near_limit(word), distances[NEAR_FOUND_MAX], n = 0;

	if (max > NEAR_FOUND_MAX)
		max = NEAR_FOUND_MAX;
	for (size_t i = 0; i < n_names && max > 0; i++) {
		size_t most = n == max ? distances[n - 1] : limit, d, at;

		if (!names[i])
			continue;
		d = near_distance(word, names[i], most);
		if (d > most || (n == max && d == most))
			continue;
		if (n < max)
			n++;
		for (at = n - 1; at > 0 && distances[at - 1] > d; at--) {
			distances[at] = distances[at - 1];
			found[at] = found[at - 1];
		}
		distances[at] = d;
		found[at] = names[i];
	}
	return n;
}

void near_hint(struct strbuf *out, const char *word, const char *const *names, size_t n_names)
{
	const char *found[2];
	size_t n = near_find(word, names, n_names, found, ARRAY_SIZE(found));

	if (n == 0)
		return;
	strbuf_printf(out, "; did you mean \"%s\"", found[0]);
	if (n == 2) {
		size_t first = near_distance(word, found[0], near_limit(word));

		if (near_distance(word, found[1], first) == first)
			strbuf_printf(out, " or \"%s\"", found[1]);
	}
	strbuf_putc(out, '?');
}
