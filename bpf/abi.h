/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Everything that crosses the kernel border, and nothing else. Included by the
 * BPF programs and by user/probe.
 *
 * Vocabulary: a *site* is one probed instruction; its index is the uprobe's
 * cookie. A *call* is one run of a watched function from its first instruction
 * (of an async function: its first poll) to its end. A call is identified by an
 * address that is unique while it lasts: for an async function the address of
 * its future's state byte, for a plain one the stack slot of its return address.
 */
#ifndef BPF_ABI_H
#define BPF_ABI_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define ABI_STEPS_MAX 4    /* dereferences in one recipe */
#define ABI_CHOICES_MAX 16 /* raw values told apart by one test */
#define ABI_TESTS_MAX 3    /* nested tests in one value */
#define ABI_VALUES_MAX 4   /* captured values of one call */
#define ABI_LABELS_MAX 4
#define ABI_BINDINGS_MAX 4 /* metrics fed by one function */

#define ABI_SITES_MAX 8192
#define ABI_VALUE_TABLE_MAX 2048
#define ABI_FUNCS_MAX 128
#define ABI_BOUNDS_MAX 32        /* of one histogram */
#define ABI_BOUNDS_TABLE_MAX 256 /* histograms with bounds of their own */
#define ABI_NODES_MAX 64
#define ABI_NODE_PLACES 256 /* of the node table, a power of two */
#define ABI_NODE_TRIES 16
#define ABI_NODE_LIBRARIES 4
#define ABI_NODE_CELLS_MAX 65536
#define ABI_SHARDS_MAX 64
#define ABI_SPANS_MAX 32         /* metrics of spans */
#define ABI_SPAN_NODE_MAX 8192   /* keys of spans known at once, of one node … */
#define ABI_SPAN_TABLE_MAX 65536 /* … and of all */
#define ABI_TEXT_MAX 128         /* bytes of a text that is hashed */
#define ABI_IN_FLIGHT_BITS 12
#define ABI_IN_FLIGHT_BUCKETS (1 << ABI_IN_FLIGHT_BITS) /* of ABI_BUCKET_CALLS each */
#define ABI_BUCKET_CALLS 7

enum abi_site_kind {
	ABI_SITE_START,  /* the call begins */
	ABI_SITE_RETURN, /* the call ended by returning */
	ABI_SITE_PANIC,  /* the call ended by unwinding */
	ABI_SITE_CANCEL, /* the future was dropped while suspended */
};

/* Registers in the order of struct pt_regs on x86-64, then pseudo registers. */
enum abi_reg {
	ABI_REG_R15,
	ABI_REG_R14,
	ABI_REG_R13,
	ABI_REG_R12,
	ABI_REG_RBP,
	ABI_REG_RBX,
	ABI_REG_R11,
	ABI_REG_R10,
	ABI_REG_R9,
	ABI_REG_R8,
	ABI_REG_RAX,
	ABI_REG_RCX,
	ABI_REG_RDX,
	ABI_REG_RSI,
	ABI_REG_RDI,
	ABI_REG_NONE, /* orig_rax in pt_regs: never a source */
	ABI_REG_RIP,  /* also pt_regs' slot; never a source */
	ABI_REG_RSP = 19,
	ABI_REG_KEY = 32,   /* the call's key, i.e. the state byte's address */
	ABI_REG_SAVED = 33, /* what the start site saved (the result pointer of a plain function) */
};

/*
 * How to find a value: p = reg; for each step p = *(u64 *)(p + add[i]); then
 * the value is p + tail when width is 0, else `width` bytes (1, 2, 4, 8) at
 * p + tail; with `in_register` `width` bytes of the register itself, from its byte
 * `tail` (0..7) on.
 */
struct abi_recipe {
	__u8 reg;
	__u8 n_steps;
	__u8 width;
	__u8 in_register;
	__s32 tail;
	__s32 add[ABI_STEPS_MAX];
};

#define ABI_GOTO 0x80    /* a choice's target: run test (target & 0x7f) next */
#define ABI_UNKNOWN 0x7f /* no choice matched or the memory could not be read */
#define ABI_SKIP 0x7e    /* metrics leave the call out; of a number: the result has none */

/* One comparison of a decoded value with a list; `otherwise` when none fits. */
struct abi_test {
	struct abi_recipe recipe;
	__u8 n_choices;
	__u8 otherwise;
	__u8 target[ABI_CHOICES_MAX];
	__u8 pad[6];
	__u64 raw[ABI_CHOICES_MAX];
};

