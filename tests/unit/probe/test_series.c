// SPDX-License-Identifier: BSD-2-Clause
#include "probe/layout.h"

#include <errno.h>
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

/* What only leaves calls out is captured, takes no cell and makes no series. */
static void skips_without_a_label(void **state)
{
	static struct profile_choice dry[] = { { (char *)"true", NULL } };
	_cleanup_(layout_freep) struct layout *before = NULL;
	_cleanup_(layout_freep) struct layout *layout = NULL;
	struct profile_func *sign = &sample.funcs[SIGN];
	const struct abi_binding *binding = NULL;
	struct found found = {};
	uint64_t cells[64] = {};

	(void)state;
	assert_int_equal(layout_make(&sample, &before, NULL), 0);
	sign->values[sign->n_values++] =
		(struct profile_value){ .path = (char *)"dry", .choices = dry, .n_choices = 1 };
	sample_metrics[ENDS].skips = true;
	end_source.skip = 1;
	assert_int_equal(layout_make(&sample, &layout, NULL), 0);
	assert_int_equal(layout->cells, before->cells);
	for (size_t i = 0; i < layout->funcs[SIGN].n_bindings; i++)
		if (layout->funcs[SIGN].bindings[i].n_labels == 2)
			binding = &layout->funcs[SIGN].bindings[i];
	assert_non_null(binding);
	assert_int_equal(binding->labels[1].slot, 1);
	assert_int_equal(binding->labels[1].size, 0);
	cells[binding->base + 1] = 7;
	layout_series(layout, cells, ENDS, keep, &found);
	assert_int_equal(found.n, 2);
	assert_int_equal(found.at[0].count + found.at[1].count, 7);
	sample_metrics[ENDS].skips = false;
	sign->n_values--;
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
	assert_int_equal(found.at[0].sum, 5);
	assert_int_equal(found.at[0].buckets[0], 1);
	assert_int_equal(found.at[0].buckets[3], 4);
}

/* Two functions feed numbers to one counter, one of them to a histogram too. */
static struct profile *numbers(void)
{
	static struct profile_source both[] = { { .func = VOTE, .on = 1, .number = 1 },
						{ .func = SIGN, .on = 1, .number = 0 } };
	static struct profile_source vote = { .func = VOTE, .on = 1, .number = 1 };
	static struct profile_metric metrics[] = {
		{ .name = (char *)"items_total",
		  .type = PROFILE_COUNTER,
		  .is_of_numbers = true,
		  .sources = both,
		  .n_sources = 2 },
		{ .name = (char *)"items",
		  .type = PROFILE_HISTOGRAM,
		  .is_of_numbers = true,
		  .bounds = { 0, 10, 1000 },
		  .n_bounds = 3,
		  .sources = &vote,
		  .n_sources = 1 },
		{ .name = (char *)"votes_total", .sources = &vote, .n_sources = 1 },
	};
	struct profile *profile = mem_alloc(sizeof(*profile));

	profile->metrics = metrics;
	profile->n_metrics = ARRAY_SIZE(metrics);
	profile->n_funcs = N_SAMPLE_FUNCS;
	profile->funcs[VOTE].n_values = 2;
	profile->funcs[VOTE].values[1].is_number = true;
	profile->funcs[SIGN].n_values = 1;
	profile->funcs[SIGN].values[0].is_number = true;
	return profile;
}

