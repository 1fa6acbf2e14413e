// SPDX-License-Identifier: BSD-2-Clause
/* From a node's cells back to the series of a metric (see layout.h). */
#include "probe/layout.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* A series as one source counted it, and its place in the order of series. */
struct found {
	size_t place;
	bool wanted;
	struct layout_series series;
};

struct finds {
	const struct profile_metric *metric;
	VEC(struct found) list;
};

/* The first label is the innermost. */
static size_t place_of(const struct profile_metric *metric, const size_t *label)
{
	size_t at = 0, stride = 1;

	for (size_t l = 0; l < metric->n_labels; l++) {
		at += label[l] * stride;
		stride *= metric->labels[l].n_values + 1;
	}
	return at;
}

/* Index in the metric's label of what the function calls its value's @index. */
static size_t label_index(const struct profile_label *label, const struct layout_value *value,
			  size_t index)
{
	for (size_t i = 0; index < value->n && i < label->n_values; i++)
		if (!strcmp(label->values[i], value->labels[index]))
			return i;
	return label->n_values;
}

static void add_sum(struct layout_series *series, uint64_t sum, uint64_t overflow)
{
	series->sum_overflow += overflow + __builtin_add_overflow(series->sum, sum, &series->sum);
}

/* The two cells of a sum of numbers: its low halves and its high halves. */
static void add_halves(struct layout_series *series, const uint64_t *cells)
{
	add_sum(series, cells[0], 0);
	add_sum(series, cells[1] << 32, cells[1] >> 32);
}

/* What maps_read_node() left of the places of a gauge: the last one. */
static void add_last(struct layout_series *series, const uint64_t *cells)
{
	series->last_ns = cells[0] >> 1;
	series->negative = cells[0] & 1;
	series->last = cells[1];
}

static void add_gauge(struct layout_series *series, const struct profile_metric *metric, bool down,
		      const uint64_t *cells)
{
	if (metric->is_of_numbers)
		add_last(series, cells);
	else if (down)
		series->down += cells[0];
	else
		series->count += cells[0];
}

static void add_cells(struct layout_series *series, const struct profile_metric *metric,
		      const uint64_t *cells)
{
	size_t n_buckets = metric->type == PROFILE_HISTOGRAM ? metric->n_bounds + 1 : 0;

	for (size_t i = 0; i < n_buckets; i++) {
		series->buckets[i] += cells[i];
		series->count += cells[i];
	}
	if (metric->is_of_numbers)
		add_halves(series, cells + n_buckets);
	else if (n_buckets)
		series->sum += cells[n_buckets];
	else
		series->count += cells[0];
}

/* Adds one series of a region, told by the index of each captured value. */
static void add_series(const struct layout *layout, const struct layout_region *region,
		       const size_t *index, const uint64_t *cells, struct finds *finds)
{
	const struct profile_metric *metric = finds->metric;
	const struct profile_source *source = &metric->sources[region->source];
	struct found *found = VEC_ADD(&finds->list);
	size_t *label = found->series.label;

	found->wanted = true;
	cells += region->base;
	for (size_t l = 0; l < metric->n_labels; l++)
		label[l] = source->labels[l].index;
	for (size_t i = 0; i < region->n_captured; i++) {
		size_t l = region->captured[i].label, value = region->captured[i].value;

		if (l == LAYOUT_NO_LABEL)
			continue;
		label[l] = label_index(&metric->labels[l], &layout->values[source->func][value],
				       index[i]);
		if (label[l] == metric->labels[l].n_values)
			found->wanted = false;
		cells += index[i] * region->captured[i].stride;
	}
	found->place = place_of(metric, label);
	if (metric->type == PROFILE_GAUGE)
		add_gauge(&found->series, metric, source->down, cells);
	else
		add_cells(&found->series, metric, cells);
}

/* Counts the indexes of the captured values up; false after the last. */
static bool next_index(const struct layout *layout, const struct layout_region *region, size_t func,
		       size_t *index)
{
	for (size_t i = 0; i < region->n_captured; i++) {
		if (index[i]++ < layout->values[func][region->captured[i].value].n)
			return true;
		index[i] = 0;
	}
	return false;
}

static int by_place(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return (x->place > y->place) - (x->place < y->place);
}

static void add_found(const struct profile_metric *metric, struct found *to,
		      const struct found *more)
{
	to->wanted |= more->wanted;
	to->series.count += more->series.count;
	to->series.down += more->series.down;
	add_sum(&to->series, more->series.sum, more->series.sum_overflow);
	for (size_t b = 0; b <= metric->n_bounds; b++)
		to->series.buckets[b] += more->series.buckets[b];
	if (more->series.last_ns > to->series.last_ns) {
		to->series.last = more->series.last;
		to->series.negative = more->series.negative;
		to->series.last_ns = more->series.last_ns;
	}
}

static bool is_shown(const struct profile_metric *metric, const struct found *found)
{
	const struct layout_series *series = &found->series;

	if (metric->type == PROFILE_GAUGE && metric->is_of_numbers)
		return series->last_ns;
	return found->wanted || series->count || series->down || series->sum ||
	       series->sum_overflow;
}

/* Adds up what several sources found of one series, and hands it on. */
static void merge(struct finds *finds, layout_series_fn *fn, void *arg)
{
	struct found *at = finds->list.at;

	for (size_t i = 0, next; i < finds->list.n; i = next) {
		for (next = i + 1; next < finds->list.n && at[next].place == at[i].place; next++)
			add_found(finds->metric, &at[i], &at[next]);
		if (is_shown(finds->metric, &at[i]))
			fn(&at[i].series, arg);
	}
}

void layout_series(const struct layout *layout, const uint64_t *cells, size_t metric,
		   layout_series_fn *fn, void *arg)
{
	struct finds finds = { .metric = &layout->profile->metrics[metric] };

	for (size_t r = 0; r < layout->n_regions; r++) {
		const struct layout_region *region = &layout->regions[r];
		size_t index[ABI_LABELS_MAX] = {}, func;

		if (region->metric != metric)
			continue;
		func = finds.metric->sources[region->source].func;
		do
			add_series(layout, region, index, cells, &finds);
		while (next_index(layout, region, func, index));
	}
	if (finds.list.n)
		qsort(finds.list.at, finds.list.n, sizeof(*finds.list.at), by_place);
	merge(&finds, fn, arg);
	free(finds.list.at);
}

bool layout_stale(const struct profile_metric *metric, const struct layout_series *series,
		  uint64_t now_ns)
{
	/* A call may have come while the cells were read. */
	uint64_t age = now_ns > series->last_ns ? now_ns - series->last_ns : 0;

	return metric->stale_after && age > metric->stale_after * 1000000000u;
}

size_t layout_span(const struct layout *layout, size_t metric)
{
	size_t span = 0;

	while (span < layout->n_spans && layout->spans[span].metric != metric)
		span++;
	return span;
}

void layout_missing(const struct layout *layout, const uint64_t *cells, size_t metric,
		    uint64_t out[ABI_MISSING_CELLS])
{
	memset(out, 0, ABI_MISSING_CELLS * sizeof(*out));
	if (!layout->profile->metrics[metric].is_of_numbers)
		return;
	for (size_t r = 0; r < layout->n_regions; r++)
		for (size_t i = 0; layout->regions[r].metric == metric && i < ABI_MISSING_CELLS;
		     i++)
			out[i] += cells[layout->regions[r].missing + i];
}
