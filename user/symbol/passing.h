/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How the Rust ABI of x86-64 hands back a value of a type, as measured with rustc
 * 1.95: one scalar in rax, two in rax and rdx, an aggregate of up to 8 bytes in rax,
 * all else in memory that the caller names in rdi.
 */
#ifndef SYMBOL_PASSING_H
#define SYMBOL_PASSING_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdint.h>

#include "bpf/abi.h"

enum passing_kind {
	PASSING_UNKNOWN, /* floats, and what the debug information does not describe */
	PASSING_RAX,     /* all of it; nothing at all counts too */
	PASSING_PAIR,    /* the scalar at offset 0 in rax, the one at `second` in rdx */
	PASSING_MEMORY,
};

struct passing {
	enum passing_kind kind;
	uint64_t second;
};

/* @type without qualifiers. */
struct passing passing_of(Dwarf_Die *type);

/* Makes a way that begins with the bytes of a value that is handed back in registers one
 * that begins with a register; *@second says which of the two. The caller names it in @r.
 * False when no register has these bytes. */
bool passing_in_register(const struct passing *how, struct abi_recipe *r, bool *second);

#endif
