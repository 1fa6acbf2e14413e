// SPDX-License-Identifier: BSD-2-Clause
/* Which processes are nodes, and the sockets that they had before. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "base/mem.h"
#include "probe/net_inside.h"

#include "bpf/net.skel.h"

static struct abi_node *place(const struct net *net, pid_t tgid, unsigned i)
{
	return &net->skel->bss->nodes[(abi_node_place((uint32_t)tgid) + i) & (ABI_NODE_PLACES - 1)];
}

int net_add_node(struct net *net, unsigned node, pid_t tgid, struct err *err)
{
	net_stop_node(net, node);
	for (unsigned i = 0; i < ABI_NODE_TRIES; i++) {
		struct abi_node *at = place(net, tgid, i);

		if (at->tgid && at->tgid != ABI_NODE_GONE)
			continue;
		at->index = (uint16_t)node;
		__atomic_store_n(&at->tgid, (uint32_t)tgid, __ATOMIC_RELEASE);
		net->tgids[node] = tgid;
		return 0;
	}
	return err_set(err, -ENOSPC,
		       "the network of process %d is not counted: %d others stand at its places",
		       (int)tgid, ABI_NODE_TRIES);
}

void net_stop_node(struct net *net, unsigned node)
{
	pid_t tgid = net->tgids[node];

	for (unsigned i = 0; tgid && i < ABI_NODE_TRIES; i++) {
		struct abi_node *at = place(net, tgid, i);

		if (at->tgid != (uint32_t)tgid)
			continue;
		/* A search may end here only if it would end at the next place too. */
		__atomic_store_n(&at->tgid, place(net, tgid, i + 1)->tgid ? ABI_NODE_GONE : 0,
				 __ATOMIC_RELEASE);
		break;
	}
	net->skel->bss->listed[node] = 0;
	net->tgids[node] = 0;
}

static void adopt_listener(struct net *net, uint32_t netns, const struct socket_row *row)
{
	struct abi_net_port key = { .netns = netns, .port = row->port };
	const struct bpf_map *map = net->skel->maps.listeners;
	uint64_t n = 0;

	bpf_map__lookup_elem(map, &key, sizeof(key), &n, sizeof(n), 0);
	n++;
	bpf_map__update_elem(map, &key, sizeof(key), &n, sizeof(n), BPF_ANY);
}

static __u64 *waiting(const struct net *net, uint8_t protocol)
{
	return protocol == IPPROTO_TCP ? &net->skel->bss->adoptable :
					 &net->skel->bss->adoptable_udp;
}

static void adopt(struct net *net, unsigned node, const struct socket_row *row)
{
	struct abi_net_sock s = { .sent_bytes = row->sent_bytes,
				  .retransmitted_bytes = row->retransmitted_bytes,
				  .received_bytes = row->received_bytes,
				  .sent = row->sent,
				  .received = row->received,
				  .retransmits = row->retransmits,
				  .node = (uint16_t)node,
				  .state = row->state,
				  .flags = ABI_NET_BEFORE |
					   (row->state == TCP_SYN_SENT ? ABI_NET_OUT : 0),
				  .protocol = row->protocol,
				  .inode = row->inode };

	if (bpf_map__update_elem(net->skel->maps.adopt, &row->cookie, sizeof(row->cookie), &s,
				 sizeof(s), BPF_NOEXIST) == 0)
		__atomic_fetch_add(waiting(net, row->protocol), 1, __ATOMIC_SEQ_CST);
}

static void unadopt(struct net *net, const struct socket_row *row)
{
	if (bpf_map__delete_elem(net->skel->maps.adopt, &row->cookie, sizeof(row->cookie), 0) == 0)
		__atomic_fetch_sub(waiting(net, row->protocol), 1, __ATOMIC_SEQ_CST);
}

