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
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include "bpf/abi.h"
#include "bpf/node.h"
#include "bpf/tgid.h"

#define ENOSPC 28
#define EEXIST 17

#define unlikely(x) __builtin_expect(!!(x), 0)

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/*
 * The tables are plain variables: an access needs no lookup, and user space has
 * them in its memory. They must not be static, or the compiler would take what
 * no program writes for zero.
 */
struct abi_bucket in_flight[ABI_IN_FLIGHT_BUCKETS] __attribute__((aligned(4096)));
struct abi_site sites[ABI_SITES_MAX] __attribute__((aligned(64)));
struct abi_func funcs[ABI_FUNCS_MAX] __attribute__((aligned(64)));
struct abi_bounds bounds[ABI_BOUNDS_TABLE_MAX] __attribute__((aligned(64)));
struct abi_node nodes[ABI_NODE_PLACES] __attribute__((aligned(64)));
struct abi_value values[ABI_VALUE_TABLE_MAX] __attribute__((aligned(64)));

/* Shards × nodes × cells of a node: sized by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} cells SEC(".maps");

/* ---- counters ----------------------------------------------------------------- */

static __always_inline void count(u32 cell, u64 n)
{
	u64 *at = bpf_map_lookup_elem(&cells, &cell);

	if (at)
		__sync_fetch_and_add(at, n);
}

static __always_inline void count_self(u32 block, const struct abi_site *site, u32 which, u64 n)
{
	count(block + site->func * ABI_SELF_CELLS + which, n);
}

/* First cell of the node's block for this CPU. Another CPU may share it, and a
 * program may interrupt itself: hence the atomic additions. */
static __always_inline u32 block_of(const struct abi_node *node)
{
	return (bpf_get_smp_processor_id() & (ABI_SHARDS_MAX - 1)) * node->shard_cells +
	       node->cells;
}

/* ---- whose process ------------------------------------------------------------ */

static __always_inline struct abi_node *current_node(void)
{
	return node_of(nodes, current_tgid());
}

/* Whether the node runs the file in which the site is. */
static __always_inline bool is_in(const struct abi_node *node, const struct abi_site *site)
{
	return abi_runs(node->file, node->libraries, site->file);
}

/* ---- reading the program -------------------------------------------------------- */

/* One constant load for each register: the verifier allows no computed offset
 * into the context, and the compiler must not make one. */
#define LOAD(slot)                                                                             \
	({                                                                                     \
		u64 v_;                                                                        \
		asm volatile("%0 = *(u64 *)(%1 + %2)" : "=r"(v_) : "r"(ctx), "i"((slot) * 8)); \
		v_;                                                                            \
	})

static __always_inline u64 read_register(struct pt_regs *ctx, u8 reg)
{
	switch (reg) {
	case ABI_REG_R15:
		return LOAD(ABI_REG_R15);
	case ABI_REG_R14:
		return LOAD(ABI_REG_R14);
	case ABI_REG_R13:
		return LOAD(ABI_REG_R13);
	case ABI_REG_R12:
		return LOAD(ABI_REG_R12);
	case ABI_REG_RBP:
		return LOAD(ABI_REG_RBP);
	case ABI_REG_RBX:
		return LOAD(ABI_REG_RBX);
	case ABI_REG_R11:
		return LOAD(ABI_REG_R11);
	case ABI_REG_R10:
		return LOAD(ABI_REG_R10);
	case ABI_REG_R9:
		return LOAD(ABI_REG_R9);
	case ABI_REG_R8:
		return LOAD(ABI_REG_R8);
	case ABI_REG_RAX:
		return LOAD(ABI_REG_RAX);
	case ABI_REG_RCX:
		return LOAD(ABI_REG_RCX);
	case ABI_REG_RDX:
		return LOAD(ABI_REG_RDX);
	case ABI_REG_RSI:
		return LOAD(ABI_REG_RSI);
	case ABI_REG_RDI:
		return LOAD(ABI_REG_RDI);
	case ABI_REG_RSP:
		return LOAD(ABI_REG_RSP);
	}
	return 0;
}

/* Follows the dereferences; 0 when one of them cannot be read. */
__noinline u64 follow(const struct abi_recipe *recipe, u64 p)
{
	if (!recipe)
		return 0;
	for (u32 i = 0; i < ABI_STEPS_MAX; i++) {
		if (i >= recipe->n_steps)
			break;
		if (bpf_probe_read_user(&p, sizeof(p), (void *)(p + recipe->add[i])))
			return 0;
	}
	return p;
}

