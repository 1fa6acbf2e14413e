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

static inline void sample_functions(struct page *out)
{
	struct page_function *fn = VEC_ADD(&out->functions);

	fn->name = "threshold_orchestrator::VoteProcessor<A, B::C>::process_vote";
	fn->required = true;
	fn->started = 12345;
	fn->returned = 12340;
	fn->in_flight = 5;
	fn->rate = 12.34;
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
	out->profile = "built-in wallet";
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
	*VEC_ADD(&out->metrics) = (struct page_metric){
		.name = "mpc_votes_total",
		.type = "counter",
		.help = "Votes, \\ by\nnode.",
		.n_series = 10,
		.note = "one place is not probed",
	};
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
