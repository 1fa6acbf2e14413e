/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Life as a child process that deals with data from outside: without user, groups,
 * capabilities and other files. For after fork(), in a process with one thread.
 */
#ifndef SYMBOL_UNPRIVILEGED_H
#define SYMBOL_UNPRIVILEGED_H

#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

/* Ends with the parent, and leaves the parent's signal handlers and mask behind. */
void unprivileged_begin(void);

/* Closes all files but the standard streams and the @n in @keep, which may have -1 among them. */
void unprivileged_close_others(const int *keep, size_t n);

/* Lowers a limit; never raises one. */
void unprivileged_limit(int what, rlim_t soft, rlim_t hard);

/* Gives up user, groups, capabilities and all ways to get them back. Where no user but
 * root exists (a small user namespace) the capabilities still go. */
void unprivileged_enter(void);

#endif
