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

struct unwind_bounds {
	uint64_t low, high;
};

#define UNWIND_FUNCTIONS_MAX (1u << 20)

/* Finds the frame entry that covers @addr. Returns 0 and *@out (free with
 * unwind_function_free), -ENOENT when there is none, -EBADMSG when damaged. */
int unwind_find(const struct image *image, uint64_t addr, struct unwind_function *out);
void unwind_function_free(struct unwind_function *fn);

/* The bounds of all functions with a frame entry, ascending, none within another
 * (free *@out). Errors: -ENOENT no .eh_frame_hdr, -EBADMSG damaged. */
int unwind_list(const struct image *image, struct unwind_bounds **out, size_t *n);

#endif
