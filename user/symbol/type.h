/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rust types as DWARF describes them: the state machine of an async function,
 * the way from a value to one of its fields, and how enum variants are told
 * apart in memory (tags and niches, which differ per type and compiler).
 */
#ifndef SYMBOL_TYPE_H
#define SYMBOL_TYPE_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "profile/profile.h"
#include "symbol/plan.h"

/* The state machine behind an async function. */
struct type_future {
	char *name; /* qualified, as drop glue is named after it */
	uint64_t size;
	int64_t state;   /* offset of the state byte */
	unsigned states; /* number of states: the highest discriminant + 1 */
	Dwarf_Die type;
};

/* A place in memory reached from some pointer, and the type of what is there. */
struct type_place {
	struct abi_recipe recipe; /* reg not yet set; tail is the offset in the last block */
	Dwarf_Die type;
	Dwarf_Die owner; /* of which it is a member; all 0 where it is none */
};

/* The future that the body of an async function (its abstract or concrete
 * subprogram) runs. False when the DIE has no such parameter (debug=1). */
bool type_future_of(Dwarf_Die *subprogram, struct type_future *out);
void type_future_free(struct type_future *future);

/* Qualified name of a type, as rustc writes it in generic arguments. */
char *type_name(Dwarf_Die *type);

/* Whether the type's qualified name, without generic arguments, is @name. Its unit is read for that
 * only where the last name is right. */
bool type_is_called(Dwarf_Die *type, const char *name);

/* Where the argument path ("vote.approve") of the future is while it is
 * unresumed, relative to the state byte's address. False with the reason in @why. */
bool type_argument(const struct type_future *future, const char *path, struct type_place *out,
		   struct strbuf *why);

/* From a pointer to what it points to; false when it is not known, or too many steps away. */
bool type_deref(struct type_place *place);

/* Moves a place on by an offset of the debug information; false when that is absurd. */
bool type_move(struct type_place *place, uint64_t offset);

/* To a member of the place's struct: from it to the field. */
bool type_enter_member(struct type_place *place, Dwarf_Die *member);
/* The member of a struct of that name; false where it has none. In length.c. */
bool type_member(Dwarf_Die *type, const char *name, Dwarf_Die *out);
/* To the one member of a struct that takes room (a newtype); false where it has none or several. */
bool type_enter_only_member(struct type_place *place);

/* The same for types of more members that hold one thing: ArcInner, Mutex. In length.c. */
bool type_enter_wrapper(struct type_place *place);

/* Adds why a type is never read where its name says secret. With @counted only how many
 * there are is asked, which is no secret of keys and presignatures. */
bool type_is_secret(Dwarf_Die *type, bool counted, struct strbuf *why);

/* Follows fields from a place; a last segment "len()" is the length of what is there, before
 * "address()" the place is the reference, and before "as_secs_f64()" that of a Duration. */
bool type_follow(struct type_place *place, const char *path, struct strbuf *why);

/* Steps from Poll<T> to its T, when the place's type is one; else leaves it. */
void type_enter_ready(struct type_place *place);

/* The discriminant of an enum with data: where in its value, and how many bytes. */
struct type_tag {
	uint64_t offset;
	unsigned width;
};

/* False when @type is no such enum, or has but one variant. */
bool type_tag(Dwarf_Die *type, struct type_tag *out);
/* The discriminant's value for a variant; false when it is any that no other has. */
bool type_variant(Dwarf_Die *type, const char *variant, uint64_t *raw);
/* Up to @max values of the discriminant that mean a variant; how many. */
size_t type_variants(Dwarf_Die *type, uint64_t *raw, size_t max);

/* Steps to the length of the container or slice at the place (or behind pointers and
 * newtypes there), a usize. Nothing of its contents is looked at. */
bool type_length(struct type_place *place, struct strbuf *why);

/* Fills @out with the way to the whole number at the place (or behind pointers and
 * newtypes there). */
bool type_number(const struct type_place *place, struct plan_value *out, struct strbuf *why);

/* The same with the Duration at the place, or in the Option there. */
bool type_time(const struct type_place *place, struct plan_value *out, struct strbuf *why);

/* The way to the number @path names in a result: `Ok`, `Ok.len()`, `Ok.Accepted.count`, or
 * `number` for a result that is one. Other variants on the way lead to skip. */
bool type_result(const struct type_place *place, const char *path, struct plan_value *out,
		 struct strbuf *why);

/* Fills @out with the way to an id that can be hashed at the place (or behind pointers and
 * newtypes there): a whole number, a text, or the bytes of a type that is called an id, a
 * hash, or a random of TLS. */
bool type_key(const struct type_place *place, struct plan_value *out, struct strbuf *why);

/* The same with the address that the reference at the place holds. */
bool type_address(const struct type_place *place, struct plan_value *out, struct strbuf *why);

/* Steps from an enum to the one thing that its variant @name holds, Ok(T) to T; false when
 * it has no such variant or that holds several. */
bool type_enter_payload(struct type_place *place, const char *name);

/* Builds the tests that tell the choices of @value apart at @place, or
 * reads the number or the key there when @value is one. */
bool type_tests(const struct type_place *place, const struct profile_value *value,
		struct plan_value *out, struct strbuf *why);

/* The first child of @die with @tag, and with @name where that is not NULL; false when it
 * has none, and then @out is not to be used. */
bool type_child(Dwarf_Die *die, int tag, const char *name, Dwarf_Die *out);

/* A constant attribute of @die, signed or not; false when it has none. */
bool type_word(Dwarf_Die *die, unsigned attribute, uint64_t *out);

/* Byte size of a type, 0 when unknown. */
uint64_t type_size(Dwarf_Die *type);

#define TYPE_INSIDE_MAX 16

/* Offsets at which a value of the type named @name lies inside what the first
 * parameter of @subprogram points to (of glue: what it drops), by value and in any
 * variant. How many. */
size_t type_inside(Dwarf_Die *subprogram, const char *name, int64_t offsets[TYPE_INSIDE_MAX]);

#endif
