/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The probes of one executable file: set when it is first seen running, taken
 * off when nobody runs it. All processes of the file share them; the programs
 * tell processes apart.
 */
#ifndef PROBE_ATTACH_H
#define PROBE_ATTACH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "probe/compile.h"
#include "probe/kernel.h"
#include "probe/maps.h"
#include "symbol/plan.h"
#include "target/mapped.h"

struct attachment;

/* Why an instance is not probed although its plan is good. */
struct attach_refusal {
	unsigned instance; /* row of the plan */
	size_t site;       /* in plan.sites: the guilty one */
	char *reason;
};

/*
 * Compares every site's bytes with the open file @fd and refuses the whole file
 * (-ESTALE) on any difference, and where a site is not in code. Then sets all probes, ends before starts, so that
 * a call that is counted is also seen to end. A site that the kernel refuses is
 * searched for and its instance left out; see attach_refusals(). Fails where the
 * kernel refuses everything. @fd may be closed afterwards. @maps must outlive it.
 */
int attach_open(struct maps *maps, const struct kernel *kernel, int fd, const struct plan *plan,
		const struct compiled *compiled, struct attachment **out, struct err *err);
void attach_close(struct attachment *attachment);

/*
 * A shared library is probed only in the processes that are named here, for it is mapped by
 * others too; in all of them where the kernel can do no better, and the programs then leave
 * out who is no node. attach_open() has prepared it. Fails with a sentence, and the process
 * has no probes then.
 */
int attach_process(struct attachment *attachment, int fd, const struct plan *plan,
		   const struct compiled *compiled, pid_t pid, struct err *err);
/* It has ended, or is no longer to be counted for. */
void attach_leave(struct attachment *attachment, pid_t pid);
void attach_closep(struct attachment **attachment);

/* The number under which nodes that run the file are to be entered (maps_add_node). */
unsigned attach_file(const struct attachment *attachment);

/* Counts at the sites of a shared library for the node in @slot, and stops to; see maps.h. */
int attach_add_node(const struct attachment *attachment, unsigned slot, struct err *err);
void attach_remove_node(const struct attachment *attachment, unsigned slot, struct maps_lost *lost);

/* How many sites are probed, and of how many. */
size_t attach_sites(const struct attachment *attachment, size_t *wanted);
const struct attach_refusal *attach_refusals(const struct attachment *attachment, size_t *n);

/* Whether the probes stand in the memory of a process: 0, -ESTALE where one does not,
 * so that the process executes another file than the one that was probed, or an error
 * of reading. */
int attach_seen(const struct attachment *attachment, const struct plan *plan,
		const struct compiled *compiled, const struct mapped *mapped);

/* Pure: does the file hold what the plan says, in code? 0, -ESTALE or a reading error. */
int attach_compare(int fd, const struct plan *plan, const struct compiled *compiled,
		   struct err *err);

/* Pure: NULL, or why this instruction must not be probed on this kernel. */
const char *attach_unsafe(const struct kernel *kernel, const struct plan_site *site);

#endif
