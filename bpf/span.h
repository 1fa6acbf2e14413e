/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Spans between calls of different functions.
 *
 * The table is the kernel's hash map, because only there two processors that open the same
 * span at once are told which of them did. Functions without spans never come here.
 */
#ifndef BPF_SPAN_H
#define BPF_SPAN_H

#include "bpf/call_book.h"
#include "bpf/call_read.h"

#define ENOSPC 28
#define EEXIST 17

/* Of one place while no profile has spans: sized by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct abi_span_key);
	__type(value, struct abi_span_state);
} span_table SEC(".maps");

struct abi_span spans[ABI_SPANS_MAX] __attribute__((aligned(64)));
__u64 span_places[ABI_NODES_MAX] __attribute__((aligned(64))); /* taken by each node */
struct abi_span_now span_now[ABI_NODES_MAX][ABI_SPANS_MAX] __attribute__((aligned(64)));
__u32 span_forget; /* the node that sweep() is to forget; ABI_NODES_MAX: none */

const volatile __u64 span_seed = 0;

/* ---- keys ------------------------------------------------------------------------ */

static __always_inline u64 mix(u64 hash, u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
	hash ^= hash >> 32;
	hash *= 0xd6e8feb86659fd93ull;
	return hash ^ hash >> 32;
}

/* Eight bytes at a time: the text is never in one place. */
__noinline int hash_text(u64 p, u64 size, u64 *hash)
{
	u64 h, word;

	if (!hash || !size || size > ABI_TEXT_MAX)
		return false;
	h = mix(span_seed, size);
	for (u32 i = 0; i < ABI_TEXT_MAX / 8; i++) {
		if (i >= size / 8)
			break;
		if (bpf_probe_read_user(&word, sizeof(word), (void *)(p + 8 * i)))
			return false;
		h = mix(h, word);
	}
	word = 0;
	if (bpf_probe_read_user(&word, size & 7, (void *)(p + (size & ~7ull))))
		return false;
	*hash = mix(h, word);
	return true;
}

/* Reads and hashes a key, and returns what the call's byte says of it. */
static __noinline u32 read_hash(struct pt_regs *ctx, const struct abi_value *value, u64 key,
				u64 saved, u64 *hash)
{
	const struct abi_recipe *recipe = &value->tests[0].recipe;
	u64 first, second = 0;

	if (!raw_value(recipe, read_source(ctx, recipe->reg, key, saved), hash))
		return ABI_UNKNOWN;
	first = *hash;
	if (value->is_signed) {
		u32 above = (64 - recipe->width * 8) & 63;

		first = (s64)(first << above) >> above;
	}
	if (value->n_tests == ABI_HASHED_TESTS) {
		recipe = &value->tests[1].recipe;
		if (!raw_value(recipe, read_source(ctx, recipe->reg, key, saved), hash))
			return ABI_UNKNOWN;
		second = *hash;
	}
	if (value->hashed == ABI_HASHED_TEXT)
		return hash_text(first, second, hash) ? ABI_NUMBER : ABI_UNKNOWN;
	*hash = mix(mix(span_seed, first), second);
	return ABI_NUMBER;
}

/* ---- the table ------------------------------------------------------------------- */

static __always_inline void give_place(u32 node)
{
	__sync_fetch_and_add(&span_places[node & (ABI_NODES_MAX - 1)], -1);
}

/* Whether what is known of the key is past at @now, by @grace; then it is taken out. With
 * *@expired an open span was, and it is the caller's to book it. */
static __noinline bool is_past(const struct abi_span_key *at, const struct abi_span_state *known,
			       u64 now, u64 grace, bool *expired)
{
	const struct abi_span *span = &spans[at->span & (ABI_SPANS_MAX - 1)];
	u64 ended = known->ended_ns, since = ended ? ended : known->opened_ns;
	u64 limit = (ended ? span->late_ns : span->within_ns) + grace;

	*expired = false;
	if (now <= since || now - since <= limit)
		return false;
	if (!bpf_map_delete_elem(&span_table, at)) {
		give_place(at->node);
		*expired = !ended;
	}
	return true;
}

/* What is known of the key at @now, or NULL. @own: the span's book. */
static __noinline struct abi_span_state *find_span(const struct abi_span_key *at, u32 own, u64 now)
{
	struct abi_span_state *known = bpf_map_lookup_elem(&span_table, at);
	bool expired;

	if (!known || !is_past(at, known, now, 0, &expired))
		return known;
	if (expired)
		count(own + ABI_SPAN_EXPIRED, 1);
	return NULL;
}

/* Puts an open span there; false when the table has no room for it. */
static __noinline bool put_span(const struct abi_span_key *at, u64 now, u32 own)
{
	struct abi_span_state open = { .opened_ns = now };
	u64 *places = &span_places[at->node & (ABI_NODES_MAX - 1)];
	int failed = -ENOSPC; /* before 6.4 the upper half of what is returned is 0 */

	if (__sync_fetch_and_add(places, 1) < ABI_SPAN_NODE_MAX)
		failed = bpf_map_update_elem(&span_table, at, &open, BPF_NOEXIST);
	if (failed)
		__sync_fetch_and_add(places, -1);
	if (failed == -EEXIST) /* by another processor, just now */
		return true;
	count(own + ABI_SPAN_OPENED, 1);
	return !failed;
}

