/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the kernel programs count what a profile asks for, and the way back
 * from cells to series. Pure.
 *
 * A node has one block of cells: first ABI_SELF_CELLS of each function, then a
 * region for each source of each metric (a source is one function feeding it).
 * Within a region there is a series for every combination of the source's
 * captured values, "unknown" included; labels that are constant for the source
 * take no room. layout_series() adds the sources of a metric up. In front of the
 * series of a metric of numbers are its ABI_MISSING_CELLS, in front of all those of one of
 * spans its ABI_SPAN_CELLS.
 */
#ifndef PROBE_LAYOUT_H
#define PROBE_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "bpf/abi.h"
#include "profile/profile.h"

/* The distinct labels of a captured value: its index is what the kernel stores. */
struct layout_value {
	const char **labels; /* text not owned: the profile's */
	size_t n;
};

/* Cells that begin anew when their node does: counters, or the last numbers of a gauge. */
struct layout_gauge {
	uint32_t base, n;
	bool is_last;
};

/* A metric of spans: its entry in the kernel's table has the same index. */
struct layout_span {
	size_t metric;
	uint32_t book; /* first of its ABI_SPAN_CELLS */
	struct abi_span abi;
};

/* In place of a label: the value only leaves calls out. */
#define LAYOUT_NO_LABEL SIZE_MAX

/* Where one source of a metric counts; those that begin spans count nowhere. */
struct layout_region {
	size_t metric, source;
	uint32_t missing; /* of numbers: the first of its ABI_MISSING_CELLS */
	uint32_t base;
	uint32_t cells_per_series;
	size_t n_captured; /* labels that are not constant, and what is skipped */
	struct {
		size_t label;    /* of the metric, or LAYOUT_NO_LABEL */
		size_t value;    /* of the function */
		uint32_t stride; /* cells */
	} captured[ABI_LABELS_MAX];
};

struct layout {
	const struct profile *profile; /* not owned, must live as long */
	uint32_t cells;                /* of one node */
	struct abi_func funcs[ABI_FUNCS_MAX];
	struct abi_bounds *bounds;
	size_t n_bounds;
	struct layout_value values[ABI_FUNCS_MAX][ABI_VALUES_MAX];
	struct layout_region *regions;
	size_t n_regions;
	struct layout_gauge *gauges;
	size_t n_gauges;
	struct layout_span spans[ABI_SPANS_MAX];
	size_t n_spans;
};

/* Fails with a sentence where the profile asks for more than the tables hold. */
int layout_make(const struct profile *profile, struct layout **out, struct err *err);
void layout_free(struct layout *layout);
void layout_freep(struct layout **layout);

/* Index of @label among the labels of the function's value, or ABI_UNKNOWN. */
unsigned layout_label(const struct layout *layout, size_t func, size_t value, const char *label);

/* Upper bound of a histogram as the kernel compares it: the largest whole
 * number of nanoseconds that is not above it. */
uint64_t layout_bound_ns(double seconds);

/* Whether calls of the function have numbers or keys that are captured. */
bool layout_numbered(const struct layout *layout, size_t func);

/* One series of a metric on one node. */
struct layout_series {
	size_t label[PROFILE_LABELS_MAX]; /* index in the label's values; n_values: unknown */
	uint64_t count;        /* histogram: the sum of the buckets; gauge: calls that count up … */
	uint64_t down;         /* … and down */
	uint64_t sum;          /* histogram: in ns; of numbers (counters too): modulo 2^64 … */
	uint64_t sum_overflow; /* … and how often that much beside it */
	uint64_t last;         /* gauge of numbers: the last one, two's complement when … */
	bool negative;
	uint64_t last_ns;                         /* CLOCK_MONOTONIC; never 0 */
	uint64_t buckets[PROFILE_BOUNDS_MAX + 1]; /* not cumulative */
};

/* Calls @fn for each series of metric @metric, computed from the cells of one
 * node: all combinations of known labels that a source can produce, also while
 * they are 0, and those with an unknown label that were counted. Of a gauge of
 * numbers those that have one. */
typedef void layout_series_fn(const struct layout_series *series, void *arg);
void layout_series(const struct layout *layout, const uint64_t *cells, size_t metric,
		   layout_series_fn *fn, void *arg);

/* Whether no call has set the series of a gauge for as long as its profile allows. */
bool layout_stale(const struct profile_metric *metric, const struct layout_series *series,
		  uint64_t now_ns);

/* Index of a metric of spans in layout.spans; layout.n_spans for other metrics. */
size_t layout_span(const struct layout *layout, size_t metric);

/* Calls that a metric of numbers should have and lacks, on one node. */
void layout_missing(const struct layout *layout, const uint64_t *cells, size_t metric,
		    uint64_t out[ABI_MISSING_CELLS]);

#endif
