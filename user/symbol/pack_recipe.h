/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Recipes as text: `rbx+272` an address, `[rsp+72]+8` through a pointer on the
 * stack, `key-104:1` one byte at the call's key - 104, `rax:8r` a register itself,
 * `rax+1:1r` its second byte.
 */
#ifndef SYMBOL_PACK_RECIPE_H
#define SYMBOL_PACK_RECIPE_H

#include "base/strbuf.h"
#include "bpf/abi.h"

void pack_recipe_write(const struct abi_recipe *recipe, struct strbuf *out);

/* Reads the recipe at the beginning of @text. Returns how many bytes it takes, or
 * 0 with *@why. What it gives is within the limits of bpf/abi.h; whether the
 * recipe makes sense where it stands (width, pseudo registers) is for the caller. */
size_t pack_recipe_read(const char *text, struct abi_recipe *out, const char **why);

#endif
