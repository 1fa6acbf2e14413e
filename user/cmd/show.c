// SPDX-License-Identifier: BSD-2-Clause
/* Fills the landing page. */
#include "cmd/show.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "serve/human.h"
#include "symbol/reads.h"

static void show_nodes(struct agent *agent, const struct maps_flights *flights, struct page *page)
{
	for (size_t i = 0; i < agent->nodes.n; i++) {
		const struct node *n = agent->nodes.at[i];
		struct page_node *row = VEC_ADD(&page->nodes);

		row->id = n->id;
		row->pid = n->tgid;
		row->exe = n->binary->path;
		row->since = n->since;
		row->note = n->unprobed ? "runs, but is not counted: its executable was changed" :
			    n->ended    ? "ended" :
					  n->binary->trouble;
		for (size_t f = 0; f < agent->profile->n_funcs; f++)
			row->in_flight += flights->of[n->slot][f].count;
	}
}

static const char *reads(const struct plan *plan, size_t row, struct page *page)
{
	_strbuf_ struct strbuf text = {};

	reads_write(plan, (unsigned)row, &text);
	return text.len ? page_text(page, "%s", text.text) : NULL;
}

static void show_instances(const struct agent *agent, size_t f, struct page_function *fn,
			   struct page *page)
{
	const char *function = agent->profile->funcs[f].name;

	for (size_t b = 0; b < agent->binaries.n; b++) {
		const struct binary *bin = agent->binaries.at[b];
		const struct plan *plan = bin->plan;

		for (size_t r = 0; plan && r < plan->n_rows; r++) {
			const struct plan_row *row = &plan->rows[r];
			struct page_instance *in;

			if (strcmp(plan->funcs[row->func].name, function) != 0 ||
			    !plan_shows(plan, agent->profile, f))
				continue;
			in = VEC_ADD(&fn->instances);
			in->binary = agent->binaries.n > 1 ? bin->path : NULL;
			in->where = row->where;
			in->how = row->how;
			in->reads = reads(plan, r, page);
			in->state = row->state;
			in->reason = row->reason;
		}
	}
}

/* --- quantiles: from the histogram of the profile that this function feeds -------------- */

struct merged {
	const struct profile_metric *metric;
	const struct profile_source *source;
	uint64_t buckets[PROFILE_BOUNDS_MAX + 1];
};

static void merge_series(const struct layout_series *series, void *arg)
{
	struct merged *m = arg;

	/* of a metric that several functions feed, only what this one feeds */
	for (size_t l = 0; l < m->metric->n_labels; l++)
		if (m->source->labels[l].constant && series->label[l] != m->source->labels[l].index)
			return;
	for (size_t i = 0; i < ARRAY_SIZE(m->buckets); i++)
		m->buckets[i] += series->buckets[i];
}

double show_quantile(const struct profile_metric *metric, const uint64_t *buckets, double q)
{
	double all = 0, below = 0;

	for (size_t i = 0; i <= metric->n_bounds; i++)
		all += (double)buckets[i];
	if (all <= 0)
		return NAN;
	for (size_t i = 0; i < metric->n_bounds; i++) {
		below += (double)buckets[i];
		if (below >= q * all)
			return metric->bounds[i];
	}
	return INFINITY;
}

static const struct profile_source *source_of(const struct profile_metric *metric, size_t func)
{
	for (size_t s = 0; s < metric->n_sources; s++)
		if (metric->sources[s].func == func)
			return &metric->sources[s];
	return NULL;
}

