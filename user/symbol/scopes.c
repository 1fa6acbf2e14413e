// SPDX-License-Identifier: BSD-2-Clause
/* What a DIE stands in. */
#include "symbol/scopes.h"

#include <stdlib.h>

#include "base/mem.h"
#include "symbol/unit.h"

struct nest {
	VEC(Dwarf_Off) around; /* the DIEs whose children are being read */
};

/* Reads the unit up to the DIE at @off. */
static bool find(struct unit *unit, Dwarf_Off off, struct nest *nest)
{
	struct unit_die at;

	while (unit_next(unit, &at)) {
		if (at.off == off)
			return true;
		if (at.off > off)
			return false;
		if (at.children)
			*VEC_ADD(&nest->around) = at.off;
		else if (!at.tag && nest->around.n)
			nest->around.n--;
	}
	return false;
}

bool scopes_of(Dwarf_Die *die, Dwarf_Die **out, size_t *n)
{
	Dwarf *dbg = dwarf_cu_getdwarf(die->cu);
	Dwarf_Off off = dwarf_dieoffset(die);
	struct nest nest = {};
	struct units units;
	struct unit unit;
	bool found;

	*out = NULL;
	*n = 0;
	units_begin(dbg, &units);
	units.next = off - dwarf_cuoffset(die);
	if (units_next(&units, &unit, NULL) <= 0)
		return false;
	found = find(&unit, off, &nest);
	unit_close(&unit);
	if (found) {
		*out = mem_array(nest.around.n + 1, sizeof(**out));
		while (*n < nest.around.n && dwarf_offdie(dbg, nest.around.at[*n], &(*out)[*n]))
			++*n;
		found = *n == nest.around.n;
	}
	free(nest.around.at);
	return found;
}
