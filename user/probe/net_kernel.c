// SPDX-License-Identifier: BSD-2-Clause
#include "probe/net_kernel.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/btf.h>

#include "base/mem.h"

#define HOOK(name) (1u << NET_##name)

#define OWNER (HOOK(STATE) | HOOK(DESTROY))

_Static_assert(NET_HOOKS <= 32, "masks of hooks are unsigned");

const struct net_tracepoint net_tracepoints[NET_HOOKS] = {
	[NET_STATE] = { "inet_sock_set_state", "on_state", "4.16",
			"TCP connects, accepts, failures, states and durations", 3 },
	[NET_DESTROY] = { "tcp_destroy_sock", "on_destroy", "4.16", "the end of TCP sockets", 1,
			  .needs = HOOK(STATE) },
	[NET_SEGMENT] = { "tcp_probe", "on_segment", "4.16",
			  "TCP bytes, segments and round trip times", 2, .needs = OWNER },
	[NET_READ] = { "tcp_rcv_space_adjust", "on_read", "4.16",
		       "who reads from a TCP socket; without it bytes count later", 1,
		       .needs = OWNER },
	[NET_RETRANSMIT] = { "tcp_retransmit_skb", "on_retransmit", "4.16",
			     "TCP retransmits at once; without it when an answer comes", 2,
			     .needs = OWNER },
	[NET_RESET_SENT] = { "tcp_send_reset", "on_reset_sent", "4.16", "TCP resets sent", 2,
			     .needs = OWNER },
	[NET_RESET_RECEIVED] = { "tcp_receive_reset", "on_reset_received", "4.16",
				 "TCP resets received", 1, .needs = OWNER },
	[NET_SEND] = { "sock_send_length", "on_send", "6.3", "UDP sent, and whose socket it is",
		       3 },
	[NET_RECEIVE] = { "sock_recv_length", "on_receive", "6.3",
			  "UDP received, and whose socket it is", 3 },
	[NET_UDP_QUEUE] = { "udp_fail_queue_rcv_skb", "on_udp_queue", "2.6.38",
			    "UDP datagrams that found a receive queue full", 2 },
	[NET_ERROR] = { "inet_sk_error_report", "on_error", "5.14",
			"errors reported to sockets, those of ICMP among them", 1 },
	[NET_DROP] = { "kfree_skb", "on_drop_for", "5.17",
		       "dropped packets by reason; received ones since 6.11", 4,
		       .program_before = "on_drop", .arguments_before = 3 },
	[NET_BAD_CHECKSUM] = { "tcp_bad_csum", "on_bad_checksum", "5.14",
			       "segments of TCP whose checksum is wrong", 1 },
	[NET_HANDSHAKE] = { "handshake_submit", "on_handshake", "6.4",
			    "how long TLS handshakes take that the kernel asks a daemon for", 3,
			    .option = "NET_HANDSHAKE" },
	[NET_HANDSHAKE_UNASKED] = { "handshake_submit_err", "on_handshake_unasked", "6.4",
				    "TLS handshakes that the kernel could ask nobody for", 4,
				    .option = "NET_HANDSHAKE" },
	[NET_HANDSHAKE_END] = { "handshake_complete", "on_handshake_end", "6.4",
				"how TLS handshakes end that the kernel asks a daemon for", 4,
				.option = "NET_HANDSHAKE" },
	[NET_HANDSHAKE_CANCELLED] = { "handshake_cancel", "on_handshake_cancelled", "6.4",
				      "TLS handshakes that the kernel has waited for in vain", 3,
				      .option = "NET_HANDSHAKE" },
	[NET_ALERT_SENT] = { "tls_alert_send", "on_alert_sent", "6.6",
			     "TLS alerts that the kernel sends", 3, .option = "NET_HANDSHAKE" },
	[NET_ALERT_RECEIVED] = { "tls_alert_recv", "on_alert_received", "6.6",
				 "TLS alerts that the kernel receives", 3,
				 .option = "NET_HANDSHAKE" },
	[NET_TLS_OFFLOAD] = { "tls_device_offload_set", "on_tls_offload", "5.5",
			      "TLS connections that a network card encrypts", 5, .needs = OWNER,
			      .module = "tls" },
	[NET_TLS_RECORD] = { "tls_device_decrypted", "on_tls_record", "5.5",
			     "TLS records that a network card decrypts", 6, .needs = OWNER,
			     .module = "tls" },
	[NET_TLS_RESYNC_OUT] = { "tls_device_tx_resync_send", "on_tls_resync_out", "5.5",
				 "network cards that lost their place in what TLS sends", 3,
				 .needs = OWNER, .module = "tls" },
	[NET_TLS_RESYNC_IN] = { "tls_device_rx_resync_send", "on_tls_resync_in", "5.5",
				"network cards that lost their place in what TLS receives", 4,
				.needs = OWNER, .module = "tls" },
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

static void say_absent(struct net_kernel *k, enum net_hook h)
{
	const struct net_tracepoint *t = &net_tracepoints[h];

	k->reason[h] = mem_printf(
		"this kernel has no tracepoint %s; there is one since %s%s%s", t->name, t->since,
		t->option ? ", where the kernel is built with " : "", t->option ? t->option : "");
}

static void choose_program(struct net_kernel *k, const struct btf *btf, enum net_hook h)
{
	const struct net_tracepoint *t = &net_tracepoints[h];
	unsigned n = arguments_of(btf, t->name);

	if (n >= t->arguments)
		k->program[h] = t->program;
	else if (t->program_before && n >= t->arguments_before)
		k->program[h] = t->program_before;
	else if (n)
		k->reason[h] = mem_printf("this kernel's %s says too little; since %s it has "
					  "what is needed",
					  t->name, t->since);
	else
		say_absent(k, h);
}

/* Its program is loaded at once and attached when the module is there. */
static void wait_for_module(struct net_kernel *k, enum net_hook h)
{
	const struct net_tracepoint *t = &net_tracepoints[h];

	k->waits[h] = true;
	k->program[h] = t->program;
	k->reason[h] = mem_printf("the kernel's module %s is not loaded; %s is heard once it is",
				  t->module, t->name);
}

static bool is_loaded(const char *module)
{
	_free_ char *path = mem_printf("/sys/module/%s", module);

	return access(path, F_OK) == 0;
}

static void choose(struct net_kernel *k, struct btf *vmlinux, enum net_hook h)
{
	const struct net_tracepoint *t = &net_tracepoints[h];
	struct btf *btf;

	if (!t->module || arguments_of(vmlinux, t->name)) {
		choose_program(k, vmlinux, h);
		return;
	}
	if (!is_loaded(t->module)) {
		wait_for_module(k, h);
		return;
	}
	btf = btf__load_module_btf(t->module, vmlinux);
	if (btf)
		choose_program(k, btf, h);
	else
		k->reason[h] = mem_printf("%s is in the kernel's module %s, whose types cannot be "
					  "read: %s",
					  t->name, t->module, strerror(errno));
	btf__free(btf);
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
		choose(k, btf, h);
	read_drops(k, btf);
	btf__free(btf);
	return 0;
}

/* What is said of one that waits is no longer true. */
static void wait_no_longer(struct net_kernel *k, enum net_hook h)
{
	if (!k->waits[h])
		return;
	k->waits[h] = false;
	free(k->reason[h]);
	k->reason[h] = NULL;
}

unsigned net_kernel_look_again(struct net_kernel *k, unsigned wanted)
{
	struct btf *btf = NULL;
	unsigned came = 0;

	for (enum net_hook h = 0; h < NET_HOOKS; h++) {
		if (!(wanted & 1u << h) || !k->waits[h] || !is_loaded(net_tracepoints[h].module))
			continue;
		if (!btf)
			btf = btf__load_vmlinux_btf();
		if (!btf)
			break;
		wait_no_longer(k, h);
		k->program[h] = NULL;
		choose(k, btf, h);
		came |= k->waits[h] ? 0 : 1u << h;
	}
	btf__free(btf);
	return came;
}

void net_kernel_leave_out(struct net_kernel *k, enum net_hook h, const char *why)
{
	wait_no_longer(k, h);
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
