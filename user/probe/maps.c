// SPDX-License-Identifier: BSD-2-Clause
/* Opens, sizes and loads bpf/call.bpf.c and keeps its tables. */
#include "probe/maps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/mem.h"
#include "probe/room.h"
#include "target/pidns.h"
#include "target/said.h"

#include "bpf/call.skel.h"

struct node {
	bool used;
	pid_t tgid; /* 0: stopped */
};

struct maps {
	struct call_bpf *skel;
	uint64_t *cells;
	size_t cells_size; /* bytes */
	uint32_t node_cells;
	unsigned n_shards;
	unsigned n_nodes;
	bool multi;
	struct node nodes[ABI_NODES_MAX];
	struct room *sites, *values;
	struct layout_gauge *gauges;
	size_t n_gauges;
	struct layout_span spans[ABI_SPANS_MAX];
	size_t n_spans;
};

/* ---- loading ---------------------------------------------------------------------- */

/* One shard for each CPU, in powers of two, up to what the program masks with. */
static unsigned count_shards(void)
{
	int cpus = libbpf_num_possible_cpus();
	unsigned n = 1;

	while (n < ABI_SHARDS_MAX && (cpus < 1 || n < (unsigned)cpus))
		n *= 2;
	return n;
}

static void choose_programs(struct maps *maps)
{
	bpf_program__set_autoload(maps->skel->progs.start_multi, maps->multi);
	bpf_program__set_autoload(maps->skel->progs.end_multi, maps->multi);
	bpf_program__set_autoload(maps->skel->progs.start_perf, !maps->multi);
	bpf_program__set_autoload(maps->skel->progs.end_perf, !maps->multi);
	bpf_program__set_autoload(maps->skel->progs.sweep, maps->n_spans);
}

/* Sizes what depends on the profile, before the programs are loaded. */
static int size_tables(struct maps *maps, size_t n_cells)
{
	uint32_t n_spans = maps->n_nodes * ABI_SPAN_NODE_MAX;
	int r = bpf_map__set_max_entries(maps->skel->maps.cells, (uint32_t)n_cells);

	if (r || !maps->n_spans)
		return r;
	return bpf_map__set_max_entries(maps->skel->maps.span_table, n_spans < ABI_SPAN_TABLE_MAX ?
									     n_spans :
									     ABI_SPAN_TABLE_MAX);
}

/* No two agents hash alike, so that a hash says nothing to who has another. */
static int choose_seed(struct maps *maps)
{
	__u64 seed;

	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return -errno;
	maps->skel->rodata->span_seed = seed;
	return 0;
}

static int map_cells(struct maps *maps, struct err *err)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), size = maps->cells_size;
	void *at;

	size = (size + page - 1) / page * page;
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
		  bpf_map__fd(maps->skel->maps.cells), 0);
	if (at == MAP_FAILED)
		return err_set(err, -errno, "cannot map the counters: %s", strerror(errno));
	maps->cells = at;
	maps->cells_size = size;
	return 0;
}

int maps_open(const struct layout *layout, const struct kernel *kernel, unsigned nodes,
	      struct maps **out, struct err *err)
{
	_cleanup_(maps_closep) struct maps *maps = mem_alloc(sizeof(*maps));
	_said_ struct said said;
	size_t n_cells;
	int r;

	said_listen(&said);
	maps->n_nodes = nodes < 1 ? 1 : nodes > ABI_NODES_MAX ? ABI_NODES_MAX : nodes;
	maps->n_shards = count_shards();
	maps->node_cells = layout->cells;
	maps->multi = kernel->uprobe_multi;
	maps->n_gauges = layout->n_gauges;
	maps->gauges = mem_array(layout->n_gauges, sizeof(*maps->gauges));
	if (layout->n_gauges)
		memcpy(maps->gauges, layout->gauges, layout->n_gauges * sizeof(*maps->gauges));
	maps->n_spans = layout->n_spans;
	memcpy(maps->spans, layout->spans, sizeof(maps->spans));
	maps->sites = room_new(ABI_SITES_MAX);
	maps->values = room_new(ABI_VALUE_TABLE_MAX);
	/* none where nothing but the kernel is asked, and an empty map cannot be */
	n_cells = (size_t)maps->n_shards * maps->n_nodes * maps->node_cells;
	n_cells = n_cells ? n_cells : 1;
	maps->cells_size = n_cells * sizeof(*maps->cells);
	maps->skel = call_bpf__open();
	if (!maps->skel)
		return said_err(&said, err, -errno, "cannot read the call programs");
	maps->skel->rodata->agent_pid_ns = pidns_own();
	choose_programs(maps);
	r = size_tables(maps, n_cells);
	if (!r)
		r = choose_seed(maps);
	if (r)
		return said_err(&said, err, r, "cannot size the counters");
	r = call_bpf__load(maps->skel);
	if (r)
		return said_err(&said, err, r, "cannot load the call programs");
	memcpy(maps->skel->bss->funcs, layout->funcs, sizeof(layout->funcs));
	memcpy(maps->skel->bss->bounds, layout->bounds, layout->n_bounds * sizeof(*layout->bounds));
	for (size_t s = 0; s < maps->n_spans; s++)
		maps->skel->bss->spans[s] = maps->spans[s].abi;
	r = map_cells(maps, err);
	if (r)
		return r;
	*out = TAKE_PTR(maps);
	return 0;
}

