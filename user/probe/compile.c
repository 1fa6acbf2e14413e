// SPDX-License-Identifier: BSD-2-Clause
/* Names to indexes, with every bound checked. */
#include "probe/compile.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct work {
	const struct layout *layout;
	const struct plan *plan;
	VEC(struct abi_site) sites;
	VEC(size_t) from;
	VEC(struct abi_value) values;
	VEC(struct compile_refusal) refusals;
};

static void refuse(struct work *work, size_t site, bool whole, char *reason)
{
	*VEC_ADD(&work->refusals) = (struct compile_refusal){
		.instance = work->plan->sites[site].instance,
		.site = site,
		.whole = whole,
		.reason = reason,
	};
}

/* ---- recipes ---------------------------------------------------------------------- */

static bool real_register(unsigned reg)
{
	return reg <= ABI_REG_RDI || reg == ABI_REG_RSP;
}

/* NULL, or why the recipe cannot be followed. */
static const char *recipe_fault(const struct abi_recipe *r, bool pseudo)
{
	if (!real_register(r->reg) &&
	    !(pseudo && (r->reg == ABI_REG_KEY || r->reg == ABI_REG_SAVED)))
		return "names no register";
	if (r->n_steps > ABI_STEPS_MAX)
		return "has too many steps";
	if (r->width != 0 && r->width != 1 && r->width != 2 && r->width != 4 && r->width != 8)
		return "has a width that is not 1, 2, 4 or 8 bytes";
	if (r->in_register > 1 || (r->in_register && (r->width == 0 || r->n_steps)))
		return "says register and memory at once";
	if (r->in_register && (r->tail < 0 || r->tail > 8 - r->width))
		return "reads past a register";
	return NULL;
}

static const char *address_fault(const struct abi_recipe *r)
{
	const char *fault = recipe_fault(r, false);

	return fault ? fault : r->width || r->in_register ? "yields no address" : NULL;
}

/* ---- values ----------------------------------------------------------------------- */

/* Whether the profile has calls left out by this value; numbers leave out other variants. */
static bool may_skip(const struct work *work, size_t func, const struct plan_value *value)
{
	const struct profile_value *want = &work->layout->profile->funcs[func].values[value->slot];

	for (size_t i = 0; i < want->n_choices; i++)
		if (!want->choices[i].label)
			return true;
	return want->is_number || want->skip_rest;
}

/* What follows from one choice, as the kernel wants it; -1 when it is no good. */
static int target_of(const struct work *work, size_t func, const struct plan_value *value,
		     const struct plan_choice *choice)
{
	unsigned label;

	if (choice->label) {
		label = layout_label(work->layout, func, value->slot, choice->label);
		return label == ABI_UNKNOWN ? -1 : (int)label;
	}
	if (choice->skip)
		return may_skip(work, func, value) ? ABI_SKIP : -1;
	if (choice->next == 0) /* a variant that the profile does not name */
		return ABI_UNKNOWN;
	if (choice->next >= value->n_tests)
		return -1;
	return ABI_GOTO | (int)choice->next;
}

static char *test_fault(const struct plan_value *value, const char *what)
{
	return mem_printf("%s: %s, so the %s is unknown", value->text ? value->text : "a value",
			  what,
			  plan_is_key(value)           ? "key" :
			  value->reading == PLAN_LABEL ? "label" :
							 "number");
}