/*
 * A value that is hashed tells which calls of several functions belong together. Its
 * tests compare nothing: of words the recipes read what is hashed, one behind the other;
 * of a text the first one reads where it is and the second its length, which is 1 to
 * ABI_TEXT_MAX bytes. Every hash begins with a seed that each agent chooses for itself, and
 * nothing but the hash is kept: as the number of the call.
 */
enum abi_hashed { ABI_HASHED_NOT, ABI_HASHED_WORDS, ABI_HASHED_TEXT };
#define ABI_HASHED_TESTS 2

/*
 * Turns memory of the program into the index of a label value, or into a number:
 * then the last test compares nothing, what its recipe reads is the number, and the
 * tests before it lead there (ABI_GOTO), to ABI_SKIP or to ABI_UNKNOWN. Of a number that
 * is a time two recipes read seconds (8 bytes) and nanoseconds (4 bytes), and it is in
 * nanoseconds; a second or more of those is what an Option holds that has none: ABI_SKIP.
 */
struct abi_value {
	__u16 n_tests;
	__u16 is_time;
	__u16 is_signed; /* a number of two's complement */
	__u16 hashed;    /* enum abi_hashed */
	struct abi_test tests[ABI_TESTS_MAX];
};

/*
 * Captured values of a call have a slot each. The call's byte of the slot is the
 * index of the label value, ABI_UNKNOWN until it is read. Of a number the byte says
 * whether abi_call.number of the slot is one: ABI_NUMBER, ABI_NEGATIVE, ABI_SKIP or
 * ABI_UNKNOWN.
 */
#define ABI_NUMBER 0x00
#define ABI_NEGATIVE 0x01 /* below 0: for gauges; adds nothing to sums that only grow */

#define ABI_NO_SLOT 0xff
#define ABI_NUMBER_SLOT 0x40 /* in abi_site.slot: the value is a number */

/* One cache line, and all that a start needs to know. */
struct abi_site {
	__u8 kind : 6;
	__u8 common : 1;   /* calls that did not begin at a start come by too */
	__u8 numbered : 1; /* calls of the function have numbers */
	__u8 func;
	__u16 file;                  /* of the executable: counts only for nodes that run it */
	struct abi_recipe key;       /* width 0: yields the call's identity */
	struct abi_recipe saved;     /* START: saved with the call when reg != ABI_REG_NONE */
	__u16 value[ABI_VALUES_MAX]; /* entry in the value table, read at this site … */
	__u8 slot[ABI_VALUES_MAX];   /* … into this captured value; ABI_NO_SLOT ends the list */
}; /* in the list, numbers stand behind all labels */

/* Of calls and how long they took, or of a number of each call. */
enum abi_binding_kind {
	ABI_COUNTER,
	ABI_HISTOGRAM,
	ABI_NUMBER_COUNTER,
	ABI_NUMBER_HISTOGRAM,
	ABI_NUMBER_GAUGE, /* the last number */
	ABI_SPAN_FROM,    /* begins a span, with a label only where that one is ABI_SKIP; */
	ABI_SPAN_TO,      /* or ends it: a histogram of what lies between */
};

/* In abi_binding.on: not at an end of the call but where it begins. Only of spans. */
#define ABI_ON_START 0x8

/* A captured value that tells series apart. */
struct abi_label {
	__u8 slot;
	__u8 size;    /* number of values; larger or unknown indexes but ABI_SKIP count as `size` */
	__u16 stride; /* cells between neighbours */
};

/* A function feeding one metric: where its cells are within a node's block. */
struct abi_binding {
	__u8 kind;
	__u8 on; /* mask: 1 << (abi_site_kind - ABI_SITE_RETURN), or ABI_ON_START */
	__u8 n_labels;
	__u8 n_bounds;
	__u16 base;   /* cell of the series whose captured labels are all 0 (constants folded in) */
	__u16 bounds; /* entry in the bounds table */
	struct abi_label labels[ABI_LABELS_MAX];
	__u16 missing; /* numbers: first of the ABI_MISSING_CELLS; spans: of the ABI_SPAN_CELLS */
	__u8 slot;     /* numbers and spans: the captured value */
	__u8 at_end;   /* gauge: the number is read where the call ends, else where it begins */
	__u8 span;     /* entry in the spans table */
	__u8 gone; /* spans: before the call the key was of something else, or after it will be */
	__u8 pad[2];
};

/*
 * Cells of a series. Counter: how many. Histogram: n_bounds + 1 buckets (not
 * cumulative), then the sum, in ns. A value equal to a bound is in that bound's
 * bucket.
 *
 * A sum of numbers has two cells, which never overflow: of each number the low 32
 * bits are added to the first and the high 32 bits to the second. It is all that the
 * counter of a number has, and stands in place of the sum in a histogram.
 */
