// SPDX-License-Identifier: BSD-2-Clause
/* Several profiles become one: metrics stand side by side, and a function that several
 * name is one, of which each value that they ask for is captured once. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "profile/profile.h"

/* One part on its way into the whole. */
struct merge {
	struct profile *to, *from;
	unsigned part; /* its number in the whole */
	/* by number in the part: the number in the whole */
	size_t func[PROFILE_FUNCS_MAX];
	size_t value[PROFILE_FUNCS_MAX][PROFILE_FUNC_VALUES_MAX];
	struct err *err;
};

static const char *origin_of(const struct profile *profile, unsigned part)
{
	return profile->parts[part].origin;
}

/* ---- the profiles themselves ---------------------------------------------------------- */

static void append(char **list, const char *more)
{
	char *text = *list ? mem_printf("%s, %s", *list, more) : mem_strdup(more);

	free(*list);
	*list = text;
}

static int add_part(struct merge *m)
{
	struct profile *to = m->to;
	struct profile_part *part = m->from->parts;

	for (size_t i = 0; i < to->n_parts; i++) {
		const struct profile_part *there = &to->parts[i];

		if (strcmp(there->origin, part->origin) == 0)
			return err_set(m->err, -EEXIST,
				       "the profile %s is named twice; once is enough",
				       part->origin);
		if (strcmp(there->name, part->name) == 0)
			return err_set(m->err, -EEXIST,
				       "%s and %s both call themselves \"profile: %s\"; give one "
				       "of them another name",
				       there->origin, part->origin, part->name);
	}
	append(&to->name, part->name);
	append(&to->origin, part->origin);
	to->parts = mem_grow(to->parts, to->n_parts + 1, sizeof(*to->parts));
	to->parts[to->n_parts++] = *part;
	*part = (struct profile_part){};
	return 0;
}

/* Who names the variable so far, and that it is one for a program of its own. */
struct namer {
	unsigned part;
	bool library;
};

/* What a library says of it is a guess, and gives way to a program's own profile. */
static int merge_node_id(struct merge *m, struct namer *namer)
{
	bool library = m->to->parts[m->part].library;
	char **there = &m->to->node_id_env, **here = &m->from->node_id_env;

	if (!*here || (*there && library && !namer->library))
		return 0;
	if (*there && library == namer->library && strcmp(*there, *here) != 0)
		return err_set(m->err, -EINVAL,
			       "%s takes the node_id from the variable %s and %s from %s; name one "
			       "and the same, or leave one out",
			       origin_of(m->to, namer->part), *there, origin_of(m->to, m->part),
			       *here);
	*namer = (struct namer){ m->part, library };
	free(*there);
	*there = TAKE_PTR(*here);
	return 0;
}

/* ---- functions -------------------------------------------------------------------------- */

static const struct profile_choice *choice_of(const struct profile_value *value, const char *raw)
{
	for (size_t i = 0; i < value->n_choices; i++)
		if (strcmp(value->choices[i].raw, raw) == 0)
			return &value->choices[i];
	return NULL;
}

/* The same label, or skipped by both. */
static bool same_choice(const struct profile_choice *a, const struct profile_choice *b)
{
	return b && !a->label == !b->label && (!a->label || strcmp(a->label, b->label) == 0);
}

static bool same_value(const struct profile_value *a, const struct profile_value *b)
{
	if (a->kind != b->kind || a->is_number != b->is_number || a->is_key != b->is_key ||
	    a->now != b->now || a->skip_rest != b->skip_rest || a->n_choices != b->n_choices ||
	    strcmp(a->path, b->path) != 0)
		return false;
	for (size_t i = 0; i < a->n_choices; i++)
		if (!same_choice(&a->choices[i], choice_of(b, a->choices[i].raw)))
			return false;
	return true;
}

/* The number of a value in the function of the whole, PROFILE_FUNC_VALUES_MAX where it
 * has no room. The value is taken out of where it was. */
static size_t take_value(struct profile_func *func, struct profile_value *value)
{
	for (size_t i = 0; i < func->n_values; i++)
		if (same_value(&func->values[i], value))
			return i;
	if (func->n_values == PROFILE_FUNC_VALUES_MAX)
		return PROFILE_FUNC_VALUES_MAX;
	func->values[func->n_values] = *value;
	*value = (struct profile_value){};
	return func->n_values++;
}

static int merge_values(struct merge *m, size_t f)
{
	struct profile_func *to = &m->to->funcs[m->func[f]], *from = &m->from->funcs[f];

	for (size_t v = 0; v < from->n_values; v++) {
		m->value[f][v] = take_value(to, &from->values[v]);
		if (m->value[f][v] < PROFILE_FUNC_VALUES_MAX)
			continue;
		return err_set(m->err, -E2BIG,
			       "%s and %s together capture more than %d values of \"%s\"; "
			       "use the same labels in both, or fewer",
			       origin_of(m->to, to->part), origin_of(m->to, m->part),
			       PROFILE_FUNC_VALUES_MAX, to->name);
	}
	return 0;
}

static size_t find_func(const struct profile *profile, const char *name)
{
	size_t f = 0;

	while (f < profile->n_funcs && strcmp(profile->funcs[f].name, name) != 0)
		f++;
	return f;
}

