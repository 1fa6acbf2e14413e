/* SPDX-License-Identifier: BSD-2-Clause */
/* From the agent's state and the kernel's cells to one scrape. */
#ifndef CMD_COLLECT_H
#define CMD_COLLECT_H

#include "cmd/agent.h"
#include "metric/snapshot.h"

/* Adds the profile's families and the agent's own (mpc_bpf_agent_*, process_*). */
void collect(struct agent *agent, struct metric_snapshot *out);

/* The families about the agent itself; in collect_self.c. */
void collect_self(struct agent *agent, uint64_t *const *cells, const struct maps_flights *flights,
		  struct metric_snapshot *out);

/* What of the watched functions can be seen: the rows of `probes`. */
void collect_probes(struct agent *agent, struct metric_snapshot *out);

#endif