/* The address that a recipe of width 0 yields, 0 when it cannot be read. */
static __always_inline u64 address_of(struct pt_regs *ctx, const struct abi_recipe *recipe)
{
	u64 p = read_register(ctx, recipe->reg);

	if (recipe->n_steps) {
		p = follow(recipe, p);
		if (!p)
			return 0;
	}
	return (p + recipe->tail) & ABI_KEY_ADDRESS;
}

static __noinline u64 saved_of(struct pt_regs *ctx, const struct abi_recipe *recipe)
{
	return address_of(ctx, recipe);
}

static __always_inline u64 low_bytes(u64 v, u8 width)
{
	return width >= 8 ? v : v & ((1ull << (width * 8)) - 1);
}

/* Reads what one test compares from @p on; false when the memory is not there. */
__noinline int raw_value(const struct abi_recipe *recipe, u64 p, u64 *raw)
{
	long failed = 0;
	u64 v = 0;

	if (!recipe || !raw)
		return false;
	if (recipe->in_register) {
		*raw = low_bytes(p >> (8 * (recipe->tail & 7)), recipe->width);
		return true;
	}
	if (recipe->n_steps) {
		p = follow(recipe, p);
		if (!p)
			return false;
	}
	p += recipe->tail;
	switch (recipe->width) {
	case 0:
		v = p;
		break;
	case 1:
		failed = bpf_probe_read_user(&v, 1, (void *)p);
		break;
	case 2:
		failed = bpf_probe_read_user(&v, 2, (void *)p);
		break;
	case 4:
		failed = bpf_probe_read_user(&v, 4, (void *)p);
		break;
	default:
		failed = bpf_probe_read_user(&v, 8, (void *)p);
	}
	*raw = v;
	return !failed;
}

/* A register of the program, or one of the pseudo registers. */
static __noinline u64 read_source(struct pt_regs *ctx, u8 reg, u64 key, u64 saved)
{
	if (reg == ABI_REG_KEY)
		return key & ABI_KEY_ADDRESS;
	if (reg == ABI_REG_SAVED)
		return saved;
	return read_register(ctx, reg);
}

__noinline u32 choose(const struct abi_test *test, u64 raw)
{
	if (!test)
		return ABI_UNKNOWN;
	for (u32 i = 0; i < ABI_CHOICES_MAX; i++) {
		if (i >= test->n_choices)
			break;
		if (test->raw[i] == raw)
			return test->target[i];
	}
	return test->otherwise;
}

#define FAULT 0xffu

/* Decides on the index of a label value, ABI_UNKNOWN, or FAULT. */
static __noinline u32 decide(struct pt_regs *ctx, const struct abi_value *value, u64 key, u64 saved)
{
	u32 at = 0;

	for (u32 hop = 0; hop < ABI_TESTS_MAX; hop++) {
		const struct abi_test *test = &value->tests[at];
		u64 p = read_source(ctx, test->recipe.reg, key, saved), raw = 0;
		u32 target;

		if (!raw_value(&test->recipe, p, &raw))
			return FAULT;
		target = choose(test, raw);
		if (!(target & ABI_GOTO))
			return target;
		at = target & ~ABI_GOTO;
		if (at >= ABI_TESTS_MAX)
			break;
	}
	return ABI_UNKNOWN;
}

/* Reads what this site captures into @captured (one byte for each slot).
 * Returns the result, and above it the number of values that were unreadable. */
static __noinline u64 capture(struct pt_regs *ctx, const struct abi_site *site, u64 key, u64 saved,
			      u64 captured)
{
	for (u32 i = 0; i < ABI_VALUES_MAX; i++) {
		u32 at = site->value[i] & (ABI_VALUE_TABLE_MAX - 1);
		u32 slot = site->slot[i], shift = slot * 8, index;

		if (slot >= ABI_VALUES_MAX)
			break;
		index = decide(ctx, &values[at], key, saved);
		if (index == FAULT)
			captured += 1ull << 32;
		captured = (captured & ~(0xffull << shift)) | (u64)(index & 0xff) << shift;
	}
	return captured;
}

#define UNKNOWN_VALUES (ABI_UNKNOWN * 0x01010101u)

