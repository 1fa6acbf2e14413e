/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a service manager hands to a service and hears of it: sockets that listen
 * already, and lines of state. Both are two variables of the environment and one
 * datagram, fixed by sd_listen_fds(3) and sd_notify(3); that is not worth a library
 * that brings four decompressors into a process that runs as root.
 */
#ifndef SERVE_SYSTEMD_H
#define SERVE_SYSTEMD_H

#include "base/err.h"

#define SYSTEMD_SOCKETS_MAX 16

/* The sockets that were handed over, which are the caller's from now on. Returns how many
 * (at least one), or a negative errno: none was, or one of them is no listening stream. */
int systemd_sockets(int out[SYSTEMD_SOCKETS_MAX], struct err *err);

/* Tells @state, lines such as "READY=1". Returns 0 also where nobody wants to know. */
int systemd_notify(const char *state, struct err *err);

#endif
