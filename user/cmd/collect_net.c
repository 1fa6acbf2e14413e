// SPDX-License-Identifier: BSD-2-Clause
/* What the kernel knows of the network of nodes, and what it does not. */
#include <string.h>

#include "cmd/collect.h"

struct walk {
	const struct profile_metric *metric;
	const struct node *node; /* NULL: the host */
	double since;
	struct metric_family *family;
};

static enum metric_type type_of(const struct profile_metric *metric)
{
	return metric->type == PROFILE_HISTOGRAM ? METRIC_HISTOGRAM :
	       metric->type == PROFILE_GAUGE     ? METRIC_GAUGE :
						   METRIC_COUNTER;
}

static void add_series(const struct net_series *from, void *arg)
{
	struct walk *w = arg;
	struct metric_series *to = family_series(w->family);
	size_t n = w->metric->n_bounds;

	if (w->node)
		series_label(to, "node_id", w->node->id);
	for (enum fact_label l = 0; l < FACT_LABELS; l++)
		if (from->label[l])
			series_label(to, fact_label_name(l), from->label[l]);
	to->count = from->count;
	to->integral = true;
	if (w->metric->type != PROFILE_GAUGE)
		to->created = w->since;
	if (w->metric->type != PROFILE_HISTOGRAM)
		return;
	to->integral = false;
	to->value = (double)from->sum / 1e9;
	to->bounds = w->metric->bounds;
	to->n_bounds = n;
	to->buckets = mem_array(n + 1, sizeof(*to->buckets));
	memcpy(to->buckets, from->buckets, (n + 1) * sizeof(*to->buckets));
}

void collect_net(const struct agent *agent, const struct net_view *view, size_t metric,
		 struct metric_snapshot *out)
{
	struct walk w = { .metric = &agent->profile->metrics[metric] };

	w.family = snapshot_family(out, w.metric->name, type_of(w.metric), w.metric->unit,
				   w.metric->help);
	if (agent->net && w.metric->fact->host) {
		w.since = agent->started;
		net_series(view, 0, w.metric, add_series, &w);
		return;
	}
	for (size_t i = 0; agent->net && i < agent->nodes.n; i++) {
		w.node = agent->nodes.at[i];
		w.since = w.node->since;
		/* sockets of a process that ended are gone */
		if (w.metric->type != PROFILE_GAUGE || !w.node->ended)
			net_series(view, w.node->slot, w.metric, add_series, &w);
	}
}

static void add_self(const struct agent *agent, struct metric_snapshot *out, const char *what,
		     uint64_t n)
{
	struct metric_series *s = family_series(snapshot_family(
		out, "mpc_bpf_agent_network_missing_total", METRIC_COUNTER, "",
		"What belongs to no node's numbers though it may be a node's: sockets, ports and "
		"events without room in a table, and connections to a node's port that none took."));

	series_label(s, "what", what);
	s->created = agent->started;
	s->integral = true;
	s->count = n;
}

static void add_hook(const struct net_row *row, struct metric_snapshot *out)
{
	struct metric_series *s = family_series(snapshot_family(
		out, "mpc_bpf_agent_tracepoint_attached", METRIC_GAUGE, "",
		"1 for each of the kernel's tracepoints that is heard, 0 with the reason for one "
		"that is not. One that waits for its module is in none."));

	series_label(s, "tracepoint", row->name);
	series_label(s, "reason", row->reason ? row->reason : "");
	s->integral = true;
	s->count = !row->reason;
}

void collect_net_self(const struct agent *agent, const struct net_view *view,
		      struct metric_snapshot *out)
{
	struct net_row rows[NET_ROWS_MAX];
	struct metric_series *s;
	size_t n;

	if (!agent->net)
		return;
	n = net_rows(agent->net, rows, NET_ROWS_MAX);
	for (size_t i = 0; i < n; i++)
		if (rows[i].wanted && !rows[i].waits)
			add_hook(&rows[i], out);
	add_self(agent, out, "sockets_without_room", view->self[ABI_NET_LOST_SOCKETS]);
	add_self(agent, out, "ports_without_room", view->self[ABI_NET_LOST_LISTENERS]);
	add_self(agent, out, "events_without_room", view->self[ABI_NET_LOST_NAMED]);
	add_self(agent, out, "events_before_use", view->self[ABI_NET_LOST_WAITING]);
	add_self(agent, out, "connections_not_taken", view->self[ABI_NET_UNTAKEN]);
	s = family_series(snapshot_family(out, "mpc_bpf_agent_network_sockets", METRIC_GAUGE, "",
					  "TCP sockets that are followed, of 32768 at most."));
	s->integral = true;
	s->count = view->n_tcp;
}
