// SPDX-License-Identifier: BSD-2-Clause
/*
 * No name of a metric is known here: a metric has one line for what its series come
 * to together, and below it one for each series that is not 0 everywhere.
 */
#include "serve/page_values.h"

#include <math.h>
#include <stdio.h>

#include "serve/html.h"
#include "serve/human.h"

/* A number of calls, or what a gauge stands at, which may be below 0. */
static void write_number(struct strbuf *out, double value)
{
	if (isnan(value)) {
		strbuf_puts(out, HUMAN_UNKNOWN);
	} else if (fabs(value) >= 1e15 || value != floor(value)) {
		strbuf_printf(out, "%.6g", value);
	} else {
		if (value < 0)
			strbuf_puts(out, "−");
		human_count(out, (uint64_t)fabs(value));
	}
}

static void cell(struct strbuf *out, const struct page_metric *metric, enum page_row_kind kind,
		 double value, bool all)
{
	bool nothing = isnan(value) || (kind == PAGE_VALUE && value == 0);

	strbuf_printf(out, "<td class=\"n%s%s\">", all ? " all" : "", nothing ? " z" : "");
	if (isinf(value))
		strbuf_puts(out, "off scale");
	else if (kind != PAGE_VALUE && metric->in_seconds)
		human_latency(out, value);
	else
		write_number(out, value);
	strbuf_puts(out, "</td>");
}

static void cells(struct strbuf *out, const struct page *page, const struct page_metric *metric,
		  enum page_row_kind kind, const double *values, double all)
{
	for (size_t i = 0; i < page->nodes.n; i++)
		cell(out, metric, kind, values[i], false);
	cell(out, metric, kind, all, true);
	strbuf_puts(out, "</tr>\n");
}

/* The only row of a metric without labels, or NULL. */
static const struct page_row *only_row(const struct page_metric *metric)
{
	for (size_t r = 0; r < metric->rows.n; r++)
		if (metric->rows.at[r].kind == PAGE_VALUE && !metric->rows.at[r].n_labels)
			return &metric->rows.at[r];
	return NULL;
}

/* The series added up, or NAN where that has no meaning. */
static double sum_of(const struct page_metric *metric, size_t node)
{
	double sum = 0;

	for (size_t r = 0; r < metric->rows.n; r++) {
		const struct page_row *row = &metric->rows.at[r];

		if (row->kind == PAGE_VALUE)
			sum += isnan(row->all) ? NAN : row->values[node];
	}
	return sum;
}

static void head_row(struct strbuf *out, const struct page *page, const struct page_metric *metric)
{
	_free_ double *sums = mem_array(page->nodes.n, sizeof(*sums));
	const struct page_row *only = only_row(metric);
	double all = 0;

	for (size_t i = 0; i < page->nodes.n; i++) {
		sums[i] = sum_of(metric, i);
		all += sums[i];
	}
	strbuf_puts(out, "<tbody><tr class=g><th scope=rowgroup><code>");
	html_name(out, metric->name);
	strbuf_puts(out, "</code>");
	if (metric->n_zero)
		strbuf_printf(out, " <small>%zu at 0</small>", metric->n_zero);
	strbuf_puts(out, "</th>");
	cells(out, page, metric, PAGE_VALUE, only ? only->values : sums, only ? only->all : all);
}

static void row_name(struct strbuf *out, const struct page_row *row)
{
	static const char *const quantiles[PAGE_ROW_KINDS] = { "", "p50 ≤", "p99 ≤" };

	strbuf_puts(out, "<tr><th scope=row class=sub>");
	for (size_t i = 0; i < row->n_labels; i++) {
		html_tagged(out, i ? ", <span class=dim>" : "<span class=dim>", row->labels[i].name,
			    "</span> ");
		html_tagged(out, "", row->labels[i].value, "");
	}
	strbuf_puts(out, quantiles[row->kind]);
	strbuf_puts(out, "</th>");
}

/* One series without labels is the line of the metric itself. */
static void metric_rows(struct strbuf *out, const struct page *page,
			const struct page_metric *metric)
{
	head_row(out, page, metric);
	for (size_t r = 0; r < metric->rows.n; r++) {
		const struct page_row *row = &metric->rows.at[r];

		if (row->kind == PAGE_VALUE && !row->n_labels)
			continue;
		row_name(out, row);
		cells(out, page, metric, row->kind, row->values, row->all);
	}
	strbuf_puts(out, "</tbody>\n");
}

void page_values(struct strbuf *out, const struct page *page)
{
	if (!page->nodes.n || !page->metrics.n)
		return;
	strbuf_puts(
		out,
		"<section aria-labelledby=values><h2 id=values>What the nodes count "
		"<small>since each is watched</small></h2>"
		"<div class=\"t scroll\" id=grid tabindex=0 role=region "
		"aria-labelledby=values><table class=grid><thead><tr><th scope=col>metric</th>");
	for (size_t i = 0; i < page->nodes.n; i++)
		html_tagged(out, "<th scope=col class=n><small>node</small> <b>",
			    page->nodes.at[i].id, "</b></th>");
	strbuf_puts(out, "<th scope=col class=\"n all\">all</th></tr></thead>\n");
	for (size_t m = 0; m < page->metrics.n; m++) {
		const struct page_metric *metric = &page->metrics.at[m];

		if (metric->rows.n || metric->n_zero) /* without: not known here, which is not 0 */
			metric_rows(out, page, metric);
	}
	strbuf_puts(out, "</table></div></section>\n");
}