static int merge_func(struct merge *m, size_t f)
{
	struct profile_func *from = &m->from->funcs[f];
	size_t at = find_func(m->to, from->name);
	struct profile_func *to = &m->to->funcs[at];

	if (at == PROFILE_FUNCS_MAX)
		return err_set(
			m->err, -E2BIG,
			"with %s the profiles name more than %d functions; use fewer of them "
			"at once",
			origin_of(m->to, m->part), PROFILE_FUNCS_MAX);
	if (at == m->to->n_funcs) {
		*to = (struct profile_func){ .name = TAKE_PTR(from->name),
					     .line = from->line,
					     .part = m->part };
		m->to->n_funcs++;
	}
	to->required |= from->required;
	to->parts |= 1U << m->part;
	m->func[f] = at;
	return merge_values(m, f);
}

/* ---- metrics ---------------------------------------------------------------------------- */

static int check_family(const struct merge *m, const struct profile_metric *metric)
{
	for (size_t i = 0; i < m->to->n_metrics; i++) {
		const struct profile_metric *there = &m->to->metrics[i];

		if (!profile_same_family(there, metric))
			continue;
		return err_set(m->err, -EEXIST,
			       "%s, line %u, and %s, line %u, both have the metric %s; rename one "
			       "or leave it out",
			       origin_of(m->to, there->part), there->line,
			       origin_of(m->to, m->part), metric->line, metric->name);
	}
	return 0;
}

static void renumber(const struct merge *m, struct profile_metric *metric)
{
	metric->part = m->part;
	for (size_t s = 0; s < metric->n_sources; s++) {
		struct profile_source *source = &metric->sources[s];
		const size_t *value = m->value[source->func];

		for (size_t l = 0; l < metric->n_labels; l++)
			if (!source->labels[l].constant)
				source->labels[l].index = value[source->labels[l].index];
		if (metric->skips && !source->begins)
			source->skip = value[source->skip];
		if (metric->is_of_numbers)
			source->number = value[source->number];
		if (metric->is_of_spans)
			source->key = value[source->key];
		if (source->has_until)
			source->until = value[source->until];
		source->func = m->func[source->func];
	}
}

static int merge_metrics(struct merge *m)
{
	size_t room = m->to->n_metrics + m->from->n_metrics;

	if (room > PROFILE_METRICS_MAX)
		return err_set(
			m->err, -E2BIG,
			"with %s the profiles have %zu metrics, at most %d will do; use fewer "
			"of them at once",
			origin_of(m->to, m->part), room, PROFILE_METRICS_MAX);
	m->to->metrics = mem_grow(m->to->metrics, room, sizeof(*m->to->metrics));
	for (size_t i = 0; i < m->from->n_metrics; i++) {
		struct profile_metric *metric = &m->from->metrics[i];
		int r = check_family(m, metric);

		if (r)
			return r;
		renumber(m, metric);
		m->to->metrics[m->to->n_metrics++] = *metric;
		*metric = (struct profile_metric){};
	}
	return 0;
}

/* How many metrics of one part a function feeds, as its sources are counted. */
static size_t feeds(const struct profile *profile, size_t func, unsigned part)
{
	size_t n = 0;

	for (size_t i = 0; i < profile->n_metrics; i++)
		for (size_t s = 0; s < profile->metrics[i].n_sources; s++)
			n += profile->metrics[i].part == part &&
			     profile->metrics[i].sources[s].func == func;
	return n;
}

static int check_feeds(const struct profile *profile, size_t func, struct err *err)
{
	_strbuf_ struct strbuf who = {};
	size_t sum = 0;

	for (unsigned part = 0; part < profile->n_parts; part++) {
		size_t n = feeds(profile, func, part);

		sum += n;
		if (n)
			strbuf_printf(&who, "%s%zu of %s", who.len ? ", " : "", n,
				      origin_of(profile, part));
	}
	if (sum <= PROFILE_FUNC_METRICS_MAX)
		return 0;
	return err_set(err, -E2BIG,
		       "\"%s\" feeds %zu metrics (%s), at most %d will do; leave some of them out",
		       profile->funcs[func].name, sum, who.text, PROFILE_FUNC_METRICS_MAX);
}

/* ---- all of it --------------------------------------------------------------------------- */

static int merge_one(struct merge *m, struct namer *namer)
{
	int r = add_part(m);

	if (r == 0)
		r = merge_node_id(m, namer);
	for (size_t f = 0; f < m->from->n_funcs && r == 0; f++)
		r = merge_func(m, f);
	return r == 0 ? merge_metrics(m) : r;
}

int profile_merge(struct profile *const *parts, size_t n, struct profile **out, struct err *err)
{
	_cleanup_(profile_freep) struct profile *to = mem_alloc(sizeof(*to));
	_free_ struct merge *m = mem_alloc(sizeof(*m));
	struct namer namer = {};
	int r = 0;

	if (n > PROFILE_PARTS_MAX)
		return err_set(err, -E2BIG, "at most %d profiles can be used together, not %zu",
			       PROFILE_PARTS_MAX, n);
	for (size_t i = 0; i < n && r == 0; i++) {
		*m = (struct merge){ .to = to, .from = parts[i], .part = (unsigned)i, .err = err };
		r = merge_one(m, &namer);
	}
	for (size_t f = 0; f < to->n_funcs && r == 0; f++)
		r = check_feeds(to, f, err);
	if (r == 0)
		*out = TAKE_PTR(to);
	return r;
}
