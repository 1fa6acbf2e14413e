/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One named variable from a process' environment, and nothing else of it: a
 * wallet's environment may hold passwords.
 */
#ifndef TARGET_ENV_H
#define TARGET_ENV_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

#define ENV_NAME_MAX 64

/*
 * Puts the value of variable @name of process @tgid into @out (at most @size
 * bytes with the NUL). It must be printable ASCII. Every byte that was read is
 * wiped before this returns. -ENOENT when the variable is not set, -ESRCH when
 * the process is gone, -EILSEQ or -E2BIG when the value will not do.
 */
int env_read(pid_t tgid, const char *name, char *out, size_t size, struct err *err);

/* The same from an open file that has the form of /proc/PID/environ. */
int env_read_fd(int fd, const char *name, char *out, size_t size, struct err *err);

#endif
