// SPDX-License-Identifier: BSD-2-Clause
/* Labels meet functions: what a label says of a call becomes a value captured
 * of its function, shared where another metric wants the very same. */
#include <string.h>

#include "base/mem.h"
#include "profile/build.h"

/* The index of a value in a label's closed set, where it stands then. */
static size_t add_value(struct profile_label *label, const char *value)
{
	for (size_t i = 0; i < label->n_values; i++)
		if (strcmp(label->values[i], value) == 0)
			return i;
	label->values = mem_grow(label->values, label->n_values + 1, sizeof(*label->values));
	label->values[label->n_values] = mem_strdup(value);
	return label->n_values++;
}

/* Whether the value's map says of a raw value what @choice does. */
static bool says(const struct profile_value *value, const struct profile_choice *choice)
{
	for (size_t i = 0; i < value->n_choices; i++) {
		const struct profile_choice *have = &value->choices[i];

		if (strcmp(have->raw, choice->raw) != 0)
			continue;
		if (!have->label || !choice->label)
			return have->label == choice->label;
		return strcmp(have->label, choice->label) == 0;
	}
	return false;
}

/* The same kind, path and map; the order in which the map is written says nothing. */
static bool is_same(const struct profile_value *value, const struct label_draft *draft)
{
	if (value->kind != draft->kind || value->is_number != draft->is_number ||
	    value->is_key != draft->is_key || value->now != draft->now ||
	    value->skip_rest != draft->skip_rest || value->n_choices != draft->n_choices)
		return false;
	if (strcmp(value->path, draft->path ? draft->path : "") != 0)
		return false;
	for (size_t i = 0; i < draft->n_choices; i++)
		if (!says(value, &draft->choices[i]))
			return false;
	return true;
}

static void fill_value(struct profile_value *value, const struct label_draft *draft)
{
	*value = (struct profile_value){
		.kind = draft->kind,
		.is_number = draft->is_number,
		.is_key = draft->is_key,
		.now = draft->now,
		.skip_rest = draft->skip_rest,
		.path = mem_strdup(draft->path ? draft->path : ""),
		.choices = mem_array(draft->n_choices, sizeof(*value->choices)),
		.n_choices = draft->n_choices,
		.line = (unsigned)draft->entry.key->start_mark.line + 1,
	};
	for (size_t i = 0; i < draft->n_choices; i++) {
		value->choices[i].raw = mem_strdup(draft->choices[i].raw);
		if (draft->choices[i].label)
			value->choices[i].label = mem_strdup(draft->choices[i].label);
	}
}

const char *label_word(const struct label_draft *draft)
{
	return draft->is_number || draft->is_key || draft->is_skip ? "" : "label ";
}

/* An argument of a C function has no name and no fields: arg0 to arg5, or what a function
 * of the library tells of the object that it points to. Goes on behind it. */
static bool is_c_argument(const char **path)
{
	const char *p = *path, *call;

	if (strncmp(p, "arg", 3) != 0 || p[3] < '0' || p[3] > '5')
		return false;
	p += 4;
	call = *p == '.' ? strchr(p, ')') : NULL;
	*path = call ? call + 1 + profile_way_size(call + 1) : p;
	return *p != '.' || call;
}

static bool is_c_path(const char *path, bool now)
{
	const char *second = now ? profile_behind_result(path) : path;

	if (second != path)
		return is_c_argument(&second) && !*second;
	if (!is_c_argument(&path))
		return false;
	if (!*path)
		return true;
	if (strncmp(path, PROFILE_AND, strlen(PROFILE_AND)) != 0)
		return false;
	path += strlen(PROFILE_AND);
	return is_c_argument(&path) && !*path;
}

/* Up to the dot of a pair, with it; of a single number nothing. */
static size_t first_of(const char *raw)
{
	const char *dot = strchr(raw, '.');

	return dot ? (size_t)(dot - raw) + 1 : 0;
}

