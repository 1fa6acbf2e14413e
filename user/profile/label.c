// SPDX-License-Identifier: BSD-2-Clause
/* Labels as they are written: a constant, an argument, a result or an outcome,
 * each with the closed set of its values. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/near.h"
#include "profile/build.h"

enum { KEY_ARG, KEY_NOW, KEY_VALUES, KEY_RETURN, KEY_OUTCOME, KEY_SKIP, N_KEYS };

static const struct tree_key label_keys[N_KEYS] = {
	[KEY_ARG] = { "arg", false },         [KEY_NOW] = { "now", false },
	[KEY_VALUES] = { "values", false },   [KEY_RETURN] = { "return", false },
	[KEY_OUTCOME] = { "outcome", false }, [KEY_SKIP] = { "skip", false },
};

static const char *const outcomes[] = { "returned", "panicked", "cancelled" };

void profile_choices_free(struct profile_choice *choices, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(choices[i].raw);
		free(choices[i].label);
	}
	free(choices);
}

static void label_clear(struct label_draft *label)
{
	profile_choices_free(label->choices, label->n_choices);
	free(label->pair);
}

void labels_free(struct label_draft *labels, size_t n)
{
	for (size_t i = 0; i < n; i++)
		label_clear(&labels[i]);
	free(labels);
}

static bool is_outcome(struct build *b, const struct tree_entry *entry, const char *what)
{
	_strbuf_ struct strbuf hint = {};

	for (size_t i = 0; i < ARRAY_SIZE(outcomes); i++)
		if (strcmp(entry->name, outcomes[i]) == 0)
			return true;
	near_hint(&hint, entry->name, outcomes, ARRAY_SIZE(outcomes));
	fault_add(b->tree.page, tree_span(&b->tree, entry->key),
		  "unknown outcome \"%.60s\" in %s%s", entry->name, what,
		  hint.len ? hint.text : "; a call has returned, panicked or been cancelled");
	return false;
}

static const char *read_value(struct build *b, const struct tree_entry *entry, const char *what)
{
	_free_ char *whose = mem_printf("a value of %s", what);
	const char *text = tree_text(&b->tree, entry, whose);
	struct word_fault fault;

	if (!text || word_is_label_value(text, &fault))
		return text;
	build_word_fault(b, entry->value, "label value", &fault);
	return NULL;
}

/* The form of a raw value; one map may have only one. */
static const char *raw_form(const char *raw)
{
	if (strcmp(raw, "true") == 0 || strcmp(raw, "false") == 0)
		return "booleans";
	return raw[strspn(raw, "-0123456789.")] == '\0' ? "numbers" : "variants";
}

static bool is_below(const char *raw, const char *above)
{
	size_t n = strlen(above);

	return strncmp(raw, above, n) == 0 && raw[n] == '.';
}

/* Adds @name's first @size bytes to a list of prefixes that has no room for more
 * than TESTS_MAX. Returns how many there are then (or would be). */
static size_t add_prefix(const char **at, size_t *sizes, size_t n, const char *name, size_t size)
{
	for (size_t i = 0; i < n; i++)
		if (sizes[i] == size && strncmp(at[i], name, size) == 0)
			return n;
	if (n < TESTS_MAX) {
		at[n] = name;
		sizes[n] = size;
	}
	return n + 1;
}

/* Whether the kernel side can tell these values apart: one form, no variant
 * both alone and with variants below it, not too many enums on the way. */
static bool check_choices(struct build *b, const struct tree_entry *entries, size_t n,
			  const char *what)
{
	const char *prefixes[TESTS_MAX] = { "" };
	size_t sizes[TESTS_MAX] = { 0 }, n_prefixes = 1;

	for (size_t i = 0; i < n; i++) {
		const char *raw = entries[i].name;
		struct fault_span span = tree_span(&b->tree, entries[i].key);

		if (strcmp(raw_form(raw), raw_form(entries[0].name)) != 0) {
			fault_add(b->tree.page, span, "%s mixes %s with %s", what,
				  raw_form(entries[0].name), raw_form(raw));
			return false;
		}
		for (size_t j = 0; j < n; j++) {
			if (!is_below(entries[j].name, raw))
				continue;
			fault_add(
				b->tree.page, span,
				"%s names \"%s\" and also \"%s\" below it; name all variants below it instead",
				what, raw, entries[j].name);
			return false;
		}
		for (const char *dot = strchr(raw, '.'); dot; dot = strchr(dot + 1, '.')) {
			n_prefixes =
				add_prefix(prefixes, sizes, n_prefixes, raw, (size_t)(dot - raw));
			if (n_prefixes <= TESTS_MAX)
				continue;
			fault_add(
				b->tree.page, span,
				"%s looks into more than %d enums; the values of one are as many as it can tell",
				what, TESTS_MAX);
			return false;
		}
	}
	return true;
}

