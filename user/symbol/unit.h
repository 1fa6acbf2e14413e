/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A flat reader of one DWARF unit: its DIEs in file order, with the four
 * attributes that the scan asks about, at memory speed. Everything it returns
 * can be looked at again with libdw through its offset.
 * Source: DWARF 5 sections 7.5.2 (abbreviations) and 7.5.6 (forms).
 */
#ifndef SYMBOL_UNIT_H
#define SYMBOL_UNIT_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

/* Where a string attribute points: an offset into .debug_str, or nothing. */
#define UNIT_NO_STRING UINT64_MAX

struct unit_die {
	Dwarf_Off off;
	uint16_t tag; /* 0: the end of a list of children */
	bool children;
	bool abstract;               /* has DW_AT_inline: stands for all copies, has no code */
	uint64_t name, linkage_name; /* offsets in .debug_str or UNIT_NO_STRING */
	Dwarf_Off origin;            /* DW_AT_abstract_origin or specification, 0 when absent */
};

struct unit_abbrev;
struct unit_spec;

/* The units of a file, one after the other. Of each that libdw looks at it keeps a few kilobytes:
 * here nothing is kept, for a large program has thousands of them. */
struct units {
	Dwarf *dbg;
	Elf_Data *info, *abbrev, *str_offsets;
	bool split;     /* of a .dwo or .dwp file */
	Dwarf_Off next; /* of the next unit's header */
};

struct unit {
	Dwarf *dbg;
	Dwarf_Off off;       /* of the unit header */
	const uint8_t *base; /* memory of section offset 0 */
	const uint8_t *pos, *end;
	uint16_t version;
	uint8_t addr_size, off_size;
	const uint8_t *str_offsets; /* DWARF 5: this unit's part of .debug_str_offsets */
	size_t n_str_offsets;
	struct unit_abbrev *abbrevs; /* by code */
	size_t n_abbrevs;
	VEC(struct unit_spec) specs; /* of all abbreviations */
	bool skeleton;               /* perhaps one: its DIEs are in another file */
	bool bad;
};

void units_begin(Dwarf *dbg, struct units *out);

/* Opens the next unit; 1, or 0 when there are no more. Of functions and inlined copies
 * the attributes are read; of other DIEs only the offset and tag are valid.
 * Errors: -EBADMSG damaged, said with the place. */
int units_next(struct units *units, struct unit *out, struct err *err);
void unit_close(struct unit *unit);

/* The next DIE, or false at the end of the unit (or at damage: unit->bad). */
bool unit_next(struct unit *unit, struct unit_die *out);

/* Reads the DIE at @off of this unit without moving. */
bool unit_peek(const struct unit *unit, Dwarf_Off off, struct unit_die *out);

#endif
