/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Debug files from a debuginfod server, by way of elfutils' client library. It is
 * loaded when it is needed and only in a child process without privileges: it brings
 * an HTTP and a TLS client with it, which have no business in a root process.
 */
#ifndef SYMBOL_DEBUGINFOD_H
#define SYMBOL_DEBUGINFOD_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* The debug file of a build-id from the server at @url, as a descriptor of a file that
 * has no name any more. Blocks, for two minutes at most. Errors: -ENOENT the server
 * does not have it, -EINVAL no build-id, -ELIBACC the library is not installed,
 * -ETIMEDOUT, or what the library said; the sentence does not name the executable. */
int debuginfod_fetch(const char *url, const uint8_t *id, size_t n, struct err *err);

#endif