/* One raw value of the map, or one that is skipped (@value NULL). */
static bool add_choice(struct build *b, const struct tree_entry *entry, const char *value,
		       struct label_draft *draft)
{
	struct word_fault fault;

	if (!word_is_raw(entry->name, &fault)) {
		build_word_fault(b, entry->key, "value", &fault);
		return false;
	}
	draft->choices[draft->n_choices++] = (struct profile_choice){
		.raw = mem_strdup(entry->name),
		.label = value ? mem_strdup(value) : NULL,
	};
	return true;
}

/* The raw values under "skip", behind the @n of the map: as entries whose key is the word. */
static bool read_skipped(struct build *b, const struct tree_entry *skip, const char *what,
			 struct tree_entry **entries, size_t *n)
{
	_free_ char *whose = mem_printf("\"skip\" of %s", what);
	size_t n_map = *n, n_skip;
	_free_ struct tree_entry *items = tree_list(&b->tree, skip, whose, &n_skip);

	if (!items)
		return false;
	*entries = mem_grow(*entries, n_map + n_skip, sizeof(**entries));
	for (size_t i = 0; i < n_skip; i++) {
		struct tree_entry entry = { tree_text(&b->tree, &items[i], whose), items[i].value,
					    NULL };

		if (!entry.name)
			return false;
		for (size_t k = 0; k < *n; k++) {
			if (strcmp((*entries)[k].name, entry.name) != 0)
				continue;
			fault_add(b->tree.page, tree_span(&b->tree, entry.key),
				  k < n_map ? "%s skips \"%.60s\" and also gives it a value" :
					      "%s skips \"%.60s\" twice",
				  what, entry.name);
			return false;
		}
		(*entries)[(*n)++] = entry;
	}
	return true;
}

/* `skip: others`: all that the map does not name. */
static bool is_rest(const struct tree_entry *skip)
{
	return skip->value->type == YAML_SCALAR_NODE &&
	       strcmp((const char *)skip->value->data.scalar.value, "others") == 0;
}

/* A map of raw values to label values, and the list of those that are left out; one of them
 * may be missing. */
static void read_choices(struct build *b, const struct tree_entry *entry,
			 const struct tree_entry *skip, const char *what, struct label_draft *draft)
{
	size_t n = 0, n_map;
	_free_ struct tree_entry *entries = entry ? tree_mapping(&b->tree, entry, what, &n) : NULL;
	bool good = true;

	if (entry && !entries)
		return;
	n_map = n;
	draft->skip_rest = skip->value && is_rest(skip);
	if (skip->value && !draft->skip_rest)
		good = read_skipped(b, skip, what, &entries, &n);
	if (n > CHOICES_MAX) {
		fault_add(b->tree.page, tree_span(&b->tree, entries[CHOICES_MAX].key),
			  "%s has more than %d values", what, CHOICES_MAX);
		return;
	}
	draft->choices = mem_array(n, sizeof(*draft->choices));
	for (size_t i = 0; i < n; i++) {
		const char *value = i < n_map ? read_value(b, &entries[i], what) : NULL;

		if (i < n_map && !value)
			good = false;
		else
			good &= add_choice(b, &entries[i], value, draft);
	}
	draft->usable = check_choices(b, entries, n, what) && good;
}

/* The outcomes of a call as label values. */
static void read_outcomes(struct build *b, const struct tree_entry *entry,
			  const struct tree_entry *skip, const char *what,
			  struct label_draft *draft)
{
	size_t n;
	_free_ struct tree_entry *entries = tree_mapping(&b->tree, entry, what, &n);

	if (skip->value)
		fault_add(b->tree.page, tree_span(&b->tree, skip->key),
			  "%s needs no \"skip\": \"on\" says which ends count", what);
	if (!entries)
		return;
	draft->choices = mem_array(n, sizeof(*draft->choices));
	draft->usable = true;
	for (size_t i = 0; i < n; i++) {
		const char *value = read_value(b, &entries[i], what);

		draft->usable &= is_outcome(b, &entries[i], what) && value;
		if (value)
			draft->choices[draft->n_choices++] =
				(struct profile_choice){ mem_strdup(entries[i].name),
							 mem_strdup(value) };
	}
}

