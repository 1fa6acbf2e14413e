// SPDX-License-Identifier: BSD-2-Clause
/* Looks through all linkage names, which is slow and therefore only done for what is absent. */
#include "symbol/suggest.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/near.h"
#include "symbol/name.h"
#include "symbol/pages.h"

#define SUGGESTIONS_MAX 3

struct best {
	char *name[SUGGESTIONS_MAX];
	size_t distance[SUGGESTIONS_MAX];
	size_t n;
};

/* "a::b::f::{{closure}}" to "a::b::f" */
static void drop_closures(char *name)
{
	char *brace = strstr(name, "::{");

	if (brace)
		*brace = '\0';
}

static const char *last_segment(const char *name)
{
	const char *colon = strrchr(name, ':');

	return colon ? colon + 1 : name;
}

static void offer(struct best *best, const char *name, size_t distance)
{
	size_t at = best->n;

	for (size_t i = 0; i < best->n; i++)
		if (strcmp(best->name[i], name) == 0)
			return;
	while (at > 0 && best->distance[at - 1] > distance)
		at--;
	if (at == SUGGESTIONS_MAX)
		return;
	if (best->n == SUGGESTIONS_MAX)
		free(best->name[--best->n]);
	for (size_t i = best->n; i > at; i--) {
		best->name[i] = best->name[i - 1];
		best->distance[i] = best->distance[i - 1];
	}
	best->name[at] = mem_strdup(name);
	best->distance[at] = distance;
	best->n++;
}

/* Returns true where it is the function of that path. */
static bool consider(struct best *best, const char *mangled, const char *path, size_t limit)
{
	const char *want = last_segment(path);
	_free_ char *name = name_demangle(mangled);
	const char *last;
	size_t distance;

	if (!name || *name == '<' || strstr(name, "drop_in_place") || strstr(name, "drop_glue"))
		return false;
	if (name_compare(name, path) != NAME_OTHER)
		return true;
	drop_closures(name);
	last = last_segment(name);
	distance = near_distance(last, want, limit);
	if (distance <= limit)
		offer(best, name, distance);
	return false;
}

bool suggest_functions(Dwarf *dbg, const char *path, struct strbuf *out)
{
	size_t limit = near_limit(last_segment(path)), len;
	struct pages pages = { dbg, dwarf_getstring(dbg, 0, NULL) };
	struct best best = {};
	bool same = false;
	const char *text;

	for (uint64_t off = 0; !same && (text = dwarf_getstring(dbg, off, &len)); off += len + 1) {
		pages_move_on(&pages, text);
		if (strncmp(text, "_ZN", 3) == 0 || strncmp(text, "_R", 2) == 0)
			same = consider(&best, text, path, limit);
	}
	for (size_t i = 0; i < best.n; i++) {
		if (!same)
			strbuf_printf(out, "%s%s", i ? ", " : "; the file has ", best.name[i]);
		free(best.name[i]);
	}
	return same;
}
