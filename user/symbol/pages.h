/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Giving back what was read: the debug information of a node is much larger than what
 * is kept of it. Pages of the mapped file that lie behind are given back to the kernel
 * as one goes on; where they are looked at again, the kernel brings them again.
 */
#ifndef SYMBOL_PAGES_H
#define SYMBOL_PAGES_H

#include <elfutils/libdw.h>

/* So much is read before it is given back. In smaller steps the kernel, which brings in
 * pages around the one that is asked for, would bring the last ones back. */
#define PAGES_STEP (1 << 20)

struct pages {
	Dwarf *dbg;
	const char *kept; /* what is read from here on is still there */
};

/* Gives back what was read up to @at. Only where it lies in the mapped file; sections
 * that were decompressed are memory of libelf's own. */
void pages_give_back(struct pages *pages, const void *at);

/* Reading has come to @at, in the section in which @kept is. */
static inline void pages_move_on(struct pages *pages, const void *at)
{
	if ((const char *)at - pages->kept >= PAGES_STEP)
		pages_give_back(pages, at);
}

#endif
