// SPDX-License-Identifier: BSD-2-Clause
/* One metric: its name, type, help and buckets. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/near.h"
#include "profile/build.h"

#define BOUND_MAX 31536000.0         /* a year */
#define WHOLE_MAX 9007199254740992.0 /* 2^53: up to there a double has every whole number */
#define NUMBER_MAX_BYTES 32

enum {
	KEY_TYPE,
	KEY_HELP,
	KEY_FROM,
	KEY_UP,
	KEY_DOWN,
	KEY_LABELS,
	KEY_SKIP,
	KEY_BUCKETS,
	KEY_VALUE,
	KEY_STALE,
	KEY_SPAN,
	KEY_KERNEL,
	N_KEYS
};

static const struct tree_key metric_keys[N_KEYS] = {
	[KEY_TYPE] = { "type", true },        [KEY_HELP] = { "help", true },
	[KEY_FROM] = { "from", false },       [KEY_LABELS] = { "labels", false },
	[KEY_BUCKETS] = { "buckets", false }, [KEY_VALUE] = { "value", false },
	[KEY_UP] = { "up", false },           [KEY_DOWN] = { "down", false },
	[KEY_STALE] = { "stale", false },     [KEY_SPAN] = { "span", false },
	[KEY_KERNEL] = { "kernel", false },   [KEY_SKIP] = { "skip", false },
};

static const char *const type_names[] = {
	[PROFILE_COUNTER] = "counter",
	[PROFILE_GAUGE] = "gauge",
	[PROFILE_HISTOGRAM] = "histogram",
};

const char *profile_metric_type_name(enum profile_metric_type type)
{
	return type_names[type];
}

bool profile_is_balance(const struct profile_metric *metric)
{
	return metric->type == PROFILE_GAUGE && !metric->is_of_numbers && !metric->fact;
}

/* The unit that a name says, as OpenMetrics wants it: in front of a counter's _total. */
static const char *unit_of(const char *name, enum profile_metric_type type)
{
	static const char *const units[] = { "seconds", "bytes" };
	size_t size = strlen(name) - (type == PROFILE_COUNTER ? strlen("_total") : 0);

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		size_t n = strlen(units[i]);

		if (size > n && name[size - n - 1] == '_' &&
		    strncmp(name + size - n, units[i], n) == 0)
			return units[i];
	}
	return "";
}

static bool read_type(struct build *b, const struct tree_entry *entry, const char *of,
		      enum profile_metric_type *type)
{
	_free_ char *what = mem_printf("type of %s", of);
	const char *text = tree_text(&b->tree, entry, what);
	_strbuf_ struct strbuf hint = {};

	if (!text)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(type_names); i++) {
		if (strcmp(text, type_names[i]) == 0) {
			*type = (enum profile_metric_type)i;
			return true;
		}
	}
	near_hint(&hint, text, type_names, ARRAY_SIZE(type_names));
	fault_add(b->tree.page, tree_span(&b->tree, entry->value), "unknown type \"%.60s\" of %s%s",
		  text, of, hint.len ? hint.text : "; it may be counter, gauge or histogram");
	return false;
}

/* Digits with a point and an exponent; no inf, nan or hexadecimal. */
static bool read_number(const char *text, double *number)
{
	char *end;

	if (strlen(text) > NUMBER_MAX_BYTES || text[strspn(text, "+-.0123456789eE")])
		return false;
	*number = strtod(text, &end);
	return end != text && *end == '\0' && isfinite(*number);
}

static const char *check_whole_bound(const struct profile_metric *metric, double bound)
{
	if (bound < 0 || bound != floor(bound))
		return "must be a whole number, like 100: what is observed is one";
	if (bound > WHOLE_MAX)
		return "is more than 2^53, from where on not all numbers are exact";
	if (!metric->n_bounds || bound > metric->bounds[metric->n_bounds - 1])
		return NULL;
	return bound < metric->bounds[metric->n_bounds - 1] ?
		       "is less than the one before it; buckets ascend" :
		       "stands twice";
}

static const char *check_bound(const struct profile_metric *metric, double bound)
{
	double last = metric->n_bounds ? metric->bounds[metric->n_bounds - 1] : 0;

	if (!profile_in_seconds(metric))
		return check_whole_bound(metric, bound);
	if (bound <= 0)
		return "must be more than 0";
	if (bound > BOUND_MAX)
		return "is more than a year; buckets are in seconds";
	if (bound < 1e-9)
		return "is less than a nanosecond; buckets are in seconds";
	if (llround(bound * 1e9) == llround(last * 1e9))
		return "stands twice";
	return bound < last ? "is less than the one before it; buckets ascend" : NULL;
}

