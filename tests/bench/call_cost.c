// SPDX-License-Identifier: BSD-2-Clause
/*
 * Program time of one watched call, by the kernel's own BPF run statistics.
 *
 * A child calls a small function whose first and last instruction are probed;
 * each round attaches another pair of programs. All rounds run in one process
 * and take turns, so that ratios hold on a machine that is busy with more.
 * Somebody else's pair of programs can take part: they are attached to a twin of
 * that function (probed_twin, probed_twin_end) and are named by their ids.
 *
 *   call_cost CALLS ROUNDS [NAME START_ID END_ID]...
 *
 * Prints one JSON object: nanoseconds of the best round by start and end, and of
 * the best, the middle and the worst round together. Each pair is measured twice:
 * call after call (warm), and with the processor's caches filled with something
 * else between two calls (cold), which is nearer to calls that are rare.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/abi.h"

#include "bench/call_cost.skel.h"
#include "bpf/call.skel.h"

/* 310 ns instead of 910 ns on a real machine: both sites are emulated. */
#define FUNCTION(name)                                                               \
	extern void name(void);                                                      \
	extern const char name##_end[];                                              \
	__asm__(".text\n.balign 64\n.globl " #name ", " #name "_end\n"               \
		".type " #name ", @function\n.type " #name "_end, @function\n" #name \
		": push %rbp\nmov %rsp,%rbp\npop %rbp\n" #name "_end: ret\n"         \
		".size " #name ", . - " #name "\n.size " #name "_end, 1\n")

FUNCTION(probed);
FUNCTION(probed_twin);

#define MAX_CELLS 256
#define ROUNDS_MAX 31
#define PAIRS_MAX 16
#define COLD_BYTES (8 << 20) /* more than a second-level cache */
#define COLD_SHARE 40        /* there are so many fewer calls, as each takes longer */

enum { WARM, COLD };

struct cost {
	double start, end;
};

struct pair {
	const char *name;
	const struct bpf_program *start, *end; /* NULL: attached by somebody else */
	int what;                              /* index of the function in the tables, or -1 */
	int start_fd, end_fd;
	struct cost cost[2][ROUNDS_MAX];
};

static void fail(const char *what)
{
	fprintf(stderr, "call_cost: %s: %s\n", what, strerror(errno));
	exit(1);
}

static unsigned long file_offset(const void *code)
{
	unsigned long from, to, offset, at = (unsigned long)code;
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];

	while (maps && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx %*s %lx", &from, &to, &offset) == 3 && at >= from &&
		    at < to) {
			fclose(maps);
			return at - from + offset;
		}
	}
	errno = ENOENT;
	fail("own code in /proc/self/maps");
	return 0;
}

/* Functions 0: nothing but the book; 1: a histogram of 12 bounds; 2: that with
 * two labels and a counter; 3: that histogram and a sum of a number. Site 2 n is the
 * start of function n, 2 n + 1 its end. */
static void fill(struct call_bpf *call)
{
	struct abi_recipe rsp = { .reg = ABI_REG_RSP };

	memset(&call->bss->bounds[0], 0xff, sizeof(call->bss->bounds[0]));
	for (int i = 0; i < 12; i++)
		call->bss->bounds[0].upper[i] = 1000ull << i;
	for (uint8_t f = 0; f < 4; f++) {
		struct abi_func *func = &call->bss->funcs[f];
		struct abi_site *site = &call->bss->sites[2 * f];

		*site = (struct abi_site){ .func = f,
					   .key = rsp,
					   .saved = { .reg = ABI_REG_NONE } };
		memset(site->slot, ABI_NO_SLOT, sizeof(site->slot));
		site[1] = site[0];
		site[1].kind = ABI_SITE_RETURN;
		func->n_bindings = f < 3 ? f : 0;
		func->bindings[0] = (struct abi_binding){
			.kind = ABI_HISTOGRAM, .on = 1, .n_bounds = 12, .base = 64
		};
		if (f == 2) {
			func->bindings[0].n_labels = 2;
			func->bindings[0].labels[0] = (struct abi_label){ 0, 2, 14 };
			func->bindings[0].labels[1] = (struct abi_label){ 1, 2, 42 };
		}
		func->bindings[1] =
			(struct abi_binding){ .kind = ABI_COUNTER, .on = 1, .base = 200 };
		if (f < 3)
			continue;
		site[0].numbered = site[1].numbered = 1;
		site[0].slot[0] = ABI_NUMBER_SLOT;
		func->n_numbers = 2;
		func->bindings[0].kind = ABI_NUMBER_HISTOGRAM;
		func->bindings[1].kind = ABI_NUMBER_COUNTER;
	}
	call->bss->values[0].n_tests = 1;
	call->bss->values[0].tests[0].recipe =
		(struct abi_recipe){ .reg = ABI_REG_RSP, .width = 8, .in_register = 1 };
}

