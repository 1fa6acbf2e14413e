/* SPDX-License-Identifier: BSD-2-Clause */
/* What our programs cost, by the kernel's own count, for mpc_bpf_agent_* and the
 * status page. */
#ifndef PROBE_STATS_H
#define PROBE_STATS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct bpf_program;

struct stats {
	const char *name; /* of the program; not owned */
	uint64_t run_time_ns;
	uint64_t run_cnt;
	uint64_t recursion_misses; /* runs that were left out */
};

/* Lets the kernel count run times until *@fd is closed. It costs about 30 ns a
 * run for every BPF program of the machine, so only when asked for. */
int stats_enable(int *fd, struct err *err);

int stats_read(const struct bpf_program *program, struct stats *out, struct err *err);

#endif
