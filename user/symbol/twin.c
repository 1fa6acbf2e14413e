// SPDX-License-Identifier: BSD-2-Clause
/* From the plan of a rebuild to that of the shipped file. */
#include "symbol/twin.h"

#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "symbol/twin_anchor.h"
#include "symbol/twin_uses.h"

#define UNSEEN_CANCELS "a cancelled call stays in flight until its memory is used again"

/* Where a site is in the rebuild. */
struct place {
	uint32_t f, insn; /* TWIN_NONE: in no known function, on no instruction */
};

struct carrying {
	const struct plan *plan;
	struct plan *out;
	struct twin_code *rebuild, *shipped;
	struct twin_match match;
	struct twin_uses *uses;
	uint8_t *known;       /* enum twin_known by function of the rebuild */
	struct place *places; /* by site */
};

/* --- the compilers ------------------------------------------------------------------- */

/* The part of .comment that rustc writes, or NULL. */
static const char *compiler_of(const struct image *im)
{
	static const char rustc[] = "rustc version ";
	size_t strings;

	if (elf_getshdrstrndx(im->elf, &strings) != 0)
		return NULL;
	for (Elf_Scn *scn = NULL; (scn = elf_nextscn(im->elf, scn));) {
		const char *name, *text;
		Elf_Data *data;
		GElf_Shdr sh;

		if (!gelf_getshdr(scn, &sh) || !(name = elf_strptr(im->elf, strings, sh.sh_name)) ||
		    strcmp(name, ".comment") != 0 || !(data = elf_rawdata(scn, NULL)) ||
		    !data->d_size || ((const char *)data->d_buf)[data->d_size - 1])
			continue;
		text = data->d_buf;
		for (size_t at = 0; at < data->d_size; at += strlen(text + at) + 1)
			if (strncmp(text + at, rustc, sizeof(rustc) - 1) == 0)
				return text + at;
	}
	return NULL;
}

/* Another compiler may lay out types otherwise, which a function that is the same does
 * not show where it does not touch them. */
static int check_compilers(const struct image *rebuild, const struct image *shipped,
			   struct err *err)
{
	const char *x = compiler_of(rebuild), *y = compiler_of(shipped);

	if (!x || !y || strcmp(x, y) == 0)
		return 0;
	return err_set(err, -EINVAL,
		       "%s was built with \"%s\" and %s with \"%s\": their types may be laid out "
		       "differently; make the rebuild with the shipped file's compiler",
		       rebuild->path, x, shipped->path, y);
}

/* --- functions ------------------------------------------------------------------------- */

static uint32_t copies(const uint32_t *first, uint32_t n, uint32_t of)
{
	uint32_t count = 0;

	for (uint32_t f = 0; f < n; f++)
		count += first[f] == of;
	return count;
}

/* Whether function @f of the rebuild is in the shipped file, as surely as @how; else why not. */
static bool is_there(const struct carrying *c, uint32_t f, enum twin_known how, struct strbuf *why)
{
	static const char *const reasons[] = {
		[TWIN_ODD] = "its code cannot be decoded",
		[TWIN_CODE] = "no function of the shipped file has the same instructions",
		[TWIN_DATA] = "the shipped file has its instructions, but with other data",
		[TWIN_AMBIGUOUS] = "several functions of the shipped file have its code, and "
				   "nothing tells them apart",
		[TWIN_CONTRADICTED] = "the function of the shipped file that has its code goes "
				      "together with other functions",
	};
	uint32_t first = f == TWIN_NONE ? f : c->match.first_f[f];

	if (f == TWIN_NONE)
		strbuf_puts(why, "its code is in no function that .eh_frame knows");
	else if (c->match.why[first] != TWIN_MATCHED)
		strbuf_puts(why, reasons[c->match.why[first]]);
	else if (c->known[first] < how)
		strbuf_puts(why, "one function of the shipped file has its code, but nothing shows "
				 "that it comes from the same source");
	else
		return true;
	return false;
}

