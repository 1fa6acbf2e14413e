/* SPDX-License-Identifier: BSD-2-Clause */
/* The profiles that the agent carries with it: profiles/NAME.yaml at build time,
 * written out as C by scripts/embed-profiles. */
#ifndef PROFILE_BUILTIN_H
#define PROFILE_BUILTIN_H

#include <stddef.h>

struct builtin_profile {
	const char *name;
	const char *text;
	size_t size;
};

extern const struct builtin_profile builtin_profiles[];
extern const size_t builtin_profiles_count;

#endif
