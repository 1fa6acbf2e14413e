/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What user space shares with the programs of net.bpf.c, and how they count in it. */
#ifndef BPF_NET_TABLES_H
#define BPF_NET_TABLES_H

#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include "bpf/net_abi.h"
#include "bpf/node.h"

/* Set by user space before the programs are loaded. */
const volatile __u32 n_nodes = 1;
const volatile __u32 n_peers = 0;
const volatile __u32 n_bounds[ABI_NET_HISTOGRAMS] = {};
const volatile __u32 n_handshake_bounds = 0;

struct abi_node nodes[ABI_NODE_PLACES] __attribute__((aligned(64)));
struct abi_bounds bounds[ABI_NET_HISTOGRAMS] __attribute__((aligned(64)));
__u64 self[ABI_NET_SELF];
/* How long handshakes of the kernel's took, of the whole host, as a histogram of cells. */
struct abi_bounds handshake_bounds __attribute__((aligned(64)));
__u64 handshake_durations[ABI_NET_HISTOGRAM_CELLS];
/* How many sockets wait in `adopt`; user space adds. Those of UDP stay there. */
__u64 adoptable, adoptable_udp;
/* By the number of a node: the sockets that it had before are in `adopt`. User space sets it. */
__u8 listed[ABI_NODES_MAX];

#define HASH(name, kind, places, key_type, value_type) \
	struct {                                       \
		__uint(type, kind);                    \
		__uint(max_entries, places);           \
		__type(key, key_type);                 \
		__type(value, value_type);             \
	} name SEC(".maps")

HASH(tcp_socks, BPF_MAP_TYPE_HASH, ABI_NET_TCP_MAX, u64, struct abi_net_sock);
HASH(udp_socks, BPF_MAP_TYPE_LRU_HASH, ABI_NET_UDP_MAX, u64, struct abi_net_udp);
HASH(adopt, BPF_MAP_TYPE_HASH, ABI_NET_ADOPT_MAX, u64, struct abi_net_sock); /* by cookie */
HASH(listeners, BPF_MAP_TYPE_HASH, ABI_NET_LISTENERS_MAX, struct abi_net_port, u64);
HASH(named, BPF_MAP_TYPE_HASH, ABI_NET_NAMED_MAX, struct abi_net_named, u64);
HASH(peers, BPF_MAP_TYPE_HASH, 2 * ABI_NET_PEERS_MAX, struct abi_net_address, u32);
HASH(handshakes, BPF_MAP_TYPE_LRU_HASH, ABI_NET_HANDSHAKES_MAX, u64, u64); /* when begun */

/* Shards × nodes × peers × ABI_NET_CELLS: sized by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} cells SEC(".maps");

/* ---- counters ----------------------------------------------------------------- */

static __always_inline u32 block_of(u32 node, u32 peer)
{
	u32 shard = bpf_get_smp_processor_id() & (ABI_SHARDS_MAX - 1);

	return ((shard * n_nodes + node) * (n_peers + 1) + peer) * ABI_NET_CELLS;
}

static __always_inline void count(u32 block, u32 which, u64 n)
{
	u32 cell = block + which;
	u64 *at = bpf_map_lookup_elem(&cells, &cell);

	if (at)
		__sync_fetch_and_add(at, n);
}

static __noinline void observe(u32 block, u32 which, u64 ns)
{
	u32 h = which & (ABI_NET_HISTOGRAMS - 1);
	u32 at = block + ABI_NET_HISTOGRAMS_AT + h * ABI_NET_HISTOGRAM_CELLS;

	count(at, abi_bucket(&bounds[h], n_bounds[h], ns), 1);
	count(at, ABI_NET_SUM, ns);
}

static __always_inline void count_self(u32 which)
{
	__sync_fetch_and_add(&self[which], 1);
}

static __noinline void count_named(u32 node, u32 peer, u32 what_protocol, u32 code, u64 n)
{
	struct abi_net_named key = { .node = node,
				     .what = what_protocol >> 8,
				     .protocol = what_protocol & 0xff,
				     .peer = peer,
				     .code = code };
	u64 *at = bpf_map_lookup_elem(&named, &key);

	if (!at && !bpf_map_update_elem(&named, &key, &n, BPF_NOEXIST))
		return;
	if (!at) /* another processor was first, or there is no room */
		at = bpf_map_lookup_elem(&named, &key);
	if (at)
		__sync_fetch_and_add(at, n);
	else
		count_self(ABI_NET_LOST_NAMED);
}

#define NAMED(what, protocol) ((u32)(what) << 8 | (protocol))

#endif
