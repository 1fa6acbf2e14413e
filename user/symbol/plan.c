// SPDX-License-Identifier: BSD-2-Clause
/* Owning a plan. */
#include "symbol/plan.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "symbol/image.h"
#include "target/exe.h"

static const char *const state_names[] = {
	[PLAN_READY] = "ready",
	[PLAN_PARTIAL] = "partial",
	[PLAN_REFUSED] = "refused",
	[PLAN_ABSENT] = "absent",
};
static_assert(ARRAY_SIZE(state_names) == PLAN_ABSENT + 1, "a name for every state");

static const char *const kind_names[] = {
	[ABI_SITE_START] = "start",
	[ABI_SITE_RETURN] = "return",
	[ABI_SITE_PANIC] = "panic",
	[ABI_SITE_CANCEL] = "cancel",
};

const char *plan_kind_name(enum abi_site_kind kind)
{
	return kind_names[kind];
}

const char *plan_state_name(enum plan_state state)
{
	return state_names[state];
}

struct plan *plan_of(const struct image *image)
{
	struct plan *plan = mem_alloc(sizeof(*plan));

	plan->binary = mem_strdup(image->path);
	memcpy(plan->build_id, image->build_id, sizeof(plan->build_id));
	plan->n_build_id = image->n_build_id;
	plan->has_code = exe_hash(image->fd, image->path, plan->code, NULL) == 0;
	return plan;
}

unsigned plan_add_row(struct plan *plan, unsigned func, enum plan_state state, char *where,
		      char *how, char *reason)
{
	plan->rows = mem_grow(plan->rows, plan->n_rows + 1, sizeof(*plan->rows));
	plan->rows[plan->n_rows] = (struct plan_row){ func, state, where, how, reason };
	return (unsigned)plan->n_rows++;
}

void plan_refuse_row(struct plan_row *row, bool whole, const char *reason)
{
	char *text = row->reason ? mem_printf("%s; %s", row->reason, reason) : mem_strdup(reason);

	if (row->reason && strstr(row->reason, reason)) { /* found out once more */
		free(text);
		text = TAKE_PTR(row->reason);
	}
	free(row->reason);
	row->reason = text;
	if (whole)
		row->state = PLAN_REFUSED;
	else if (row->state == PLAN_READY)
		row->state = PLAN_PARTIAL;
}

size_t plan_find_func(const struct plan *plan, const char *name)
{
	for (size_t f = 0; f < plan->n_funcs; f++)
		if (strcmp(plan->funcs[f].name, name) == 0)
			return f;
	return SIZE_MAX;
}

void plan_add_missing_rows(struct plan *plan, const struct profile *profile, enum plan_state state,
			   const char *reason)
{
	for (size_t f = 0; f < profile->n_funcs; f++) {
		if (!profile_is_of(profile->funcs[f].name, plan->library) ||
		    plan_find_func(plan, profile->funcs[f].name) != SIZE_MAX)
			continue;
		plan->funcs = mem_grow(plan->funcs, plan->n_funcs + 1, sizeof(*plan->funcs));
		plan->funcs[plan->n_funcs] =
			(struct plan_func){ .name = mem_strdup(profile->funcs[f].name) };
		plan_add_row(plan, (unsigned)plan->n_funcs++, state, mem_strdup("nowhere"), NULL,
			     mem_strdup(reason));
	}
}

/* What a pack was not asked for may be there. */
static bool may_be_there(const struct plan *plan, size_t func)
{
	if (func == SIZE_MAX || plan->funcs[func].unasked)
		return true;
	for (size_t r = 0; r < plan->n_rows; r++)
		if (plan->rows[r].func == func && plan->rows[r].state != PLAN_ABSENT)
			return true;
	return false;
}

bool plan_uses(const struct plan *plan, const struct profile *profile, unsigned part)
{
	if (!plan || plan->library || !profile->parts[part].library)
		return true;
	for (size_t f = 0; f < profile->n_funcs; f++)
		if ((profile->funcs[f].parts & 1U << part) &&
		    may_be_there(plan, plan_find_func(plan, profile->funcs[f].name)))
			return true;
	return false;
}

bool plan_shows(const struct plan *plan, const struct profile *profile, size_t func)
{
	for (unsigned part = 0; part < profile->n_parts; part++)
		if ((profile->funcs[func].parts & 1U << part) && plan_uses(plan, profile, part))
			return true;
	return false;
}

