/* SPDX-License-Identifier: BSD-2-Clause */
/* A plan without a running agent: what `probes` and `pack` have in common. */
#ifndef CMD_OFFLINE_H
#define CMD_OFFLINE_H

#include "base/err.h"
#include "cmd/options.h"
#include "profile/profile.h"
#include "symbol/plan.h"
#include "symbol/twin.h"

struct offline {
	struct profile *profile;
	struct plan *plan;
	struct twin_summary twin; /* of offline_twin: how much of the rebuild was found */
};

/* The plan that an agent with these options would make of the executable that an
 * operand, --exe or --pid names: from a pack of it, or from what a pack is made of. A
 * pack is compared with the executable, and is enough without one. */
int offline_look(const struct options *options, struct offline *out, struct err *err);

/* The same, but never from a pack. */
int offline_resolve(const struct options *options, struct offline *out, struct err *err);

/* The plan of the rebuild that --twin names, carried over to the executable. */
int offline_twin(const struct options *options, struct offline *out, struct err *err);

/* The plans of the shared libraries that the profile has functions of, as the process of --pid
 * maps them: @each is called for each, with NULL and the reason where there is none. */
typedef void offline_library_fn(const struct offline *offline, const char *library,
				const struct plan *plan, const char *reason);
void offline_libraries(const struct options *options, const struct offline *offline,
		       offline_library_fn *each);

/* Says on stderr what went wrong (@r < 0), or what of the required functions cannot be
 * probed. Returns the exit status, 2 for the latter, and frees. */
int offline_finish(int r, const struct err *err, struct offline *offline);

#endif
