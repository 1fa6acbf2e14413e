/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Whose socket it is, and who is at its other end. */
#ifndef BPF_NET_OWNER_H
#define BPF_NET_OWNER_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>

#include "bpf/net_tables.h"
#include "bpf/tgid.h"

#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define SOCK_DONE 1 /* bit of skc_flags: a FIN has come in */

static __always_inline struct abi_node *current_node(void)
{
	return node_of(nodes, current_tgid());
}

/* A process has the lock, and it is the current one. Only where the lock is held. */
static __always_inline bool is_owned(struct sock *sk)
{
	return BPF_CORE_READ(sk, sk_lock.owned);
}

static __noinline u64 inode_of(struct sock *sk)
{
	struct socket_alloc *socket = (void *)BPF_CORE_READ(sk, sk_socket);

	return socket ? BPF_CORE_READ(socket, vfs_inode.i_ino) : 0;
}

/* The number of who is at the other end. */
static __noinline u32 peer_of(struct sock *sk)
{
	struct abi_net_address key = {};
	u32 *peer;

	if (!n_peers)
		return ABI_NET_OTHER;
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET6) {
		BPF_CORE_READ_INTO(&key.address, sk, __sk_common.skc_v6_daddr.in6_u.u6_addr32);
	} else {
		key.address[2] = bpf_htonl(0xffff);
		key.address[3] = BPF_CORE_READ(sk, __sk_common.skc_daddr);
	}
	key.port = BPF_CORE_READ(sk, __sk_common.skc_dport);
	peer = bpf_map_lookup_elem(&peers, &key);
	if (!peer) {
		key.port = 0;
		peer = bpf_map_lookup_elem(&peers, &key);
	}
	return peer && *peer <= n_peers ? *peer : ABI_NET_OTHER;
}

/* A socket that user space found: now it has an address too. */
static __noinline struct abi_net_sock *adopted(u64 sk)
{
	u64 cookie = BPF_CORE_READ((struct sock *)sk, __sk_common.skc_cookie.counter);
	struct abi_net_sock *s = cookie ? bpf_map_lookup_elem(&adopt, &cookie) : NULL;

	if (!s || s->protocol != IPPROTO_TCP)
		return NULL;
	s->peer = peer_of((struct sock *)sk);
	if (bpf_map_update_elem(&tcp_socks, &sk, s, BPF_NOEXIST)) {
		count_self(ABI_NET_LOST_SOCKETS);
		return NULL;
	}
	if (!bpf_map_delete_elem(&adopt, &cookie))
		__sync_fetch_and_add(&adoptable, -1);
	return bpf_map_lookup_elem(&tcp_socks, &sk);
}

static __always_inline struct abi_net_sock *tcp_of(u64 sk)
{
	struct abi_net_sock *s = bpf_map_lookup_elem(&tcp_socks, &sk);

	return s || !adoptable ? s : adopted(sk);
}

/* The kernel counts the FIN that ends what comes in as one byte. */
static __always_inline u64 received_bytes(struct sock *sk)
{
	u64 fin = BPF_CORE_READ(sk, __sk_common.skc_flags) >> SOCK_DONE & 1;

	return BPF_CORE_READ((struct tcp_sock *)sk, bytes_received) - fin;
}

/* What the kernel has counted so far is taken as counted. */
static __noinline void rebase(struct sock *sk, struct abi_net_sock *s)
{
	struct tcp_sock *tp = (void *)sk;

	s->sent_bytes = BPF_CORE_READ(tp, bytes_sent);
	s->retransmitted_bytes = BPF_CORE_READ(tp, bytes_retrans);
	s->received_bytes = received_bytes(sk);
	s->sent = BPF_CORE_READ(tp, segs_out);
	s->received = BPF_CORE_READ(tp, segs_in);
	s->retransmits = BPF_CORE_READ(tp, total_retrans);
	s->srtt = BPF_CORE_READ(tp, srtt_us);
	s->mdev = BPF_CORE_READ(tp, mdev_us);
}

static __noinline struct abi_net_sock *learn(u64 sk, u32 node, u32 flags)
{
	struct abi_net_sock s = { .node = node, .flags = flags, .protocol = IPPROTO_TCP };

	s.state = BPF_CORE_READ((struct sock *)sk, __sk_common.skc_state);
	s.inode = inode_of((struct sock *)sk);
	if (flags & ABI_NET_BEFORE) {
		rebase((struct sock *)sk, &s);
		s.peer = peer_of((struct sock *)sk);
	}
	if (bpf_map_update_elem(&tcp_socks, &sk, &s, BPF_ANY)) {
		count_self(ABI_NET_LOST_SOCKETS);
		return NULL;
	}
	return bpf_map_lookup_elem(&tcp_socks, &sk);
}

static __always_inline struct abi_net_port port_of(struct sock *sk)
{
	return (struct abi_net_port){
		.netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum),
		.port = BPF_CORE_READ(sk, __sk_common.skc_num),
	};
}

static __noinline void listen(struct sock *sk)
{
	struct abi_net_port key = port_of(sk);
	u64 *n = bpf_map_lookup_elem(&listeners, &key), one = 1;

	if (n)
		__sync_fetch_and_add(n, 1);
	else if (bpf_map_update_elem(&listeners, &key, &one, BPF_ANY))
		count_self(ABI_NET_LOST_LISTENERS);
}

static __noinline void unlisten(struct sock *sk)
{
	struct abi_net_port key = port_of(sk);
	u64 *n = bpf_map_lookup_elem(&listeners, &key);

	if (n && __sync_fetch_and_add(n, -1) <= 1)
		bpf_map_delete_elem(&listeners, &key);
}

#endif