static int by_inode(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Inodes of TCP sockets that the programs have seen by themselves, ascending. */
static uint32_t *seen_inodes(const struct net *net, unsigned node, size_t *n)
{
	const struct bpf_map *map = net->skel->maps.tcp_socks;
	VEC(uint32_t) list = {};
	uint64_t key, *last = NULL;

	while (bpf_map__get_next_key(map, last, &key, sizeof(key)) == 0 &&
	       list.n < ABI_NET_TCP_MAX) {
		struct abi_net_sock s;

		last = &key;
		if (bpf_map__lookup_elem(map, &key, sizeof(key), &s, sizeof(s), 0) == 0 &&
		    s.node == node && s.inode)
			*VEC_ADD(&list) = s.inode;
	}
	if (list.n)
		qsort(list.at, list.n, sizeof(*list.at), by_inode);
	*n = list.n;
	return list.at;
}

/* A socket that was opened after net_add_node() and before it was listed is known to the
 * programs already, and must not stand there twice. */
void net_adopt(struct net *net, unsigned node, const struct socket_list *sockets)
{
	_free_ uint32_t *seen = NULL;
	size_t n;

	for (size_t i = 0; i < sockets->n; i++)
		adopt(net, node, &sockets->at[i]);
	seen = seen_inodes(net, node, &n);
	for (size_t i = 0; i < sockets->n; i++) {
		const struct socket_row *row = &sockets->at[i];

		if (n && bsearch(&row->inode, seen, n, sizeof(*seen), by_inode))
			unadopt(net, row);
		else if (row->protocol == IPPROTO_TCP && row->state == TCP_LISTEN)
			adopt_listener(net, sockets->netns, row);
	}
	__atomic_store_n(&net->skel->bss->listed[node], 1, __ATOMIC_RELEASE);
}

bool net_hears_udp(const struct net *net)
{
	return net->links[NET_SEND] && net->links[NET_RECEIVE];
}

/* Takes out of a table what belongs to @node: its number stands in the key, or in the
 * value, at @at. */
static void purge(const struct bpf_map *map, unsigned node, bool of_key, size_t at)
{
	size_t n_key = bpf_map__key_size(map), n_value = bpf_map__value_size(map);
	_free_ char *key = mem_alloc(n_key), *last = mem_alloc(n_key), *value = mem_alloc(n_value);
	bool more = bpf_map__get_next_key(map, NULL, key, n_key) == 0;

	while (more) {
		uint16_t whose;

		memcpy(last, key, n_key);
		more = bpf_map__get_next_key(map, last, key, n_key) == 0;
		if (!of_key && bpf_map__lookup_elem(map, last, n_key, value, n_value, 0))
			continue;
		memcpy(&whose, (of_key ? last : value) + at, sizeof(whose));
		if (whose == node)
			bpf_map__delete_elem(map, last, n_key, 0);
	}
}

/* Of one protocol, or of all: 0. */
static void purge_adopted(struct net *net, unsigned node, uint8_t protocol)
{
	const struct bpf_map *map = net->skel->maps.adopt;
	uint64_t key, last;
	bool more = bpf_map__get_next_key(map, NULL, &key, sizeof(key)) == 0;

	while (more) {
		struct abi_net_sock s;

		last = key;
		more = bpf_map__get_next_key(map, &last, &key, sizeof(key)) == 0;
		if (bpf_map__lookup_elem(map, &last, sizeof(last), &s, sizeof(s), 0) ||
		    s.node != node || (protocol && s.protocol != protocol))
			continue;
		if (bpf_map__delete_elem(map, &last, sizeof(last), 0) == 0)
			__atomic_fetch_sub(waiting(net, s.protocol), 1, __ATOMIC_SEQ_CST);
	}
}

void net_adopt_udp(struct net *net, unsigned node, const struct socket_list *sockets)
{
	purge_adopted(net, node, IPPROTO_UDP);
	for (size_t i = 0; i < sockets->n; i++)
		if (sockets->at[i].protocol == IPPROTO_UDP)
			adopt(net, node, &sockets->at[i]);
}

void net_drop_node(struct net *net, unsigned node)
{
	size_t size = (net->n_peers + 1) * ABI_NET_CELLS;

	net_stop_node(net, node);
	purge(net->skel->maps.tcp_socks, node, false, offsetof(struct abi_net_sock, node));
	purge(net->skel->maps.udp_socks, node, false, offsetof(struct abi_net_udp, node));
	purge_adopted(net, node, 0);
	purge(net->skel->maps.named, node, true, offsetof(struct abi_net_named, node));
	for (unsigned s = 0; s < net->n_shards; s++)
		memset(net->cells + ((size_t)s * net->n_nodes + node) * size, 0,
		       size * sizeof(*net->cells));
}
