// SPDX-License-Identifier: BSD-2-Clause
/* Exported C functions: their ends, also in functions that they jump to, and their values. */
#include "symbol/shared.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "symbol/handed.h"
#include "symbol/unwind.h"

#define FUNCTIONS_MAX 16 /* that one function is handed on through */
#define INT_SIZE 4

/* One exported function while its ends are looked for. */
struct work {
	struct resolver *rs;
	unsigned func, row;
	uint64_t seen[FUNCTIONS_MAX]; /* where functions begin that were looked at */
	size_t n_seen;
	size_t starts;
	size_t own, others; /* returns in the function itself, and in those it jumps to */
	uint8_t saved;      /* the argument that is known after the call, or ABI_REG_NONE */
	struct strbuf trouble;
};

static void add_trouble(struct work *w, const char *text)
{
	if (w->trouble.len && strstr(w->trouble.text, text))
		return;
	strbuf_printf(&w->trouble, "%s%s", w->trouble.len ? "; " : "", text);
}

static const struct image_symbol *exported(const struct image *image, const char *name)
{
	for (size_t i = 0; i < image->n_symbols; i++)
		if (strcmp(image->symbols[i].name, name) == 0)
			return &image->symbols[i];
	return NULL;
}

/* --- values ---------------------------------------------------------------------------- */

/* Tests while they are made: of one number, or of two that are told apart as a pair. */
struct chooser {
	const struct profile_value *want;
	struct handed_field from[2]; /* where the numbers are */
	struct plan_value *out;
};

/* A test more of the same number; NULL where there is no room for one. */
static struct plan_test *add_test(struct chooser *c, const struct abi_recipe *recipe)
{
	struct plan_test *test;

	if (c->out->n_tests == ABI_TESTS_MAX)
		return NULL;
	test = &c->out->tests[c->out->n_tests++];
	test->recipe = *recipe;
	test->otherwise.skip = c->want->skip_rest;
	return test;
}

static uint64_t raw_of(const struct abi_recipe *recipe, long long n)
{
	return recipe->width < 8 ? (uint64_t)n & ((1ULL << 8 * recipe->width) - 1) : (uint64_t)n;
}

/* What follows where the number is that of choice @i; of the first one of a pair: test @next. */
static struct plan_choice outcome(const struct chooser *c, size_t i, uint64_t raw, unsigned next)
{
	const char *label = next ? NULL : c->want->choices[i].label;

	return (struct plan_choice){ .raw = raw,
				     .label = label ? mem_strdup(label) : NULL,
				     .next = next,
				     .skip = !next && !label };
}

/* Adds it to the last one of tests of a number, or to one more, which the others come to. */
static bool add_choice(struct chooser *c, struct plan_test **test, struct plan_choice choice)
{
	struct plan_test *last = *test;

	if (last->n_choices == ABI_CHOICES_MAX) {
		*test = add_test(c, &last->recipe);
		if (!*test) {
			free(choice.label);
			return false;
		}
		last->otherwise = (struct plan_choice){ .next = (unsigned)c->out->n_tests - 1 };
		last = *test;
	}
	last->choices = mem_grow(last->choices, last->n_choices + 1, sizeof(*last->choices));
	last->choices[last->n_choices++] = choice;
	return true;
}

/* The pointer on the way to a field may be NULL: then the function says @absent. */
static struct plan_test *add_guard(struct chooser *c, const struct handed_field *from,
				   const char *before)
{
	struct plan_test *guard = add_test(c, &from->guard);
	size_t size = strlen(before);

	if (!guard)
		return NULL;
	guard->choices = mem_array(1, sizeof(*guard->choices));
	guard->n_choices = 1;
	guard->choices[0].skip = c->want->skip_rest;
	for (size_t i = 0; i < c->want->n_choices; i++) {
		const char *raw = c->want->choices[i].raw;

		if (strncmp(raw, before, size) == 0 && atoll(raw + size) == from->absent)
			guard->choices[0] = outcome(c, i, 0, 0);
	}
	guard->otherwise = (struct plan_choice){ .next = (unsigned)c->out->n_tests };
	return add_test(c, &from->read);
}

/* Tests of the last number of choices that begin with @before. */
static bool tell_last(struct chooser *c, const struct handed_field *from, const char *before)
{
	struct plan_test *test =
		from->guarded ? add_guard(c, from, before) : add_test(c, &from->read);
	size_t size = strlen(before);

	for (size_t i = 0; test && i < c->want->n_choices; i++) {
		const char *raw = c->want->choices[i].raw;
		uint64_t n;

		if (strncmp(raw, before, size) != 0)
			continue;
		n = raw_of(&from->read, strtoll(raw + size, NULL, 10));
		if (!add_choice(c, &test, outcome(c, i, n, 0)))
			return false;
	}
	return test;
}

