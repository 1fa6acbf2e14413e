// SPDX-License-Identifier: BSD-2-Clause
/* Finds source positions that one function alone refers to, and goes on from there. */
#include "symbol/twin_anchor.h"

#include <stdlib.h>
#include <string.h>

/* A source position that function @f refers to. */
struct position {
	struct twin_position at;
	uint32_t f, ref; /* ref: index in twin_code.refs */
};

struct positions {
	struct position *at;
	size_t n, cap;
};

static int same_place(const struct twin_position *x, const struct twin_position *y)
{
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	if (x->column != y->column)
		return x->column < y->column ? -1 : 1;
	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return memcmp(x->name, y->name, x->len);
}

static int by_place(const void *a, const void *b)
{
	const struct position *x = a, *y = b;
	int place = same_place(&x->at, &y->at);

	if (place)
		return place;
	return x->ref < y->ref ? -1 : x->ref > y->ref;
}

/* By reference of the file: whether it leads to a position that one function alone has. */
static bool *own_positions(const struct twin_code *code, const uint32_t *first)
{
	bool *own = mem_array(code->refs.n + 1, sizeof(*own));
	struct positions all = {};
	struct position p = {};

	for (uint32_t f = 0; f < code->n_funcs; f++) {
		for (uint32_t r = 0; r < code->funcs[f].n_refs; r++) {
			p.f = first[f];
			p.ref = code->funcs[f].ref + r;
			if (!code->refs.at[p.ref].branch &&
			    twin_data_position(code, code->refs.at[p.ref].target, &p.at))
				*VEC_ADD(&all) = p;
		}
	}
	if (all.n)
		qsort(all.at, all.n, sizeof(*all.at), by_place);
	for (size_t i = 0, n; i < all.n; i += n) {
		bool one = true;

		for (n = 0; i + n < all.n && same_place(&all.at[i].at, &all.at[i + n].at) == 0; n++)
			one &= all.at[i + n].f == all.at[i].f;
		for (size_t k = 0; k < n && one; k++)
			own[all.at[i + k].ref] = true;
	}
	free(all.at);
	return own;
}

/* What is known so far, by function of the rebuild. */
struct anchors {
	const struct twin_match *m;
	const struct twin_uses *uses;
	uint8_t *known;
	bool *followed;
};

static bool anchor(struct anchors *t, uint32_t f, uint32_t g, enum twin_known how)
{
	const struct twin_match *m = t->m;

	f = m->first_f[f];
	if (t->known[f] >= how || m->to[f] == TWIN_NONE || m->to[f] != m->first_g[g])
		return false;
	t->known[f] = (uint8_t)how;
	t->followed[f] = false;
	return true;
}

static void anchor_positions(struct anchors *t)
{
	const struct twin_match *m = t->m;
	const struct twin_code *a = m->rebuild, *b = m->shipped;
	_free_ bool *own_a = own_positions(a, m->first_f), *own_b = own_positions(b, m->first_g);

	for (uint32_t f = 0; f < a->n_funcs; f++) {
		if (m->first_f[f] != f || m->to[f] == TWIN_NONE)
			continue;
		for (uint32_t r = 0; r < a->funcs[f].n_refs; r++)
			if (own_a[a->funcs[f].ref + r] && own_b[b->funcs[m->to[f]].ref + r])
				anchor(t, f, m->to[f], TWIN_KNOWN);
	}
}

static void anchor_entry(struct anchors *t)
{
	const struct twin_code *a = t->m->rebuild, *b = t->m->shipped;
	uint32_t f = twin_code_at(a, image_entry(a->image));
	uint32_t g = twin_code_at(b, image_entry(b->image));

	if (f != TWIN_NONE && g != TWIN_NONE)
		anchor(t, f, g, TWIN_KNOWN);
}

/* What the function refers to, as its counterpart does at the same place. */
static bool anchor_referred(struct anchors *t, uint32_t f)
{
	struct twin_pairs refs = {};
	bool any = false;

	twin_data_agrees(t->m->rebuild, f, t->m->shipped, t->m->to[f], &refs);
	for (size_t i = 0; i < refs.n; i++)
		any |= anchor(t, refs.at[i].rebuild, refs.at[i].shipped, t->known[f]);
	free(refs.at);
	return any;
}

/* Functions that refer to @f at one or more places. */
static size_t users(const struct twin_use *at, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += !i || at[i].from != at[i - 1].from;
	return count;
}

static bool uses(const struct twin_use *at, size_t n, uint32_t from)
{
	for (size_t i = 0; i < n; i++)
		if (at[i].from == from)
			return true;
	return false;
}

/* What refers to the function, if that is the same in both files. */
static bool anchor_users(struct anchors *t, uint32_t f)
{
	const uint32_t *to = t->m->to;
	size_t n, k;
	const struct twin_use *x = twin_uses_of(t->uses, false, f, &n);
	const struct twin_use *y = twin_uses_of(t->uses, true, to[f], &k);
	bool any = false;

	if (users(x, n) != users(y, k))
		return false;
	for (size_t i = 0; i < n; i++)
		if (to[x[i].from] == TWIN_NONE || !uses(y, k, to[x[i].from]))
			return false;
	for (size_t i = 0; i < n; i++)
		any |= anchor(t, x[i].from, to[x[i].from], TWIN_RELATED);
	return any;
}

/* Goes on from all that is known, until nothing more follows. */
static void follow(struct anchors *t, bool by_users)
{
	bool more = true;

	while (more) {
		more = false;
		for (uint32_t f = 0; f < t->m->rebuild->n_funcs; f++) {
			if (!t->known[f] || t->followed[f])
				continue;
			t->followed[f] = true;
			more |= anchor_referred(t, f);
			if (by_users)
				more |= anchor_users(t, f);
		}
	}
}

uint8_t *twin_anchor_run(const struct twin_match *m, const struct twin_uses *u)
{
	uint32_t n = m->rebuild->n_funcs;
	_free_ bool *followed = mem_array(n + 1, sizeof(*followed));
	struct anchors t = { m, u, mem_array(n + 1, 1), followed };

	anchor_positions(&t);
	anchor_entry(&t);
	follow(&t, false);
	memset(followed, 0, n * sizeof(*followed));
	follow(&t, true);
	return t.known;
}
