/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What crosses the kernel border for the facts about the network. Included by
 * net.bpf.c and by user/probe; docs/network.md says what each number means.
 */
#ifndef BPF_NET_ABI_H
#define BPF_NET_ABI_H

#include "bpf/abi.h"

#define ABI_NET_TCP_MAX 32768       /* TCP sockets of nodes that are followed at once */
#define ABI_NET_UDP_MAX 8192        /* UDP sockets; the least used gives way to a new one */
#define ABI_NET_HANDSHAKES_MAX 1024 /* that the kernel waits for; the oldest gives way */
#define ABI_NET_ADOPT_MAX 16384     /* sockets that were there before */
#define ABI_NET_LISTENERS_MAX 4096  /* ports on which nodes listen */
#define ABI_NET_NAMED_MAX 8192
#define ABI_NET_PEERS_MAX 32 /* named ones; all others are ABI_NET_OTHER */
#define ABI_NET_OTHER 0
#define ABI_NET_NO_NODE 0xffff
#define ABI_NET_HOST 0xfffe /* in the place of a node: of sockets of the kernel itself */

/* Counters of a node and a peer. Bytes are payload. */
enum abi_net_cell {
	ABI_NET_TCP_SENT_BYTES, /* retransmitted ones each time */
	ABI_NET_TCP_RETRANSMITTED_BYTES,
	ABI_NET_TCP_RECEIVED_BYTES,
	ABI_NET_TCP_SENT, /* segments */
	ABI_NET_TCP_RECEIVED,
	ABI_NET_TCP_RETRANSMITS,
	ABI_NET_CONNECTS,
	ABI_NET_ACCEPTS,
	ABI_NET_RESETS_SENT,
	ABI_NET_RESETS_RECEIVED,
	ABI_NET_UDP_SENT_BYTES,
	ABI_NET_UDP_RECEIVED_BYTES,
	ABI_NET_UDP_SENT,
	ABI_NET_UDP_RECEIVED,
	ABI_NET_HISTOGRAMS_AT = 16,
};

enum abi_net_histogram { ABI_NET_RTT, ABI_NET_DURATION, ABI_NET_HISTOGRAMS };

/* Buckets, not cumulative, then the sum in ns. */
#define ABI_NET_HISTOGRAM_CELLS (ABI_BOUNDS_MAX + 2)
#define ABI_NET_SUM (ABI_BOUNDS_MAX + 1)
/* A multiple of 8: peers and nodes begin on a cache line. */
#define ABI_NET_CELLS \
	((ABI_NET_HISTOGRAMS_AT + ABI_NET_HISTOGRAMS * ABI_NET_HISTOGRAM_CELLS + 7) / 8 * 8)

/* What is counted by a number that only the kernel knows the names of. */
enum abi_net_what {
	ABI_NET_CONNECT_FAILURE, /* by errno; 0: the process closed it before; ABI_NET_UNKNOWN */
	ABI_NET_ERROR,           /* by errno */
	ABI_NET_DROP,            /* by enum skb_drop_reason */
	ABI_NET_QUEUE_FAILURE,   /* by errno */
	/* Of TLS in the kernel, with codes of two parts, ABI_NET_PAIR(). */
	ABI_NET_KTLS_HANDSHAKE, /* of the host, by enum abi_net_role and result */
	ABI_NET_KTLS_ALERT,     /* of the host, by direction and description */
	ABI_NET_KTLS_OFFLOAD,   /* by direction and result */
	ABI_NET_KTLS_RECORD,    /* by enum abi_net_record */
	ABI_NET_KTLS_RESYNC,    /* by direction */
};

#define ABI_NET_PAIR(first, second) ((__u32)(first) | (__u32)(second) << 8)
#define ABI_NET_FIRST(code) ((code) & 0xff)
#define ABI_NET_SECOND(code) ((code) >> 8)

