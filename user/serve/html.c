// SPDX-License-Identifier: BSD-2-Clause
/* Escapes. */
#include "serve/html.h"

#include <string.h>

#include "metric/utf8.h"

void html_escape(struct strbuf *out, const char *text, size_t len)
{
	for (size_t i = 0, n; i < len; i += n) {
		const char *entity = NULL;

		switch (text[i]) {
		case '&':
			entity = "&amp;";
			break;
		case '<':
			entity = "&lt;";
			break;
		case '>':
			entity = "&gt;";
			break;
		case '"':
			entity = "&quot;";
			break;
		case '\'':
			entity = "&#39;";
			break;
		default:
			break;
		}
		n = utf8_char(text + i);
		if (entity)
			strbuf_puts(out, entity);
		else if (n)
			strbuf_add(out, text + i, n);
		else
			strbuf_puts(out, UTF8_REPLACEMENT);
		n = n ? n : 1;
	}
}

void html_tagged(struct strbuf *out, const char *open, const char *value, const char *close)
{
	strbuf_puts(out, open);
	if (value)
		html_escape(out, value, strlen(value));
	strbuf_puts(out, close);
}

void html_name(struct strbuf *out, const char *name)
{
	while (*name) {
		size_t n = strcspn(name, "_");

		n += name[n] == '_';
		html_escape(out, name, n);
		name += n;
		if (*name)
			strbuf_puts(out, "<wbr>");
	}
}
