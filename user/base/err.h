/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Errors as values. A function that can fail returns 0 or a negative errno and
 * takes a `struct err *` that it fills where the fault is found; callers on the
 * way up may prepend what they were doing. Only cmd/ ever prints one.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdarg.h>
#include <stddef.h>

#define ERR_TEXT_MAX 1024

struct err {
	int code;                /* negative errno, 0 while nothing failed */
	char text[ERR_TEXT_MAX]; /* one sentence: what, where, what to do */
};

/* Fills @err (which may be NULL) and returns @code, so that a caller writes
 * `return err_set(err, -ENOENT, "no file at %s", path);`. */
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Puts "text: " in front of what @err says and returns its code. */
int err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
