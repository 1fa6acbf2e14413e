// SPDX-License-Identifier: BSD-2-Clause
/* Owns the programs of bpf/net.bpf.c and their tables. */
#include "probe/net.h"

#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "base/mem.h"
#include "probe/layout.h"
#include "target/pidns.h"
#include "target/said.h"

#include "bpf/net.skel.h"

#define HOOK(name) (1u << NET_##name)
#define REASONS_MAX 1024

/* A tracepoint of NET_HOOKS; where its arguments grew, a program for each form. */
struct hook {
	const char *name, *program, *since, *what;
	unsigned arguments;         /* at least; with fewer it is another tracepoint */
	unsigned needs;             /* others, without which it knows nobody */
	const char *program_before; /* for fewer arguments, or NULL */
	unsigned arguments_before;
};

static const struct hook hooks[NET_HOOKS] = {
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

struct net {
	struct net_bpf *skel;
	struct bpf_link *links[NET_HOOKS];
	const char *program[NET_HOOKS]; /* which one of the hook's, NULL: none */
	char *reason[NET_HOOKS];        /* why it is not attached */
	uint64_t *cells;
	size_t cells_size; /* bytes */
	unsigned n_shards, n_nodes;
	const struct net_peer *peers;
	size_t n_peers;
	const struct profile *profile;
	pid_t tgids[ABI_NODES_MAX];
	char *reasons[REASONS_MAX];
	size_t n_reasons;
};

/* ---- what the kernel has ------------------------------------------------------------ */

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

static void choose_program(struct net *net, const struct btf *btf, enum net_hook h)
{
	const struct hook *hook = &hooks[h];
	unsigned n = arguments_of(btf, hook->name);

	if (n >= hook->arguments)
		net->program[h] = hook->program;
	else if (hook->program_before && n >= hook->arguments_before)
		net->program[h] = hook->program_before;
	else if (n)
		net->reason[h] = mem_printf("this kernel's %s says too little; since %s it has "
					    "what is needed",
					    hook->name, hook->since);
	else
		net->reason[h] = mem_printf("this kernel has no tracepoint %s; there is one since "
					    "%s",
					    hook->name, hook->since);
}

/* SKB_DROP_REASON_SOCKET_RCVBUFF is "socket_rcvbuff". */
static void read_reasons(struct net *net, const struct btf *btf)
{
	static const char prefix[] = "SKB_DROP_REASON_";
	int id = btf__find_by_name_kind(btf, "skb_drop_reason", BTF_KIND_ENUM);
	const struct btf_type *t = id > 0 ? btf__type_by_id(btf, (__u32)id) : NULL;

	for (unsigned i = 0; t && i < btf_vlen(t); i++) {
		const struct btf_enum *e = &btf_enum(t)[i];
		const char *name = btf__name_by_offset(btf, e->name_off);

		if (e->val < 0 || e->val >= REASONS_MAX || net->reasons[e->val] ||
		    strncmp(name, prefix, strlen(prefix)) != 0)
			continue;
		net->reasons[e->val] = mem_strdup(name + strlen(prefix));
		for (char *c = net->reasons[e->val]; *c; c++)
			*c = (char)tolower((unsigned char)*c);
		if ((size_t)e->val >= net->n_reasons)
			net->n_reasons = (size_t)e->val + 1;
	}
}

static int ask_kernel(struct net *net, struct err *err)
{
	struct btf *btf = btf__load_vmlinux_btf();

	if (!btf)
		return err_set(err, -errno, "the kernel's types cannot be read: %s",
			       strerror(errno));
	for (enum net_hook h = 0; h < NET_HOOKS; h++)
		choose_program(net, btf, h);
	read_reasons(net, btf);
	btf__free(btf);
	return 0;
}

/* ---- loading ---------------------------------------------------------------------- */

static unsigned count_shards(void)
{
	int cpus = libbpf_num_possible_cpus();
	unsigned n = 1;

	while (n < ABI_SHARDS_MAX && (cpus < 1 || n < (unsigned)cpus))
		n *= 2;
	return n;
}

static size_t count_cells(const struct net *net)
{
	return (size_t)net->n_shards * net->n_nodes * (net->n_peers + 1) * ABI_NET_CELLS;
}

static void set_bounds(struct net *net, enum fact_id fact, enum abi_net_histogram which)
{
	const struct profile_metric *metric;
	struct abi_bounds *b = &net->skel->bss->bounds[which];

	if (!fact_wanted(net->profile, fact, &metric))
		return;
	for (size_t i = 0; i < metric->n_bounds; i++)
		b->upper[i] = layout_bound_ns(metric->bounds[i]);
	net->skel->rodata->n_bounds[which] = (uint32_t)metric->n_bounds;
}

/* The programs of @hooks, ready to be attached. */
static int load(struct net *net, unsigned mask, struct said *said, struct err *err)
{
	struct bpf_program *p;
	int r;

	net_bpf__destroy(net->skel);
	net->skel = net_bpf__open();
	if (!net->skel)
		return said_err(said, err, -errno, "cannot read the network programs");
	bpf_object__for_each_program(p, net->skel->obj) bpf_program__set_autoload(p, false);
	for (enum net_hook h = 0; h < NET_HOOKS; h++) {
		if (!(mask & 1u << h))
			continue;
		p = bpf_object__find_program_by_name(net->skel->obj, net->program[h]);
		bpf_program__set_autoload(p, true);
	}
	net->skel->rodata->agent_pid_ns = pidns_own();
	net->skel->rodata->n_nodes = net->n_nodes;
	net->skel->rodata->n_peers = (uint32_t)net->n_peers;
	memset(net->skel->bss->bounds, 0xff, sizeof(net->skel->bss->bounds));
	set_bounds(net, FACT_RTT, ABI_NET_RTT);
	set_bounds(net, FACT_DURATION, ABI_NET_DURATION);
	r = bpf_map__set_max_entries(net->skel->maps.cells, (uint32_t)count_cells(net));
	if (r == 0)
		r = net_bpf__load(net->skel);
	return r ? said_err(said, err, r, "cannot load the network programs") : 0;
}

static unsigned chosen(const struct net *net)
{
	unsigned mask = 0;

	for (enum net_hook h = 0; h < NET_HOOKS; h++)
		if (net->program[h])
			mask |= 1u << h;
	return mask;
}

static void leave_out(struct net *net, enum net_hook h, const char *why)
{
	net->program[h] = NULL;
	if (!net->reason[h])
		net->reason[h] = mem_strdup(why);
}

/* One program that this kernel refuses must not take the others with it. */
static int load_what_loads(struct net *net, struct err *err)
{
	_said_ struct said said;
	int r;

	said_listen(&said);
	if (load(net, chosen(net), &said, err) == 0)
		return 0;
	for (enum net_hook h = 0; h < NET_HOOKS; h++)
		if (net->program[h] && load(net, 1u << h, &said, err))
			leave_out(net, h, err->text);
	r = chosen(net) ? load(net, chosen(net), &said, err) : -ENOTSUP;
	return r;
}

static int map_cells(struct net *net, struct err *err)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), size = count_cells(net) * sizeof(*net->cells);
	void *at;

	size = (size + page - 1) / page * page;
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
		  bpf_map__fd(net->skel->maps.cells), 0);
	if (at == MAP_FAILED)
		return err_set(err, -errno, "cannot map the network's counters: %s",
			       strerror(errno));
	net->cells = at;
	net->cells_size = size;
	return 0;
}