static char *compile_test(const struct work *work, size_t func, const struct plan_value *value,
			  const struct plan_test *test, struct abi_test *out)
{
	const char *fault = recipe_fault(&test->recipe, true);
	int target;

	if (fault) {
		_free_ char *what = mem_printf("its way through memory %s", fault);

		return test_fault(value, what);
	}
	if (test->n_choices > ABI_CHOICES_MAX)
		return test_fault(value, "more than 16 raw values are told apart");
	out->recipe = test->recipe;
	out->n_choices = (uint8_t)test->n_choices;
	for (size_t i = 0; i < test->n_choices; i++) {
		target = target_of(work, func, value, &test->choices[i]);
		if (target < 0 && test->choices[i].label) {
			_free_ char *what = mem_printf("the profile has no label \"%.64s\" there",
						       test->choices[i].label);

			return test_fault(value, what);
		}
		if (target < 0)
			return test_fault(value, test->choices[i].skip ?
							 "the profile skips nothing there" :
							 "a choice leads nowhere");
		out->target[i] = (uint8_t)target;
		out->raw[i] = test->choices[i].raw;
		if (test->recipe.width && test->recipe.width < 8)
			out->raw[i] &= (1ull << (8 * test->recipe.width)) - 1;
	}
	target = target_of(work, func, value, &test->otherwise);
	if (target < 0)
		return test_fault(value, "its default leads nowhere");
	out->otherwise = (uint8_t)target;
	return NULL;
}

/* A pack may be older than the profile: without labels that would not fit, only the text
 * of a number or key tells that it is the one asked for. */
static bool is_asked_for(const struct profile_value *want, const struct plan_value *value)
{
	bool number = value->reading != PLAN_LABEL && !plan_is_key(value);
	_free_ char *text = NULL;

	if (want->kind == PROFILE_VALUE_OUTCOME || want->is_number != number ||
	    want->is_key != plan_is_key(value))
		return false;
	if (value->reading == PLAN_LABEL)
		return true;
	text = plan_value_text(want);
	return value->text && strcmp(text, value->text) == 0;
}

/* NULL, or what is wrong with the way to a key. */
static const char *key_fault(const struct plan_value *value)
{
	bool text = value->reading == PLAN_KEY_TEXT;

	if (value->reading == PLAN_KEY_SIGNED ? value->n_tests != 1 :
	    text                              ? value->n_tests != ABI_HASHED_TESTS :
						value->n_tests > ABI_HASHED_TESTS)
		return "a key has one or two words, or a place and a length";
	for (size_t t = 0; t < value->n_tests; t++) {
		const struct plan_test *test = &value->tests[t];

		if (test->n_choices || test->otherwise.label || test->otherwise.next)
			return "the way to a key has labels";
		if (text ? test->recipe.width != 8 : test->recipe.width == 0)
			return "a part of the key has no width, or a wrong one";
	}
	return NULL;
}

/* Seconds and nanoseconds, and nothing else. */
static bool is_way_to_time(const struct plan_value *value)
{
	if (value->n_tests != 2)
		return false;
	for (size_t t = 0; t < value->n_tests; t++)
		if (value->tests[t].n_choices || value->tests[t].otherwise.label ||
		    value->tests[t].recipe.width != (t ? 4 : 8))
			return false;
	return true;
}

/* A number has no labels, and its last test no choices. */
static bool is_way_to_number(const struct plan_value *value)
{
	for (size_t t = 0; t < value->n_tests; t++) {
		const struct plan_test *test = &value->tests[t];

		if (test->otherwise.label || (t + 1 == value->n_tests && test->n_choices))
			return false;
		for (size_t c = 0; c < test->n_choices; c++)
			if (test->choices[c].label)
				return false;
	}
	return true;
}

/* NULL and *@out, or why the value stays unknown. */
static char *compile_value(const struct work *work, size_t func, const struct plan_value *value,
			   struct abi_value *out)
{
	const struct profile_func *pf = &work->layout->profile->funcs[func];

	if (value->slot >= pf->n_values || !is_asked_for(&pf->values[value->slot], value))
		return test_fault(value, "the profile does not ask for it");
	if (value->n_tests == 0 || value->n_tests > ABI_TESTS_MAX)
		return test_fault(value, "it has no or too many tests");
	if (plan_is_key(value)) {
		const char *fault = key_fault(value);

		if (fault)
			return test_fault(value, fault);
		out->hashed = value->reading == PLAN_KEY_TEXT ? ABI_HASHED_TEXT : ABI_HASHED_WORDS;
	} else if (value->reading == PLAN_TIME && !is_way_to_time(value)) {
		return test_fault(value, "a time has seconds and nanoseconds, and no labels");
	} else if (value->reading != PLAN_LABEL && !is_way_to_number(value)) {
		return test_fault(value, "the way to a number has labels");
	}
	out->n_tests = (uint16_t)value->n_tests;
	out->is_time = value->reading == PLAN_TIME;
	out->is_signed = value->reading == PLAN_SIGNED || value->reading == PLAN_KEY_SIGNED;
	for (size_t t = 0; t < value->n_tests; t++) {
		char *fault = compile_test(work, func, value, &value->tests[t], &out->tests[t]);

		if (fault)
			return fault;
	}
	return NULL;
}

