/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What this kernel can do, asked once and then passed along. Answers come from
 * the kernel's own types (BTF) where they tell, else from its version.
 */
#ifndef PROBE_KERNEL_H
#define PROBE_KERNEL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct kernel {
	unsigned major, minor;
	char release[65];
	bool cap_sys_admin, cap_bpf, cap_perfmon; /* held by this process */
	bool btf;                                 /* /sys/kernel/btf/vmlinux */
	bool uprobes;                             /* compiled in */
	bool uprobe_multi;                        /* one link for many probes */
	bool raw_tp;                              /* raw tracepoint programs load here */
	bool private_stack;                       /* large frames of probe programs are unsafe */
	bool nop5;                                /* replaces a probed 5-byte nop by a call */
	bool pid_filter;   /* uprobe_multi filters whole processes, not one thread */
	int perf_paranoid; /* of perf events; -2 when unknown */
};

/* Never fails: what cannot be asked is not there. */
void kernel_ask(struct kernel *kernel);

/* Can the agent work at all? 0, or one sentence that names the first thing
 * missing and what to do about it. */
int kernel_check(const struct kernel *kernel, struct err *err);

/* Pure: the same kernel told only by its release, as `uname -r` prints it. */
int kernel_parse(const char *release, unsigned *major, unsigned *minor);
bool kernel_since(const struct kernel *kernel, unsigned major, unsigned minor);

/* For a support report: one row for each question. */
struct kernel_row {
	const char *name;  /* "uprobe_multi" */
	const char *since; /* "6.6, commit 89ae89f53d20" */
	const char *what;  /* what the agent uses it for, or does without it */
	bool yes;
};
size_t kernel_rows(const struct kernel *kernel, struct kernel_row *rows, size_t max);
#define KERNEL_ROWS_MAX 8

#endif
