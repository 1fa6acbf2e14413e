/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a child process hands over what it resolved: one line, `plan SOURCE`, `bare
 * SOURCE` or `error CODE`, and behind it a pack or a sentence. In apart.c.
 */
#ifndef SYMBOL_ANSWER_H
#define SYMBOL_ANSWER_H

#include <sys/types.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "symbol/plan.h"

/* @plan, or where @r says that there is none, what @err says. */
void answer_write(int r, const struct plan *plan, const struct err *err, struct strbuf *out);
/* Writes all of @text to a pipe, as far as somebody reads. */
void answer_send(int fd, const struct strbuf *text);
/* Returns what the child returned; -EBADMSG where the answer is none. @path is the
 * executable's, for messages and the plan. */
int answer_read(const char *path, const struct strbuf *text, struct plan **out, struct err *err);
/* The status with which the child ended, 0 where somebody else has asked for it. */
int answer_wait(pid_t pid);

#endif