static void set_node(struct call_bpf *call, pid_t child)
{
	call->bss->nodes[abi_node_place((uint32_t)child)] =
		(struct abi_node){ .tgid = (uint32_t)child, .shard_cells = MAX_CELLS };
}

static struct bpf_link *attach(const struct bpf_program *prog, const void *code, __u64 cookie)
{
	unsigned long offset = file_offset(code);
	LIBBPF_OPTS(bpf_uprobe_multi_opts, opts, .offsets = &offset, .cookies = &cookie, .cnt = 1);
	struct bpf_link *link =
		bpf_program__attach_uprobe_multi(prog, -1, "/proc/self/exe", NULL, &opts);

	if (!link)
		fail("attach");
	return link;
}

static struct bpf_prog_info info_of(int fd)
{
	struct bpf_prog_info info = {};
	uint32_t size = sizeof(info);

	if (bpf_prog_get_info_by_fd(fd, &info, &size))
		fail("bpf_prog_info");
	return info;
}

/* Nanoseconds of one run. Runs that are missing would make the mean one of
 * something else: whoever attached the program is told. */
static double per_run(const struct pair *pair, struct bpf_prog_info a, struct bpf_prog_info b,
		      long calls)
{
	uint64_t runs = b.run_cnt - a.run_cnt;

	if (runs < (uint64_t)calls) {
		fprintf(stderr, "call_cost: %s: %" PRIu64 " runs for %ld calls\n", pair->name, runs,
			calls);
		exit(1);
	}
	return (double)(b.run_time_ns - a.run_time_ns) / (double)runs;
}

/* What the child is asked to do: call one of the two functions so many times. */
struct order {
	long calls;
	bool twin, cold;
};

static void measure(struct pair *pair, int go, int done, int round, struct order order)
{
	__u64 cookie = pair->what < 0 ? 0 : 2 * (__u64)pair->what;
	struct bpf_link *start = NULL, *end = NULL;
	struct bpf_prog_info s, e;
	struct cost *cost = &pair->cost[order.cold ? COLD : WARM][round];
	char c;

	if (pair->start) {
		start = attach(pair->start, (const void *)probed, cookie);
		end = attach(pair->end, probed_end, cookie + 1);
	}
	order.twin = !pair->start;
	s = info_of(pair->start_fd);
	e = info_of(pair->end_fd);
	if (write(go, &order, sizeof(order)) != sizeof(order) || read(done, &c, 1) != 1)
		fail("child");
	cost->start = per_run(pair, s, info_of(pair->start_fd), order.calls);
	cost->end = per_run(pair, e, info_of(pair->end_fd), order.calls);
	bpf_link__destroy(end);
	bpf_link__destroy(start);
}

static void child(int go, int done)
{
	static volatile char other[COLD_BYTES];
	struct order order;

	while (read(go, &order, sizeof(order)) == sizeof(order)) {
		for (long i = 0; i < order.calls; i++) {
			for (size_t at = 0; order.cold && at < sizeof(other); at += 64)
				other[at]++;
			if (order.twin)
				probed_twin();
			else
				probed();
		}
		if (write(done, "", 1) != 1)
			break;
	}
	_exit(0);
}

static int by_sum(const void *a, const void *b)
{
	const struct cost *x = a, *y = b;
	double d = x->start + x->end - y->start - y->end;

	return (d > 0) - (d < 0);
}

static double sum(struct cost cost)
{
	return cost.start + cost.end;
}

