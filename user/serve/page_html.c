// SPDX-License-Identifier: BSD-2-Clause
/*
 * The landing page as HTML. Everything that is not written here is escaped; there
 * is no external asset, and links are relative, so that the page also works
 * behind a proxy that puts it below some path.
 */
#include "serve/page_html.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "serve/html.h"
#include "serve/human.h"
#include "serve/page_chart.h"
#include "serve/page_look.h"
#include "serve/page_values.h"

/* ---- text ------------------------------------------------------------------ */

/* A Rust path with its last part in front of the eye: "vote::<b>process_vote</b>".
 * A "::" between angle brackets belongs to a part. Lines break behind a "::" first. */
static void path(struct strbuf *out, const char *value)
{
	size_t len = strlen(value), last = 0;
	int depth = 0;

	strbuf_puts(out, "<code><span class=dim>");
	for (size_t i = 0; i + 1 < len; i++) {
		if (value[i] == '<')
			depth++;
		else if (value[i] == '>' && (!i || value[i - 1] != '-'))
			depth--;
		if (depth || value[i] != ':' || value[i + 1] != ':')
			continue;
		html_escape(out, value + last, i + 2 - last);
		strbuf_puts(out, "<wbr>");
		last = i + 2;
	}
	strbuf_puts(out, "</span><b>");
	html_escape(out, value + last, len - last);
	strbuf_puts(out, "</b></code>");
}

static void badge(struct strbuf *out, enum plan_state state)
{
	static const struct {
		const char *class, *sign;
	} looks[] = {
		[PLAN_READY] = { "ok", "✓" },
		[PLAN_PARTIAL] = { "warn", "◐" },
		[PLAN_REFUSED] = { "bad", "✕" },
		[PLAN_ABSENT] = { "off", "○" },
	};

	strbuf_printf(out, "<span class=\"b %s\">%s %s</span>", looks[state].class,
		      looks[state].sign, plan_state_name(state));
}

/* ---- cells ----------------------------------------------------------------- */

/* A cell with a count; zero recedes, and what should be zero stands out when it is not. */
static void count_cell(struct strbuf *out, const char *label, uint64_t count, bool expect_zero)
{
	const char *class = !count ? "n z" : expect_zero ? "n hot" : "n";

	strbuf_printf(out, "<td class=\"%s\" data-l=\"%s\">", class, label);
	human_count(out, count);
	strbuf_puts(out, "</td>");
}

static void real_cell(struct strbuf *out, const char *label,
		      void (*write)(struct strbuf *out, double value), double value)
{
	strbuf_printf(out, "<td class=\"%s\" data-l=\"%s\">", isnan(value) ? "n z" : "n", label);
	write(out, value);
	strbuf_puts(out, "</td>");
}

/* A cell with a rate that the script draws over time, by @key. */
static void rate_cell(struct strbuf *out, double rate, size_t key)
{
	strbuf_printf(out, "<td class=\"%s\" data-l=rate data-k=f%zu", isnan(rate) ? "n z" : "n",
		      key);
	if (!isnan(rate))
		strbuf_printf(out, " data-v=%.3g", rate);
	strbuf_puts(out, "><span class=v>");
	human_rate(out, rate);
	strbuf_puts(out, "</span></td>");
}

/* Opens a section with its number of rows and the table's head. @id: of the title. */
static void begin_table(struct strbuf *out, const char *id, const char *title, size_t n,
			const char *const *columns, size_t n_columns, size_t first_number)
{
	strbuf_printf(out, "<section aria-labelledby=%s><h2 id=%s>%s <small>%zu</small></h2>", id,
		      id, title, n);
	strbuf_puts(out, "<div class=t><table class=cards><thead><tr>");
	for (size_t i = 0; i < n_columns; i++)
		strbuf_printf(out, "<th scope=col%s>%s</th>", i >= first_number ? " class=n" : "",
			      columns[i]);
	strbuf_puts(out, "</tr></thead>\n");
}

