// SPDX-License-Identifier: BSD-2-Clause
#include "probe/net_view.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "probe/net_names.h"

#define HOOK(name) (1u << NET_##name)
#define TCP_HOOKS (HOOK(STATE) | HOOK(DESTROY) | HOOK(SEGMENT))
#define HANDSHAKE_HOOKS                                                    \
	(HOOK(HANDSHAKE) | HOOK(HANDSHAKE_UNASKED) | HOOK(HANDSHAKE_END) | \
	 HOOK(HANDSHAKE_CANCELLED))
#define OF_HOST (HANDSHAKE_HOOKS | HOOK(ALERT_SENT) | HOOK(ALERT_RECEIVED) | HOOK(BAD_CHECKSUM))
/* Whose a socket is, and all that TCP's and UDP's numbers are made of. */
#define OF_SOCKETS (TCP_HOOKS | HOOK(READ) | HOOK(RETRANSMIT) | HOOK(SEND) | HOOK(RECEIVE))

/* A cell that counts for a fact under these labels; less those of @less. */
struct cell {
	enum fact_id fact;
	unsigned hooks; /* without one of them it would say too little */
	uint8_t cell, less;
	const char *direction, *protocol;
};

#define NOTHING 0xff

static const struct cell cells[] = {
	{ FACT_BYTES, TCP_HOOKS, ABI_NET_TCP_SENT_BYTES, ABI_NET_TCP_RETRANSMITTED_BYTES, "sent",
	  "tcp" },
	{ FACT_BYTES, TCP_HOOKS, ABI_NET_TCP_RECEIVED_BYTES, NOTHING, "received", "tcp" },
	{ FACT_BYTES, HOOK(SEND), ABI_NET_UDP_SENT_BYTES, NOTHING, "sent", "udp" },
	{ FACT_BYTES, HOOK(RECEIVE), ABI_NET_UDP_RECEIVED_BYTES, NOTHING, "received", "udp" },
	{ FACT_PACKETS, TCP_HOOKS, ABI_NET_TCP_SENT, NOTHING, "sent", "tcp" },
	{ FACT_PACKETS, TCP_HOOKS, ABI_NET_TCP_RECEIVED, NOTHING, "received", "tcp" },
	{ FACT_PACKETS, HOOK(SEND), ABI_NET_UDP_SENT, NOTHING, "sent", "udp" },
	{ FACT_PACKETS, HOOK(RECEIVE), ABI_NET_UDP_RECEIVED, NOTHING, "received", "udp" },
	{ FACT_RETRANSMITS, TCP_HOOKS, ABI_NET_TCP_RETRANSMITS, NOTHING, NULL, NULL },
	{ FACT_RETRANSMITTED_BYTES, TCP_HOOKS, ABI_NET_TCP_RETRANSMITTED_BYTES, NOTHING, NULL,
	  NULL },
	{ FACT_CONNECTIONS, HOOK(STATE) | HOOK(DESTROY), ABI_NET_CONNECTS, NOTHING, "out", NULL },
	{ FACT_CONNECTIONS, HOOK(STATE) | HOOK(DESTROY), ABI_NET_ACCEPTS, NOTHING, "in", NULL },
	{ FACT_RESETS, HOOK(RESET_SENT), ABI_NET_RESETS_SENT, NOTHING, "sent", NULL },
	{ FACT_RESETS, HOOK(RESET_RECEIVED), ABI_NET_RESETS_RECEIVED, NOTHING, "received", NULL },
};

/* A histogram, or what is counted by a number. */
struct other {
	enum fact_id fact;
	unsigned hooks;
	int which;
};

static const struct other histograms[] = {
	{ FACT_RTT, TCP_HOOKS, ABI_NET_RTT },
	{ FACT_DURATION, HOOK(STATE) | HOOK(DESTROY), ABI_NET_DURATION },
};

static const struct other numbers[] = {
	{ FACT_CONNECT_FAILURES, HOOK(STATE) | HOOK(DESTROY), ABI_NET_CONNECT_FAILURE },
	{ FACT_ERRORS, HOOK(ERROR), ABI_NET_ERROR },
	{ FACT_DROPS, HOOK(DROP), ABI_NET_DROP },
	{ FACT_QUEUE_FAILURES, HOOK(UDP_QUEUE), ABI_NET_QUEUE_FAILURE },
	{ FACT_KTLS_HANDSHAKES, HANDSHAKE_HOOKS, ABI_NET_KTLS_HANDSHAKE },
	{ FACT_KTLS_ALERTS, HOOK(ALERT_SENT) | HOOK(ALERT_RECEIVED), ABI_NET_KTLS_ALERT },
	{ FACT_KTLS_OFFLOADS, HOOK(TLS_OFFLOAD), ABI_NET_KTLS_OFFLOAD },
	{ FACT_KTLS_RECORDS, HOOK(TLS_RECORD), ABI_NET_KTLS_RECORD },
	{ FACT_KTLS_RESYNCS, HOOK(TLS_RESYNC_OUT) | HOOK(TLS_RESYNC_IN), ABI_NET_KTLS_RESYNC },
};

