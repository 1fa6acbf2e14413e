// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/scopes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "symbol/tiny_elf.h"

/* Compares with what libdw says of a DIE, where it does, as of types, and of all that are below
 * it; returns of how many it does. */
static size_t compare(Dwarf_Die *die)
{
	_free_ Dwarf_Die *ours = NULL, *theirs = NULL;
	int n = dwarf_getscopes_die(die, &theirs); /* with the DIE itself */
	size_t m, count = n > 0;
	Dwarf_Die child;

	assert_true(scopes_of(die, &ours, &m));
	if (n > 0)
		assert_int_equal(m, n - 1);
	for (size_t i = 0; n > 0 && i < m; i++)
		assert_int_equal(dwarf_dieoffset(&ours[i]), dwarf_dieoffset(&theirs[m - i]));
	if (dwarf_child(die, &child) == 0)
		do
			count += compare(&child);
		while (dwarf_siblingof(&child, &child) == 0);
	return count;
}

static void finds_what_libdw_finds(void **state)
{
	struct tiny t = tiny_open();
	Dwarf_Die cudie;
	size_t units = 0, count = 0;

	(void)state;
	for (Dwarf_CU *cu = NULL; dwarf_get_units(t.dbg, cu, &cu, NULL, NULL, &cudie, NULL) == 0;
	     units++)
		count += compare(&cudie);
	assert_in_range(units, 1, 1000);
	assert_in_range(count, 100, 100000);
	tiny_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_libdw_finds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
