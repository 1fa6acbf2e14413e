// SPDX-License-Identifier: BSD-2-Clause
/* The number of a call that a metric adds up or observes. */
#include "base/mem.h"
#include "profile/build.h"

static const struct tree_key number_keys[] = { { "arg", true } };

void number_read(struct build *b, const struct tree_entry *entry, const char *of,
		 struct label_draft *number)
{
	_free_ char *what = mem_printf("value of %s", of);
	_free_ char *whose = mem_printf("arg of %s", what);
	struct word_fault fault;
	struct tree_entry arg;

	number->entry = *entry;
	number->is_number = true;
	number->kind = PROFILE_VALUE_ARG;
	if (!tree_keys(&b->tree, entry, what, number_keys, 1, &arg) || !arg.value)
		return;
	number->path = tree_text(&b->tree, &arg, whose);
	if (!number->path)
		return;
	number->usable = word_is_argument(number->path, &fault);
	if (!number->usable)
		build_word_fault(b, arg.value, "argument", &fault);
}
