/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the landing page and /probes show: plain values, filled anew for each
 * answer. No text in here is owned, except what page_text() keeps; all of it must
 * live until the answer is written (which is before serve_run() returns).
 *
 *	struct page_function *fn = VEC_ADD(&page->functions);
 *	fn->name = "vote::process_vote";
 *	VEC_ADD(&fn->instances)->where = page_text(page, "poll function in %s", binary);
 */
#ifndef SERVE_PAGE_H
#define SERVE_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "symbol/plan.h"

struct page_node {
	const char *id;
	pid_t pid;
	const char *exe;
	double since; /* Unix time at which watching began, 0 when unknown */
	uint64_t in_flight;
	const char *note; /* what is wrong with it, or NULL */
};

struct page_instance {
	const char *binary; /* when there are several, else NULL */
	const char *where, *how;
	const char *reads; /* which values, and from where; NULL when none is */
	enum plan_state state;
	const char *reason; /* NULL when READY */
};

struct page_profile {
	const char *name;
	const char *origin;    /* a path or "built-in NAME" */
	const char *unused_in; /* the executables that use none of its functions, or NULL */
};

struct page_function {
	const char *name;
	bool required;
	uint64_t started, returned, panicked, cancelled, in_flight, lost;
	double rate; /* calls per second lately, NAN when unknown */
	/* upper bound of the bucket that the quantile is in, in seconds; NAN when unknown,
	 * INFINITY above the last bound */
	double p50, p99;
	/* how the latencies are spread: one count for each bound and one for what is above
	 * the last; none where no histogram has them (n 0) */
	VEC(uint64_t) buckets;
	const double *bounds; /* in seconds */
	VEC(struct page_instance) instances;
};

#define PAGE_LABELS_MAX 4

enum page_row_kind { PAGE_VALUE, PAGE_P50, PAGE_P99, PAGE_ROW_KINDS };

/* One line of numbers, one for each node in the order of page->nodes. */
struct page_row {
	struct {
		const char *name, *value;
	} labels[PAGE_LABELS_MAX]; /* of the series; none: of all of them together */
	size_t n_labels;
	enum page_row_kind kind; /* quantiles are upper bounds, as above */
	double *values;          /* owned; NAN: there is none */
	double all;              /* of all nodes together; NAN where that has no meaning */
};

struct page_metric {
	const char *name, *type, *help;
	size_t n_series;
	const char *note; /* what it does not count, or NULL when it is complete */
	bool in_seconds;  /* the unit of its quantiles */
	VEC(struct page_row) rows;
	size_t n_zero; /* series that are 0 on every node and have no row */
};

struct page {
	const char *agent, *version;
	const char *host;  /* where the agent runs, or NULL */
	double now, since; /* Unix time: of these numbers, of the agent's start */
	VEC(struct page_profile) profiles;
	VEC(struct page_node) nodes;
	VEC(struct page_function) functions;
	VEC(struct page_metric) metrics; /* with their values on each node */
	VEC(char *) texts;               /* kept by page_text() */

	/* Filled in by the server. */
	const char *telemetry_path;
	bool healthy;
	const char *why; /* what is wrong when not healthy */
};

/* A row more, with room for the values of all nodes (each NAN), which must be known. */
struct page_row *page_row(const struct page *page, struct page_metric *metric);
/* A text that lives as long as @page. */
const char *page_text(struct page *page, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void page_free(struct page *page);

#define _page_ __attribute__((cleanup(page_free)))

/* READY when all instances are, ABSENT when there is none to be had, REFUSED when
 * none is probed, else PARTIAL. */
enum plan_state page_function_state(const struct page_function *fn);

/* One sentence for each thing that a person should look at. */
struct page_concern {
	char *subject; /* owned */
	char *text;    /* owned */
	bool grave;    /* something that was asked for is not measured at all */
};
struct page_concerns {
	struct page_concern *at;
	size_t n, cap;
};
void page_concerns(const struct page *page, struct page_concerns *out);
void page_concerns_free(struct page_concerns *concerns);

#endif
