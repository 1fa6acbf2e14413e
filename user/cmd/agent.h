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
#include "probe/net.h"
#include "probe/net_peer.h"
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
	char *library;                /* a shared library, by its name in profiles, or NULL */
	bool unmapped;                /* it stands for what some nodes do not map: no file */
	bool ours;                    /* has functions of the profile; only then the rest is set */
	const struct pack_file *pack; /* of this build, or NULL */
	char *trouble;                /* why nothing of it is probed, or NULL */
	char *source;                 /* what the plan was made from */
	int fd;                       /* open while its probes are set; holds the lease */
	bool leased;                  /* who wants to write to it waits for us */
	bool idle;                    /* its probes were taken off; they may be set again */
	bool changed; /* its file holds another build by now: kept for its old nodes only */
	struct plan *plan;
	struct compiled *compiled;
	struct attachment *attachment;
	bool probed; /* at least once, in code of this digest: */
	uint8_t code[EXE_HASH_SIZE];
	struct resolving *resolving;   /* while its functions are looked for */
	double began, resolve_seconds; /* when that began (monotonic), how long it took */
};

/* Why the end of a call in flight cannot be seen any more. */
enum lost_reason { LOST_PROCESS_ENDED, LOST_PROBES_OFF, LOST_REASONS };

/* One process that is or was counted for. */
struct node {
	char *id;
	bool named; /* by itself or by a flag: goes on counting when restarted */
	pid_t tgid;
	uint64_t start; /* clock ticks, tells a reused pid */
	struct binary *binary;
	struct binary
		*libraries[ABI_NODE_LIBRARIES]; /* probed in it, by agent.libraries, or NULL */
	unsigned slot;                          /* in the kernel maps */
	double since;                           /* Unix time */
	double ended;                           /* Unix time, 0 while it is counted */
	bool exited;                            /* its process was told to have ended */
	bool unprobed;                       /* it runs on, but its executable has no probes now */
	struct maps_lost lost[LOST_REASONS]; /* what was under way when counting ended */
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
	struct net *net;   /* NULL: the profile asks for no facts of the kernel, or … */
	char *net_trouble; /* … why none can be had */
	struct net_peer peers[OPTIONS_PEERS_MAX]; /* their names are owned */
	size_t n_peers;
	struct packs packs;
	char *libraries[ABI_NODE_LIBRARIES]; /* whose functions the profile has, by name */
	size_t n_libraries;
	uint64_t hurry_until_ns; /* monotonic: new processes are about to map their libraries */
	struct scan processes;   /* as of the last look */
	VEC(struct binary *) binaries;
	VEC(struct node *) nodes;
	struct exe only;             /* --exe: its identity */
	struct debugfile_says debug; /* --debug: what it is of */
	bool looked;                 /* the first look is over */
	int epoll; /* hears of executables that are resolved; -1: they are waited for */
	double started;
	int stats_fd;
	struct rate rates[PROFILE_FUNCS_MAX]; /* for the page */
	double scrape_seconds;                /* how long the last scrape took to put together */
};

/* In open.c: reads the profile, checks the kernel, loads the programs. */
int agent_open(struct agent *agent, const struct options *options, struct err *err);
void agent_close(struct agent *agent);
/* What is heard of the network and what is not, for the log. */
void agent_say_net(const struct agent *agent);
/* What to do where there is nothing to see yet, for the log. */
void agent_say_empty(const struct agent *agent);
/* Whether nodes are known by functions of theirs; else by --exe or --pid alone. */
bool agent_has_functions(const struct agent *agent);

/* In agent.c: processes and what is counted for them. */

/* Looks at all processes: probes and counts for new ones, lets go of ended ones.
 * With --exe or --pid the first look must find something to watch. */
int agent_look(struct agent *agent, bool first, struct err *err);

/* The same for one process of which an event told that it has begun a program, or ended. */
void agent_saw_exec(struct agent *agent, pid_t tgid);
void agent_saw_exit(struct agent *agent, pid_t tgid);

/* Looks at the executables: takes the probes off one that somebody wants to write to
 * (SIGIO tells) or has written to, and sets them where they may be set again. */
void agent_check_files(struct agent *agent);

/* Sets the probes of executables that are resolved by now. */
void agent_take_resolved(struct agent *agent);

/* Drops nodes that ended long ago and executables that nobody runs. */
void agent_forget(struct agent *agent);

/* What the kernel counted for each node, in their order; agent_free_cells() after. */
uint64_t **agent_read_cells(const struct agent *agent);
void agent_free_cells(const struct agent *agent, uint64_t **cells);

/* Books the spans that were never ended, and fills @out (may be NULL) with the open ones. */
void agent_sweep(struct agent *agent, struct maps_spans *out);

/* Unix time. */
double agent_now(void);
/* The clock of the kernel programs. */
uint64_t agent_monotonic_ns(void);

/* A node that is in no table any more. */
void node_free(struct node *node);

/* Stops counting for the processes of an executable whose probes come off. */
void agent_stop_nodes(struct agent *agent, const struct binary *binary);

/* In binary.c: the plan, tables and probes of an executable. */

/* Whether it may be a node at all: asked of every process, so it must be cheap. */
bool binary_may_be_ours(const struct agent *agent, const struct exe *exe, int fd);
/* Sets the probes; @fd is taken over. What goes wrong is in binary->trouble. Where the
 * functions have to be looked for, that goes on while others are served: they are set
 * by binary_resolved(), which is true when it is done. */
void binary_probe(struct agent *agent, struct binary *binary, int fd);
bool binary_resolved(struct agent *agent, struct binary *binary);
void binary_take_off(struct binary *binary);
/* Why nothing of it is probed: one sentence, for the log and all rows. */
void binary_set_trouble(struct agent *agent, struct binary *binary, const char *why);
void binary_free(struct binary *binary);

/* In shared.c: shared libraries, which are probed in nodes that map them. */

/* Which the profile has; fails where they are too many. */
int shared_open(struct agent *agent, struct err *err);
/* Looks in nodes for what is not probed in them yet. */
void shared_look(struct agent *agent);
/* Soon again, for a process that has just begun: how many ms until then, -1: no haste. */
void shared_hurry(struct agent *agent);
int shared_wait(const struct agent *agent);
/* The node is not counted for any more, or the library's probes are about to come off. */
void shared_leave(struct agent *agent, struct node *node);
void shared_leave_all(struct agent *agent, const struct binary *library);
/* Whether it is probed in a node. */
bool shared_is_run(const struct agent *agent, const struct binary *library);

/* In recognize.c: which executable is which, and whether it is what it was. */

/* What the process runs, probed if it is one of ours. NULL: there is no such process,
 * or no executable. */
struct binary *binary_find(struct agent *agent, pid_t tgid, struct err *err);
/* The same for a file that nobody need run, known by @path. */
struct binary *binary_open(struct agent *agent, const char *path, struct err *err);
/* The shared library open as *@fd, probed or about to be; takes @path and the descriptor over. */
struct binary *binary_library(struct agent *agent, const char *library, const struct exe *exe,
			      int *fd, char *path);
/* Takes the probes off a file that is not what it was, or is about to change. */
void binary_check(struct agent *agent, struct binary *binary);
/* Takes the probes off; they are set again when it is next found. @why: what is wrong;
 * NULL: nothing, but nobody runs it. */
void binary_rest(struct agent *agent, struct binary *binary, const char *why);

#endif