/* With @anew what is known of the key is of something else: one that is open begins now. */
static __noinline void begin_span(const struct abi_span_key *at, u32 own, u64 now, bool anew)
{
	struct abi_span_state *known = find_span(at, own, now);

	if (known && anew && known->ended_ns) {
		if (!bpf_map_delete_elem(&span_table, at))
			give_place(at->node);
		known = NULL;
	}
	if (known && anew) {
		known->opened_ns = now;
	} else if (known) {
		if (known->ended_ns)
			count(own + ABI_SPAN_LATE, 1);
	} else if (!put_span(at, now, own)) {
		count(own + ABI_SPAN_LOST_FULL, 1);
	}
}

#define NO_SPAN (~0ull)

/* Ends the span and returns how long it was, or NO_SPAN. @own: the span's book; with @gone a
 * key that is not known is none of the faults that stand there. */
static __noinline u64 end_span(const struct abi_span_key *at, u32 own, u64 now, bool gone)
{
	struct abi_span_state *known = find_span(at, own, now);
	u64 opened;

	if (!known) {
		if (!gone)
			count(own + ABI_SPAN_NO_BEGIN, 1);
		return NO_SPAN;
	}
	opened = known->opened_ns;
	if (__sync_val_compare_and_swap(&known->ended_ns, 0, now))
		return NO_SPAN; /* it was ended before */
	count(own + ABI_SPAN_ENDED, 1);
	return now > opened ? now - opened : 0;
}

/* ---- what calls feed ---------------------------------------------------------------- */

static __noinline void observe_span(const struct abi_binding *binding, u32 cell, u64 ns)
{
	count(cell + binding->n_bounds + 1, ns);
	count(cell + abi_bucket(&bounds[binding->bounds & (ABI_BOUNDS_TABLE_MAX - 1)],
				binding->n_bounds, ns),
	      1);
}

/* @key: the call's own, which says on which node it is. */
static __noinline void feed_span(const struct abi_binding *binding, const struct abi_call *call,
				 u64 key, u32 block, u32 on)
{
	struct abi_span_key at = { .hash = call->number[binding->slot & (ABI_VALUES_MAX - 1)],
				   .node = key >> 48 & 0xff,
				   .span = binding->span };
	u32 own = block + binding->missing, said = call->values >> (binding->slot & 3) * 8 & 0xff;
	u32 cell = series_of(binding, block, call->values);
	u64 now = on == ABI_ON_START ? call->start_ns : bpf_ktime_get_ns(), ns;

	/* it ends nothing; or what would end it is the case already, and it begins nothing */
	if (binding->kind == ABI_SPAN_TO || binding->n_labels)
		if ((cell == LEFT_OUT) == (binding->kind == ABI_SPAN_TO))
			return;
	if (binding->kind == ABI_SPAN_FROM) {
		if (said == ABI_NUMBER)
			begin_span(&at, own, now, binding->gone);
		else
			count(own + ABI_SPAN_UNREAD_FROM, 1);
		return;
	}
	if (said != ABI_NUMBER) {
		count(own + ABI_SPAN_UNREAD_TO, 1);
		return;
	}
	ns = end_span(&at, own, now, binding->gone);
	if (ns != NO_SPAN)
		observe_span(binding, cell, ns);
	/* ended by now: who takes it out has nothing to book */
	if (binding->gone && !bpf_map_delete_elem(&span_table, &at))
		give_place(at.node);
}

/* Feeds the spans of the function that the call begins or ends with what happens to it
 * now: @kind. */
__noinline int book_spans(u32 number, struct abi_call *call, u64 key, u32 block, u32 kind)
{
	const struct abi_func *func = &funcs[number & (ABI_FUNCS_MAX - 1)];
	u32 way = kind - ABI_SITE_RETURN, on = ABI_ON_START;

	if (!call)
		return 0;
	if (kind != ABI_SITE_START) {
		if (way > 2)
			return 0;
		on = 1 << way;
		call->values = (call->values & ~func->outcome[way].mask) | func->outcome[way].value;
	}
	for (u32 i = 0; i < ABI_BINDINGS_MAX; i++) {
		const struct abi_binding *binding =
			&func->bindings[(func->n_bindings + func->n_numbers + i) &
					(ABI_BINDINGS_MAX - 1)];

		if (i >= func->n_spans)
			break;
		if (binding->on & on)
			feed_span(binding, call, key, block, on);
	}
	return 0;
}

/* ---- the look through the table ------------------------------------------------------ */

static long sweep_one(void *map, const struct abi_span_key *at, const struct abi_span_state *known,
		      void *unused)
{
	u32 node = at->node & (ABI_NODES_MAX - 1);
	struct abi_span_now *found = &span_now[node][at->span & (ABI_SPANS_MAX - 1)];
	u64 opened = known->opened_ns, ended = known->ended_ns;
	bool expired;

	(void)map, (void)unused;
	if (node == span_forget) {
		if (bpf_map_delete_elem(&span_table, at))
			return 0;
		give_place(node);
		found->lost += !ended;
		return 0;
	}
	if (is_past(at, known, bpf_ktime_get_ns(), ABI_SPAN_GRACE_NS, &expired)) {
		found->expired += expired;
		return 0;
	}
	if (ended)
		return 0;
	found->open++;
	if (!found->oldest_ns || opened < found->oldest_ns)
		found->oldest_ns = opened;
	return 0;
}

/* Run by the agent. A look from user space would keep probes from being heard on kernels
 * before 6.0 while it is interrupted. */
SEC("syscall")
int sweep(void *ctx)
{
	(void)ctx;
	bpf_for_each_map_elem(&span_table, sweep_one, NULL, 0);
	return 0;
}

#endif
