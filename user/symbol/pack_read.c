// SPDX-License-Identifier: BSD-2-Clause
/* Reads a pack, believing nothing; the form is described in pack_write.c. */
#include "symbol/pack.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "profile/profile.h"
#include "symbol/pack_text.h"

/* --- values ------------------------------------------------------------------------ */

/* A label, `test N` with N behind @test, `skip` or `unknown`. */
static bool read_target(struct pack_text *t, size_t test, struct plan_choice *out)
{
	uint64_t next = 0;

	if (pack_word(t, "unknown"))
		return pack_done(t);
	out->skip = pack_word(t, "skip");
	if (out->skip)
		return pack_done(t);
	if (!pack_word(t, "test"))
		return pack_string(t, "a label, a test, or the word skip or unknown",
				   &out->label) &&
		       pack_done(t);
	if (!pack_number(t, 10, ABI_TESTS_MAX - 1, "the number of a test", &next))
		return false;
	if (next <= test)
		return pack_bad(t, "test %zu leads to test %u, which is not behind it", test,
				(unsigned)next);
	out->next = (unsigned)next;
	return pack_done(t);
}

static bool read_choice(struct pack_text *t, size_t index, struct plan_test *test)
{
	unsigned width = test->recipe.width;
	struct plan_choice *choice;

	if (test->n_choices == ABI_CHOICES_MAX)
		return pack_bad(t, "a test has at most %d choices", ABI_CHOICES_MAX);
	test->choices = mem_grow(test->choices, test->n_choices + 1, sizeof(*choice));
	choice = &test->choices[test->n_choices++];
	*choice = (struct plan_choice){};
	return pack_number(t, 10, width == 8 ? UINT64_MAX : (1ULL << (8 * width)) - 1,
			   "a raw value or the word else", &choice->raw) &&
	       pack_want(t, "=") && read_target(t, index, choice);
}

/* `number RECIPE` or `signed RECIPE`: the end of a value that is a number. */
static bool read_number(struct pack_text *t, struct plan_value *value)
{
	if (value->n_tests == ABI_TESTS_MAX)
		return pack_bad(t, "a value has at most %d tests", ABI_TESTS_MAX);
	return pack_recipe(t, false, &value->tests[value->n_tests++].recipe) && pack_done(t);
}

/* @n of them, one behind the other, and nothing more. */
static bool read_recipes(struct pack_text *t, size_t n, struct plan_value *value)
{
	while (value->n_tests < n)
		if (!pack_recipe(t, false, &value->tests[value->n_tests++].recipe))
			return false;
	return pack_done(t);
}

/* `key text R R`, `key words R R`, `key word R` or `key signed R`: all of a value that is
 * a key. */
static bool read_key(struct pack_text *t, struct plan_value *value)
{
	size_t n = 2;

	if (value->n_tests)
		return pack_bad(t, "a key has no tests in front of it");
	value->reading = PLAN_KEY;
	if (pack_word(t, "text"))
		value->reading = PLAN_KEY_TEXT;
	else if (pack_word(t, "signed"))
		value->reading = PLAN_KEY_SIGNED, n = 1;
	else if (pack_word(t, "word"))
		n = 1;
	else if (!pack_word(t, "words"))
		return pack_unexpected(t, "text, words, word or signed");
	return read_recipes(t, n, value);
}

/* `time R R`: seconds and nanoseconds, all of a value that is a time. */
static bool read_time(struct pack_text *t, struct plan_value *value)
{
	if (value->n_tests)
		return pack_bad(t, "a time has no tests in front of it");
	value->reading = PLAN_TIME;
	return read_recipes(t, 2, value);
}

static bool read_test(struct pack_text *t, struct plan_value *value)
{
	size_t index = value->n_tests;
	struct plan_test *test;

	if (index == ABI_TESTS_MAX)
		return pack_bad(t, "a value has at most %d tests", ABI_TESTS_MAX);
	test = &value->tests[value->n_tests++];
	if (!pack_recipe(t, false, &test->recipe) || !pack_done(t))
		return false;
	while (!pack_word(t, "else"))
		if (!read_choice(t, index, test))
			return false;
	return read_target(t, index, &test->otherwise);
}

static bool targets_exist(const struct pack_text *t, const struct plan_value *value)
{
	for (size_t i = 0; i < value->n_tests; i++) {
		const struct plan_test *test = &value->tests[i];
		unsigned next = test->otherwise.next;

		for (size_t c = 0; c < test->n_choices; c++)
			if (test->choices[c].next > next)
				next = test->choices[c].next;
		if (next >= value->n_tests)
			return pack_bad(t, "the value above leads to test %u and has only %zu",
					next, value->n_tests);
	}
	return true;
}

