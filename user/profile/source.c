// SPDX-License-Identifier: BSD-2-Clause
/* Sources: the functions that feed a metric. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/near.h"
#include "profile/build.h"

enum { KEY_FUNCTION, KEY_LABELS, KEY_VALUE, KEY_ON, KEY_OPTIONAL, N_KEYS };

static const struct tree_key source_keys[N_KEYS] = {
	[KEY_FUNCTION] = { "function", true },  [KEY_LABELS] = { "labels", false },
	[KEY_VALUE] = { "value", false },       [KEY_ON] = { "on", false },
	[KEY_OPTIONAL] = { "optional", false },
};

static const char *const ends[] = { "return", "panic", "cancel" }; /* by bit of enum profile_end */

static unsigned read_end(struct build *b, const struct tree_entry *item)
{
	const char *text = tree_text(&b->tree, item, "an item of \"on\"");
	_strbuf_ struct strbuf hint = {};

	if (!text)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		if (strcmp(text, ends[i]) == 0)
			return 1U << i;
	near_hint(&hint, text, ends, ARRAY_SIZE(ends));
	fault_add(b->tree.page, tree_span(&b->tree, item->value),
		  "unknown end \"%.60s\" in \"on\"%s", text,
		  hint.len ? hint.text : "; a call ends by return, panic or cancel");
	return 0;
}

unsigned source_on(struct build *b, const struct tree_entry *entry)
{
	size_t n;
	_free_ struct tree_entry *items = tree_list(&b->tree, entry, "\"on\"", &n);
	unsigned on = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned end = read_end(b, &items[i]);

		if (on & end)
			fault_add(b->tree.page, tree_span(&b->tree, items[i].value),
				  "\"%s\" stands twice in \"on\"",
				  (char *)items[i].value->data.scalar.value);
		on |= end;
	}
	return on ? on : PROFILE_END_RETURN;
}

size_t source_func(struct build *b, const struct tree_entry *entry, const char *what)
{
	struct profile *profile = b->profile;
	const char *name = tree_text(&b->tree, entry, what);
	struct word_fault fault;

	if (!name)
		return PROFILE_FUNCS_MAX;
	if (!word_is_function(name, &fault)) {
		build_word_fault(b, entry->value, "function", &fault);
		return PROFILE_FUNCS_MAX;
	}
	for (size_t i = 0; i < profile->n_funcs; i++)
		if (strcmp(profile->funcs[i].name, name) == 0)
			return i;
	if (profile->n_funcs == PROFILE_FUNCS_MAX) {
		fault_add(b->tree.page, tree_span(&b->tree, entry->value),
			  "this is function number %d of the profile; %d is the most",
			  PROFILE_FUNCS_MAX + 1, PROFILE_FUNCS_MAX);
		return PROFILE_FUNCS_MAX;
	}
	profile->funcs[profile->n_funcs] = (struct profile_func){
		.name = mem_strdup(name),
		.line = (unsigned)entry->value->start_mark.line + 1,
		.parts = 1,
	};
	return profile->n_funcs++;
}

void source_check_feeds(struct build *b, const struct metric_draft *draft,
			const struct profile_source *source, const yaml_node_t *node)
{
	const struct profile_metric *metric = draft->metric;
	const char *name = b->profile->funcs[source->func].name;

	for (size_t i = 0; i < metric->n_sources; i++) {
		if (metric->sources[i].func != source->func ||
		    metric->sources[i].begins != source->begins ||
		    !(metric->sources[i].on & source->on))
			continue;
		fault_add(b->tree.page, tree_span(&b->tree, node),
			  "\"%s\" feeds %s twice: its calls would be counted twice", name,
			  draft->what);
		return;
	}
	if (++b->n_metrics_of[source->func] == PROFILE_FUNC_METRICS_MAX + 1)
		fault_add(b->tree.page, tree_span(&b->tree, node),
			  "\"%s\" feeds more than %d metrics", name, PROFILE_FUNC_METRICS_MAX);
}

static const struct label_draft *find_label(const struct label_draft *labels, size_t n,
					    const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(labels[i].entry.name, name) == 0)
			return &labels[i];
	return NULL;
}

/* The first source read gives the metric its labels: its own after the metric's. */
static void name_labels(struct metric_draft *draft, const struct label_draft *own, size_t n_own)
{
	struct profile_metric *metric = draft->metric;

	for (size_t i = 0; i < draft->n_labels + n_own && i < PROFILE_LABELS_MAX; i++) {
		const struct label_draft *label =
			i < draft->n_labels ? &draft->labels[i] : &own[i - draft->n_labels];

		metric->labels[metric->n_labels++].name = mem_strdup(label->entry.name);
	}
	draft->named = true;
}

static bool has_label(const struct profile_metric *metric, const char *name)
{
	for (size_t i = 0; i < metric->n_labels; i++)
		if (strcmp(metric->labels[i].name, name) == 0)
			return true;
	return false;
}

void source_check_labels(struct build *b, const struct metric_draft *draft,
			 const struct label_draft *own, size_t n_own)
{
	for (size_t i = 0; i < n_own; i++) {
		const char *name = own[i].entry.name;
		struct fault_span span = tree_span(&b->tree, own[i].entry.key);

		if (find_label(draft->labels, draft->n_labels, name))
			fault_add(b->tree.page, span,
				  "label \"%.60s\" stands in %s and again in a source of it", name,
				  draft->what);
		else if (draft->n_labels + i + draft->metric->skips >= PROFILE_LABELS_MAX)
			fault_add(b->tree.page, span, "%s has more than %d labels%s", draft->what,
				  PROFILE_LABELS_MAX - draft->metric->skips,
				  draft->metric->skips ? " beside \"skip\"" : "");
		else if (draft->named && !has_label(draft->metric, name))
			fault_add(
				b->tree.page, span,
				"label \"%.60s\" is missing in the first source of %s; all sources give the same labels",
				name, draft->what);
	}
}

