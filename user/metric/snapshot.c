// SPDX-License-Identifier: BSD-2-Clause
/* Builds and frees the contents of one scrape. */
#include "metric/snapshot.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static void grow(void **at, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return;
	*cap = *cap ? *cap * 2 : 8;
	*at = mem_grow(*at, *cap, size);
}

struct metric_family *snapshot_family(struct metric_snapshot *snap, const char *name,
				      enum metric_type type, const char *unit, const char *help)
{
	struct metric_family *family;

	for (size_t i = 0; i < snap->n; i++)
		if (!strcmp(snap->families[i].name, name))
			return &snap->families[i];
	grow((void **)&snap->families, snap->n, &snap->cap, sizeof(*snap->families));
	family = &snap->families[snap->n++];
	*family = (struct metric_family){
		.name = mem_strdup(name),
		.help = mem_strdup(help),
		.unit = unit,
		.type = type,
	};
	return family;
}

struct metric_series *family_series(struct metric_family *family)
{
	grow((void **)&family->series, family->n, &family->cap, sizeof(*family->series));
	family->series[family->n] = (struct metric_series){};
	return &family->series[family->n++];
}

void series_label(struct metric_series *series, const char *name, const char *value)
{
	/* Label sets are closed and known when the program is written: a ninth is a bug,
	 * and leaving it out would make two series into one. */
	assert(series->n_labels < METRIC_LABELS_MAX);
	series->labels[series->n_labels++] = (struct metric_label){
		.name = name,
		.value = mem_strdup(value),
	};
}

static void series_free(struct metric_series *series)
{
	for (size_t i = 0; i < series->n_labels; i++)
		free(series->labels[i].value);
	free(series->buckets);
}

void snapshot_free(struct metric_snapshot *snap)
{
	for (size_t i = 0; i < snap->n; i++) {
		struct metric_family *family = &snap->families[i];

		for (size_t j = 0; j < family->n; j++)
			series_free(&family->series[j]);
		free(family->series);
		free(family->name);
		free(family->help);
	}
	free(snap->families);
	*snap = (struct metric_snapshot){};
}
