/* SPDX-License-Identifier: BSD-2-Clause */
/* From what net.bpf.c has counted to the series of a metric. Pure. */
#ifndef PROBE_NET_VIEW_H
#define PROBE_NET_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/net_abi.h"
#include "profile/fact.h"
#include "profile/profile.h"

/* Somebody at the other end. */
struct net_peer {
	const char *name;    /* not owned; several addresses may have one name */
	uint8_t address[16]; /* IPv4 as ::ffff:a.b.c.d */
	uint16_t port;       /* 0: all ports */
};

/* Tracepoints; also the order of net_rows(). */
enum net_hook {
	NET_STATE,
	NET_DESTROY,
	NET_SEGMENT,
	NET_READ,
	NET_RETRANSMIT,
	NET_RESET_SENT,
	NET_RESET_RECEIVED,
	NET_SEND,
	NET_RECEIVE,
	NET_UDP_QUEUE,
	NET_ERROR,
	NET_DROP,
	NET_BAD_CHECKSUM,
	NET_HANDSHAKE,
	NET_HANDSHAKE_UNASKED,
	NET_HANDSHAKE_END,
	NET_HANDSHAKE_CANCELLED,
	NET_ALERT_SENT,
	NET_ALERT_RECEIVED,
	NET_TLS_OFFLOAD,
	NET_TLS_RECORD,
	NET_TLS_RESYNC_OUT,
	NET_TLS_RESYNC_IN,
	NET_HOOKS,
};

/* States of TCP sockets, by the kernel's numbers. */
#define NET_STATES 13

struct net_named {
	struct abi_net_named key;
	uint64_t count;
};

/* All that was counted, as of one moment or nearly so. */
struct net_view {
	unsigned hooks; /* mask of those that are attached */
	unsigned n_nodes;
	const struct net_peer *peers; /* not owned */
	size_t n_peers;
	uint64_t *cells; /* nodes × (peers + 1) × ABI_NET_CELLS */
	struct net_named *named;
	size_t n_named;
	uint32_t states[ABI_NODES_MAX][NET_STATES];
	size_t n_tcp; /* TCP sockets in the table */
	uint64_t self[ABI_NET_SELF];
	uint64_t handshakes[ABI_NET_HISTOGRAM_CELLS]; /* how long they took, of the host */
	const char *const *reasons; /* by number, NULL where there is none; not owned */
	size_t n_reasons;
};

void net_view_free(struct net_view *view);

struct net_series {
	const char *label[FACT_LABELS]; /* those that the metric asks for, others NULL */
	uint64_t count;                 /* histogram: of the buckets */
	uint64_t sum;                   /* histogram: ns */
	uint64_t buckets[PROFILE_BOUNDS_MAX + 1];
};

/* Calls @fn for each series of @metric, which has a fact, on one node: all that its closed
 * labels make, and of errors and reasons those that were counted. What the kernel has no
 * tracepoint for has no series. For a fact of the host @node does not matter. */
typedef void net_series_fn(const struct net_series *series, void *arg);
void net_series(const struct net_view *view, unsigned node, const struct profile_metric *metric,
		net_series_fn *fn, void *arg);

/* The hooks that @profile wants: what its facts are made of, and what says whose a socket is. */
unsigned net_wants(const struct profile *profile);

/* What is missing from the metric with these hooks, as a mask of the hooks that it lacks. */
unsigned net_lacks(const struct profile_metric *metric, unsigned hooks);

#endif
