/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shared libraries that a process has in its memory, by the name under which programs
 * load them. What counts is the file that is mapped, whatever stands under its path now
 * or in another mount namespace.
 */
#ifndef TARGET_LIBRARY_H
#define TARGET_LIBRARY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct library {
	int fd;              /* the mapped file, for reading */
	char *path;          /* as the process sees it */
	uint64_t at, offset; /* where its code is mapped, and which part of the file that is */
};

/* Whether a file of this path may be the library: libgnutls.so.30 is libgnutls.so.30.34.3. */
bool library_is_called(const char *path, const char *name);

/* Looks for it in process @tgid. -ENOENT: it is not mapped; -ESRCH: the process has ended;
 * other errors: it is, and its file cannot be opened. The sentence says so. */
int library_of_process(pid_t tgid, const char *name, struct library *out, struct err *err);
void library_close(struct library *library);

#define _library_ __attribute__((cleanup(library_close)))

#endif
