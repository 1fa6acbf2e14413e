/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* From a call that ended, or a number that was read, to the counters of its metrics. */
#ifndef BPF_CALL_BOOK_H
#define BPF_CALL_BOOK_H

#include "bpf/call_tables.h"

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

#endif
