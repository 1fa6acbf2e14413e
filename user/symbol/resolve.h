/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds the functions of a profile in an executable: ELF, DWARF and code to a plan. */
#ifndef SYMBOL_RESOLVE_H
#define SYMBOL_RESOLVE_H

#include "base/err.h"
#include "profile/profile.h"
#include "symbol/plan.h"
#include "symbol/source.h"

/* Resolves all functions of @profile in the ELF file open as @fd (kept open and
 * owned by the caller; @path is for messages). @options says where debug information
 * may be looked for; NULL: in the file itself. A function that is not there or cannot
 * be probed is a row of the plan, not an error. Errors: -ENOEXEC not an ELF file,
 * wrong class or architecture; -EBADMSG damaged, or a debug file of another build. */
int resolve_plan(int fd, const char *path, const struct source_options *options,
		 const struct profile *profile, struct plan **out, struct err *err);

/* The same with the debug information that was chosen. */
int resolve_plan_from(int fd, const char *path, const struct source *source,
		      const struct profile *profile, struct plan **out, struct err *err);

/* Resolves with @once, and where that finds no debug information and @options names a
 * server, once more with what the server has. */
typedef int resolve_once_fn(int fd, const char *path, const struct source_options *options,
			    const struct profile *profile, struct plan **out, struct err *err);
int resolve_with_server(resolve_once_fn *once, int fd, const char *path,
			const struct source_options *options, const struct profile *profile,
			struct plan **out, struct err *err);

/* resolve_plan in a child process, which gives its memory back when it ends and
 * cannot take the caller down with it; the plan comes back as a pack. The child
 * has no privileges, no other open files, and bounds on memory and time; what
 * becomes of it is the error's sentence. For a caller with one thread only.
 * Errors are those of resolve_plan, and -EBADMSG when the child did not answer,
 * -ETIMEDOUT when it took too long. */
int resolve_plan_apart(int fd, const char *path, const struct source_options *options,
		       const struct profile *profile, struct plan **out, struct err *err);

#endif