static int set_peers(struct net *net, struct err *err)
{
	for (size_t i = 0; i < net->n_peers; i++) {
		struct abi_net_address key = { .port = htobe16(net->peers[i].port) };
		uint32_t number = (uint32_t)i + 1;
		int r;

		memcpy(key.address, net->peers[i].address, sizeof(key.address));
		r = bpf_map__update_elem(net->skel->maps.peers, &key, sizeof(key), &number,
					 sizeof(number), BPF_ANY);
		if (r)
			return err_set(err, r, "cannot enter peer %s: %s", net->peers[i].name,
				       strerror(-r));
	}
	return 0;
}

/* Those that say whose a socket is come first, so that the others find it. */
static void attach(struct net *net)
{
	unsigned attached = 0;

	for (enum net_hook h = 0; h < NET_HOOKS; h++) {
		const struct bpf_program *p;

		if (!net->program[h])
			continue;
		if (hooks[h].needs & ~attached) {
			leave_out(net, h, "it needs inet_sock_set_state and tcp_destroy_sock");
			continue;
		}
		p = bpf_object__find_program_by_name(net->skel->obj, net->program[h]);
		net->links[h] = bpf_program__attach_raw_tracepoint(p, hooks[h].name);
		if (net->links[h]) {
			attached |= 1u << h;
		} else {
			_free_ char *why = mem_printf("the kernel refuses it: %s", strerror(errno));

			leave_out(net, h, why);
		}
	}
}

int net_open(const struct profile *profile, const struct net_peer *peers, size_t n_peers,
	     unsigned nodes, struct net **out, struct err *err)
{
	_cleanup_(net_closep) struct net *net = mem_alloc(sizeof(*net));
	_said_ struct said said;
	int r;

	said_listen(&said);
	net->profile = profile;
	net->peers = peers;
	net->n_peers = n_peers > ABI_NET_PEERS_MAX ? ABI_NET_PEERS_MAX : n_peers;
	net->n_nodes = nodes < 1 ? 1 : nodes > ABI_NODES_MAX ? ABI_NODES_MAX : nodes;
	net->n_shards = count_shards();
	r = ask_kernel(net, err);
	if (r == 0)
		r = load_what_loads(net, err);
	if (r == 0)
		r = map_cells(net, err);
	if (r == 0)
		r = set_peers(net, err);
	if (r)
		return r;
	attach(net);
	*out = TAKE_PTR(net);
	return 0;
}

