// SPDX-License-Identifier: BSD-2-Clause
#include "base/file.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

static char path[] = "/tmp/test_file.XXXXXX";

static int make(void **state)
{
	_close_ int fd = mkstemp(path);

	(void)state;
	return fd >= 0 && write(fd, "0123456789", 10) == 10 ? 0 : -1;
}

static int drop(void **state)
{
	(void)state;
	return unlink(path);
}

static void reads_up_to_the_bound(void **state)
{
	_free_ char *text = NULL;
	struct err err = {};
	size_t size = 0;

	(void)state;
	assert_int_equal(file_read(path, 10, &text, &size, &err), 0);
	assert_int_equal(size, 10);
	assert_string_equal(text, "0123456789");
}

static void refuses_more(void **state)
{
	_free_ char *want = mem_printf("%s is larger than 9 bytes", path);
	char *text = NULL;
	struct err err = {};
	size_t size = 77;

	(void)state;
	assert_int_equal(file_read(path, 9, &text, &size, &err), -EFBIG);
	assert_string_equal(err.text, want);
	assert_null(text);
	assert_int_equal(size, 77);
	assert_int_equal(file_read("/dev/zero", 100000, &text, &size, NULL), -EFBIG);
}

static void says_what_failed(void **state)
{
	char *text = NULL;
	struct err err = {};
	size_t size;

	(void)state;
	assert_int_equal(file_read("/nonexistent/p", 9, &text, &size, &err), -ENOENT);
	assert_string_equal(err.text, "cannot open /nonexistent/p: No such file or directory");
	assert_int_equal(file_read("/", 9, &text, &size, &err), -EISDIR);
	assert_string_equal(err.text, "cannot read /: Is a directory");
}

static void reads_where_no_size_is_known(void **state)
{
	_free_ char *text = NULL, *nothing = NULL;
	size_t size = 0;

	(void)state;
	assert_int_equal(file_read("/proc/self/stat", 4096, &text, &size, NULL), 0);
	assert_true(size > 0);
	assert_int_equal(strlen(text), size);
	assert_int_equal(file_read("/dev/null", 0, &nothing, &size, NULL), 0);
	assert_int_equal(size, 0);
	assert_string_equal(nothing, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_up_to_the_bound),
		cmocka_unit_test(refuses_more),
		cmocka_unit_test(says_what_failed),
		cmocka_unit_test(reads_where_no_size_is_known),
	};

	return cmocka_run_group_tests(tests, make, drop);
}
