// SPDX-License-Identifier: BSD-2-Clause
/* From a profile and an executable to a plan. */
#include "symbol/resolve.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "symbol/debug.h"
#include "symbol/debuginfod.h"
#include "symbol/instance.h"
#include "symbol/shared.h"
#include "symbol/suggest.h"
#include "symbol/symtab.h"

static bool has_rows(const struct plan *plan, unsigned func)
{
	for (size_t i = 0; i < plan->n_rows; i++)
		if (plan->rows[i].func == func)
			return true;
	return false;
}

/* Bodies of async functions first: where there is one, the plain function of
 * that name only makes the future. Drop glue last: it is named after futures. */
static void look_at_hits(struct resolver *rs, const struct debug_hits *hits)
{
	static const enum debug_role order[] = { DEBUG_POLL, DEBUG_PLAIN, DEBUG_DROP };
	bool async[PROFILE_FUNCS_MAX] = {};

	for (size_t o = 0; o < ARRAY_SIZE(order); o++) {
		for (size_t i = 0; i < hits->n; i++) {
			const struct debug_hit *hit = &hits->at[i];

			if (hit->role != order[o])
				continue;
			if (hit->role == DEBUG_POLL && instance_poll(rs, hit))
				async[hit->func] = true;
			else if (hit->role == DEBUG_PLAIN && !async[hit->func])
				instance_plain(rs, hit);
			else if (hit->role == DEBUG_DROP)
				instance_drop(rs, hit);
		}
	}
	for (size_t i = 0; i < hits->n; i++)
		if (hits->at[i].role == DEBUG_DROP)
			instance_drop_around(rs, &hits->at[i]);
}

static struct plan *new_plan(const struct image *image, const struct profile *profile)
{
	struct plan *plan = plan_of(image);

	plan->n_funcs = profile->n_funcs;
	plan->funcs = mem_array(plan->n_funcs, sizeof(*plan->funcs));
	for (size_t f = 0; f < plan->n_funcs; f++)
		plan->funcs[f].name = mem_strdup(profile->funcs[f].name);
	return plan;
}

static void add_reason(struct plan_row *row, const char *text)
{
	char *reason = row->reason ? mem_printf("%s; %s", row->reason, text) : mem_strdup(text);

	free(row->reason);
	row->reason = reason;
	if (row->state == PLAN_READY)
		row->state = PLAN_PARTIAL;
}

/* Anything may have copies in a unit that is not there. */
static void note_missing_units(struct resolver *rs, const struct debug_hits *hits)
{
	char *source;

	rs->missing =
		mem_printf("the debug information of %zu unit%s is in .dwo or .dwp files that "
			   "were not found or that not everybody may read, such as %s",
			   hits->missing, hits->missing == 1 ? "" : "s", hits->missing_name);
	source = mem_printf("%s (%s)", rs->plan->source, rs->missing);
	free(rs->plan->source);
	rs->plan->source = source;
	for (size_t i = 0; i < rs->plan->n_rows; i++)
		if (rs->plan->rows[i].state <= PLAN_PARTIAL)
			add_reason(&rs->plan->rows[i], rs->missing);
}

static int scan(struct resolver *rs, struct err *err)
{
	struct debug_hits hits = {};
	int r = debug_scan(rs->dbg, rs->profile, &hits, err);

	if (r == 0)
		look_at_hits(rs, &hits);
	if (r == 0 && hits.missing)
		note_missing_units(rs, &hits);
	debug_hits_free(&hits);
	return r;
}

static char *absent_reason(const struct resolver *rs, const struct source *source, unsigned func)
{
	_strbuf_ struct strbuf text = {};

	if (rs->dbg && rs->missing) {
		strbuf_puts(&text, rs->missing);
		return strbuf_take(&text);
	}
	if (rs->dbg) {
		strbuf_puts(&text, "nothing of this name has code in the file: check the name, or "
				   "nothing calls it in this build");
		if (suggest_functions(rs->dbg, rs->profile->funcs[func].name, &text))
			return mem_strdup("the file names it, but no code of it is left: the "
					  "compiler dissolved it into its callers, or nothing "
					  "calls it in this build; watch a function that calls it");
		return strbuf_take(&text);
	}
	strbuf_add(&text, source->not.text, source->not.len);
	if (source->kind == SOURCE_SYMBOLS)
		strbuf_puts(&text, "no symbol of this name, and the file has no debug information, "
				   "which alone shows inlined copies: give the debug file or a "
				   "pack");
	else
		strbuf_puts(&text, "the file has no debug information: give the debug file or a "
				   "pack");
	return strbuf_take(&text);
}

static bool has_cancel_sites(const struct plan *plan, unsigned func)
{
	for (size_t i = 0; i < plan->n_sites; i++)
		if (plan->sites[i].func == func && plan->sites[i].kind == ABI_SITE_CANCEL)
			return true;
	return false;
}

/* A future that can be suspended can be dropped while it is. Where the compiler left
 * no glue to be found, that is not seen when it happens: say so on its rows. */
static void note_unseen_cancels(struct resolver *rs, const struct resolver_future *future)
{
	static const char text[] = "its drop glue was not found: a cancelled call stays in flight "
				   "until its memory is used again";

	if (future->states <= 3 || has_cancel_sites(rs->plan, future->func))
		return;
	for (size_t i = 0; i < rs->plan->n_rows; i++) {
		struct plan_row *row = &rs->plan->rows[i];

		if (row->func == future->func && row->state <= PLAN_PARTIAL &&
		    !(row->reason && strstr(row->reason, text)))
			add_reason(row, text);
	}
}

