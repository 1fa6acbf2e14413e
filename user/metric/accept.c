// SPDX-License-Identifier: BSD-2-Clause
/* Reads Accept and Accept-Encoding lists. */
#include "metric/accept.h"

#include <string.h>
#include <strings.h>

struct span {
	const char *at;
	size_t n;
};

static struct span trim(const char *at, size_t n)
{
	while (n && (*at == ' ' || *at == '\t'))
		at++, n--;
	while (n && (at[n - 1] == ' ' || at[n - 1] == '\t'))
		n--;
	return (struct span){ at, n };
}

/* Length up to @stop or the end, passing over quoted strings. */
static size_t until(const char *at, size_t n, char stop)
{
	bool quoted = false;
	size_t i;

	for (i = 0; i < n; i++) {
		if (quoted && at[i] == '\\' && i + 1 < n)
			i++;
		else if (at[i] == '"')
			quoted = !quoted;
		else if (!quoted && at[i] == stop)
			break;
	}
	return i;
}

/* "0", "0.5", "0.125", "1", "1.000"; anything else is malformed. */
static bool parse_quality(const char *at, size_t n, unsigned *q)
{
	unsigned value, scale = 100;

	if (n < 1 || n > 5 || (at[0] != '0' && at[0] != '1') || (n > 1 && at[1] != '.'))
		return false;
	value = at[0] == '1' ? 1000 : 0;
	for (size_t i = 2; i < n; i++, scale /= 10) {
		if (at[i] < '0' || at[i] > '9')
			return false;
		value += (unsigned)(at[i] - '0') * scale;
	}
	if (value > 1000)
		return false;
	*q = value;
	return true;
}

/* Splits one element of the list; false when it is empty or malformed. */
static bool parse_item(const char *at, size_t n, struct accept_item *item)
{
	size_t n_name = until(at, n, ';');
	struct span name = trim(at, n_name);
	const char *q;
	size_t n_q;

	*item = (struct accept_item){ name.at, name.n, at + n_name, n - n_name, 1000 };
	if (!name.n || memchr(name.at, ' ', name.n) || memchr(name.at, '"', name.n))
		return false;
	return !accept_param(item, "q", &q, &n_q) || parse_quality(q, n_q, &item->q);
}

bool accept_next(const char **header, struct accept_item *item)
{
	while (**header) {
		const char *at = *header;
		size_t n = until(at, strlen(at), ',');

		*header = at + n + (at[n] == ',');
		if (parse_item(at, n, item))
			return true;
	}
	return false;
}

bool accept_is(const struct accept_item *item, const char *name)
{
	return strlen(name) == item->n_name && !strncasecmp(item->name, name, item->n_name);
}

bool accept_param(const struct accept_item *item, const char *name, const char **value, size_t *len)
{
	const char *p = item->params, *end = p + item->n_params;

	while (p < end) {
		size_t n = until(p + 1, (size_t)(end - p) - 1, ';'); /* p is at a ';' */
		const char *equals = memchr(p + 1, '=', n);

		if (equals) {
			struct span key = trim(p + 1, (size_t)(equals - p) - 1);
			struct span val = trim(equals + 1, (size_t)(p + 1 + n - equals) - 1);

			if (key.n == strlen(name) && !strncasecmp(key.at, name, key.n)) {
				bool quoted =
					val.n >= 2 && val.at[0] == '"' && val.at[val.n - 1] == '"';

				*value = val.at + quoted;
				*len = val.n - 2u * quoted;
				return true;
			}
		}
		p += 1 + n;
	}
	return false;
}
