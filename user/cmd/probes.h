/* SPDX-License-Identifier: BSD-2-Clause */
/* The rows of a plan as people read them. */
#ifndef CMD_PROBES_H
#define CMD_PROBES_H

#include <stdio.h>

#include "profile/profile.h"
#include "symbol/plan.h"

/* By profile, and by function of it: which metrics it is for, and each row of the plan with how
 * it is probed, what is read there, and what is missing. */
void probes_print(FILE *to, const struct profile *profile, const struct plan *plan);

#endif
