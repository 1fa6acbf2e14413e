// SPDX-License-Identifier: BSD-2-Clause
/* Compares the functions of two files, or of one, as far as their hashes are equal. */
#include "symbol/twin_alike.h"

#include <stdlib.h>
#include <string.h>

#include "symbol/unwind.h"

static int by_hash(const void *a, const void *b, void *arg)
{
	const struct twin_code *code = arg;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	if (code->funcs[x].hash != code->funcs[y].hash)
		return code->funcs[x].hash < code->funcs[y].hash ? -1 : 1;
	return x < y ? -1 : x > y;
}

static uint32_t *sorted(const struct twin_code *code)
{
	uint32_t *order = mem_array(code->n_funcs, sizeof(*order));

	for (uint32_t i = 0; i < code->n_funcs; i++)
		order[i] = i;
	qsort_r(order, code->n_funcs, sizeof(*order), by_hash, (void *)code);
	return order;
}

/* Functions of one hash from @at on. */
static uint32_t run_of(const struct twin_code *code, const uint32_t *order, uint32_t at)
{
	uint32_t n = 0;

	while (at + n < code->n_funcs &&
	       code->funcs[order[at + n]].hash == code->funcs[order[at]].hash)
		n++;
	return n;
}

/* The number of calls before @addr: only calls unwind, where exactly between two of
 * them a region begins means nothing. */
static uint32_t calls_before(const struct twin_code *code, uint32_t f, uint64_t addr)
{
	const struct twin_function *fn = &code->funcs[f];
	uint32_t i = twin_code_from(code, f, addr);

	return i < fn->n_insns ? code->insns.at[fn->insn + i].calls : fn->n_calls;
}

/* Whether unwinding goes from the same calls to the same landing pads. */
static bool pads_agree(const struct twin_code *a, uint32_t f, const struct twin_code *b, uint32_t g)
{
	struct unwind_function x = {}, y = {};
	bool same = unwind_find(a->image, a->funcs[f].low, &x) == 0 &&
		    unwind_find(b->image, b->funcs[g].low, &y) == 0 && x.n_pads == y.n_pads;

	for (size_t i = 0; same && i < x.n_pads; i++)
		same = calls_before(a, f, x.pads[i].from) == calls_before(b, g, y.pads[i].from) &&
		       calls_before(a, f, x.pads[i].to) == calls_before(b, g, y.pads[i].to) &&
		       twin_code_from(a, f, x.pads[i].pad) == twin_code_from(b, g, y.pads[i].pad);
	unwind_function_free(&x);
	unwind_function_free(&y);
	return same;
}

static void consider(const struct twin_code *a, uint32_t f, const struct twin_code *b, uint32_t g,
		     struct twin_alikes *out)
{
	struct twin_alike c = { .f = f, .g = g };

	if (a == b && f >= g)
		return;
	if (twin_code_equal(a, f, b, g) && pads_agree(a, f, b, g) &&
	    twin_data_agrees(a, f, b, g, &c.refs))
		*VEC_ADD(out) = c;
	else
		free(c.refs.at);
}

static int by_pair(const void *a, const void *b)
{
	const struct twin_alike *x = a, *y = b;

	if (x->f != y->f)
		return x->f < y->f ? -1 : 1;
	return x->g < y->g ? -1 : x->g > y->g;
}

void twin_alike_find(const struct twin_code *a, const struct twin_code *b, struct twin_alikes *out)
{
	_free_ uint32_t *of_a = sorted(a), *of_b = sorted(b);

	*out = (struct twin_alikes){};
	for (uint32_t i = 0, j = 0; i < a->n_funcs && j < b->n_funcs;) {
		uint64_t x = a->funcs[of_a[i]].hash, y = b->funcs[of_b[j]].hash;
		uint32_t n = run_of(a, of_a, i), k = run_of(b, of_b, j);

		if (x == y && n <= TWIN_ALIKE_MAX && k <= TWIN_ALIKE_MAX)
			for (uint32_t p = 0; p < n * k; p++)
				consider(a, of_a[i + p / k], b, of_b[j + p % k], out);
		i += x <= y ? n : 0;
		j += y <= x ? k : 0;
	}
	if (out->n)
		qsort(out->at, out->n, sizeof(*out->at), by_pair);
}

void twin_alike_free(struct twin_alikes *alikes)
{
	for (size_t i = 0; i < alikes->n; i++)
		free(alikes->at[i].refs.at);
	free(alikes->at);
	*alikes = (struct twin_alikes){};
}

const struct twin_alike *twin_alike_get(const struct twin_alikes *alikes, uint32_t f, uint32_t g)
{
	struct twin_alike key = { .f = f, .g = g };

	return alikes->n ? bsearch(&key, alikes->at, alikes->n, sizeof(key), by_pair) : NULL;
}

/* --- copies within one file ---------------------------------------------------------------- */

/* Whether all that the pair refers to is the same or itself still a pair of copies. */
static bool refers_to_copies(const struct twin_alikes *all, const bool *gone,
			     const struct twin_alike *c)
{
	for (size_t r = 0; r < c->refs.n; r++) {
		uint32_t f = c->refs.at[r].rebuild, g = c->refs.at[r].shipped;
		const struct twin_alike *other =
			f < g ? twin_alike_get(all, f, g) : twin_alike_get(all, g, f);

		if (f != g && (!other || gone[other - all->at]))
			return false;
	}
	return true;
}

uint32_t *twin_alike_copies(const struct twin_code *code)
{
	uint32_t *first = mem_array(code->n_funcs, sizeof(*first));
	_cleanup_(twin_alike_free) struct twin_alikes all = {};
	_free_ bool *gone = NULL;
	bool more = true;

	twin_alike_find(code, code, &all);
	gone = mem_array(all.n + 1, sizeof(*gone));
	while (more) {
		more = false;
		for (size_t i = 0; i < all.n; i++) {
			if (gone[i] || refers_to_copies(&all, gone, &all.at[i]))
				continue;
			gone[i] = more = true;
		}
	}
	for (uint32_t f = 0; f < code->n_funcs; f++)
		first[f] = f;
	for (size_t i = 0; i < all.n; i++)
		if (!gone[i] && first[all.at[i].g] == all.at[i].g)
			first[all.at[i].g] = first[all.at[i].f];
	return first;
}