static void show_quantiles(const struct agent *agent, uint64_t *const *cells, size_t func,
			   struct page_function *fn)
{
	for (size_t m = 0; m < agent->profile->n_metrics; m++) {
		const struct profile_metric *metric = &agent->profile->metrics[m];
		struct merged merged = { metric, source_of(metric, func), {} };

		if (metric->type != PROFILE_HISTOGRAM || metric->is_of_numbers ||
		    metric->is_of_spans || !merged.source)
			continue;
		for (size_t i = 0; i < agent->nodes.n; i++)
			layout_series(agent->layout, cells[i], m, merge_series, &merged);
		fn->p50 = show_quantile(metric, merged.buckets, 0.5);
		fn->p99 = show_quantile(metric, merged.buckets, 0.99);
		fn->bounds = metric->bounds;
		for (size_t i = 0; i <= metric->n_bounds; i++)
			*VEC_ADD(&fn->buckets) = merged.buckets[i];
		return;
	}
}

/* Counts of less than a second ago say little: keep the last rate until there are newer. */
static double rate_of(struct rate *rate, double now, uint64_t started)
{
	double seconds = now - rate->at;

	if (rate->at > 0 && seconds >= 1)
		rate->value = (double)(started - rate->started) / seconds;
	if (rate->at > 0 && seconds < 1)
		return rate->value;
	if (rate->at == 0)
		rate->value = NAN;
	rate->at = now;
	rate->started = started;
	return rate->value;
}

/* Whether any executable may have it; where there is none yet, all is shown. */
static bool is_shown(const struct agent *agent, size_t f)
{
	bool any = false;

	for (size_t b = 0; b < agent->binaries.n; b++) {
		if (!agent->binaries.at[b]->ours)
			continue;
		if (plan_shows(agent->binaries.at[b]->plan, agent->profile, f))
			return true;
		any = true;
	}
	return !any;
}

static bool is_metric_shown(const struct agent *agent, const struct profile_metric *metric)
{
	for (size_t s = 0; s < metric->n_sources; s++)
		if (is_shown(agent, metric->sources[s].func))
			return true;
	return metric->fact;
}

/* Which executables use none of it, as words; NULL where all use it. */
static const char *unused_in(const struct agent *agent, unsigned part, struct page *page)
{
	_strbuf_ struct strbuf text = {};

	for (size_t b = 0; b < agent->binaries.n; b++) {
		const struct binary *bin = agent->binaries.at[b];

		if (bin->ours && !plan_uses(bin->plan, agent->profile, part))
			strbuf_printf(&text, "%s%s", text.len ? ", " : "", bin->path);
	}
	return text.len ? page_text(page, "%s", text.text) : NULL;
}

static void show_profiles(const struct agent *agent, struct page *page)
{
	for (unsigned part = 0; part < agent->profile->n_parts; part++) {
		struct page_profile *row = VEC_ADD(&page->profiles);

		row->name = agent->profile->parts[part].name;
		row->origin = agent->profile->parts[part].origin;
		row->unused_in = unused_in(agent, part, page);
	}
}

static void show_function(struct agent *agent, uint64_t *const *cells,
			  const struct maps_flights *flights, size_t f, struct page *page)
{
	struct page_function *fn = VEC_ADD(&page->functions);

	fn->name = agent->profile->funcs[f].name;
	fn->required = agent->profile->funcs[f].required;
	fn->p50 = fn->p99 = fn->rate = NAN;
	for (size_t i = 0; i < agent->nodes.n; i++) {
		const struct node *n = agent->nodes.at[i];
		const uint64_t *self = cells[i] + f * ABI_SELF_CELLS;

		fn->started += self[ABI_SELF_STARTED];
		fn->returned += self[ABI_SELF_RETURNED];
		fn->panicked += self[ABI_SELF_PANICKED];
		fn->cancelled += self[ABI_SELF_CANCELLED];
		fn->in_flight += flights->of[n->slot][f].count;
		fn->lost += self[ABI_SELF_LOST_FULL] + n->lost[LOST_PROCESS_ENDED].calls[f] +
			    n->lost[LOST_PROBES_OFF].calls[f];
	}
	fn->rate = rate_of(&agent->rates[f], page->now, fn->started);
	show_quantiles(agent, cells, f, fn);
	show_instances(agent, f, fn, page);
}