#define ABI_NET_CANCELLED 0xffff /* a result, which is an errno or 0 else */
#define ABI_NET_UNKNOWN 0xfffe   /* an errno that nobody saw */

enum abi_net_direction { ABI_NET_IS_SENT, ABI_NET_IS_RECEIVED };
/* Which side of a handshake the kernel is; the numbers are those of the kernel's own
 * HANDSHAKE_MSG_TYPE_… in its struct tls_handshake_req. */
enum abi_net_role { ABI_NET_ROLE_UNKNOWN, ABI_NET_CLIENT, ABI_NET_SERVER };
/* What the network card has made of a record that came in. */
enum abi_net_record { ABI_NET_DECRYPTED, ABI_NET_ENCRYPTED, ABI_NET_MIXED };

struct abi_net_named {
	__u16 node;
	__u8 what;
	__u8 protocol; /* IPPROTO_… */
	__u16 peer;
	__u16 pad;
	__u32 code;
};

/* Of the whole host: what has no place in a table, and what is nobody's. */
enum abi_net_self {
	ABI_NET_LOST_SOCKETS,   /* TCP sockets of nodes without room in the table */
	ABI_NET_LOST_LISTENERS, /* ports without room */
	ABI_NET_LOST_NAMED,     /* events by number without room */
	ABI_NET_LOST_WAITING,  /* events of UDP sockets that nobody used, of more kinds than wait */
	ABI_NET_UNTAKEN,       /* connections to a node's port that no node took */
	ABI_NET_BAD_CHECKSUMS, /* segments of TCP; they may be for no socket */
	ABI_NET_SELF,
};

enum abi_net_flag {
	ABI_NET_OUT = 1,        /* it connects */
	ABI_NET_IN = 2,         /* it came from a listening socket */
	ABI_NET_OPEN = 4,       /* it was established while the agent looked */
	ABI_NET_BEFORE = 8,     /* it was there before the agent looked */
	ABI_NET_RESET_IN = 16,  /* a reset came while nobody had taken it */
	ABI_NET_RESET_OUT = 32, /* one was sent while nobody had taken it */
};

/*
 * A socket, by the address of its struct sock. A TCP socket is there until the kernel
 * destroys it. Its counters are those of the kernel's struct tcp_sock as they were
 * when last added to the cells; only who has the socket's lock adds.
 */
struct abi_net_sock {
	__u64 established_ns, closed_ns; /* 0: not seen, or counted */
	__u64 sent_bytes, retransmitted_bytes, received_bytes;
	__u32 sent, received, retransmits;
	__u32 srtt, mdev; /* of the last measurement, as the kernel has them */
	__u16 node; /* ABI_NET_NO_NODE: nobody has taken it yet, and nothing of it is counted */
	__u16 peer;
	__u8 state; /* TCP_… */
	__u8 flags;
	__u8 protocol;
	__u8 error;  /* reported while nobody had taken it */
	__u32 inode; /* 0: no process has it */
};

/* Events of one kind that wait until it is known whose socket it is. */
struct abi_net_waiting {
	__u8 what; /* enum abi_net_what */
	__u8 pad;
	__u16 code;
	__u32 n; /* 0: free */
};
#define ABI_NET_WAITING 3

/* Of a UDP socket; its inode tells it from a later one at the same address. */
struct abi_net_udp {
	__u64 inode;
	__u16 node; /* ABI_NET_NO_NODE: nobody was seen to use it yet */
	__u16 pad[3];
	struct abi_net_waiting waiting[ABI_NET_WAITING];
};

/* A port of a network namespace on which nodes listen, and by how many sockets. */
struct abi_net_port {
	__u32 netns; /* inode */
	__u32 port;
};

/* Who is at the other end: the address (IPv4 as ::ffff:a.b.c.d) with its port, or with
 * port 0 for all ports. Both in network order. */
struct abi_net_address {
	__u32 address[4];
	__u16 port;
	__u16 pad;
};

#endif
