/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What user space shares with the programs of call.bpf.c, and how they count in it. */
#ifndef BPF_CALL_TABLES_H
#define BPF_CALL_TABLES_H

#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include "bpf/abi.h"
#include "bpf/node.h"
#include "bpf/tgid.h"

#define unlikely(x) __builtin_expect(!!(x), 0)

/*
 * The tables are plain variables: an access needs no lookup, and user space has
 * them in its memory. They must not be static, or the compiler would take what
 * no program writes for zero.
 */
struct abi_bucket in_flight[ABI_IN_FLIGHT_BUCKETS] __attribute__((aligned(4096)));
struct abi_site sites[ABI_SITES_MAX] __attribute__((aligned(64)));
struct abi_func funcs[ABI_FUNCS_MAX] __attribute__((aligned(64)));
struct abi_bounds bounds[ABI_BOUNDS_TABLE_MAX] __attribute__((aligned(64)));
struct abi_node nodes[ABI_NODE_PLACES] __attribute__((aligned(64)));
struct abi_value values[ABI_VALUE_TABLE_MAX] __attribute__((aligned(64)));

/* Shards × nodes × cells of a node: sized by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} cells SEC(".maps");

/* ---- counters ----------------------------------------------------------------- */

static __always_inline void count(u32 cell, u64 n)
{
	u64 *at = bpf_map_lookup_elem(&cells, &cell);

	if (at)
		__sync_fetch_and_add(at, n);
}

static __always_inline void count_self(u32 block, const struct abi_site *site, u32 which, u64 n)
{
	count(block + site->func * ABI_SELF_CELLS + which, n);
}

/* First cell of the node's block for this CPU. Another CPU may share it, and a
 * program may interrupt itself: hence the atomic additions. */
static __always_inline u32 block_of(const struct abi_node *node)
{
	return (bpf_get_smp_processor_id() & (ABI_SHARDS_MAX - 1)) * node->shard_cells +
	       node->cells;
}

/* ---- whose process ------------------------------------------------------------ */

static __always_inline struct abi_node *current_node(void)
{
	return node_of(nodes, current_tgid());
}

/* Whether the node runs the file in which the site is. */
static __always_inline bool is_in(const struct abi_node *node, const struct abi_site *site)
{
	return abi_runs(node->file, node->libraries, site->file);
}

#endif
