/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Finds the node of a process in a node table (abi.h). */
#ifndef BPF_NODE_H
#define BPF_NODE_H

#include "bpf/abi.h"

static __always_inline struct abi_node *node_of(struct abi_node *nodes, u32 tgid)
{
	u32 place = abi_node_place(tgid);

	for (u32 i = 0; i < ABI_NODE_TRIES; i++) {
		struct abi_node *node = &nodes[(place + i) & (ABI_NODE_PLACES - 1)];

		if (node->tgid == tgid)
			return node;
		if (!node->tgid)
			break;
	}
	return NULL;
}

#endif