static const char *const states[NET_STATES] = {
	NULL,     "established", "syn_sent", "syn_recv", "fin_wait1", "fin_wait2", NULL,
	"closed", "close_wait",  "last_ack", "listen",   "closing",   NULL,
};

/* Series of one metric while they are put together. */
struct gather {
	const struct net_view *view;
	unsigned node;
	const struct profile_metric *metric;
	unsigned labels; /* that series are split by */
	VEC(struct net_series) list;
};

void net_view_free(struct net_view *view)
{
	free(view->cells);
	free(view->named);
	*view = (struct net_view){};
}

static const uint64_t *block(const struct gather *g, size_t peer)
{
	return g->view->cells + ((size_t)g->node * (g->view->n_peers + 1) + peer) * ABI_NET_CELLS;
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* The series of these labels, of which those that are not asked for do not count. */
static struct net_series *series_of(struct gather *g, const char *const label[FACT_LABELS])
{
	struct net_series *s;

	for (size_t i = 0; i < g->list.n; i++) {
		bool is = true;

		for (size_t l = 0; l < FACT_LABELS; l++)
			is &= !(g->labels & 1u << l) || same(g->list.at[i].label[l], label[l]);
		if (is)
			return &g->list.at[i];
	}
	s = VEC_ADD(&g->list);
	for (size_t l = 0; l < FACT_LABELS; l++)
		s->label[l] = g->labels & 1u << l ? label[l] : NULL;
	return s;
}

static const char *peer_name(const struct net_view *view, size_t peer)
{
	return peer == ABI_NET_OTHER || peer > view->n_peers ? "other" : view->peers[peer - 1].name;
}

static void gather_cell(struct gather *g, const struct cell *cell)
{
	for (size_t p = 0; p <= g->view->n_peers; p++) {
		const char *label[FACT_LABELS] = { [FACT_LABEL_DIRECTION] = cell->direction,
						   [FACT_LABEL_PROTOCOL] = cell->protocol,
						   [FACT_LABEL_PEER] = peer_name(g->view, p) };
		const uint64_t *at = block(g, p);

		series_of(g, label)->count +=
			at[cell->cell] - (cell->less == NOTHING ? 0 : at[cell->less]);
	}
}

static void add_histogram(const struct gather *g, const uint64_t *cells_at, struct net_series *s)
{
	for (size_t i = 0; i <= g->metric->n_bounds; i++) {
		s->buckets[i] += cells_at[i];
		s->count += cells_at[i];
	}
	s->sum += cells_at[ABI_NET_SUM];
}

static void gather_histogram(struct gather *g, int which)
{
	for (size_t p = 0; p <= g->view->n_peers; p++) {
		const char *label[FACT_LABELS] = { [FACT_LABEL_PEER] = peer_name(g->view, p) };
		const uint64_t *at =
			block(g, p) + ABI_NET_HISTOGRAMS_AT + which * ABI_NET_HISTOGRAM_CELLS;

		add_histogram(g, at, series_of(g, label));
	}
}

static void gather_handshakes(struct gather *g)
{
	const char *label[FACT_LABELS] = {};

	add_histogram(g, g->view->handshakes, series_of(g, label));
}

static void gather_checksums(struct gather *g)
{
	const char *label[FACT_LABELS] = {};

	series_of(g, label)->count += g->view->self[ABI_NET_BAD_CHECKSUMS];
}

static const char *reason_name(const struct net_view *view, uint32_t code)
{
	return code < view->n_reasons && view->reasons[code] ? view->reasons[code] : "unknown";
}

/* What the number says that it was counted by. */
static void name_code(const struct net_view *view, const struct abi_net_named *key,
		      const char *label[FACT_LABELS])
{
	uint32_t first = ABI_NET_FIRST(key->code), second = ABI_NET_SECOND(key->code);

	switch ((enum abi_net_what)key->what) {
	case ABI_NET_CONNECT_FAILURE:
		label[FACT_LABEL_ERROR] = key->code ? net_error_name(key->code) : "closed";
		break;
	case ABI_NET_ERROR:
	case ABI_NET_QUEUE_FAILURE:
		label[FACT_LABEL_ERROR] = net_error_name(key->code);
		break;
	case ABI_NET_DROP:
		label[FACT_LABEL_REASON] = reason_name(view, key->code);
		break;
	case ABI_NET_KTLS_HANDSHAKE:
		label[FACT_LABEL_ROLE] = net_role_name(first);
		label[FACT_LABEL_RESULT] = net_result_name(second);
		break;
	case ABI_NET_KTLS_ALERT:
		label[FACT_LABEL_DIRECTION] = net_direction_name(first);
		label[FACT_LABEL_ALERT] = net_alert_name(second);
		break;
	case ABI_NET_KTLS_OFFLOAD:
		label[FACT_LABEL_DIRECTION] = net_direction_name(first);
		label[FACT_LABEL_RESULT] = net_result_name(second);
		break;
	case ABI_NET_KTLS_RECORD:
		label[FACT_LABEL_RESULT] = net_record_name(key->code);
		break;
	case ABI_NET_KTLS_RESYNC:
		label[FACT_LABEL_DIRECTION] = net_direction_name(key->code);
		break;
	}
}

static void gather_numbers(struct gather *g, int which)
{
	for (size_t i = 0; i < g->view->n_named; i++) {
		const struct net_named *n = &g->view->named[i];
		const char *label[FACT_LABELS] = {
			[FACT_LABEL_PROTOCOL] = net_protocol_name(n->key.protocol),
			[FACT_LABEL_PEER] = peer_name(g->view, n->key.peer),
		};

		if (n->key.node != g->node || n->key.what != which)
			continue;
		name_code(g->view, &n->key, label);
		series_of(g, label)->count += n->count;
	}
}

static void gather_states(struct gather *g)
{
	for (size_t s = 0; s < NET_STATES; s++) {
		const char *label[FACT_LABELS] = { [FACT_LABEL_STATE] = states[s] };

		if (states[s])
			series_of(g, label)->count += g->view->states[g->node][s];
	}
}

/* What is in neither of these tables. */
static const struct {
	enum fact_id fact;
	unsigned hooks;
	void (*gather)(struct gather *g);
} apart[] = {
	{ FACT_SOCKETS, HOOK(STATE) | HOOK(DESTROY), gather_states },
	{ FACT_BAD_CHECKSUMS, HOOK(BAD_CHECKSUM), gather_checksums },
	{ FACT_KTLS_HANDSHAKE_DURATION, HOOK(HANDSHAKE) | HOOK(HANDSHAKE_END), gather_handshakes },
};

void net_series(const struct net_view *view, unsigned node, const struct profile_metric *metric,
		net_series_fn *fn, void *arg)
{
	enum fact_id id = (enum fact_id)(metric->fact - facts);
	struct gather g = { .view = view,
			    .node = metric->fact->host ? ABI_NET_HOST : node,
			    .metric = metric,
			    .labels = metric->fact_labels };

	if (!view->n_peers) /* all are others: that says nothing */
		g.labels &= ~(1u << FACT_LABEL_PEER);

	for (size_t i = 0; i < ARRAY_SIZE(cells); i++)
		if (cells[i].fact == id && !(cells[i].hooks & ~view->hooks))
			gather_cell(&g, &cells[i]);
	for (size_t i = 0; i < ARRAY_SIZE(histograms); i++)
		if (histograms[i].fact == id && !(histograms[i].hooks & ~view->hooks))
			gather_histogram(&g, histograms[i].which);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (numbers[i].fact == id && !(numbers[i].hooks & ~view->hooks))
			gather_numbers(&g, numbers[i].which);
	for (size_t i = 0; i < ARRAY_SIZE(apart); i++)
		if (apart[i].fact == id && !(apart[i].hooks & ~view->hooks))
			apart[i].gather(&g);
	for (size_t i = 0; i < g.list.n; i++)
		fn(&g.list.at[i], arg);
	free(g.list.at);
}

unsigned net_lacks(const struct profile_metric *metric, unsigned hooks)
{
	enum fact_id id = (enum fact_id)(metric->fact - facts);
	unsigned needs = 0;

	for (size_t i = 0; i < ARRAY_SIZE(cells); i++)
		needs |= cells[i].fact == id ? cells[i].hooks : 0;
	for (size_t i = 0; i < ARRAY_SIZE(histograms); i++)
		needs |= histograms[i].fact == id ? histograms[i].hooks : 0;
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		needs |= numbers[i].fact == id ? numbers[i].hooks : 0;
	for (size_t i = 0; i < ARRAY_SIZE(apart); i++)
		needs |= apart[i].fact == id ? apart[i].hooks : 0;
	return needs & ~hooks;
}

unsigned net_wants(const struct profile *profile)
{
	unsigned wants = 0;

	for (size_t m = 0; m < profile->n_metrics; m++)
		if (profile->metrics[m].fact)
			wants |= net_lacks(&profile->metrics[m], 0);
	return wants & ~OF_HOST ? wants | OF_SOCKETS : wants;
}
