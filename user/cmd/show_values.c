// SPDX-License-Identifier: BSD-2-Clause
/* What each node counted, metric by metric: the table of values on the landing page. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/show.h"

struct gather {
	const struct profile_metric *metric;
	struct page *page;
	struct page_metric *out;
	size_t node; /* whose series come */
	uint64_t now_ns;
	/* histograms: of each node, and behind them of all together */
	uint64_t (*buckets)[PROFILE_BOUNDS_MAX + 1];
};

static const char unknown[] = "unknown";

static const char *label_value(const struct profile_metric *metric, size_t l, size_t index)
{
	const struct profile_label *label = &metric->labels[l];

	return index < label->n_values ? label->values[index] : unknown;
}

/* The values of labels are the profile's own, so the same text is the same pointer. */
static bool is_of(const struct page_row *row, const struct gather *g,
		  const struct layout_series *series)
{
	for (size_t l = 0; l < g->metric->n_labels; l++)
		if (row->labels[l].value != label_value(g->metric, l, series->label[l]))
			return false;
	return true;
}

static struct page_row *find_row(const struct gather *g, const struct layout_series *series)
{
	struct page_row *row;

	for (size_t i = 0; i < g->out->rows.n; i++)
		if (is_of(&g->out->rows.at[i], g, series))
			return &g->out->rows.at[i];
	row = page_row(g->page, g->out);
	row->n_labels = g->metric->n_labels;
	for (size_t l = 0; l < row->n_labels; l++) {
		row->labels[l].name = g->metric->labels[l].name;
		row->labels[l].value = label_value(g->metric, l, series->label[l]);
	}
	return row;
}

static double gauge_value(const struct gather *g, const struct layout_series *series)
{
	if (layout_stale(g->metric, series, g->now_ns))
		return NAN;
	if (profile_is_balance(g->metric))
		return (double)series->count - (double)series->down;
	return series->negative ? -(double)-series->last : (double)series->last;
}

static double value_of(const struct gather *g, const struct layout_series *series)
{
	if (g->metric->type == PROFILE_GAUGE)
		return gauge_value(g, series);
	if (g->metric->type == PROFILE_COUNTER && g->metric->is_of_numbers)
		return ldexp((double)series->sum_overflow, 64) + (double)series->sum;
	return (double)series->count;
}

static void take_series(const struct layout_series *series, void *arg)
{
	struct gather *g = arg;

	find_row(g, series)->values[g->node] = value_of(g, series);
	for (size_t b = 0; g->buckets && b <= PROFILE_BOUNDS_MAX; b++) {
		g->buckets[g->node][b] += series->buckets[b];
		g->buckets[g->page->nodes.n][b] += series->buckets[b];
	}
}

/* A row in which nothing happened on any node says no more than its number. */
static bool is_zero(const struct page_row *row, size_t n_nodes)
{
	for (size_t i = 0; i < n_nodes; i++)
		if (row->values[i] < 0 || row->values[i] > 0)
			return false;
	return true;
}

/* Sums make sense of what is counted, not of what a gauge stands at. */
static void add_up(const struct gather *g, struct page_row *row)
{
	row->all = 0;
	for (size_t i = 0; i < g->page->nodes.n; i++)
		if (!isnan(row->values[i]))
			row->all += row->values[i];
}

static void drop_zeros(const struct gather *g)
{
	size_t n = 0;

	for (size_t i = 0; i < g->out->rows.n; i++) {
		struct page_row *row = &g->out->rows.at[i];

		if (row->n_labels && is_zero(row, g->page->nodes.n)) {
			free(row->values);
			g->out->n_zero++;
			continue;
		}
		if (g->metric->type != PROFILE_GAUGE)
			add_up(g, row);
		g->out->rows.at[n++] = *row;
	}
	g->out->rows.n = n;
}

static void add_quantile(const struct gather *g, enum page_row_kind kind, double q)
{
	struct page_row *row = page_row(g->page, g->out);

	row->kind = kind;
	for (size_t i = 0; i < g->page->nodes.n; i++)
		row->values[i] = show_quantile(g->metric, g->buckets[i], q);
	row->all = show_quantile(g->metric, g->buckets[g->page->nodes.n], q);
}

void show_values(const struct agent *agent, uint64_t *const *cells, size_t m, struct page *page,
		 struct page_metric *out)
{
	const struct profile_metric *metric = &agent->profile->metrics[m];
	struct gather g = { metric, page, out, 0, agent_monotonic_ns(), NULL };

	out->in_seconds = metric->type == PROFILE_HISTOGRAM && profile_in_seconds(metric);
	if (metric->type == PROFILE_HISTOGRAM)
		g.buckets = mem_array(agent->nodes.n + 1, sizeof(*g.buckets));
	for (g.node = 0; g.node < agent->nodes.n; g.node++)
		if (metric->type != PROFILE_GAUGE || !agent->nodes.at[g.node]->ended)
			layout_series(agent->layout, cells[g.node], m, take_series, &g);
	drop_zeros(&g);
	if (g.buckets) {
		add_quantile(&g, PAGE_P50, 0.5);
		add_quantile(&g, PAGE_P99, 0.99);
	}
	free(g.buckets);
}
