/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The programs of bpf/net.bpf.c: what the kernel knows of the sockets of nodes. Each hangs
 * on a tracepoint of its own; one that is not to be had is a row with a reason. One
 * thread owns it.
 */
#ifndef PROBE_NET_H
#define PROBE_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "bpf/net_abi.h"
#include "probe/net_view.h"
#include "probe/stats.h"
#include "profile/profile.h"
#include "target/sockets.h"

struct net;

/* One tracepoint. */
struct net_row {
	const char *name;   /* "tcp_probe" */
	const char *since;  /* the oldest kernel that has it as it is needed */
	const char *what;   /* what is known by it */
	const char *reason; /* why it is not attached (net_ask: cannot be), or NULL */
	bool waits;         /* for a module, without which there is nothing to know yet */
	bool wanted;        /* the profile asks for what is known by it; else it is let alone */
};

/* Loads the programs that the profile wants and the kernel has tracepoints for, with room for
 * @nodes nodes, and attaches them. The names of @peers must live as long. Fails with a sentence
 * only where nothing can be loaded at all. */
int net_open(const struct profile *profile, const struct net_peer *peers, size_t n_peers,
	     unsigned nodes, struct net **out, struct err *err);
/* Only finds out what the kernel has, for net_rows(): needs no right, and nothing is loaded. */
int net_ask(const struct profile *profile, struct net **out, struct err *err);
void net_close(struct net *net);
void net_closep(struct net **net);

/* From now on the sockets that process @tgid works on are those of node @node (a number
 * below @nodes of net_open); its counters go on. */
int net_add_node(struct net *net, unsigned node, pid_t tgid, struct err *err);
/* The sockets that the process has already. Counted is what happens from now on. */
void net_adopt(struct net *net, unsigned node, const struct socket_list *sockets);
/* Whether a tracepoint tells who uses a UDP socket. Where none does, sockets are to be listed
 * now and then: net_adopt_udp() forgets the node's UDP sockets of before. */
bool net_hears_udp(const struct net *net);
void net_adopt_udp(struct net *net, unsigned node, const struct socket_list *sockets);
/* Its process has ended. What its sockets still do is counted. */
void net_stop_node(struct net *net, unsigned node);
/* Another node may have the number: nothing is left of this one. */
void net_drop_node(struct net *net, unsigned node);

/* Attaches what waited for a module of the kernel's that is loaded now. Whether there was any: it
 * is attached, or has a reason. */
bool net_attach_late(struct net *net);

/* Row i is that of enum net_hook i. */
size_t net_rows(const struct net *net, struct net_row *rows, size_t max);
#define NET_ROWS_MAX 32

/* What the program of row @i costs; -ENOENT where it is not loaded. */
int net_stats(const struct net *net, size_t i, struct stats *out);

/* Reads everything; net_view_free() after. */
void net_look(const struct net *net, struct net_view *out);

#endif