/* An argument and its fields, or NULL with a fault. */
static const char *read_argument_word(struct build *b, const struct tree_entry *arg,
				      const char *whose)
{
	const char *text = tree_text(&b->tree, arg, whose);
	struct word_fault fault;

	if (!text || word_is_argument(text, &fault))
		return text;
	build_word_fault(b, arg->value, "argument", &fault);
	return NULL;
}

static void read_path(struct build *b, const struct tree_entry *arg, const char *what,
		      struct label_draft *draft)
{
	_free_ char *whose = mem_printf("%s of %s", arg->name, what);

	draft->kind = PROFILE_VALUE_ARG;
	draft->path = read_argument_word(b, arg, whose);
	draft->usable &= draft->path != NULL;
}

/* Two arguments, whose values are told apart as pairs. */
static void read_pair(struct build *b, const struct tree_entry *arg, const char *what,
		      struct label_draft *draft)
{
	_free_ char *whose = mem_printf("%s of %s", arg->name, what);
	size_t n;
	_free_ struct tree_entry *items = tree_list(&b->tree, arg, whose, &n);
	const char *first = items ? read_argument_word(b, &items[0], whose) : NULL;
	const char *second = n == 2 && first ? read_argument_word(b, &items[1], whose) : NULL;

	draft->kind = PROFILE_VALUE_ARG;
	draft->usable &= second != NULL;
	if (items && n != 2)
		fault_add(b->tree.page, tree_value_span(&b->tree, arg),
			  "%s is one argument, or a list of two", whose);
	if (second)
		draft->path = draft->pair = mem_printf("%s" PROFILE_AND "%s", first, second);
}

/* Of two arguments every raw value is a pair of numbers, and of one none is. */
static void check_pairs(struct build *b, const struct tree_entry *from, const char *what,
			struct label_draft *draft)
{
	for (size_t i = 0; i < draft->n_choices; i++) {
		const char *raw = draft->choices[i].raw;
		bool number = strcmp(raw_form(raw), "numbers") == 0;
		bool pair = number && strchr(raw, '.');

		if (draft->pair ? pair : !number || !pair)
			continue;
		fault_add(
			b->tree.page, tree_span(&b->tree, from->key),
			pair ? "%s has \"%s\", a pair of numbers: those are of two arguments, in a list" :
			       "%s has \"%s\", which is no pair of numbers, and its arguments are two",
			what, raw);
		draft->usable = false;
		return;
	}
}

static void read_argument(struct build *b, const struct tree_entry *arg,
			  const struct tree_entry *values, const struct tree_entry *skip,
			  const char *what, struct label_draft *draft)
{
	_free_ char *map = mem_printf("values of %s", what);

	if (values->value)
		read_choices(b, values, skip, map, draft);
	else
		fault_add(
			b->tree.page, tree_span(&b->tree, arg->key),
			"%s lacks the key \"values\", a map of what the argument is to what the label says",
			what);
	if (arg->value->type == YAML_SEQUENCE_NODE)
		read_pair(b, arg, what, draft);
	else
		read_path(b, arg, what, draft);
	if (draft->usable)
		check_pairs(b, arg, map, draft);
}

/* The one of arg, now, return and outcome that stands there, or N_KEYS with a fault. */
static size_t find_source(struct build *b, const struct tree_entry *entry,
			  const struct tree_entry *got, const char *what)
{
	size_t found = N_KEYS;

	for (size_t i = 0; i < N_KEYS; i++) {
		if (i == KEY_VALUES || i == KEY_SKIP || !got[i].value)
			continue;
		if (found < N_KEYS) {
			fault_add(b->tree.page, tree_span(&b->tree, got[i].key),
				  "%s has both \"%s\" and \"%s\"; a label has one source", what,
				  label_keys[found].name, label_keys[i].name);
			return N_KEYS;
		}
		found = i;
	}
	if (found == N_KEYS)
		fault_add(b->tree.page, tree_span(&b->tree, entry->key),
			  "%s has no source: arg (with values), return or outcome", what);
	else if (found != KEY_ARG && found != KEY_NOW && got[KEY_VALUES].value)
		fault_add(b->tree.page, tree_span(&b->tree, got[KEY_VALUES].key),
			  "\"values\" of %s goes with \"arg\"; \"%s\" has its map directly", what,
			  label_keys[found].name);
	return found;
}

static void read_captured(struct build *b, const struct tree_entry *entry, const char *what,
			  struct label_draft *draft)
{
	struct tree_entry got[N_KEYS];
	_free_ char *map = NULL;
	size_t source;