static bool has_start(const struct carrying *c, uint32_t f, unsigned func)
{
	for (size_t i = 0; i < c->plan->n_sites; i++)
		if (c->places[i].f == f && c->plan->sites[i].func == func &&
		    c->plan->sites[i].kind == ABI_SITE_START)
			return true;
	return false;
}

/* Copies of a function do the same; but where one of them belongs to another function
 * of the sources, which one that is in the shipped file cannot be told. */
static bool copies_agree(const struct carrying *c, uint32_t f, unsigned func, struct strbuf *why)
{
	const struct twin_match *m = &c->match;
	uint32_t first = m->first_f[f], here = copies(m->first_f, c->rebuild->n_funcs, first);
	uint32_t there = copies(m->first_g, c->shipped->n_funcs, m->to[first]);

	for (uint32_t k = 0; k < c->rebuild->n_funcs; k++) {
		if (m->first_f[k] != first || has_start(c, k, func))
			continue;
		strbuf_puts(why, "another function has the very same code");
		return false;
	}
	if (here != there)
		strbuf_printf(why,
			      "its code is there %u times in the rebuild, and %u times in the "
			      "shipped file",
			      here, there);
	return here == there;
}

/* The copy in the shipped file that takes the place of @f. */
static uint32_t counterpart(const struct carrying *c, uint32_t f)
{
	const struct twin_match *m = &c->match;
	uint32_t first = m->first_f[f], before = 0, g = 0;

	for (uint32_t k = 0; k < f; k++)
		before += m->first_f[k] == first;
	for (;; g++)
		if (m->first_g[g] == m->to[first] && !before--)
			return g;
}

/* --- sites ------------------------------------------------------------------------------ */

static void find_places(struct carrying *c)
{
	c->places = mem_array(c->plan->n_sites + 1, sizeof(*c->places));
	for (size_t i = 0; i < c->plan->n_sites; i++) {
		struct place *p = &c->places[i];
		uint64_t addr;

		*p = (struct place){ TWIN_NONE, TWIN_NONE };
		if (!image_address(c->rebuild->image, c->plan->sites[i].offset, &addr))
			continue;
		p->f = twin_code_at(c->rebuild, addr);
		if (p->f != TWIN_NONE)
			p->insn = twin_code_insn(c->rebuild, p->f, addr);
		if (p->insn == TWIN_NONE)
			p->f = TWIN_NONE;
	}
}

static void copy_value(struct plan_site *to, const struct plan_value *from)
{
	struct plan_value value = *from;

	value.text = from->text ? mem_strdup(from->text) : NULL;
	for (size_t t = 0; t < value.n_tests; t++) {
		struct plan_test *test = &value.tests[t];
		const struct plan_choice *choices = test->choices;

		test->choices = mem_array(test->n_choices, sizeof(*choices));
		for (size_t k = 0; k < test->n_choices; k++) {
			test->choices[k] = choices[k];
			if (choices[k].label)
				test->choices[k].label = mem_strdup(choices[k].label);
		}
		if (test->otherwise.label)
			test->otherwise.label = mem_strdup(test->otherwise.label);
	}
	plan_add_value(to, &value);
}

/* The same site at instruction @insn of function @g. The instructions are equal but for
 * addresses, and recipes have none: what they name are registers and distances. */
static void carry_site(struct carrying *c, const struct plan_site *from, uint32_t g, uint32_t insn)
{
	const struct twin_function *fn = &c->shipped->funcs[g];
	uint64_t addr = twin_code_address(c->shipped, g, insn);
	struct plan *out = c->out;
	struct plan_site *site;
	uint64_t offset = 0;

	image_offset(c->shipped->image, addr, &offset);
	out->sites = mem_grow(out->sites, out->n_sites + 1, sizeof(*out->sites));
	site = &out->sites[out->n_sites++];
	*site = *from;
	site->offset = offset;
	site->n_bytes = (uint8_t)c->shipped->insns.at[fn->insn + insn].len;
	memcpy(site->bytes, image_bytes(c->shipped->image, addr, site->n_bytes), site->n_bytes);
	site->values = NULL;
	site->n_values = 0;
	for (size_t v = 0; v < from->n_values; v++)
		copy_value(site, &from->values[v]);
}