static void read_buckets(struct build *b, const struct tree_entry *entry, const char *of,
			 struct profile_metric *metric)
{
	_free_ char *what = mem_printf("buckets of %s", of);
	size_t n;
	_free_ struct tree_entry *items = tree_list(&b->tree, entry, what, &n);

	for (size_t i = 0; i < n; i++) {
		_free_ char *whose = mem_printf("each of the %s", what);
		const char *text = tree_text(&b->tree, &items[i], whose), *why;
		double bound;

		if (!text)
			continue;
		if (metric->n_bounds == PROFILE_BOUNDS_MAX) {
			fault_add(b->tree.page, tree_span(&b->tree, items[i].value),
				  "bucket %.40s is number %d of %s; %d is the most", text,
				  PROFILE_BOUNDS_MAX + 1, of, PROFILE_BOUNDS_MAX);
			return;
		}
		if (read_number(text, &bound))
			why = check_bound(metric, bound);
		else if (strstr(text, "nf"))
			why = "is always there; leave it out";
		else
			why = profile_in_seconds(metric) ? "must be a number of seconds, like 0.5" :
							   "must be a whole number, like 100";
		if (why)
			fault_add(b->tree.page, tree_span(&b->tree, items[i].value),
				  "bucket %.40s of %s %s", text, of, why);
		else
			metric->bounds[metric->n_bounds++] = bound;
	}
}

static void check_buckets(struct build *b, const struct tree_entry *entry,
			  const struct tree_entry *buckets, const char *what,
			  struct profile_metric *metric)
{
	if (metric->type == PROFILE_HISTOGRAM && !buckets->value)
		fault_add(b->tree.page, tree_span(&b->tree, entry->key),
			  "%s lacks the key \"buckets\": a histogram needs their bounds%s", what,
			  profile_in_seconds(metric) ? " in seconds" : "");
	else if (metric->type != PROFILE_HISTOGRAM && buckets->value)
		fault_add(b->tree.page, tree_span(&b->tree, buckets->key),
			  "%s is a %s and has no buckets; is it a histogram?", what,
			  type_names[metric->type]);
	if (buckets->value)
		read_buckets(b, buckets, what, metric);
}

/* Every series costs memory in the kernel on every processor, used or not. */
static void check_series(struct build *b, const struct metric_draft *draft)
{
	const struct profile_metric *metric = draft->metric;
	struct fault_span span = tree_span(&b->tree, draft->entry->key);
	size_t series = 1;

	for (size_t i = 0; i < metric->n_labels; i++) {
		const struct profile_label *label = &metric->labels[i];

		if (label->n_values > LABEL_VALUES_MAX)
			fault_add(b->tree.page, span,
				  "label \"%.60s\" of %s has more than %d values", label->name,
				  draft->what, LABEL_VALUES_MAX);
		else
			series *= label->n_values + 1;
	}
	if (series > SERIES_MAX)
		fault_add(b->tree.page, span,
			  "%s would have %zu series (each label with \"unknown\"); %d is the most",
			  draft->what, series, SERIES_MAX);
}

static void check_name(struct build *b, const struct tree_entry *entry, bool typed,
		       struct profile_metric *metric)
{
	struct word_fault fault;
	enum profile_metric_type type = metric->type;

	/* Without a type the suffix decides what else the name must be. */
	if (!typed)
		type = strstr(entry->name, "_seconds") && !strstr(entry->name, "_total") ?
			       PROFILE_HISTOGRAM :
			       PROFILE_COUNTER;
	if (!word_is_metric_name(entry->name, type, !profile_in_seconds(metric), &fault)) {
		if (typed || strncmp(fault.why, "must end", 8) != 0)
			build_word_fault(b, entry->key, "metric name", &fault);
		return;
	}
	metric->unit = unit_of(entry->name, type);
}

/* The functions that feed it. */
static void read_sources(struct build *b, struct metric_draft *draft, const struct tree_entry *got)
{
	draft->metric->is_of_spans = got[KEY_SPAN].value;
	if (draft->metric->is_of_spans) {
		span_read(b, draft, &got[KEY_SPAN]);
		return;
	}
	draft->balanced = !got[KEY_FROM].value && (got[KEY_UP].value || got[KEY_DOWN].value);
	if (got[KEY_FROM].value)
		build_sources(b, draft, &got[KEY_FROM], false);
	if (draft->balanced && got[KEY_UP].value)
		build_sources(b, draft, &got[KEY_UP], false);
	if (draft->balanced && got[KEY_DOWN].value)
		build_sources(b, draft, &got[KEY_DOWN], true);
}

