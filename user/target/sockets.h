/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The TCP and UDP sockets that a process has open, as the kernel lists them for its
 * network namespace (sock_diag(7)), with the counters of a TCP connection so far.
 */
#ifndef TARGET_SOCKETS_H
#define TARGET_SOCKETS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct socket_row {
	uint64_t cookie; /* the kernel's name for it, never used again */
	uint32_t inode;
	uint8_t protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	uint8_t state;    /* of TCP, the kernel's number */
	uint16_t port;    /* local */
	uint64_t sent_bytes, retransmitted_bytes, received_bytes;
	uint32_t sent, received, retransmits; /* segments */
};

struct socket_list {
	uint32_t netns; /* inode of the namespace */
	struct socket_row *at;
	size_t n, cap;
};

/* Fails with a sentence where the process is gone, or its namespace may not be entered
 * (CAP_SYS_ADMIN). Another namespace is entered by a thread that ends there. */
int sockets_of(pid_t tgid, struct socket_list *out, struct err *err);
void sockets_free(struct socket_list *list);

#define _sockets_ __attribute__((cleanup(sockets_free)))

#endif
