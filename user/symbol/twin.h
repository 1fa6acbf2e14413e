/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Carries a plan over from a rebuild, which has debug information, to a file that
 * was shipped without and cannot be built again byte for byte.
 */
#ifndef SYMBOL_TWIN_H
#define SYMBOL_TWIN_H

#include "base/err.h"
#include "symbol/plan.h"

/* Functions of the shipped file: all, those of which the rebuild has the very code,
 * and of these those that are known to come from the same place in the sources. */
struct twin_summary {
	unsigned functions, equal, known;
};

/* @plan was resolved in the file open as @rebuild_fd. *@out is for the one open as
 * @shipped_fd: the same rows, of which those whose code is not there are refused with
 * the reason, and the sites of the others at the places of the shipped file. Errors:
 * -ENOEXEC, -EBADMSG as of image_open and twin_code_open; -EINVAL the files come from
 * different compilers. */
int twin_carry(const struct plan *plan, int rebuild_fd, const char *rebuild_path, int shipped_fd,
	       const char *shipped_path, struct plan **out, struct twin_summary *summary,
	       struct err *err);

#endif
