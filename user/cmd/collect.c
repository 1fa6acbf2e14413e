// SPDX-License-Identifier: BSD-2-Clause
/* The families that the profile asks for. */
#include "cmd/collect.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct walk {
	const struct profile_metric *metric;
	const struct node *node;
	struct metric_family *family;
};

bool collect_shows(const struct agent *agent, const struct node *node, size_t func)
{
	return plan_shows(node->binary->plan, agent->profile, func);
}

bool collect_shows_metric(const struct agent *agent, const struct node *node, size_t metric)
{
	const struct profile_metric *m = &agent->profile->metrics[metric];

	for (size_t s = 0; s < m->n_sources; s++)
		if (collect_shows(agent, node, m->sources[s].func))
			return true;
	return m->fact; /* the kernel's, of any process */
}

void collect_labels(const struct node *node, const struct profile_metric *metric,
		    const struct layout_series *from, struct metric_series *to)
{
	series_label(to, "node_id", node->id);
	for (size_t l = 0; l < metric->n_labels; l++) {
		const struct profile_label *label = &metric->labels[l];
		size_t i = from->label[l];

		series_label(to, label->name, i < label->n_values ? label->values[i] : "unknown");
	}
}

/* A sum of numbers is exact up to 2^64, and from there on as exact as a double is. One of times
 * is in nanoseconds, and shown in seconds. */
static void set_sum(const struct layout_series *from, enum profile_metric_type type,
		    struct metric_series *to)
{
	if (type == PROFILE_HISTOGRAM)
		to->sum = from->sum;
	else
		to->count = from->sum;
	to->integral = from->sum_overflow == 0;
	to->value = ldexp((double)from->sum_overflow, 64) + (double)from->sum;
}

static void add_series(const struct layout_series *from, void *arg)
{
	struct walk *w = arg;
	struct metric_series *to = family_series(w->family);
	size_t n = w->metric->n_bounds;

	collect_labels(w->node, w->metric, from, to);
	to->created = w->node->since;
	to->count = from->count;
	to->integral = true;
	if (w->metric->is_of_numbers)
		set_sum(from, w->metric->type, to);
	if (w->metric->type != PROFILE_HISTOGRAM)
		return;
	if (profile_in_seconds(w->metric)) {
		to->integral = false;
		to->value = (w->metric->is_of_numbers ? to->value : (double)from->sum) / 1e9;
	}
	to->bounds = w->metric->bounds;
	to->n_bounds = n;
	to->buckets = mem_array(n + 1, sizeof(*to->buckets));
	memcpy(to->buckets, from->buckets, (n + 1) * sizeof(*to->buckets));
}

static void collect_metric(struct agent *agent, size_t m, uint64_t *const *cells,
			   struct metric_snapshot *out)
{
	const struct profile_metric *metric = &agent->profile->metrics[m];
	struct walk w = { .metric = metric };

	for (size_t i = 0; i < agent->nodes.n; i++) {
		/* asked for anew each time: the snapshot may move its families */
		w.family = snapshot_family(out, metric->name,
					   metric->type == PROFILE_HISTOGRAM ? METRIC_HISTOGRAM :
									       METRIC_COUNTER,
					   metric->unit, metric->help);
		w.node = agent->nodes.at[i];
		if (collect_shows_metric(agent, w.node, m))
			layout_series(agent->layout, cells[i], m, add_series, &w);
	}
	if (!agent->nodes.n)
		snapshot_family(out, metric->name,
				metric->type == PROFILE_HISTOGRAM ? METRIC_HISTOGRAM :
								    METRIC_COUNTER,
				metric->unit, metric->help);
}

void collect(struct agent *agent, struct metric_snapshot *out)
{
	uint64_t **cells;
	_free_ struct maps_flights *flights = mem_alloc(sizeof(*flights));
	_free_ struct maps_spans *spans = mem_alloc(sizeof(*spans));
	struct net_view view = {};
	struct timespec from, to;

	clock_gettime(CLOCK_MONOTONIC, &from);
	agent_sweep(agent, spans);
	cells = agent_read_cells(agent);
	maps_read_flights(agent->maps, flights);
	if (agent->net)
		net_look(agent->net, &view);
	for (size_t m = 0; m < agent->profile->n_metrics; m++) {
		if (agent->profile->metrics[m].fact)
			collect_net(agent, &view, m, out);
		else if (agent->profile->metrics[m].type == PROFILE_GAUGE)
			collect_gauge(agent, m, cells, out);
		else
			collect_metric(agent, m, cells, out);
	}
	collect_self(agent, cells, flights, spans, out);
	collect_net_self(agent, &view, out);
	net_view_free(&view);
	agent_free_cells(agent, cells);
	clock_gettime(CLOCK_MONOTONIC, &to);
	agent->scrape_seconds =
		(double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
}
