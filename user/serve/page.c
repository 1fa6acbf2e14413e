// SPDX-License-Identifier: BSD-2-Clause
/* The values of the landing page, and what of them needs a person's attention. */
#include "serve/page.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *page_text(struct page *page, const char *fmt, ...)
{
	char **place = VEC_ADD(&page->texts);
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	*place = mem_alloc(n > 0 ? (size_t)n + 1 : 1);
	va_start(ap, fmt);
	vsnprintf(*place, n > 0 ? (size_t)n + 1 : 1, fmt, ap);
	va_end(ap);
	return *place;
}

struct page_row *page_row(const struct page *page, struct page_metric *metric)
{
	struct page_row *row = VEC_ADD(&metric->rows);

	row->values = mem_array(page->nodes.n, sizeof(*row->values));
	for (size_t i = 0; i < page->nodes.n; i++)
		row->values[i] = NAN;
	row->all = NAN;
	return row;
}

static void free_metric(struct page_metric *metric)
{
	for (size_t i = 0; i < metric->rows.n; i++)
		free(metric->rows.at[i].values);
	free(metric->rows.at);
}

void page_free(struct page *page)
{
	for (size_t i = 0; i < page->functions.n; i++) {
		free(page->functions.at[i].instances.at);
		free(page->functions.at[i].buckets.at);
	}
	for (size_t i = 0; i < page->metrics.n; i++)
		free_metric(&page->metrics.at[i]);
	for (size_t i = 0; i < page->texts.n; i++)
		free(page->texts.at[i]);
	free(page->profiles.at);
	free(page->functions.at);
	free(page->texts.at);
	free(page->nodes.at);
	free(page->metrics.at);
	*page = (struct page){};
}

enum plan_state page_function_state(const struct page_function *fn)
{
	size_t n[PLAN_ABSENT + 1] = {};

	for (size_t i = 0; i < fn->instances.n; i++)
		n[fn->instances.at[i].state]++;
	if (n[PLAN_PARTIAL] || (n[PLAN_READY] && (n[PLAN_REFUSED] || n[PLAN_ABSENT])))
		return PLAN_PARTIAL;
	if (n[PLAN_READY])
		return PLAN_READY;
	return n[PLAN_REFUSED] ? PLAN_REFUSED : PLAN_ABSENT;
}

/* ---- concerns -------------------------------------------------------------- */

static void concern(struct page_concerns *out, bool grave, const char *subject, char *text)
{
	*VEC_ADD(out) = (struct page_concern){ mem_strdup(subject), text, grave };
}

/* The reasons of all instances that are not ready, each once and a few at most. */
static char *reasons(const struct page_function *fn)
{
	const size_t most = 3;
	struct strbuf text = {};
	size_t n = 0;

	for (size_t i = 0; i < fn->instances.n; i++) {
		const struct page_instance *it = &fn->instances.at[i];
		bool said = false;

		for (size_t j = 0; j < i; j++)
			said |= fn->instances.at[j].reason && it->reason &&
				!strcmp(fn->instances.at[j].reason, it->reason);
		if (it->state == PLAN_READY || !it->reason || said || ++n > most)
			continue;
		strbuf_printf(&text, "%s%s", text.len ? "; " : "", it->reason);
	}
	if (n > most)
		strbuf_printf(&text, "; and %zu more, in the table below", n - most);
	if (!text.len)
		strbuf_puts(&text, fn->instances.n ? "no reason is known" :
						     "nothing of that name is in the program");
	return strbuf_take(&text);
}

static void function_concern(const struct page_function *fn, struct page_concerns *out)
{
	enum plan_state state = page_function_state(fn);
	bool unseen = state == PLAN_REFUSED || state == PLAN_ABSENT;
	_free_ char *why = NULL;

	if (state != PLAN_READY) {
		why = reasons(fn);
		concern(out, unseen && fn->required, fn->name,
			mem_printf("%s: %s", plan_state_name(state), why));
	}
	if (fn->lost)
		concern(out, false, fn->name,
			mem_printf("%" PRIu64 " %s lost: its counts are too low", fn->lost,
				   fn->lost == 1 ? "call was" : "calls were"));
}

void page_concerns(const struct page *page, struct page_concerns *out)
{
	if (!page->healthy)
		concern(out, true, page->agent,
			mem_strdup(page->why && *page->why ? page->why : "not healthy"));
	if (!page->nodes.n)
		concern(out, true, "No node",
			mem_strdup("no running executable is known to have the functions of the "
				   "profile; a stripped one needs its pack, see --pack"));
	for (size_t i = 0; i < page->nodes.n; i++)
		if (page->nodes.at[i].note)
			concern(out, true, page->nodes.at[i].id,
				mem_strdup(page->nodes.at[i].note));
	for (size_t i = 0; i < page->functions.n; i++)
		function_concern(&page->functions.at[i], out);
	for (size_t i = 0; i < page->metrics.n; i++)
		if (page->metrics.at[i].note)
			concern(out, false, page->metrics.at[i].name,
				mem_strdup(page->metrics.at[i].note));
}

void page_concerns_free(struct page_concerns *concerns)
{
	for (size_t i = 0; i < concerns->n; i++) {
		free(concerns->at[i].subject);
		free(concerns->at[i].text);
	}
	free(concerns->at);
	*concerns = (struct page_concerns){};
}