/* What its type asks for beside the name. */
static void check_keys(struct build *b, const struct metric_draft *draft, bool typed,
		       const struct tree_entry *got)
{
	const struct tree_entry *value[N_KEYS] = {};
	struct metric_keys keys;

	for (size_t i = 0; i < N_KEYS; i++)
		value[i] = got[i].value ? &got[i] : NULL;
	keys = (struct metric_keys){ value[KEY_FROM],  value[KEY_UP],    value[KEY_DOWN],
				     value[KEY_VALUE], value[KEY_STALE], value[KEY_SPAN] };
	if (keys.span) {
		span_check(b, draft, typed, &keys);
	} else if (!got[KEY_KERNEL].value) {
		gauge_check(b, draft, typed, &keys);
		gauge_read_stale(b, draft, value[KEY_STALE]);
	}
	if (typed && draft->metric->is_of_times && draft->metric->type != PROFILE_HISTOGRAM)
		fault_add(b->tree.page, tree_span(&b->tree, draft->entry->key),
			  "%s is a %s and measures a time; is it a histogram?", draft->what,
			  type_names[draft->metric->type]);
	if (typed)
		check_buckets(b, draft->entry, &got[KEY_BUCKETS], draft->what, draft->metric);
}

/* Functions that feed it, with their labels and numbers; or a fact of the kernel's. */
static void read_from(struct build *b, struct metric_draft *draft, const struct tree_entry *got)
{
	const struct tree_entry *never[] = { &got[KEY_FROM],  &got[KEY_UP],    &got[KEY_DOWN],
					     &got[KEY_VALUE], &got[KEY_STALE], &got[KEY_SPAN],
					     &got[KEY_SKIP] };

	if (got[KEY_KERNEL].value) {
		kernel_read(b, draft, &got[KEY_KERNEL], &got[KEY_LABELS]);
		for (size_t i = 0; i < ARRAY_SIZE(never); i++)
			kernel_has_no(b, draft, never[i]);
		return;
	}
	if (got[KEY_LABELS].value)
		draft->labels = labels_read(b, &got[KEY_LABELS], draft->what, &draft->n_labels);
	if (draft->n_labels > PROFILE_LABELS_MAX)
		fault_add(b->tree.page,
			  tree_span(&b->tree, draft->labels[PROFILE_LABELS_MAX].entry.key),
			  "%s has more than %d labels", draft->what, PROFILE_LABELS_MAX);
	if (got[KEY_SKIP].value)
		skip_read(b, &got[KEY_SKIP], draft);
	if (got[KEY_VALUE].value)
		number_read(b, &got[KEY_VALUE], draft->what, &draft->number);
	read_sources(b, draft, got);
	/* What the name and the buckets must be depends on whether it is of numbers. */
	draft->metric->is_of_numbers |= got[KEY_VALUE].value && !draft->metric->is_of_spans;
}

void build_metric(struct build *b, const struct tree_entry *entry)
{
	struct profile_metric *metric = &b->profile->metrics[b->profile->n_metrics++];
	_free_ char *what = mem_printf("metric \"%.100s\"", entry->name);
	_free_ char *help = mem_printf("help of %s", what);
	struct metric_draft draft = { .metric = metric, .entry = entry, .what = what };
	struct tree_entry got[N_KEYS];
	const char *text = NULL;
	bool typed;

	metric->name = mem_strdup(entry->name);
	metric->line = (unsigned)entry->key->start_mark.line + 1;
	metric->unit = "";
	if (!tree_keys(&b->tree, entry, what, metric_keys, N_KEYS, got))
		return;
	typed = got[KEY_TYPE].value && read_type(b, &got[KEY_TYPE], what, &metric->type);
	if (got[KEY_HELP].value)
		text = tree_text(&b->tree, &got[KEY_HELP], help);
	metric->help = mem_strdup(text ? text : "");
	read_from(b, &draft, got);
	check_name(b, entry, typed, metric);
	if (metric->fact && typed)
		kernel_check_type(b, &draft, &got[KEY_TYPE]);
	check_keys(b, &draft, typed, got);
	check_series(b, &draft);
	labels_free(draft.labels, draft.n_labels);
	profile_choices_free(draft.skip.choices, draft.skip.n_choices);
}
