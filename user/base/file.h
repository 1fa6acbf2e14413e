/* SPDX-License-Identifier: BSD-2-Clause */
/* Files read whole, with a bound. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stddef.h>

#include "base/err.h"

/* Reads all of @path, at most @max bytes, also where the size is not known
 * beforehand (a pipe, a file of /proc). *@text (the caller frees it) has a NUL
 * after its *@size bytes. Returns 0, or a negative errno with @err filled
 * (-EFBIG when there is more) and both untouched. */
int file_read(const char *path, size_t max, char **text, size_t *size, struct err *err);

#endif
