/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The code of an executable as a process has it in its memory. That is what counts:
 * on overlayfs the file that /proc/PID/exe leads to is another than the process
 * executes once it was written to or given other rights (copied up).
 */
#ifndef TARGET_MAPPED_H
#define TARGET_MAPPED_H

#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct mapped {
	int mem;       /* /proc/PID/mem */
	uint64_t bias; /* address in memory less the address in the file */
	Elf64_Phdr *segments;
	size_t n_segments;
};

/* Looks into process @tgid, which runs the file open as @exe. -ESRCH when it has
 * ended, -EACCES or -EPERM where we may not look (CAP_SYS_PTRACE). */
int mapped_open(pid_t tgid, int exe, struct mapped *out, struct err *err);
/* The same for a shared library open as @fd, of which the part at @offset is mapped at @at. */
int mapped_open_library(pid_t tgid, int fd, uint64_t at, uint64_t offset, struct mapped *out,
			struct err *err);
void mapped_close(struct mapped *mapped);

/* Reads what stands in memory for @size bytes of the file at @offset. -ENOENT when
 * no segment has them. */
int mapped_read(const struct mapped *mapped, uint64_t offset, void *out, size_t size);

#define _mapped_ __attribute__((cleanup(mapped_close)))

#endif