void maps_close(struct maps *maps)
{
	if (!maps)
		return;
	if (maps->cells)
		munmap(maps->cells, maps->cells_size);
	call_bpf__destroy(maps->skel);
	room_free(maps->sites);
	room_free(maps->values);
	free(maps->gauges);
	free(maps);
}

void maps_closep(struct maps **maps)
{
	maps_close(*maps);
}

const struct bpf_program *maps_program(const struct maps *maps, bool start)
{
	if (maps->multi)
		return start ? maps->skel->progs.start_multi : maps->skel->progs.end_multi;
	return start ? maps->skel->progs.start_perf : maps->skel->progs.end_perf;
}

bool maps_multi(const struct maps *maps)
{
	return maps->multi;
}

/* ---- the node table ---------------------------------------------------------------- */

static struct abi_node *table_place(const struct maps *maps, uint32_t tgid, unsigned i)
{
	return &maps->skel->bss->nodes[(abi_node_place(tgid) + i) & (ABI_NODE_PLACES - 1)];
}

static int table_put(struct maps *maps, unsigned node, pid_t tgid, unsigned file, struct err *err)
{
	for (unsigned i = 0; i < ABI_NODE_TRIES; i++) {
		struct abi_node *at = table_place(maps, (uint32_t)tgid, i);

		if (at->tgid && at->tgid != ABI_NODE_GONE)
			continue;
		at->index = (uint16_t)node;
		at->file = (uint16_t)file;
		at->libraries = 0;
		at->cells = node * maps->node_cells;
		at->shard_cells = maps->n_nodes * maps->node_cells;
		__atomic_store_n(&at->tgid, (uint32_t)tgid, __ATOMIC_RELEASE);
		maps->nodes[node].tgid = tgid;
		return 0;
	}
	return err_set(err, -ENOSPC,
		       "process %d finds no place in the node table: %d others stand there",
		       (int)tgid, ABI_NODE_TRIES);
}

static struct abi_node *table_find(const struct maps *maps, pid_t tgid)
{
	for (unsigned i = 0; tgid && i < ABI_NODE_TRIES; i++) {
		struct abi_node *at = table_place(maps, (uint32_t)tgid, i);

		if (at->tgid == (uint32_t)tgid)
			return at;
	}
	return NULL;
}

static void table_remove(struct maps *maps, pid_t tgid)
{
	for (unsigned i = 0; i < ABI_NODE_TRIES; i++) {
		struct abi_node *at = table_place(maps, (uint32_t)tgid, i);

		if (at->tgid != (uint32_t)tgid)
			continue;
		/* A search may end here only if it would end at the next place too. */
		__atomic_store_n(&at->tgid,
				 table_place(maps, (uint32_t)tgid, i + 1)->tgid ? ABI_NODE_GONE : 0,
				 __ATOMIC_RELEASE);
		return;
	}
}

/* ---- calls in flight --------------------------------------------------------------- */

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static unsigned key_node(uint64_t key)
{
	return (key >> 48) & 0xff;
}

static unsigned key_func(uint64_t key)
{
	return (key >> 56) & 0xff;
}

void maps_read_flights(const struct maps *maps, struct maps_flights *out)
{
	uint64_t now = now_ns();

	memset(out, 0, sizeof(*out));
	for (size_t b = 0; b < ABI_IN_FLIGHT_BUCKETS; b++) {
		const struct abi_bucket *bucket = &maps->skel->bss->in_flight[b];

		for (size_t i = 0; i < ABI_BUCKET_CALLS; i++) {
			uint64_t key = __atomic_load_n(&bucket->key[i], __ATOMIC_RELAXED), start;
			struct maps_flight *flight;

			if (!key || key_node(key) >= ABI_NODES_MAX ||
			    key_func(key) >= ABI_FUNCS_MAX)
				continue;
			flight = &out->of[key_node(key)][key_func(key)];
			start = __atomic_load_n(&bucket->call[i].start_ns, __ATOMIC_RELAXED);
			flight->count++;
			if (start && start < now && now - start > flight->oldest_ns)
				flight->oldest_ns = now - start;
		}
	}
}

