// SPDX-License-Identifier: BSD-2-Clause
/* Counts references to functions in both files, and compares the counts up the callers. */
#include "symbol/twin_uses.h"

#include <stdlib.h>

struct side {
	const struct twin_code *code;
	const uint32_t *first;
	const uint32_t *other;     /* counterparts, or TWIN_NONE */
	VEC(struct twin_use) uses; /* by to, then from */
	bool *in_data;             /* a pointer in data leads to it */
};

struct twin_uses {
	struct side rebuild, shipped;
};

static int use_order(const void *a, const void *b)
{
	const struct twin_use *x = a, *y = b;

	if (x->to != y->to)
		return x->to < y->to ? -1 : 1;
	return x->from < y->from ? -1 : x->from > y->from;
}

/* The function that begins at @addr, or TWIN_NONE. */
static uint32_t begins(const struct side *s, uint64_t addr)
{
	uint32_t f = twin_code_at(s->code, addr);

	return f != TWIN_NONE && s->code->funcs[f].low == addr ? s->first[f] : TWIN_NONE;
}

/* The function whose address a call through a pointer in data, as of the GOT, finds there. */
static uint32_t refers_to(const struct side *s, const struct twin_ref *ref)
{
	if (!ref->branch && ref->size == 8 && twin_code_pointer(s->code, ref->target))
		return begins(s, image_pointer(s->code->image, ref->target));
	return begins(s, ref->target);
}

static void open_side(struct side *s)
{
	const struct image *im = s->code->image;

	for (uint32_t f = 0; f < s->code->n_funcs; f++) {
		const struct twin_function *fn = &s->code->funcs[f];

		for (uint32_t r = 0; r < fn->n_refs; r++) {
			uint32_t to = refers_to(s, &s->code->refs.at[fn->ref + r]);

			if (to != TWIN_NONE)
				*VEC_ADD(&s->uses) = (struct twin_use){ to, s->first[f] };
		}
	}
	if (s->uses.n)
		qsort(s->uses.at, s->uses.n, sizeof(*s->uses.at), use_order);
	s->in_data = mem_array(s->code->n_funcs + 1, sizeof(*s->in_data));
	for (size_t i = 0; i < im->n_relocs; i++) {
		uint32_t to = im->relocs[i].value ? begins(s, im->relocs[i].value) : TWIN_NONE;

		if (to != TWIN_NONE)
			s->in_data[to] = true;
	}
}

struct twin_uses *twin_uses_open(const struct twin_match *m)
{
	struct twin_uses *uses = mem_alloc(sizeof(*uses));

	uses->rebuild = (struct side){ .code = m->rebuild, .first = m->first_f, .other = m->to };
	uses->shipped = (struct side){ .code = m->shipped, .first = m->first_g, .other = m->from };
	open_side(&uses->rebuild);
	open_side(&uses->shipped);
	return uses;
}

void twin_uses_free(struct twin_uses *uses)
{
	if (!uses)
		return;
	free(uses->rebuild.uses.at);
	free(uses->rebuild.in_data);
	free(uses->shipped.uses.at);
	free(uses->shipped.in_data);
	free(uses);
}

/* The uses of @f: the first, and how many. */
static const struct twin_use *uses_of(const struct side *s, uint32_t f, size_t *n)
{
	size_t lo = 0, hi = s->uses.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->uses.at[mid].to < f)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (*n = 0; lo + *n < s->uses.n && s->uses.at[lo + *n].to == f;)
		++*n;
	return s->uses.at + lo;
}

static int by_number(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	return x < y ? -1 : x > y;
}

const struct twin_use *twin_uses_of(const struct twin_uses *uses, bool shipped, uint32_t f,
				    size_t *n)
{
	return uses_of(shipped ? &uses->shipped : &uses->rebuild, f, n);
}

/* How often each function without counterpart that refers to @f is referred to itself,
 * ascending (free the answer). */
static size_t *strangers(const struct side *s, uint32_t f, size_t *n)
{
	size_t n_uses, *numbers;
	const struct twin_use *at = uses_of(s, f, &n_uses);

	numbers = mem_array(n_uses + 1, sizeof(*numbers));
	*n = 0;
	for (size_t i = 0; i < n_uses; i++)
		if (s->other[at[i].from] == TWIN_NONE && (!i || at[i].from != at[i - 1].from))
			uses_of(s, at[i].from, &numbers[(*n)++]);
	if (*n)
		qsort(numbers, *n, sizeof(*numbers), by_number);
	return numbers;
}

/* Those that refer to it and changed: as many, and used as often, as there are in the rebuild. */
static bool strangers_agree(const struct twin_uses *u, uint32_t f, uint32_t g)
{
	size_t n, k;
	_free_ size_t *x = strangers(&u->rebuild, f, &n), *y = strangers(&u->shipped, g, &k);
	bool same = n == k;

	for (size_t i = 0; i < n && same; i++)
		same = x[i] == y[i];
	return same;
}

static bool one_agrees(const struct twin_uses *u, uint32_t f, bool itself, struct strbuf *why)
{
	uint32_t g = u->rebuild.other[f];
	const char *what = itself ? "it" : "a function that leads to it";
	size_t n, k;

	uses_of(&u->rebuild, f, &n);
	uses_of(&u->shipped, g, &k);
	if (n != k) {
		strbuf_printf(why,
			      "the shipped file refers to %s at %zu places, the rebuild at %zu",
			      what, k, n);
		return false;
	}
	if (u->rebuild.in_data[f] != u->shipped.in_data[g]) {
		strbuf_printf(why, "only the %s has a pointer to %s",
			      u->rebuild.in_data[f] ? "rebuild" : "shipped file", what);
		return false;
	}
	if (!strangers_agree(u, f, g)) {
		strbuf_printf(why, "what refers to %s in the shipped file is used otherwise", what);
		return false;
	}
	return true;
}

bool twin_uses_agree(const struct twin_uses *u, uint32_t f, struct strbuf *why)
{
	uint32_t n_funcs = u->rebuild.code->n_funcs;
	_free_ bool *seen = mem_array(n_funcs + 1, sizeof(*seen));
	_free_ uint32_t *queue = mem_array(n_funcs + 1, sizeof(*queue));
	uint32_t n = 0;

	f = u->rebuild.first[f];
	queue[n++] = f;
	seen[f] = true;
	for (uint32_t i = 0; i < n; i++) {
		size_t n_uses;
		const struct twin_use *at = uses_of(&u->rebuild, queue[i], &n_uses);

		if (!one_agrees(u, queue[i], i == 0, why))
			return false;
		for (size_t k = 0; k < n_uses; k++) {
			uint32_t from = at[k].from;

			if (seen[from] || u->rebuild.other[from] == TWIN_NONE)
				continue;
			seen[from] = true;
			queue[n++] = from;
		}
	}
	return true;
}