#define ABI_SUM_CELLS 2

/*
 * The last number, in each shard: some places of two cells, a stamp and the number,
 * which is that of the greatest stamp of all shards. A stamp is the time at which the
 * number was read, above one bit that is set when it is below 0 (two's complement); 0:
 * nothing was put there. A writer takes a place by changing its stamp to
 * ABI_STAMP_TAKEN, but never the place of the greatest stamp: so a reader always finds
 * the last number, also while it is about to be replaced. Stamps of a place only grow,
 * so a number between two reads of the same stamp is whole.
 *
 * A writer that finds no place, because others were interrupted in all of them, books
 * its number as missing (ABI_MISSING_BUSY).
 */
#define ABI_LAST_PLACES 4
#define ABI_LAST_CELLS (2 * ABI_LAST_PLACES)
#define ABI_STAMP_TAKEN (~0ull)

static inline __u64 abi_stamp(__u64 ns, __u64 negative)
{
	return ns << 1 | negative;
}

/* Calls that a metric of numbers should count, and cannot. */
enum abi_missing {
	ABI_MISSING_UNREAD,
	ABI_MISSING_NEGATIVE, /* never of a gauge */
	ABI_MISSING_BUSY,     /* only of a gauge */
	ABI_MISSING_OTHER,    /* the function returned another variant */
	ABI_MISSING_CELLS,
};

struct abi_bounds {
	__u64 upper[ABI_BOUNDS_MAX]; /* ascending; ~0 behind the last */
};

/* How many of the bounds are below @n, which is the number of its bucket.
 * With at most 15 bounds it stays within two cache lines. */
static inline __u32 abi_bucket(const struct abi_bounds *b, __u32 n_bounds, __u64 n)
{
	__u32 i = n_bounds > 15 && n > b->upper[15] ? 16 : 0;

	for (__u32 step = 8; step; step /= 2)
		if (n > b->upper[(i + step - 1) & (ABI_BOUNDS_MAX - 1)])
			i += step;
	return i + (n > b->upper[i & (ABI_BOUNDS_MAX - 1)]);
}

/* What an end puts into captured values by its kind (the outcome label): each
 * byte of `mask` that is set takes the byte of `value`. */
struct abi_outcome {
	__u32 mask;
	__u32 value;
};

struct abi_func {
	__u32 n_bindings; /* of calls: the first ones */
	__u32 n_numbers;  /* of numbers: behind them */
	__u32 n_spans;    /* of spans: behind those */
	__u32 pad;
	struct abi_outcome outcome[3]; /* by abi_site_kind - ABI_SITE_RETURN */
	struct abi_binding bindings[ABI_BINDINGS_MAX];
	__u64 pad2[3];
};

/*
 * A span lies between calls of two functions that have the same key. The first call that
 * begins it opens it; the first one that ends it within `within_ns` does so, and until
 * `late_ns` after that the key is known, so that further calls change nothing. A hash table
 * holds what is known of each key; who takes an entry out of it books what that means.
 */
struct abi_span {
	__u64 within_ns;
	__u64 late_ns;
};

struct abi_span_key {
	__u64 hash;
	__u32 node;
	__u32 span;
};

struct abi_span_state {
	__u64 opened_ns; /* CLOCK_MONOTONIC */
	__u64 ended_ns;  /* 0 while it is open */
};

/* Programs look at the time themselves. User space takes out what is past later by this, so
 * that no program is still at work with it. */
#define ABI_SPAN_GRACE_NS 1000000000ull

/* Book of a metric of spans on a node. Always: opened = ended + expired + open + lost, which
 * is LOST_FULL and what user space forgot with the node. */
enum abi_span_book {
	ABI_SPAN_OPENED,
	ABI_SPAN_ENDED,
	ABI_SPAN_EXPIRED,
	ABI_SPAN_LOST_FULL,   /* the table or the node's part of it had no room */
	ABI_SPAN_NO_BEGIN,    /* an end of a key that is not known */
	ABI_SPAN_LATE,        /* a beginning of a key whose span has ended */
	ABI_SPAN_UNREAD_FROM, /* a call whose key could not be read, or is empty or too long */
	ABI_SPAN_UNREAD_TO,
	ABI_SPAN_CELLS,
};

/* What a look through the table found of one metric on one node. */
struct abi_span_now {
	__u64 oldest_ns; /* when the oldest open span was opened, 0: there is none */
	__u32 open;
	__u32 expired; /* were, and are taken out */
	__u32 lost;    /* open ones, taken out because the node is to be forgotten */
	__u32 pad;
};