static void end_table(struct strbuf *out)
{
	strbuf_puts(out, "</table></div></section>\n");
}

/* ---- sections -------------------------------------------------------------- */

static void concerns(struct strbuf *out, const struct page *page)
{
	_cleanup_(page_concerns_free) struct page_concerns list = {};

	page_concerns(page, &list);
	if (!list.n)
		return;
	strbuf_printf(out,
		      "<section aria-labelledby=look><h2 id=look>To look at <small>%zu</small></h2>"
		      "<ul class=look>\n",
		      list.n);
	for (int grave = 1; grave >= 0; grave--) {
		for (size_t i = 0; i < list.n; i++) {
			if (list.at[i].grave != (bool)grave)
				continue;
			strbuf_puts(out, grave ? "<li class=grave>" : "<li>");
			path(out, list.at[i].subject);
			html_tagged(out, " — ", list.at[i].text, "</li>\n");
		}
	}
	strbuf_puts(out, "</ul></section>\n");
}

static void tile(struct strbuf *out, const char *name, uint64_t count, const char *of,
		 bool expect_zero)
{
	strbuf_printf(out, "<div><dt>%s</dt><dd%s>", name,
		      expect_zero && count ? " class=hot" : "");
	human_count(out, count);
	if (of)
		html_tagged(out, " <small>", of, "</small>");
	strbuf_puts(out, "</dd></div>");
}

static void rate_tile(struct strbuf *out, double rate)
{
	strbuf_puts(out, "<div><dt>calls begun</dt><dd data-k=all");
	if (!isnan(rate))
		strbuf_printf(out, " data-v=%.3g", rate);
	strbuf_puts(out, ">");
	human_rate(out, rate);
	strbuf_puts(out, "</dd></div>");
}

static void tiles(struct strbuf *out, const struct page *page)
{
	uint64_t ready = 0, in_flight = 0, lost = 0, started = 0, watched = 0;
	char of_functions[32], of_nodes[32];
	double rate = NAN;

	for (size_t i = 0; i < page->functions.n; i++) {
		const struct page_function *fn = &page->functions.at[i];

		ready += page_function_state(fn) == PLAN_READY;
		in_flight += fn->in_flight;
		started += fn->started;
		lost += fn->lost;
		if (!isnan(fn->rate))
			rate = (isnan(rate) ? 0 : rate) + fn->rate;
	}
	for (size_t i = 0; i < page->nodes.n; i++)
		watched += !page->nodes.at[i].note;
	snprintf(of_functions, sizeof(of_functions), "of %zu", page->functions.n);
	snprintf(of_nodes, sizeof(of_nodes), "of %zu", page->nodes.n);
	strbuf_puts(out, "<dl class=tiles>");
	tile(out, "nodes watched", watched, watched < page->nodes.n ? of_nodes : NULL, false);
	tile(out, "functions ready", ready, of_functions, false);
	rate_tile(out, rate);
	tile(out, "calls seen", started, NULL, false);
	tile(out, "calls in flight", in_flight, NULL, false);
	tile(out, "calls lost", lost, NULL, true);
	strbuf_puts(out, "</dl>\n");
}

static void node_state(struct strbuf *out, const struct page_node *node)
{
	if (node->note)
		html_tagged(out, "<td data-l=state><span class=\"b bad\">✕ not counted</span> ",
			    node->note, "</td>");
	else
		strbuf_puts(out, "<td data-l=state><span class=\"b ok\">✓ watched</span></td>");
}

