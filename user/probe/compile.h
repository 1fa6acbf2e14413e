/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a plan, which speaks of functions and labels by name and may come from a
 * file that somebody else wrote, to the tables of the kernel programs. Pure, and
 * the place where everything in a plan is checked before a program follows it.
 */
#ifndef PROBE_COMPILE_H
#define PROBE_COMPILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "bpf/abi.h"
#include "probe/layout.h"
#include "symbol/plan.h"

/* Why something of a plan was left out. */
struct compile_refusal {
	unsigned instance; /* row of the plan */
	size_t site;       /* in plan.sites */
	bool whole;        /* the instance is not probed; else only a label is unknown */
	char *reason;
};

/* sites[i] came from plan.sites[from[i]]; its value[] count from the first of
 * `values`, until the tables give them a place. */
struct compiled {
	struct abi_site *sites;
	size_t *from;
	size_t n_sites;
	struct abi_value *values;
	size_t n_values;
	struct compile_refusal *refusals;
	size_t n_refusals;
};

/* Leaves out functions that the profile does not name. What is wrong with one
 * instance refuses that instance and no other. Fails only when the plan is
 * larger than the tables. */
int compile_plan(const struct layout *layout, const struct plan *plan, struct compiled **out,
		 struct err *err);
/* Writes what was left out, and why, into the rows of the plan that it came from. */
void compiled_note(const struct compiled *compiled, struct plan *plan);
void compiled_free(struct compiled *compiled);
void compiled_freep(struct compiled **compiled);

#endif
