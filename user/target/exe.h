/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which executable file a process runs, told from the file itself: its place
 * on disk, so that processes of one file are recognised cheaply, and its GNU
 * build-id, by which a plan is found.
 */
#ifndef TARGET_EXE_H
#define TARGET_EXE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/err.h"

#define EXE_BUILD_ID_MAX 20
#define EXE_HASH_SIZE 32

/* A file on disk. A program that is replaced while it runs keeps its inode. */
struct exe_place {
	dev_t dev;
	ino_t ino;
};

struct exe {
	struct exe_place place;
	off_t size;
	struct timespec mtime, ctime;
	uint8_t build_id[EXE_BUILD_ID_MAX];
	size_t n_build_id; /* 0: the file has none */
};

bool exe_same_place(struct exe_place a, struct exe_place b);
/* Also told apart: a file written anew in the same place, or only touched. */
bool exe_same(const struct exe *a, const struct exe *b);
/* The file open as @fd was written or touched since @exe was read of it. */
bool exe_touched(const struct exe *exe, int fd);

/* Reads the identity of the open file. Fails with one sentence that names
 * @name when it is no 64-bit ELF program for this architecture, or damaged. */
int exe_read(int fd, const char *name, struct exe *out, struct err *err);

/* A part of the file that is mapped as code (PT_LOAD with PF_X). */
struct exe_code {
	uint64_t offset, size; /* bytes in the file */
};

/* All such parts of the open file, in *@out, to be freed. Errors as in exe_read. */
int exe_read_code(int fd, const char *name, struct exe_code **out, size_t *n, struct err *err);
/* Whether @size bytes at @offset all lie in one of them. */
bool exe_is_code(const struct exe_code *code, size_t n, uint64_t offset, uint64_t size);

/* SHA-256 of the bytes of these parts, one after the other: tells builds apart, also
 * where they have the same build-id or none. strip does not change it. Reads all of
 * them, megabytes. Errors as in exe_read. */
int exe_hash(int fd, const char *name, uint8_t out[EXE_HASH_SIZE], struct err *err);

/* Opens the file behind /proc/@tgid/exe and reads its identity. *@fd is open
 * for reading; a path of it is /proc/self/fd/N. -ESRCH when the process is gone,
 * -ENOENT when it has no executable (a kernel thread). */
int exe_of_process(pid_t tgid, int *fd, struct exe *out, struct err *err);

#endif
