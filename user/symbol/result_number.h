/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A number of the result of an async function that was inlined: where its parts, the
 * number and the tags on the way to it, are at a completion. In result_number.c.
 */
#ifndef SYMBOL_RESULT_NUMBER_H
#define SYMBOL_RESULT_NUMBER_H

#include "symbol/caller.h"
#include "symbol/coroutine.h"
#include "symbol/handover.h"

struct result_scene {
	const struct function *fn;
	const struct coroutine *co;
	const struct caller *caller;
	const struct handover_graph *graph;
};

/* Fills @value with the way to the number that @want names, from the completion site at
 * @insn on; @tag is where the tag of the result is there, NULL where that is not known.
 * False, with the reason in @why, unless it is proven; then @value is for the caller to
 * clear. */
bool result_number(const struct result_scene *scene, size_t insn, const struct coroutine_tag *tag,
		   const struct profile_value *want, struct plan_value *value, struct strbuf *why);

#endif