/* --- rows --------------------------------------------------------------------------------- */

static char *copy(const char *text)
{
	return text ? mem_strdup(text) : NULL;
}

static void refuse(struct plan_row *row, const char *reason)
{
	free(row->how);
	free(row->reason);
	row->how = row->reason = NULL;
	plan_refuse_row(row, true, reason);
}

/* The next site of row @r from @i on. */
static size_t next_site(const struct plan *plan, size_t r, size_t i)
{
	while (i < plan->n_sites && plan->sites[i].instance != r)
		i++;
	return i;
}

/* Glue has only sites that see futures being dropped. */
static bool is_glue(const struct plan *plan, size_t r)
{
	for (size_t i = next_site(plan, r, 0); i < plan->n_sites; i = next_site(plan, r, i + 1))
		if (plan->sites[i].kind != ABI_SITE_CANCEL)
			return false;
	return true;
}

/* Takes over a row where a call begins and ends: whole or not at all. */
static void carry_calls(struct carrying *c, size_t r)
{
	struct plan_row *row = &c->out->rows[r];
	const struct plan *plan = c->plan;
	_strbuf_ struct strbuf why = {};

	for (size_t i = next_site(plan, r, 0); i < plan->n_sites; i = next_site(plan, r, i + 1)) {
		uint32_t f = c->places[i].f;

		if (!is_there(c, f, TWIN_KNOWN, &why) || !copies_agree(c, f, row->func, &why)) {
			strbuf_puts(&why, ": the rebuild must have the same sources, compiler and "
					  "settings");
			refuse(row, why.text);
			return;
		}
	}
	for (size_t i = next_site(plan, r, 0); i < plan->n_sites; i = next_site(plan, r, i + 1)) {
		uint32_t f = c->places[i].f;

		carry_site(c, &plan->sites[i], counterpart(c, f), c->places[i].insn);
		if (plan->sites[i].kind == ABI_SITE_START && !why.len &&
		    !twin_uses_agree(c->uses, f, &why)) {
			strbuf_puts(&why, ": calls may have been inlined that are not seen");
			plan_refuse_row(row, false, why.text);
		}
	}
}

static bool seen_before(const struct carrying *c, size_t r, size_t before, uint32_t f)
{
	for (size_t i = next_site(c->plan, r, 0); i < before; i = next_site(c->plan, r, i + 1))
		if (c->places[i].f == f)
			return true;
	return false;
}

static bool begins_somewhere(const struct plan *plan, unsigned func)
{
	for (size_t i = 0; i < plan->n_sites; i++)
		if (plan->sites[i].func == func && plan->sites[i].kind == ABI_SITE_START)
			return true;
	return false;
}

/* Says on the rows of the function's calls what is not seen of them. */
static void note_missing_glue(struct carrying *c, unsigned func, const char *reason)
{
	for (size_t r = 0; r < c->out->n_rows; r++)
		if (c->out->rows[r].func == func && c->out->rows[r].state <= PLAN_PARTIAL &&
		    !is_glue(c->plan, r))
			plan_refuse_row(&c->out->rows[r], false, reason);
}

/* Takes over drop glue, as much of it as is there: at every copy, for at glue of another
 * future no call is in flight. */
static void carry_glue(struct carrying *c, size_t r)
{
	struct plan_row *row = &c->out->rows[r];
	const struct twin_match *m = &c->match;
	_strbuf_ struct strbuf why = {};
	_free_ char *reason = NULL;
	size_t all = 0, missing = 0;

	for (size_t i = next_site(c->plan, r, 0); i < c->plan->n_sites;
	     i = next_site(c->plan, r, i + 1)) {
		uint32_t f = c->places[i].f;
		_strbuf_ struct strbuf more = {};
		bool first = !seen_before(c, r, i, f), there = is_there(c, f, TWIN_RELATED, &more);

		all += first;
		missing += first && !there;
		if (!there && !why.len)
			strbuf_puts(&why, more.text);
		for (uint32_t g = 0; g < c->shipped->n_funcs && there; g++)
			if (m->first_g[g] == m->to[m->first_f[f]])
				carry_site(c, &c->plan->sites[i], g, c->places[i].insn);
	}
	if (!missing)
		return;
	reason = mem_printf("%zu of %zu functions with its drop glue %s not found: " UNSEEN_CANCELS,
			    missing, all, missing == 1 ? "was" : "were");
	note_missing_glue(c, row->func, reason);
	strbuf_printf(&why, "; %s", reason);
	if (missing == all)
		refuse(row, why.text);
	else
		plan_refuse_row(row, false, why.text);
}

