// SPDX-License-Identifier: BSD-2-Clause
/* Spans: what a histogram measures between calls of different functions that have the same
 * key. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/near.h"
#include "profile/build.h"

#define WITHIN_DEFAULT 600 /* seconds */
#define LATE_DEFAULT 60

enum { KEY_FROM, KEY_TO, KEY_WITHIN, KEY_LATE, N_KEYS };

static const struct tree_key span_keys[N_KEYS] = {
	[KEY_FROM] = { "from", true },
	[KEY_TO] = { "to", true },
	[KEY_WITHIN] = { "within", false },
	[KEY_LATE] = { "late", false },
};

enum {
	SOURCE_FUNCTION,
	SOURCE_KEY,
	SOURCE_AT,
	SOURCE_ON,
	SOURCE_OPTIONAL,
	SOURCE_LABELS,
	SOURCE_GONE,
	SOURCE_UNTIL,
	SOURCE_ANEW,
	N_SOURCE_KEYS,
};

static const struct tree_key source_keys[N_SOURCE_KEYS] = {
	[SOURCE_FUNCTION] = { "function", true },
	[SOURCE_KEY] = { "key", true },
	[SOURCE_AT] = { "at", false },
	[SOURCE_ON] = { "on", false },
	[SOURCE_OPTIONAL] = { "optional", false },
	[SOURCE_LABELS] = { "labels", false },
	[SOURCE_GONE] = { "gone", false },
	[SOURCE_UNTIL] = { "until", false },
	[SOURCE_ANEW] = { "anew", false },
};

/* One source while it is read. */
struct span_source {
	struct profile_source source;
	struct tree_entry got[N_SOURCE_KEYS];
	struct label_draft key;
	struct label_draft *until; /* or NULL */
	struct label_draft *labels;
	size_t n_labels;
	const char *what; /* `a source of "to" of metric "mpc_x_seconds"` */
};

static void read_key(struct build *b, struct span_source *s)
{
	_free_ char *what = mem_printf("key of %s", s->what);
	struct word_fault fault;
	const char *last;

	s->key = (struct label_draft){ .entry = s->got[SOURCE_KEY],
				       .is_key = true,
				       .kind = PROFILE_VALUE_ARG };
	s->key.path = tree_text(&b->tree, &s->got[SOURCE_KEY], what);
	if (!s->key.path)
		return;
	if (!word_is_key(s->key.path, &fault)) {
		build_word_fault(b, s->got[SOURCE_KEY].value, "key", &fault);
		return;
	}
	last = strrchr(s->key.path, '.');
	if (last && strcmp(last, ".len()") == 0)
		fault_add(b->tree.page, tree_span(&b->tree, s->got[SOURCE_KEY].value),
			  "key \"%.60s\" is a length; name the id that calls have in common",
			  s->key.path);
	else
		s->key.usable = true;
}

/* At which moment of its call the source counts: its start, or an end that "on" names. */
static void read_moment(struct build *b, struct span_source *s)
{
	static const char *const moments[] = { "start", "end" };
	_free_ char *what = mem_printf("\"at\" of %s", s->what);
	const struct tree_entry *at = &s->got[SOURCE_AT], *on = &s->got[SOURCE_ON];
	const char *text = at->value ? tree_text(&b->tree, at, what) : NULL;
	_strbuf_ struct strbuf hint = {};

	s->source.at_start = text ? strcmp(text, "start") == 0 : s->source.begins && !on->value;
	if (text && !s->source.at_start && strcmp(text, "end") != 0) {
		near_hint(&hint, text, moments, ARRAY_SIZE(moments));
		fault_add(b->tree.page, tree_span(&b->tree, at->value),
			  "unknown moment \"%.60s\"%s", text,
			  hint.len ? hint.text : "; \"at\" is start or end");
	}
	s->source.on = PROFILE_END_RETURN;
	if (on->value)
		s->source.on = source_on(b, on);
	if (!s->source.at_start)
		return;
	if (on->value)
		fault_add(b->tree.page, tree_span(&b->tree, on->key),
			  "\"on\" names ends of calls, and %s counts at their start", s->what);
	s->source.on = PROFILE_END_RETURN | PROFILE_END_PANIC | PROFILE_END_CANCEL;
}

/* Labels of where the span ends; where it begins nothing is known that it ends with. */
static void read_labels(struct build *b, struct metric_draft *draft, struct span_source *s)
{
	const struct tree_entry *entry = &s->got[SOURCE_LABELS];

	if (!entry->value)
		return;
	if (s->source.begins) {
		fault_add(
			b->tree.page, tree_span(&b->tree, entry->key),
			"\"labels\" cannot stand in \"from\" of a span: what ends it gives its labels");
		return;
	}
	s->labels = labels_read(b, entry, s->what, &s->n_labels);
	source_check_labels(b, draft, s->labels, s->n_labels);
}

