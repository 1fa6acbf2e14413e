// SPDX-License-Identifier: BSD-2-Clause
/* A profile from its text, and its end. */
#include "profile/profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "profile/build.h"

enum { KEY_PROFILE, KEY_LIBRARY, KEY_NODE_ID, KEY_METRICS, N_KEYS };

static const struct tree_key profile_keys[N_KEYS] = {
	[KEY_PROFILE] = { "profile", true },
	[KEY_LIBRARY] = { "library", false },
	[KEY_NODE_ID] = { "node_id", false },
	[KEY_METRICS] = { "metrics", true },
};

static const struct tree_key node_id_keys[] = { { "env", true } };

void build_word_fault(struct build *b, const yaml_node_t *node, const char *kind,
		      const struct word_fault *fault)
{
	fault_add(b->tree.page, tree_part_span(&b->tree, node, fault->at, fault->size),
		  "%s \"%.100s\" %s", kind, (char *)node->data.scalar.value, fault->why);
}

bool build_flag(struct build *b, const struct tree_entry *entry, const char *what)
{
	const char *text = tree_text(&b->tree, entry, what);

	if (text && strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
		fault_add(b->tree.page, tree_span(&b->tree, entry->value),
			  "%s must be true or false", what);
	return text && strcmp(text, "true") == 0;
}

static void build_name(struct build *b, const struct tree_entry *entry)
{
	const char *name = tree_text(&b->tree, entry, "\"profile\"");
	struct word_fault fault;

	if (!name)
		return;
	b->profile->name = mem_strdup(name);
	b->profile->parts->name = mem_strdup(name);
	if (!word_is_profile_name(name, &fault))
		build_word_fault(b, entry->value, "profile name", &fault);
}

static void build_node_id(struct build *b, const struct tree_entry *entry)
{
	struct tree_entry env;
	struct word_fault fault;
	const char *name;

	if (!tree_keys(&b->tree, entry, "\"node_id\"", node_id_keys, 1, &env) || !env.value)
		return;
	name = tree_text(&b->tree, &env, "\"env\" of \"node_id\"");
	if (!name)
		return;
	if (!word_is_variable(name, &fault))
		build_word_fault(b, env.value, "variable", &fault);
	b->profile->node_id_env = mem_strdup(name);
}

/* The size of a family's name in OpenMetrics, where a counter's has no _total. */
static size_t family_size(const char *name)
{
	size_t n = strlen(name), suffix = strlen("_total");

	return n > suffix && strcmp(name + n - suffix, "_total") == 0 ? n - suffix : n;
}

bool profile_same_family(const struct profile_metric *a, const struct profile_metric *b)
{
	size_t size = family_size(a->name);

	return size == family_size(b->name) && strncmp(a->name, b->name, size) == 0;
}

static void check_families(struct build *b, const struct tree_entry *entries, size_t n)
{
	const struct profile_metric *metrics = b->profile->metrics;

	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < i; j++) {
			if (!profile_same_family(&metrics[i], &metrics[j]))
				continue;
			fault_add(
				b->tree.page, tree_span(&b->tree, entries[i].key),
				"metric \"%.100s\" and \"%.100s\" of line %u are one family in OpenMetrics; rename one",
				metrics[i].name, metrics[j].name, metrics[j].line);
		}
	}
}

static void build_metrics(struct build *b, const struct tree_entry *entry)
{
	size_t n;
	_free_ struct tree_entry *entries = tree_mapping(&b->tree, entry, "\"metrics\"", &n);

	if (n > PROFILE_METRICS_MAX) {
		fault_add(b->tree.page, tree_span(&b->tree, entries[PROFILE_METRICS_MAX].key),
			  "this is metric number %d; %d is the most", PROFILE_METRICS_MAX + 1,
			  PROFILE_METRICS_MAX);
		n = PROFILE_METRICS_MAX;
	}
	b->profile->metrics = mem_array(n, sizeof(*b->profile->metrics));
	for (size_t i = 0; i < n; i++)
		build_metric(b, &entries[i]);
	check_families(b, entries, n);
}

static void build_profile(struct build *b)
{
	struct tree_entry root = { .value = b->tree.root }, got[N_KEYS];

	if (!tree_keys(&b->tree, &root, "a profile", profile_keys, N_KEYS, got))
		return;
	if (got[KEY_PROFILE].value)
		build_name(b, &got[KEY_PROFILE]);
	if (got[KEY_LIBRARY].value)
		b->profile->parts->library = build_flag(b, &got[KEY_LIBRARY], "\"library\"");
	if (got[KEY_NODE_ID].value)
		build_node_id(b, &got[KEY_NODE_ID]);
	if (got[KEY_METRICS].value)
		build_metrics(b, &got[KEY_METRICS]);
}

int profile_parse(const char *origin, const char *text, size_t size, struct profile **out,
		  struct profile_faults *faults)
{
	_cleanup_(profile_freep) struct profile *profile = mem_alloc(sizeof(*profile));
	static const char if_empty[] = "the profile is empty; see docs/profile.md for a first one";
	struct build b = { .profile = profile };
	struct fault_page page;
	bool faulty;

	profile->origin = mem_strdup(origin);
	profile->parts = mem_array(1, sizeof(*profile->parts));
	profile->parts->origin = mem_strdup(origin);
	profile->n_parts = 1;
	fault_page_open(&page, origin, text, size, faults);
	if (size > PROFILE_SIZE_MAX)
		fault_add(&page, (struct fault_span){ 0 },
			  "a profile is at most 1 MiB, this is %zu bytes", size);
	else if (tree_load(&b.tree, &page, if_empty)) {
		build_profile(&b);
		tree_free(&b.tree);
	}
	faulty = fault_page_has_any(&page);
	fault_page_close(&page);
	if (faulty)
		return -EINVAL;
	*out = TAKE_PTR(profile);
	return 0;
}

static void free_func(struct profile_func *func)
{
	free(func->name);
	for (size_t i = 0; i < func->n_values; i++) {
		free(func->values[i].path);
		profile_choices_free(func->values[i].choices, func->values[i].n_choices);
	}
}

static void free_metric(struct profile_metric *metric)
{
	free(metric->name);
	free(metric->help);
	for (size_t i = 0; i < metric->n_labels; i++) {
		free(metric->labels[i].name);
		for (size_t j = 0; j < metric->labels[i].n_values; j++)
			free(metric->labels[i].values[j]);
		free(metric->labels[i].values);
	}
	free(metric->sources);
}

void profile_free(struct profile *profile)
{
	if (!profile)
		return;
	free(profile->name);
	free(profile->origin);
	for (size_t i = 0; i < profile->n_parts; i++) {
		free(profile->parts[i].name);
		free(profile->parts[i].origin);
	}
	free(profile->parts);
	free(profile->node_id_env);
	for (size_t i = 0; i < profile->n_funcs; i++)
		free_func(&profile->funcs[i]);
	for (size_t i = 0; i < profile->n_metrics; i++)
		free_metric(&profile->metrics[i]);
	free(profile->metrics);
	free(profile);
}

void profile_freep(struct profile **profile)
{
	profile_free(*profile);
}
