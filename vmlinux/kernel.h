/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The kernel's types as far as our BPF programs look into them, written by hand.
 *
 * A structure marked CORE names only the members that are read: libbpf finds
 * each one by name in the running kernel's own BTF when the program is loaded,
 * so neither the order nor the missing members matter. Members that sit in an
 * anonymous union or structure of the kernel's are found all the same. Numbers
 * that are kernel ABI (map types, flags) are exact and cannot change.
 *
 * Never included directly: each architecture's vmlinux.h includes it.
 */
#ifndef VMLINUX_KERNEL_H
#define VMLINUX_KERNEL_H

#define CORE __attribute__((preserve_access_index))

typedef signed char __s8;
typedef unsigned char __u8;
typedef short __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u64 __be64;
typedef __u32 __wsum;
typedef __s8 s8;
typedef __u8 u8;
typedef __s16 s16;
typedef __u16 u16;
typedef __s32 s32;
typedef __u32 u32;
typedef __s64 s64;
typedef __u64 u64;
typedef int pid_t;
typedef __u32 dev_t;
typedef unsigned long size_t;
typedef _Bool bool;

enum {
	false = 0,
	true = 1,
};

/* ---- what a BPF program says to the kernel -------------------------------- */

enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PROG_ARRAY = 3,
	BPF_MAP_TYPE_PERF_EVENT_ARRAY = 4,
	BPF_MAP_TYPE_PERCPU_HASH = 5,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_STACK_TRACE = 7,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_LRU_PERCPU_HASH = 10,
	BPF_MAP_TYPE_LPM_TRIE = 11,
	BPF_MAP_TYPE_ARRAY_OF_MAPS = 12,
	BPF_MAP_TYPE_HASH_OF_MAPS = 13,
	BPF_MAP_TYPE_SK_STORAGE = 24,
	BPF_MAP_TYPE_RINGBUF = 27,
	BPF_MAP_TYPE_TASK_STORAGE = 29,
};

enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
	BPF_EXIST = 2,
};

enum {
	BPF_F_NO_PREALLOC = 1U << 0,
	BPF_F_MMAPABLE = 1U << 10,
};

enum {
	BPF_LOCAL_STORAGE_GET_F_CREATE = 1,
};

enum {
	BPF_F_INDEX_MASK = 0xffffffffULL,
	BPF_F_CURRENT_CPU = BPF_F_INDEX_MASK,
};

enum {
	BPF_F_SKIP_FIELD_MASK = 0xffULL,
	BPF_F_USER_STACK = 1ULL << 8,
};

enum {
	BPF_RB_NO_WAKEUP = 1ULL << 0,
	BPF_RB_FORCE_WAKEUP = 1ULL << 1,
};

enum {
	BPF_RB_AVAIL_DATA = 0,
	BPF_RB_RING_SIZE = 1,
	BPF_RB_CONS_POS = 2,
	BPF_RB_PROD_POS = 3,
};

struct bpf_raw_tracepoint_args {
	__u64 args[0];
};

struct bpf_pidns_info {
	__u32 pid;
	__u32 tgid;
};

/* ---- processes ------------------------------------------------------------- */

struct super_block {
	dev_t s_dev;
} CORE;

struct inode {
	struct super_block *i_sb;
	unsigned long i_ino;
	u32 i_generation;
} CORE;

struct file {
	struct inode *f_inode;
} CORE;

struct mm_struct {
	struct file *exe_file;
} CORE;

struct ns_common {
	unsigned int inum;
} CORE;

struct pid_namespace {
	unsigned int level;
	struct ns_common ns;
} CORE;

struct nsproxy {
	struct pid_namespace *pid_ns_for_children;
} CORE;

struct task_struct {
	unsigned int flags;
	struct mm_struct *mm;
	int exit_code;
	pid_t pid;
	pid_t tgid;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	u64 start_time;
	u64 start_boottime;
	char comm[16];
	struct nsproxy *nsproxy;
} CORE;

struct linux_binprm {
	struct file *file;
	const char *filename;
	const char *interp;
} CORE;

/* ---- sockets --------------------------------------------------------------- */

