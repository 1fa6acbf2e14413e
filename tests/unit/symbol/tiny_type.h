/* SPDX-License-Identifier: BSD-2-Clause */
/* Types and values of tiny.rs. */
#ifndef TESTS_TINY_TYPE_H
#define TESTS_TINY_TYPE_H

#include "symbol/tiny_elf.h"
#include "symbol/type.h"

/* The body of the async function @name: the abstract subprogram {async_fn#0} in its namespace. */
static inline bool tiny_body(Dwarf *dbg, const char *name, Dwarf_Die *out)
{
	Dwarf_Die cudie, space;

	for (Dwarf_CU *cu = NULL; dwarf_get_units(dbg, cu, &cu, NULL, NULL, &cudie, NULL) == 0;)
		if (tiny_search(&cudie, DW_TAG_namespace, name, &space) &&
		    tiny_search(&space, DW_TAG_subprogram, "{async_fn#0}", out))
			return true;
	return false;
}

static inline struct type_future tiny_future(Dwarf *dbg, const char *name)
{
	struct type_future future = {};
	Dwarf_Die body;
	bool found = tiny_body(dbg, name, &body) && type_future_of(&body, &future);

	assert(found);
	return future;
}

/* A place at the beginning of the struct or enum @name. */
static inline struct type_place tiny_place(Dwarf *dbg, int tag, const char *name)
{
	struct type_place place = {};
	bool found = tiny_die(dbg, tag, name, &place.type);

	assert(found);
	return place;
}

#endif
