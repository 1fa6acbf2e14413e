// SPDX-License-Identifier: BSD-2-Clause
/* A bucket of tokens. */
#include "serve/limit.h"

bool limit_take(struct limit *limit, uint64_t interval_ns, unsigned burst, uint64_t now_ns)
{
	if (!limit->begun)
		limit->free = burst;
	else
		limit->free += (double)(now_ns - limit->at_ns) / (double)interval_ns;
	limit->begun = true;
	limit->at_ns = now_ns;
	if (limit->free > burst)
		limit->free = burst;
	if (limit->free < 1)
		return false;
	limit->free -= 1;
	return true;
}
