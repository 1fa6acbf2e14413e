/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The book of a TCP socket: who takes it, what the kernel has counted for it since, and what
 * becomes of it. */
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

/* ---- what becomes of a socket ----------------------------------------------------- */

static __noinline void established(struct sock *sk, struct abi_net_sock *s)
{
	s->established_ns = bpf_ktime_get_ns();
	s->flags |= ABI_NET_OPEN;
	s->peer = peer_of(sk);
	if (s->node < n_nodes)
		count(block_of(s->node, s->peer),
		      s->flags & ABI_NET_OUT ? ABI_NET_CONNECTS : ABI_NET_ACCEPTS, 1);
}

static __noinline void closed(struct sock *sk, struct abi_net_sock *s, int old)
{
	if (old == TCP_LISTEN)
		unlisten(sk);
	if (old == TCP_SYN_SENT && s->node < n_nodes)
		count_named(s->node, s->peer, NAMED(ABI_NET_CONNECT_FAILURE, IPPROTO_TCP),
			    BPF_CORE_READ(sk, sk_err), 1);
	s->closed_ns = bpf_ktime_get_ns();
	if (s->node < n_nodes)
		finish(block_of(s->node, s->peer), s);
}

static __always_inline bool is_connecting(int state)
{
	return state == TCP_SYN_SENT || state == TCP_SYN_RECV;
}

/* The kernel leaves out a run that would interrupt one of the same program. What it would
 * have told is seen by the state that the socket is found in: only not when it was. */
static __noinline void catch_up(struct sock *sk, struct abi_net_sock *s, int state)
{
	int error;

	if (is_connecting(s->state) && !is_connecting(state) && state != TCP_CLOSE) {
		established(sk, s);
		s->established_ns = 0;
	} else if (s->state == TCP_SYN_SENT && state == TCP_CLOSE && s->node < n_nodes) {
		error = BPF_CORE_READ(sk, sk_err); /* unless somebody has asked for it since */
		count_named(s->node, s->peer, NAMED(ABI_NET_CONNECT_FAILURE, IPPROTO_TCP),
			    error ? error : ABI_NET_UNKNOWN, 1);
	}
	if (s->state == TCP_LISTEN)
		unlisten(sk);
	if (state == TCP_CLOSE)
		s->established_ns = 0;
	s->state = state;
}

static __noinline void changed(struct sock *sk, struct abi_net_sock *s, int old, int new)
{
	if (s->state != old)
		catch_up(sk, s, old);
	settle(sk, s);
	s->state = new;
	switch (new) {
	case TCP_SYN_SENT:
		rebase(sk, s);
		s->flags = ABI_NET_OUT;
		s->established_ns = s->closed_ns = 0;
		s->peer = peer_of(sk);
		break;
	case TCP_ESTABLISHED:
		established(sk, s);
		break;
	case TCP_LISTEN:
		listen(sk);
		break;
	case TCP_CLOSE:
		closed(sk, s, old);
		break;
	}
}

/* A new socket, made for a connection that came in; whatever stood at its address is gone. */
static __always_inline bool is_offered(int old, int new)
{
	return old == TCP_LISTEN && new == TCP_SYN_RECV;
}

/* The first that is seen of a socket. */
static __noinline struct abi_net_sock *first_seen(struct sock *sk, int old, int new,
						  const struct abi_node *node)
{
	struct abi_net_port port;
	u64 key = (u64)sk;

	if (new == TCP_SYN_SENT || new == TCP_LISTEN)
		return node ? learn((u64)sk, node->index, 0) : NULL;
	if (!is_offered(old, new))
		return NULL;
	port = port_of(sk);
	if (bpf_map_lookup_elem(&listeners, &port))
		return learn((u64)sk, ABI_NET_NO_NODE, ABI_NET_IN);
	bpf_map_delete_elem(&tcp_socks, &key); /* whose end was missed */
	return NULL;
}

/* What is known of the socket. One that begins anew and is another file is another socket,
 * at the address of one whose end was missed. */
static __noinline struct abi_net_sock *known(struct sock *sk, int old)
{
	u64 key = (u64)sk;
	struct abi_net_sock *s = tcp_of(key);

	if (!s || old != TCP_CLOSE || s->inode == (u32)inode_of(sk))
		return s;
	bpf_map_delete_elem(&tcp_socks, &key);
	return NULL;
}

#endif
