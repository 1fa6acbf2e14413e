/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The book of a TCP socket: who takes it, and what the kernel has counted for it since. */
#ifndef BPF_NET_TCP_H
#define BPF_NET_TCP_H

#include "bpf/net_owner.h"

static __always_inline void finish(u32 block, struct abi_net_sock *s)
{
	if (!s->established_ns || !s->closed_ns)
		return;
	observe(block, ABI_NET_DURATION, s->closed_ns - s->established_ns);
	s->established_ns = s->closed_ns = 0;
}

/* What happened while nobody had it is counted now. User space may have found it too. */
static __noinline void take(struct sock *sk, struct abi_net_sock *s, u32 node)
{
	u64 cookie = adoptable ? BPF_CORE_READ(sk, __sk_common.skc_cookie.counter) : 0;
	u32 block = block_of(node, s->peer);

	s->node = node;
	s->inode = inode_of(sk);
	if (cookie && !bpf_map_delete_elem(&adopt, &cookie))
		__sync_fetch_and_add(&adoptable, -1);
	if (s->flags & ABI_NET_OPEN)
		count(block, ABI_NET_ACCEPTS, 1);
	if (s->flags & ABI_NET_RESET_IN)
		count(block, ABI_NET_RESETS_RECEIVED, 1);
	if (s->flags & ABI_NET_RESET_OUT)
		count(block, ABI_NET_RESETS_SENT, 1);
	if (s->error)
		count_named(node, s->peer, NAMED(ABI_NET_ERROR, IPPROTO_TCP), s->error, 1);
	finish(block, s);
}

/* The current process is at work on the socket. One that was handed on counts for its
 * new owner from then on. */
static __always_inline void touch(struct sock *sk, struct abi_net_sock *s,
				  const struct abi_node *node)
{
	if (!node)
		return;
	if (s->node == ABI_NET_NO_NODE)
		take(sk, s, node->index);
	else if (s->node != node->index)
		s->node = node->index;
}

/* Adds what the kernel has counted since the last time. Only with the socket's lock. When
 * a socket was closed its counters may have been set to 0, for it can be used again. */
static __noinline void settle(struct sock *sk, struct abi_net_sock *s)
{
	struct tcp_sock *tp = (void *)sk;
	u64 bytes;
	u32 n, mdev, block;

	if (s->node >= n_nodes)
		return;
	block = block_of(s->node, s->peer);
	n = BPF_CORE_READ(tp, segs_out);
	if (s->state == TCP_CLOSE && (n < s->sent || BPF_CORE_READ(tp, segs_in) < s->received))
		return;
	count(block, ABI_NET_TCP_SENT, n - s->sent);
	s->sent = n;
	n = BPF_CORE_READ(tp, segs_in);
	count(block, ABI_NET_TCP_RECEIVED, n - s->received);
	s->received = n;
	bytes = BPF_CORE_READ(tp, bytes_sent);
	count(block, ABI_NET_TCP_SENT_BYTES, bytes - s->sent_bytes);
	s->sent_bytes = bytes;
	bytes = received_bytes(sk);
	count(block, ABI_NET_TCP_RECEIVED_BYTES, bytes - s->received_bytes);
	s->received_bytes = bytes;
	n = BPF_CORE_READ(tp, total_retrans);
	if (n != s->retransmits) {
		count(block, ABI_NET_TCP_RETRANSMITS, n - s->retransmits);
		s->retransmits = n;
		bytes = BPF_CORE_READ(tp, bytes_retrans);
		count(block, ABI_NET_TCP_RETRANSMITTED_BYTES, bytes - s->retransmitted_bytes);
		s->retransmitted_bytes = bytes;
	}
	n = BPF_CORE_READ(tp, srtt_us);
	mdev = BPF_CORE_READ(tp, mdev_us);
	if (n && (n != s->srtt || mdev != s->mdev)) {
		observe(block, ABI_NET_RTT, (u64)n * 1000 / 8);
		s->srtt = n;
		s->mdev = mdev;
	}
}

/* A node has a socket that nothing was heard of. At a port where nodes listen it came in
 * while the kernel left those runs out: all of it counts, only not how long it lasts. Else
 * it was there before. */
static __noinline struct abi_net_sock *unheard(struct sock *sk, u32 node)
{
	struct abi_net_port port = port_of(sk);
	struct abi_net_sock *s;

	if (!listed[node & (ABI_NODES_MAX - 1)] || !bpf_map_lookup_elem(&listeners, &port))
		return learn((u64)sk, node, ABI_NET_BEFORE);
	s = learn((u64)sk, ABI_NET_NO_NODE, ABI_NET_IN | ABI_NET_OPEN);
	if (s)
		s->peer = peer_of(sk);
	return s;
}

/* A socket that a process may be at work on. */
static __noinline struct abi_net_sock *used(struct sock *sk)
{
	struct abi_net_sock *s = tcp_of((u64)sk);
	struct abi_node *node = is_owned(sk) ? current_node() : NULL;

	if (!s && node)
		s = unheard(sk, node->index);
	if (s)
		touch(sk, s, node);
	return s;
}

#endif