static bool read_value(struct pack_text *t, struct plan_site *site)
{
	struct plan_value *value;
	uint64_t slot;

	if (site->n_values == ABI_VALUES_MAX)
		return pack_bad(t, "a site has at most %d values", ABI_VALUES_MAX);
	if (!pack_number(t, 10, PROFILE_FUNC_VALUES_MAX - 1, "the index of a value", &slot))
		return false;
	for (size_t v = 0; v < site->n_values; v++)
		if (site->values[v].slot == slot)
			return pack_bad(t, "value %u stands twice", (unsigned)slot);
	site->values = mem_grow(site->values, site->n_values + 1, sizeof(*value));
	value = &site->values[site->n_values++];
	*value = (struct plan_value){ .slot = (unsigned)slot };
	if (!pack_string(t, "what a value is", &value->text) || !pack_done(t))
		return false;
	while (pack_word(t, "test"))
		if (!read_test(t, value))
			return false;
	if (pack_word(t, "number"))
		value->reading = PLAN_NUMBER;
	else if (pack_word(t, "signed"))
		value->reading = PLAN_SIGNED;
	if (value->reading != PLAN_LABEL && !read_number(t, value))
		return false;
	if (value->reading == PLAN_LABEL && pack_word(t, "key") && !read_key(t, value))
		return false;
	if (value->reading == PLAN_LABEL && pack_word(t, "time") && !read_time(t, value))
		return false;
	if (!value->n_tests)
		return pack_unexpected(t, "test, number, signed, time or key");
	return targets_exist(t, value);
}

/* --- sites ------------------------------------------------------------------------- */

static bool read_kind(struct pack_text *t, enum abi_site_kind *out)
{
	for (unsigned k = ABI_SITE_START; k <= ABI_SITE_CANCEL; k++) {
		if (pack_word(t, plan_kind_name(k))) {
			*out = (enum abi_site_kind)k;
			return true;
		}
	}
	return pack_unexpected(t, "start, return, panic or cancel");
}

/* `KEY N`, the index of one of @n. */
static bool read_index(struct pack_text *t, const char *key, size_t n, unsigned *out)
{
	uint64_t index;

	if (!pack_want(t, key) || !pack_number(t, 10, UINT32_MAX, "an index", &index))
		return false;
	if (index >= n)
		return pack_bad(t, "there is no %s %u, only %zu", key, (unsigned)index, n);
	*out = (unsigned)index;
	return true;
}

static bool fits_row(struct pack_text *t, const struct plan *plan, const struct plan_site *site)
{
	const struct plan_row *row = &plan->rows[site->instance];

	if (row->func != site->func)
		return pack_bad(t, "a site of function %u belongs to row %u of function %u",
				site->func, site->instance, row->func);
	if (row->state != PLAN_READY && row->state != PLAN_PARTIAL)
		return pack_bad(t, "a site belongs to row %u, which is %s", site->instance,
				plan_state_name(row->state));
	return true;
}

static bool in_order(struct pack_text *t, const struct plan *plan)
{
	const struct plan_site *b = &plan->sites[plan->n_sites - 1], *a = b - 1;

	if (plan->n_sites < 2 || a->offset < b->offset)
		return true;
	if (a->offset > b->offset || a->kind > b->kind || (a->kind == b->kind && a->func > b->func))
		return pack_bad(t, "sites are not in order of offset, kind and function");
	return a->kind != b->kind || a->func != b->func || pack_bad(t, "a site stands twice");
}

static bool read_site(struct pack_text *t, struct plan *plan)
{
	struct plan_site *site;
	size_t n_bytes = 0;

	if (plan->n_sites == ABI_SITES_MAX)
		return pack_bad(t, "a plan has at most %d sites", ABI_SITES_MAX);
	plan->sites = mem_grow(plan->sites, plan->n_sites + 1, sizeof(*site));
	site = &plan->sites[plan->n_sites++];
	*site = (struct plan_site){ .saved = { .reg = ABI_REG_NONE } };
	if (!read_kind(t, &site->kind) || !read_index(t, "func", plan->n_funcs, &site->func) ||
	    !read_index(t, "row", plan->n_rows, &site->instance) || !fits_row(t, plan, site) ||
	    !pack_want(t, "at") || !pack_number(t, 16, INT64_MAX, "an offset", &site->offset) ||
	    !in_order(t, plan) || !pack_want(t, "bytes") ||
	    !pack_hex(t, site->bytes, PLAN_BYTES_MAX, "the bytes of an instruction", &n_bytes) ||
	    !pack_want(t, "key") || !pack_recipe(t, true, &site->key))
		return false;
	site->n_bytes = (uint8_t)n_bytes;
	if (site->kind == ABI_SITE_START && pack_word(t, "saved") &&
	    !pack_recipe(t, true, &site->saved))
		return false;
	site->common = pack_word(t, "common");
	if (!pack_done(t))
		return false;
	while (pack_word(t, "value"))
		if (!read_value(t, site))
			return false;
	return true;
}

/* --- the head and the rows ------------------------------------------------------------ */

static bool read_state(struct pack_text *t, enum plan_state *out)
{
	for (unsigned s = PLAN_READY; s <= PLAN_ABSENT; s++) {
		if (pack_word(t, plan_state_name((enum plan_state)s))) {
			*out = (enum plan_state)s;
			return true;
		}
	}
	return pack_unexpected(t, "ready, partial, refused or absent");
}

