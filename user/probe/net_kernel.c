// SPDX-License-Identifier: BSD-2-Clause
#include "probe/net_kernel.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/btf.h>

#include "base/mem.h"

#define HOOK(name) (1u << NET_##name)

const struct net_tracepoint net_tracepoints[NET_HOOKS] = {
	[NET_STATE] = { "inet_sock_set_state", "on_state", "4.16",
			"TCP connects, accepts, failures, states and durations", 3, 0, NULL, 0 },
	[NET_DESTROY] = { "tcp_destroy_sock", "on_destroy", "4.16", "the end of TCP sockets", 1,
			  HOOK(STATE), NULL, 0 },
	[NET_SEGMENT] = { "tcp_probe", "on_segment", "4.16",
			  "TCP bytes, segments and round trip times", 2,
			  HOOK(STATE) | HOOK(DESTROY), NULL, 0 },
	[NET_READ] = { "tcp_rcv_space_adjust", "on_read", "4.16",
		       "who reads from a TCP socket; without it bytes count later", 1,
		       HOOK(STATE) | HOOK(DESTROY), NULL, 0 },
	[NET_RETRANSMIT] = { "tcp_retransmit_skb", "on_retransmit", "4.16",
			     "TCP retransmits at once; without it when an answer comes", 2,
			     HOOK(STATE) | HOOK(DESTROY), NULL, 0 },
	[NET_RESET_SENT] = { "tcp_send_reset", "on_reset_sent", "4.16", "TCP resets sent", 2,
			     HOOK(STATE) | HOOK(DESTROY), NULL, 0 },
	[NET_RESET_RECEIVED] = { "tcp_receive_reset", "on_reset_received", "4.16",
				 "TCP resets received", 1, HOOK(STATE) | HOOK(DESTROY), NULL, 0 },
	[NET_SEND] = { "sock_send_length", "on_send", "6.3", "UDP sent, and whose socket it is", 3,
		       0, NULL, 0 },
	[NET_RECEIVE] = { "sock_recv_length", "on_receive", "6.3",
			  "UDP received, and whose socket it is", 3, 0, NULL, 0 },
	[NET_UDP_QUEUE] = { "udp_fail_queue_rcv_skb", "on_udp_queue", "2.6.38",
			    "UDP datagrams that found a receive queue full", 2, 0, NULL, 0 },
	[NET_ERROR] = { "inet_sk_error_report", "on_error", "5.14",
			"errors reported to sockets, those of ICMP among them", 1, 0, NULL, 0 },
	[NET_DROP] = { "kfree_skb", "on_drop_for", "5.17",
		       "dropped packets by reason; received ones since 6.11", 4, 0, "on_drop", 3 },
};

/* How many arguments a tracepoint hands out; 0: there is none of that name. */
static unsigned arguments_of(const struct btf *btf, const char *name)
{
	_free_ char *alias = mem_printf("btf_trace_%s", name);
	int id = btf__find_by_name_kind(btf, alias, BTF_KIND_TYPEDEF);
	const struct btf_type *t = id > 0 ? btf__type_by_id(btf, (__u32)id) : NULL;

	for (size_t i = 0; t && i < 2; i++) /* a pointer to a function */
		t = btf__type_by_id(btf, t->type);
	/* the first one is the tracepoint's own */
	return t && btf_is_func_proto(t) && btf_vlen(t) ? btf_vlen(t) - 1u : 0;
}

static void choose_program(struct net_kernel *k, const struct btf *btf, enum net_hook h)
{
	const struct net_tracepoint *hook = &net_tracepoints[h];
	unsigned n = arguments_of(btf, hook->name);

	if (n >= hook->arguments)
		k->program[h] = hook->program;
	else if (hook->program_before && n >= hook->arguments_before)
		k->program[h] = hook->program_before;
	else if (n)
		k->reason[h] = mem_printf("this kernel's %s says too little; since %s it has "
					  "what is needed",
					  hook->name, hook->since);
	else
		k->reason[h] = mem_printf("this kernel has no tracepoint %s; there is one since "
					  "%s",
					  hook->name, hook->since);
}

/* SKB_DROP_REASON_SOCKET_RCVBUFF is "socket_rcvbuff". */
static void read_drops(struct net_kernel *k, const struct btf *btf)
{
	static const char prefix[] = "SKB_DROP_REASON_";
	int id = btf__find_by_name_kind(btf, "skb_drop_reason", BTF_KIND_ENUM);
	const struct btf_type *t = id > 0 ? btf__type_by_id(btf, (__u32)id) : NULL;

	for (unsigned i = 0; t && i < btf_vlen(t); i++) {
		const struct btf_enum *e = &btf_enum(t)[i];
		const char *name = btf__name_by_offset(btf, e->name_off);

		if (e->val < 0 || e->val >= NET_DROPS_MAX || k->drops[e->val] ||
		    strncmp(name, prefix, strlen(prefix)) != 0)
			continue;
		k->drops[e->val] = mem_strdup(name + strlen(prefix));
		for (char *c = k->drops[e->val]; *c; c++)
			*c = (char)tolower((unsigned char)*c);
		if ((size_t)e->val >= k->n_drops)
			k->n_drops = (size_t)e->val + 1;
	}
}

int net_kernel_ask(struct net_kernel *k, struct err *err)
{
	struct btf *btf = btf__load_vmlinux_btf();

	if (!btf)
		return err_set(err, -errno, "the kernel's types cannot be read: %s",
			       strerror(errno));
	for (enum net_hook h = 0; h < NET_HOOKS; h++)
		choose_program(k, btf, h);
	read_drops(k, btf);
	btf__free(btf);
	return 0;
}

void net_kernel_leave_out(struct net_kernel *k, enum net_hook h, const char *why)
{
	k->program[h] = NULL;
	if (!k->reason[h])
		k->reason[h] = mem_strdup(why);
}

void net_kernel_free(struct net_kernel *k)
{
	for (size_t h = 0; h < NET_HOOKS; h++)
		free(k->reason[h]);
	for (size_t i = 0; i < k->n_drops; i++)
		free(k->drops[i]);
	*k = (struct net_kernel){};
}
