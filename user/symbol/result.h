/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading what a function was given and returned, at the sites where that is possible. */
#ifndef SYMBOL_RESULT_H
#define SYMBOL_RESULT_H

#include "symbol/coroutine.h"
#include "symbol/debug.h"
#include "symbol/plan.h"

/* If the profile wants the result of this async function, moves its completion
 * sites to where the result has been written: the end of the path that only
 * completions take. Leaves them, with the reason in co->trouble, when that
 * place cannot be had. */
void result_prepare(const struct function *fn, struct coroutine *co, const struct debug_hit *hit,
		    Dwarf_Die *origin, const struct profile_func *pf);

/* Adds the wanted results to a completion site at instruction @insn. */
void result_values(const struct function *fn, struct coroutine *co, size_t insn, Dwarf_Die *origin,
		   const struct profile_func *pf, struct plan_site *site);

/* What sentences call a wanted result: "the result", "the result's Ok.len()". */
char *result_called(const struct profile_value *want);
/* Adds to co->trouble, once, why a wanted result is unknown. */
void result_add_trouble(struct coroutine *co, const struct profile_value *want, const char *why);
/* Whether the profile asks for values of this kind. */
bool result_wants(const struct profile_func *pf, enum profile_value_kind kind);
/* The type of a subprogram, parameter or pointer DIE without its qualifiers. */
bool result_type(Dwarf_Die *die, Dwarf_Die *out);

/* In result_inlined.c: the same two for an instance that was inlined. Its completion
 * sites stay, or move on to where the tag of the result stands in a register. */
void result_inlined_prepare(const struct function *fn, struct coroutine *co,
			    const struct debug_hit *hit, const struct profile_func *pf);
void result_inlined_values(struct coroutine *co, size_t insn, Dwarf_Die *origin,
			   const struct profile_func *pf, struct plan_site *site);

/* In result_plain.c: adds arguments (start site) or results (return site at @insn) of a
 * plain function. */
void result_plain(const struct function *fn, size_t insn, Dwarf_Die *origin, Dwarf_Die *die,
		  const struct profile_func *pf, struct plan_site *site, struct strbuf *trouble);

#endif
