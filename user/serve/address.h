/* SPDX-License-Identifier: BSD-2-Clause */
/* A listen address as a person writes it: HOST:PORT, [IPV6]:PORT or :PORT. */
#ifndef SERVE_ADDRESS_H
#define SERVE_ADDRESS_H

#include <stdint.h>

#include "base/err.h"

#define ADDRESS_HOST_MAX 254 /* a DNS name has at most 253 characters */

struct address {
	char host[ADDRESS_HOST_MAX]; /* without brackets; "" for every interface */
	uint16_t port;               /* 0 lets the kernel choose one */
};

/* Returns 0, or -EINVAL with a sentence that says what is wrong and how to write it. */
int address_parse(const char *text, struct address *out, struct err *err);

#endif