static const char *incomplete(const struct agent *agent, const struct profile_metric *metric,
			      struct page *page)
{
	for (size_t s = 0; s < metric->n_sources; s++) {
		const char *name = agent->profile->funcs[metric->sources[s].func].name;

		for (size_t b = 0; b < agent->binaries.n; b++) {
			const struct plan *plan = agent->binaries.at[b]->plan;

			for (size_t r = 0; plan && r < plan->n_rows; r++)
				if (plan->rows[r].state == PLAN_REFUSED &&
				    strcmp(plan->funcs[plan->rows[r].func].name, name) == 0)
					return page_text(page, "calls of %s %s are not seen: %s",
							 name, plan->rows[r].where,
							 plan->rows[r].reason);
		}
	}
	return NULL;
}

/* A metric of numbers that lacks some. */
static const char *lacking(const struct agent *agent, uint64_t *const *cells, size_t m,
			   struct page *page)
{
	bool gauge = agent->profile->metrics[m].type == PROFILE_GAUGE;
	uint64_t n = 0;

	for (size_t i = 0; i < agent->nodes.n; i++) {
		uint64_t missing[ABI_MISSING_CELLS];

		layout_missing(agent->layout, cells[i], m, missing);
		for (size_t r = 0; r < ABI_MISSING_CELLS; r++)
			n += r == ABI_MISSING_OTHER ? 0 : missing[r]; /* which is no fault */
	}
	return n ? page_text(page, "%llu calls are not in it: their number could not be read%s",
			     (unsigned long long)n,
			     gauge ? ", or many wrote at once" : ", or was below 0") :
		   NULL;
}

static void say_some(struct strbuf *text, uint64_t n, const char *what)
{
	if (n)
		strbuf_printf(text, "%s%llu %s", text->len ? "; " : "", (unsigned long long)n,
			      what);
}

/* A metric of spans of which some have no place in it. */
static const char *unfinished(const struct agent *agent, uint64_t *const *cells, size_t m,
			      struct page *page)
{
	size_t span = layout_span(agent->layout, m);
	uint64_t full = 0, expired = 0, no_begin = 0, unread = 0;
	_strbuf_ struct strbuf text = {};

	if (span == agent->layout->n_spans)
		return NULL;
	for (size_t i = 0; i < agent->nodes.n; i++) {
		const uint64_t *book = cells[i] + agent->layout->spans[span].book;

		full += book[ABI_SPAN_LOST_FULL];
		expired += book[ABI_SPAN_EXPIRED];
		no_begin += book[ABI_SPAN_NO_BEGIN];
		unread += book[ABI_SPAN_UNREAD_FROM] + book[ABI_SPAN_UNREAD_TO];
	}
	say_some(&text, full, "spans found no room");
	say_some(&text, unread, "calls had no key that could be read");
	say_some(&text, expired, "spans were not ended in time");
	say_some(&text, no_begin, "ends had no beginning");
	return text.len ? page_text(page, "%s", text.text) : NULL;
}

struct stale {
	const struct profile_metric *metric;
	uint64_t now_ns, last_ns;
	size_t n;
};

static void find_stale(const struct layout_series *series, void *arg)
{
	struct stale *stale = arg;

	if (!layout_stale(stale->metric, series, stale->now_ns))
		return;
	stale->n++;
	if (series->last_ns > stale->last_ns)
		stale->last_ns = series->last_ns;
}

/* A gauge that was set, and not for too long: since when. */
static const char *staleness(const struct agent *agent, uint64_t *const *cells, size_t m,
			     struct page *page)
{
	struct stale stale = { .metric = &agent->profile->metrics[m],
			       .now_ns = agent_monotonic_ns() };
	_strbuf_ struct strbuf age = {};

	if (stale.metric->type != PROFILE_GAUGE || !stale.metric->is_of_numbers)
		return NULL;
	for (size_t i = 0; i < agent->nodes.n; i++)
		if (!agent->nodes.at[i]->ended)
			layout_series(agent->layout, cells[i], m, find_stale, &stale);
	if (!stale.n)
		return NULL;
	human_age(&age, (double)(stale.now_ns - stale.last_ns) / 1e9);
	return page_text(page, "%zu series stale and not shown: the latest was set %s ago", stale.n,
			 age.text);
}

