/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the debug information says about the code around an inlined poll: which
 * instructions belong to the await itself, and which variables of the caller
 * hold the result.
 */
#ifndef SYMBOL_CALLER_H
#define SYMBOL_CALLER_H

#include "symbol/debug.h"
#include "symbol/function.h"
#include "symbol/type.h"

/* Memory in which the tag of a result lies: from a register, or from the state byte of
 * the future that was polled. */
struct caller_slot {
	unsigned reg; /* a code_reg, REG_NONE for the state byte */
	int64_t off;
	bool untouched; /* see caller_name */
};

/* A variable or parameter of the caller that holds the result and nothing else. A `let`
 * in the line of the await can hold what a method behind it made of the result, which
 * may be another variant where it is a constant; what is untouched cannot. */
struct caller_name {
	Dwarf_Die die;
	bool untouched;
};

struct caller {
	Dwarf_Die unit, die; /* of the inlined poll */
	Dwarf_Die origin;    /* its abstract subprogram */
	Dwarf_Die around;    /* the function that it is a part of */
	Dwarf_Die scope;     /* the function or inlined function that it was called in */
	Dwarf_Die poll;      /* its type, Poll<T> … */
	Dwarf_Die result;    /* … and T */
	struct type_tag tag; /* of Poll<T>; T has the same one, or no result is looked for */
	uint64_t pending;    /* its value for Poll::Pending */
	const char *file;    /* the place of the call */
	unsigned line, column;
	struct ranges ranges; /* of the inlined poll, what was inlined into it included */
	struct {
		struct caller_name *at;
		size_t n, cap;
	} names;
	struct {
		struct caller_named {
			Dwarf_Die die, scope; /* it speaks of what is within the scope */
			int64_t offset;       /* in Poll<T> */
			bool exact;           /* no method stands between it and the poll */
		} *at;
		size_t n, cap;
	} parts; /* the names, and what `?` takes out of an Ok or Some */
	struct {
		Dwarf_Die *at;
		size_t n, cap;
	} matches; /* methods of Result and Option, inlined, that take it: `?` and such */
	struct {
		struct caller_slot *at;
		size_t n, cap;
	} slots; /* memory of the caller that holds values of type T and nothing else */
};

/* False with the reason in @why when the result cannot be told from the debug information. */
bool caller_open(const struct debug_hit *hit, struct caller *out, struct strbuf *why);
void caller_close(struct caller *caller);

/* In caller_memory.c: finds the slots: where `names` lie on the stack as a whole, and the
 * variables of type T that the caller keeps in its own future. */
void caller_find_slots(struct caller *caller);

/* Whether two types are one, by name and size where the debug information has them twice. */
bool caller_same_type(Dwarf_Die *a, Dwarf_Die *b);
/* Whether a variable, parameter or member is of the type @wanted. */
bool caller_has_type(Dwarf_Die *variable, Dwarf_Die wanted);

/* Whether the instruction is the caller's own and stands in the line of the call, or
 * exactly where the call does: an await has no other code of its own there. */
enum caller_line { CALLER_ELSEWHERE, CALLER_LINE, CALLER_EXACTLY };

enum caller_line caller_line(const struct caller *caller, uint64_t addr);

/* Whether the instruction is the own one of a method of Result or Option that was
 * given the result: such compare nothing but the tag. */
bool caller_matches(const struct caller *caller, uint64_t addr);

/* Where the tag of the result is at one instruction. */
enum caller_kind {
	CALLER_NOWHERE,
	CALLER_REGISTER,
	CALLER_CONSTANT,
	CALLER_MEMORY, /* only of parts */
	CALLER_CONFLICT
};

struct caller_place {
	enum caller_kind kind;
	unsigned reg;   /* a code_reg; of memory: from where it is … */
	int64_t offset; /* … so far */
	uint64_t constant;
	bool exact; /* of parts: see caller_named */
};

/*
 * The place that the debug information names at @addr for the tag of the result, by
 * what holds nothing else: a variable of type Poll<T> of the caller, the variable
 * `result` of the await, and the one parameter of type T of a function inlined in the
 * line of the call behind it (`.await?`, `.await.map_err(…)`).
 */
struct caller_place caller_names(const struct caller *caller, uint64_t addr);

/* The same for any @width bytes at @offset of Poll<T>, also where they are in memory, and by
 * what `?` takes out of the result too: the variable `val` where the line has but one. */
struct caller_place caller_part(const struct caller *caller, uint64_t addr, int64_t offset,
				unsigned width);
/* Where T lies in Poll<T>. */
int64_t caller_result_offset(const struct caller *caller);

#endif