/* Reads a number and returns what the call's byte says of it. */
static __noinline u32 read_number(struct pt_regs *ctx, const struct abi_value *value, u64 key,
				  u64 saved, u64 *number)
{
	u32 at = 0;

	for (u32 hop = 0; hop < ABI_TESTS_MAX; hop++) {
		const struct abi_test *test = &value->tests[at];
		u64 p = read_source(ctx, test->recipe.reg, key, saved);
		u32 target;

		if (!raw_value(&test->recipe, p, number))
			return ABI_UNKNOWN;
		if (at + 1 == value->n_tests) {
			u32 sign = (test->recipe.width * 8 - 1) & 63;

			if (!value->is_signed || !(*number >> sign & 1))
				return ABI_NUMBER;
			*number |= ~0ull << sign;
			return ABI_NEGATIVE;
		}
		target = choose(test, *number);
		if (!(target & ABI_GOTO))
			return target;
		at = target & ~ABI_GOTO;
		if (at >= ABI_TESTS_MAX)
			break;
	}
	return ABI_UNKNOWN;
}

static __noinline u32 read_hash(struct pt_regs *ctx, const struct abi_value *value, u64 key,
				u64 saved, u64 *hash);

/* Reads the numbers that this site captures into the call, and hashes of keys; returns
 * @captured with their bytes. One that is missing is booked by the metrics that lack it. */
static __noinline u32 capture_numbers(struct pt_regs *ctx, const struct abi_site *site, u64 key,
				      struct abi_call *call, u32 captured)
{
	for (u32 i = 0; i < ABI_VALUES_MAX; i++) {
		u32 at = site->value[i] & (ABI_VALUE_TABLE_MAX - 1);
		u32 slot = site->slot[i] & (ABI_VALUES_MAX - 1), said;

		if (site->slot[i] == ABI_NO_SLOT)
			break;
		if (!(site->slot[i] & ABI_NUMBER_SLOT))
			continue;
		if (values[at].hashed)
			said = read_hash(ctx, &values[at], key, call->saved, &call->number[slot]);
		else
			said = read_number(ctx, &values[at], key, call->saved, &call->number[slot]);
		captured = (captured & ~(0xffu << slot * 8)) | said << slot * 8;
	}
	return captured;
}

/* ---- metrics ---------------------------------------------------------------------- */

#define LEFT_OUT 0xffffffffu

/* The first cell of the series that the captured values tell, or LEFT_OUT. */
static __always_inline u32 series_of(const struct abi_binding *binding, u32 block, u32 captured)
{
	u32 cell = block + binding->base;

	for (u32 l = 0; l < ABI_LABELS_MAX; l++) {
		const struct abi_label *label = &binding->labels[l];
		u32 index;

		if (l >= binding->n_labels)
			break;
		index = (captured >> ((label->slot & 3) * 8)) & 0xff;
		if (index == ABI_SKIP)
			return LEFT_OUT;
		if (index > label->size)
			index = label->size;
		cell += index * label->stride;
	}
	return cell;
}

/* Feeds one ended call to the metrics of its function. */
__noinline int feed(u32 number, u32 block, u32 kind, u32 captured, u64 start_ns)
{
	const struct abi_func *func = &funcs[number & (ABI_FUNCS_MAX - 1)];
	u32 on = 1 << (kind - ABI_SITE_RETURN);

	for (u32 i = 0; i < ABI_BINDINGS_MAX; i++) {
		const struct abi_binding *binding = &func->bindings[i];
		u32 cell;

		if (i >= func->n_bindings)
			break;
		if (!(binding->on & on))
			continue;
		cell = series_of(binding, block, captured);
		if (cell == LEFT_OUT)
			continue;
		if (binding->kind == ABI_HISTOGRAM) {
			u64 ns = bpf_ktime_get_ns() - start_ns;

			count(cell + binding->n_bounds + 1, ns);
			cell += abi_bucket(&bounds[binding->bounds & (ABI_BOUNDS_TABLE_MAX - 1)],
					   binding->n_bounds, ns);
		}
		count(cell, 1);
	}
	return 0;
}

/* Makes @number the last one of a series in this CPU's shard, unless a later one is
 * there. False when no place may be taken; see ABI_LAST_PLACES. */
