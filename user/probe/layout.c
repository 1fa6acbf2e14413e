// SPDX-License-Identifier: BSD-2-Clause
/* Hands out cells and strides, and finds the bounds tables that are shared. */
#include "probe/layout.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static_assert(PROFILE_FUNCS_MAX == ABI_FUNCS_MAX, "a function's number is its table index");
static_assert(PROFILE_FUNC_VALUES_MAX == ABI_VALUES_MAX, "a value's number is its slot");
static_assert(PROFILE_LABELS_MAX == ABI_LABELS_MAX, "a binding holds all labels");
static_assert(PROFILE_BOUNDS_MAX == ABI_BOUNDS_MAX, "a bounds entry holds all bounds");
static_assert(PROFILE_END_RETURN == 1, "same mask: 1 << (kind - ABI_SITE_RETURN)");
static_assert(PROFILE_END_PANIC == 1 << (ABI_SITE_PANIC - ABI_SITE_RETURN), "same mask");
static_assert(PROFILE_END_CANCEL == 1 << (ABI_SITE_CANCEL - ABI_SITE_RETURN), "same mask");
static_assert(sizeof(struct abi_site) == 64, "one cache line");
static_assert(sizeof(struct abi_call) == 64, "one cache line");
static_assert(sizeof(struct abi_bucket) == 512, "a line of keys and one of each call");
static_assert(sizeof(struct abi_func) == 192, "three cache lines");
static_assert(PROFILE_END_CANCEL < ABI_ON_START, "no end of a call is its start");
static_assert(ABI_SELF_CELLS == 8, "one cache line of counters");

uint64_t layout_bound_ns(double seconds)
{
	double ns = seconds * 1e9, whole = nearbyint(ns);

	if (!(ns > 0))
		return 0;
	if (ns >= 9e18)
		return UINT64_MAX - 1;
	/* A decimal fraction is not exact in binary: 0.005 s means 5000000 ns. */
	return (uint64_t)(fabs(ns - whole) <= 1e-9 * fmax(ns, 1) ? whole : floor(ns));
}

bool layout_numbered(const struct layout *layout, size_t func)
{
	return layout->funcs[func].n_numbers || layout->funcs[func].n_spans;
}

unsigned layout_label(const struct layout *layout, size_t func, size_t value, const char *label)
{
	const struct layout_value *v = &layout->values[func][value];

	for (size_t i = 0; i < v->n; i++)
		if (!strcmp(v->labels[i], label))
			return (unsigned)i;
	return ABI_UNKNOWN;
}

/* ---- functions ------------------------------------------------------------------ */

static int collect_labels(struct layout *layout, size_t f, size_t v, struct err *err)
{
	const struct profile_value *value = &layout->profile->funcs[f].values[v];
	struct layout_value *out = &layout->values[f][v];

	out->labels = mem_array(value->n_choices, sizeof(*out->labels));
	for (size_t i = 0; i < value->n_choices; i++)
		if (value->choices[i].label &&
		    layout_label(layout, f, v, value->choices[i].label) == ABI_UNKNOWN)
			out->labels[out->n++] = value->choices[i].label;
	if (out->n >= ABI_SKIP)
		return err_set(
			err, -E2BIG,
			"%s, line %u: a label value of %s has %zu possible texts, at most %d will "
			"do",
			layout->profile->origin, value->line, layout->profile->funcs[f].name,
			out->n, ABI_SKIP - 1);
	return 0;
}

/* The outcome is not read from memory: the kind of the end fills its slot. */
static void set_outcome(struct layout *layout, size_t f, size_t v)
{
	static const char *const names[] = { "returned", "panicked", "cancelled" };
	const struct profile_value *value = &layout->profile->funcs[f].values[v];

	for (size_t way = 0; way < ARRAY_SIZE(names); way++) {
		struct abi_outcome *outcome = &layout->funcs[f].outcome[way];
		unsigned index = ABI_UNKNOWN;

		for (size_t i = 0; i < value->n_choices; i++)
			if (!strcmp(value->choices[i].raw, names[way]))
				index = layout_label(layout, f, v, value->choices[i].label);
		outcome->mask |= 0xffu << (8 * v);
		outcome->value |= index << (8 * v);
	}
}

static int lay_out_func(struct layout *layout, size_t f, struct err *err)
{
	const struct profile_func *func = &layout->profile->funcs[f];

	for (size_t v = 0; v < func->n_values; v++) {
		int r = collect_labels(layout, f, v, err);

		if (r)
			return r;
		if (func->values[v].kind == PROFILE_VALUE_OUTCOME)
			set_outcome(layout, f, v);
	}
	return 0;
}

/* ---- metrics ---------------------------------------------------------------------- */

static const char *origin_of(const struct layout *layout, const struct profile_metric *metric)
{
	return layout->profile->parts[metric->part].origin;
}

/* The table entry with the metric's bounds, shared with metrics that have the same. */
static int place_bounds(struct layout *layout, const struct profile_metric *metric, uint16_t *at,
			struct err *err)
{
	struct abi_bounds b;

