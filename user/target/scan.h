/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The processes of /proc, and what changed since the last look. A process is
 * told from a later one of the same number by its start time; one that began a
 * new program by its executable's place.
 */
#ifndef TARGET_SCAN_H
#define TARGET_SCAN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "target/exe.h"

struct process {
	pid_t tgid;
	uint64_t start; /* clock ticks after boot */
	struct exe_place exe;
};

/* Sorted by tgid. Kernel threads are left out. */
struct scan {
	struct process *at;
	size_t n, cap;
};

/* Lists all processes below @proc ("/proc"). Those that vanish meanwhile are
 * not in it, and neither are those in the middle of an exec: they have the new
 * executable already, but nothing else of it, such as the environment. */
int scan_processes(const char *proc, struct scan *out, struct err *err);
/* Looks at one process; -ESRCH when it is gone or has no executable, -EAGAIN in
 * the middle of an exec, whose end is an event (watch.h). */
int scan_process(const char *proc, pid_t tgid, struct process *out);
void scan_free(struct scan *scan);

#define _scan_ __attribute__((cleanup(scan_free)))

/* Calls @ended for each process of @before that is not in @now, then @began for
 * each of @now that was not in @before. Either may be NULL. */
typedef void scan_fn(const struct process *process, void *arg);
void scan_compare(const struct scan *before, const struct scan *now, scan_fn *ended, scan_fn *began,
		  void *arg);

#endif
