// SPDX-License-Identifier: BSD-2-Clause
/*
 * The two formats differ in less than their specifications suggest: OpenMetrics
 * names a counter's family without its _total and an info's without its _info,
 * knows UNIT and _created, writes a bucket bound as a float ("1.0"; Go exporters
 * write "1" in the text format) and ends in "# EOF".
 *
 * A family without series is declared all the same: promtool and Prometheus
 * accept it, and a person who reads /metrics sees that it exists.
 */
#include "metric/expose.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "metric/accept.h"
#include "metric/number.h"
#include "metric/utf8.h"

struct writer {
	struct strbuf *out;
	bool openmetrics;
	const struct metric_family *family;
	size_t n_base; /* length of the family's name as this format declares it */
};

static bool ends_with(const char *text, size_t len, const char *tail)
{
	size_t n = strlen(tail);

	return len >= n && !memcmp(text + len - n, tail, n);
}

/* ---- text ------------------------------------------------------------------ */

/* Backslash and newline are escaped everywhere, the quote where the format says so. */
static void write_escaped(struct strbuf *out, const char *text, bool quotes)
{
	while (*text) {
		size_t n = utf8_char(text);

		if (!n) {
			strbuf_puts(out, UTF8_REPLACEMENT);
			n = 1;
		} else if (*text == '\n') {
			strbuf_puts(out, "\\n");
		} else {
			if (*text == '\\' || (*text == '"' && quotes))
				strbuf_putc(out, '\\');
			strbuf_add(out, text, n);
		}
		text += n;
	}
}

/* Writes "{a="b",le="0.5"}", or nothing when there are no labels. */
static void write_labels(struct writer *w, const struct metric_series *series, const double *le)
{
	char before = '{';

	for (size_t i = 0; i < series->n_labels; i++, before = ',') {
		strbuf_putc(w->out, before);
		strbuf_puts(w->out, series->labels[i].name);
		strbuf_puts(w->out, "=\"");
		write_escaped(w->out, series->labels[i].value, true);
		strbuf_putc(w->out, '"');
	}
	if (le) {
		strbuf_putc(w->out, before);
		strbuf_puts(w->out, "le=\"");
		number_write(w->out, *le, w->openmetrics ? NUMBER_FLOAT : NUMBER_PLAIN);
		strbuf_puts(w->out, "\"");
		before = ',';
	}
	if (before == ',')
		strbuf_putc(w->out, '}');
}

/* ---- samples --------------------------------------------------------------- */

/* The start of a sample's line: its name and labels. The value follows. */
static void begin_sample(struct writer *w, const char *suffix, const struct metric_series *series,
			 const double *le)
{
	strbuf_add(w->out, w->family->name, w->n_base);
	strbuf_puts(w->out, suffix);
	write_labels(w, series, le);
	strbuf_putc(w->out, ' ');
}

static void write_integer(struct writer *w, const char *suffix, const struct metric_series *series,
			  const double *le, uint64_t value)
{
	begin_sample(w, suffix, series, le);
	strbuf_printf(w->out, "%" PRIu64 "\n", value);
}

/* A gauge below 0. */
static void write_negative(struct writer *w, const struct metric_series *series)
{
	begin_sample(w, "", series, NULL);
	strbuf_printf(w->out, "-%" PRIu64 "\n", series->count);
}

static void write_real(struct writer *w, const char *suffix, const struct metric_series *series,
		       double value)
{
	begin_sample(w, suffix, series, NULL);
	number_write(w->out, value, NUMBER_PLAIN);
	strbuf_putc(w->out, '\n');
}

/* Milliseconds are all that a person or a rate needs, and 1.7e+09 would say less. */
static void write_created(struct writer *w, const struct metric_series *series)
{
	uint64_t ms;

	if (!w->openmetrics || !(series->created > 0))
		return;
	ms = (uint64_t)llround(series->created * 1000);
	begin_sample(w, "_created", series, NULL);
	strbuf_printf(w->out, "%" PRIu64 ".%03u\n", ms / 1000, (unsigned)(ms % 1000));
}

/* Readers require the +Inf bucket and _count to be equal, so both are the sum
 * of the buckets; `count` only serves a series that has none. */
static void write_histogram(struct writer *w, const struct metric_series *series)
{
	const double infinite = INFINITY;
	uint64_t total = 0;

	for (size_t i = 0; series->buckets && i < series->n_bounds; i++) {
		total += series->buckets[i];
		write_integer(w, "_bucket", series, &series->bounds[i], total);
	}
	total = series->buckets ? total + series->buckets[series->n_bounds] : series->count;
	write_integer(w, "_bucket", series, &infinite, total);
	if (series->integral)
		write_integer(w, "_sum", series, NULL, series->sum);
	else
		write_real(w, "_sum", series, series->value);
	write_integer(w, "_count", series, NULL, total);
	write_created(w, series);
}