/* How many of the choices are pairs that begin as choice @at does; 0 where an earlier one does. */
static size_t count_alike(const struct label_draft *draft, size_t at)
{
	const char *raw = draft->choices[at].raw;
	size_t size = first_of(raw), n = 0;

	for (size_t i = 0; i < draft->n_choices; i++) {
		const char *other = draft->choices[i].raw;

		if (first_of(other) != size || strncmp(raw, other, size) != 0)
			continue;
		if (i < at)
			return 0;
		n++;
	}
	return n;
}

/* The tests that tell them apart: one for the first numbers of pairs, and for each of those,
 * or for all single numbers, one for every 16. */
static size_t count_tests(const struct label_draft *draft)
{
	size_t n = draft->n_choices && first_of(draft->choices[0].raw) ? 1 : 0;

	for (size_t i = 0; i < draft->n_choices; i++)
		n += (count_alike(draft, i) + TEST_CHOICES_MAX - 1) / TEST_CHOICES_MAX;
	return n;
}

static const char *choices_fault(const struct label_draft *draft)
{
	for (size_t i = 0; i < draft->n_choices; i++)
		if (draft->choices[i].raw[strspn(draft->choices[i].raw, "-0123456789.")])
			return "is of a C function, whose values are whole numbers";
	if (count_tests(draft) > TESTS_MAX)
		return "tells more pairs apart than can be: of up to two first numbers, with up to "
		       "16 second ones each, or of one with 32";
	return NULL;
}

/* Whether all arguments of the path are asked for something. */
static bool is_asked(const char *path)
{
	const char *second;

	path = profile_behind_result(path);
	second = strstr(path, PROFILE_AND);
	return path[4] == '.' && (!second || second[strlen(PROFILE_AND) + 4] == '.');
}

/* NULL, or why the value cannot be one of a function of a shared library. */
static const char *c_fault(const struct label_draft *draft)
{
	switch (draft->kind) {
	case PROFILE_VALUE_ARG:
		if (!is_c_path(draft->path, draft->now))
			return "is of a C function, whose arguments are arg0 to arg5, or "
			       "arg0.FUNCTION() with a function of the library that reads one field";
		if (draft->is_number)
			return "is an argument of a C function: it can be a label or a key, but not "
			       "a number, for its type is not known";
		if (draft->now && !is_asked(draft->path))
			return "is an argument itself, which is there only when the call begins: "
			       "\"now\" is for arg0.FUNCTION()";
		if (draft->is_key && draft->path[4])
			return "is a field: a key of a C function is an argument";
		return choices_fault(draft);
	case PROFILE_VALUE_RETURN:
		if (draft->is_number && strcmp(draft->path, "number") != 0)
			return "is of a C function: what it returned is called number";
		return choices_fault(draft);
	default:
		return "is of a C function, which can only return";
	}
}

static const char *rust_fault(const struct label_draft *draft)
{
	if (draft->now)
		return "is read at the end of the call, which is done with functions of shared "
		       "libraries only";
	if (draft->skip_rest)
		return "skips all others, which is done with functions of shared libraries only";
	if (draft->kind == PROFILE_VALUE_ARG && strchr(draft->path, '(') &&
	    !strstr(draft->path, "len()") && !(draft->is_key && word_is_address(draft->path)) &&
	    !(draft->is_number && word_is_time(draft->path)))
		return "calls a function, which is done with functions of shared libraries only";
	if (draft->pair)
		return "is of two arguments, which is done with functions of shared libraries only";
	if (draft->n_choices > TEST_CHOICES_MAX)
		return "has more than 16 values, which is done with functions of shared libraries "
		       "only";
	return NULL;
}

/* Whether the value can be one of the function: of one of a shared library nothing is known
 * but its registers. */
