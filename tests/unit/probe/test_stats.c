// SPDX-License-Identifier: BSD-2-Clause
#include "probe/stats.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "probe/maps.h"
#include "probe/sample.h"

/* Either the kernel counts, or there is one sentence. */
static void enables(void **state)
{
	_close_ int fd = -1;
	struct err err = {};
	int r = stats_enable(&fd, &err);

	(void)state;
	if (r == 0) {
		assert_true(fd >= 0);
	} else {
		assert_int_equal(fd, -1);
		assert_non_null(strstr(err.text, "CAP_SYS_ADMIN"));
	}
}

static void reads(void **state)
{
	_cleanup_(layout_freep) struct layout *layout = NULL;
	_cleanup_(maps_closep) struct maps *maps = NULL;
	struct kernel kernel;
	struct stats stats;

	(void)state;
	kernel_ask(&kernel);
	assert_int_equal(layout_make(&sample, &layout, NULL), 0);
	if (maps_open(layout, &kernel, 1, &maps, NULL))
		skip();
	assert_int_equal(stats_read(maps_program(maps, true), &stats, NULL), 0);
	assert_int_equal(strncmp(stats.name, "start_", 6), 0);
	assert_int_equal(stats.run_cnt, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(enables),
		cmocka_unit_test(reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
