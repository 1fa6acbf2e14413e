/* SPDX-License-Identifier: BSD-2-Clause */
/* Rust symbol names: demangling and matching with the paths that people write. */
#ifndef SYMBOL_NAME_H
#define SYMBOL_NAME_H

#include <stdbool.h>
#include <stddef.h>

/* Demangles a legacy (_ZN…E) or v0 (_R…) name without hash, ignoring a
 * ".llvm.N" suffix. NULL when it is neither; the caller frees. */
char *name_demangle(const char *mangled);

/* The last identifier of a path as it stands in mangled names: "12process_vote". */
char *name_needle(const char *path);

enum name_match {
	NAME_OTHER,
	NAME_SAME,    /* the function itself */
	NAME_CLOSURE, /* its first closure: the body of an async function, or a closure */
};

/* Compares a demangled name with a path of a profile: generic arguments in the
 * name are ignored, `*` in the path stands for one segment. */
enum name_match name_compare(const char *demangled, const char *path);

#endif
