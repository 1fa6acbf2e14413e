/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What one scrape shows: families of series with values, independent of where
 * they came from and of the format they are written in.
 */
#ifndef METRIC_SNAPSHOT_H
#define METRIC_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM, METRIC_INFO };

#define METRIC_LABELS_MAX 8

struct metric_label {
	const char *name; /* not owned: lives as long as the profile or the program */
	char *value;      /* owned */
};

struct metric_series {
	struct metric_label labels[METRIC_LABELS_MAX];
	size_t n_labels;
	double created;       /* Unix time in seconds, 0 when unknown */
	bool integral;        /* use `count` (histogram: `sum`), printed exactly, else `value` */
	uint64_t count;       /* histogram: number of observations (the sum of `buckets`) */
	bool negative;        /* gauge: what is used is -count */
	uint64_t sum;         /* histogram */
	double value;         /* histogram: sum */
	const double *bounds; /* histogram: not owned, ascending, without +Inf */
	size_t n_bounds;
	uint64_t *buckets; /* histogram: n_bounds + 1, NOT cumulative, owned */
};

struct metric_family {
	char *name;       /* owned; counters with their _total */
	char *help;       /* owned */
	const char *unit; /* "seconds", "bytes", "" */
	enum metric_type type;
	struct metric_series *series;
	size_t n, cap;
};

struct metric_snapshot {
	struct metric_family *families;
	size_t n, cap;
};

/* Both return a place valid until the next add to the same parent. A family is
 * declared once: asking again for its name returns the one that is there, so
 * that several nodes can add to it. */
struct metric_family *snapshot_family(struct metric_snapshot *snap, const char *name,
				      enum metric_type type, const char *unit, const char *help);
struct metric_series *family_series(struct metric_family *family);
void series_label(struct metric_series *series, const char *name, const char *value);
void snapshot_free(struct metric_snapshot *snap);

#define _snapshot_ __attribute__((cleanup(snapshot_free)))

#endif