/* One test of the first number, and then those of the second. */
static bool tell_pairs(struct chooser *c)
{
	struct plan_test *first = add_test(c, &c->from[0].read);

	if (c->from[0].guarded)
		return false;
	for (size_t i = 0; i < c->want->n_choices; i++) {
		const char *raw = c->want->choices[i].raw;
		_free_ char *before = mem_strndup(raw, strcspn(raw, ".") + 1);
		uint64_t n = raw_of(&first->recipe, strtoll(raw, NULL, 10));
		bool told = false;

		for (size_t k = 0; k < first->n_choices; k++)
			told |= first->choices[k].raw == n;
		if (told)
			continue;
		if (!add_choice(c, &first, outcome(c, i, n, (unsigned)c->out->n_tests)) ||
		    !tell_last(c, &c->from[1], before))
			return false;
	}
	return true;
}

/* Numbers, by what the profile gives labels or leaves out. */
static bool choose(const struct profile_value *want, const struct handed_field *from,
		   const struct handed_field *second, struct plan_value *out, struct strbuf *why)
{
	struct chooser c = { .want = want, .from = { *from }, .out = out };

	if (second)
		c.from[1] = *second;
	if (second ? tell_pairs(&c) : tell_last(&c, from, ""))
		return true;
	strbuf_puts(why, "it takes more tests than there may be");
	return false;
}

/* Argument registers in their order (System V ABI 1.0, figure 3.4). */
static uint8_t argument_register_of(const char *path)
{
	static const uint8_t regs[] = { ABI_REG_RDI, ABI_REG_RSI, ABI_REG_RDX,
					ABI_REG_RCX, ABI_REG_R8,  ABI_REG_R9 };

	return regs[(size_t)(path[3] - '0') % ARRAY_SIZE(regs)];
}

/* Where the function that is called as @call, `SSL_version()`, reads the field that is asked
 * for of what its argument points to. */
static bool field_read(struct image *image, const char *call, struct handed_field *out,
		       struct strbuf *why)
{
	_free_ char *name = mem_strndup(call, strcspn(call, "("));
	const char *way = call + strlen(name) + 2; /* "()" */
	const struct image_symbol *sym = exported(image, name);
	uint64_t low, high;

	if (!sym) {
		strbuf_puts(why, "the library has no such function");
		return false;
	}
	low = sym->addr;
	high = low + sym->size;
	if (strncmp(way, PROFILE_ASKED, strlen(PROFILE_ASKED)) == 0) {
		if (handed_asked(image, low, high, out))
			return true;
		strbuf_puts(why, "in this build that function does not begin with a question");
	} else if (strncmp(way, PROFILE_GIVEN, strlen(PROFILE_GIVEN)) == 0) {
		if (handed_given(image, low, high, out))
			return true;
		strbuf_puts(why, "in this build that function does not return one field");
	} else {
		if (handed_is_getter(image, low, high, out))
			return true;
		strbuf_puts(why, "in this build that function does more than read one field");
	}
	return false;
}

/* Whether it is a pair that begins with what the function returned. */
static bool has_result(const char *path)
{
	return profile_behind_result(path) != path;
}

/* Where arg0 is, or what arg0.NAME() says: a field of what the argument points to. */
static bool find_number(const struct work *w, const char *path, bool at_end,
			struct handed_field *out, struct strbuf *why)
{
	uint8_t reg = has_result(path) ? ABI_REG_RAX : argument_register_of(path);

	*out = (struct handed_field){ .read = { .in_register = 1, .width = INT_SIZE, .reg = reg } };
	if (reg == ABI_REG_RAX || path[4] != '.')
		return true;
	if (!field_read(w->rs->image, path + 5, out, why))
		return false;
	if (at_end && w->saved != reg) {
		strbuf_puts(why, "only one argument is known after the call");
		return false;
	}
	out->read.reg = out->guard.reg = at_end ? ABI_REG_SAVED : reg;
	return true;
}

/* A label of one argument or of two. */
static bool read_argument(const struct work *w, const struct profile_value *want, bool at_end,
			  struct plan_value *out, struct strbuf *why)
{
	const char *second = strstr(want->path, PROFILE_AND);
	struct handed_field from[2];

	if (!find_number(w, want->path, at_end, &from[0], why) ||
	    (second && !find_number(w, second + strlen(PROFILE_AND), at_end, &from[1], why)))
		return false;
	return choose(want, &from[0], second ? &from[1] : NULL, out, why);
}