/* A label that only the end of a call can tell. */
static void check_moment(struct build *b, const struct span_source *s,
			 const struct label_draft *labels, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s->source.at_start && labels[i].usable && !labels[i].constant &&
		    labels[i].kind != PROFILE_VALUE_ARG)
			fault_add(
				b->tree.page, tree_span(&b->tree, labels[i].entry.key),
				"%s\"%.60s\" tells how a call ended, and %s counts at the start of calls; leave out \"at: start\"",
				label_word(&labels[i]), labels[i].entry.name, s->what);
}

/* What the key names exists no more: an address of memory that is given back, or an id. */
static void read_gone(struct build *b, struct span_source *s)
{
	const struct tree_entry *gone = &s->got[SOURCE_GONE];

	if (!gone->value)
		return;
	s->source.gone = build_flag(b, gone, "\"gone\"");
	if (s->source.begins)
		fault_add(
			b->tree.page, tree_span(&b->tree, gone->key),
			"\"gone\" cannot stand in \"from\" of a span: where it begins, its key is "
			"known");
}

/* What had the key before is none of this: an address that was given back unseen. */
static void read_anew(struct build *b, struct span_source *s)
{
	const struct tree_entry *anew = &s->got[SOURCE_ANEW];

	if (!anew->value)
		return;
	s->source.anew = build_flag(b, anew, "\"anew\"");
	if (!s->source.begins)
		fault_add(b->tree.page, tree_span(&b->tree, anew->key),
			  "\"anew\" stands in \"from\" of a span: what ends it is in \"to\"");
}

/* What ends the span, as a label of `to` tells it: once it does, calls begin none. */
static void read_until(struct build *b, struct span_source *s)
{
	const struct tree_entry *until = &s->got[SOURCE_UNTIL];
	_free_ char *what = mem_printf("\"until\" of %s", s->what);

	if (!until->value)
		return;
	if (!s->source.begins) {
		fault_add(b->tree.page, tree_span(&b->tree, until->key),
			  "\"until\" stands in \"from\" of a span: what ends it is in \"to\"");
		return;
	}
	s->until = label_read(b, until, what);
}

/* A C function that is called until it has succeeded: the first call begins the span and the
 * last one ends it. */
static bool is_retried(const struct build *b, const struct profile_source *a,
		       const struct profile_source *z)
{
	const struct profile_source *from = a->begins ? a : z, *to = a->begins ? z : a;

	return from->at_start && !to->at_start && profile_symbol(b->profile->funcs[a->func].name);
}

static void check_both(struct build *b, const struct metric_draft *draft,
		       const struct span_source *s)
{
	const struct profile_metric *metric = draft->metric;

	for (size_t i = 0; i < metric->n_sources; i++) {
		if (metric->sources[i].func != s->source.func ||
		    metric->sources[i].begins == s->source.begins ||
		    is_retried(b, &metric->sources[i], &s->source))
			continue;
		fault_add(
			b->tree.page, tree_span(&b->tree, s->got[SOURCE_FUNCTION].value),
			"\"%s\" both begins and ends the span of %s; its calls alone are measured with \"from\" and no \"span\"",
			b->profile->funcs[s->source.func].name, draft->what);
		return;
	}
}

static void add_source(struct build *b, struct metric_draft *draft, struct span_source *s)
{
	const yaml_node_t *node = s->got[SOURCE_FUNCTION].value;
	struct profile_metric *metric = draft->metric;
	struct profile_func *func = &b->profile->funcs[s->source.func];

	check_both(b, draft, s);
	source_check_feeds(b, draft, &s->source, node);
	if (s->key.usable)
		s->source.key = value_bind(b, &s->key, func);
	if (s->until && s->until->usable && !s->until->constant) {
		check_moment(b, s, s->until, 1);
		s->source.has_until = true;
		s->source.until = value_bind(b, s->until, func);
	}
	if (!s->source.begins) {
		check_moment(b, s, draft->labels, draft->n_labels);
		check_moment(b, s, s->labels, s->n_labels);
		check_moment(b, s, &draft->skip, 1);
		source_bind_labels(b, draft, &s->source, s->labels, s->n_labels, node);
		skip_bind(b, draft, &s->source);
	}
	metric->sources[metric->n_sources++] = s->source;
}