/* Whether @value may be the one that the profile has in @slot: what it reads, and labels. */
static bool fits(const struct work *work, size_t func, size_t slot, const struct plan_value *value)
{
	const struct profile_value *want = &work->layout->profile->funcs[func].values[slot];
	_free_ char *text = plan_value_text(want);

	if (!is_asked_for(want, value) || (value->text && strcmp(text, value->text) != 0))
		return false;
	for (size_t t = 0; t < value->n_tests; t++) {
		const struct plan_test *test = &value->tests[t];
		const char *label = test->otherwise.label;

		for (size_t c = 0; c <= test->n_choices; c++) {
			if (label && layout_label(work->layout, func, slot, label) == ABI_UNKNOWN)
				return false;
			label = c < test->n_choices ? test->choices[c].label : NULL;
		}
	}
	return true;
}

/* Where the profile asks for the value: a pack that was made with other profiles beside this
 * one, or in another order, numbers the values of a function otherwise. */
static unsigned slot_of(const struct work *work, size_t func, const struct plan_value *value)
{
	size_t n = work->layout->profile->funcs[func].n_values;

	if (value->slot < n && fits(work, func, value->slot, value))
		return value->slot;
	for (unsigned slot = 0; slot < n; slot++)
		if (fits(work, func, slot, value))
			return slot;
	return value->slot;
}

/* Values of instances that read the same way share an entry. */
static uint16_t place_value(struct work *work, const struct abi_value *value)
{
	for (size_t i = 0; i < work->values.n; i++)
		if (!memcmp(&work->values.at[i], value, sizeof(*value)))
			return (uint16_t)i;
	*VEC_ADD(&work->values) = *value;
	return (uint16_t)(work->values.n - 1);
}

/* ---- sites ------------------------------------------------------------------------ */

/* NULL, or why this site, and so its whole instance, cannot be probed. */
static char *site_fault(const struct plan_site *site)
{
	const char *fault;

	if ((unsigned)site->kind > ABI_SITE_CANCEL)
		return mem_strdup("a site has no known kind");
	if (site->n_bytes == 0 || site->n_bytes > PLAN_BYTES_MAX)
		return mem_printf("the site at offset 0x%llx does not say which bytes stand there",
				  (unsigned long long)site->offset);
	fault = address_fault(&site->key);
	if (fault)
		return mem_printf("the way to the call's identity %s", fault);
	fault = site->saved.reg == ABI_REG_NONE ? NULL : address_fault(&site->saved);
	if (fault)
		return mem_printf("the way to the saved pointer %s", fault);
	if (site->n_values > ABI_VALUES_MAX)
		return mem_printf("a site reads %zu values, at most %d will do", site->n_values,
				  ABI_VALUES_MAX);
	return NULL;
}

/* Adds the labels or the numbers that the site reads. */
static void compile_values(struct work *work, size_t from, size_t func, bool numbers,
			   struct abi_site *out)
{
	const struct plan_site *site = &work->plan->sites[from];
	size_t n = 0;

	while (n < ABI_VALUES_MAX && out->slot[n] != ABI_NO_SLOT)
		n++;
	for (size_t v = 0; v < site->n_values; v++) {
		struct plan_value from_plan = site->values[v];
		_free_ struct abi_value *value = NULL;
		char *fault;

		if ((from_plan.reading != PLAN_LABEL) != numbers)
			continue;
		from_plan.slot = slot_of(work, func, &from_plan);
		value = mem_alloc(sizeof(*value));
		fault = compile_value(work, func, &from_plan, value);
		if (fault) {
			refuse(work, from, false, fault);
			continue;
		}
		out->slot[n] = (uint8_t)(from_plan.slot | (numbers ? ABI_NUMBER_SLOT : 0));
		out->value[n++] = place_value(work, value);
	}
}