static void nodes(struct strbuf *out, const struct page *page)
{
	static const char *const columns[] = { "node", "state",       "program",
					       "pid",  "watched for", "in flight" };

	begin_table(out, "nodes", "Nodes", page->nodes.n, columns, ARRAY_SIZE(columns), 3);
	strbuf_puts(out, "<tbody>");
	for (size_t i = 0; i < page->nodes.n; i++) {
		const struct page_node *node = &page->nodes.at[i];

		html_tagged(out, "<tr><th scope=row><b>", node->id, "</b></th>");
		node_state(out, node);
		html_tagged(out, "<td class=wide data-l=\"program\"><code>", node->exe,
			    "</code></td>");
		strbuf_printf(out, "<td class=n data-l=\"pid\">%d</td>", (int)node->pid);
		real_cell(out, "watched for", human_age,
			  node->since > 0 ? page->now - node->since : NAN);
		count_cell(out, "in flight", node->in_flight, false);
		strbuf_puts(out, "</tr>\n");
	}
	strbuf_puts(out, "</tbody>");
	end_table(out);
}

static void instance(struct strbuf *out, const struct page_instance *it)
{
	strbuf_puts(out, "<li>");
	badge(out, it->state);
	html_tagged(out, " <code>", it->where, "</code>");
	if (it->how)
		html_tagged(out, " <span class=dim>", it->how, "</span>");
	if (it->reads)
		html_tagged(out, "<span class=dim>, reads ", it->reads, "</span>");
	if (it->binary)
		html_tagged(out, " <span class=dim>in ", it->binary, "</span>");
	if (it->reason)
		html_tagged(out, "<span class=why>", it->reason, "</span>");
	strbuf_puts(out, "</li>");
}

static void instances(struct strbuf *out, const struct page_function *fn, size_t index)
{
	strbuf_printf(out,
		      "<tr class=more><td colspan=11><details id=f%zu><summary>%zu place%s in the "
		      "program%s</summary><ul>",
		      index, fn->instances.n, fn->instances.n == 1 ? "" : "s",
		      fn->required ? ", required by the profile" : "");
	for (size_t i = 0; i < fn->instances.n; i++)
		instance(out, &fn->instances.at[i]);
	strbuf_puts(out, "</ul></details></td></tr>");
}

static void function(struct strbuf *out, const struct page_function *fn, size_t index)
{
	strbuf_puts(out, "<tbody><tr><th scope=row>");
	path(out, fn->name);
	strbuf_puts(out, " ");
	badge(out, page_function_state(fn));
	strbuf_puts(out, "</th>");
	rate_cell(out, fn->rate, index);
	strbuf_puts(out, isnan(fn->p50) ? "<td class=\"n z\" data-l=latency>" :
					  "<td class=n data-l=latency>");
	page_chart_latencies(out, fn);
	strbuf_puts(out, "</td>");
	real_cell(out, "p50", human_latency, fn->p50);
	real_cell(out, "p99", human_latency, fn->p99);
	count_cell(out, "in flight", fn->in_flight, false);
	count_cell(out, "started", fn->started, false);
	count_cell(out, "returned", fn->returned, false);
	count_cell(out, "panicked", fn->panicked, true);
	count_cell(out, "cancelled", fn->cancelled, false);
	count_cell(out, "lost", fn->lost, true);
	strbuf_puts(out, "</tr>\n");
	if (fn->instances.n)
		instances(out, fn, index);
	strbuf_puts(out, "</tbody>\n");
}

static void functions(struct strbuf *out, const struct page *page)
{
	static const char *const columns[] = { "function", "rate",      "latency", "p50 ≤",
					       "p99 ≤",    "in flight", "started", "returned",
					       "panicked", "cancelled", "lost" };

	begin_table(out, "functions", "Functions", page->functions.n, columns, ARRAY_SIZE(columns),
		    1);
	for (size_t i = 0; i < page->functions.n; i++)
		function(out, &page->functions.at[i], i);
	end_table(out);
}

