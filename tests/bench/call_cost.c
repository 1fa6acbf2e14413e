// SPDX-License-Identifier: BSD-2-Clause
/*
 * Program time of one watched call, by the kernel's own BPF run statistics.
 *
 * A child calls a small function whose first and last instruction are probed;
 * each round attaches another pair of programs. All rounds run in one process
 * and take turns, so that ratios hold on a machine that is busy with more.
 * Prints one JSON object: nanoseconds and the multiple of an empty program.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
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
extern void probed(void);
extern const char probed_end[];
__asm__(".text\n.globl probed\nprobed: push %rbp\nmov %rsp,%rbp\npop %rbp\n"
	".globl probed_end\nprobed_end: ret\n");

#define MAX_CELLS 256
#define ROUNDS_MAX 9

struct pair {
	const char *name;
	const struct bpf_program *start, *end;
	int what; /* index of the function in the tables, or -1 */
	double start_ns[ROUNDS_MAX], end_ns[ROUNDS_MAX];
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
 * two labels and a counter. Site 2 n is the start of function n, 2 n + 1 its end. */
static void fill(struct call_bpf *call)
{
	struct abi_recipe rsp = { .reg = ABI_REG_RSP };

	memset(&call->bss->bounds[0], 0xff, sizeof(call->bss->bounds[0]));
	for (int i = 0; i < 12; i++)
		call->bss->bounds[0].ns[i] = 1000ull << i;
	for (uint8_t f = 0; f < 3; f++) {
		struct abi_func *func = &call->bss->funcs[f];
		struct abi_site *site = &call->bss->sites[2 * f];

		*site = (struct abi_site){ .func = f,
					   .key = rsp,
					   .saved = { .reg = ABI_REG_NONE } };
		memset(site->slot, ABI_NO_SLOT, sizeof(site->slot));
		site[1] = site[0];
		site[1].kind = ABI_SITE_RETURN;
		func->n_bindings = f;
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
	}
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

static struct bpf_prog_info info_of(const struct bpf_program *prog)
{
	struct bpf_prog_info info = {};
	uint32_t size = sizeof(info);

	if (bpf_prog_get_info_by_fd(bpf_program__fd(prog), &info, &size))
		fail("bpf_prog_info");
	return info;
}

static double per_run(struct bpf_prog_info a, struct bpf_prog_info b)
{
	return b.run_cnt == a.run_cnt ?
		       0 :
		       (double)(b.run_time_ns - a.run_time_ns) / (double)(b.run_cnt - a.run_cnt);
}

static void measure(struct pair *pair, int go, int done, int round)
{
	__u64 cookie = pair->what < 0 ? 0 : 2 * (__u64)pair->what;
	struct bpf_link *start = attach(pair->start, (const void *)probed, cookie);
	struct bpf_link *end = attach(pair->end, probed_end, cookie + 1);
	struct bpf_prog_info s = info_of(pair->start), e = info_of(pair->end);
	char c = 0;

	if (write(go, &c, 1) != 1 || read(done, &c, 1) != 1)
		fail("child");
	pair->start_ns[round] = per_run(s, info_of(pair->start));
	pair->end_ns[round] = per_run(e, info_of(pair->end));
	bpf_link__destroy(end);
	bpf_link__destroy(start);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), by_value);
	return v[n / 2];
}

static void child(int go, int done, long calls)
{
	char c;

	while (read(go, &c, 1) == 1) {
		for (long i = 0; i < calls; i++)
			probed();
		if (write(done, &c, 1) != 1)
			break;
	}
	_exit(0);
}

static void report(struct pair *pairs, size_t n, int rounds, long calls)
{
	double empty = 0;

	printf("{\"calls\": %ld, \"rounds\": %d, \"pairs\": [", calls, rounds);
	for (size_t i = 0; i < n; i++) {
		double s = median(pairs[i].start_ns, rounds), e = median(pairs[i].end_ns, rounds);

		if (i == 0)
			empty = s;
		printf("%s\n {\"name\": \"%s\", \"start_ns\": %.1f, \"end_ns\": %.1f, "
		       "\"both_ns\": %.1f, \"empties\": %.2f}",
		       i ? "," : "", pairs[i].name, s, e, s + e, (s + e) / empty);
	}
	printf("]}\n");
}

int main(int argc, char **argv)
{
	long calls = argc > 1 ? atol(argv[1]) : 20000;
	int rounds = argc > 2 ? atoi(argv[2]) : 5, go[2], done[2];
	struct call_bpf *call = call_bpf__open();
	struct call_cost_bpf *cost = call_cost_bpf__open_and_load();
	pid_t pid;

	if (rounds < 1 || rounds > ROUNDS_MAX || !call || !cost || pipe(go) || pipe(done))
		fail("setup");
	bpf_map__set_max_entries(call->maps.cells, ABI_SHARDS_MAX * MAX_CELLS);
	bpf_program__set_autoload(call->progs.start_perf, false);
	bpf_program__set_autoload(call->progs.end_perf, false);
	if (call_bpf__load(call) || bpf_enable_stats(BPF_STATS_RUN_TIME) < 0)
		fail("load");
	struct pair pairs[] = {
		{ .name = "empty",
		  .start = cost->progs.empty,
		  .end = cost->progs.empty,
		  .what = -1 },
		{ .name = "hash and log2 histogram",
		  .start = cost->progs.plain_start,
		  .end = cost->progs.plain_end,
		  .what = -1 },
		{ .name = "book only",
		  .start = call->progs.start_multi,
		  .end = call->progs.end_multi },
		{ .name = "exact histogram",
		  .start = call->progs.start_multi,
		  .end = call->progs.end_multi,
		  .what = 1 },
		{ .name = "labelled histogram and counter",
		  .start = call->progs.start_multi,
		  .end = call->progs.end_multi,
		  .what = 2 },
	};

	fill(call);
	pid = fork();
	if (pid == 0) {
		close(go[1]);
		child(go[0], done[1], calls);
	}
	set_node(call, pid);
	for (int round = 0; round < rounds; round++)
		for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++)
			measure(&pairs[i], go[1], done[0], round);
	report(pairs, sizeof(pairs) / sizeof(*pairs), rounds, calls);
	close(go[1]);
	waitpid(pid, NULL, 0);
	return 0;
}