static void compile_site(struct work *work, size_t from, size_t func)
{
	const struct plan_site *site = &work->plan->sites[from];
	struct abi_site out = {
		.kind = site->kind & 0x3f,
		.common = site->common,
		.func = (uint8_t)func,
		.numbered = layout_numbered(work->layout, func),
		.key = site->key,
		.saved = site->saved,
	};

	memset(out.slot, ABI_NO_SLOT, sizeof(out.slot));
	compile_values(work, from, func, false, &out);
	compile_values(work, from, func, true, &out);
	*VEC_ADD(&work->sites) = out;
	*VEC_ADD(&work->from) = from;
}

static size_t func_of(const struct work *work, const struct plan_site *site)
{
	const struct profile *profile = work->layout->profile;

	for (size_t f = 0; site->func < work->plan->n_funcs && f < profile->n_funcs; f++)
		if (!strcmp(profile->funcs[f].name, work->plan->funcs[site->func].name))
			return f;
	return SIZE_MAX;
}

/* Finds the instances with a bad site: half of a pair would count nonsense. */
static void check_sites(struct work *work, bool *bad)
{
	for (size_t i = 0; i < work->plan->n_sites; i++) {
		const struct plan_site *site = &work->plan->sites[i];
		char *fault;

		if (site->instance >= work->plan->n_rows || bad[site->instance] ||
		    func_of(work, site) == SIZE_MAX)
			continue;
		fault = site_fault(site);
		if (!fault)
			continue;
		bad[site->instance] = true;
		refuse(work, i, true, fault);
	}
}

int compile_plan(const struct layout *layout, const struct plan *plan, struct compiled **out,
		 struct err *err)
{
	struct work work = { .layout = layout, .plan = plan };
	_free_ bool *bad = mem_array(plan->n_rows, sizeof(*bad));
	_cleanup_(compiled_freep) struct compiled *compiled = mem_alloc(sizeof(*compiled));

	check_sites(&work, bad);
	for (size_t i = 0; i < plan->n_sites; i++) {
		size_t func = func_of(&work, &plan->sites[i]);

		if (func != SIZE_MAX && plan->sites[i].instance < plan->n_rows &&
		    !bad[plan->sites[i].instance])
			compile_site(&work, i, func);
	}
	*compiled = (struct compiled){
		.sites = work.sites.at,
		.from = work.from.at,
		.n_sites = work.sites.n,
		.values = work.values.at,
		.n_values = work.values.n,
		.refusals = work.refusals.at,
		.n_refusals = work.refusals.n,
	};
	if (compiled->n_sites > ABI_SITES_MAX || compiled->n_values > ABI_VALUE_TABLE_MAX)
		return err_set(err, -E2BIG,
			       "the plan has %zu sites and %zu values, at most %d and %d will do",
			       compiled->n_sites, compiled->n_values, ABI_SITES_MAX,
			       ABI_VALUE_TABLE_MAX);
	*out = TAKE_PTR(compiled);
	return 0;
}

void compiled_note(const struct compiled *compiled, struct plan *plan)
{
	for (size_t i = 0; i < compiled->n_refusals; i++)
		plan_refuse_row(&plan->rows[compiled->refusals[i].instance],
				compiled->refusals[i].whole, compiled->refusals[i].reason);
}

void compiled_free(struct compiled *compiled)
{
	if (!compiled)
		return;
	for (size_t i = 0; i < compiled->n_refusals; i++)
		free(compiled->refusals[i].reason);
	free(compiled->refusals);
	free(compiled->sites);
	free(compiled->from);
	free(compiled->values);
	free(compiled);
}

void compiled_freep(struct compiled **compiled)
{
	compiled_free(*compiled);
}
