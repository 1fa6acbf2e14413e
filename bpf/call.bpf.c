// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/*
 * Every probed instruction of every watched program ends up here: `start` where
 * a call begins, `end` where it returned, panicked or was dropped. What a site
 * means is data (abi.h), so no metric needs code of its own.
 *
 * Written for the cost of one trap: the common way touches one cache line each
 * of the site, the node, the call's bucket (keys and call) and the counters, and
 * calls three helpers at a start, two at an end, three when a histogram wants
 * the time. What is rare (memory reads, label values, the second bucket, a pid
 * namespace) is out of line. No frame reaches 64 bytes: since 6.13 the kernel
 * gives such programs a private stack, which a preempting probe can corrupt.
 *
 * Functions out of line that need no context are global: the verifier looks at
 * each of them once, for any arguments, and not again on every way that leads to
 * it. That is a fifth of the work before the first probe is set.
 */
#include "bpf/call_book.h"
#include "bpf/call_read.h"
#include "bpf/call_tables.h"
#include "bpf/span.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* ---- calls in flight ---------------------------------------------------------------- */

#define NONE ABI_BUCKET_CALLS

/* The place of @key in the bucket, or NONE. */
static __always_inline u32 find(const struct abi_bucket *bucket, u64 key)
{
#pragma unroll
	for (u32 i = 0; i < ABI_BUCKET_CALLS; i++)
		if (bucket->key[i] == key)
			return i;
	return NONE;
}

/* Takes a free place of the bucket; fails only when there is none. */
static __always_inline struct abi_call *claim(struct abi_bucket *bucket, u64 key)
{
#pragma unroll
	for (u32 i = 0; i < ABI_BUCKET_CALLS; i++)
		if (!bucket->key[i] && __sync_val_compare_and_swap(&bucket->key[i], 0, key) == 0)
			return &bucket->call[i];
	return NULL;
}

static __always_inline struct abi_bucket *second_of(u64 key)
{
	u64 at = abi_second_bucket(abi_key_hash(key));

	/* The compiler moves the mask in front of the exclusive or, behind which verifiers
	 * before 6.4 know no bounds. */
	asm volatile("%0 &= %1" : "+r"(at) : "i"(ABI_IN_FLIGHT_BUCKETS - 1));
	return &in_flight[at];
}

static __always_inline struct abi_bucket *first_of(u64 key)
{
	return &in_flight[abi_first_bucket(abi_key_hash(key))];
}

/* The call of this key in the second bucket, or NULL. */
static __noinline struct abi_call *find_spilled(u64 key)
{
	struct abi_bucket *second = second_of(key);
	u32 i = find(second, key);

	return i < NONE ? &second->call[i] : NULL;
}

/* The first bucket is full: takes a place of the second one. */
static __noinline struct abi_call *spill(u64 key)
{
	struct abi_bucket *first = first_of(key), *second = second_of(key);
	struct abi_call *call;

	__sync_fetch_and_add(&first->spilled, 1);
	call = claim(second, key);
	if (!call)
		__sync_fetch_and_add(&first->spilled, -1);
	return call;
}

/* ---- the programs --------------------------------------------------------------------- */

/* The start of a call with numbers or spans. @at is what is captured of it, and above it the
 * node's block. */
static __noinline void start_numbered(struct pt_regs *ctx, const struct abi_site *site, u64 key,
				      struct abi_call *call, u64 at)
{
	call->values = capture_numbers(ctx, site, key, call, at);
	call->start_ns = bpf_ktime_get_ns();
	book_spans(site->func, call, key, at >> 32, ABI_SITE_START);
}

static __always_inline int start(struct pt_regs *ctx)
{
	u32 index = bpf_get_attach_cookie(ctx), block, captured = UNKNOWN_VALUES, i;
	struct abi_site *site = &sites[index & (ABI_SITES_MAX - 1)];
	struct abi_node *node = current_node();
	struct abi_call *call = NULL;
	struct abi_bucket *first;
	u64 address, key, saved = 0;

	if (!node || !is_in(node, site))
		return 0;
	block = block_of(node);
	count_self(block, site, ABI_SELF_STARTED, 1);
	address = address_of(ctx, &site->key);
	if (!address) {
		count_self(block, site, ABI_SELF_LOST_KEY, 1);
		return 0;
	}
	key = abi_key(address, node->index, site->func);
	first = first_of(key);
	i = find(first, key);
	if (i < NONE)
		call = &first->call[i];
	else if (first->spilled)
		call = find_spilled(key);
	if (call) { /* its end was not seen: dropped or jumped out of */
		book(site, block, ABI_SITE_CANCEL, call->values, call->start_ns);
		if (unlikely(site->numbered)) {
			book_numbers(site->func, block, ABI_SITE_CANCEL, call->values, call);
			book_spans(site->func, call, key, block, ABI_SITE_CANCEL);
		}
	} else {
		call = claim(first, key);
		if (!call)
			call = spill(key);
		if (!call) {
			count_self(block, site, ABI_SELF_LOST_FULL, 1);
			return 0;
		}
	}
	if (site->saved.reg != ABI_REG_NONE)
		saved = saved_of(ctx, &site->saved);
	if (site->slot[0] != ABI_NO_SLOT) {
		u64 result = capture(ctx, site, key, saved, captured);

		captured = result;
		if (result >> 32)
			count_self(block, site, ABI_SELF_VALUE_FAULT, result >> 32);
	}
	call->saved = saved;
	if (unlikely(site->numbered)) {
		start_numbered(ctx, site, key, call, captured | (u64)block << 32);
		return 0;
	}
	call->values = captured;
	call->start_ns = bpf_ktime_get_ns();
	return 0;
}

