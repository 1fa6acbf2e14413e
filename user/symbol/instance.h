/* SPDX-License-Identifier: BSD-2-Clause */
/* One instance of a function — out of line or inlined somewhere — to sites and a row. */
#ifndef SYMBOL_INSTANCE_H
#define SYMBOL_INSTANCE_H

#include "symbol/debug.h"
#include "symbol/function.h"
#include "symbol/plan.h"
#include "symbol/type.h"

/* What the resolver carries along while it works through a file. */
struct resolver {
	struct image *image;
	const struct profile *profile;
	Dwarf *dbg;
	struct plan *plan;
	char *missing;         /* split units that are not there, as a sentence, or NULL */
	struct function *open; /* the function looked at last: neighbours often share it */
	/* names of the futures found, with the function each belongs to: drop glue is named after them */
	struct {
		struct resolver_future {
			char *name;
			unsigned func, states;
			int64_t state; /* offset of the state byte */
			bool has_glue; /* its own drop glue was found */
		} *at;
		size_t n, cap;
	} futures;
};

/* Each returns true when the DIE has code in the file, i.e. is an instance. */
bool instance_poll(struct resolver *rs, const struct debug_hit *hit);
bool instance_plain(struct resolver *rs, const struct debug_hit *hit);
bool instance_drop(struct resolver *rs, const struct debug_hit *hit);
/* Looks at glue of what has the future inside, where its own was not found. */
bool instance_drop_around(struct resolver *rs, const struct debug_hit *hit);

/* Parts of these that need no debug information. A site of @fn at the draft's
 * instruction, NULL where the file does not back it; … */
struct plan_site *instance_add_site(struct resolver *rs, const struct function *fn,
				    const struct draft *draft, unsigned func, unsigned row);
/* … the cancel sites in @drafts, in the one row of all drop glue of the function; … */
void instance_add_cancels(struct resolver *rs, const struct function *fn,
			  const struct drafts *drafts, unsigned func);
/* … and the entry and every way out of a function that is not async. */
void instance_plain_drafts(const struct function *fn, struct drafts *out);

#endif
