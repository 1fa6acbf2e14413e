// SPDX-License-Identifier: BSD-2-Clause
/* Functions of shared libraries: LIBRARY:SYMBOL. A Rust path has no single colon. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "profile/profile.h"

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

size_t profile_way_size(const char *text)
{
	static const char *const ways[] = { PROFILE_ASKED, PROFILE_GIVEN };

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		size_t size = strlen(ways[i]);

		if (strncmp(text, ways[i], size) == 0 && (!text[size] || text[size] == ' '))
			return size;
	}
	return 0;
}

const char *profile_behind_result(const char *path)
{
	size_t size = strlen(PROFILE_RETURNED);

	return strncmp(path, PROFILE_RETURNED, size) == 0 ? path + size : path;
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