static bool check_value(struct build *b, const struct label_draft *draft, const char *function)
{
	const char *why = profile_symbol(function) ? c_fault(draft) : rust_fault(draft);

	if (why)
		fault_add(b->tree.page, tree_span(&b->tree, draft->entry.key), "\"%.60s\" %s",
			  draft->entry.name, why);
	return !why;
}

size_t value_bind(struct build *b, const struct label_draft *draft, struct profile_func *func)
{
	for (size_t i = 0; i < func->n_values; i++)
		if (is_same(&func->values[i], draft))
			return i;
	if (!check_value(b, draft, func->name))
		return 0;
	if (func->n_values == PROFILE_FUNC_VALUES_MAX) {
		fault_add(b->tree.page, tree_span(&b->tree, draft->entry.key),
			  "%s\"%s\" is value number %d captured of \"%s\"; %d is the most",
			  label_word(draft), draft->entry.name, PROFILE_FUNC_VALUES_MAX + 1,
			  func->name, PROFILE_FUNC_VALUES_MAX);
		return 0;
	}
	fill_value(&func->values[func->n_values], draft);
	return func->n_values++;
}

static bool has_choice(const struct label_draft *draft, const char *raw)
{
	for (size_t i = 0; i < draft->n_choices; i++)
		if (strcmp(draft->choices[i].raw, raw) == 0)
			return true;
	return false;
}

/* A label that speaks of ends must fit the ends that its source counts. */
static void check_ends(struct build *b, const struct label_draft *draft, unsigned on)
{
	static const struct {
		const char *raw, *end;
		unsigned bit;
	} ends[] = {
		{ "returned", "return", PROFILE_END_RETURN },
		{ "panicked", "panic", PROFILE_END_PANIC },
		{ "cancelled", "cancel", PROFILE_END_CANCEL },
	};
	struct fault_span span = tree_span(&b->tree, draft->entry.key);

	if (draft->kind == PROFILE_VALUE_RETURN && !(on & PROFILE_END_RETURN))
		fault_add(b->tree.page, span,
			  "%s\"%s\" reads a result, but \"on\" counts no call that returns",
			  label_word(draft), draft->entry.name);
	if (draft->kind != PROFILE_VALUE_OUTCOME)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		bool counted = on & ends[i].bit, named = has_choice(draft, ends[i].raw);

		if (named && !counted)
			fault_add(
				b->tree.page, span,
				"label \"%s\" names the outcome %s, which is not counted; add \"%s\" to \"on\"",
				draft->entry.name, ends[i].raw, ends[i].end);
		else if (counted && !named)
			fault_add(b->tree.page, span,
				  "label \"%s\" lacks the outcome %s, which \"on\" counts",
				  draft->entry.name, ends[i].raw);
	}
}

void label_bind(struct build *b, const struct label_draft *draft, struct profile_label *label,
		struct profile_source *source, size_t at)
{
	if (!draft->usable)
		return;
	source->labels[at].constant = draft->constant;
	for (size_t i = 0; i < draft->n_choices; i++)
		if (draft->choices[i].label)
			source->labels[at].index = add_value(label, draft->choices[i].label);
	if (draft->constant)
		return;
	check_ends(b, draft, source->on);
	source->labels[at].index = value_bind(b, draft, &b->profile->funcs[source->func]);
}

void skip_bind(struct build *b, const struct metric_draft *draft, struct profile_source *source)
{
	if (!draft->skip.usable)
		return;
	check_ends(b, &draft->skip, source->on);
	source->skip = value_bind(b, &draft->skip, &b->profile->funcs[source->func]);
}

void number_bind(struct build *b, const struct label_draft *number, struct profile_source *source)
{
	if (!number->usable)
		return;
	if (number->kind == PROFILE_VALUE_RETURN && source->on != PROFILE_END_RETURN)
		fault_add(b->tree.page, tree_span(&b->tree, number->entry.key),
			  "\"value\" is of a result, but \"on\" counts calls that do not return");
	source->number = value_bind(b, number, &b->profile->funcs[source->func]);
}