/*
 * The agent's own book of each function on each node: a node's block of cells
 * begins with ABI_SELF_CELLS of function 0, then of function 1 and so on. Always:
 * started = returned + panicked + cancelled + in flight + lost_full + lost_key.
 */
enum abi_self {
	ABI_SELF_STARTED,
	ABI_SELF_RETURNED,
	ABI_SELF_PANICKED,
	ABI_SELF_CANCELLED, /* also a call whose place was taken by a new one of the same key */
	ABI_SELF_LOST_FULL, /* the in-flight table had no room for a start */
	ABI_SELF_LOST_KEY,  /* a start whose identity could not be read */
	ABI_SELF_NO_START, /* a return or panic site reached by no call in flight (or unreadable) */
	ABI_SELF_VALUE_FAULT, /* a label's memory could not be read: counted as unknown */
	ABI_SELF_CELLS,       /* 8: one cache line */
};

/*
 * A call in flight is found by its key: the address in the low 48 bits, then
 * the node, then the function. 0 marks a free place, ABI_KEY_TAKEN one that an end
 * took out of the search and still reads. Keys and calls are apart so that the
 * search touches one cache line, and each call has one of its own.
 *
 * A key belongs into one of two buckets, and into the second only when the
 * first was full: then the first counts it in `spilled`, and only while that is
 * not 0 does a search go on to the second.
 */
struct abi_call {
	__u64 start_ns; /* CLOCK_MONOTONIC; 0 while the place is being filled */
	__u64 saved;
	__u32 values; /* ABI_VALUES_MAX captured values, one byte each, slot 0 lowest */
	__u32 pad;
	__u64 number[ABI_VALUES_MAX]; /* of slots whose byte is ABI_NUMBER */
	__u64 pad2;
};

struct abi_bucket {
	__u64 key[ABI_BUCKET_CALLS];
	__u64 spilled;
	struct abi_call call[ABI_BUCKET_CALLS];
};

#define ABI_KEY_ADDRESS ((1ull << 48) - 1)
#define ABI_KEY_TAKEN (~0ull) /* of no node and no function */

static inline __u64 abi_key(__u64 address, __u32 node, __u32 func)
{
	return (address & ABI_KEY_ADDRESS) | (__u64)node << 48 | (__u64)func << 56;
}

static inline __u64 abi_key_hash(__u64 key)
{
	key *= 0x9e3779b97f4a7c15ull;
	key ^= key >> 32; /* futures in an array are evenly apart: once is not enough */
	return key * 0x9e3779b97f4a7c15ull;
}

static inline __u32 abi_first_bucket(__u64 hash)
{
	return hash >> (64 - ABI_IN_FLIGHT_BITS);
}

/* Never the first one. */
static inline __u32 abi_second_bucket(__u64 hash)
{
	return (abi_first_bucket(hash) ^ ((hash >> 32) | 1)) & (ABI_IN_FLIGHT_BUCKETS - 1);
}

/*
 * The node table, open-addressed by tgid: a process stands at its place or one
 * of the ABI_NODE_TRIES - 1 behind it. Only user space writes; it sets `tgid`
 * last and clears it first. ABI_NODE_GONE keeps a search going past a place
 * that was emptied.
 */
struct abi_node {
	__u32 tgid; /* as the agent's own pid namespace numbers it; 0: free */
	__u16 index;
	__u16 file;  /* the executable that it runs */
	__u32 cells; /* first cell of the node's block within a shard */
	__u32 shard_cells; /* from one shard to the next: counters of a CPU are in shard cpu % ABI_SHARDS_MAX */
	__u64 libraries; /* shared ones that it maps and that are probed: ABI_NODE_LIBRARIES × 16 bits */
};

/* Not 0 where the node runs @file, which is not 0: its executable or a library. Without a
 * branch, for the verifier would follow both ways of each. */
static inline __u64 abi_runs(__u64 executable, __u64 libraries, __u64 file)
{
	__u64 ones = 0x0001000100010001ull, differ = libraries ^ file * ones;

	return ((differ - ones) & ~differ & ones << 15) | ((executable ^ file) - 1) >> 63;
}

#define ABI_NODE_GONE 0xffffffffu

static inline __u32 abi_node_place(__u32 tgid)
{
	return (tgid * 0x9e3779b1u) >> 24;
}

enum abi_event_kind { ABI_EVENT_EXEC, ABI_EVENT_EXIT };

/* Ring buffer record: a process began a new program or ended. */
struct abi_event {
	__u32 kind;
	__u32 tgid;
};

#endif
