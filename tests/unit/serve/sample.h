/* SPDX-License-Identifier: BSD-2-Clause */
/* For tests: contents to serve, with everything in them that could go wrong. */
#ifndef TESTS_SERVE_SAMPLE_H
#define TESTS_SERVE_SAMPLE_H

#include <math.h>
#include <string.h>

#include "serve/reply.h"

#define SAMPLE_EVIL "<script>alert('x')</script> & \"quoted\""

/* What the callbacks say, and how often they were asked. */
struct sample {
	bool sick;
	int collect_error;
	size_t n_series; /* how big a scrape is */
	unsigned collected, paged, said;
};

static inline int sample_collect(void *ctx, struct metric_snapshot *out, struct err *err)
{
	struct sample *sample = ctx;
	struct metric_family *family;

	sample->collected++;
	if (sample->collect_error)
		return err_set(err, sample->collect_error, "the maps cannot be read");
	family = snapshot_family(out, "mpc_votes_total", METRIC_COUNTER, "", "Votes.");
	for (size_t i = 0; i < sample->n_series; i++) {
		struct metric_series *series = family_series(family);
		_free_ char *node = mem_printf("%zu", i);

		series_label(series, "node", node);
		series->integral = true;
		series->count = i;
	}
	return 0;
}

static const uint64_t sample_buckets[] = { 0, 100, 0, 1 };
static const double sample_bounds[] = { 0.001, 0.01, 0.1 };

/* Two nodes, of which one ended; two labels, a gauge below 0 and quantiles. */
static inline void sample_values(struct page *out)
{
	static const double approve[] = { 1200, 34 }, reject[] = { 0, 7 };
	struct page_metric *metric = &out->metrics.at[0];
	struct page_row *row = page_row(out, metric);

	memcpy(row->values, approve, sizeof(approve));
	row->all = 1234;
	row->n_labels = 2;
	row->labels[0].name = "result";
	row->labels[0].value = "approve";
	row->labels[1].name = "protocol";
	row->labels[1].value = SAMPLE_EVIL;
	row = page_row(out, metric);
	memcpy(row->values, reject, sizeof(reject));
	row->all = 7;
	row->n_labels = 1;
	row->labels[0].name = "result";
	row->labels[0].value = "reject";
	metric->n_zero = 3;
	metric = VEC_ADD(&out->metrics);
	*metric = (struct page_metric){ .name = "mpc_queue", .type = "gauge", .help = "Q." };
	page_row(out, metric)->values[0] = -5;
	metric = VEC_ADD(&out->metrics);
	*metric = (struct page_metric){
		.name = "mpc_x_seconds", .type = "histogram", .help = "X.", .in_seconds = true
	};
	row = page_row(out, metric);
	row->kind = PAGE_P99;
	row->values[0] = 0.25;
	row->all = INFINITY;
}

static inline void sample_functions(struct page *out)
{
	struct page_function *fn = VEC_ADD(&out->functions);

	fn->name = "threshold_orchestrator::VoteProcessor<A, B::C>::process_vote";
	fn->required = true;
	fn->started = 12345;
	fn->returned = 12340;
	fn->in_flight = 5;
	fn->rate = 12.34;
	for (size_t i = 0; i < 4; i++)
		*VEC_ADD(&fn->buckets) = sample_buckets[i];
	fn->bounds = sample_bounds;
	fn->p50 = 0.00451;
	fn->p99 = INFINITY;
	*VEC_ADD(&fn->instances) = (struct page_instance){
		.where = "poll function",
		.how = "first poll, 1 completion",
		.reads = "vote.approve from key-8:1",
		.state = PLAN_READY,
	};
	*VEC_ADD(&fn->instances) = (struct page_instance){
		.binary = "/opt/node",
		.where = page_text(out, "inlined in %s", SAMPLE_EVIL),
		.state = PLAN_REFUSED,
		.reason = "the bytes differ",
	};
	fn = VEC_ADD(&out->functions);
	fn->name = "dkg::run";
	fn->required = true;
	fn->rate = fn->p50 = fn->p99 = NAN;
	fn->lost = 3;
}

static inline void sample_page(void *ctx, struct page *out)
{
	struct sample *sample = ctx;

	sample->paged++;
	out->agent = "mpc-bpf-agent";
	out->version = "0.1.0";
	*VEC_ADD(&out->profiles) = (struct page_profile){ "wallet", "built-in wallet", NULL };
	*VEC_ADD(&out->profiles) =
		(struct page_profile){ "frost", "built-in frost", "/opt/node<b>" };
	out->host = "node\xff" SAMPLE_EVIL;
	out->since = out->now - 7980;
	sample_functions(out);
	*VEC_ADD(&out->nodes) = (struct page_node){
		.id = "node-1",
		.pid = 4242,
		.exe = "/usr/bin/" SAMPLE_EVIL,
		.since = out->now - 200,
		.in_flight = 5,
	};
	*VEC_ADD(&out->nodes) = (struct page_node){
		.id = "node-2", .pid = 4243, .exe = "/usr/bin/n", .note = "ended"
	};
	*VEC_ADD(&out->metrics) = (struct page_metric){
		.name = "mpc_votes_total",
		.type = "counter",
		.help = "Votes, \\ by\nnode.",
		.n_series = 10,
		.note = "one place is not probed",
	};
	sample_values(out);
}

static inline bool sample_healthy(void *ctx, struct strbuf *why)
{
	struct sample *sample = ctx;

	if (sample->sick)
		strbuf_puts(why, "no node is watched");
	return !sample->sick;
}

static inline void sample_say(void *ctx, bool good, const char *text)
{
	struct sample *sample = ctx;

	(void)good, (void)text;
	sample->said++;
}

static inline struct serve_content sample_content(struct sample *sample)
{
	return (struct serve_content){ sample, sample_collect, sample_page, sample_healthy,
				       sample_say };
}

/* A whole page, as the server would fill it. */
static inline void sample_fill(struct page *page)
{
	struct sample sample = {};

	page->now = 1700000000;
	sample_page(&sample, page);
	page->telemetry_path = "/metrics";
	page->healthy = true;
}

#endif