static __noinline bool put_last(u32 cell, u64 stamp, u64 number)
{
	u64 newest = 0, oldest = ABI_STAMP_TAKEN, *place = NULL, *at;
	u32 to = cell;

	for (u32 i = 0; i < ABI_LAST_PLACES; i++) {
		u32 here = cell + 2 * i;
		u64 there;

		at = bpf_map_lookup_elem(&cells, &here);
		if (!at)
			return true;
		there = *(volatile u64 *)at;
		if (there == ABI_STAMP_TAKEN)
			continue;
		if (there > newest)
			newest = there;
		if (there < oldest) {
			oldest = there;
			place = at;
			to = here + 1;
		}
	}
	if (newest >> 1 >= stamp >> 1)
		return true;
	at = bpf_map_lookup_elem(&cells, &to);
	if (!place || !at || (oldest && oldest == newest) ||
	    __sync_val_compare_and_swap(place, oldest, ABI_STAMP_TAKEN) != oldest)
		return false;
	*(volatile u64 *)at = number;
	__sync_lock_test_and_set(place, stamp);
	return true;
}

#define PUT_TRIES 4 /* where CPUs share a shard, one may take the place that another chose */

/* Sets a gauge to the number of an ended call; @missing is the first of its cells. */
static __noinline void set_gauge(const struct abi_binding *binding, u32 cell, u32 missing, u32 said,
				 const struct abi_call *call)
{
	u64 stamp;

	stamp = abi_stamp(binding->at_end ? bpf_ktime_get_ns() : call->start_ns, said);
	for (u32 i = 0; i < PUT_TRIES; i++)
		if (put_last(cell, stamp, call->number[binding->slot & 3]))
			return;
	count(missing + ABI_MISSING_BUSY, 1);
}

/* Where a metric books a call of whose number @said is known; ABI_MISSING_CELLS when it
 * counts the number. */
static __always_inline u32 missing_as(const struct abi_binding *binding, u32 said)
{
	if (said == ABI_NUMBER || (said == ABI_NEGATIVE && binding->kind == ABI_NUMBER_GAUGE))
		return ABI_MISSING_CELLS;
	return said == ABI_NEGATIVE ? ABI_MISSING_NEGATIVE :
	       said == ABI_SKIP     ? ABI_MISSING_OTHER :
				      ABI_MISSING_UNREAD;
}

/* Adds a number to a series, or books that it is missing. */
static __noinline void feed_number(const struct abi_binding *binding, u32 block, u32 captured,
				   const struct abi_call *call)
{
	u32 said = (captured >> ((binding->slot & 3) * 8)) & 0xff;
	u32 cell = series_of(binding, block, captured);
	u64 number = call->number[binding->slot & 3];
	u32 missing = missing_as(binding, said);

	if (cell == LEFT_OUT)
		return;
	block += binding->missing;
	if (missing < ABI_MISSING_CELLS) {
		count(block + missing, 1);
		return;
	}
	if (binding->kind == ABI_NUMBER_GAUGE) {
		set_gauge(binding, cell, block, said, call);
		return;
	}
	if (binding->kind == ABI_NUMBER_HISTOGRAM) {
		count(cell + abi_bucket(&bounds[binding->bounds & (ABI_BOUNDS_TABLE_MAX - 1)],
					binding->n_bounds, number),
		      1);
		cell += binding->n_bounds + 1;
	}
	count(cell, (u32)number);
	if (number >> 32)
		count(cell + 1, number >> 32);
}

/* Books the end of a call: in the agent's own cells, then in the metrics. */
static __always_inline void book(const struct abi_site *site, u32 block, u32 kind, u32 captured,
				 u64 start_ns)
{
	const struct abi_func *func = &funcs[site->func & (ABI_FUNCS_MAX - 1)];
	u32 way = kind - ABI_SITE_RETURN;

	if (way > 2)
		return;
	count_self(block, site, ABI_SELF_RETURNED + way, 1);
	if (!func->n_bindings)
		return;
	captured = (captured & ~func->outcome[way].mask) | func->outcome[way].value;
	feed(site->func, block, kind, captured, start_ns);
}

/* Feeds the numbers of one ended call to the metrics of its function. */
__noinline int book_numbers(u32 number, u32 block, u32 kind, u32 captured,
			    const struct abi_call *call)
{
	const struct abi_func *func = &funcs[number & (ABI_FUNCS_MAX - 1)];
	u32 way = kind - ABI_SITE_RETURN;

	if (way > 2 || !call)
		return 0;
	captured = (captured & ~func->outcome[way].mask) | func->outcome[way].value;
	for (u32 i = 0; i < ABI_BINDINGS_MAX; i++) {
		const struct abi_binding *binding =
			&func->bindings[(func->n_bindings + i) & (ABI_BINDINGS_MAX - 1)];

		if (i >= func->n_numbers)
			break;
		if (binding->on & 1 << way)
			feed_number(binding, block, captured, call);
	}
	return 0;
}

#include "bpf/span.h"

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