static void report(struct pair *pairs, int n, int rounds, long calls)
{
	static const char *const heat[] = { "warm", "cold" };

	printf("{\"calls\": %ld, \"cold_calls\": %ld, \"rounds\": %d, \"pairs\": [", calls,
	       calls / COLD_SHARE, rounds);
	for (int i = 0; i < n; i++) {
		printf("%s\n {\"name\": \"%s\"", i ? "," : "", pairs[i].name);
		for (int h = WARM; h <= COLD; h++) {
			struct cost *cost = pairs[i].cost[h];

			qsort(cost, (size_t)rounds, sizeof(*cost), by_sum);
			printf(",\n  \"%s\": {\"start_ns\": %.1f, \"end_ns\": %.1f, \"best_ns\": %.1f, "
			       "\"middle_ns\": %.1f, \"worst_ns\": %.1f}",
			       heat[h], cost->start, cost->end, sum(*cost), sum(cost[rounds / 2]),
			       sum(cost[rounds - 1]));
		}
		printf("}");
	}
	printf("]}\n");
}

/* The pairs of others that the command line names. */
static int add_others(struct pair *pairs, int n, char **argv)
{
	for (; argv[0] && argv[1] && argv[2] && n < PAIRS_MAX; argv += 3, n++) {
		pairs[n] = (struct pair){ .name = argv[0],
					  .start_fd = bpf_prog_get_fd_by_id((__u32)atol(argv[1])),
					  .end_fd = bpf_prog_get_fd_by_id((__u32)atol(argv[2])) };
		if (pairs[n].start_fd < 0 || pairs[n].end_fd < 0)
			fail(argv[0]);
	}
	return n;
}

int main(int argc, char **argv)
{
	long calls = argc > 1 ? atol(argv[1]) : 20000;
	int rounds = argc > 2 ? atoi(argv[2]) : 5, go[2], done[2], n = 0;
	struct call_bpf *call = call_bpf__open();
	struct call_cost_bpf *cost = call_cost_bpf__open_and_load();
	pid_t pid;

	if (rounds < 1 || rounds > ROUNDS_MAX || calls < COLD_SHARE || !call || !cost || pipe(go) ||
	    pipe(done))
		fail("setup");
	bpf_map__set_max_entries(call->maps.cells, ABI_SHARDS_MAX * MAX_CELLS);
	bpf_program__set_autoload(call->progs.start_perf, false);
	bpf_program__set_autoload(call->progs.end_perf, false);
	if (call_bpf__load(call) || bpf_enable_stats(BPF_STATS_RUN_TIME) < 0)
		fail("load");
	struct pair pairs[PAIRS_MAX] = {
		{ "empty", cost->progs.empty, cost->progs.empty_end, .what = -1 },
		{ "clock", cost->progs.clock_start, cost->progs.clock_end, .what = -1 },
		{ "hash and log2 histogram", cost->progs.plain_start, cost->progs.plain_end,
		  .what = -1 },
		{ "book only", call->progs.start_multi, call->progs.end_multi, .what = 0 },
		{ "exact histogram", call->progs.start_multi, call->progs.end_multi, .what = 1 },
		{ "labelled histogram and counter", call->progs.start_multi, call->progs.end_multi,
		  .what = 2 },
		{ "number's histogram and sum", call->progs.start_multi, call->progs.end_multi,
		  .what = 3 },
	};

	for (; pairs[n].name; n++) {
		pairs[n].start_fd = bpf_program__fd(pairs[n].start);
		pairs[n].end_fd = bpf_program__fd(pairs[n].end);
	}
	n = add_others(pairs, n, argc > 3 ? argv + 3 : argv + argc);
	fill(call);
	pid = fork();
	if (pid == 0) {
		close(go[1]);
		child(go[0], done[1]);
	}
	set_node(call, pid);
	for (int round = 0; round < rounds; round++) {
		for (int i = 0; i < n; i++) {
			measure(&pairs[i], go[1], done[0], round, (struct order){ .calls = calls });
			measure(&pairs[i], go[1], done[0], round,
				(struct order){ .calls = calls / COLD_SHARE, .cold = true });
		}
	}
	report(pairs, n, rounds, calls);
	close(go[1]);
	waitpid(pid, NULL, 0);
	return 0;
}
