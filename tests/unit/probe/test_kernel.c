// SPDX-License-Identifier: BSD-2-Clause
#include "probe/kernel.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct kernel good = { .major = 6,
				    .minor = 8,
				    .release = "6.8.0-1",
				    .cap_bpf = true,
				    .cap_perfmon = true,
				    .btf = true,
				    .uprobes = true,
				    .uprobe_multi = true,
				    .perf_paranoid = 3 };

static void parses_releases(void **state)
{
	unsigned major = 1, minor = 2;
	struct kernel kernel = {};

	(void)state;
	assert_int_equal(kernel_parse("nonsense", &major, &minor), -EINVAL);
	assert_int_equal(major, 1);
	assert_int_equal(kernel_parse("6.18.44-fc-v595", &kernel.major, &kernel.minor), 0);
	assert_true(kernel_since(&kernel, 6, 18));
	assert_true(kernel_since(&kernel, 5, 19));
	assert_false(kernel_since(&kernel, 6, 19));
	assert_false(kernel_since(&kernel, 7, 0));
}

static void refuses(const struct kernel *kernel, int code, const char *word)
{
	struct err err = {};

	assert_int_equal(kernel_check(kernel, &err), code);
	assert_non_null(strstr(err.text, word));
	assert_null(strchr(err.text, '\n'));
}

static void names_what_is_missing(void **state)
{
	struct kernel kernel = good;

	(void)state;
	assert_int_equal(kernel_check(&kernel, NULL), 0);
	kernel.cap_perfmon = false;
	refuses(&kernel, -EPERM, "(CAP_PERFMON)");
	kernel.cap_bpf = false;
	refuses(&kernel, -EPERM, "(CAP_BPF, CAP_PERFMON)");
	kernel.cap_sys_admin = true;
	assert_int_equal(kernel_check(&kernel, NULL), 0);
	kernel = good;
	kernel.major = 5;
	kernel.minor = 10;
	snprintf(kernel.release, sizeof(kernel.release), "5.10.0");
	refuses(&kernel, -ENOSYS, "Linux 5.10.0 is too old");
	kernel = good;
	kernel.btf = false;
	refuses(&kernel, -ENOSYS, "/sys/kernel/btf/vmlinux");
	kernel = good;
	kernel.uprobes = false;
	refuses(&kernel, -ENOSYS, "uprobes");
	kernel = good;
	kernel.uprobe_multi = false;
	refuses(&kernel, -EPERM, "perf_event_paranoid is 3");
	kernel.perf_paranoid = 1;
	assert_int_equal(kernel_check(&kernel, NULL), 0);
}

static void reports(void **state)
{
	struct kernel_row rows[KERNEL_ROWS_MAX];
	struct kernel kernel;

	(void)state;
	kernel_ask(&kernel);
	assert_true(kernel.major >= 4);
	assert_int_equal(kernel_rows(&kernel, rows, KERNEL_ROWS_MAX), KERNEL_ROWS_MAX);
	for (size_t i = 0; i < KERNEL_ROWS_MAX; i++)
		assert_true(rows[i].name && rows[i].since && rows[i].what);
	assert_int_equal(kernel_rows(&kernel, rows, 2), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_releases),
		cmocka_unit_test(names_what_is_missing),
		cmocka_unit_test(reports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
