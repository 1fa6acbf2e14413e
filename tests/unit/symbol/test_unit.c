// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/unit.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/tiny_elf.h"

static const char *string_at(Dwarf *dbg, uint64_t off)
{
	size_t len;

	return off == UNIT_NO_STRING ? NULL : dwarf_getstring(dbg, off, &len);
}

/* What the flat reader says of a DIE must be what libdw says of it. */
static void same_as_libdw(Dwarf *dbg, const struct unit_die *flat)
{
	Dwarf_Attribute at;
	const char *name;
	Dwarf_Die die, origin;

	assert_non_null(dwarf_offdie(dbg, flat->off, &die));
	assert_int_equal(dwarf_tag(&die), flat->tag);
	assert_int_equal(dwarf_haschildren(&die), flat->children);
	if (flat->tag != DW_TAG_subprogram && flat->tag != DW_TAG_inlined_subroutine)
		return;
	if (dwarf_attr(&die, DW_AT_name, &at) && dwarf_whatform(&at) != DW_FORM_string &&
	    dwarf_whatform(&at) != DW_FORM_line_strp) {
		name = string_at(dbg, flat->name);
		if (!name)
			fail_msg("no name at %llx", (unsigned long long)flat->off);
		assert_string_equal(name, dwarf_formstring(&at));
	}
	if (dwarf_attr(&die, DW_AT_linkage_name, &at)) {
		name = string_at(dbg, flat->linkage_name);
		assert_non_null(name);
		assert_string_equal(name, dwarf_formstring(&at));
	}
	if ((dwarf_attr(&die, DW_AT_abstract_origin, &at) ||
	     dwarf_attr(&die, DW_AT_specification, &at)) &&
	    dwarf_formref_die(&at, &origin))
		assert_int_equal(dwarf_dieoffset(&origin), flat->origin);
	else
		assert_int_equal(flat->origin, 0);
}

static size_t count(Dwarf_Die *die)
{
	Dwarf_Die child;
	size_t n = 1;

	if (dwarf_child(die, &child) == 0)
		do
			n += count(&child);
		while (dwarf_siblingof(&child, &child) == 0);
	return n;
}

/* All units of a file, DIE by DIE; returns how many DIEs there are. */
static size_t compare_all(Dwarf *dbg)
{
	struct units units;
	struct unit unit;
	size_t all = 0;

	units_begin(dbg, &units);
	while (units_next(&units, &unit, NULL) == 1) {
		struct unit_die die, again;
		Dwarf_Die cudie;
		Dwarf_Off first = (Dwarf_Off)(unit.pos - unit.base);
		size_t n = 0;

		while (unit_next(&unit, &die)) {
			if (!die.tag)
				continue;
			same_as_libdw(dbg, &die);
			assert_true(unit_peek(&unit, die.off, &again));
			assert_memory_equal(&again, &die, sizeof(die));
			n++;
		}
		assert_false(unit.bad);
		assert_false(unit.skeleton);
		assert_non_null(dwarf_offdie(dbg, first, &cudie));
		assert_int_equal(n, count(&cudie));
		assert_false(unit_peek(&unit, unit.off, &again));
		assert_false(unit_peek(&unit, units.next, &again));
		unit_close(&unit);
		all += n;
	}
	return all;
}

static void reads_dwarf_4_of_rustc(void **state)
{
	struct tiny t = tiny_open();

	(void)state;
	assert_true(compare_all(t.dbg) > 300);
	tiny_close(&t);
}

/* gcc writes DWARF 5 with other forms. */
static void reads_its_own(void **state)
{
	_close_ int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	Dwarf *dbg = dwarf_begin(fd, DWARF_C_READ);

	(void)state;
	assert_non_null(dbg);
	assert_true(compare_all(dbg) > 300);
	dwarf_end(dbg);
}

/* tiny.elf with other bytes at the start of a section. */
static Dwarf *damaged(const char *section, size_t at, const void *bytes, size_t len)
{
	const Elf64_Ehdr *eh = (const void *)tiny_elf;
	const Elf64_Shdr *sh = (const void *)(tiny_elf + eh->e_shoff);
	const char *names = (const char *)tiny_elf + sh[eh->e_shstrndx].sh_offset;
	uint8_t *copy = mem_alloc(TINY_SIZE);
	Dwarf *dbg;

	memcpy(copy, tiny_elf, TINY_SIZE);
	for (unsigned i = 0; i < eh->e_shnum; i++)
		if (strcmp(names + sh[i].sh_name, section) == 0)
			memcpy(copy + sh[i].sh_offset + at, bytes, len);
	dbg = dwarf_begin(tiny_file(copy, TINY_SIZE), DWARF_C_READ);
	assert_non_null(dbg);
	free(copy);
	return dbg;
}

static void refuses_what_is_no_unit(void **state)
{
	Dwarf *dbg = damaged(".debug_info", 4, "\x09", 1); /* the version */
	struct err err = {};
	struct units units;
	struct unit unit;

	(void)state;
	units_begin(dbg, &units);
	assert_int_equal(units_next(&units, &unit, &err), -EBADMSG);
	assert_string_equal(err.text, "damaged debug information: no unit of version 2 to 5 at "
				      ".debug_info+0x0");
	dwarf_end(dbg);
}

/* Without an abbreviation for it a DIE cannot be read, nor anything behind it. */
static void needs_abbreviations(void **state)
{
	Dwarf *dbg = damaged(".debug_abbrev", 0, "\0", 1);
	struct units units;
	struct unit_die die;
	struct unit unit;

	(void)state;
	units_begin(dbg, &units);
	assert_int_equal(units_next(&units, &unit, NULL), 1);
	assert_false(unit_next(&unit, &die));
	assert_true(unit.bad);
	unit_close(&unit);
	dwarf_end(dbg);
}

/* A unit that says it is longer than its section ends with the section. */
static void stays_in_the_section(void **state)
{
	Dwarf *dbg = damaged(".debug_info", 0, "\xe0\xff\xff\xff", 4); /* the length */
	struct units units;
	struct unit_die die;
	struct unit unit;
	size_t n = 0;

	(void)state;
	units_begin(dbg, &units);
	assert_int_equal(units_next(&units, &unit, NULL), 1);
	assert_true(units.next > TINY_SIZE);
	while (unit_next(&unit, &die))
		n++;
	assert_true(unit.pos <= unit.end);
	assert_int_equal(unit.end - unit.base, units.info->d_size);
	assert_true(n > 10);
	unit_close(&unit);
	assert_int_equal(units_next(&units, &unit, NULL), 0);
	dwarf_end(dbg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_dwarf_4_of_rustc),  cmocka_unit_test(reads_its_own),
		cmocka_unit_test(refuses_what_is_no_unit), cmocka_unit_test(needs_abbreviations),
		cmocka_unit_test(stays_in_the_section),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