	memset(&b, 0xff, sizeof(b));
	for (size_t i = 0; i < metric->n_bounds; i++)
		b.upper[i] = profile_in_seconds(metric) ? layout_bound_ns(metric->bounds[i]) :
							  (uint64_t)metric->bounds[i];
	for (size_t i = 0; i < layout->n_bounds; i++) {
		if (!memcmp(&layout->bounds[i], &b, sizeof(b))) {
			*at = (uint16_t)i;
			return 0;
		}
	}
	if (layout->n_bounds == ABI_BOUNDS_TABLE_MAX)
		return err_set(err, -E2BIG,
			       "%s, line %u: more than %d histograms with bounds of their own",
			       origin_of(layout, metric), metric->line, ABI_BOUNDS_TABLE_MAX);
	layout->bounds[layout->n_bounds] = b;
	*at = (uint16_t)layout->n_bounds++;
	return 0;
}

static uint32_t cells_per_series(const struct profile_metric *metric)
{
	uint32_t sum = metric->is_of_numbers ? ABI_SUM_CELLS : 1;

	if (metric->type == PROFILE_GAUGE)
		return metric->is_of_numbers ? ABI_LAST_CELLS : 1;
	return metric->type == PROFILE_HISTOGRAM ? (uint32_t)metric->n_bounds + 1 + sum : sum;
}

static int too_many_cells(const struct layout *layout, const struct profile_metric *metric,
			  struct err *err)
{
	return err_set(
		err, -E2BIG,
		"%s, line %u: with %s the profile needs more than %d counters for each node; "
		"use fewer labels, label values or bounds",
		origin_of(layout, metric), metric->line, metric->name, ABI_NODE_CELLS_MAX);
}

/* Gives the region its captured labels, innermost first, and its cells. */
static int place_region(struct layout *layout, struct layout_region *region, struct err *err)
{
	const struct profile_metric *metric = &layout->profile->metrics[region->metric];
	const struct profile_source *source = &metric->sources[region->source];
	uint32_t missing = metric->is_of_numbers ? ABI_MISSING_CELLS : 0;
	uint64_t cells = region->cells_per_series;

	for (size_t l = 0; l < metric->n_labels; l++) {
		size_t value = source->labels[l].index;

		if (source->labels[l].constant)
			continue;
		region->captured[region->n_captured].label = l;
		region->captured[region->n_captured].value = value;
		region->captured[region->n_captured].stride = (uint32_t)cells;
		region->n_captured++;
		cells *= layout->values[source->func][value].n + 1;
		if (cells > ABI_NODE_CELLS_MAX)
			break;
	}
	/* A value that has no labels takes no cells: it only leaves calls out. */
	if (metric->skips && !source->begins) {
		region->captured[region->n_captured].label = LAYOUT_NO_LABEL;
		region->captured[region->n_captured++].value = source->skip;
	}
	region->missing = layout->cells;
	region->base = layout->cells + missing;
	cells += missing;
	if (cells > ABI_NODE_CELLS_MAX - layout->cells)
		return too_many_cells(layout, metric, err);
	if (metric->type == PROFILE_GAUGE)
		layout->gauges[layout->n_gauges++] =
			(struct layout_gauge){ region->base, (uint32_t)cells - missing,
					       metric->is_of_numbers };
	layout->cells += (uint32_t)cells;
	return 0;
}

static unsigned n_bindings(const struct abi_func *func)
{
	return func->n_bindings + func->n_numbers + func->n_spans;
}

/* The next binding of the function: those of calls come first, those of spans last. */
static struct abi_binding *add_binding(struct abi_func *func, const struct profile_metric *metric,
				       const struct profile_source *source)
{
	struct abi_binding *binding = &func->bindings[n_bindings(func)];
	bool histogram = metric->type == PROFILE_HISTOGRAM;

	if (metric->is_of_spans) {
		func->n_spans++;
		binding->kind = source->begins ? ABI_SPAN_FROM : ABI_SPAN_TO;
		binding->slot = (uint8_t)source->key;
	} else if (metric->is_of_numbers) {
		func->n_numbers++;
		binding->kind = metric->type == PROFILE_GAUGE ? ABI_NUMBER_GAUGE :
				histogram                     ? ABI_NUMBER_HISTOGRAM :
								ABI_NUMBER_COUNTER;
		binding->slot = (uint8_t)source->number;
	} else {
		func->n_bindings++;
		binding->kind = histogram ? ABI_HISTOGRAM : ABI_COUNTER;
	}
	return binding;
}