static bool read_value(const struct work *w, const struct profile_value *want, bool at_end,
		       bool made_elsewhere, struct plan_value *out, struct strbuf *why)
{
	struct abi_recipe recipe = { .in_register = 1, .width = INT_SIZE };

	if ((want->kind == PROFILE_VALUE_RETURN || has_result(want->path)) && made_elsewhere) {
		strbuf_puts(why, "where it ends by a jump to a function that is not the library's, "
				 "what that one returns is not seen");
		return false;
	}
	if (want->kind == PROFILE_VALUE_RETURN) {
		recipe.reg = ABI_REG_RAX;
		if (!want->is_number)
			return choose(want, &(struct handed_field){ .read = recipe }, NULL, out,
				      why);
		out->reading = PLAN_SIGNED;
		out->n_tests = 1;
		out->tests[0].recipe = recipe;
		return true;
	}
	if (!want->is_key)
		return read_argument(w, want, at_end, out, why);
	recipe.reg = argument_register_of(want->path);
	recipe.width = 8;
	out->reading = PLAN_KEY;
	out->n_tests = 1;
	out->tests[0].recipe = recipe;
	return true;
}

/* Whether the value is read where the site is: at the start, at an end, or at both. */
static bool is_read_at(const struct profile_value *want, enum abi_site_kind kind)
{
	bool result = want->kind == PROFILE_VALUE_RETURN || has_result(want->path);

	return (want->now && !result) || result == (kind == ABI_SITE_RETURN);
}

static void add_values(struct work *w, struct plan_site *site, bool made_elsewhere)
{
	const struct profile_func *pf = &w->rs->profile->funcs[w->func];

	for (unsigned v = 0; v < pf->n_values; v++) {
		const struct profile_value *want = &pf->values[v];
		struct plan_value value = { .slot = v };
		_strbuf_ struct strbuf why = {};

		if (!is_read_at(want, site->kind))
			continue;
		if (read_value(w, want, site->kind == ABI_SITE_RETURN, made_elsewhere, &value,
			       &why)) {
			value.text = plan_value_text(want);
			plan_add_value(site, &value);
		} else {
			_free_ char *text = plan_value_text(want);
			_free_ char *all = mem_printf("%s is unknown: %s", text, why.text);

			add_trouble(w, all);
			plan_value_clear(&value);
		}
	}
}

/* --- sites ----------------------------------------------------------------------------- */

static void add_site(struct work *w, const struct function *fn, enum abi_site_kind kind,
		     size_t insn, bool common, bool made_elsewhere)
{
	struct draft draft = { .kind = kind, .insn = insn, .key = { .reg = ABI_REG_RSP } };
	struct plan_site *site = instance_add_site(w->rs, fn, &draft, w->func, w->row);

	if (!site)
		return;
	site->common = common;
	if (kind == ABI_SITE_START)
		site->saved.reg = w->saved;
	add_values(w, site, made_elsewhere);
	w->starts += kind == ABI_SITE_START;
	w->own += kind == ABI_SITE_RETURN && !common;
	w->others += common;
}

static void look_through(struct work *w, uint64_t low, uint64_t high, bool first);

/* The function that begins, or has a part, at @target; through a stub of the PLT where the
 * name behind it is the library's own. False where it is another library's. */
static bool follow(struct work *w, uint64_t target, bool first)
{
	const struct image *image = w->rs->image;
	const char *import = handed_import(image, target);
	const struct image_symbol *sym =
		import ? exported(image, import) : image_symbol_at(image, target);
	struct unwind_function bounds = {};

	if (import && !sym)
		return false;
	if (sym && sym->size && target != 0) {
		look_through(w, sym->addr, sym->addr + sym->size, first);
		return true;
	}
	if (unwind_find(image, target, &bounds) < 0)
		return false;
	look_through(w, bounds.low, bounds.high, first);
	unwind_function_free(&bounds);
	return true;
}

/* A jump through a field of an object: to one of the functions that the library puts there. */
static void follow_field(struct work *w, const struct function *fn, size_t insn, bool first)
{
	uint64_t targets[FUNCTIONS_MAX];
	size_t n = handed_targets(w->rs->image, fn, insn, targets, FUNCTIONS_MAX);

	if (!n || n == FUNCTIONS_MAX)
		add_trouble(w, "it ends by a jump through a pointer, and to where is not known: "
			       "calls that end so stay in flight");
	for (size_t i = 0; i < n && n < FUNCTIONS_MAX; i++)
		if (!follow(w, targets[i], first))
			add_trouble(w, "one of the functions that it ends in was not found");
}

