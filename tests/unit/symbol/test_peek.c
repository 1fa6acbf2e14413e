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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sees_names),
		cmocka_unit_test(sees_nothing_in_other_files),
		cmocka_unit_test(stands_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
