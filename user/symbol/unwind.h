/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What .eh_frame and .gcc_except_table say of a function: its bounds, and the
 * landing pads to which unwinding can jump. Both survive strip.
 * Source: Linux Standard Base 5.0, "Exception Frames"; Itanium C++ ABI LSDA.
 */
#ifndef SYMBOL_UNWIND_H
#define SYMBOL_UNWIND_H

#include <stddef.h>
#include <stdint.h>

#include "symbol/image.h"

struct unwind_pad {
	uint64_t from, to; /* calls in [from, to) … */
	uint64_t pad;      /* … unwind to here */
};

struct unwind_function {
	uint64_t low, high;
	struct unwind_pad *pads;
	size_t n_pads;
};

/* Finds the frame entry that covers @addr. Returns 0 and *@out (free with
 * unwind_function_free), -ENOENT when there is none, -EBADMSG when damaged. */
int unwind_find(const struct image *image, uint64_t addr, struct unwind_function *out);
void unwind_function_free(struct unwind_function *fn);

#endif
