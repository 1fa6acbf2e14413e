// SPDX-License-Identifier: BSD-2-Clause
/* Matches functions by what is left of the possibilities. */
#include "symbol/twin_match.h"

#include <stdlib.h>
#include <string.h>

#define PIN_TWO (TWIN_NONE - 1) /* two things at once */

enum state {
	OPEN,
	OUT,    /* not in this run: something else was found to belong together */
	BANNED, /* contradicted: in no run, but it still makes its functions ambiguous */
};

struct matching {
	struct twin_match *m;
	struct twin_alikes all;
	uint8_t *state;          /* by possibility */
	uint32_t *n_f, *n_g;     /* possibilities of each function that are not out */
	uint32_t *pin_f, *pin_g; /* what a function must be by what refers to it, or PIN_TWO */
};

/* Of copies only the first takes part. */
static void keep_first(struct matching *t)
{
	const struct twin_match *m = t->m;
	size_t n = 0;

	for (size_t i = 0; i < t->all.n; i++) {
		struct twin_alike *c = &t->all.at[i];

		if (m->first_f[c->f] != c->f || m->first_g[c->g] != c->g) {
			free(c->refs.at);
			continue;
		}
		for (size_t r = 0; r < c->refs.n; r++) {
			c->refs.at[r].rebuild = m->first_f[c->refs.at[r].rebuild];
			c->refs.at[r].shipped = m->first_g[c->refs.at[r].shipped];
		}
		t->all.at[n++] = *c;
	}
	t->all.n = n;
}

/* --- one run ------------------------------------------------------------------------------ */

static bool matched(const struct matching *t, uint32_t f, uint32_t g)
{
	return t->m->to[f] == g;
}

/* One of the two belongs elsewhere. */
static bool contradicted(const struct matching *t, uint32_t f, uint32_t g)
{
	return !matched(t, f, g) && (t->m->to[f] != TWIN_NONE || t->m->from[g] != TWIN_NONE);
}

static bool refs_contradicted(const struct matching *t, const struct twin_alike *c)
{
	for (size_t r = 0; r < c->refs.n; r++)
		if (contradicted(t, c->refs.at[r].rebuild, c->refs.at[r].shipped))
			return true;
	return false;
}

static bool leave_out(struct matching *t, size_t i)
{
	if (t->state[i] != OPEN)
		return false;
	t->state[i] = OUT;
	t->n_f[t->all.at[i].f]--;
	t->n_g[t->all.at[i].g]--;
	return true;
}

/* What is left alone on both sides belongs together. */
static bool match_unique(struct matching *t)
{
	bool any = false;

	for (size_t i = 0; i < t->all.n; i++) {
		const struct twin_alike *c = &t->all.at[i];

		if (t->state[i] != OPEN || t->n_f[c->f] != 1 || t->n_g[c->g] != 1 ||
		    matched(t, c->f, c->g))
			continue;
		t->m->to[c->f] = c->g;
		t->m->from[c->g] = c->f;
		any = true;
	}
	return any;
}

/* A possibility goes when one of the two belongs elsewhere, or something that they refer to does. */
static bool drop_impossible(struct matching *t)
{
	bool any = false;

	for (size_t i = 0; i < t->all.n; i++) {
		const struct twin_alike *c = &t->all.at[i];

		if (!matched(t, c->f, c->g) &&
		    (contradicted(t, c->f, c->g) || refs_contradicted(t, c)))
			any |= leave_out(t, i);
	}
	return any;
}

static void pin(uint32_t *slot, uint32_t value)
{
	*slot = *slot == TWIN_NONE || *slot == value ? value : PIN_TWO;
}

/* What functions that belong together refer to at the same place belongs together. */
static void pin_referred(struct matching *t)
{
	memset(t->pin_f, 0xff, t->m->rebuild->n_funcs * sizeof(*t->pin_f));
	memset(t->pin_g, 0xff, t->m->shipped->n_funcs * sizeof(*t->pin_g));
	for (size_t i = 0; i < t->all.n; i++) {
		const struct twin_alike *c = &t->all.at[i];

		for (size_t r = 0; r < c->refs.n && matched(t, c->f, c->g); r++) {
			pin(&t->pin_f[c->refs.at[r].rebuild], c->refs.at[r].shipped);
			pin(&t->pin_g[c->refs.at[r].shipped], c->refs.at[r].rebuild);
		}
	}
}

static bool drop_unpinned(struct matching *t)
{
	bool any = false;

	pin_referred(t);
	for (size_t i = 0; i < t->all.n; i++) {
		const struct twin_alike *c = &t->all.at[i];
		uint32_t g = t->pin_f[c->f], f = t->pin_g[c->g];

		if (!matched(t, c->f, c->g) &&
		    ((g != TWIN_NONE && g != c->g) || (f != TWIN_NONE && f != c->f)))
			any |= leave_out(t, i);
	}
	return any;
}