/* Frees a place as an end does, so that it and a late end never both count. */
static bool forget(struct maps *maps, struct abi_bucket *bucket, size_t b, size_t i, uint64_t key)
{
	__u64 expected = key, hash = abi_key_hash(key);

	bucket->call[i].start_ns = 0;
	if (!__atomic_compare_exchange_n(&bucket->key[i], &expected, 0, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_RELAXED))
		return false;
	if (b != abi_first_bucket(hash))
		__atomic_fetch_sub(&maps->skel->bss->in_flight[abi_first_bucket(hash)].spilled, 1,
				   __ATOMIC_SEQ_CST);
	return true;
}

/* Of one node: those of all functions, or of those that @file has sites of. */
static void forget_calls(struct maps *maps, unsigned node, const bool *of, uint64_t *lost)
{
	for (size_t b = 0; b < ABI_IN_FLIGHT_BUCKETS; b++) {
		struct abi_bucket *bucket = &maps->skel->bss->in_flight[b];

		for (size_t i = 0; i < ABI_BUCKET_CALLS; i++) {
			uint64_t key = __atomic_load_n(&bucket->key[i], __ATOMIC_RELAXED);

			if (key && key_node(key) == node &&
			    (!of || (key_func(key) < ABI_FUNCS_MAX && of[key_func(key)])) &&
			    forget(maps, bucket, b, i, key) && lost &&
			    key_func(key) < ABI_FUNCS_MAX)
				lost[key_func(key)]++;
		}
	}
}

/* ---- spans ------------------------------------------------------------------------ */

static uint64_t *block(const struct maps *maps, unsigned shard, unsigned node)
{
	return maps->cells + ((size_t)shard * maps->n_nodes + node) * maps->node_cells;
}

/* One look through the table by the kernel; all that is known of node @forget goes. */
static int look_at_spans(struct maps *maps, unsigned forget)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);

	memset(maps->skel->bss->span_now, 0, sizeof(maps->skel->bss->span_now));
	maps->skel->bss->span_forget = forget;
	return bpf_prog_test_run_opts(bpf_program__fd(maps->skel->progs.sweep), &opts);
}

static void book_expired(struct maps *maps, unsigned node, size_t span)
{
	uint32_t n = maps->skel->bss->span_now[node][span].expired;

	if (n)
		__atomic_fetch_add(&block(maps, 0, node)[maps->spans[span].book + ABI_SPAN_EXPIRED],
				   n, __ATOMIC_RELAXED);
}

int maps_sweep(struct maps *maps, struct maps_spans *out, struct err *err)
{
	uint64_t now;
	int r;

	if (out)
		memset(out, 0, sizeof(*out));
	r = maps->n_spans ? look_at_spans(maps, ABI_NODES_MAX) : 0;
	if (r)
		return err_set(err, r, "cannot look through the open spans: %s", strerror(-r));
	now = now_ns();
	for (unsigned n = 0; n < maps->n_nodes; n++) {
		for (size_t s = 0; s < maps->n_spans; s++) {
			const struct abi_span_now *found = &maps->skel->bss->span_now[n][s];

			book_expired(maps, n, s);
			if (!out)
				continue;
			out->of[n][s].open = found->open;
			if (found->oldest_ns && found->oldest_ns < now)
				out->of[n][s].oldest_ns = now - found->oldest_ns;
		}
	}
	return 0;
}

static void forget_spans(struct maps *maps, unsigned node, uint64_t *lost)
{
	if (!maps->n_spans || look_at_spans(maps, node))
		return;
	for (unsigned n = 0; n < maps->n_nodes; n++)
		for (size_t s = 0; s < maps->n_spans; s++)
			book_expired(maps, n, s);
	for (size_t s = 0; lost && s < maps->n_spans; s++)
		lost[s] += maps->skel->bss->span_now[node][s].lost;
}

static void forget_node(struct maps *maps, unsigned node, struct maps_lost *lost)
{
	forget_calls(maps, node, NULL, lost ? lost->calls : NULL);
	forget_spans(maps, node, lost ? lost->spans : NULL);
}

/* ---- nodes ------------------------------------------------------------------------ */

static bool watched(const struct maps *maps, pid_t tgid)
{
	for (unsigned n = 0; n < maps->n_nodes; n++)
		if (maps->nodes[n].used && maps->nodes[n].tgid == tgid)
			return true;
	return false;
}

