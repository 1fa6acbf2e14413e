/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How C functions of a library hand on what they were called for: by jumping to another
 * function in place of returning, also through a pointer in an object, and by functions
 * that do nothing but read a field for those who may not know where it is.
 */
#ifndef SYMBOL_HANDED_H
#define SYMBOL_HANDED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/abi.h"
#include "symbol/function.h"

enum handed {
	HANDED_ON,     /* the instruction does not leave the function */
	HANDED_RETURN, /* it returns */
	HANDED_JUMP,   /* a direct jump to somewhere else */
	HANDED_OUT,    /* a jump to an import, or through a pointer that is not the caller's */
	HANDED_FIELD,  /* a jump through a field of an argument */
};

enum handed handed_way(const struct function *fn, size_t insn);

/* The name of the import that a stub of the PLT at @addr leads to, or NULL: it is no stub. */
const char *handed_import(const struct image *image, uint64_t addr);

/* Where the jump at @insn, of kind HANDED_FIELD, may lead: it goes to what it loaded from a
 * field at some distance from a pointer, so to the functions whose addresses the library's
 * code stores into fields at that distance. Returns how many there are, @max at most. */
size_t handed_targets(const struct image *image, const struct function *fn, size_t insn,
		      uint64_t *out, size_t max);

/* How a function reads; the registers are for the caller to say. */
struct handed_field {
	struct abi_recipe read;
	bool guarded;            /* the pointer on the way may be NULL: … */
	struct abi_recipe guard; /* … this reads it, … */
	int64_t absent;          /* … and that is then returned */
};

/* Whether the code is a function that returns a field of what its first argument points to,
 * or a field of what such a field points to, and does nothing else: then *@out reads it. */
bool handed_is_getter(const struct image *image, uint64_t low, uint64_t high,
		      struct handed_field *out);

/* The field of what its first argument points to that a function compares with a number before
 * it does anything else. What it goes on to do is not looked at. */
bool handed_asked(const struct image *image, uint64_t low, uint64_t high, struct handed_field *out);

/* The field of what its first argument points to that a function returns on some of its ways;
 * false where it returns several. What it does on others is not looked at. */
bool handed_given(struct image *image, uint64_t low, uint64_t high, struct handed_field *out);

#endif
