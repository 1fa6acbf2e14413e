/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the running kernel has for the programs of bpf/net.bpf.c: its tracepoints, by their
 * types in BTF, and its own names for why packets are dropped. Reads only.
 */
#ifndef PROBE_NET_KERNEL_H
#define PROBE_NET_KERNEL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "probe/net_view.h"

#define NET_DROPS_MAX 1024

/* A tracepoint; where its arguments grew, there is a program for each form. */
struct net_tracepoint {
	const char *name, *program, *since, *what;
	unsigned arguments;         /* at least; with fewer it is another tracepoint */
	unsigned needs;             /* mask of others without which it knows nobody */
	const char *program_before; /* for fewer arguments, or NULL */
	unsigned arguments_before;
	const char *module; /* that it is in where it is not built in, or NULL */
	const char *option; /* of the kernel's configuration that it takes, or NULL */
};

extern const struct net_tracepoint net_tracepoints[NET_HOOKS];

struct net_kernel {
	const char *program[NET_HOOKS]; /* the one for this kernel, NULL: none */
	char *reason[NET_HOOKS];        /* why there is none, or it waits; owned */
	bool waits[NET_HOOKS];          /* its module is not there yet */
	char *drops[NET_DROPS_MAX];     /* enum skb_drop_reason in small letters; NULL in gaps */
	size_t n_drops;
};

/* -errno with a sentence where the kernel's types cannot be read. */
int net_kernel_ask(struct net_kernel *k, struct err *err);
/* Asks again for those of the mask @wanted that wait. The mask of those that do no longer: each has
 * a program now, or a reason why not. */
unsigned net_kernel_look_again(struct net_kernel *k, unsigned wanted);
void net_kernel_free(struct net_kernel *k);

/* No program for this one, because of @why, unless a reason is known already. */
void net_kernel_leave_out(struct net_kernel *k, enum net_hook h, const char *why);

#endif
