/* SPDX-License-Identifier: BSD-2-Clause */
/* struct net, for net.c and net_nodes.c alone. */
#ifndef PROBE_NET_INSIDE_H
#define PROBE_NET_INSIDE_H

#include <bpf/libbpf.h>

#include "probe/net.h"
#include "probe/net_kernel.h"

struct net_bpf;

struct net {
	struct net_bpf *skel;
	unsigned wants; /* mask of hooks */
	struct bpf_link *links[NET_HOOKS];
	struct net_kernel kernel;
	uint64_t *cells;
	size_t cells_size; /* bytes */
	unsigned n_shards, n_nodes;
	const struct net_peer *peers;
	size_t n_peers;
	const struct profile *profile;
	pid_t tgids[ABI_NODES_MAX];
};

#endif