int net_ask(struct net **out, struct err *err)
{
	_cleanup_(net_closep) struct net *net = mem_alloc(sizeof(*net));
	int r = ask_kernel(net, err);

	if (r == 0)
		*out = TAKE_PTR(net);
	return r;
}

void net_close(struct net *net)
{
	if (!net)
		return;
	for (size_t h = 0; h < NET_HOOKS; h++) {
		bpf_link__destroy(net->links[h]);
		free(net->reason[h]);
	}
	for (size_t i = 0; i < net->n_reasons; i++)
		free(net->reasons[i]);
	if (net->cells)
		munmap(net->cells, net->cells_size);
	net_bpf__destroy(net->skel);
	free(net);
}

void net_closep(struct net **net)
{
	net_close(*net);
}

size_t net_rows(const struct net *net, struct net_row *rows, size_t max)
{
	size_t n = NET_HOOKS < max ? NET_HOOKS : max;

	for (size_t h = 0; h < n; h++)
		rows[h] = (struct net_row){ hooks[h].name, hooks[h].since, hooks[h].what,
					    net->reason[h] };
	return n;
}

int net_stats(const struct net *net, size_t i, struct stats *out)
{
	if (i >= NET_HOOKS || !net->links[i])
		return -ENOENT;
	return stats_read(bpf_object__find_program_by_name(net->skel->obj, net->program[i]), out,
			  NULL);
}

/* ---- nodes ------------------------------------------------------------------------ */

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
				  .flags = ABI_NET_BEFORE,
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
		else if (row->protocol == IPPROTO_TCP && row->state == 10 /* TCP_LISTEN */)
			adopt_listener(net, sockets->netns, row);
	}
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

/* ---- reading ------------------------------------------------------------------------ */

static void look_at_named(const struct net *net, struct net_view *out)
{
	const struct bpf_map *map = net->skel->maps.named;
	struct abi_net_named key, *last = NULL;
	VEC(struct net_named) list = {};

	while (bpf_map__get_next_key(map, last, &key, sizeof(key)) == 0) {
		struct net_named named = { .key = key };

		if (bpf_map__lookup_elem(map, &key, sizeof(key), &named.count, sizeof(named.count),
					 0) == 0)
			*VEC_ADD(&list) = named;
		last = &key;
		if (list.n > ABI_NET_NAMED_MAX)
			break;
	}
	out->named = list.at;
	out->n_named = list.n;
}

static void look_at_states(const struct bpf_map *map, struct net_view *out, size_t *n)
{
	uint64_t key, *last = NULL;

	while (bpf_map__get_next_key(map, last, &key, sizeof(key)) == 0 && *n < ABI_NET_TCP_MAX) {
		struct abi_net_sock s;

		last = &key;
		if (bpf_map__lookup_elem(map, &key, sizeof(key), &s, sizeof(s), 0))
			continue;
		++*n;
		if (s.node < ABI_NODES_MAX && s.state < NET_STATES && s.protocol == IPPROTO_TCP)
			out->states[s.node][s.state]++;
	}
}

void net_look(const struct net *net, struct net_view *out)
{
	size_t n = (size_t)net->n_nodes * (net->n_peers + 1) * ABI_NET_CELLS, n_adopt = 0;

	*out = (struct net_view){ .n_nodes = net->n_nodes,
				  .peers = net->peers,
				  .n_peers = net->n_peers,
				  .reasons = (const char *const *)net->reasons,
				  .n_reasons = net->n_reasons };
	for (size_t h = 0; h < NET_HOOKS; h++)
		out->hooks |= net->links[h] ? 1u << h : 0;
	out->cells = mem_array(n, sizeof(*out->cells));
	for (unsigned s = 0; s < net->n_shards; s++)
		for (size_t i = 0; i < n; i++)
			out->cells[i] += __atomic_load_n(&net->cells[s * n + i], __ATOMIC_RELAXED);
	for (size_t i = 0; i < ABI_NET_SELF; i++)
		out->self[i] = __atomic_load_n(&net->skel->bss->self[i], __ATOMIC_RELAXED);
	look_at_named(net, out);
	look_at_states(net->skel->maps.tcp_socks, out, &out->n_tcp);
	if (net->skel->bss->adoptable)
		look_at_states(net->skel->maps.adopt, out, &n_adopt);
}