static void begin_run(struct matching *t)
{
	struct twin_match *m = t->m;

	memset(m->to, 0xff, m->rebuild->n_funcs * sizeof(*m->to));
	memset(m->from, 0xff, m->shipped->n_funcs * sizeof(*m->from));
	memset(t->n_f, 0, m->rebuild->n_funcs * sizeof(*t->n_f));
	memset(t->n_g, 0, m->shipped->n_funcs * sizeof(*t->n_g));
	for (size_t i = 0; i < t->all.n; i++) {
		t->state[i] = t->state[i] == BANNED ? BANNED : OPEN;
		t->n_f[t->all.at[i].f]++;
		t->n_g[t->all.at[i].g]++;
	}
}

static void run(struct matching *t)
{
	bool more = true;

	begin_run(t);
	while (more) {
		more = match_unique(t);
		more |= drop_impossible(t);
		more |= drop_unpinned(t);
	}
}

/* --- what contradicts itself ---------------------------------------------------------------- */

static bool ban(struct matching *t, uint32_t f, uint32_t g)
{
	const struct twin_alike *c = twin_alike_get(&t->all, f, g);
	uint8_t *state = c ? &t->state[c - t->all.at] : NULL;

	if (!state || *state == BANNED)
		return false;
	*state = BANNED;
	return true;
}

/* Who is wrong, a function or what it refers to, cannot be told: neither counts. */
static bool ban_contradictions(struct matching *t)
{
	const struct twin_match *m = t->m;
	bool any = false;

	for (size_t i = 0; i < t->all.n; i++) {
		const struct twin_alike *c = &t->all.at[i];

		for (size_t r = 0; r < c->refs.n && matched(t, c->f, c->g); r++) {
			uint32_t f = c->refs.at[r].rebuild, g = c->refs.at[r].shipped;

			if (!contradicted(t, f, g))
				continue;
			any |= ban(t, c->f, c->g);
			if (m->to[f] != TWIN_NONE)
				any |= ban(t, f, m->to[f]);
			if (m->from[g] != TWIN_NONE)
				any |= ban(t, m->from[g], g);
		}
	}
	return any;
}

/* --- the whole ------------------------------------------------------------------------------ */

static uint32_t *numbers(uint32_t n)
{
	return mem_array(n + 1, sizeof(uint32_t));
}

/* How many functions of @code have the instructions of function @f of @of. */
static uint32_t n_equal(const struct twin_code *of, uint32_t f, const struct twin_code *code)
{
	uint32_t n = 0;

	for (uint32_t g = 0; g < code->n_funcs; g++)
		n += twin_code_equal(of, f, code, g);
	return n;
}

static enum twin_why why_not(const struct matching *t, uint32_t f)
{
	const struct twin_code *a = t->m->rebuild, *b = t->m->shipped;
	bool some = false, banned = false;
	uint32_t equal;

	for (size_t i = 0; i < t->all.n; i++) {
		some |= t->all.at[i].f == f;
		banned |= t->all.at[i].f == f && t->state[i] == BANNED;
	}
	if (a->funcs[f].odd)
		return TWIN_ODD;
	if (some)
		return banned || !t->n_f[f] ? TWIN_CONTRADICTED : TWIN_AMBIGUOUS;
	equal = n_equal(a, f, b);
	if (!equal)
		return TWIN_CODE;
	return equal > TWIN_ALIKE_MAX || n_equal(a, f, a) > TWIN_ALIKE_MAX ? TWIN_AMBIGUOUS :
									     TWIN_DATA;
}

void twin_match_run(const struct twin_code *rebuild, const struct twin_code *shipped,
		    struct twin_match *out)
{
	uint32_t n_f = rebuild->n_funcs, n_g = shipped->n_funcs;
	struct matching t = { .m = out,
			      .n_f = numbers(n_f),
			      .n_g = numbers(n_g),
			      .pin_f = numbers(n_f),
			      .pin_g = numbers(n_g) };

	*out = (struct twin_match){ .rebuild = rebuild,
				    .shipped = shipped,
				    .first_f = twin_alike_copies(rebuild),
				    .first_g = twin_alike_copies(shipped),
				    .to = numbers(n_f),
				    .from = numbers(n_g),
				    .why = mem_array(n_f + 1, 1) };
	twin_alike_find(rebuild, shipped, &t.all);
	keep_first(&t);
	t.state = mem_array(t.all.n + 1, 1);
	do
		run(&t);
	while (ban_contradictions(&t));
	for (uint32_t f = 0; f < n_f; f++) {
		if (out->first_f[f] != f)
			continue;
		out->n += out->to[f] != TWIN_NONE;
		out->why[f] = (uint8_t)(out->to[f] != TWIN_NONE ? TWIN_MATCHED : why_not(&t, f));
	}
	twin_alike_free(&t.all);
	free(t.state);
	free(t.n_f);
	free(t.n_g);
	free(t.pin_f);
	free(t.pin_g);
}

void twin_match_free(struct twin_match *match)
{
	free(match->first_f);
	free(match->first_g);
	free(match->to);
	free(match->from);
	free(match->why);
	*match = (struct twin_match){};
}