/* Sums are exact beyond 32 and 64 bits, over the sources and within one. */
static void adds_numbers_up(void **state)
{
	_free_ struct profile *profile = numbers();
	_cleanup_(layout_freep) struct layout *layout = NULL;
	struct found found = {};
	uint64_t cells[64] = {}, missing[ABI_MISSING_CELLS];
	const struct layout_region *vote, *sign, *items;

	(void)state;
	assert_int_equal(layout_make(profile, &layout, NULL), 0);
	assert_int_equal(layout->funcs[VOTE].n_bindings, 1);
	assert_int_equal(layout->funcs[VOTE].n_numbers, 2);
	assert_int_equal(layout->funcs[VOTE].bindings[0].kind, ABI_COUNTER);
	assert_int_equal(layout->funcs[VOTE].bindings[1].kind, ABI_NUMBER_COUNTER);
	assert_int_equal(layout->funcs[VOTE].bindings[1].slot, 1);
	assert_int_equal(layout->funcs[VOTE].bindings[2].kind, ABI_NUMBER_HISTOGRAM);
	assert_int_equal(layout->funcs[VOTE].bindings[2].n_bounds, 3);
	assert_true(layout_numbered(layout, SIGN));
	assert_false(layout_numbered(layout, TALLY));
	assert_int_equal(layout->n_regions, 4);
	vote = &layout->regions[1];
	sign = &layout->regions[2];
	items = &layout->regions[3];
	assert_int_equal(vote->base, vote->missing + ABI_MISSING_CELLS);
	assert_int_equal(sign->missing, vote->base + ABI_SUM_CELLS);
	assert_int_equal(items->cells_per_series, 4 + ABI_SUM_CELLS);
	assert_int_equal(layout->bounds[layout->funcs[VOTE].bindings[2].bounds].upper[1], 10);

	cells[vote->base] = 0xffffffff;
	cells[sign->base] = 5;
	cells[sign->base + 1] = 3;
	cells[sign->missing + ABI_MISSING_NEGATIVE] = 7;
	cells[vote->missing + ABI_MISSING_NEGATIVE] = 1;
	cells[vote->missing + ABI_MISSING_UNREAD] = 2;
	layout_series(layout, cells, 0, keep, &found);
	assert_int_equal(found.n, 1);
	assert_int_equal(found.at[0].sum, 0xffffffffull + 5 + (3ull << 32));
	assert_int_equal(found.at[0].sum_overflow, 0);
	layout_missing(layout, cells, 0, missing);
	assert_int_equal(missing[ABI_MISSING_UNREAD], 2);
	assert_int_equal(missing[ABI_MISSING_NEGATIVE], 8);
	layout_missing(layout, cells, 2, missing);
	assert_int_equal(missing[ABI_MISSING_NEGATIVE], 0);

	/* three times 2^64 - 1 in one source, 2^64 - 1 in the other */
	cells[vote->base] = cells[vote->base + 1] = 3 * 0xffffffffull;
	cells[sign->base] = cells[sign->base + 1] = 0xffffffff;
	found.n = 0;
	layout_series(layout, cells, 0, keep, &found);
	assert_int_equal(found.at[0].sum_overflow, 3);
	assert_true(found.at[0].sum == UINT64_MAX - 3);

	for (size_t i = 0; i < 4; i++)
		cells[items->base + i] = i + 1;
	cells[items->base + 4] = 9;
	found.n = 0;
	layout_series(layout, cells, 1, keep, &found);
	assert_int_equal(found.at[0].count, 10);
	assert_int_equal(found.at[0].buckets[3], 4);
	assert_int_equal(found.at[0].sum, 9);
}

/* One gauge is set by two functions, another one counts their calls up and down. */
static struct profile *gauges(void)
{
	static struct profile_source set[] = {
		{ .func = VOTE, .on = 1, .labels = { { false, 0 } } },
		{ .func = SIGN, .on = 1, .labels = { { true, 0 } } },
	};
	static struct profile_source counted[] = { { .func = VOTE, .on = 1 },
						   { .func = SIGN, .on = 1, .down = true } };
	static struct profile_metric metrics[] = {
		{ .name = (char *)"pool",
		  .type = PROFILE_GAUGE,
		  .is_of_numbers = true,
		  .stale_after = 5,
		  .labels = { { (char *)"decision", decision_labels, 2 } },
		  .n_labels = 1,
		  .sources = set,
		  .n_sources = 2 },
		{ .name = (char *)"peers",
		  .type = PROFILE_GAUGE,
		  .sources = counted,
		  .n_sources = 2 },
	};
	struct profile *profile = mem_alloc(sizeof(*profile));

	set[0].number = 1;
	profile->metrics = metrics;
	profile->n_metrics = ARRAY_SIZE(metrics);
	profile->n_funcs = N_SAMPLE_FUNCS;
	profile->funcs[VOTE].n_values = 2;
	profile->funcs[VOTE].values[0].choices = vote_choices;
	profile->funcs[VOTE].values[0].n_choices = 3;
	profile->funcs[VOTE].values[1].is_number = true;
	profile->funcs[SIGN].n_values = 1;
	profile->funcs[SIGN].values[0].is_number = true;
	profile->funcs[SIGN].values[0].kind = PROFILE_VALUE_RETURN;
	return profile;
}

