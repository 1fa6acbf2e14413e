// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/*
 * What the kernel does for the sockets of nodes. Nothing of a packet is read: the numbers
 * are the kernel's own, in its socket structures, and arguments of tracepoints.
 *
 * Whose socket it is, is learned where a process is at work on it: then `current` is
 * that process. A tracepoint that runs with the socket's lock held tells by
 * sk_lock.owned whether that is so; else a packet has just come in, and `current` is
 * whoever was interrupted. A connection that came in belongs to nobody until a process
 * touches it, for several may wait at one port; so nothing of it is counted before.
 *
 * Each program stands alone: one that this kernel has no tracepoint for is left out, and
 * user space says why. Those that run for every packet of the host look the socket up
 * first and are done when it is nobody's.
 */
#include "bpf/net_tcp.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define MSG_PEEK 0x2
#define MSG_ERRQUEUE 0x2000

/* ---- TCP --------------------------------------------------------------------------- */

SEC("raw_tp/inet_sock_set_state")
int on_state(struct bpf_raw_tracepoint_args *ctx)
{
	struct sock *sk = (void *)ctx->args[0];
	int old = ctx->args[1], new = ctx->args[2];
	struct abi_net_sock *s;
	struct abi_node *node = NULL;

	if (BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	if (is_owned(sk))
		node = current_node();
	s = is_offered(old, new) ? NULL : known(sk, old);
	if (!s)
		s = first_seen(sk, old, new, node);
	if (!s)
		return 0;
	touch(sk, s, node);
	changed(sk, s, old, new);
	return 0;
}

SEC("raw_tp/tcp_destroy_sock")
int on_destroy(struct bpf_raw_tracepoint_args *ctx)
{
	struct sock *sk = (void *)ctx->args[0];
	u64 key = (u64)sk;
	struct abi_net_sock *s = tcp_of(key);

	if (!s)
		return 0;
	if (is_owned(sk))
		touch(sk, s, current_node());
	if (s->state != TCP_CLOSE)
		catch_up(sk, s, TCP_CLOSE);
	settle(sk, s);
	if (s->node == ABI_NET_NO_NODE && s->flags & ABI_NET_OPEN)
		count_self(ABI_NET_UNTAKEN);
	bpf_map_delete_elem(&tcp_socks, &key);
	return 0;
}

/* A segment came in on an established connection. */
SEC("raw_tp/tcp_probe")
int on_segment(struct bpf_raw_tracepoint_args *ctx)
{
	struct sock *sk = (void *)ctx->args[0];
	struct abi_net_sock *s = tcp_of((u64)sk);

	if (!s)
		return 0;
	if (is_connecting(s->state))
		catch_up(sk, s, TCP_ESTABLISHED);
	settle(sk, s);
	return 0;
}

/* A process has read from the socket. */
SEC("raw_tp/tcp_rcv_space_adjust")
int on_read(struct bpf_raw_tracepoint_args *ctx)
{
	struct sock *sk = (void *)ctx->args[0];
	struct abi_net_sock *s = used(sk);

	if (s)
		settle(sk, s);
	return 0;
}

SEC("raw_tp/tcp_retransmit_skb")
int on_retransmit(struct bpf_raw_tracepoint_args *ctx)
{
	struct abi_net_sock *s = tcp_of(ctx->args[0]);

	if (s)
		settle((void *)ctx->args[0], s);
	return 0;
}

static __always_inline void reset(struct sock *sk, struct abi_net_sock *s, u32 cell, u32 flag)
{
	if (is_owned(sk))
		touch(sk, s, current_node());
	settle(sk, s);
	if (s->node < n_nodes)
		count(block_of(s->node, s->peer), cell, 1);
	else
		s->flags |= flag;
}

SEC("raw_tp/tcp_send_reset")
int on_reset_sent(struct bpf_raw_tracepoint_args *ctx)
{
	struct sock *sk = (void *)ctx->args[0];
	struct abi_net_sock *s = sk ? tcp_of((u64)sk) : NULL;

	if (s)
		reset(sk, s, ABI_NET_RESETS_SENT, ABI_NET_RESET_OUT);
	return 0;
}

SEC("raw_tp/tcp_receive_reset")
int on_reset_received(struct bpf_raw_tracepoint_args *ctx)
{
	struct sock *sk = (void *)ctx->args[0];
	struct abi_net_sock *s = tcp_of((u64)sk);

	if (s)
		reset(sk, s, ABI_NET_RESETS_RECEIVED, ABI_NET_RESET_IN);
	return 0;
}

/* The ports may be what is wrong in the segment: so it is nobody's, but the host's. */
SEC("raw_tp/tcp_bad_csum")
int on_bad_checksum(struct bpf_raw_tracepoint_args *ctx)
{
	(void)ctx;
	count_self(ABI_NET_BAD_CHECKSUMS);
	return 0;
}

/* ---- UDP ------------------------------------------------------------------------- */

static __noinline u32 udp_adopted(struct sock *sk)
{
	u64 cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
	struct abi_net_sock *s = cookie ? bpf_map_lookup_elem(&adopt, &cookie) : NULL;

	return s && s->protocol == IPPROTO_UDP ? s->node : ABI_NET_NO_NODE;
}

/* It is known whose it is: what waited is counted. */
static __noinline void udp_give(struct abi_net_udp *u, u32 node)
{
	u->node = node;
	for (u32 i = 0; i < ABI_NET_WAITING; i++) {
		struct abi_net_waiting *w = &u->waiting[i];

		if (!w->n)
			break;
		count_named(node, ABI_NET_OTHER, NAMED(w->what, IPPROTO_UDP), w->code, w->n);
		w->n = 0;
	}
}

/* Nothing tells when a UDP socket ends: another may have its address by now. */
static __noinline struct abi_net_udp *udp_of(struct sock *sk)
{
	struct abi_net_udp new = { .node = ABI_NET_NO_NODE, .inode = inode_of(sk) };
	u64 key = (u64)sk;
	struct abi_net_udp *u = bpf_map_lookup_elem(&udp_socks, &key);
	u32 node;

	if (!u || u->inode != new.inode) {
		bpf_map_update_elem(&udp_socks, &key, &new, BPF_ANY);
		u = bpf_map_lookup_elem(&udp_socks, &key);
	}
	if (!u || u->node != ABI_NET_NO_NODE || !adoptable_udp)
		return u;
	node = udp_adopted(sk);
	if (node < n_nodes)
		udp_give(u, node);
	return u;
}

/* What came before anybody used the socket waits with it; it may be another's than ours. */
static __always_inline void udp_wait(struct abi_net_udp *u, u32 what, u32 code)
{
	for (u32 i = 0; i < ABI_NET_WAITING; i++) {
		struct abi_net_waiting *w = &u->waiting[i];

		if (w->n && (w->what != what || w->code != code))
			continue;
		w->what = what;
		w->code = code;
		__sync_fetch_and_add(&w->n, 1);
		return;
	}
	count_self(ABI_NET_LOST_WAITING);
}

static __noinline void udp_event(struct sock *sk, u32 what, u32 code)
{
	struct abi_net_udp *u = udp_of(sk);

	if (!u)
		return;
	if (u->node < n_nodes)
		count_named(u->node, ABI_NET_OTHER, NAMED(what, IPPROTO_UDP), code, 1);
	else
		udp_wait(u, what, code);
}

/* A process of a node is at work on the socket. */
static __noinline void udp_touch(struct sock *sk, u32 node)
{
	struct abi_net_udp *u = udp_of(sk);

	if (u && u->node != node)
		udp_give(u, node);
}

SEC("raw_tp/udp_fail_queue_rcv_skb")
int on_udp_queue(struct bpf_raw_tracepoint_args *ctx)
{
	udp_event((void *)ctx->args[1], ABI_NET_QUEUE_FAILURE, -(int)ctx->args[0]);
	return 0;
}

/* ---- messages that a process sends and receives -------------------------------------- */

static __always_inline void message(struct sock *sk, int size, u32 bytes_cell, u32 cell)
{
	struct abi_node *node = current_node();
	u32 family, protocol, block;
	struct abi_net_sock *s;

	if (!node)
		return;
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if (family != AF_INET && family != AF_INET6)
		return;
	protocol = BPF_CORE_READ(sk, sk_protocol);
	if (protocol == IPPROTO_TCP) {
		s = tcp_of((u64)sk);
		if (s)
			touch(sk, s, node);
		/* The end was read, and is told once: nothing else would say that it was missed. */
		if (s && !size && s->state == TCP_ESTABLISHED &&
		    BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_CLOSE_WAIT)
			s->state = TCP_CLOSE_WAIT;
	} else if (protocol == IPPROTO_UDP) {
		udp_touch(sk, node->index);
		if (size < 0)
			return;
		block = block_of(node->index, peer_of(sk));
		count(block, bytes_cell, size);
		count(block, cell, 1);
	}
}

SEC("raw_tp/sock_send_length")
int on_send(struct bpf_raw_tracepoint_args *ctx)
{
	message((void *)ctx->args[0], ctx->args[1], ABI_NET_UDP_SENT_BYTES, ABI_NET_UDP_SENT);
	return 0;
}

SEC("raw_tp/sock_recv_length")
int on_receive(struct bpf_raw_tracepoint_args *ctx)
{
	int size = ctx->args[2] & (MSG_PEEK | MSG_ERRQUEUE) ? -1 : (int)ctx->args[1];

	message((void *)ctx->args[0], size, ABI_NET_UDP_RECEIVED_BYTES, ABI_NET_UDP_RECEIVED);
	return 0;
}

/* ---- errors and drops --------------------------------------------------------------- */

SEC("raw_tp/inet_sk_error_report")
int on_error(struct bpf_raw_tracepoint_args *ctx)
{
	struct sock *sk = (void *)ctx->args[0];
	u32 protocol = BPF_CORE_READ(sk, sk_protocol);
	int error = BPF_CORE_READ(sk, sk_err);
	struct abi_net_sock *s;

	if (!error) /* something else to be read, such as when a packet left */
		return 0;
	if (protocol == IPPROTO_TCP) {
		s = tcp_of((u64)sk);
		if (s && s->node < n_nodes)
			count_named(s->node, s->peer, NAMED(ABI_NET_ERROR, protocol), error, 1);
		else if (s)
			s->error = error;
	} else if (protocol == IPPROTO_UDP) {
		udp_event(sk, ABI_NET_ERROR, error);
	}
	return 0;
}

static __noinline void dropped(struct sock *sk, u32 reason)
{
	u32 state = BPF_CORE_READ(sk, __sk_common.skc_state), protocol;
	struct abi_net_sock *s;

	if (state == TCP_TIME_WAIT || state == TCP_NEW_SYN_RECV)
		return; /* no whole socket */
	protocol = BPF_CORE_READ(sk, sk_protocol);
	if (protocol == IPPROTO_TCP) {
		s = tcp_of((u64)sk);
		if (s && s->node < n_nodes)
			count_named(s->node, ABI_NET_OTHER, NAMED(ABI_NET_DROP, protocol), reason,
				    1);
	} else if (protocol == IPPROTO_UDP) {
		udp_event(sk, ABI_NET_DROP, reason);
	}
}

/* Since 6.11 the kernel says for which socket it was. */
SEC("raw_tp/kfree_skb")
int on_drop_for(struct bpf_raw_tracepoint_args *ctx)
{
	struct sock *sk = (void *)ctx->args[3];

	if (!sk)
		sk = BPF_CORE_READ((struct sk_buff *)ctx->args[0], sk);
	if (sk)
		dropped(sk, ctx->args[2]);
	return 0;
}

SEC("raw_tp/kfree_skb")
int on_drop(struct bpf_raw_tracepoint_args *ctx)
{
	struct sock *sk = BPF_CORE_READ((struct sk_buff *)ctx->args[0], sk);

	if (sk)
		dropped(sk, ctx->args[2]);
	return 0;
}

/* ---- TLS in the kernel: on network cards ------------------------------------------------ */

#define TLS_OFFLOAD_CTX_DIR_TX 1

static __always_inline void count_ktls(struct abi_net_sock *s, u32 what, u32 code)
{
	if (s && s->node < n_nodes)
		count_named(s->node, ABI_NET_OTHER, NAMED(what, IPPROTO_TCP), code, 1);
}

/* A process has asked for a connection's records to be a network card's work. */
SEC("raw_tp/tls_device_offload_set")
int on_tls_offload(struct bpf_raw_tracepoint_args *ctx)
{
	u32 direction =
		(int)ctx->args[1] == TLS_OFFLOAD_CTX_DIR_TX ? ABI_NET_IS_SENT : ABI_NET_IS_RECEIVED;
	int error = ctx->args[4];

	count_ktls(used((void *)ctx->args[0]), ABI_NET_KTLS_OFFLOAD,
		   ABI_NET_PAIR(direction, -error & 0xffff));
	return 0;
}

/* A record came in, of which all, some or none was decrypted by the card. */
SEC("raw_tp/tls_device_decrypted")
int on_tls_record(struct bpf_raw_tracepoint_args *ctx)
{
	bool encrypted = ctx->args[4] & 1, decrypted = ctx->args[5] & 1;

	count_ktls(tcp_of(ctx->args[0]), ABI_NET_KTLS_RECORD,
		   decrypted ? ABI_NET_DECRYPTED :
		   encrypted ? ABI_NET_ENCRYPTED :
			       ABI_NET_MIXED);
	return 0;
}

/* The card was told where a record begins, for it had lost its place. */
SEC("raw_tp/tls_device_tx_resync_send")
int on_tls_resync_out(struct bpf_raw_tracepoint_args *ctx)
{
	count_ktls(tcp_of(ctx->args[0]), ABI_NET_KTLS_RESYNC, ABI_NET_IS_SENT);
	return 0;
}

SEC("raw_tp/tls_device_rx_resync_send")
int on_tls_resync_in(struct bpf_raw_tracepoint_args *ctx)
{
	count_ktls(tcp_of(ctx->args[0]), ABI_NET_KTLS_RESYNC, ABI_NET_IS_RECEIVED);
	return 0;
}

/* ---- TLS in the kernel: of its own sockets ------------------------------------------------ */
/* The kernel's NFS and NVMe ask a daemon for handshakes, on sockets that are no process'. */

#define HANDSHAKE_HANDLER_CLASS_TLSHD 1

static __noinline u32 role_of(struct handshake_req *req)
{
	u32 at = bpf_core_field_offset(struct handshake_req, hr_priv);
	struct tls_handshake_req *tls = (void *)req + at;
	u32 type = BPF_CORE_READ(tls, th_type);

	if (BPF_CORE_READ(req, hr_proto, hp_handler_class) != HANDSHAKE_HANDLER_CLASS_TLSHD)
		return ABI_NET_ROLE_UNKNOWN;
	return type <= ABI_NET_SERVER ? type : ABI_NET_ROLE_UNKNOWN;
}

static __always_inline void observe_handshake(u64 ns)
{
	u32 bucket = abi_bucket(&handshake_bounds, n_handshake_bounds, ns);

	if (bucket < ABI_NET_SUM)
		__sync_fetch_and_add(&handshake_durations[bucket], 1);
	__sync_fetch_and_add(&handshake_durations[ABI_NET_SUM], ns);
}

static __noinline void over(struct handshake_req *req, u32 result)
{
	u64 key = (u64)req, *began = bpf_map_lookup_elem(&handshakes, &key);

	count_named(ABI_NET_HOST, ABI_NET_OTHER, NAMED(ABI_NET_KTLS_HANDSHAKE, IPPROTO_TCP),
		    ABI_NET_PAIR(role_of(req), result), 1);
	if (!began)
		return;
	if (!result)
		observe_handshake(bpf_ktime_get_ns() - *began);
	bpf_map_delete_elem(&handshakes, &key);
}

/* The kernel tells of it after the daemon was called: one that is faster than that has no
 * duration. */
SEC("raw_tp/handshake_submit")
int on_handshake(struct bpf_raw_tracepoint_args *ctx)
{
	u64 key = ctx->args[1], now = bpf_ktime_get_ns();

	bpf_map_update_elem(&handshakes, &key, &now, BPF_ANY);
	return 0;
}

/* Nobody could be asked. */
SEC("raw_tp/handshake_submit_err")
int on_handshake_unasked(struct bpf_raw_tracepoint_args *ctx)
{
	over((void *)ctx->args[1], -(int)ctx->args[3] & 0xffff);
	return 0;
}

/* The daemon has answered, or the kernel gave up to ask it; that writes an errno below 0. */
SEC("raw_tp/handshake_complete")
int on_handshake_end(struct bpf_raw_tracepoint_args *ctx)
{
	int status = ctx->args[3];

	over((void *)ctx->args[1], (status < 0 ? -status : status) & 0xffff);
	return 0;
}

/* The kernel waits no longer. It may say so twice of one that no daemon had taken, before
 * commit 15564bd67e29. */
SEC("raw_tp/handshake_cancel")
int on_handshake_cancelled(struct bpf_raw_tracepoint_args *ctx)
{
	u64 key = ctx->args[1];

	if (bpf_map_lookup_elem(&handshakes, &key))
		over((void *)key, ABI_NET_CANCELLED);
	return 0;
}

static __always_inline void alert(u32 direction, u32 description)
{
	count_named(ABI_NET_HOST, ABI_NET_OTHER, NAMED(ABI_NET_KTLS_ALERT, IPPROTO_TCP),
		    ABI_NET_PAIR(direction, description & 0xff), 1);
}

SEC("raw_tp/tls_alert_send")
int on_alert_sent(struct bpf_raw_tracepoint_args *ctx)
{
	alert(ABI_NET_IS_SENT, ctx->args[2]);
	return 0;
}

SEC("raw_tp/tls_alert_recv")
int on_alert_received(struct bpf_raw_tracepoint_args *ctx)
{
	alert(ABI_NET_IS_RECEIVED, ctx->args[2]);
	return 0;
}
