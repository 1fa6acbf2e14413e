// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/peek.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/tiny_elf.h"

static bool may_have(int fd, const char *function)
{
	_free_ char *text = mem_printf(
		"profile: x\nmetrics:\n  a_total: {type: counter, help: x, from: %s}\n", function);
	struct profile *profile = tiny_profile(text);
	bool may = peek_may_have(fd, profile);

	profile_free(profile);
	return may;
}

static void sees_names(void **state)
{
	_close_ int fd = tiny_fd();

	(void)state;
	assert_true(may_have(fd, "tiny::plain"));
	assert_true(may_have(fd, "tiny::process_vote"));
	assert_true(may_have(fd, "tiny::gone")); /* inlined: only in .debug_str */
	assert_true(may_have(fd, "elsewhere::plain"));
	assert_false(may_have(fd, "tiny::absent"));
	assert_false(may_have(fd, "tiny::pla"));
}

static void sees_nothing_in_other_files(void **state)
{
	_close_ int script = tiny_file("#!/bin/sh\n", 10), code = tiny_code("\xc3", 1, NULL, 0);

	(void)state;
	assert_false(may_have(script, "tiny::plain"));
	assert_false(may_have(code, "tiny::plain"));
	assert_false(may_have(-1, "tiny::plain"));
}

static void stands_damage(void **state)
{
	_free_ uint8_t *bad = mem_alloc(TINY_SIZE);
	const Elf64_Ehdr *eh = (const void *)tiny_elf;
	uint64_t seed = 9;

	(void)state;
	for (unsigned round = 0; round < 500; round++) {
		_close_ int fd = -1;

		memcpy(bad, tiny_elf, TINY_SIZE);
		for (unsigned n = 1 + tiny_random(&seed) % 8; n; n--)
			bad[eh->e_shoff + tiny_random(&seed) % (TINY_SIZE - eh->e_shoff)] =
				(uint8_t)tiny_random(&seed);
		fd = tiny_file(bad, TINY_SIZE);
		may_have(fd, "tiny::absent");
	}
}

/* The section header named @name in a copy of tiny.elf. */
static Elf64_Shdr *section(uint8_t *elf, const char *name)
{
	const Elf64_Ehdr *eh = (const void *)elf;
	Elf64_Shdr *sh = (void *)(elf + eh->e_shoff);
	const char *names = (const char *)elf + sh[eh->e_shstrndx].sh_offset;

	for (unsigned i = 0; i < eh->e_shnum; i++)
		if (strcmp(names + sh[i].sh_name, name) == 0)
			return &sh[i];
	return NULL;
}

/* The table is read in pieces, and a name may begin in one and end in the next. */
static void sees_a_name_wherever_it_lies(void **state)
{
	static const char name[] = "_ZN4tiny6hidden17h0123456789abcdefE";
	const size_t table = 600 * 1024, piece = 256 * 1024;

	(void)state;
	for (size_t at = piece - sizeof(name); at <= piece; at++) {
		_free_ uint8_t *elf = mem_alloc(TINY_SIZE + table);
		Elf64_Shdr *strings;
		_close_ int fd = -1;

		memcpy(elf, tiny_elf, TINY_SIZE);
		strings = section(elf, ".strtab");
		strings->sh_offset = TINY_SIZE;
		strings->sh_size = table;
		memcpy(elf + TINY_SIZE + at, name, sizeof(name));
		fd = tiny_file(elf, TINY_SIZE + table);
		assert_true(may_have(fd, "tiny::hidden"));
		assert_false(may_have(fd, "tiny::absent"));
		/* Cut short while it is looked at: what is there is searched. */
		assert_int_equal(ftruncate(fd, (off_t)(TINY_SIZE + at)), 0);
		assert_false(may_have(fd, "tiny::hidden"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sees_names),
		cmocka_unit_test(sees_nothing_in_other_files),
		cmocka_unit_test(stands_damage),
		cmocka_unit_test(sees_a_name_wherever_it_lies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
