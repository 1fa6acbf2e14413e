/* SPDX-License-Identifier: BSD-2-Clause */
/* What a plain function is given, where it is entered. */
#ifndef SYMBOL_ARGUMENT_H
#define SYMBOL_ARGUMENT_H

#include "symbol/function.h"
#include "symbol/plan.h"
#include "profile/profile.h"

#include <elfutils/libdw.h>

/* The parameter named @name (its first @len bytes), or with NULL the first one. */
bool argument_parameter(Dwarf_Die *die, const char *name, size_t len, Dwarf_Die *out);

/* The register (enum code_reg) that alone holds a parameter when the function is entered, or
 * REG_NONE. */
unsigned argument_register(const struct function *fn, Dwarf_Die *param);

/* Where the argument that the profile wants is at the entry: in a register or in memory, or
 * behind a pointer there. False with the reason in @why; then @value is for the caller to clear. */
bool argument_plain(const struct function *fn, Dwarf_Die *die, const struct profile_value *want,
		    struct plan_value *value, struct strbuf *why);

#endif