static void carry_rows(struct carrying *c)
{
	const struct plan *plan = c->plan;

	for (size_t r = 0; r < plan->n_rows; r++) {
		const struct plan_row *row = &plan->rows[r];

		plan_add_row(c->out, row->func, row->state, copy(row->where), copy(row->how),
			     copy(row->reason));
	}
	for (size_t r = 0; r < plan->n_rows; r++)
		if (!is_glue(plan, r))
			carry_calls(c, r);
	for (size_t r = 0; r < plan->n_rows; r++) {
		if (next_site(plan, r, 0) == plan->n_sites || !is_glue(plan, r))
			continue;
		if (begins_somewhere(c->out, plan->rows[r].func) ||
		    !begins_somewhere(plan, plan->rows[r].func))
			carry_glue(c, r);
		else
			refuse(&c->out->rows[r], "no call is seen to begin that could be dropped");
	}
	plan_sort_sites(c->out);
}

/* --- the whole ------------------------------------------------------------------------------ */

static void summarize(const struct carrying *c, struct twin_summary *out)
{
	const struct twin_match *m = &c->match;

	*out = (struct twin_summary){ .functions = c->shipped->n_funcs };
	for (uint32_t g = 0; g < c->shipped->n_funcs; g++) {
		uint32_t f = m->from[m->first_g[g]];

		out->equal += f != TWIN_NONE;
		out->known += f != TWIN_NONE && c->known[f] == TWIN_KNOWN;
	}
}

static int carry(const struct plan *plan, const struct image *rebuild, const struct image *shipped,
		 struct plan **out, struct twin_summary *summary, struct err *err)
{
	_cleanup_(twin_code_freep) struct twin_code *a = NULL, *b = NULL;
	struct carrying c = { .plan = plan };
	int r = check_compilers(rebuild, shipped, err);

	if (r == 0)
		r = twin_code_open(rebuild, &a, err);
	if (r == 0)
		r = twin_code_open(shipped, &b, err);
	if (r < 0)
		return r;
	c.rebuild = a;
	c.shipped = b;
	c.out = plan_of(shipped);
	c.out->source = mem_printf("the rebuild %s, %s", rebuild->path,
				   plan->source ? plan->source : "as it was resolved");
	c.out->bare = plan->bare;
	c.out->n_funcs = plan->n_funcs;
	c.out->funcs = mem_array(plan->n_funcs, sizeof(*c.out->funcs));
	for (size_t f = 0; f < plan->n_funcs; f++)
		c.out->funcs[f].name = mem_strdup(plan->funcs[f].name);
	twin_match_run(a, b, &c.match);
	c.uses = twin_uses_open(&c.match);
	c.known = twin_anchor_run(&c.match, c.uses);
	find_places(&c);
	carry_rows(&c);
	summarize(&c, summary);
	twin_uses_free(c.uses);
	twin_match_free(&c.match);
	free(c.known);
	free(c.places);
	*out = c.out;
	return 0;
}

int twin_carry(const struct plan *plan, int rebuild_fd, const char *rebuild_path, int shipped_fd,
	       const char *shipped_path, struct plan **out, struct twin_summary *summary,
	       struct err *err)
{
	_cleanup_(image_freep) struct image *rebuild = NULL, *shipped = NULL;
	int r = image_open(rebuild_fd, rebuild_path, &rebuild, err);

	if (r < 0)
		return r;
	r = image_open(shipped_fd, shipped_path, &shipped, err);
	if (r < 0)
		return r;
	return carry(plan, rebuild, shipped, out, summary, err);
}
