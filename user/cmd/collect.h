/* SPDX-License-Identifier: BSD-2-Clause */
/* From the agent's state and the kernel's cells to one scrape. */
#ifndef CMD_COLLECT_H
#define CMD_COLLECT_H

#include "cmd/agent.h"
#include "metric/snapshot.h"

/* Adds the profile's families and the agent's own (mpc_bpf_agent_*, process_*). */
void collect(struct agent *agent, struct metric_snapshot *out);

/* One gauge, from all nodes that run; in collect_gauges.c, with what is said of those that
 * are set: how many are stale and since when. */
void collect_gauge(struct agent *agent, size_t metric, uint64_t *const *cells,
		   struct metric_snapshot *out);
void collect_stale(struct agent *agent, uint64_t *const *cells, struct metric_snapshot *out);

/* What the kernel knows of the network: one metric; the agent's own book of it. In
 * collect_net.c. */
void collect_net(const struct agent *agent, const struct net_view *view, size_t metric,
		 struct metric_snapshot *out);
void collect_net_self(const struct agent *agent, const struct net_view *view,
		      struct metric_snapshot *out);

/* Whether the node's executable may have the function, or a function of the metric. */
bool collect_shows(const struct agent *agent, const struct node *node, size_t func);
bool collect_shows_metric(const struct agent *agent, const struct node *node, size_t metric);
/* The labels of a series of the profile. */
void collect_labels(const struct node *node, const struct profile_metric *metric,
		    const struct layout_series *from, struct metric_series *to);

/* The families about the agent itself; in collect_self.c. */
void collect_self(struct agent *agent, uint64_t *const *cells, const struct maps_flights *flights,
		  const struct maps_spans *spans, struct metric_snapshot *out);

/* The book of each metric of spans; in collect_spans.c. */
void collect_spans(struct agent *agent, uint64_t *const *cells, const struct maps_spans *spans,
		   struct metric_snapshot *out);

/* What of the watched functions can be seen: the rows of `probes`. */
void collect_probes(struct agent *agent, struct metric_snapshot *out);

#endif
