// SPDX-License-Identifier: BSD-2-Clause
/* Demangling (libiberty) and path comparison. */
#include "symbol/name.h"

#include <libiberty/demangle.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"

char *name_demangle(const char *mangled)
{
	_free_ char *plain = NULL;
	const char *suffix;

	if (strncmp(mangled, "_ZN", 3) != 0 && strncmp(mangled, "_R", 2) != 0)
		return NULL;
	suffix = strstr(mangled, ".llvm.");
	plain = suffix ? mem_strndup(mangled, (size_t)(suffix - mangled)) : mem_strdup(mangled);
	return rust_demangle(plain, DMGL_RUST);
}

char *name_needle(const char *path)
{
	const char *last = strrchr(path, ':');

	last = last ? last + 1 : path;
	return mem_printf("%zu%s", strlen(last), last);
}

/* Copies a path without its generic arguments: "a::b<T>::c" and "a::b::<T>::c"
 * give "a::b::c". A leading "<A as B>::f" or "<A>::f" is the method f of A. */
static char *strip_generics(const char *text)
{
	_strbuf_ struct strbuf out = {};
	size_t depth = 0;
	bool self = *text == '<', skip = false;

	for (const char *p = self ? text + 1 : text; *p; p++) {
		bool arrow = p > text && p[-1] == '-' && *p == '>';

		if (self && !depth && strncmp(p, " as ", 4) == 0)
			skip = true;
		if (*p == '<') {
			depth++;
		} else if (*p == '>' && !arrow && depth) {
			depth--;
		} else if (*p == '>' && !arrow) {
			self = skip = false;
		} else if (!depth && !skip) {
			strbuf_putc(&out, *p);
		}
	}
	return strbuf_take(&out);
}

static char *tidy(const char *text)
{
	_free_ char *flat = strip_generics(text);
	_strbuf_ struct strbuf out = {};

	/* "a::::b" is left where "::<T>" stood */
	for (const char *p = flat; *p; p++) {
		if (strncmp(p, "::::", 4) == 0)
			p += 2;
		strbuf_putc(&out, *p);
	}
	/* and "a::b::" where it stood last */
	while (out.len >= 2 && out.text[out.len - 1] == ':' && out.text[out.len - 2] == ':')
		out.text[out.len -= 2] = '\0';
	return strbuf_take(&out);
}

static bool segments_match(const char *name, size_t name_len, const char *path)
{
	const char *end = name + name_len;

	while (name < end && *path) {
		if (*path == '*' && (path[1] == ':' || !path[1])) {
			while (name < end && *name != ':')
				name++;
			path++;
		} else if (*name++ != *path++) {
			return false;
		}
	}
	return name == end && !*path;
}

enum name_match name_compare(const char *demangled, const char *path)
{
	static const char *const closures[] = { "::{{closure}}", "::{closure#0}", "::{closure}" };
	_free_ char *name = tidy(demangled);
	_free_ char *want = tidy(path);
	size_t len = strlen(name);

	if (segments_match(name, len, want))
		return NAME_SAME;
	for (size_t i = 0; i < ARRAY_SIZE(closures); i++) {
		size_t tail = strlen(closures[i]);

		if (len > tail && strcmp(name + len - tail, closures[i]) == 0 &&
		    segments_match(name, len - tail, want))
			return NAME_CLOSURE;
	}
	return NAME_OTHER;
}