	if (!tree_keys(&b->tree, entry, what, label_keys, N_KEYS, got))
		return;
	source = find_source(b, entry, got, what);
	if (source == N_KEYS)
		return;
	if (source == KEY_ARG || source == KEY_NOW) {
		draft->now = source == KEY_NOW;
		read_argument(b, &got[source], &got[KEY_VALUES], &got[KEY_SKIP], what, draft);
		return;
	}
	draft->kind = source == KEY_RETURN ? PROFILE_VALUE_RETURN : PROFILE_VALUE_OUTCOME;
	map = mem_printf("%s of %s", label_keys[source].name, what);
	if (source == KEY_OUTCOME) {
		read_outcomes(b, &got[source], &got[KEY_SKIP], map, draft);
		return;
	}
	read_choices(b, &got[source], &got[KEY_SKIP], map, draft);
	if (draft->usable)
		check_pairs(b, &got[source], map, draft);
}

struct label_draft *label_read(struct build *b, const struct tree_entry *entry, const char *what)
{
	struct label_draft *draft = mem_alloc(sizeof(*draft));

	draft->entry = *entry;
	read_captured(b, entry, what, draft);
	return draft;
}

static void read_label(struct build *b, const struct tree_entry *entry, const char *of,
		       struct label_draft *draft)
{
	_free_ char *what = mem_printf("label \"%.60s\" of %s", entry->name, of);
	struct word_fault fault;
	const char *value;

	draft->entry = *entry;
	if (!word_is_label_name(entry->name, &fault))
		build_word_fault(b, entry->key, "label name", &fault);
	if (entry->value->type != YAML_SCALAR_NODE) {
		read_captured(b, entry, what, draft);
		return;
	}
	value = read_value(b, entry, what);
	if (!value)
		return;
	draft->choices = mem_array(1, sizeof(*draft->choices));
	draft->choices[draft->n_choices++].label = mem_strdup(value);
	draft->constant = draft->usable = true;
}

struct label_draft *labels_read(struct build *b, const struct tree_entry *entry, const char *what,
				size_t *n)
{
	_free_ char *whose = mem_printf("labels of %s", what);
	_free_ struct tree_entry *entries = tree_mapping(&b->tree, entry, whose, n);
	struct label_draft *labels = mem_array(*n, sizeof(*labels));

	for (size_t i = 0; i < *n; i++)
		read_label(b, &entries[i], what, &labels[i]);
	return labels;
}

/* --- calls that a metric leaves out, of which no label says anything ---------------------- */

enum { SKIP_ARG, SKIP_VALUES, SKIP_RETURN, N_SKIP_KEYS };

static const struct tree_key skip_keys[N_SKIP_KEYS] = {
	[SKIP_ARG] = { "arg", false },
	[SKIP_VALUES] = { "values", false },
	[SKIP_RETURN] = { "return", false },
};

void skip_read(struct build *b, const struct tree_entry *entry, struct metric_draft *draft)
{
	_free_ char *what = mem_printf("\"skip\" of %s", draft->what);
	struct label_draft *skip = &draft->skip;
	struct tree_entry got[N_SKIP_KEYS];

	*skip = (struct label_draft){ .entry = *entry, .is_skip = true };
	if (!tree_keys(&b->tree, entry, what, skip_keys, N_SKIP_KEYS, got))
		return;
	if (!got[SKIP_ARG].value == !got[SKIP_RETURN].value ||
	    !got[SKIP_ARG].value != !got[SKIP_VALUES].value) {
		fault_add(
			b->tree.page, tree_span(&b->tree, entry->key),
			"%s is {arg: PATH, values: [...]} or {return: [...]}: which values of what",
			what);
		return;
	}
	skip->kind = PROFILE_VALUE_RETURN;
	read_choices(b, NULL, &got[got[SKIP_ARG].value ? SKIP_VALUES : SKIP_RETURN], draft->what,
		     skip);
	if (skip->skip_rest)
		fault_add(b->tree.page, tree_span(&b->tree, entry->key),
			  "%s leaves out others than none, which are all; name those to leave out",
			  what);
	if (got[SKIP_ARG].value)
		read_path(b, &got[SKIP_ARG], what, skip);
	if (draft->n_labels >= PROFILE_LABELS_MAX)
		fault_add(b->tree.page, tree_span(&b->tree, entry->key),
			  "%s stands beside %d labels, as many as there may be without it", what,
			  PROFILE_LABELS_MAX);
	draft->metric->skips = true;
}
