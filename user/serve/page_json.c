// SPDX-License-Identifier: BSD-2-Clause
/* The landing page's rows as JSON. A library would need a tree first; this is one pass. */
#include "serve/page_json.h"

#include <inttypes.h>
#include <math.h>

#include "metric/number.h"
#include "metric/utf8.h"

/* Writes members of objects and arrays; @out ends in '{' or '[' where a comma is not due. */
static void comma(struct strbuf *out)
{
	char last = out->len ? out->text[out->len - 1] : '[';

	if (last != '{' && last != '[')
		strbuf_putc(out, ',');
}

static void string(struct strbuf *out, const char *text)
{
	if (!text) {
		strbuf_puts(out, "null");
		return;
	}
	strbuf_putc(out, '"');
	for (size_t n; *text; text += n ? n : 1) {
		n = utf8_char(text);
		if (!n)
			strbuf_puts(out, UTF8_REPLACEMENT);
		else if ((unsigned char)*text < 0x20)
			strbuf_printf(out, "\\u%04x", *text);
		else if (*text == '"' || *text == '\\')
			strbuf_printf(out, "\\%c", *text);
		else
			strbuf_add(out, text, n);
	}
	strbuf_putc(out, '"');
}

static void key(struct strbuf *out, const char *name)
{
	comma(out);
	strbuf_printf(out, "\"%s\":", name);
}

static void member(struct strbuf *out, const char *name, const char *text)
{
	key(out, name);
	string(out, text);
}

static void count(struct strbuf *out, const char *name, uint64_t value)
{
	key(out, name);
	strbuf_printf(out, "%" PRIu64, value);
}

static void flag(struct strbuf *out, const char *name, bool value)
{
	key(out, name);
	strbuf_puts(out, value ? "true" : "false");
}

static void real(struct strbuf *out, const char *name, double value)
{
	key(out, name);
	if (isfinite(value))
		number_write(out, value, NUMBER_PLAIN);
	else
		strbuf_puts(out, "null");
}

/* Unix time in milliseconds' precision; an exponent would be hard to read. */
static void moment(struct strbuf *out, const char *name, double value)
{
	int64_t ms = isfinite(value) ? (int64_t)llround(value * 1000) : 0;

	key(out, name);
	if (ms > 0)
		strbuf_printf(out, "%" PRId64 ".%03d", ms / 1000, (int)(ms % 1000));
	else
		strbuf_puts(out, "null");
}

static void begin(struct strbuf *out, const char *name, char bracket)
{
	if (name)
		key(out, name);
	else
		comma(out);
	strbuf_putc(out, bracket);
}

static void profile(struct strbuf *out, const struct page_profile *it)
{
	begin(out, NULL, '{');
	member(out, "name", it->name);
	member(out, "origin", it->origin);
	member(out, "unused_in", it->unused_in);
	strbuf_putc(out, '}');
}

static void node(struct strbuf *out, const struct page_node *it)
{
	begin(out, NULL, '{');
	member(out, "id", it->id);
	count(out, "pid", (uint64_t)it->pid);
	member(out, "exe", it->exe);
	moment(out, "since", it->since);
	count(out, "in_flight", it->in_flight);
	member(out, "note", it->note);
	strbuf_putc(out, '}');
}

static void instance(struct strbuf *out, const struct page_instance *it)
{
	begin(out, NULL, '{');
	member(out, "binary", it->binary);
	member(out, "where", it->where);
	member(out, "how", it->how);
	member(out, "reads", it->reads);
	member(out, "state", plan_state_name(it->state));
	member(out, "reason", it->reason);
	strbuf_putc(out, '}');
}

static void latencies(struct strbuf *out, const struct page_function *fn)
{
	begin(out, "latencies", '[');
	for (size_t i = 0; i < fn->buckets.n; i++) {
		begin(out, NULL, '{');
		real(out, "up_to_seconds", i + 1 < fn->buckets.n ? fn->bounds[i] : INFINITY);
		count(out, "calls", fn->buckets.at[i]);
		strbuf_putc(out, '}');
	}
	strbuf_putc(out, ']');
}

static void function(struct strbuf *out, const struct page_function *fn)
{
	begin(out, NULL, '{');
	member(out, "name", fn->name);
	member(out, "state", plan_state_name(page_function_state(fn)));
	flag(out, "required", fn->required);
	count(out, "started", fn->started);
	count(out, "returned", fn->returned);
	count(out, "panicked", fn->panicked);
	count(out, "cancelled", fn->cancelled);
	count(out, "in_flight", fn->in_flight);
	count(out, "lost", fn->lost);
	real(out, "calls_per_second", fn->rate);
	real(out, "p50_seconds", fn->p50);
	real(out, "p99_seconds", fn->p99);
	latencies(out, fn);
	begin(out, "instances", '[');
	for (size_t i = 0; i < fn->instances.n; i++)
		instance(out, &fn->instances.at[i]);
	strbuf_puts(out, "]}");
}

/* In an array what has no name is a value. */
static void item(struct strbuf *out, double value)
{
	comma(out);
	if (isfinite(value))
		number_write(out, value, NUMBER_PLAIN);
	else
		strbuf_puts(out, "null");
}

static void row(struct strbuf *out, const struct page_row *it, size_t n_nodes)
{
	static const char *const kinds[PAGE_ROW_KINDS] = { "value", "p50", "p99" };

	begin(out, NULL, '{');
	member(out, "of", kinds[it->kind]);
	begin(out, "labels", '{');
	for (size_t i = 0; i < it->n_labels; i++)
		member(out, it->labels[i].name, it->labels[i].value);
	strbuf_putc(out, '}');
	begin(out, "nodes", '[');
	for (size_t i = 0; i < n_nodes; i++)
		item(out, it->values[i]);
	strbuf_putc(out, ']');
	real(out, "all", it->all);
	strbuf_putc(out, '}');
}

static void metric(struct strbuf *out, const struct page_metric *it, size_t n_nodes)
{
	begin(out, NULL, '{');
	member(out, "name", it->name);
	member(out, "type", it->type);
	member(out, "help", it->help);
	count(out, "series", it->n_series);
	member(out, "note", it->note);
	begin(out, "rows", '[');
	for (size_t i = 0; i < it->rows.n; i++)
		row(out, &it->rows.at[i], n_nodes);
	strbuf_putc(out, ']');
	count(out, "series_at_zero", it->n_zero);
	strbuf_putc(out, '}');
}

void page_json(const struct page *page, struct strbuf *out)
{
	strbuf_putc(out, '{');
	member(out, "agent", page->agent);
	member(out, "version", page->version);
	member(out, "host", page->host);
	moment(out, "now", page->now);
	moment(out, "since", page->since);
	flag(out, "healthy", page->healthy);
	member(out, "why", page->healthy ? NULL : page->why);
	begin(out, "profiles", '[');
	for (size_t i = 0; i < page->profiles.n; i++)
		profile(out, &page->profiles.at[i]);
	strbuf_putc(out, ']');
	begin(out, "functions", '[');
	for (size_t i = 0; i < page->functions.n; i++)
		function(out, &page->functions.at[i]);
	strbuf_putc(out, ']');
	begin(out, "nodes", '[');
	for (size_t i = 0; i < page->nodes.n; i++)
		node(out, &page->nodes.at[i]);
	strbuf_putc(out, ']');
	begin(out, "metrics", '[');
	for (size_t i = 0; i < page->metrics.n; i++)
		metric(out, &page->metrics.at[i], page->nodes.n);
	strbuf_puts(out, "]}\n");
}
