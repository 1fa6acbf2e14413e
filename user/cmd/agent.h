/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The agent at work: the executables that it probes, the processes that it
 * counts for, and what it read of them. One thread owns all of it.
 */
#ifndef CMD_AGENT_H
#define CMD_AGENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/mem.h"
#include "cmd/options.h"
#include "probe/attach.h"
#include "probe/compile.h"
#include "probe/kernel.h"
#include "probe/layout.h"
#include "probe/maps.h"
#include "profile/profile.h"
#include "symbol/debugfile.h"
#include "symbol/packs.h"
#include "symbol/plan.h"
#include "target/exe.h"
#include "target/scan.h"

/* A node that ended is shown this long, then its series go. */
#define AGENT_FORGET_SECONDS 300

/* One executable file that was looked at, whether it has our functions or not. */
struct binary {
	struct exe exe;
	char *path;
	bool ours;                    /* has functions of the profile; only then the rest is set */
	const struct pack_file *pack; /* of this build, or NULL */
	char *trouble;                /* why nothing of it is probed, or NULL */
	char *source;                 /* what the plan was made from */
	struct plan *plan;
	struct compiled *compiled;
	struct attachment *attachment;
	double resolve_seconds;
};

/* One process that is or was counted for. */
struct node {
	char *id;
	bool named; /* by itself or by a flag: goes on counting when restarted */
	pid_t tgid;
	uint64_t start; /* clock ticks, tells a reused pid */
	struct binary *binary;
	unsigned slot;                /* in the kernel maps */
	double since;                 /* Unix time */
	double ended;                 /* Unix time, 0 while it runs */
	uint64_t lost[ABI_FUNCS_MAX]; /* calls in flight when a process of this node ended */
};

/* Calls per second of a function, over the seconds before it was last asked for. */
struct rate {
	double at; /* Unix time of the count, 0: none yet */
	uint64_t started;
	double value;
};

struct agent {
	const struct options *options;
	const struct log *log;
	struct profile *profile;
	struct layout *layout;
	struct kernel kernel;
	struct maps *maps;
	struct packs packs;
	struct scan processes; /* as of the last look */
	VEC(struct binary *) binaries;
	VEC(struct node *) nodes;
	struct exe only;             /* --exe: its identity */
	struct debugfile_says debug; /* --debug: what it is of */
	double started;
	int stats_fd;
	struct rate rates[PROFILE_FUNCS_MAX]; /* for the page */
	double scrape_seconds;                /* how long the last scrape took to put together */
};

/* Reads the profile, checks the kernel, loads the programs. */
int agent_open(struct agent *agent, const struct options *options, struct err *err);
void agent_close(struct agent *agent);

/* Looks at all processes: probes and counts for new ones, lets go of ended ones.
 * With --exe or --pid the first look must find something to watch. */
int agent_look(struct agent *agent, bool first, struct err *err);

/* The same for one process of which an event told. */
void agent_look_at(struct agent *agent, pid_t tgid);

/* Drops nodes that ended long ago and executables that nobody runs. */
void agent_forget(struct agent *agent);

/* What the kernel counted for each node, in their order; agent_free_cells() after. */
uint64_t **agent_read_cells(const struct agent *agent);
void agent_free_cells(const struct agent *agent, uint64_t **cells);

/* Unix time. */
double agent_now(void);

/* In binary.c: the plan, tables and probes of an executable. Never fails: what
 * goes wrong is in binary->trouble. */
struct binary *binary_find(struct agent *agent, pid_t tgid, struct err *err);
/* The pack of exactly this build, or NULL. The code of the open file is read only
 * where it has no build-id and there is a pack of such a file. */
const struct pack_file *binary_pack(const struct agent *agent, const struct exe *exe, int fd);
void binary_probe(struct agent *agent, struct binary *binary, int fd);
void binary_free(struct agent *agent, struct binary *binary);
/* Number of the plan's instances in each state, of all functions. */
void binary_summary(const struct binary *binary, unsigned counts[PLAN_ABSENT + 1]);

#endif
