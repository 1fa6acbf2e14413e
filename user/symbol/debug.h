/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scan of all debug information for the functions of a profile. It reads
 * DIEs as a flat stream by their abbreviations, because a tree walk of the
 * 60 MB that one wallet node carries costs seconds and most of it is skipped.
 * What it finds is then looked at with libdw.
 */
#ifndef SYMBOL_DEBUG_H
#define SYMBOL_DEBUG_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "profile/profile.h"

enum debug_role {
	DEBUG_PLAIN, /* the function itself (of an async fn: only its constructor) */
	DEBUG_POLL,  /* the body of an async function: {async_fn#0} or {async_block#0} */
	DEBUG_DROP,  /* drop glue of the future */
};

/* One DIE with code: a concrete function or an inlined copy of one. */
struct debug_hit {
	Dwarf *dbg; /* the file or its split unit */
	unsigned func;
	enum debug_role role;
	bool inlined;
	Dwarf_Off die;       /* DW_TAG_subprogram or DW_TAG_inlined_subroutine */
	Dwarf_Off origin;    /* its abstract subprogram, or the DIE itself */
	Dwarf_Off enclosing; /* inlined: the concrete subprogram around it */
};

struct debug_hits {
	struct debug_hit *at;
	size_t n, cap;
	size_t missing;     /* split units whose .dwo or .dwp file was not found or not readable */
	char *missing_name; /* such a .dwo file, the first one; NULL when there is none */
};

void debug_hits_free(struct debug_hits *hits);

/* Scans @dbg, and the split units that it refers to, for all functions of @profile. */
int debug_scan(Dwarf *dbg, const struct profile *profile, struct debug_hits *hits, struct err *err);

#endif
