// SPDX-License-Identifier: BSD-2-Clause
#include "target/pidns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

static void is_the_inode_or_nothing(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(stat("/proc/self/ns/pid", &st), 0);
	assert_true(pidns_own() == (uint32_t)st.st_ino || st.st_ino == 0xEFFFFFFC);
	assert_true(pidns_own() != 0xEFFFFFFC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_the_inode_or_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