void maps_stop_node(struct maps *maps, unsigned node, struct maps_lost *lost)
{
	if (node >= maps->n_nodes || !maps->nodes[node].tgid)
		return;
	table_remove(maps, maps->nodes[node].tgid);
	maps->nodes[node].tgid = 0;
	forget_node(maps, node, lost);
}

int maps_add_node(struct maps *maps, pid_t tgid, unsigned file, unsigned *node, struct err *err)
{
	unsigned n = 0;
	int r;

	if (tgid <= 0 || watched(maps, tgid))
		return err_set(err, -EEXIST, "process %d is already watched", (int)tgid);
	while (n < maps->n_nodes && maps->nodes[n].used)
		n++;
	if (n == maps->n_nodes)
		return err_set(err, -ENOSPC,
			       "%u processes are watched already, and there is room for no more",
			       maps->n_nodes);
	for (unsigned s = 0; s < maps->n_shards; s++)
		memset(block(maps, s, n), 0, maps->node_cells * sizeof(*maps->cells));
	forget_node(maps, n, NULL); /* a start that was running while the last one stopped */
	r = table_put(maps, n, tgid, file, err);
	if (r)
		return r;
	maps->nodes[n].used = true;
	*node = n;
	return 0;
}

static void clear_gauges(struct maps *maps, unsigned node)
{
	for (unsigned s = 0; s < maps->n_shards; s++)
		for (size_t g = 0; g < maps->n_gauges; g++)
			memset(block(maps, s, node) + maps->gauges[g].base, 0,
			       maps->gauges[g].n * sizeof(*maps->cells));
}

int maps_continue_node(struct maps *maps, unsigned node, pid_t tgid, unsigned file, struct err *err)
{
	if (node >= maps->n_nodes || !maps->nodes[node].used)
		return err_set(err, -ENOENT, "there is no node %u", node);
	if (tgid <= 0 || watched(maps, tgid))
		return err_set(err, -EEXIST, "process %d is already watched", (int)tgid);
	maps_stop_node(maps, node, NULL);
	clear_gauges(maps, node);
	return table_put(maps, node, tgid, file, err);
}

int maps_add_library(struct maps *maps, unsigned node, unsigned file, struct err *err)
{
	struct abi_node *at =
		node < maps->n_nodes ? table_find(maps, maps->nodes[node].tgid) : NULL;

	if (!at)
		return err_set(err, -ENOENT, "node %u is not counted for", node);
	for (unsigned shift = 0; shift < 16 * ABI_NODE_LIBRARIES; shift += 16) {
		if (at->libraries >> shift & 0xffff)
			continue;
		__atomic_store_n(&at->libraries, at->libraries | (uint64_t)file << shift,
				 __ATOMIC_RELEASE);
		return 0;
	}
	return err_set(err, -ENOSPC, "process %d maps more than %d probed libraries",
		       (int)maps->nodes[node].tgid, ABI_NODE_LIBRARIES);
}

void maps_remove_library(struct maps *maps, unsigned node, const struct maps_range *range,
			 struct maps_lost *lost)
{
	struct abi_node *at =
		node < maps->n_nodes ? table_find(maps, maps->nodes[node].tgid) : NULL;
	bool of[ABI_FUNCS_MAX] = {};

	for (unsigned shift = 0; at && shift < 16 * ABI_NODE_LIBRARIES; shift += 16)
		if ((at->libraries >> shift & 0xffff) == range->file)
			__atomic_store_n(&at->libraries, at->libraries & ~(0xffffull << shift),
					 __ATOMIC_RELEASE);
	for (uint32_t i = 0; i < range->n_sites; i++)
		of[maps->skel->bss->sites[range->site + i].func & (ABI_FUNCS_MAX - 1)] = true;
	if (at)
		forget_calls(maps, node, of, lost ? lost->calls : NULL);
}

void maps_drop_node(struct maps *maps, unsigned node)
{
	if (node >= maps->n_nodes || !maps->nodes[node].used)
		return;
	maps_stop_node(maps, node, NULL);
	maps->nodes[node].used = false;
}

/* ---- reading ------------------------------------------------------------------------ */

static uint64_t read_cell(const struct maps *maps, unsigned node, uint32_t cell)
{
	uint64_t sum = 0;

	for (unsigned s = 0; s < maps->n_shards; s++)
		sum += __atomic_load_n(&block(maps, s, node)[cell], __ATOMIC_RELAXED);
	return sum;
}

/* Reads again what counts up and down; true when nothing has changed, so that all of it
 * stood there at one moment. */
