// SPDX-License-Identifier: BSD-2-Clause
/* Bars, and the same in words for who does not see them. */
#include "serve/page_chart.h"

#include <inttypes.h>
#include <math.h>

#include "serve/human.h"

#define BAR 5 /* units wide, with a gap of one */
#define HEIGHT 20
#define BARS_MIN 6 /* few bars stay as narrow as many */

struct range {
	size_t first, end; /* buckets that have something, and all between */
	uint64_t all, most;
};

static struct range find_range(const struct page_function *fn)
{
	struct range range = {};

	for (size_t i = 0; i < fn->buckets.n; i++) {
		uint64_t n = fn->buckets.at[i];

		if (n && !range.all)
			range.first = i;
		if (n)
			range.end = i + 1;
		range.all += n;
		range.most = n > range.most ? n : range.most;
	}
	return range;
}

static void bound(struct strbuf *out, const struct page_function *fn, size_t bucket)
{
	human_latency(out, bucket + 1 < fn->buckets.n ? fn->bounds[bucket] : INFINITY);
}

/* A bucket with one call among a million is still seen. */
static unsigned height(uint64_t n, uint64_t most)
{
	double h = (double)n / (double)most * HEIGHT;

	return n && h < 1 ? 1 : (unsigned)lround(h);
}

void page_chart_latencies(struct strbuf *out, const struct page_function *fn)
{
	struct range range = find_range(fn);
	size_t n = range.end - range.first;

	if (!range.all) {
		strbuf_puts(out, HUMAN_UNKNOWN);
		return;
	}
	strbuf_printf(out,
		      "<svg class=bars role=img viewBox=\"0 0 %zu %d\" width=%zu height=%d "
		      "aria-label=\"%" PRIu64 " calls, ",
		      (n < BARS_MIN ? BARS_MIN : n) * (BAR + 1), HEIGHT,
		      (n < BARS_MIN ? BARS_MIN : n) * (BAR + 1), HEIGHT, range.all);
	strbuf_puts(out, "from at most ");
	bound(out, fn, range.first);
	strbuf_puts(out, " to at most ");
	bound(out, fn, range.end - 1);
	strbuf_puts(out, "\">");
	for (size_t i = 0; i < n; i++) {
		uint64_t calls = fn->buckets.at[range.first + i];
		unsigned h = height(calls, range.most);

		strbuf_printf(out, "<rect x=%zu y=%u width=%d height=%u><title>%" PRIu64 " up to ",
			      i * (BAR + 1), HEIGHT - h, BAR, h, calls);
		bound(out, fn, range.first + i);
		strbuf_puts(out, "</title></rect>");
	}
	strbuf_puts(out, "</svg>");
}
