// SPDX-License-Identifier: BSD-2-Clause
#include "metric/snapshot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/mem.h"

static void test_growth(void **state)
{
	_snapshot_ struct metric_snapshot snap = {};
	char text[32];

	(void)state;
	for (int i = 0; i < 100; i++) {
		struct metric_family *family;

		snprintf(text, sizeof(text), "family_%d", i);
		family = snapshot_family(&snap, text, METRIC_GAUGE, "", "Help.");
		for (int j = 0; j <= i; j++) {
			struct metric_series *series = family_series(family);

			assert_int_equal(series->n_labels, 0);
			assert_int_equal(series->count, 0);
			snprintf(text, sizeof(text), "value %d", j);
			series_label(series, "label", text);
			series->count = (uint64_t)j;
		}
	}
	assert_int_equal(snap.n, 100);
	assert_int_equal(snap.families[99].n, 100);
	assert_string_equal(snap.families[99].name, "family_99");
	assert_string_equal(snap.families[99].series[98].labels[0].value, "value 98");
	assert_int_equal(snap.families[99].series[98].count, 98);
}

static void test_family_is_declared_once(void **state)
{
	_snapshot_ struct metric_snapshot snap = {};
	struct metric_family *first, *again;

	(void)state;
	snapshot_family(&snap, "other", METRIC_GAUGE, "", "Help.");
	first = snapshot_family(&snap, "same", METRIC_COUNTER, "seconds", "Help.");
	family_series(first);
	again = snapshot_family(&snap, "same", METRIC_COUNTER, "seconds", "Help.");
	assert_ptr_equal(first, again);
	family_series(again);
	assert_int_equal(snap.n, 2);
	assert_int_equal(first->n, 2);
}

static void test_free_owns_buckets(void **state)
{
	struct metric_snapshot snap = {};
	struct metric_series *series;

	(void)state;
	series = family_series(snapshot_family(&snap, "h", METRIC_HISTOGRAM, "seconds", "Help."));
	series->buckets = mem_array(3, sizeof(*series->buckets));
	snapshot_free(&snap);
	assert_null(snap.families);
	assert_int_equal(snap.n, 0);
	snapshot_free(&snap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_family_is_declared_once),
		cmocka_unit_test(test_free_owns_buckets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