void plan_drop_unspoken(struct plan *plan)
{
	_free_ unsigned *to = mem_array(plan->n_funcs, sizeof(*to));
	_free_ bool *spoken = mem_array(plan->n_funcs, sizeof(*spoken));
	unsigned n = 0;

	for (size_t r = 0; r < plan->n_rows; r++)
		spoken[plan->rows[r].func] = true;
	for (size_t f = 0; f < plan->n_funcs; f++) {
		to[f] = n;
		if (spoken[f])
			plan->funcs[n++] = plan->funcs[f];
		else
			free(plan->funcs[f].name);
	}
	plan->n_funcs = n;
	for (size_t r = 0; r < plan->n_rows; r++)
		plan->rows[r].func = to[plan->rows[r].func];
	for (size_t i = 0; i < plan->n_sites; i++)
		plan->sites[i].func = to[plan->sites[i].func];
}

void plan_count_cancels(struct plan *plan, size_t row)
{
	size_t n = 0;

	for (size_t i = 0; i < plan->n_sites; i++)
		n += plan->sites[i].instance == row;
	if (!n) /* refused: what it had elsewhere stays */
		return;
	free(plan->rows[row].how);
	plan->rows[row].how = mem_printf("%zu cancel site%s", n, n == 1 ? "" : "s");
}

char *plan_value_text(const struct profile_value *want)
{
	if (want->kind == PROFILE_VALUE_ARG)
		return mem_printf("%s%s", want->now ? "now " : "", want->path);
	return want->is_number ? mem_printf("result %s", want->path) : mem_strdup("result");
}

void plan_add_value(struct plan_site *site, const struct plan_value *value)
{
	site->values = mem_grow(site->values, site->n_values + 1, sizeof(*value));
	site->values[site->n_values++] = *value;
}

static void clean(char *text)
{
	for (unsigned char *p = (unsigned char *)text; p && *p; p++) {
		bool c1 = *p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;

		if (*p < 0x20 || *p == 0x7f || c1)
			*p = '?';
		if (c1)
			*++p = '?';
	}
}

void plan_clean(struct plan *plan)
{
	clean(plan->binary);
	clean(plan->source);
	for (size_t f = 0; f < plan->n_funcs; f++)
		clean(plan->funcs[f].name);
	for (size_t r = 0; r < plan->n_rows; r++) {
		clean(plan->rows[r].where);
		clean(plan->rows[r].how);
		clean(plan->rows[r].reason);
	}
	for (size_t i = 0; i < plan->n_sites; i++)
		for (size_t v = 0; v < plan->sites[i].n_values; v++)
			clean(plan->sites[i].values[v].text);
}

bool plan_is_key(const struct plan_value *value)
{
	return value->reading >= PLAN_KEY;
}

void plan_value_clear(struct plan_value *value)
{
	for (size_t t = 0; t < value->n_tests; t++) {
		for (size_t c = 0; c < value->tests[t].n_choices; c++)
			free(value->tests[t].choices[c].label);
		free(value->tests[t].choices);
		free(value->tests[t].otherwise.label);
	}
	free(value->text);
	*value = (struct plan_value){};
}

static int site_order(const void *a, const void *b)
{
	const struct plan_site *x = a, *y = b;

	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->func != y->func)
		return x->func < y->func ? -1 : 1;
	return x->instance < y->instance ? -1 : x->instance > y->instance;
}

/* Instances can share code (merged functions, one symbol of several): one site
 * for it, or every call would be counted as often as it is named. */
void plan_sort_sites(struct plan *plan)
{
	size_t n = 0;

	if (plan->n_sites)
		qsort(plan->sites, plan->n_sites, sizeof(*plan->sites), site_order);
	for (size_t i = 0; i < plan->n_sites; i++) {
		struct plan_site *site = &plan->sites[i], *last = n ? &plan->sites[n - 1] : NULL;

		if (!last || last->offset != site->offset || last->kind != site->kind ||
		    last->func != site->func) {
			plan->sites[n++] = *site;
			continue;
		}
		for (size_t v = 0; v < site->n_values; v++)
			plan_value_clear(&site->values[v]);
		free(site->values);
	}
	plan->n_sites = n;
	for (size_t r = 0; r < plan->n_rows; r++)
		if (strcmp(plan->rows[r].where, PLAN_DROP_GLUE) == 0)
			plan_count_cancels(plan, r);
}

void plan_free(struct plan *plan)
{
	if (!plan)
		return;
	for (size_t i = 0; i < plan->n_sites; i++) {
		for (size_t v = 0; v < plan->sites[i].n_values; v++)
			plan_value_clear(&plan->sites[i].values[v]);
		free(plan->sites[i].values);
	}
	for (size_t i = 0; i < plan->n_rows; i++) {
		free(plan->rows[i].where);
		free(plan->rows[i].how);
		free(plan->rows[i].reason);
	}
	for (size_t i = 0; i < plan->n_funcs; i++)
		free(plan->funcs[i].name);
	free(plan->sites);
	free(plan->rows);
	free(plan->funcs);
	free(plan->source);
	free(plan->library);
	free(plan->binary);
	free(plan);
}

void plan_freep(struct plan **plan)
{
	plan_free(*plan);
}
