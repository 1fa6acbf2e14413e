// SPDX-License-Identifier: BSD-2-Clause
/* Gauges: what they stand at, and which of them nobody has set for too long. */
#include "cmd/collect.h"

struct walk {
	const struct profile_metric *metric;
	const struct node *node;
	struct metric_family *family;
	uint64_t now_ns;
	/* of gauges that are set: */
	uint64_t n_stale;
	uint64_t last_ns; /* of all series, 0: none was ever set */
};

static void set_balance(const struct layout_series *from, struct metric_series *to)
{
	to->negative = from->down > from->count;
	to->count = to->negative ? from->down - from->count : from->count - from->down;
}

static void set_last(const struct layout_series *from, struct metric_series *to)
{
	to->negative = from->negative;
	to->count = from->negative ? -from->last : from->last;
}

static void add_series(const struct layout_series *from, void *arg)
{
	struct walk *w = arg;
	struct metric_series *to;

	if (layout_stale(w->metric, from, w->now_ns))
		return;
	to = family_series(w->family);
	collect_labels(w->node, w->metric, from, to);
	to->integral = true;
	if (profile_is_balance(w->metric))
		set_balance(from, to);
	else
		set_last(from, to);
}

void collect_gauge(struct agent *agent, size_t metric, uint64_t *const *cells,
		   struct metric_snapshot *out)
{
	struct walk w = { .metric = &agent->profile->metrics[metric],
			  .now_ns = agent_monotonic_ns() };

	w.family =
		snapshot_family(out, w.metric->name, METRIC_GAUGE, w.metric->unit, w.metric->help);
	for (size_t i = 0; i < agent->nodes.n; i++) {
		w.node = agent->nodes.at[i];
		if (!w.node->ended) /* what it was set to is no more */
			layout_series(agent->layout, cells[i], metric, add_series, &w);
	}
}

static void count_stale(const struct layout_series *from, void *arg)
{
	struct walk *w = arg;

	w->n_stale += layout_stale(w->metric, from, w->now_ns);
	if (from->last_ns > w->last_ns)
		w->last_ns = from->last_ns;
}

static struct metric_series *add_said(struct metric_snapshot *out, const struct walk *w,
				      const char *name, const char *unit, const char *help)
{
	struct metric_series *s =
		family_series(snapshot_family(out, name, METRIC_GAUGE, unit, help));

	series_label(s, "node_id", w->node->id);
	series_label(s, "metric", w->metric->name);
	return s;
}

static void say_stale(struct metric_snapshot *out, const struct walk *w)
{
	struct metric_series *s;

	s = add_said(
		out, w, "mpc_bpf_agent_stale_series", "",
		"Series of a gauge that are not shown because no call has set them for too long.");
	s->integral = true;
	s->count = w->n_stale;
	if (!w->last_ns)
		return;
	s = add_said(out, w, "mpc_bpf_agent_last_set_timestamp_seconds", "seconds",
		     "When any series of a gauge was last set, in seconds since 1970.");
	s->value = agent_now() - ((double)w->now_ns - (double)w->last_ns) / 1e9;
}

void collect_stale(struct agent *agent, uint64_t *const *cells, struct metric_snapshot *out)
{
	for (size_t m = 0; m < agent->profile->n_metrics; m++) {
		const struct profile_metric *metric = &agent->profile->metrics[m];

		if (metric->type != PROFILE_GAUGE || !metric->is_of_numbers)
			continue;
		for (size_t i = 0; i < agent->nodes.n; i++) {
			struct walk w = { .metric = metric,
					  .node = agent->nodes.at[i],
					  .now_ns = agent_monotonic_ns() };

			if (w.node->ended)
				continue;
			layout_series(agent->layout, cells[i], m, count_stale, &w);
			say_stale(out, &w);
		}
	}
}