static void lays_gauges_out(void **state)
{
	_free_ struct profile *profile = gauges();
	_cleanup_(layout_freep) struct layout *layout = NULL;
	const struct abi_func *vote, *sign;

	(void)state;
	assert_int_equal(layout_make(profile, &layout, NULL), 0);
	vote = &layout->funcs[VOTE];
	sign = &layout->funcs[SIGN];
	assert_int_equal(vote->n_bindings, 1);
	assert_int_equal(vote->n_numbers, 1);
	assert_int_equal(vote->bindings[0].kind, ABI_COUNTER);
	assert_int_equal(vote->bindings[1].kind, ABI_NUMBER_GAUGE);
	assert_int_equal(vote->bindings[1].slot, 1);
	assert_int_equal(vote->bindings[1].labels[0].stride, ABI_LAST_CELLS);
	assert_false(vote->bindings[1].at_end);
	assert_true(sign->bindings[1].at_end);
	assert_int_equal(layout->n_gauges, 4);
	for (size_t g = 0; g < 4; g++) {
		const struct layout_region *region = &layout->regions[g];

		assert_int_equal(layout->gauges[g].base, region->base);
		assert_int_equal(layout->gauges[g].is_last, region->metric == 0);
	}
	assert_int_equal(layout->gauges[0].n, 1);
	assert_int_equal(layout->gauges[2].n, 3 * ABI_LAST_CELLS); /* "unknown" too */
	assert_int_equal(layout->gauges[3].n, ABI_LAST_CELLS);
}

static void reads_gauges(void **state)
{
	_free_ struct profile *profile = gauges();
	_cleanup_(layout_freep) struct layout *layout = NULL;
	struct found found = {};
	uint64_t cells[128] = {};
	const struct layout_region *vote, *sign;

	(void)state;
	assert_int_equal(layout_make(profile, &layout, NULL), 0);
	assert_true(layout->cells <= ARRAY_SIZE(cells));
	vote = &layout->regions[2];
	sign = &layout->regions[3];
	layout_series(layout, cells, 0, keep, &found);
	assert_int_equal(found.n, 0); /* nobody has set it */
	cells[vote->base] = abi_stamp(1000, 1);
	cells[vote->base + 1] = (uint64_t)-7;
	cells[vote->base + ABI_LAST_CELLS] = abi_stamp(3000, 0);
	cells[vote->base + ABI_LAST_CELLS + 1] = UINT64_MAX;
	layout_series(layout, cells, 0, keep, &found);
	assert_int_equal(found.n, 2);
	assert_int_equal(found.at[0].last, -7);
	assert_true(found.at[0].negative);
	assert_int_equal(found.at[0].last_ns, 1000);
	assert_true(found.at[1].last == UINT64_MAX && !found.at[1].negative);
	cells[sign->base] = abi_stamp(2000, 0); /* later, of the same series */
	cells[sign->base + 1] = 8;
	found.n = 0;
	layout_series(layout, cells, 0, keep, &found);
	assert_int_equal(found.at[0].last, 8);
	assert_false(found.at[0].negative);
	cells[sign->base] = abi_stamp(999, 0); /* earlier */
	found.n = 0;
	layout_series(layout, cells, 0, keep, &found);
	assert_int_equal(found.at[0].last, -7);

	cells[layout->regions[0].base] = 5;
	cells[layout->regions[1].base] = 9;
	found.n = 0;
	layout_series(layout, cells, 1, keep, &found);
	assert_int_equal(found.n, 1);
	assert_int_equal(found.at[0].count, 5);
	assert_int_equal(found.at[0].down, 9);
}

/* VOTE begins spans and is counted and gives a number; TALLY and SIGN end them. */
static struct profile *spans(void)
{
	static struct profile_source sources[] = {
		{ .func = VOTE, .begins = true, .at_start = true, .key = 1 },
		{ .func = TALLY, .on = PROFILE_END_RETURN, .key = 1, .labels = { { true, 0 } } },
		{ .func = SIGN, .at_start = true, .key = 2, .labels = { { true, 1 } } },
	};
	static struct profile_source vote = { .func = VOTE, .on = PROFILE_END_RETURN, .number = 1 };
	static struct profile_metric metrics[] = {
		{ .name = (char *)"round_seconds",
		  .type = PROFILE_HISTOGRAM,
		  .is_of_spans = true,
		  .within = 600,
		  .late = 60,
		  .labels = { { (char *)"result", decision_labels, 2 } },
		  .n_labels = 1,
		  .bounds = { 0.5, 1 },
		  .n_bounds = 2,
		  .sources = sources,
		  .n_sources = 3 },
		{ .name = (char *)"sum_total",
		  .is_of_numbers = true,
		  .sources = &vote,
		  .n_sources = 1 },
		{ .name = (char *)"votes_total", .sources = &vote, .n_sources = 1 },
	};
	struct profile *profile = mem_alloc(sizeof(*profile));