enum {
	TCP_ESTABLISHED = 1,
	TCP_SYN_SENT = 2,
	TCP_SYN_RECV = 3,
	TCP_FIN_WAIT1 = 4,
	TCP_FIN_WAIT2 = 5,
	TCP_TIME_WAIT = 6,
	TCP_CLOSE = 7,
	TCP_CLOSE_WAIT = 8,
	TCP_LAST_ACK = 9,
	TCP_LISTEN = 10,
	TCP_CLOSING = 11,
	TCP_NEW_SYN_RECV = 12,
};

struct in6_addr {
	union {
		__u8 u6_addr8[16];
		__be32 u6_addr32[4];
	} in6_u;
} CORE;

struct net {
	struct ns_common ns;
} CORE;

typedef struct {
	struct net *net;
} possible_net_t;

typedef struct {
	s64 counter;
} atomic64_t;

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	possible_net_t skc_net;
	unsigned long skc_flags;
	atomic64_t skc_cookie; /* 0 until somebody asked for it */
} CORE;

typedef struct {
	int owned; /* a process has the socket's lock */
} CORE socket_lock_t;

struct socket {
	struct sock *sk;
} CORE;

/* A socket and its inode lie together. */
struct socket_alloc {
	struct socket socket;
	struct inode vfs_inode;
} CORE;

struct sock {
	struct sock_common __sk_common;
	socket_lock_t sk_lock;
	struct socket *sk_socket;
	int sk_err;
	int sk_wmem_queued;
	int sk_sndbuf;
	u16 sk_type;
	u16 sk_protocol;
} CORE;

struct inet_sock {
	struct sock sk;
	__be32 inet_saddr;
	__be16 inet_sport;
} CORE;

struct inet_connection_sock {
	struct inet_sock icsk_inet;
	__u32 icsk_rto;
	__u8 icsk_retransmits;
} CORE;

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	u32 srtt_us; /* smoothed round trip time << 3 */
	u32 mdev_us;
	u32 rttvar_us;
	u32 snd_cwnd;
	u32 segs_in;
	u32 segs_out;
	u32 lost;
	u32 total_retrans;
	u64 bytes_received;
	u64 bytes_sent;
	u64 bytes_acked;
	u64 bytes_retrans;
} CORE;

/* net/handshake: what the kernel asks a daemon for; the private part is the handler's. */
struct handshake_proto {
	int hp_handler_class;
} CORE;

struct handshake_req {
	const struct handshake_proto *hr_proto;
	char hr_priv[0];
} CORE;

struct tls_handshake_req {
	int th_type;
} CORE;

struct sk_buff {
	struct sock *sk;
	unsigned int len;
	unsigned int data_len;
} CORE;

/* ---- records of the tracepoints (tp programs; raw_tp ones get the arguments) -- */

struct trace_entry {
	unsigned short type;
	unsigned char flags;
	unsigned char preempt_count;
	int pid;
} CORE;

struct trace_event_raw_sched_process_exec {
	struct trace_entry ent;
	u32 __data_loc_filename;
	pid_t pid;
	pid_t old_pid;
} CORE;

/* sched_process_exit up to Linux 6.15; later ones have a record of its own name. */
struct trace_event_raw_sched_process_template {
	struct trace_entry ent;
	pid_t pid;
	int prio;
} CORE;

struct trace_event_raw_sched_process_exit {
	struct trace_entry ent;
	char comm[16];
	pid_t pid;
	bool group_dead;
} CORE;

struct trace_event_raw_sched_process_fork {
	struct trace_entry ent;
	pid_t parent_pid;
	pid_t child_pid;
} CORE;

struct trace_event_raw_inet_sock_set_state {
	struct trace_entry ent;
	const void *skaddr;
	int oldstate;
	int newstate;
	__u16 sport;
	__u16 dport;
	__u16 family;
	__u16 protocol;
	__u8 saddr[4];
	__u8 daddr[4];
	__u8 saddr_v6[16];
	__u8 daddr_v6[16];
} CORE;

struct trace_event_raw_tcp_retransmit_skb {
	struct trace_entry ent;
	const void *skbaddr;
	const void *skaddr;
	int state;
	__u16 sport;
	__u16 dport;
	__u16 family;
} CORE;

#endif
