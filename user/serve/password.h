/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Passwords against their bcrypt hashes. One check takes a tenth of a second and
 * more, which nobody else shall wait for: it is made by a child process, one at a
 * time, and what came out is remembered (as a keyed digest, not as the password).
 *
 *	answer = password_ask(p, user, hash, known, password);
 *	where it is PASSWORD_LATER: when password_fd() is readable and
 *	password_ready() is true, ask again.
 */
#ifndef SERVE_PASSWORD_H
#define SERVE_PASSWORD_H

#include <stdbool.h>

#include "base/err.h"

#define PASSWORDS_WAITING_MAX 16
#define PASSWORDS_KEPT_MAX 100

enum password_answer {
	PASSWORD_RIGHT,
	PASSWORD_WRONG,
	PASSWORD_LATER,  /* it is being checked */
	PASSWORD_BUSY,   /* too many are waiting already */
	PASSWORD_FAILED, /* the check broke off; the next one begins anew */
};

struct passwords;

int passwords_open(struct passwords **out, struct err *err);
void passwords_close(struct passwords *p); /* NULL is fine */
/* @known: there is such a user. Where there is none, give the hash of another one: the
 * answer takes as long then, and is never PASSWORD_RIGHT. */
enum password_answer password_ask(struct passwords *p, const char *user, const char *hash,
				  bool known, const char *password);
/* Always the same descriptor. */
int password_fd(const struct passwords *p);
/* Takes what children have found out. True when there are answers that were not there before. */
bool password_ready(struct passwords *p);

#endif
