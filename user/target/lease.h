/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A read lease on an executable file: whoever wants to write to it or to cut it
 * waits in the kernel until the lease is given back, so its probes are off before
 * its first byte changes. (While a file is executed it cannot be opened for writing
 * at all; this is about the time in between.) See fcntl(2), F_SETLEASE.
 */
#ifndef TARGET_LEASE_H
#define TARGET_LEASE_H

#include <stdbool.h>

/* Takes a lease on the file that is open as @fd, for reading only; it goes when @fd
 * is closed. When somebody wants to write, this process gets SIGIO and has as long as
 * /proc/sys/fs/lease-break-time says. -EAGAIN: somebody has it open for writing. Any
 * other error: there are no leases here (the file system, or no CAP_LEASE). */
int lease_take(int fd);

/* Somebody waits to write. */
bool lease_wanted(int fd);

void lease_give(int fd);

#endif