/* What of a fact of the kernel's is not known here, and why. */
static const char *unheard(const struct agent *agent, const struct net_view *view,
			   const struct profile_metric *metric, struct page *page)
{
	unsigned lacks = net_lacks(metric, view->hooks);
	struct net_row rows[NET_ROWS_MAX];
	_strbuf_ struct strbuf text = {};
	size_t n;

	if (!agent->net)
		return page_text(page, "not known: %s", agent->net_trouble);
	n = net_rows(agent->net, rows, NET_ROWS_MAX);
	for (size_t i = 0; i < n; i++)
		if (lacks & 1u << i && !rows[i].waits)
			strbuf_printf(&text, "%s%s: %s",
				      text.len ? "; " : "not known: ", rows[i].what,
				      rows[i].reason);
	return text.len ? page_text(page, "%s", text.text) : NULL;
}

static void count_one(const struct net_series *series, void *arg)
{
	(void)series;
	++*(size_t *)arg;
}

static void show_fact(const struct agent *agent, const struct net_view *view,
		      const struct profile_metric *metric, struct page_metric *row,
		      struct page *page)
{
	if (agent->net && metric->fact->host)
		net_series(view, 0, metric, count_one, &row->n_series);
	for (size_t i = 0; agent->net && !metric->fact->host && i < agent->nodes.n; i++)
		net_series(view, agent->nodes.at[i]->slot, metric, count_one, &row->n_series);
	row->note = unheard(agent, view, metric, page);
}

static void show_metrics(const struct agent *agent, uint64_t *const *cells, struct page *page)
{
	struct net_view view = {};

	if (agent->net)
		net_look(agent->net, &view);
	for (size_t m = 0; m < agent->profile->n_metrics; m++) {
		const struct profile_metric *metric = &agent->profile->metrics[m];
		struct page_metric *row;

		if (!is_metric_shown(agent, metric))
			continue;
		row = VEC_ADD(&page->metrics);
		row->name = metric->name;
		row->type = profile_metric_type_name(metric->type);
		row->help = metric->help;
		if (metric->fact) {
			show_fact(agent, &view, metric, row, page);
			continue;
		}
		row->n_series = agent->nodes.n;
		for (size_t l = 0; l < metric->n_labels; l++)
			row->n_series *= metric->labels[l].n_values;
		row->note = incomplete(agent, metric, page);
		if (!row->note)
			row->note = lacking(agent, cells, m, page);
		if (!row->note)
			row->note = unfinished(agent, cells, m, page);
		if (!row->note)
			row->note = staleness(agent, cells, m, page);
		show_values(agent, cells, m, page, row);
	}
	net_view_free(&view);
}

void show_page(struct agent *agent, struct page *page)
{
	uint64_t **cells = agent_read_cells(agent);
	_free_ struct maps_flights *flights = mem_alloc(sizeof(*flights));
	struct utsname host;

	maps_read_flights(agent->maps, flights);
	page->agent = "mpc-bpf-agent";
	page->version = AGENT_VERSION;
	page->host = uname(&host) == 0 ? page_text(page, "%s", host.nodename) : NULL;
	page->since = agent->started;
	show_profiles(agent, page);
	show_nodes(agent, flights, page);
	for (size_t f = 0; f < agent->profile->n_funcs; f++)
		if (is_shown(agent, f))
			show_function(agent, cells, flights, f, page);
	show_metrics(agent, cells, page);
	agent_free_cells(agent, cells);
}

bool show_healthy(const struct agent *agent, struct strbuf *why)
{
	for (size_t b = 0; b < agent->binaries.n; b++) {
		const struct binary *bin = agent->binaries.at[b];

		if (!bin->ours || !bin->trouble)
			continue;
		strbuf_puts(why, bin->trouble);
		return false;
	}
	return true;
}