static int bind(struct layout *layout, const struct layout_region *region, struct err *err)
{
	const struct profile_metric *metric = &layout->profile->metrics[region->metric];
	const struct profile_source *source = &metric->sources[region->source];
	struct abi_func *func = &layout->funcs[source->func];
	struct abi_binding *binding;

	if (n_bindings(func) == ABI_BINDINGS_MAX)
		return err_set(err, -E2BIG, "%s, line %u: %s feeds more than %d metrics",
			       origin_of(layout, metric), metric->line,
			       layout->profile->funcs[source->func].name, ABI_BINDINGS_MAX);
	binding = add_binding(func, metric, source);
	binding->on = (uint8_t)(source->at_start ? ABI_ON_START : source->on);
	binding->missing = (uint16_t)region->missing;
	if (metric->is_of_spans) {
		const size_t span = layout_span(layout, region->metric);

		binding->span = (uint8_t)span;
		binding->missing = (uint16_t)layout->spans[span].book;
		binding->gone = source->gone || source->anew;
	}
	if (source->has_until) { /* only whether it is left out */
		binding->n_labels = 1;
		binding->labels[0].slot = (uint8_t)source->until;
	}
	if (source->begins)
		return 0;
	binding->at_end = metric->is_of_numbers &&
			  layout->profile->funcs[source->func].values[source->number].kind ==
				  PROFILE_VALUE_RETURN;
	binding->base = (uint16_t)region->base;
	binding->n_labels = (uint8_t)region->n_captured;
	for (size_t i = 0; i < region->n_captured; i++) {
		size_t value = region->captured[i].value;

		binding->labels[i].slot = (uint8_t)value;
		binding->labels[i].size = (uint8_t)layout->values[source->func][value].n;
		binding->labels[i].stride = (uint16_t)region->captured[i].stride;
	}
	if (metric->type != PROFILE_HISTOGRAM)
		return 0;
	binding->n_bounds = (uint8_t)metric->n_bounds;
	return place_bounds(layout, metric, &binding->bounds, err);
}

static int lay_out_source(struct layout *layout, size_t m, size_t s, struct err *err)
{
	const struct profile_metric *metric = &layout->profile->metrics[m];
	struct layout_region region = { .metric = m,
					.source = s,
					.cells_per_series = cells_per_series(metric) };
	int r = 0;

	if (!metric->sources[s].begins)
		r = place_region(layout, &region, err);
	if (!r)
		r = bind(layout, &region, err);
	if (!r && !metric->sources[s].begins)
		layout->regions[layout->n_regions++] = region;
	return r;
}

/* Gives a metric of spans its entry and its book. */
static int place_span(struct layout *layout, size_t m, struct err *err)
{
	const struct profile_metric *metric = &layout->profile->metrics[m];

	if (layout->n_spans == ABI_SPANS_MAX)
		return err_set(err, -E2BIG, "%s, line %u: more than %d metrics of spans",
			       origin_of(layout, metric), metric->line, ABI_SPANS_MAX);
	if (layout->cells > ABI_NODE_CELLS_MAX - ABI_SPAN_CELLS)
		return too_many_cells(layout, metric, err);
	layout->spans[layout->n_spans++] = (struct layout_span){
		.metric = m,
		.book = layout->cells,
		.abi = { metric->within * 1000000000u, metric->late * 1000000000u },
	};
	layout->cells += ABI_SPAN_CELLS;
	return 0;
}

static int lay_out_metric(struct layout *layout, size_t m, struct err *err)
{
	const struct profile_metric *metric = &layout->profile->metrics[m];
	int r = metric->is_of_spans ? place_span(layout, m, err) : 0;

	for (size_t s = 0; s < metric->n_sources && !r; s++)
		r = lay_out_source(layout, m, s, err);
	return r;
}

/* What a function feeds is in its bindings in this order. */
static int rank(const struct profile_metric *metric)
{
	return metric->is_of_spans ? 2 : metric->is_of_numbers;
}

int layout_make(const struct profile *profile, struct layout **out, struct err *err)
{
	_cleanup_(layout_freep) struct layout *layout = mem_alloc(sizeof(*layout));
	size_t n_sources = 0;
	int r = 0;

	layout->profile = profile;
	layout->cells = (uint32_t)profile->n_funcs * ABI_SELF_CELLS;
	layout->bounds = mem_array(ABI_BOUNDS_TABLE_MAX, sizeof(*layout->bounds));
	for (size_t m = 0; m < profile->n_metrics; m++)
		n_sources += profile->metrics[m].n_sources;
	layout->regions = mem_array(n_sources, sizeof(*layout->regions));
	layout->gauges = mem_array(n_sources, sizeof(*layout->gauges));
	for (size_t f = 0; f < profile->n_funcs && !r; f++)
		r = lay_out_func(layout, f, err);
	for (int turn = 0; turn <= 2; turn++)
		for (size_t m = 0; m < profile->n_metrics && !r; m++)
			if (rank(&profile->metrics[m]) == turn)
				r = lay_out_metric(layout, m, err);
	if (r)
		return r;
	/* Nodes and shards begin on a cache line of their own. */
	layout->cells = (layout->cells + 7) & ~7u;
	*out = TAKE_PTR(layout);
	return 0;
}

void layout_free(struct layout *layout)
{
	if (!layout)
		return;
	for (size_t f = 0; f < ABI_FUNCS_MAX; f++)
		for (size_t v = 0; v < ABI_VALUES_MAX; v++)
			free(layout->values[f][v].labels);
	free(layout->bounds);
	free(layout->regions);
	free(layout->gauges);
	free(layout);
}

void layout_freep(struct layout **layout)
{
	layout_free(*layout);
}
