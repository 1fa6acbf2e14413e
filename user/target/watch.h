/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hears at once when a process begins a program or ends. Where the kernel
 * refuses raw tracepoints, and for records that did not fit, the owner's next
 * scan of /proc finds the same a little later; so nothing here is required.
 */
#ifndef TARGET_WATCH_H
#define TARGET_WATCH_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "bpf/abi.h"

struct watch;

/* Fails with a sentence where events cannot be had; the owner then only scans. */
int watch_open(struct watch **out, struct err *err);
void watch_close(struct watch *watch);
void watch_closep(struct watch **watch);

/* Becomes readable when there are events. */
int watch_fd(const struct watch *watch);

/* Hands out all waiting events, oldest first, without blocking. Returns their
 * number or a negative errno. */
typedef void watch_fn(enum abi_event_kind kind, pid_t tgid, void *arg);
int watch_events(struct watch *watch, watch_fn *fn, void *arg);

/* Events that found the ring full so far: when this grew, scan. */
uint64_t watch_lost(const struct watch *watch);

#endif