/* What end() took out of the table. */
struct taken {
	u64 start_ns;
	u64 saved;
	u32 values;
};

/* Removes the call and tells what was known of it; false when another end did. */
static __always_inline bool take(struct abi_bucket *bucket, u32 i, u64 key, struct taken *taken)
{
	struct abi_call *call = &bucket->call[i];

	taken->start_ns = call->start_ns;
	taken->saved = call->saved;
	taken->values = call->values;
	call->start_ns = 0;
	return __sync_val_compare_and_swap(&bucket->key[i], key, 0) == key;
}

/* Adds the labels that an end site reads to those @captured. */
static __always_inline u32 capture_labels(struct pt_regs *ctx, const struct abi_site *site,
					  u32 block, u64 key, u64 saved, u32 captured)
{
	u64 result;

	if (site->slot[0] == ABI_NO_SLOT)
		return captured;
	result = capture(ctx, site, key, saved, captured);
	if (result >> 32)
		count_self(block, site, ABI_SELF_VALUE_FAULT, result >> 32);
	return result;
}

/* The end of a call with numbers: it is read where it is, and nobody else takes that
 * place meanwhile. @at is the node's block and above it the call's place in the
 * bucket; false when the call is not there. */
static __noinline bool end_numbered(struct pt_regs *ctx, const struct abi_site *site, u64 key,
				    struct abi_bucket *bucket, u64 at)
{
	u32 block = at, i = at >> 32, captured;
	struct abi_call *call;

	if (i >= NONE || __sync_val_compare_and_swap(&bucket->key[i], key, ABI_KEY_TAKEN) != key)
		return false;
	call = &bucket->call[i];
	captured = capture_labels(ctx, site, block, key, call->saved, call->values);
	captured = capture_numbers(ctx, site, key, call, captured);
	book(site, block, site->kind, captured, call->start_ns);
	book_numbers(site->func, block, site->kind, captured, call);
	call->values = captured;
	book_spans(site->func, call, key, block, site->kind);
	call->start_ns = 0;
	*(volatile u64 *)&bucket->key[i] = 0;
	return true;
}

static __always_inline int end(struct pt_regs *ctx)
{
	u32 index = bpf_get_attach_cookie(ctx), block, i;
	struct abi_site *site = &sites[index & (ABI_SITES_MAX - 1)];
	struct abi_node *node = current_node();
	struct abi_bucket *first, *bucket;
	struct taken call = {};
	u64 address, key;
	bool found = false;

	if (!node || !is_in(node, site))
		return 0;
	block = block_of(node);
	address = address_of(ctx, &site->key);
	key = abi_key(address, node->index, site->func);
	first = bucket = first_of(key);
	if (address) {
		i = find(first, key);
		if (i >= NONE && first->spilled) {
			bucket = second_of(key);
			i = find(bucket, key);
		}
		if (unlikely(site->numbered))
			found = end_numbered(ctx, site, key, bucket, block | (u64)i << 32);
		else
			found = i < NONE && take(bucket, i, key, &call);
	}
	if (!found) {
		if (site->kind != ABI_SITE_CANCEL && !site->common)
			count_self(block, site, ABI_SELF_NO_START, 1);
		return 0;
	}
	if (bucket != first)
		__sync_fetch_and_add(&first->spilled, -1);
	if (unlikely(site->numbered))
		return 0;
	call.values = capture_labels(ctx, site, block, key, call.saved, call.values);
	book(site, block, site->kind, call.values, call.start_ns);
	return 0;
}

SEC("uprobe.multi")
int start_multi(struct pt_regs *ctx)
{
	return start(ctx);
}

SEC("uprobe.multi")
int end_multi(struct pt_regs *ctx)
{
	return end(ctx);
}

/* For kernels without uprobe_multi links (before 6.6). */
SEC("uprobe")
int start_perf(struct pt_regs *ctx)
{
	return start(ctx);
}

SEC("uprobe")
int end_perf(struct pt_regs *ctx)
{
	return end(ctx);
}