static void finish(struct resolver *rs, const struct source *source)
{
	struct plan *plan = rs->plan;

	for (unsigned f = 0; f < plan->n_funcs; f++)
		if (!has_rows(plan, f) && profile_is_of(plan->funcs[f].name, plan->library))
			plan_add_row(plan, f, PLAN_ABSENT, mem_strdup("nowhere"), NULL,
				     absent_reason(rs, source, f));
	for (size_t i = 0; i < rs->futures.n; i++)
		note_unseen_cancels(rs, &rs->futures.at[i]);
	plan_clean(plan);
	plan_sort_sites(plan);
	plan_drop_unspoken(plan);
	function_free(rs->open);
	free(rs->missing);
	for (size_t i = 0; i < rs->futures.n; i++)
		free(rs->futures.at[i].name);
	free(rs->futures.at);
}

/* Opens the debug information of the source; NULL where there is none. */
static Dwarf *open_debug(const struct image *image, const struct source *source)
{
	if (source->kind == SOURCE_FILE)
		return dwarf_begin(source->fd, DWARF_C_READ);
	return source->kind == SOURCE_OWN ? dwarf_begin_elf(image->elf, DWARF_C_READ, NULL) : NULL;
}

/* With the reasons why nothing better was used, without the last "; ". */
static char *describe_source(const struct source *source)
{
	if (!source->not.len)
		return mem_strdup(source->name);
	return mem_printf("%s (%.*s)", source->name, (int)source->not.len - 2, source->not.text);
}

int resolve_plan_from(int fd, const char *path, const struct source *source,
		      const struct profile *profile, struct plan **out, struct err *err)
{
	_cleanup_(image_freep) struct image *image = NULL;
	_cleanup_(plan_freep) struct plan *plan = NULL;
	struct resolver rs = { .profile = profile };
	int r = image_open(fd, path, &image, err);

	if (r < 0)
		return r;
	rs.image = image;
	rs.plan = plan = new_plan(image, profile);
	plan->source = describe_source(source);
	if (source->kind == SOURCE_EXPORTS) {
		plan->library = mem_strdup(source->library);
		image_load_exports(image);
		shared_scan(&rs, source->library);
		finish(&rs, source);
		*out = TAKE_PTR(plan);
		return 0;
	}
	image_load_symbols(image, image->elf);
	rs.dbg = open_debug(image, source);
	plan->bare = !rs.dbg;
	if (rs.dbg) {
		if (!image->n_symbols)
			image_load_symbols(image, dwarf_getelf(rs.dbg));
		r = scan(&rs, err);
		if (r < 0)
			err_wrap(err, "%s", source->kind == SOURCE_FILE ? source->name : path);
	} else if (source->kind == SOURCE_SYMBOLS) {
		symtab_scan(&rs);
	}
	finish(&rs, source);
	if (rs.dbg)
		dwarf_end(rs.dbg);
	if (r < 0)
		return r;
	*out = TAKE_PTR(plan);
	return 0;
}

static int resolve_here(int fd, const char *path, const struct source_options *options,
			const struct profile *profile, struct plan **out, struct err *err)
{
	struct source source = { .fd = -1 };
	struct source_look look;
	int r = source_look(options, fd, &look, err);

	if (r < 0)
		return r;
	r = source_find(&look, fd, path, &source, err);
	if (r == 0)
		r = resolve_plan_from(fd, path, &source, profile, out, err);
	source_close(&source);
	source_look_close(&look);
	return r;
}

/* What the server could not help with belongs to what is said of the plan. */
static void note_server(struct plan *plan, const char *why)
{
	char *source = mem_printf("%s (debuginfod: %s)", plan->source, why);

	free(plan->source);
	plan->source = source;
	for (size_t i = 0; i < plan->n_rows; i++) {
		struct plan_row *row = &plan->rows[i];
		char *reason;

		if (row->state != PLAN_ABSENT)
			continue;
		reason = mem_printf("%s; debuginfod: %s", row->reason, why);
		free(row->reason);
		row->reason = reason;
	}
	plan_clean(plan);
}

int resolve_with_server(resolve_once_fn *once, int fd, const char *path,
			const struct source_options *options, const struct profile *profile,
			struct plan **out, struct err *err)
{
	struct source_options with = options ? *options : (struct source_options){};
	_close_ int fetched = -1;
	struct plan *plan = NULL;
	struct err why = {};
	int r = once(fd, path, options, profile, out, err);

	if (r < 0 || !(*out)->bare || !with.server)
		return r;
	fetched = debuginfod_fetch(with.server, (*out)->build_id, (*out)->n_build_id, &why);
	if (fetched >= 0) {
		with.fetched = true;
		with.fetched_fd = fetched;
		if (once(fd, path, &with, profile, &plan, &why) == 0) {
			plan_free(*out);
			*out = plan;
			return 0;
		}
	}
	note_server(*out, why.text);
	return 0;
}

int resolve_plan(int fd, const char *path, const struct source_options *options,
		 const struct profile *profile, struct plan **out, struct err *err)
{
	return resolve_with_server(resolve_here, fd, path, options, profile, out, err);
}
