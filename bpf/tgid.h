/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The current process as the agent numbers it: for BPF programs that tell user
 * space about processes, or are told by it which ones to watch. */
#ifndef BPF_TGID_H
#define BPF_TGID_H

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/* Inode of the agent's pid namespace; 0 when that is the initial one. */
const volatile __u32 agent_pid_ns = 0;

struct upid___agent {
	int nr;
	struct pid_namespace *ns;
} __attribute__((preserve_access_index));

struct pid___agent {
	unsigned int level;
	struct upid___agent numbers[1];
} __attribute__((preserve_access_index));

struct task_struct___agent {
	struct task_struct___agent *group_leader;
	struct pid___agent *thread_pid;
} __attribute__((preserve_access_index));

#define TGID_LEVELS_MAX 8

/* Also answers for processes in namespaces below the agent's, which
 * bpf_get_ns_current_pid_tgid() does not; 0 for processes outside of it. */
static __noinline u32 tgid_in_namespace(void)
{
	struct task_struct___agent *task = (void *)bpf_get_current_task();
	struct pid___agent *pid = BPF_CORE_READ(task, group_leader, thread_pid);
	u32 level = BPF_CORE_READ(pid, level);
	u32 size = bpf_core_type_size(struct upid___agent);
	struct upid___agent *at = (void *)pid + bpf_core_field_offset(struct pid___agent, numbers);

	for (u32 i = 0; i <= TGID_LEVELS_MAX; i++) {
		if (i > level)
			break;
		if (BPF_CORE_READ(at, ns, ns.inum) == agent_pid_ns)
			return BPF_CORE_READ(at, nr);
		at = (void *)at + size;
	}
	return 0;
}

static __always_inline u32 current_tgid(void)
{
	return agent_pid_ns ? tgid_in_namespace() : bpf_get_current_pid_tgid() >> 32;
}

#endif