	*profile = sample;
	profile->metrics = metrics;
	profile->n_metrics = ARRAY_SIZE(metrics);
	return profile;
}

static void lays_spans_out(void **state)
{
	_free_ struct profile *profile = spans();
	_cleanup_(layout_freep) struct layout *layout = NULL;
	const struct abi_func *vote, *tally, *sign;

	(void)state;
	assert_int_equal(layout_make(profile, &layout, NULL), 0);
	vote = &layout->funcs[VOTE];
	tally = &layout->funcs[TALLY];
	sign = &layout->funcs[SIGN];
	assert_int_equal(layout->n_spans, 1);
	assert_int_equal(layout->spans[0].abi.within_ns, 600000000000);
	assert_int_equal(layout->spans[0].abi.late_ns, 60000000000);
	assert_int_equal(layout_span(layout, 0), 0);
	assert_int_equal(layout_span(layout, 2), 1); /* none */
	assert_int_equal(layout->n_regions, 4);      /* what begins counts nowhere */
	/* calls, numbers, spans */
	assert_int_equal(vote->n_bindings + 10 * vote->n_numbers + 100 * vote->n_spans, 111);
	assert_int_equal(vote->bindings[0].kind, ABI_COUNTER);
	assert_int_equal(vote->bindings[1].kind, ABI_NUMBER_COUNTER);
	assert_int_equal(vote->bindings[2].kind, ABI_SPAN_FROM);
	assert_int_equal(vote->bindings[2].on, ABI_ON_START);
	assert_int_equal(vote->bindings[2].slot, 1);
	assert_int_equal(vote->bindings[2].missing, layout->spans[0].book);
	assert_int_equal(tally->bindings[0].kind, ABI_SPAN_TO);
	assert_int_equal(tally->bindings[0].on, PROFILE_END_RETURN);
	assert_int_equal(tally->bindings[0].n_bounds, 2);
	assert_int_equal(sign->bindings[0].on, ABI_ON_START);
	assert_int_equal(sign->bindings[0].slot, 2);
	/* Each label has its cells: two bounds, +Inf and the sum. */
	assert_int_equal(sign->bindings[0].base, tally->bindings[0].base + 4);
	assert_true(tally->bindings[0].base >= layout->spans[0].book + ABI_SPAN_CELLS);
	assert_true(layout_numbered(layout, TALLY));
}

static void refuses_many_spans(void **state)
{
	_free_ struct profile *profile = spans();
	struct profile_metric metrics[ABI_SPANS_MAX + 1];
	struct layout *layout = NULL;
	struct err err = {};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(metrics); i++)
		metrics[i] = (struct profile_metric){ .line = 9, .is_of_spans = true };
	profile->metrics = metrics;
	profile->n_metrics = ARRAY_SIZE(metrics);
	assert_int_equal(layout_make(profile, &layout, &err), -E2BIG);
	assert_string_equal(err.text, "sample.yaml, line 9: more than 32 metrics of spans");
}

static void grows_stale(void **state)
{
	struct profile_metric metric = { .stale_after = 5 };
	struct layout_series series = { .last_ns = 1000 };

	(void)state;
	assert_false(layout_stale(&metric, &series, 1000));
	assert_false(layout_stale(&metric, &series, 999)); /* set after the clock was read */
	assert_false(layout_stale(&metric, &series, 5000001000));
	assert_true(layout_stale(&metric, &series, 5000001001));
	metric.stale_after = 0;
	assert_false(layout_stale(&metric, &series, UINT64_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(begins_at_zero),  cmocka_unit_test(skips_without_a_label),
		cmocka_unit_test(joins_sources),   cmocka_unit_test(reads_histograms),
		cmocka_unit_test(adds_numbers_up), cmocka_unit_test(lays_gauges_out),
		cmocka_unit_test(reads_gauges),    cmocka_unit_test(grows_stale),
		cmocka_unit_test(lays_spans_out),  cmocka_unit_test(refuses_many_spans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