static void write_series(struct writer *w, const struct metric_series *series)
{
	const char *suffix = "";

	switch (w->family->type) {
	case METRIC_HISTOGRAM:
		write_histogram(w, series);
		return;
	case METRIC_INFO:
		write_integer(w, w->openmetrics ? "_info" : "", series, NULL, 1);
		return;
	case METRIC_COUNTER:
		suffix = w->openmetrics ? "_total" : "";
		break;
	case METRIC_GAUGE:
		break;
	}
	if (series->integral && series->negative)
		write_negative(w, series);
	else if (series->integral)
		write_integer(w, suffix, series, NULL, series->count);
	else
		write_real(w, suffix, series, series->value);
	if (w->family->type == METRIC_COUNTER)
		write_created(w, series);
}

/* ---- families -------------------------------------------------------------- */

static const char *type_name(const struct writer *w)
{
	switch (w->family->type) {
	case METRIC_COUNTER:
		return "counter";
	case METRIC_GAUGE:
		return "gauge";
	case METRIC_HISTOGRAM:
		return "histogram";
	case METRIC_INFO:
		return w->openmetrics ? "info" : "gauge";
	}
	return "unknown";
}

/* The length of the name without the suffix that OpenMetrics leaves to the sample. */
static size_t base_length(const struct metric_family *family)
{
	size_t len = strlen(family->name);
	const char *tail = family->type == METRIC_COUNTER ? "_total" :
			   family->type == METRIC_INFO    ? "_info" :
							    NULL;

	return tail && ends_with(family->name, len, tail) ? len - strlen(tail) : len;
}

/* UNIT may only be said where the name ends in it; an info has none. */
static bool has_unit(const struct writer *w)
{
	const char *unit = w->family->unit;
	size_t n = unit ? strlen(unit) : 0;

	return n && w->openmetrics && w->family->type != METRIC_INFO && w->n_base > n &&
	       ends_with(w->family->name, w->n_base, unit) &&
	       w->family->name[w->n_base - n - 1] == '_';
}

static void begin_descriptor(struct writer *w, const char *keyword)
{
	strbuf_puts(w->out, keyword);
	strbuf_add(w->out, w->family->name, w->n_base);
	strbuf_putc(w->out, ' ');
}

static void write_descriptors(struct writer *w)
{
	if (w->family->help && *w->family->help) {
		begin_descriptor(w, "# HELP ");
		write_escaped(w->out, w->family->help, w->openmetrics);
		strbuf_putc(w->out, '\n');
	}
	begin_descriptor(w, "# TYPE ");
	strbuf_puts(w->out, type_name(w));
	strbuf_putc(w->out, '\n');
	if (has_unit(w)) {
		begin_descriptor(w, "# UNIT ");
		strbuf_puts(w->out, w->family->unit);
		strbuf_putc(w->out, '\n');
	}
}

void expose_write(const struct metric_snapshot *snap, enum expose_format format, struct strbuf *out)
{
	struct writer w = { .out = out, .openmetrics = format == EXPOSE_OPENMETRICS };

	for (size_t i = 0; i < snap->n; i++) {
		w.family = &snap->families[i];
		w.n_base = w.openmetrics ? base_length(w.family) : strlen(w.family->name);
		write_descriptors(&w);
		for (size_t j = 0; j < w.family->n; j++)
			write_series(&w, &w.family->series[j]);
	}
	if (w.openmetrics)
		strbuf_puts(out, "# EOF\n");
}

/* ---- negotiation ----------------------------------------------------------- */

/* How much the client wants one of our formats, by the most specific item about it. */
struct wish {
	unsigned q, specific;
};

static void hear(struct wish *wish, const struct accept_item *item, unsigned specific)
{
	if (specific > wish->specific)
		*wish = (struct wish){ item->q, specific };
	else if (specific == wish->specific && item->q > wish->q)
		wish->q = item->q;
}

/* An item that names the format; another version of it is another format. Other
 * parameters do not matter to us: charset is utf-8 anyway, and names of ours need
 * none of the escaping that Prometheus 3 offers. */
static void hear_format(struct wish *wish, const struct accept_item *item, const char *version)
{
	const char *asked;
	size_t n;

	if (!accept_param(item, "version", &asked, &n))
		hear(wish, item, 3);
	else if (n == strlen(version) && !memcmp(asked, version, n))
		hear(wish, item, 4);
}

enum expose_format expose_negotiate(const char *accept)
{
	struct wish text = {}, openmetrics = {};
	struct accept_item item;

	while (accept && accept_next(&accept, &item)) {
		if (accept_is(&item, "application/openmetrics-text")) {
			hear_format(&openmetrics, &item, "1.0.0");
		} else if (accept_is(&item, "text/plain")) {
			hear_format(&text, &item, "0.0.4");
		} else if (accept_is(&item, "application/*")) {
			hear(&openmetrics, &item, 2);
		} else if (accept_is(&item, "text/*")) {
			hear(&text, &item, 2);
		} else if (accept_is(&item, "*/*")) {
			hear(&openmetrics, &item, 1);
			hear(&text, &item, 1);
		}
	}
	if (openmetrics.q > text.q ||
	    (openmetrics.q && openmetrics.q == text.q && openmetrics.specific > text.specific))
		return EXPOSE_OPENMETRICS;
	return EXPOSE_TEXT;
}

const char *expose_content_type(enum expose_format format)
{
	return format == EXPOSE_OPENMETRICS ?
		       "application/openmetrics-text; version=1.0.0; charset=utf-8" :
		       "text/plain; version=0.0.4; charset=utf-8";
}
