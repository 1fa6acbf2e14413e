/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A plan: where in one executable file to probe, what each site means and how
 * to read values there. Made by symbol/resolve (needs debug information, no
 * root), written and read as a pack (symbol/pack), used by probe/ (needs root,
 * no debug information). It speaks of functions and label values by name, so
 * it does not depend on the order of things in a profile.
 */
#ifndef SYMBOL_PLAN_H
#define SYMBOL_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/abi.h"
#include "profile/profile.h"

#define PLAN_BYTES_MAX 15 /* the longest x86-64 instruction */

/* One raw value and what follows from it: a label; or that metrics leave the call out; or
 * test `next`; or, with next 0, that the value is unknown. */
struct plan_choice {
	uint64_t raw;
	char *label;
	unsigned next;
	bool skip; /* of a number: the result is another variant, which has none */
};

struct plan_test {
	struct abi_recipe recipe;
	struct plan_choice *choices;
	size_t n_choices;
	struct plan_choice otherwise;
};

/* What a captured value is. A number's last test compares nothing: what its recipe
 * reads is the number. Nor do those of a key, which is hashed: one or two words, or where
 * a text is and its length. */
enum plan_reading {
	PLAN_LABEL,
	PLAN_NUMBER,
	PLAN_SIGNED, /* a number that may be negative */
	PLAN_TIME,   /* a number of nanoseconds, in two words: seconds, and what is left */
	PLAN_KEY,
	PLAN_KEY_SIGNED, /* one word that may be negative */
	PLAN_KEY_TEXT,
};

/* How a captured value of the function is read at one site. */
struct plan_value {
	unsigned slot; /* index into profile_func.values */
	enum plan_reading reading;
	struct plan_test tests[ABI_TESTS_MAX];
	size_t n_tests;
	char *text; /* for people: "vote.approve: u8 at future+193" */
};

struct plan_site {
	enum abi_site_kind kind;
	unsigned func;     /* index into plan.funcs */
	unsigned instance; /* index into plan.rows */
	uint64_t offset;   /* in the file */
	uint8_t bytes[PLAN_BYTES_MAX];
	uint8_t n_bytes; /* length of the instruction expected there */
	bool common;     /* calls that did not begin at a start of the function come by too */
	struct abi_recipe key;
	struct abi_recipe saved; /* reg ABI_REG_NONE when nothing is saved */
	struct plan_value *values;
	size_t n_values;
};

enum plan_state {
	PLAN_READY,   /* start and end sites found */
	PLAN_PARTIAL, /* probed, but something of it is not seen; the reason says what */
	PLAN_REFUSED, /* seen in the file, but cannot be probed safely or at all */
	PLAN_ABSENT,  /* nothing of that name in the file */
};

/* What became of one instance of a function (or of the function, when absent). */
struct plan_row {
	unsigned func;
	enum plan_state state;
	char *where; /* "poll function", "inlined in threshold_orchestrator::…::process_vote_request at auto_voter.rs:88" */
	char *how;   /* "first poll, 1 completion, 1 panic and 3 drop sites" */
	char *reason; /* NULL when READY: why not, and what the person can do */
};

struct plan_func {
	char *name;   /* as in the profile */
	bool unasked; /* the pack that this comes from was made without asking for it */
};

struct plan {
	char *binary;  /* path it was resolved from, for people */
	char *source;  /* what it was resolved from, for people; no pack has it, may be NULL */
	bool bare;     /* … and that was no debug information; no pack has it */
	char *library; /* of this shared library, by its name in profiles; no pack has it; NULL:
			* of an executable */
	uint8_t build_id[20]; /* GNU build-id, n_build_id 0 when the file has none */
	size_t n_build_id;
	uint8_t code[32]; /* SHA-256 of the executable segments */
	bool has_code;
	struct plan_func *funcs;
	size_t n_funcs;
	struct plan_row *rows;
	size_t n_rows;
	struct plan_site *sites; /* sorted by offset, then kind */
	size_t n_sites;
};

struct image;

/* An empty plan for this executable: its name, and what it is known by. */
struct plan *plan_of(const struct image *image);
/* Appends a row and returns its index; the strings are taken over. */
unsigned plan_add_row(struct plan *plan, unsigned func, enum plan_state state, char *where,
		      char *how, char *reason);
/* A row for each function of @profile that may be in such a file and of which the plan does not
 * speak. */
void plan_add_missing_rows(struct plan *plan, const struct profile *profile, enum plan_state state,
			   const char *reason);
/* Whether the executable may use one of the profile's parts: all do but those of
 * libraries of which nothing is there. True where there is no @plan. */
bool plan_uses(const struct plan *plan, const struct profile *profile, unsigned part);
/* Whether any part that names the function is one that may be used: others are not shown. */
bool plan_shows(const struct plan *plan, const struct profile *profile, size_t func);
/* What was found out later: with @whole the row is refused, else it is partial at best. */
void plan_refuse_row(struct plan_row *row, bool whole, const char *reason);
/* The plan's number of a function, SIZE_MAX when it does not speak of it. */
size_t plan_find_func(const struct plan *plan, const char *name);
/* Leaves the functions out that have no row: those of other files. */
void plan_drop_unspoken(struct plan *plan);
/* What is called so in plan_row.where: all drop glue of a function is one row. */
#define PLAN_DROP_GLUE "drop glue"
/* Says in a row of drop glue how many cancel sites it has. */
void plan_count_cancels(struct plan *plan, size_t row);
/* What plan_value.text says of the wanted value: `vote.approve`, `result`, `result Ok.len()`. */
char *plan_value_text(const struct profile_value *want);
/* Hands @value to @site. */
void plan_add_value(struct plan_site *site, const struct plan_value *value);
/* Sorts the sites by offset and kind, leaves one of several that are the same, and counts again
 * what rows of drop glue have. */
void plan_sort_sites(struct plan *plan);
/* Replaces what could steer a terminal in all texts of the plan: they come from outside. */
void plan_clean(struct plan *plan);
void plan_value_clear(struct plan_value *value);
bool plan_is_key(const struct plan_value *value);
void plan_free(struct plan *plan);
void plan_freep(struct plan **plan);
const char *plan_kind_name(enum abi_site_kind kind); /* "start", "return", "panic", "cancel" */
const char *plan_state_name(enum plan_state state);  /* "ready", "partial", "refused", "absent" */

#endif
