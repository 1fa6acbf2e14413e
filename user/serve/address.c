// SPDX-License-Identifier: BSD-2-Clause
/* Reads listen addresses. Names are not looked up here: serve/listen does that. */
#include "serve/address.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Only digits, unlike strtoul, which takes "+80", " 80" and "0x50" as well. */
static bool parse_port(const char *text, uint16_t *port)
{
	unsigned long value = 0;

	if (!*text || strlen(text) > 5)
		return false;
	for (; *text; text++) {
		if (!isdigit((unsigned char)*text))
			return false;
		value = value * 10 + (unsigned long)(*text - '0');
	}
	*port = (uint16_t)value;
	return value <= UINT16_MAX;
}

static bool host_char(char c, bool bracketed)
{
	if (isalnum((unsigned char)c) || c == '.' || c == '-' || c == '_')
		return true;
	return bracketed && (c == ':' || c == '%'); /* fe80::1%eth0 */
}

/* Finds the host in @text and what follows it; the sentence says what is missing. */
static int split(const char *text, const char **host, size_t *n_host, const char **rest,
		 struct err *err)
{
	const char *close, *colon = strrchr(text, ':');

	if (text[0] == '[') {
		close = strchr(text, ']');
		if (!close || close == text + 1)
			return err_set(err, -EINVAL, "\"%s\" is no address: expected [IPV6]:PORT",
				       text);
		*host = text + 1;
		*n_host = (size_t)(close - text) - 1;
		*rest = close + 1;
		return 0;
	}
	if (!colon)
		return err_set(err, -EINVAL, "\"%s\" has no port: expected HOST:PORT or :PORT",
			       text);
	if (strchr(text, ':') != colon)
		return err_set(err, -EINVAL,
			       "\"%s\" is ambiguous: an IPv6 address stands in brackets, as in "
			       "[::1]:PORT",
			       text);
	*host = text;
	*n_host = (size_t)(colon - text);
	*rest = colon;
	return 0;
}

int address_parse(const char *text, struct address *out, struct err *err)
{
	struct address address = {};
	const char *host = text, *rest = text;
	size_t n = 0;
	int r;

	r = split(text, &host, &n, &rest, err);
	if (r < 0)
		return r;
	if (n >= sizeof(address.host))
		return err_set(err, -EINVAL, "the host name in \"%.60s…\" is too long", text);
	memcpy(address.host, host, n);
	for (const char *p = address.host; *p; p++)
		if (!host_char(*p, text[0] == '['))
			return err_set(err, -EINVAL, "\"%s\" is no address: \"%s\" is no host name",
				       text, address.host);
	if (*rest != ':' || !parse_port(rest + 1, &address.port))
		return err_set(err, -EINVAL,
			       "\"%s\" is no address: the port must be a number up to 65535", text);
	*out = address;
	return 0;
}
