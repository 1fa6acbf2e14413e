// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/*
 * What the cost of bpf/call.bpf.c is measured against: a program that does
 * nothing (the price of the measurement and of being called), one that only reads
 * the clock (nobody measures a time for less), and the pair that everybody writes
 * first, a hash of start times and a power-of-two histogram.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, u32);
	__type(value, u64);
} begun SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, u64);
} histogram SEC(".maps");

SEC("uprobe.multi")
int empty(void *ctx __attribute__((unused)))
{
	return 0;
}

SEC("uprobe.multi")
int empty_end(void *ctx __attribute__((unused)))
{
	return 0;
}

__u64 last_read;

SEC("uprobe.multi")
int clock_start(void *ctx __attribute__((unused)))
{
	last_read = bpf_ktime_get_ns();
	return 0;
}

SEC("uprobe.multi")
int clock_end(void *ctx __attribute__((unused)))
{
	last_read = bpf_ktime_get_ns();
	return 0;
}

SEC("uprobe.multi")
int plain_start(void *ctx __attribute__((unused)))
{
	u32 tid = bpf_get_current_pid_tgid();
	u64 now = bpf_ktime_get_ns();

	bpf_map_update_elem(&begun, &tid, &now, BPF_ANY);
	return 0;
}

SEC("uprobe.multi")
int plain_end(void *ctx __attribute__((unused)))
{
	u32 tid = bpf_get_current_pid_tgid();
	u64 *at = bpf_map_lookup_elem(&begun, &tid), ns, bucket = 0, zero = 0, *n;

	if (!at)
		return 0;
	ns = bpf_ktime_get_ns() - *at;
	for (u32 i = 0; i < 40 && ns > 1; i++, ns /= 2)
		bucket++;
	n = bpf_map_lookup_elem(&histogram, &bucket);
	if (!n) {
		bpf_map_update_elem(&histogram, &bucket, &zero, BPF_NOEXIST);
		n = bpf_map_lookup_elem(&histogram, &bucket);
	}
	if (n)
		__sync_fetch_and_add(n, 1);
	bpf_map_delete_elem(&begun, &tid);
	return 0;
}
