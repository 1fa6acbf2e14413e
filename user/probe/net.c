// SPDX-License-Identifier: BSD-2-Clause
/* Owns the programs of bpf/net.bpf.c and their tables. */
#include "probe/net.h"

#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/mem.h"
#include "probe/layout.h"
#include "probe/net_inside.h"
#include "target/pidns.h"
#include "target/said.h"

#include "bpf/net.skel.h"

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

/* The buckets of the metric that asks for @fact; @n is 0 without one. */
static void set_bounds(const struct net *net, enum fact_id fact, struct abi_bounds *bounds,
		       uint32_t *n)
{
	const struct profile_metric *metric;

	memset(bounds, 0xff, sizeof(*bounds));
	if (!fact_wanted(net->profile, fact, &metric))
		return;
	for (size_t i = 0; i < metric->n_bounds; i++)
		bounds->upper[i] = layout_bound_ns(metric->bounds[i]);
	*n = (uint32_t)metric->n_bounds;
}

static void set_constants(const struct net *net)
{
	struct net_bpf__rodata *rodata = net->skel->rodata;
	struct net_bpf__bss *bss = net->skel->bss;

	rodata->agent_pid_ns = pidns_own();
	rodata->n_nodes = net->n_nodes;
	rodata->n_peers = (uint32_t)net->n_peers;
	set_bounds(net, FACT_RTT, &bss->bounds[ABI_NET_RTT], &rodata->n_bounds[ABI_NET_RTT]);
	set_bounds(net, FACT_DURATION, &bss->bounds[ABI_NET_DURATION],
		   &rodata->n_bounds[ABI_NET_DURATION]);
	set_bounds(net, FACT_KTLS_HANDSHAKE_DURATION, &bss->handshake_bounds,
		   &rodata->n_handshake_bounds);
}

/* The programs of the hooks in @mask, ready to be attached. */
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
		p = bpf_object__find_program_by_name(net->skel->obj, net->kernel.program[h]);
		bpf_program__set_autoload(p, true);
	}
	set_constants(net);
	r = bpf_map__set_max_entries(net->skel->maps.cells, (uint32_t)count_cells(net));
	if (r == 0)
		r = net_bpf__load(net->skel);
	return r ? said_err(said, err, r, "cannot load the network programs") : 0;
}

static unsigned chosen(const struct net *net)
{
	unsigned mask = 0;

	for (enum net_hook h = 0; h < NET_HOOKS; h++)
		if (net->kernel.program[h])
			mask |= 1u << h;
	return mask & net->wants;
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
		if (chosen(net) & 1u << h && load(net, 1u << h, &said, err))
			net_kernel_leave_out(&net->kernel, h, err->text);
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

static unsigned attached(const struct net *net)
{
	unsigned mask = 0;

	for (enum net_hook h = 0; h < NET_HOOKS; h++)
		mask |= net->links[h] ? 1u << h : 0;
	return mask;
}

static void attach_one(struct net *net, enum net_hook h)
{
	const struct bpf_program *p;
	_free_ char *why = NULL;

	if (net_tracepoints[h].needs & ~attached(net)) {
		net_kernel_leave_out(&net->kernel, h,
				     "it needs inet_sock_set_state and tcp_destroy_sock");
		return;
	}
	p = bpf_object__find_program_by_name(net->skel->obj, net->kernel.program[h]);
	net->links[h] = bpf_program__attach_raw_tracepoint(p, net_tracepoints[h].name);
	if (net->links[h])
		return;
	why = mem_printf("the kernel refuses it: %s", strerror(errno));
	net_kernel_leave_out(&net->kernel, h, why);
}

/* Those that say whose a socket is come first, so that the others find it. */
static void attach(struct net *net)
{
	for (enum net_hook h = 0; h < NET_HOOKS; h++)
		if (chosen(net) & 1u << h && !net->kernel.waits[h])
			attach_one(net, h);
}

bool net_attach_late(struct net *net)
{
	unsigned came = net_kernel_look_again(&net->kernel, net->wants);

	for (enum net_hook h = 0; h < NET_HOOKS; h++)
		if (came & chosen(net) & 1u << h)
			attach_one(net, h);
	return came;
}

int net_open(const struct profile *profile, const struct net_peer *peers, size_t n_peers,
	     unsigned nodes, struct net **out, struct err *err)
{
	_cleanup_(net_closep) struct net *net = mem_alloc(sizeof(*net));
	_said_ struct said said;
	int r;

	said_listen(&said);
	net->profile = profile;
	net->wants = net_wants(profile);
	net->peers = peers;
	net->n_peers = n_peers > ABI_NET_PEERS_MAX ? ABI_NET_PEERS_MAX : n_peers;
	net->n_nodes = nodes < 1 ? 1 : nodes > ABI_NODES_MAX ? ABI_NODES_MAX : nodes;
	net->n_shards = count_shards();
	r = net_kernel_ask(&net->kernel, err);
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

int net_ask(const struct profile *profile, struct net **out, struct err *err)
{
	_cleanup_(net_closep) struct net *net = mem_alloc(sizeof(*net));
	int r = net_kernel_ask(&net->kernel, err);

	net->wants = net_wants(profile);
	if (r == 0)
		*out = TAKE_PTR(net);
	return r;
}

void net_close(struct net *net)
{
	if (!net)
		return;
	for (size_t h = 0; h < NET_HOOKS; h++)
		bpf_link__destroy(net->links[h]);
	net_kernel_free(&net->kernel);
	if (net->cells)
		munmap(net->cells, net->cells_size);
	net_bpf__destroy(net->skel);
	free(net);
}

void net_closep(struct net **net)
{
	net_close(*net);
}

_Static_assert(NET_HOOKS <= NET_ROWS_MAX, "there is a row for each hook");

size_t net_rows(const struct net *net, struct net_row *rows, size_t max)
{
	size_t n = NET_HOOKS < max ? NET_HOOKS : max;

	for (size_t h = 0; h < n; h++)
		rows[h] = (struct net_row){ .name = net_tracepoints[h].name,
					    .since = net_tracepoints[h].since,
					    .what = net_tracepoints[h].what,
					    .reason = net->kernel.reason[h],
					    .waits = net->kernel.waits[h],
					    .wanted = net->wants & 1u << h };
	return n;
}

int net_stats(const struct net *net, size_t i, struct stats *out)
{
	if (i >= NET_HOOKS || !net->links[i])
		return -ENOENT;
	return stats_read(bpf_object__find_program_by_name(net->skel->obj, net->kernel.program[i]),
			  out, NULL);
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
				  .reasons = (const char *const *)net->kernel.drops,
				  .n_reasons = net->kernel.n_drops };
	out->hooks = attached(net);
	out->cells = mem_array(n, sizeof(*out->cells));
	for (unsigned s = 0; s < net->n_shards; s++)
		for (size_t i = 0; i < n; i++)
			out->cells[i] += __atomic_load_n(&net->cells[s * n + i], __ATOMIC_RELAXED);
	for (size_t i = 0; i < ABI_NET_SELF; i++)
		out->self[i] = __atomic_load_n(&net->skel->bss->self[i], __ATOMIC_RELAXED);
	for (size_t i = 0; i < ABI_NET_HISTOGRAM_CELLS; i++)
		out->handshakes[i] =
			__atomic_load_n(&net->skel->bss->handshake_durations[i], __ATOMIC_RELAXED);
	look_at_named(net, out);
	look_at_states(net->skel->maps.tcp_socks, out, &out->n_tcp);
	if (net->skel->bss->adoptable)
		look_at_states(net->skel->maps.adopt, out, &n_adopt);
}
