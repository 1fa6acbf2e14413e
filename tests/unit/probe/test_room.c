// SPDX-License-Identifier: BSD-2-Clause
#include "probe/room.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void takes_runs(void **state)
{
	struct room *room = room_new(10);
	uint32_t a, b, c;

	(void)state;
	assert_int_equal(room_take(room, 4, &a), 0);
	assert_int_equal(room_take(room, 4, &b), 0);
	assert_int_equal(a, 0);
	assert_int_equal(b, 4);
	assert_int_equal(room_take(room, 3, &c), -ENOSPC);
	room_give(room, a, 4);
	assert_int_equal(room_take(room, 5, &c), -ENOSPC); /* 4 + 2 are free, not in a row */
	assert_int_equal(room_take(room, 3, &c), 0);
	assert_int_equal(c, 0);
	assert_int_equal(room_take(room, 0, &c), 0);
	room_free(room);
}

static void ignores_nonsense(void **state)
{
	struct room *room = room_new(4);
	uint32_t first;

	(void)state;
	assert_int_equal(room_take(room, 4, &first), 0);
	room_give(room, 3, 2);
	room_give(room, 5, UINT32_MAX);
	assert_int_equal(room_take(room, 1, &first), -ENOSPC);
	room_give(room, 3, 1);
	assert_int_equal(room_take(room, 1, &first), 0);
	assert_int_equal(first, 3);
	room_free(room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_runs),
		cmocka_unit_test(ignores_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