/* `KEY "text"` on a line of its own, behind its key. */
static bool read_named(struct pack_text *t, const char *what, char **out)
{
	return pack_string(t, what, out) && pack_done(t);
}

static bool read_row(struct pack_text *t, struct plan *plan)
{
	struct plan_row *row;

	if (plan->n_rows == PACK_ROWS_MAX)
		return pack_bad(t, "a plan has at most %d rows", PACK_ROWS_MAX);
	plan->rows = mem_grow(plan->rows, plan->n_rows + 1, sizeof(*row));
	row = &plan->rows[plan->n_rows++];
	*row = (struct plan_row){};
	if (!read_state(t, &row->state) || !read_index(t, "func", plan->n_funcs, &row->func) ||
	    !pack_done(t) || !pack_want(t, "where") ||
	    !read_named(t, "where a function is", &row->where))
		return false;
	if (pack_word(t, "how") && !read_named(t, "how a function is probed", &row->how))
		return false;
	return row->state == PLAN_READY ||
	       (pack_want(t, "reason") && read_named(t, "the reason of a row", &row->reason));
}

static bool read_func(struct pack_text *t, struct plan *plan)
{
	struct plan_func *func;

	if (plan->n_funcs == ABI_FUNCS_MAX)
		return pack_bad(t, "a plan has at most %d functions", ABI_FUNCS_MAX);
	plan->funcs = mem_grow(plan->funcs, plan->n_funcs + 1, sizeof(*func));
	func = &plan->funcs[plan->n_funcs++];
	*func = (struct plan_func){};
	if (!pack_string(t, "the name of a function", &func->name))
		return false;
	if (!*func->name)
		return pack_bad(t, "a function has no name");
	for (size_t f = 0; f + 1 < plan->n_funcs; f++)
		if (strcmp(plan->funcs[f].name, func->name) == 0)
			return pack_bad(t, "a function stands twice");
	return pack_done(t);
}

static bool read_code(struct pack_text *t, struct plan *plan)
{
	size_t n = 0;

	if (!pack_hex(t, plan->code, sizeof(plan->code), "the SHA-256 of the code", &n))
		return false;
	if (n != sizeof(plan->code))
		return pack_bad(t, "a SHA-256 has %zu bytes, not %zu", sizeof(plan->code), n);
	plan->has_code = true;
	return pack_done(t);
}

static bool read_head(struct pack_text *t, struct plan *plan)
{
	uint64_t version;

	if (!pack_word(t, "mpc-bpf-agent") || !pack_word(t, "pack"))
		return pack_bad(t, "not a pack: its first line is not \"mpc-bpf-agent pack 1\"");
	if (!pack_number(t, 10, UINT32_MAX, "the version of the pack", &version))
		return false;
	if (version != 1)
		return pack_bad(t,
				"pack version %u; this agent reads version 1, so make the pack "
				"again with this agent",
				(unsigned)version);
	if (!pack_done(t) || !pack_want(t, "binary") ||
	    !pack_string(t, "the name of a file", &plan->binary))
		return false;
	if (strchr(plan->binary, '/'))
		return pack_bad(t, "the binary's name has a folder in it");
	if (!pack_done(t) || !pack_want(t, "build-id"))
		return false;
	if (!pack_word(t, "none") && !pack_hex(t, plan->build_id, sizeof(plan->build_id),
					       "a build-id or the word none", &plan->n_build_id))
		return false;
	return pack_done(t) && (!pack_word(t, "code-sha256") || read_code(t, plan));
}

static bool read_plan(struct pack_text *t, struct plan *plan)
{
	if (!read_head(t, plan))
		return false;
	while (pack_word(t, "func"))
		if (!read_func(t, plan))
			return false;
	while (pack_word(t, "row"))
		if (!read_row(t, plan))
			return false;
	while (pack_word(t, "site"))
		if (!read_site(t, plan))
			return false;
	if (!pack_word(t, "end"))
		return pack_unexpected(t, plan->n_sites ? "value, site or end" :
					  plan->n_rows  ? "row, site or end" :
							  "func, row, site or end");
	return pack_done(t) && (pack_at_end(t) || pack_bad(t, "there is something behind the end"));
}

int pack_read(const char *origin, const char *text, size_t size, struct plan **out, struct err *err)
{
	_cleanup_(plan_freep) struct plan *plan = mem_alloc(sizeof(*plan));
	_free_ char *copy = NULL;
	struct pack_text t;

	if (size > PACK_SIZE_MAX)
		return err_set(err, -EBADMSG, "%s: a pack is no larger than %d bytes", origin,
			       PACK_SIZE_MAX);
	if (!pack_text_open(&t, origin, text, size, err, &copy) || !read_plan(&t, plan))
		return -EBADMSG;
	*out = TAKE_PTR(plan);
	return 0;
}