static void metrics(struct strbuf *out, const struct page *page)
{
	static const char *const columns[] = { "metric", "meaning", "type", "series" };

	begin_table(out, "metrics", "Metrics", page->metrics.n, columns, ARRAY_SIZE(columns), 3);
	strbuf_puts(out, "<tbody>");
	for (size_t i = 0; i < page->metrics.n; i++) {
		const struct page_metric *metric = &page->metrics.at[i];

		strbuf_puts(out, "<tr><th scope=row><code>");
		html_name(out, metric->name);
		strbuf_puts(out, "</code></th>");
		html_tagged(out, "<td class=wide>", metric->help, "");
		if (metric->note)
			html_tagged(out, " <span class=\"b warn\">incomplete</span> ", metric->note,
				    "");
		html_tagged(out, "</td><td data-l=\"type\">", metric->type, "</td>");
		count_cell(out, "series", metric->n_series, false);
		strbuf_puts(out, "</tr>\n");
	}
	strbuf_puts(out, "</tbody>");
	end_table(out);
}

/* ---- document -------------------------------------------------------------- */

static void head(struct strbuf *out, const struct page *page, const char *nonce)
{
	strbuf_puts(out, "<!doctype html>\n<html lang=en><head><meta charset=utf-8>"
			 "<meta name=viewport content=\"width=device-width,initial-scale=1\">"
			 "<meta name=color-scheme content=\"light dark\">");
	html_tagged(out, page->healthy ? "<title>" : "<title>⚠ ", page->agent, "");
	html_tagged(out, page->host ? " on " : "", page->host, "</title>");
	strbuf_puts(out, "<link rel=icon href=\"data:,\">"
			 "<noscript><meta http-equiv=refresh content=5></noscript>");
	strbuf_printf(out, "<style nonce=\"%s\">%s</style></head>\n", nonce, PAGE_STYLE);
}

static void header(struct strbuf *out, const struct page *page)
{
	const char *telemetry = page->telemetry_path ? page->telemetry_path : "/metrics";

	html_tagged(out, "<body><div id=stale role=status hidden></div><header><h1>", page->agent,
		    "");
	html_tagged(out, " <small>", page->version, "</small></h1>");
	html_tagged(out, "<nav aria-label=\"the same for machines\"><a href=\"",
		    telemetry + (*telemetry == '/'), "\">metrics</a>");
	strbuf_puts(out, "<a href=\"probes\">probes as JSON</a>"
			 "<a href=\"healthz\">health</a></nav></header>\n");
}

static void status(struct strbuf *out, const struct page *page)
{
	strbuf_printf(out, "<p class=meta><i class=pulse></i><span class=\"b %s</span> ",
		      page->healthy ? "ok\">✓ healthy" : "bad\">✕ not healthy");
	if (page->host)
		html_tagged(out, " on <b>", page->host, "</b> ·");
	strbuf_puts(out, page->profiles.n == 1 ? " profile" : " profiles");
	for (size_t i = 0; i < page->profiles.n; i++) {
		const struct page_profile *profile = &page->profiles.at[i];

		html_tagged(out, i ? ", <b>" : " <b>", profile->origin, "</b>");
		if (profile->unused_in)
			html_tagged(out, " (not in ", profile->unused_in, ")");
	}
	if (page->since > 0) {
		strbuf_puts(out, " · running for ");
		human_age(out, page->now - page->since);
	}
	strbuf_puts(out, "</p>\n");
}

void page_html(const struct page *page, const char *nonce, struct strbuf *out)
{
	head(out, page, nonce);
	header(out, page);
	strbuf_puts(out, "<main id=live>\n");
	status(out, page);
	tiles(out, page);
	concerns(out, page);
	page_values(out, page);
	functions(out, page);
	nodes(out, page);
	metrics(out, page);
	strbuf_puts(out, "</main>\n<footer>Counts are since watching began; latencies are upper "
			 "bounds of their buckets. The numbers renew themselves every two seconds."
			 "</footer>\n");
	strbuf_printf(out, "<script nonce=\"%s\">%s</script>\n</body></html>\n", nonce,
		      PAGE_SCRIPT);
}
