/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Resolving that goes on while the caller does something else: resolve_plan_apart(),
 * with all that it waits for, in a process between.
 */
#ifndef SYMBOL_RESOLVING_H
#define SYMBOL_RESOLVING_H

#include <stdbool.h>

#include "base/err.h"
#include "profile/profile.h"
#include "symbol/plan.h"
#include "symbol/source.h"

struct resolving;

/* Begins. What the arguments point to is not needed afterwards; nor is @fd. */
int resolving_begin(int fd, const char *path, const struct source_options *options,
		    const struct profile *profile, struct resolving **out, struct err *err);

/* Becomes readable when resolving_over() has something to do. */
int resolving_fd(const struct resolving *resolving);

/* Takes what there is, without waiting. True when that was all. */
bool resolving_over(struct resolving *resolving);

/* Frees it and hands out the plan. Errors are those of resolve_plan_apart(). Before
 * it is over, this ends the process and is an error. */
int resolving_end(struct resolving *resolving, struct plan **out, struct err *err);

#endif