static void look_at_end(struct work *w, const struct function *fn, size_t insn, bool first)
{
	const struct insn *in = &fn->code->at[insn];

	switch (handed_way(fn, insn)) {
	case HANDED_RETURN:
		add_site(w, fn, ABI_SITE_RETURN, insn, !first, false);
		break;
	case HANDED_JUMP:
		if (!follow(w, in->target, false))
			add_site(w, fn, ABI_SITE_RETURN, insn, !first, true);
		break;
	case HANDED_OUT:
		add_site(w, fn, ABI_SITE_RETURN, insn, !first, true);
		break;
	case HANDED_FIELD:
		follow_field(w, fn, insn, false);
		break;
	case HANDED_ON:
		break;
	}
}

/* Adds the ends that the function at [low, high) has; with @first also its start. */
static void look_through(struct work *w, uint64_t low, uint64_t high, bool first)
{
	struct function *fn = NULL;
	struct err err = {};

	for (size_t i = 0; i < w->n_seen; i++)
		if (w->seen[i] == low)
			return;
	if (w->n_seen == FUNCTIONS_MAX) {
		add_trouble(w, "it is handed on through too many functions to be followed");
		return;
	}
	w->seen[w->n_seen++] = low;
	if (function_open(w->rs->image, low, high, &fn, &err) < 0) {
		add_trouble(w, err.text);
		return;
	}
	if (first)
		add_site(w, fn, ABI_SITE_START, 0, false, false);
	for (size_t i = 0; i < fn->code->n; i++)
		look_at_end(w, fn, i, first);
	function_free(fn);
}

/* --- the whole ---------------------------------------------------------------------------- */

static char *describe(const struct work *w)
{
	if (!w->others)
		return mem_printf("entry and %zu return site%s", w->own, w->own == 1 ? "" : "s");
	return mem_printf(
		"%zu entr%s and %zu return site%s, %zu of them in functions that it jumps to",
		w->starts, w->starts == 1 ? "y" : "ies", w->own + w->others,
		w->own + w->others == 1 ? "" : "s", w->others);
}

/* The starts and ends of what the function jumps to through pointers. */
static void look_beyond(struct work *w, const struct image_symbol *sym)
{
	struct function *fn = NULL;
	struct err err = {};

	if (function_open(w->rs->image, sym->addr, sym->addr + sym->size, &fn, &err) < 0) {
		add_trouble(w, err.text);
		return;
	}
	for (size_t i = 0; i < fn->code->n; i++)
		if (handed_way(fn, i) == HANDED_FIELD)
			follow_field(w, fn, i, true);
	function_free(fn);
}

static void look_at(struct resolver *rs, unsigned func, const char *library,
		    const struct image_symbol *sym)
{
	const struct profile_func *pf = &rs->profile->funcs[func];
	struct work w = { .rs = rs, .func = func, .saved = ABI_REG_NONE };
	struct plan_row *row;

	for (unsigned v = 0; v < pf->n_values && w.saved == ABI_REG_NONE; v++)
		if (pf->values[v].now)
			w.saved = argument_register_of(profile_behind_result(pf->values[v].path));
	w.row = plan_add_row(rs->plan, func, PLAN_READY, mem_printf("exported by %s", library),
			     NULL, NULL);
	if (profile_is_handed(rs->profile->funcs[func].name))
		look_beyond(&w, sym);
	else
		look_through(&w, sym->addr, sym->addr + sym->size, true);
	row = &rs->plan->rows[w.row];
	row->how = describe(&w);
	if (!w.own && !w.others)
		plan_refuse_row(row, true, "no way out of it was found");
	if (w.trouble.len)
		plan_refuse_row(row, false, w.trouble.text);
	strbuf_free(&w.trouble);
}

static char *symbol_of(const char *function)
{
	const char *symbol = profile_symbol(function);

	return mem_strndup(symbol, strlen(symbol) - (profile_is_handed(function) ? 2 : 0));
}

void shared_scan(struct resolver *rs, const char *library)
{
	for (unsigned f = 0; f < rs->profile->n_funcs; f++) {
		const char *name = rs->profile->funcs[f].name;
		const struct image_symbol *sym;
		_free_ char *symbol = NULL;

		if (!profile_is_of(name, library))
			continue;
		symbol = symbol_of(name);
		sym = exported(rs->image, symbol);
		if (sym && sym->size && image_executable(rs->image, sym->addr))
			look_at(rs, f, library, sym);
		else
			plan_add_row(rs->plan, f, PLAN_ABSENT, mem_strdup("nowhere"), NULL,
				     mem_printf("%s exports no function of this name", library));
	}
}
