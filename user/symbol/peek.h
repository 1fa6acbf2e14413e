/* SPDX-License-Identifier: BSD-2-Clause */
/* A cheap question before an expensive answer: could this executable contain
 * functions of the profile? Asked of every program that runs on the host. */
#ifndef SYMBOL_PEEK_H
#define SYMBOL_PEEK_H

#include <stdbool.h>

#include "profile/profile.h"

/* Searches the string tables of the ELF file open as @fd for the names of the
 * profile's functions as they are mangled. False for anything that is not an
 * executable we can read; true when only a full look can tell. */
bool peek_may_have(int fd, const struct profile *profile);

#endif
