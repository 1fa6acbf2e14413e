// SPDX-License-Identifier: BSD-2-Clause
/* The book of each metric of spans: what became of those that were opened. */
#include "cmd/collect.h"

struct book {
	const struct node *node;
	const struct profile_metric *metric;
	const uint64_t *cells; /* ABI_SPAN_CELLS */
	const struct maps_span *open;
	uint64_t ended_with_process, probes_off;
};

static struct metric_series *add(struct metric_snapshot *out, const struct book *b,
				 const char *name, enum metric_type type, const char *unit,
				 const char *help)
{
	struct metric_series *s = family_series(snapshot_family(out, name, type, unit, help));

	series_label(s, "node_id", b->node->id);
	series_label(s, "metric", b->metric->name);
	if (type == METRIC_COUNTER)
		s->created = b->node->since;
	return s;
}

static void add_counter(struct metric_snapshot *out, const struct book *b, const char *name,
			const char *help, const char *label, const char *value, uint64_t n)
{
	struct metric_series *s = add(out, b, name, METRIC_COUNTER, "", help);

	if (label)
		series_label(s, label, value);
	s->integral = true;
	s->count = n;
}

static void add_lost(struct metric_snapshot *out, const struct book *b)
{
	static const char lost[] = "mpc_bpf_agent_spans_lost_total";
	static const char help[] =
		"Spans whose end cannot be seen, by reason: there was no room for their key, the "
		"process ended first, or its executable was changed and has no probes.";

	add_counter(out, b, lost, help, "reason", "table_full", b->cells[ABI_SPAN_LOST_FULL]);
	add_counter(out, b, lost, help, "reason", "process_ended", b->ended_with_process);
	add_counter(out, b, lost, help, "reason", "probes_off", b->probes_off);
}

static void add_unread(struct metric_snapshot *out, const struct book *b)
{
	static const char unread[] = "mpc_bpf_agent_spans_keys_unread_total";
	static const char help[] =
		"Calls that should have begun or ended a span and whose key could not be read, or "
		"is an empty text or one of more than 128 bytes.";

	add_counter(out, b, unread, help, "side", "from", b->cells[ABI_SPAN_UNREAD_FROM]);
	add_counter(out, b, unread, help, "side", "to", b->cells[ABI_SPAN_UNREAD_TO]);
}

static void add_book(struct metric_snapshot *out, const struct book *b)
{
	struct metric_series *s;

	add_counter(out, b, "mpc_bpf_agent_spans_opened_total",
		    "Spans that were begun. opened = ended + expired + open + lost.", NULL, NULL,
		    b->cells[ABI_SPAN_OPENED]);
	add_counter(out, b, "mpc_bpf_agent_spans_ended_total",
		    "Spans that were ended in time: those that the metric has.", NULL, NULL,
		    b->cells[ABI_SPAN_ENDED]);
	add_counter(out, b, "mpc_bpf_agent_spans_expired_total",
		    "Spans that were not ended within the time that the profile gives them.", NULL,
		    NULL, b->cells[ABI_SPAN_EXPIRED]);
	add_lost(out, b);
	s = add(out, b, "mpc_bpf_agent_spans_open", METRIC_GAUGE, "",
		"Spans that were begun and not ended.");
	s->integral = true;
	s->count = b->open->open;
	add(out, b, "mpc_bpf_agent_spans_open_oldest_seconds", METRIC_GAUGE, "seconds",
	    "Age of the oldest open span, 0 while there is none.")
		->value = (double)b->open->oldest_ns / 1e9;
	add_counter(out, b, "mpc_bpf_agent_spans_ends_without_beginning_total",
		    "Ends of spans whose beginning is not known: it was before watching began, its "
		    "span had expired or found no room, or the key is another.",
		    NULL, NULL, b->cells[ABI_SPAN_NO_BEGIN]);
	add_counter(out, b, "mpc_bpf_agent_spans_late_total",
		    "Beginnings of spans that had ended shortly before and opened none.", NULL,
		    NULL, b->cells[ABI_SPAN_LATE]);
	add_unread(out, b);
}

void collect_spans(struct agent *agent, uint64_t *const *cells, const struct maps_spans *spans,
		   struct metric_snapshot *out)
{
	for (size_t s = 0; s < agent->layout->n_spans; s++) {
		const struct layout_span *span = &agent->layout->spans[s];

		for (size_t i = 0; i < agent->nodes.n; i++) {
			const struct node *node = agent->nodes.at[i];
			struct book b = {
				.node = node,
				.metric = &agent->profile->metrics[span->metric],
				.cells = cells[i] + span->book,
				.open = &spans->of[node->slot][s],
				.ended_with_process = node->lost[LOST_PROCESS_ENDED].spans[s],
				.probes_off = node->lost[LOST_PROBES_OFF].spans[s],
			};

			add_book(out, &b);
		}
	}
}
