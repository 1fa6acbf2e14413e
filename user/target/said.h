/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What libbpf says while it works, kept for the sentence of an error instead of
 * printed. libbpf hands no context to its print function, so the current
 * listener is one pointer of the thread, set for the time of a call:
 *
 *     _said_ struct said said;
 *     said_listen(&said);
 *     if (call_bpf__load(skel))
 *             return said_err(&said, err, -errno, "cannot load the programs");
 */
#ifndef TARGET_SAID_H
#define TARGET_SAID_H

#include <bpf/libbpf.h>

#include "base/err.h"

#define SAID_MAX 320

struct said {
	char text[SAID_MAX];    /* the last warning, one line */
	char verdict[SAID_MAX]; /* the verifier's last word, or "" */
	libbpf_print_fn_t before;
	struct said *outer;
};

void said_listen(struct said *said);
void said_stop(struct said *said);

#define _said_ __attribute__((cleanup(said_stop)))

/* Fills @err with "@fmt: what the errno means (what libbpf said)". */
int said_err(const struct said *said, struct err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#endif