static void read_source(struct build *b, struct metric_draft *draft, const struct tree_entry *item,
			bool begins)
{
	_free_ char *what =
		mem_printf("a source of \"%s\" of %s", begins ? "from" : "to", draft->what);
	struct span_source s = { .source.begins = begins, .what = what };
	bool optional = false;

	if (!tree_keys(&b->tree, item, what, source_keys, N_SOURCE_KEYS, s.got))
		return;
	if (s.got[SOURCE_KEY].value)
		read_key(b, &s);
	read_moment(b, &s);
	if (s.got[SOURCE_OPTIONAL].value)
		optional = build_flag(b, &s.got[SOURCE_OPTIONAL], "\"optional\"");
	read_gone(b, &s);
	read_anew(b, &s);
	read_until(b, &s);
	read_labels(b, draft, &s);
	s.source.func = PROFILE_FUNCS_MAX;
	if (s.got[SOURCE_FUNCTION].value)
		s.source.func = source_func(b, &s.got[SOURCE_FUNCTION], what);
	if (s.source.func < PROFILE_FUNCS_MAX) {
		b->profile->funcs[s.source.func].required |= !optional;
		add_source(b, draft, &s);
	}
	labels_free(s.labels, s.n_labels);
	labels_free(s.until, s.until ? 1 : 0);
}

/* One mapping, or a list of them. */
static void read_sources(struct build *b, struct metric_draft *draft,
			 const struct tree_entry *entry, bool begins)
{
	_free_ char *what = mem_printf("\"%s\" of the span of %s", entry->name, draft->what);
	_free_ struct tree_entry *items = NULL;
	struct profile_metric *metric = draft->metric;
	size_t n = 1;

	if (entry->value->type == YAML_SCALAR_NODE) {
		fault_add(b->tree.page, tree_value_span(&b->tree, entry),
			  "%s must be a mapping with \"function\" and \"key\", or a list of such",
			  what);
		return;
	}
	if (entry->value->type == YAML_SEQUENCE_NODE) {
		items = tree_list(&b->tree, entry, what, &n);
		if (!items)
			return;
	}
	metric->sources =
		mem_grow(metric->sources, metric->n_sources + n, sizeof(*metric->sources));
	for (size_t i = 0; i < n; i++)
		read_source(b, draft, items ? &items[i] : entry, begins);
}

static void read_time(struct build *b, const struct metric_draft *draft,
		      const struct tree_entry *entry, uint64_t *seconds)
{
	_free_ char *what = mem_printf("\"%s\" of the span of %s", entry->name, draft->what);
	const char *text = tree_text(&b->tree, entry, what);
	struct word_fault fault;
	uint64_t read;

	if (!text)
		return;
	if (!word_is_duration(text, &read, &fault))
		build_word_fault(b, entry->value, "time", &fault);
	else if (read == 0)
		fault_add(b->tree.page, tree_span(&b->tree, entry->value),
			  "%s cannot be never: room for keys is limited", what);
	else
		*seconds = read;
}

void span_read(struct build *b, struct metric_draft *draft, const struct tree_entry *entry)
{
	_free_ char *what = mem_printf("the span of %s", draft->what);
	struct tree_entry got[N_KEYS];

	draft->metric->within = WITHIN_DEFAULT;
	draft->metric->late = LATE_DEFAULT;
	if (!tree_keys(&b->tree, entry, what, span_keys, N_KEYS, got))
		return;
	if (got[KEY_FROM].value)
		read_sources(b, draft, &got[KEY_FROM], true);
	if (got[KEY_TO].value)
		read_sources(b, draft, &got[KEY_TO], false);
	if (got[KEY_WITHIN].value)
		read_time(b, draft, &got[KEY_WITHIN], &draft->metric->within);
	if (got[KEY_LATE].value)
		read_time(b, draft, &got[KEY_LATE], &draft->metric->late);
}

static void has_no(struct build *b, const struct metric_draft *draft, const struct tree_entry *key,
		   const char *why)
{
	if (key)
		fault_add(b->tree.page, tree_span(&b->tree, key->key), "%s cannot have \"%s\"%s",
			  draft->what, key->name, why);
}

void span_check(struct build *b, const struct metric_draft *draft, bool typed,
		const struct metric_keys *keys)
{
	if (typed && draft->metric->type != PROFILE_HISTOGRAM)
		has_no(b, draft, keys->span,
		       ": only a histogram measures the time between two functions");
	has_no(b, draft, keys->from, " beside \"span\", which has its own");
	has_no(b, draft, keys->up, " beside \"span\"");
	has_no(b, draft, keys->down, " beside \"span\"");
	has_no(b, draft, keys->value, " beside \"span\": it measures time");
	has_no(b, draft, keys->stale, ": only a gauge goes stale");
}
