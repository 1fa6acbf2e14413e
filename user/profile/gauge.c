// SPDX-License-Identifier: BSD-2-Clause
/* What only a gauge has: functions that count up and down, and a time after which it is stale. */
#include <ctype.h>

#include "base/mem.h"
#include "base/near.h"
#include "profile/build.h"

#define STALE_DEFAULT 300 /* seconds */

static void lacks(struct build *b, const struct metric_draft *draft, const char *key,
		  const char *why)
{
	fault_add(b->tree.page, tree_span(&b->tree, draft->entry->key), "%s lacks the key \"%s\"%s",
		  draft->what, key, why);
}

/* A key that only gauges have, or only some of them. */
static void has_no(struct build *b, const struct metric_draft *draft, const struct tree_entry *key,
		   const char *why)
{
	if (key)
		fault_add(b->tree.page, tree_span(&b->tree, key->key), "%s cannot have \"%s\"%s",
			  draft->what, key->name, why);
}

static void check_balance(struct build *b, const struct metric_draft *draft,
			  const struct metric_keys *keys)
{
	if (!keys->up)
		lacks(b, draft, "up", ": the functions whose calls count up");
	if (!keys->down)
		lacks(b, draft, "down", ": without it the gauge only grows; is it a counter?");
	has_no(b, draft, keys->value, ": \"up\" and \"down\" count calls");
	has_no(b, draft, keys->stale, ": what is counted up and down stays right without news");
}

static void check_set(struct build *b, const struct metric_draft *draft,
		      const struct metric_keys *keys)
{
	has_no(b, draft, keys->up, " beside \"from\": a gauge is either set or counted");
	has_no(b, draft, keys->down, " beside \"from\": a gauge is either set or counted");
	if (!draft->metric->is_of_numbers)
		lacks(b, draft, "value", ": the number that the gauge is set to");
}

void gauge_check(struct build *b, const struct metric_draft *draft, bool typed,
		 const struct metric_keys *keys)
{
	if (typed && draft->metric->type != PROFILE_GAUGE) {
		has_no(b, draft, keys->up, ": only a gauge counts up and down");
		has_no(b, draft, keys->down, ": only a gauge counts up and down");
		has_no(b, draft, keys->stale, ": only a gauge goes stale");
		if (!keys->from && !keys->up && !keys->down)
			lacks(b, draft, "from", "");
	} else if (!keys->from && !keys->up && !keys->down) {
		lacks(b, draft, "from",
		      typed ? ", which sets it, or \"up\" and \"down\", which count" : "");
	} else if (typed && draft->balanced) {
		check_balance(b, draft, keys);
	} else if (typed) {
		check_set(b, draft, keys);
	}
}

void gauge_read_stale(struct build *b, const struct metric_draft *draft,
		      const struct tree_entry *entry)
{
	static const char *const words[] = { "never" };
	_free_ char *what = mem_printf("\"stale\" of %s", draft->what);
	_strbuf_ struct strbuf hint = {};
	struct word_fault fault;
	const char *text;

	draft->metric->stale_after =
		draft->metric->type == PROFILE_GAUGE && !draft->balanced ? STALE_DEFAULT : 0;
	text = entry ? tree_text(&b->tree, entry, what) : NULL;
	if (!text || word_is_duration(text, &draft->metric->stale_after, &fault))
		return;
	if (isalpha((unsigned char)text[0]))
		near_hint(&hint, text, words, ARRAY_SIZE(words));
	if (hint.len)
		fault_add(b->tree.page, tree_span(&b->tree, entry->value),
			  "unknown time \"%.60s\"%s", text, hint.text);
	else
		build_word_fault(b, entry->value, "time", &fault);
}
