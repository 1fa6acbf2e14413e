// SPDX-License-Identifier: BSD-2-Clause
#include "probe/layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "probe/sample.h"

struct found {
	struct layout_series at[16];
	size_t n;
};

static void keep(const struct layout_series *series, void *arg)
{
	struct found *found = arg;

	assert_true(found->n < ARRAY_SIZE(found->at));
	found->at[found->n++] = *series;
}

static const struct layout_series *of(const struct found *found, size_t a, size_t b)
{
	for (size_t i = 0; i < found->n; i++)
		if (found->at[i].label[0] == a && found->at[i].label[1] == b)
			return &found->at[i];
	return NULL;
}

/* Known series are there from the beginning, unknown ones when counted. */
static void begins_at_zero(void **state)
{
	_cleanup_(layout_freep) struct layout *layout = NULL;
	struct found found = {};
	uint64_t cells[64] = {};

	(void)state;
	assert_int_equal(layout_make(&sample, &layout, NULL), 0);
	layout_series(layout, cells, DECISIONS, keep, &found);
	assert_int_equal(found.n, 4);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(found.at[i].count, 0);
	cells[layout->regions[0].base + 2] = 5;
	found.n = 0;
	layout_series(layout, cells, DECISIONS, keep, &found);
	assert_int_equal(found.n, 5);
	assert_int_equal(of(&found, 2, 0)->count, 5);
}

/* The sources number their labels differently; the series do not. */
static void joins_sources(void **state)
{
	_cleanup_(layout_freep) struct layout *layout = NULL;
	struct found found = {};
	uint64_t cells[64] = {};

	(void)state;
	assert_int_equal(layout_make(&sample, &layout, NULL), 0);
	cells[layout->regions[0].base + 0] = 10; /* vote: approve */
	cells[layout->regions[0].base + 1] = 20; /* vote: reject */
	cells[layout->regions[1].base + 0] = 3;  /* tally: reject */
	cells[layout->regions[1].base + 1] = 4;  /* tally: approve */
	layout_series(layout, cells, DECISIONS, keep, &found);
	assert_int_equal(of(&found, 0, 0)->count, 10);
	assert_int_equal(of(&found, 1, 0)->count, 20);
	assert_int_equal(of(&found, 0, 1)->count, 4);
	assert_int_equal(of(&found, 1, 1)->count, 3);

	/* From the same node the two would be one series. */
	decision_sources[1].labels[1].index = 0;
	found.n = 0;
	layout_series(layout, cells, DECISIONS, keep, &found);
	decision_sources[1].labels[1].index = 1;
	assert_int_equal(found.n, 2);
	assert_int_equal(of(&found, 0, 0)->count, 14);
	assert_int_equal(of(&found, 1, 0)->count, 23);
}

static void reads_histograms(void **state)
{
	_cleanup_(layout_freep) struct layout *layout = NULL;
	struct found found = {};
	uint64_t cells[64] = {};

	(void)state;
	assert_int_equal(layout_make(&sample, &layout, NULL), 0);
	for (size_t i = 0; i < 5; i++)
		cells[layout->regions[2].base + i] = i + 1;
	layout_series(layout, cells, SIGN_SECONDS, keep, &found);
	assert_int_equal(found.n, 1);
	assert_int_equal(found.at[0].count, 1 + 2 + 3 + 4);
	assert_int_equal(found.at[0].sum_ns, 5);
	assert_int_equal(found.at[0].buckets[0], 1);
	assert_int_equal(found.at[0].buckets[3], 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(begins_at_zero),
		cmocka_unit_test(joins_sources),
		cmocka_unit_test(reads_histograms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
