// SPDX-License-Identifier: BSD-2-Clause
/* Functions of shared libraries: LIBRARY:SYMBOL. A Rust path has no single colon. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "profile/build.h"

const char *profile_symbol(const char *function)
{
	const char *colon = strchr(function, ':');

	return colon && colon[1] != ':' ? colon + 1 : NULL;
}

bool profile_is_handed(const char *function)
{
	size_t n = strlen(function);

	return n > 2 && strcmp(function + n - 2, "->") == 0;
}

bool profile_is_of(const char *function, const char *library)
{
	const char *symbol = profile_symbol(function);
	size_t size;

	if (!symbol || !library)
		return !symbol && !library;
	size = (size_t)(symbol - 1 - function);
	return strlen(library) == size && strncmp(function, library, size) == 0;
}

bool profile_has_of(const struct profile *profile, unsigned part, const char *library)
{
	for (size_t f = 0; f < profile->n_funcs; f++)
		if ((part == PROFILE_PARTS_MAX || profile->funcs[f].parts & 1U << part) &&
		    profile_is_of(profile->funcs[f].name, library))
			return true;
	return false;
}

bool profile_concerns(const struct profile *profile, unsigned part, const char *library)
{
	bool none = true;

	for (size_t f = 0; f < profile->n_funcs; f++)
		none &= !(profile->funcs[f].parts & 1U << part);
	return (none && !library) || profile_has_of(profile, part, library);
}

static bool has_name(char *const *names, size_t n, const char *function)
{
	for (size_t i = 0; i < n; i++)
		if (profile_is_of(function, names[i]))
			return true;
	return false;
}

size_t profile_libraries(const struct profile *profile, char **names, size_t max)
{
	size_t n = 0;

	for (size_t f = 0; f < profile->n_funcs; f++) {
		const char *name = profile->funcs[f].name, *symbol = profile_symbol(name);

		if (!symbol || has_name(names, n < max ? n : max, name))
			continue;
		if (n < max)
			names[n] = mem_strndup(name, (size_t)(symbol - 1 - name));
		n++;
	}
	return n;
}

/* An argument of a C function has no name and no fields: arg0 to arg5, or what a function
 * of the library tells of the object that it points to. */
static bool is_c_argument(const char *path)
{
	if (strncmp(path, "arg", 3) != 0 || path[3] < '0' || path[3] > '5')
		return false;
	return !path[4] || (path[4] == '.' && strchr(path, '('));
}

static const char *integers_only(const struct label_draft *draft)
{
	for (size_t i = 0; i < draft->n_choices; i++)
		if (draft->choices[i].raw[strspn(draft->choices[i].raw, "-0123456789")])
			return "is of a C function, whose values are whole numbers";
	return NULL;
}

/* NULL, or why the value cannot be one of a function of a shared library. */
static const char *c_fault(const struct label_draft *draft)
{
	switch (draft->kind) {
	case PROFILE_VALUE_ARG:
		if (!is_c_argument(draft->path))
			return "is of a C function, whose arguments are arg0 to arg5, or "
			       "arg0.FUNCTION() with a function of the library that reads one field";
		if (draft->is_number)
			return "is an argument of a C function: it can be a label or a key, but not "
			       "a number, for its type is not known";
		if (draft->is_key && draft->path[4])
			return "is a field: a key of a C function is an argument";
		return integers_only(draft);
	case PROFILE_VALUE_RETURN:
		if (draft->is_number && strcmp(draft->path, "number") != 0)
			return "is of a C function: what it returned is called number";
		return integers_only(draft);
	default:
		return "is of a C function, which can only return";
	}
}

static const char *rust_fault(const struct label_draft *draft)
{
	if (draft->now)
		return "is read at the end of the call, which is done with functions of shared "
		       "libraries only";
	if (draft->skip_rest)
		return "skips all others, which is done with functions of shared libraries only";
	if (draft->kind == PROFILE_VALUE_ARG && strchr(draft->path, '(') &&
	    !strstr(draft->path, "len()"))
		return "calls a function, which is done with functions of shared libraries only";
	return NULL;
}

bool library_check_value(struct build *b, const struct label_draft *draft, const char *function)
{
	const char *why = profile_symbol(function) ? c_fault(draft) : rust_fault(draft);

	if (why)
		fault_add(b->tree.page, tree_span(&b->tree, draft->entry.key), "\"%.60s\" %s",
			  draft->entry.name, why);
	return !why;
}
