// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/*
 * Tells user space at once when a process began a new program or ended. A
 * convenience: where raw tracepoints are refused, and after a lost record, the
 * next look through /proc finds the same.
 */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "bpf/abi.h"
#include "bpf/tgid.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} events SEC(".maps");

/* Records that found the ring full. */
__u64 events_lost;

struct signal_struct___agent {
	struct {
		int counter;
	} live; /* threads that have not begun to exit */
} __attribute__((preserve_access_index));

struct task_struct___signal {
	struct signal_struct___agent *signal;
} __attribute__((preserve_access_index));

static __always_inline int tell(u32 kind)
{
	u32 tgid = current_tgid();
	struct abi_event *event;

	if (!tgid) /* not in the agent's pid namespace */
		return 0;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		__sync_fetch_and_add(&events_lost, 1);
		return 0;
	}
	event->kind = kind;
	event->tgid = tgid;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

SEC("raw_tp/sched_process_exec")
int on_exec(void *ctx __attribute__((unused)))
{
	return tell(ABI_EVENT_EXEC);
}

/* Runs for each thread, also when the main one went first: the process ends
 * with its last thread. */
SEC("raw_tp/sched_process_exit")
int on_exit(void *ctx __attribute__((unused)))
{
	struct task_struct___signal *task = (void *)bpf_get_current_task();

	if (BPF_CORE_READ(task, signal, live.counter))
		return 0;
	return tell(ABI_EVENT_EXIT);
}