void source_bind_labels(struct build *b, struct metric_draft *draft, struct profile_source *source,
			const struct label_draft *own, size_t n_own, const yaml_node_t *node)
{
	struct profile_metric *metric = draft->metric;

	if (!draft->named)
		name_labels(draft, own, n_own);
	for (size_t i = 0; i < metric->n_labels; i++) {
		const char *name = metric->labels[i].name;
		const struct label_draft *label = find_label(draft->labels, draft->n_labels, name);

		if (!label)
			label = find_label(own, n_own, name);
		if (label)
			label_bind(b, label, &metric->labels[i], source, i);
		else
			fault_add(
				b->tree.page, tree_span(&b->tree, node),
				"this source of %s lacks the label \"%.60s\"; all sources give the same labels",
				draft->what, name);
	}
}

/* All sources of a metric measure times, or none. */
static void check_time(struct build *b, struct metric_draft *draft,
		       const struct label_draft *number)
{
	bool time = word_is_time(number->path);

	if (!draft->named)
		draft->metric->is_of_times = time;
	else if (time != draft->metric->is_of_times)
		fault_add(b->tree.page, tree_span(&b->tree, number->entry.key),
			  "this source of %s measures %s; all sources measure times, or none",
			  draft->what, time ? "a time" : "no time");
}

/* The number that this source measures, if its metric is one of numbers. */
static void bind_number(struct build *b, struct metric_draft *draft, struct profile_source *source,
			const struct label_draft *own, const yaml_node_t *node)
{
	const struct label_draft *number = draft->number.entry.value ? &draft->number : own;
	bool has = number->entry.value;

	if (draft->balanced) {
		if (own->entry.value)
			fault_add(
				b->tree.page, tree_span(&b->tree, own->entry.key),
				"\"value\" cannot stand in \"up\" and \"down\": they count calls");
		return;
	}
	if (draft->number.entry.value && own->entry.value)
		fault_add(b->tree.page, tree_span(&b->tree, own->entry.key),
			  "\"value\" stands in %s and again in a source of it", draft->what);
	else if (!draft->named)
		draft->metric->is_of_numbers = has;
	else if (has && !draft->metric->is_of_numbers)
		fault_add(
			b->tree.page, tree_span(&b->tree, own->entry.key),
			"\"value\" is missing in the first source of %s; all sources measure a number, or none",
			draft->what);
	else if (!has && draft->metric->is_of_numbers)
		fault_add(
			b->tree.page, tree_span(&b->tree, node),
			"this source of %s lacks the key \"value\"; all sources measure a number, or none",
			draft->what);
	if (has && number->usable)
		check_time(b, draft, number);
	if (has)
		number_bind(b, number, source);
}

static void build_source(struct build *b, struct metric_draft *draft, const struct tree_entry *item,
			 bool down)
{
	struct profile_metric *metric = draft->metric;
	struct tree_entry got[N_KEYS] = { [KEY_FUNCTION] = *item };
	_free_ char *what = mem_printf("a source of %s", draft->what);
	struct profile_source source = { .on = PROFILE_END_RETURN, .down = down };
	struct label_draft *own = NULL, number = {};
	bool optional = false;
	size_t n_own = 0;

	if (item->value->type == YAML_MAPPING_NODE &&
	    !tree_keys(&b->tree, item, what, source_keys, N_KEYS, got))
		return;
	if (got[KEY_ON].value)
		source.on = source_on(b, &got[KEY_ON]);
	if (got[KEY_OPTIONAL].value)
		optional = build_flag(b, &got[KEY_OPTIONAL], "\"optional\"");
	if (got[KEY_LABELS].value)
		own = labels_read(b, &got[KEY_LABELS], what, &n_own);
	if (got[KEY_VALUE].value)
		number_read(b, &got[KEY_VALUE], what, &number);
	source_check_labels(b, draft, own, n_own);
	source.func = got[KEY_FUNCTION].value ? source_func(b, &got[KEY_FUNCTION], what) :
						PROFILE_FUNCS_MAX;
	if (source.func < PROFILE_FUNCS_MAX) {
		b->profile->funcs[source.func].required |= !optional;
		bind_number(b, draft, &source, &number, got[KEY_FUNCTION].value);
		source_check_feeds(b, draft, &source, got[KEY_FUNCTION].value);
		source_bind_labels(b, draft, &source, own, n_own, got[KEY_FUNCTION].value);
		skip_bind(b, draft, &source);
		metric->sources[metric->n_sources++] = source;
	}
	labels_free(own, n_own);
}

void build_sources(struct build *b, struct metric_draft *draft, const struct tree_entry *from,
		   bool down)
{
	_free_ struct tree_entry *items = NULL;
	const char *key = down ? "down" : draft->balanced ? "up" : "from";
	_free_ char *what = mem_printf("\"%s\" of %s", key, draft->what);
	struct profile_metric *metric = draft->metric;
	size_t n = 1;

	if (from->value->type == YAML_MAPPING_NODE) {
		fault_add(b->tree.page, tree_value_span(&b->tree, from),
			  "%s must be a function or a list; put \"- \" in front of this source",
			  what);
		return;
	}
	if (from->value->type == YAML_SEQUENCE_NODE) {
		items = tree_list(&b->tree, from, what, &n);
		if (!items)
			return;
	}
	metric->sources =
		mem_grow(metric->sources, metric->n_sources + n, sizeof(*metric->sources));
	for (size_t i = 0; i < n; i++)
		build_source(b, draft, items ? &items[i] : from, down);
}