static bool read_balances(const struct maps *maps, unsigned node, uint64_t *cells)
{
	bool same = true;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (size_t g = 0; g < maps->n_gauges; g++) {
		const struct layout_gauge *gauge = &maps->gauges[g];

		for (uint32_t i = gauge->base; !gauge->is_last && i < gauge->base + gauge->n; i++) {
			uint64_t now = read_cell(maps, node, i);

			same &= now == cells[i];
			cells[i] = now;
		}
	}
	return same;
}

static void read_stamps(const uint64_t *at, uint64_t stamps[ABI_LAST_PLACES])
{
	for (size_t i = 0; i < ABI_LAST_PLACES; i++)
		stamps[i] = __atomic_load_n(&at[2 * i], __ATOMIC_ACQUIRE);
}

/* The last number of a series in one shard: that of the greatest stamp, read while none
 * of the stamps changed. */
static void read_shard(const uint64_t *at, uint64_t *stamp, uint64_t *number)
{
	uint64_t stamps[ABI_LAST_PLACES], again[ABI_LAST_PLACES];

	do {
		*stamp = *number = 0;
		read_stamps(at, stamps);
		for (size_t i = 0; i < ABI_LAST_PLACES; i++) {
			if (stamps[i] == ABI_STAMP_TAKEN || stamps[i] <= *stamp)
				continue;
			*stamp = stamps[i];
			*number = __atomic_load_n(&at[2 * i + 1], __ATOMIC_ACQUIRE);
		}
		read_stamps(at, again);
	} while (memcmp(stamps, again, sizeof(stamps)) != 0);
}

static void read_last(const struct maps *maps, unsigned node, uint32_t cell, uint64_t *out)
{
	memset(out, 0, ABI_LAST_CELLS * sizeof(*out));
	for (unsigned s = 0; s < maps->n_shards; s++) {
		uint64_t stamp, number;

		read_shard(block(maps, s, node) + cell, &stamp, &number);
		if (stamp <= out[0])
			continue;
		out[0] = stamp;
		out[1] = number;
	}
}

#define BALANCE_TRIES 100

void maps_read_node(const struct maps *maps, unsigned node, uint64_t *cells)
{
	memset(cells, 0, maps->node_cells * sizeof(*cells));
	for (unsigned s = 0; s < maps->n_shards; s++) {
		const uint64_t *from = block(maps, s, node);

		for (uint32_t i = 0; i < maps->node_cells; i++)
			cells[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
	}
	for (unsigned i = 0; i < BALANCE_TRIES; i++)
		if (read_balances(maps, node, cells))
			break;
	for (size_t g = 0; g < maps->n_gauges; g++)
		for (uint32_t i = 0; maps->gauges[g].is_last && i < maps->gauges[g].n;
		     i += ABI_LAST_CELLS)
			read_last(maps, node, maps->gauges[g].base + i,
				  cells + maps->gauges[g].base + i);
}

/* ---- sites ------------------------------------------------------------------------ */

int maps_put_sites(struct maps *maps, const struct abi_site *sites, size_t n_sites,
		   const struct abi_value *values, size_t n_values, struct maps_range *out,
		   struct err *err)
{
	struct maps_range range = { .n_sites = (uint32_t)n_sites, .n_values = (uint32_t)n_values };

	if (room_take(maps->sites, range.n_sites, &range.site))
		return err_set(err, -ENOSPC, "the watched programs have more than %d probed places",
			       ABI_SITES_MAX);
	if (room_take(maps->values, range.n_values, &range.value)) {
		room_give(maps->sites, range.site, range.n_sites);
		return err_set(err, -ENOSPC,
			       "the watched programs need more than %d ways to read a value",
			       ABI_VALUE_TABLE_MAX);
	}
	range.file = (uint16_t)(range.site + 1);
	if (n_values)
		memcpy(&maps->skel->bss->values[range.value], values, n_values * sizeof(*values));
	for (size_t i = 0; i < n_sites; i++) {
		struct abi_site *site = &maps->skel->bss->sites[range.site + i];

		*site = sites[i];
		site->file = range.file;
		for (size_t v = 0; v < ABI_VALUES_MAX && site->slot[v] != ABI_NO_SLOT; v++)
			site->value[v] = (uint16_t)(site->value[v] + range.value);
	}
	*out = range;
	return 0;
}

void maps_take_sites(struct maps *maps, struct maps_range *range)
{
	room_give(maps->sites, range->site, range->n_sites);
	room_give(maps->values, range->value, range->n_values);
	*range = (struct maps_range){};
}
