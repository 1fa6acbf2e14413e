// SPDX-License-Identifier: BSD-2-Clause
/* The number of a call that a metric adds up or observes. */
#include "base/mem.h"
#include "profile/build.h"

enum { KEY_ARG, KEY_RETURN, N_KEYS };

static const struct tree_key number_keys[N_KEYS] = {
	[KEY_ARG] = { "arg", false },
	[KEY_RETURN] = { "return", false },
};

/* The one of arg and return that stands there, or N_KEYS with a fault. */
static size_t find_source(struct build *b, const struct tree_entry *entry,
			  const struct tree_entry *got, const char *what)
{
	if (got[KEY_ARG].value && got[KEY_RETURN].value)
		fault_add(b->tree.page, tree_span(&b->tree, got[KEY_RETURN].key),
			  "%s has both \"arg\" and \"return\"; a number has one source", what);
	else if (!got[KEY_ARG].value && !got[KEY_RETURN].value)
		fault_add(b->tree.page, tree_span(&b->tree, entry->key),
			  "%s has no source: arg or return", what);
	else
		return got[KEY_ARG].value ? KEY_ARG : KEY_RETURN;
	return N_KEYS;
}

void number_read(struct build *b, const struct tree_entry *entry, const char *of,
		 struct label_draft *number)
{
	_free_ char *what = mem_printf("value of %s", of);
	_free_ char *whose = NULL;
	struct tree_entry got[N_KEYS];
	struct word_fault fault;
	size_t source;

	number->entry = *entry;
	number->is_number = true;
	if (!tree_keys(&b->tree, entry, what, number_keys, N_KEYS, got))
		return;
	source = find_source(b, entry, got, what);
	if (source == N_KEYS)
		return;
	number->kind = source == KEY_ARG ? PROFILE_VALUE_ARG : PROFILE_VALUE_RETURN;
	whose = mem_printf("%s of %s", number_keys[source].name, what);
	number->path = tree_text(&b->tree, &got[source], whose);
	if (!number->path)
		return;
	number->usable = source == KEY_ARG ? word_is_number(number->path, &fault) :
					     word_is_result(number->path, &fault);
	if (!number->usable)
		build_word_fault(b, got[source].value, source == KEY_ARG ? "argument" : "result",
				 &fault);
}
