// SPDX-License-Identifier: BSD-2-Clause
/*
 * bpf/call.bpf.c and user/probe on the running kernel: probes on real
 * instructions, exact counts. Prints a result line for each test.
 *
 *   10-kernel-call all            everything
 *   10-kernel-call few PREFIX     counts, labels, spans and the filter, named PREFIX …
 *   10-kernel-call below PREFIX   that for programs in a pid namespace of their own
 *   10-kernel-call perf PREFIX    that through perf events (kernels before 6.6)
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "probe/attach.h"
#include "probe/stats.h"

#include "bpf/call.skel.h"

#include "10-kernel-target.h"

#define THREADS 8
#define FUTURES 40000

static const char *prefix = "";
static int failures;

/* ---- what a child does when told ------------------------------------------------------- */

struct order {
	char what; /* see obey() */
	long n;
};

static void *many(void *n)
{
	for (long i = 0; i < (long)n; i++)
		call_plain();
	return NULL;
}

static void in_threads(long n)
{
	pthread_t threads[THREADS];

	for (int t = 0; t < THREADS; t++)
		pthread_create(&threads[t], NULL, many, (void *)(n / THREADS));
	for (int t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
}

/* 3 × approve+yes, 2 × reject+no, 1 × approve with a pointer to nowhere. */
static void votes(void)
{
	struct inner yes = { .accepted = 1 }, no = { .accepted = 0 };
	struct vote approve = { 1, &yes }, reject = { 0, &no }, broken = { 1, (struct inner *)8 };
	struct vote odd = { 7, &yes };

	for (int i = 0; i < 3; i++)
		call_label(&approve);
	for (int i = 0; i < 2; i++)
		call_label(&reject);
	call_label(&broken);
	call_label(&odd);
}

/* 2 × five, 1 × six, 3 × failed, 1 × a code without a label. */
static void answer_all(void)
{
	static const struct result results[] = { { 0, 5 }, { 0, 5 }, { 0, 6 }, { 1, 5 },
						 { 1, 0 }, { 1, 9 }, { 0, 7 } };

	for (size_t i = 0; i < ARRAY_SIZE(results); i++)
		call_answer(&results[i]);
}

/* Numbers at the bounds of the buckets (0, 1, 10, 2^32, 2^53) and at the ends of 64 bits. */
static const uint64_t numbers_given[] = { 0,
					  1,
					  2,
					  10,
					  11,
					  1ull << 32,
					  (1ull << 32) + 1,
					  1ull << 53,
					  (1ull << 53) + 1,
					  UINT64_MAX,
					  UINT64_MAX,
					  UINT64_MAX };

/* With each number a 7 of kind "share"; then a -1, INT32_MIN, a 5 of kind "vote", a 6 of
 * no known kind, and a pointer to nowhere. */
static void give_numbers(void)
{
	static const struct numbers more[] = { { -1, 1 }, { INT32_MIN, 2 }, { 5, 2 }, { 6, 9 } };
	static const struct numbers seven = { 7, 1 };

	for (size_t i = 0; i < ARRAY_SIZE(numbers_given); i++)
		call_number(numbers_given[i], &seven);
	for (size_t i = 0; i < ARRAY_SIZE(more); i++)
		call_number(0, &more[i]);
	call_number(0, (const struct numbers *)16);
}

static void *many_numbers(void *n)
{
	static const struct numbers one = { 1, 2 };

	for (long i = 0; i < (long)n; i++)
		call_number((uint64_t)i << 31, &one);
	return NULL;
}

static void numbers_in_threads(long n)
{
	pthread_t threads[THREADS];

	for (int t = 0; t < THREADS; t++)
		pthread_create(&threads[t], NULL, many_numbers, (void *)(n / THREADS));
	for (int t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
}

/* What the threads of a child did: when each call was under way, shared with the parent. */
#define SETS 10000 /* of each thread */
struct set_call {
	uint64_t before, after;
};
static struct set_call (*sets)[SETS];

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* 5, 2^64 - 1 and 8; -1 and then 3 of kind "share", INT32_MIN of kind "vote", and a pointer
 * to nowhere. */
static void set_few(void)
{
	static const struct numbers deltas[] = { { -1, 1 }, { INT32_MIN, 2 }, { 3, 1 } };

	call_set(5, &deltas[0]);
	call_set(UINT64_MAX, &deltas[1]);
	call_set(8, &deltas[2]);
	call_set(8, (const struct numbers *)16);
}

/* Each number tells which call it is of. */
static void *set_many(void *thread)
{
	static const struct numbers one = { 1, 2 };
	uint64_t t = (uint64_t)thread;

	for (uint64_t i = 0; i < SETS; i++) {
		__atomic_store_n(&sets[t][i].before, now_ns(), __ATOMIC_SEQ_CST);
		call_set(t << 32 | i, &one);
		__atomic_store_n(&sets[t][i].after, now_ns(), __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static void set_in_threads(void)
{
	pthread_t threads[THREADS];

	for (uint64_t t = 0; t < THREADS; t++)
		pthread_create(&threads[t], NULL, set_many, (void *)t);
	for (int t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
}

#define KEYS 2000

/* All threads begin and end the same spans, without waiting for each other. */
static void *span_many(void *n)
{
	for (uint64_t i = 0; i < KEYS; i++) {
		char text[32] = {};
		int size = snprintf(text, sizeof(text), "key number %lu", i);

		if (n)
			call_till(text, (uint64_t)size);
		else
			call_from(text, (uint64_t)size);
	}
	return NULL;
}

static void span_in_threads(long ending)
{
	pthread_t threads[THREADS];

	for (int t = 0; t < THREADS; t++)
		pthread_create(&threads[t], NULL, span_many, (void *)ending);
	for (int t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
}

/* Texts of every length that end where memory does, and each once more with another last
 * byte; then one too long, one of no bytes, and one of which the last byte is not there. */
static void span_at_edge(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *at = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char copy[ABI_TEXT_MAX];

	if (at == MAP_FAILED || mprotect(at + page, page, PROT_NONE))
		_exit(3);
	memset(at, 'a', page);
	for (size_t size = 1; size <= ABI_TEXT_MAX; size++) {
		at[page - 1] = 'a';
		call_from(at + page - size, size);
		at[page - 1] = 'b';
		call_from(at + page - size, size);
		memset(copy, 'a', size);
		call_till(copy, size); /* the same text elsewhere */
	}
	call_from(at, ABI_TEXT_MAX + 1);
	call_from(at, 0);
	for (size_t size = 2; size <= ABI_TEXT_MAX; size++)
		call_from(at + page - size + 1, size);
	munmap(at, 2 * page);
}

static char futures[FUTURES * 64];

static void obey(struct order order)
{
	const void *future = futures;

	switch (order.what) {
	case 'p':
		in_threads(order.n);
		break;
	case 'r':
		for (int i = 0; i < 100; i++)
			call_recurse((int)order.n);
		break;
	case 'l': /* all from one frame: the same stack slot */
		for (long i = 0; i < order.n; i++)
			call_leave(i % 4 == 0);
		break;
	case 'n':
		give_numbers();
		break;
	case 'N':
		numbers_in_threads(order.n);
		break;
	case 's':
		set_few();
		break;
	case 'S':
		set_in_threads();
		break;
	case 'k':
		span_in_threads(order.n);
		break;
	case 'e':
		span_at_edge();
		break;
	case 'v':
		votes();
		break;
	case 'a':
		answer_all();
		break;
	case 'b':
		for (long i = 0; i < order.n; i++)
			call_begin(futures + 64 * i);
		break;
	case 'f':
		for (long i = 0; i < order.n; i++)
			call_finish(futures + 64 * i);
		break;
	case 'd':
		for (long i = 0; i < order.n; i++)
			call_dropped(futures + 64 * i);
		break;
	case 'i':
		for (long i = 0; i < order.n; i++)
			call_indirect(i % 2 ? &future : (const void *const *)16);
		break;
	}
}

struct child {
	pid_t pid;
	int to, from;
};

static void child_run(int in, int out)
{
	struct order order;

	while (read(in, &order, sizeof(order)) == sizeof(order)) {
		obey(order);
		if (write(out, "", 1) != 1)
			break;
	}
	_exit(0);
}

static struct child child_start(void)
{
	struct child child = {};
	int down[2], up[2];

	if (pipe(down) || pipe(up))
		exit(2);
	child.pid = fork();
	if (child.pid == 0) {
		close(down[1]);
		child_run(down[0], up[1]);
	}
	close(down[0]);
	close(up[1]);
	child.to = down[1];
	child.from = up[0];
	return child;
}

static void begin_order(struct child *child, char what, long n)
{
	struct order order = { .what = what, .n = n };

	if (write(child->to, &order, sizeof(order)) != sizeof(order))
		exit(2);
}

static bool await(struct child *child)
{
	char c;

	return read(child->from, &c, 1) == 1;
}

static bool order(struct child *child, char what, long n)
{
	begin_order(child, what, n);
	return await(child);
}

static int child_end(struct child *child)
{
	int status = -1;

	close(child->to);
	waitpid(child->pid, &status, 0);
	close(child->from);
	return status;
}

/* ---- results ----------------------------------------------------------------------------- */

static void result(bool good, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void result(bool good, const char *name, const char *fmt, ...)
{
	va_list ap;

	if (good) {
		printf("ok - %s%s\n", prefix, name);
	} else {
		failures++;
		printf("not ok - %s%s: ", prefix, name);
		va_start(ap, fmt);
		vprintf(fmt, ap);
		va_end(ap);
		printf("\n");
	}
	fflush(stdout);
}

/* ---- what is under test --------------------------------------------------------------------- */

struct bench {
	struct kernel kernel;
	struct profile *profile;
	struct plan *plan;
	struct layout *layout;
	struct compiled *compiled;
	struct maps *maps;
	struct attachment *attachment;
	struct child child;
	unsigned node;
	int exe;
	uint64_t *cells;
};

static void must(int r, const struct err *err)
{
	if (!r)
		return;
	printf("not ok - %ssetup: %s\n", prefix, err->text);
	exit(1);
}

static void attach(struct bench *b)
{
	struct err err = {};

	must(attach_open(b->maps, &b->kernel, b->exe, b->plan, b->compiled, &b->attachment, &err),
	     &err);
}

static void set_up(struct bench *b, bool multi, bool with_halts)
{
	struct err err = {};

	kernel_ask(&b->kernel);
	must(kernel_check(&b->kernel, &err), &err);
	if (!multi)
		b->kernel.uprobe_multi = false;
	b->profile = target_profile();
	b->plan = target_plan(with_halts);
	b->exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	must(layout_make(b->profile, &b->layout, &err), &err);
	must(compile_plan(b->layout, b->plan, &b->compiled, &err), &err);
	must(maps_open(b->layout, &b->kernel, 4, &b->maps, &err), &err);
	b->cells = mem_array(b->layout->cells, sizeof(*b->cells));
	b->child = child_start();
	attach(b);
	must(maps_add_node(b->maps, b->child.pid, attach_file(b->attachment), &b->node, &err),
	     &err);
}

static void tear_down(struct bench *b)
{
	attach_close(b->attachment);
	if (b->child.pid)
		child_end(&b->child);
	maps_close(b->maps);
	compiled_free(b->compiled);
	layout_free(b->layout);
	target_plan_free(b->plan);
	free(b->profile);
	free(b->cells);
	close(b->exe);
}

static uint64_t self(const struct bench *b, int func, enum abi_self which)
{
	return b->cells[func * ABI_SELF_CELLS + which];
}

static struct maps_flight flight(const struct bench *b, int func)
{
	_free_ struct maps_flights *flights = mem_alloc(sizeof(*flights));

	maps_read_flights(b->maps, flights);
	return flights->of[b->node][func];
}

static void read_cells(struct bench *b)
{
	maps_read_node(b->maps, b->node, b->cells);
}

/* started = returned + panicked + cancelled + in flight + lost, for every function. */
static bool balanced(const struct bench *b)
{
	for (int f = 0; f < N_FUNCS; f++)
		if (self(b, f, ABI_SELF_STARTED) !=
		    self(b, f, ABI_SELF_RETURNED) + self(b, f, ABI_SELF_PANICKED) +
			    self(b, f, ABI_SELF_CANCELLED) + flight(b, f).count +
			    self(b, f, ABI_SELF_LOST_FULL) + self(b, f, ABI_SELF_LOST_KEY))
			return false;
	return true;
}

static void book(const struct bench *b, int f, bool good, const char *name)
{
	result(good && balanced(b), name,
	       "started %lu returned %lu cancelled %lu in flight %u full %lu key %lu no start %lu "
	       "fault %lu%s",
	       self(b, f, ABI_SELF_STARTED), self(b, f, ABI_SELF_RETURNED),
	       self(b, f, ABI_SELF_CANCELLED), flight(b, f).count, self(b, f, ABI_SELF_LOST_FULL),
	       self(b, f, ABI_SELF_LOST_KEY), self(b, f, ABI_SELF_NO_START),
	       self(b, f, ABI_SELF_VALUE_FAULT), balanced(b) ? "" : ", the book is not balanced");
}

struct sum {
	size_t want[PROFILE_LABELS_MAX];
	size_t n_labels;
	uint64_t count, down, sum, sum_overflow, last_bucket, last, last_ns;
	bool negative;
	uint64_t buckets[PROFILE_BOUNDS_MAX + 1];
	size_t n_bounds;
};

static void pick(const struct layout_series *series, void *arg)
{
	struct sum *sum = arg;

	if (memcmp(series->label, sum->want, sum->n_labels * sizeof(*sum->want)) != 0)
		return;
	sum->count += series->count;
	sum->down += series->down;
	sum->last = series->last;
	sum->last_ns = series->last_ns;
	sum->negative = series->negative;
	sum->sum += series->sum;
	sum->sum_overflow += series->sum_overflow;
	memcpy(sum->buckets, series->buckets, sizeof(sum->buckets));
	sum->last_bucket += series->buckets[sum->n_bounds];
}

static struct sum series_of(const struct bench *b, size_t metric, size_t l0, size_t l1)
{
	struct sum sum = { .want = { l0, l1 },
			   .n_labels = b->profile->metrics[metric].n_labels,
			   .n_bounds = b->profile->metrics[metric].n_bounds };

	layout_series(b->layout, b->cells, metric, pick, &sum);
	return sum;
}

/* ---- the tests --------------------------------------------------------------------------------- */

static void test_counts(struct bench *b, long n, const char *name)
{
	struct sum sum;

	order(&b->child, 'p', n);
	read_cells(b);
	book(b, F_PLAIN,
	     self(b, F_PLAIN, ABI_SELF_STARTED) == (uint64_t)n &&
		     self(b, F_PLAIN, ABI_SELF_RETURNED) == (uint64_t)n &&
		     self(b, F_PLAIN, ABI_SELF_NO_START) == 0,
	     name);
	sum = series_of(b, M_PLAIN_SECONDS, 0, 0);
	result(sum.count == (uint64_t)n && sum.sum > 0, "the histogram has every call",
	       "count %lu sum %lu ns", sum.count, sum.sum);
}

static void test_filter(struct bench *b)
{
	struct child stranger = child_start();
	uint64_t before;

	read_cells(b);
	before = self(b, F_PLAIN, ABI_SELF_STARTED);
	order(&stranger, 'p', 800);
	child_end(&stranger);
	read_cells(b);
	book(b, F_PLAIN, self(b, F_PLAIN, ABI_SELF_STARTED) == before,
	     "another process of the file is not counted");
}

static void test_recursion(struct bench *b)
{
	order(&b->child, 'r', 50);
	read_cells(b);
	book(b, F_RECURSE,
	     self(b, F_RECURSE, ABI_SELF_STARTED) == 5000 &&
		     self(b, F_RECURSE, ABI_SELF_RETURNED) == 5000,
	     "recursive calls are told apart");
}

static void test_lost_ends(struct bench *b)
{
	uint64_t done, dropped_n;

	order(&b->child, 'l', 400);
	read_cells(b);
	book(b, F_LEAVE,
	     self(b, F_LEAVE, ABI_SELF_STARTED) == 400 &&
		     self(b, F_LEAVE, ABI_SELF_RETURNED) == 300 &&
		     self(b, F_LEAVE, ABI_SELF_CANCELLED) == 100,
	     "a call whose end was skipped counts as cancelled at the next start");
	dropped_n = series_of(b, M_LEAVE_TOTAL, 0, 0).count;
	done = series_of(b, M_LEAVE_TOTAL, 1, 0).count;
	result(done == 300 && dropped_n == 100, "the outcome is a label", "done %lu dropped %lu",
	       done, dropped_n);
}

static void test_labels(struct bench *b)
{
	uint64_t approve_yes, reject_no, approve_unknown, unknown_yes;

	order(&b->child, 'v', 0);
	read_cells(b);
	approve_yes = series_of(b, M_LABEL_TOTAL, 0, 1).count;
	reject_no = series_of(b, M_LABEL_TOTAL, 1, 0).count;
	approve_unknown = series_of(b, M_LABEL_TOTAL, 0, 2).count;
	unknown_yes = series_of(b, M_LABEL_TOTAL, 2, 1).count;
	result(approve_yes == 3 && reject_no == 2 && approve_unknown == 1 && unknown_yes == 1,
	       "labels are read from the program's memory", "%lu %lu %lu %lu", approve_yes,
	       reject_no, approve_unknown, unknown_yes);
	book(b, F_LABEL, self(b, F_LABEL, ABI_SELF_VALUE_FAULT) == 1,
	     "an unreadable label is counted");
}

/* Of a call whose number is missing nothing is counted but that. */
static void missing_are(const struct bench *b, size_t metric, uint64_t unread, uint64_t negative)
{
	uint64_t missing[ABI_MISSING_CELLS];
	_free_ char *name =
		mem_printf("%s says which numbers are missing", b->profile->metrics[metric].name);

	layout_missing(b->layout, b->cells, metric, missing);
	result(missing[ABI_MISSING_UNREAD] == unread && missing[ABI_MISSING_NEGATIVE] == negative,
	       name, "%lu unread, %lu negative", missing[ABI_MISSING_UNREAD],
	       missing[ABI_MISSING_NEGATIVE]);
}

static void test_numbers(struct bench *b)
{
	static const uint64_t want[] = { 1 + 5, 1, 2, 2, 2, 4 };
	struct sum total, histogram, share, vote, unknown, results;
	uint64_t sum = 0, result_sum = 0;

	order(&b->child, 'n', 0);
	read_cells(b);
	for (size_t i = 0; i < ARRAY_SIZE(numbers_given); i++) {
		sum += numbers_given[i];
		result_sum += (uint32_t)(3 * numbers_given[i]);
	}
	total = series_of(b, M_NUMBER_TOTAL, 0, 0);
	result(total.sum == sum && total.sum_overflow == 3, "a sum of numbers is exact beyond 2^64",
	       "%lu + %lu * 2^64, not %lu + 3 * 2^64", total.sum, total.sum_overflow, sum);
	histogram = series_of(b, M_NUMBER, 0, 0);
	result(!memcmp(histogram.buckets, want, sizeof(want)) && histogram.sum == sum &&
		       histogram.sum_overflow == 3 && histogram.count == 17,
	       "a number equal to a bound is in its bucket", "%lu: %lu %lu %lu %lu %lu %lu",
	       histogram.count, histogram.buckets[0], histogram.buckets[1], histogram.buckets[2],
	       histogram.buckets[3], histogram.buckets[4], histogram.buckets[5]);
	missing_are(b, M_NUMBER_TOTAL, 0, 0);
	missing_are(b, M_NUMBER, 0, 0);
	share = series_of(b, M_DELTA_TOTAL, 0, 0);
	vote = series_of(b, M_DELTA_TOTAL, 1, 0);
	unknown = series_of(b, M_DELTA_TOTAL, 2, 0);
	result(share.sum == 7 * ARRAY_SIZE(numbers_given) && vote.sum == 5 && unknown.sum == 6,
	       "numbers are told apart by labels, and none below 0 is added", "%lu %lu %lu",
	       share.sum, vote.sum, unknown.sum);
	missing_are(b, M_DELTA_TOTAL, 1, 2);
	results = series_of(b, M_RESULT_TOTAL, 0, 0);
	result(results.sum == result_sum, "a number is read where the call ends", "%lu, not %lu",
	       results.sum, result_sum);
	book(b, F_NUMBER, self(b, F_NUMBER, ABI_SELF_VALUE_FAULT) == 1,
	     "an unreadable label beside a number is counted");
}

/* Calls within calls, and on eight threads: each has its own numbers. */
static void test_numbers_apart(struct bench *b)
{
	struct sum odd = series_of(b, M_DEPTH_TOTAL, 0, 0),
		   even = series_of(b, M_DEPTH_TOTAL, 1, 0);
	struct sum total = series_of(b, M_NUMBER_TOTAL, 0, 0), now;
	uint64_t n = 10000, each = n * (n - 1) / 2 << 31;

	order(&b->child, 'r', 8);
	read_cells(b);
	odd.sum = series_of(b, M_DEPTH_TOTAL, 0, 0).sum - odd.sum;
	even.sum = series_of(b, M_DEPTH_TOTAL, 1, 0).sum - even.sum;
	result(odd.sum == 1600 && even.sum == 2000, "calls within calls keep their numbers",
	       "%lu %lu", odd.sum, even.sum);
	order(&b->child, 'N', (long)n * THREADS);
	read_cells(b);
	now = series_of(b, M_NUMBER_TOTAL, 0, 0);
	result(now.sum == total.sum + THREADS * each,
	       "numbers of 80,000 calls from 8 threads add up", "%lu, not %lu", now.sum - total.sum,
	       THREADS * each);
	book(b, F_NUMBER, flight(b, F_NUMBER).count == 0, "and none of them stays");
}

static void test_gauges(struct bench *b)
{
	struct sum last, share, vote, unknown, result_last;
	uint64_t from = now_ns(), to;

	read_cells(b);
	last = series_of(b, M_LAST, 0, 0);
	result(last.last_ns == 0, "a gauge that was never set has no series", "%lu", last.last);
	order(&b->child, 's', 0);
	to = now_ns();
	read_cells(b);
	last = series_of(b, M_LAST, 0, 0);
	result(last.last == 8 && !last.negative && last.last_ns > from && last.last_ns < to,
	       "a gauge has the last number and its time", "%lu at %lu", last.last, last.last_ns);
	share = series_of(b, M_DELTA, 0, 0);
	vote = series_of(b, M_DELTA, 1, 0);
	unknown = series_of(b, M_DELTA, 2, 0);
	result(share.last == 3 && !share.negative && vote.negative &&
		       (int64_t)vote.last == INT32_MIN && unknown.last_ns == 0 &&
		       share.last_ns > vote.last_ns,
	       "each series of a gauge has its own, below 0 too", "%ld %ld", (int64_t)share.last,
	       (int64_t)vote.last);
	missing_are(b, M_DELTA, 1, 0);
	result_last = series_of(b, M_RESULT, 0, 0);
	result(result_last.last == 24 && result_last.last_ns > last.last_ns,
	       "a gauge is set to a number of the end, at that time", "%lu", result_last.last);
}

/* The number and the time are those of one call, and of none that a later one had replaced
 * before the reader began. NULL, or what is wrong. */
static const char *last_fault(const struct sum *seen, uint64_t began)
{
	uint64_t t = seen->last >> 32, i = seen->last & 0xffffffff, after;

	if (t >= THREADS || i >= SETS)
		return "a number that nobody gave";
	after = __atomic_load_n(&sets[t][i].after, __ATOMIC_SEQ_CST);
	if (seen->last_ns < sets[t][i].before || (after && seen->last_ns > after))
		return "the time of another call";
	for (t = 0; t < THREADS; t++)
		for (i = 0; i < SETS && sets[t][i].after && sets[t][i].after < began; i++)
			if (sets[t][i].before > seen->last_ns)
				return "an older number";
	return NULL;
}

#define LOOKS_MAX 20000

static void test_gauges_at_once(struct bench *b)
{
	static struct sum seen[LOOKS_MAX];
	static uint64_t began[LOOKS_MAX];
	struct pollfd done = { .fd = b->child.from, .events = POLLIN };
	uint64_t missing[ABI_MISSING_CELLS];
	const char *why = NULL;
	size_t n = 0, faults = 0;

	memset(sets, 0, THREADS * sizeof(*sets));
	begin_order(&b->child, 'S', 0);
	while (poll(&done, 1, 0) == 0 && n < LOOKS_MAX - 1) {
		began[n] = now_ns();
		read_cells(b);
		seen[n] = series_of(b, M_LAST, 0, 0);
		n += began[n] > sets[0][0].before && sets[0][0].after;
		usleep(50);
	}
	await(&b->child);
	began[n] = now_ns();
	read_cells(b);
	seen[n++] = series_of(b, M_LAST, 0, 0);
	for (size_t i = 0; i < n; i++) {
		const char *fault = last_fault(&seen[i], began[i]);

		if (i && seen[i].last_ns < seen[i - 1].last_ns)
			fault = "time goes backwards";
		faults += fault != NULL;
		why = fault ? fault : why;
	}
	result(n > 20 && !faults, "of 8 threads the later one wins, at every look",
	       "%zu looks, %zu %s", n, faults, why ? why : "");
	layout_missing(b->layout, b->cells, M_LAST, missing);
	result(missing[ABI_MISSING_BUSY] == 0, "and none of 80,000 finds no place", "%lu",
	       missing[ABI_MISSING_BUSY]);
	printf("# %zu looks at a gauge\n", n);
}

/* Counted from the moment at which watching began, and below 0 where more end. */
static void test_balance(struct bench *b)
{
	struct sum before = series_of(b, M_BALANCE, 0, 0), now;

	order(&b->child, 'p', 8000);
	order(&b->child, 'a', 0);
	read_cells(b);
	now = series_of(b, M_BALANCE, 0, 0);
	result(now.count - before.count == 8000 && now.down - before.down == 7,
	       "calls of two functions count up and down", "%lu %lu", now.count - before.count,
	       now.down - before.down);
}

static uint64_t of_spans(const struct bench *b, enum abi_span_book which)
{
	return b->cells[b->layout->spans[0].book + which];
}

/* opened = ended + expired + open + lost. */
static bool spans_balanced(struct bench *b)
{
	_free_ struct maps_spans *spans = mem_alloc(sizeof(*spans));
	struct err err = {};

	must(maps_sweep(b->maps, spans, &err), &err);
	read_cells(b);
	return of_spans(b, ABI_SPAN_OPENED) ==
	       of_spans(b, ABI_SPAN_ENDED) + of_spans(b, ABI_SPAN_EXPIRED) +
		       of_spans(b, ABI_SPAN_LOST_FULL) + spans->of[b->node][0].open;
}

static void test_spans(struct bench *b)
{
	struct sum sum;

	order(&b->child, 'k', 0);
	read_cells(b);
	result(of_spans(b, ABI_SPAN_OPENED) == KEYS && spans_balanced(b),
	       "of 8 threads that begin the same spans one opens each",
	       "%lu opened, %lu found no room", of_spans(b, ABI_SPAN_OPENED),
	       of_spans(b, ABI_SPAN_LOST_FULL));
	order(&b->child, 'k', 1);
	read_cells(b);
	sum = series_of(b, M_SPAN, 0, 0);
	result(of_spans(b, ABI_SPAN_ENDED) == KEYS && sum.count == KEYS && sum.buckets[1] == KEYS &&
		       of_spans(b, ABI_SPAN_NO_BEGIN) == 0 && spans_balanced(b),
	       "and one ends it", "%lu ended, %lu observed, %lu without beginning",
	       of_spans(b, ABI_SPAN_ENDED), sum.count, of_spans(b, ABI_SPAN_NO_BEGIN));
	order(&b->child, 'k', 0);
	read_cells(b);
	result(of_spans(b, ABI_SPAN_OPENED) == KEYS &&
		       of_spans(b, ABI_SPAN_LATE) == (uint64_t)KEYS * THREADS,
	       "who comes late opens none", "%lu opened, %lu late", of_spans(b, ABI_SPAN_OPENED),
	       of_spans(b, ABI_SPAN_LATE));
	order(&b->child, 'e', 0);
	read_cells(b);
	result(of_spans(b, ABI_SPAN_OPENED) == KEYS + 2 * ABI_TEXT_MAX &&
		       of_spans(b, ABI_SPAN_ENDED) == KEYS + ABI_TEXT_MAX && spans_balanced(b),
	       "keys of every length are told apart by their last byte", "%lu opened, %lu ended",
	       of_spans(b, ABI_SPAN_OPENED) - KEYS, of_spans(b, ABI_SPAN_ENDED) - KEYS);
	result(of_spans(b, ABI_SPAN_UNREAD_FROM) == 2 + ABI_TEXT_MAX - 1 &&
		       of_spans(b, ABI_SPAN_UNREAD_TO) == 0,
	       "a key that cannot be read, is empty or too long is counted", "%lu and %lu",
	       of_spans(b, ABI_SPAN_UNREAD_FROM), of_spans(b, ABI_SPAN_UNREAD_TO));
}

static void test_results(struct bench *b)
{
	uint64_t failed, five, six, unknown;

	order(&b->child, 'a', 0);
	read_cells(b);
	failed = series_of(b, M_ANSWER_TOTAL, 0, 0).count;
	five = series_of(b, M_ANSWER_TOTAL, 1, 0).count;
	six = series_of(b, M_ANSWER_TOTAL, 2, 0).count;
	unknown = series_of(b, M_ANSWER_TOTAL, 3, 0).count;
	result(failed == 3 && five == 2 && six == 1 && unknown == 1,
	       "results are read through the saved pointer, one test after the other",
	       "%lu %lu %lu %lu", failed, five, six, unknown);
}

static void test_keys(struct bench *b)
{
	order(&b->child, 'i', 20);
	read_cells(b);
	book(b, F_INDIRECT,
	     self(b, F_INDIRECT, ABI_SELF_STARTED) == 20 &&
		     self(b, F_INDIRECT, ABI_SELF_LOST_KEY) == 10 &&
		     self(b, F_INDIRECT, ABI_SELF_RETURNED) == 10 &&
		     self(b, F_INDIRECT, ABI_SELF_NO_START) == 10,
	     "an unreadable identity is counted");
}

static void test_futures(struct bench *b)
{
	struct sum sum;
	struct maps_flight in;

	order(&b->child, 'b', 10);
	usleep(100000);
	in = flight(b, F_FUTURE);
	result(in.count == 10 && in.oldest_ns > 100000000 && in.oldest_ns < 60000000000,
	       "calls in flight have an age", "%u, oldest %lu ns", in.count, in.oldest_ns);
	order(&b->child, 'f', 4);
	order(&b->child, 'd', 10);
	read_cells(b);
	book(b, F_FUTURE,
	     self(b, F_FUTURE, ABI_SELF_RETURNED) == 4 &&
		     self(b, F_FUTURE, ABI_SELF_CANCELLED) == 6 &&
		     self(b, F_FUTURE, ABI_SELF_NO_START) == 0,
	     "drops end only what is in flight, silently");
	sum = series_of(b, M_FUTURE_SECONDS, 0, 0);
	result(sum.count == 4 && sum.sum > 400000000 && sum.last_bucket == 0,
	       "the histogram leaves cancelled calls out", "count %lu, sum %lu ns", sum.count,
	       sum.sum);
}

static void test_full(struct bench *b)
{
	uint64_t full, fits = ABI_IN_FLIGHT_BUCKETS * ABI_BUCKET_CALLS;

	order(&b->child, 'b', FUTURES);
	read_cells(b);
	full = self(b, F_FUTURE, ABI_SELF_LOST_FULL);
	book(b, F_FUTURE,
	     full >= FUTURES - fits && flight(b, F_FUTURE).count + full == FUTURES &&
		     flight(b, F_FUTURE).count > fits * 9 / 10,
	     "a full table loses starts and says so");
	order(&b->child, 'f', FUTURES);
	read_cells(b);
	book(b, F_FUTURE,
	     flight(b, F_FUTURE).count == 0 && self(b, F_FUTURE, ABI_SELF_NO_START) == full,
	     "and empties again, spilled calls too");
	order(&b->child, 'b', 5000);
	read_cells(b);
	book(b, F_FUTURE, self(b, F_FUTURE, ABI_SELF_LOST_FULL) == full,
	     "5,000 calls in flight find their place");
}

static void test_stop(struct bench *b)
{
	struct maps_lost lost = {};
	struct err err = {};
	uint64_t before, last_before;
	struct sum now;

	order(&b->child, 'p', 80);
	order(&b->child, 's', 0);
	order(&b->child, 'k', 0);
	maps_stop_node(b->maps, b->node, &lost);
	result(lost.calls[F_FUTURE] == 5000 && flight(b, F_FUTURE).count == 0,
	       "the calls of a stopped node are forgotten", "%lu", lost.calls[F_FUTURE]);
	result(lost.spans[0] == KEYS && !spans_balanced(b), "and its open spans", "%lu",
	       lost.spans[0]);
	read_cells(b);
	before = series_of(b, M_BALANCE, 0, 0).count;
	last_before = series_of(b, M_LAST, 0, 0).last_ns;
	order(&b->child, 'p', 80);
	must(maps_continue_node(b->maps, b->node, b->child.pid, attach_file(b->attachment), &err),
	     &err);
	order(&b->child, 'b', 5);
	result(flight(b, F_FUTURE).count == 5, "and a node goes on in its cells", "%u",
	       flight(b, F_FUTURE).count);
	order(&b->child, 'd', 5);
	read_cells(b);
	now = series_of(b, M_BALANCE, 0, 0);
	result(before == 80 && now.count == 0 && last_before &&
		       series_of(b, M_LAST, 0, 0).last_ns == 0,
	       "but its gauges begin anew", "%lu, then %lu", before, now.count);
	missing_are(b, M_DELTA, 1, 0);
}

static void test_detach(struct bench *b)
{
	uint64_t before;
	bool alive;

	begin_order(&b->child, 'p', 80000);
	for (int i = 0; i < 5; i++) {
		usleep(20000);
		attach_close(b->attachment);
		attach(b);
	}
	alive = await(&b->child);
	read_cells(b);
	before = self(b, F_PLAIN, ABI_SELF_STARTED);
	result(alive, "probes come and go under load", "the program did not survive");
	attach_close(b->attachment);
	b->attachment = NULL;
	alive = order(&b->child, 'p', 8000);
	read_cells(b);
	result(alive && self(b, F_PLAIN, ABI_SELF_STARTED) == before,
	       "nothing is counted without probes", "%lu more",
	       self(b, F_PLAIN, ABI_SELF_STARTED) - before);
	attach(b);
	order(&b->child, 'p', 800);
	read_cells(b);
	result(self(b, F_PLAIN, ABI_SELF_STARTED) == before + 800, "and counted again with them",
	       "%lu", self(b, F_PLAIN, ABI_SELF_STARTED) - before);
}

/* As when a file is reached by two names: the node belongs to one of them. */
static void test_twice(struct bench *b)
{
	struct attachment *other = NULL;
	struct err err = {};
	uint64_t before;

	must(attach_open(b->maps, &b->kernel, b->exe, b->plan, b->compiled, &other, &err), &err);
	read_cells(b);
	before = self(b, F_PLAIN, ABI_SELF_STARTED);
	order(&b->child, 'p', 800);
	read_cells(b);
	result(self(b, F_PLAIN, ABI_SELF_STARTED) == before + 800,
	       "probes of the same file under another number count nothing", "%lu",
	       self(b, F_PLAIN, ABI_SELF_STARTED) - before);
	attach_close(other);
}

static void test_bytes(struct bench *b)
{
	struct attachment *other = NULL;
	struct err err = {};
	uint8_t was = b->plan->sites[3].bytes[0];
	int r;

	b->plan->sites[3].bytes[0] ^= 1;
	r = attach_open(b->maps, &b->kernel, b->exe, b->plan, b->compiled, &other, &err);
	b->plan->sites[3].bytes[0] = was;
	result(r == -ESTALE && strstr(err.text, "another build"), "another instruction is refused",
	       "%d: %s", r, err.text);
	attach_close(other);
}

static void test_guilty(void)
{
	struct bench b = {};
	const struct attach_refusal *refusals;
	size_t n, on, wanted;

	set_up(&b, true, true);
	on = attach_sites(b.attachment, &wanted);
	refusals = attach_refusals(b.attachment, &n);
	result(on + 1 == wanted && n == 1 && refusals[0].instance == F_HALTS,
	       "one site that cannot be probed is found and left out", "%zu of %zu, %zu refusals",
	       on, wanted, n);
	if (n)
		printf("# %s\n", refusals[0].reason);
	test_labels(&b);
	tear_down(&b);
}

static void test_few(bool multi)
{
	struct bench b = {};

	set_up(&b, multi, false);
	test_counts(&b, 8000, "8,000 calls from 8 threads are 8,000");
	test_filter(&b);
	test_labels(&b);
	test_spans(&b);
	tear_down(&b);
}

/* The deepest frame of a program and of the functions it calls, by the verifier's
 * own word ("stack depth 48+8+0"); -1 when it does not load. */
static int deepest_frame(bool multi, uint32_t pid_ns)
{
	static char log[2][256 * 1024];
	struct call_bpf *skel = call_bpf__open();
	struct bpf_program *programs[2];
	int deepest = -1;

	if (!skel)
		return -1;
	programs[0] = multi ? skel->progs.start_multi : skel->progs.start_perf;
	programs[1] = multi ? skel->progs.end_multi : skel->progs.end_perf;
	skel->rodata->agent_pid_ns = pid_ns;
	bpf_program__set_autoload(skel->progs.start_multi, multi);
	bpf_program__set_autoload(skel->progs.end_multi, multi);
	bpf_program__set_autoload(skel->progs.start_perf, !multi);
	bpf_program__set_autoload(skel->progs.end_perf, !multi);
	for (int i = 0; i < 2; i++) {
		log[i][0] = '\0';
		bpf_program__set_log_level(programs[i], 4); /* statistics only */
		bpf_program__set_log_buf(programs[i], log[i], sizeof(log[i]));
	}
	for (int i = 0, r = call_bpf__load(skel); i < 2 && !r; i++) {
		char *at = strstr(log[i], "stack depth ");

		for (at = at ? at + strlen("stack depth ") : NULL;
		     at && *at >= '0' && *at <= '9';) {
			int frame = (int)strtol(at, &at, 10);

			deepest = frame > deepest ? frame : deepest;
			at += *at == '+';
		}
	}
	call_bpf__destroy(skel);
	return deepest;
}

static void test_frames(void)
{
	int plain_ns = deepest_frame(true, 0), other_ns = deepest_frame(true, 1);
	int perf = deepest_frame(false, 0);

	result(plain_ns >= 0 && plain_ns < 64, "no frame of a program reaches 64 bytes", "%d bytes",
	       plain_ns);
	result(other_ns >= 0 && other_ns < 64, "nor in a pid namespace", "%d bytes", other_ns);
	result(perf >= 0 && perf < 64, "nor for perf events", "%d bytes", perf);
}

static void test_all(void)
{
	struct bench b = {};

	test_frames();
	set_up(&b, true, false);
	test_counts(&b, 1000000, "1,000,000 calls from 8 threads are 1,000,000");
	test_filter(&b);
	test_recursion(&b);
	test_lost_ends(&b);
	test_labels(&b);
	test_results(&b);
	test_numbers(&b);
	test_numbers_apart(&b);
	test_gauges(&b);
	test_gauges_at_once(&b);
	test_balance(&b);
	test_spans(&b);
	test_keys(&b);
	test_futures(&b);
	test_twice(&b);
	test_bytes(&b);
	test_detach(&b);
	tear_down(&b);
	b = (struct bench){};
	set_up(&b, true, false);
	test_full(&b);
	test_stop(&b);
	tear_down(&b);
	test_guilty();
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "all";

	prefix = argc > 2 ? argv[2] : "";
	sets = mmap(NULL, THREADS * sizeof(*sets), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sets == MAP_FAILED)
		return 2;
	if (!strcmp(what, "below") && unshare(CLONE_NEWPID)) {
		printf("skip - %sno pid namespace: %s\n", prefix, strerror(errno));
		return 0;
	}
	if (!strcmp(what, "all"))
		test_all();
	else
		test_few(strcmp(what, "perf") != 0);
	return failures ? 1 : 0;
}
