/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers in gzip, for clients that ask for it. */
#ifndef SERVE_GZIP_H
#define SERVE_GZIP_H

#include <stdbool.h>

#include "base/strbuf.h"

/* Whether an Accept-Encoding header (NULL: none was sent) asks for gzip, by the
 * q-values of RFC 9110 12.5.3. */
bool gzip_wanted(const char *accept_encoding);

/* Replaces @body by its gzip form; false leaves it as it is. */
bool gzip_pack(struct strbuf *body);

#endif
