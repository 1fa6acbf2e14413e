// SPDX-License-Identifier: BSD-2-Clause
/* Each question with the commit that made its answer yes. */
#include "probe/kernel.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "base/mem.h"
#include "target/said.h"

#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#define CAP_BPF 39
#endif

#define FLOOR_MAJOR 5
#define FLOOR_MINOR 15

int kernel_parse(const char *release, unsigned *major, unsigned *minor)
{
	unsigned a, b;

	if (sscanf(release, "%u.%u", &a, &b) != 2)
		return -EINVAL;
	*major = a;
	*minor = b;
	return 0;
}

bool kernel_since(const struct kernel *kernel, unsigned major, unsigned minor)
{
	return kernel->major > major || (kernel->major == major && kernel->minor >= minor);
}

static void ask_capabilities(struct kernel *kernel)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {};

	if (syscall(SYS_capget, &head, data))
		return;
	kernel->cap_sys_admin = data[0].effective & (1u << CAP_SYS_ADMIN);
	kernel->cap_perfmon = data[1].effective & (1u << (CAP_PERFMON - 32));
	kernel->cap_bpf = data[1].effective & (1u << (CAP_BPF - 32));
}

/* Types that came with a feature and stay with it. */
static void ask_types(struct kernel *kernel)
{
	struct btf *btf = btf__load_vmlinux_btf();

	kernel->btf = btf != NULL;
	if (!btf)
		return;
	kernel->uprobe_multi =
		btf__find_by_name_kind(btf, "bpf_uprobe_multi_link", BTF_KIND_STRUCT) > 0;
	kernel->uprobes = btf__find_by_name_kind(btf, "uprobe", BTF_KIND_STRUCT) > 0;
	btf__free(btf);
}

static int read_number(const char *path, int otherwise)
{
	FILE *file = fopen(path, "re");
	int n;

	if (!file)
		return otherwise;
	if (fscanf(file, "%d", &n) != 1)
		n = otherwise;
	fclose(file);
	return n;
}

void kernel_ask(struct kernel *kernel)
{
	_said_ struct said said;
	struct utsname name;

	said_listen(&said);
	*kernel = (struct kernel){};
	if (!uname(&name)) {
		snprintf(kernel->release, sizeof(kernel->release), "%s", name.release);
		kernel_parse(name.release, &kernel->major, &kernel->minor);
	}
	ask_capabilities(kernel);
	ask_types(kernel);
	kernel->raw_tp = libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_RAW_TRACEPOINT, NULL) == 1;
	kernel->pid_filter = kernel_since(kernel, 6, 10);
	kernel->private_stack = kernel_since(kernel, 6, 13);
	kernel->nop5 = kernel_since(kernel, 6, 18);
	kernel->perf_paranoid = read_number("/proc/sys/kernel/perf_event_paranoid", -2);
}

static int check_rights(const struct kernel *k, struct err *err)
{
	if (k->cap_sys_admin || (k->cap_bpf && k->cap_perfmon))
		return 0;
	return err_set(
		err, -EPERM,
		"the right to load BPF programs is missing (%s%s%s); run it as root or give it "
		"CAP_BPF and CAP_PERFMON",
		k->cap_bpf ? "" : "CAP_BPF", !k->cap_bpf && !k->cap_perfmon ? ", " : "",
		k->cap_perfmon ? "" : "CAP_PERFMON");
}

int kernel_check(const struct kernel *k, struct err *err)
{
	int r;

	if (!kernel_since(k, FLOOR_MAJOR, FLOOR_MINOR))
		return err_set(
			err, -ENOSYS,
			"Linux %s is too old: %d.%d is the oldest whose uprobes carry a cookie",
			k->release, FLOOR_MAJOR, FLOOR_MINOR);
	r = check_rights(k, err);
	if (r)
		return r;
	if (!k->btf)
		return err_set(
			err, -ENOSYS,
			"the kernel's types are missing: /sys/kernel/btf/vmlinux cannot be read; "
			"use a kernel built with CONFIG_DEBUG_INFO_BTF and mount /sys");
	if (!k->uprobes)
		return err_set(err, -ENOSYS,
			       "this kernel has no uprobes (CONFIG_UPROBE_EVENTS is not set)");
	if (!k->uprobe_multi && !k->cap_sys_admin && k->perf_paranoid > 1)
		return err_set(err, -EPERM,
			       "Linux %s attaches uprobes only through perf events, which need "
			       "CAP_SYS_ADMIN while kernel.perf_event_paranoid is %d",
			       k->release, k->perf_paranoid);
	return 0;
}

size_t kernel_rows(const struct kernel *k, struct kernel_row *rows, size_t max)
{
	const struct kernel_row all[] = {
		{ "btf", "5.2 (CONFIG_DEBUG_INFO_BTF)",
		  "required: finds members of kernel structures", k->btf },
		{ "cmpxchg", "5.12, commit 5ffa25502b5a",
		  "required: takes places of the in-flight table", kernel_since(k, 5, 12) },
		{ "bpf_cookie", "5.15, commit 82e6b1eee6a8",
		  "required: tells one probed place from another", kernel_since(k, 5, 15) },
		{ "uprobe_multi", "6.6, commit 89ae89f53d20",
		  "one link for all places of a file; else one perf event each", k->uprobe_multi },
		{ "raw_tp", "4.17, commit c4f6699dfcb8",
		  "hears of processes at once; else /proc is read now and then", k->raw_tp },
		{ "pid_filter", "6.10, commit 46ba0e49b642",
		  "shared libraries are probed in nodes alone; else in whoever maps them",
		  k->pid_filter },
		{ "private_stack", "6.13, commit a76ab5731e32",
		  "frames of 64 bytes and more are unsafe; ours are smaller", k->private_stack },
		{ "nop5", "6.18, commit ba2bfc97b462",
		  "probed 5-byte nops become calls; the agent probes none", k->nop5 },
	};
	size_t n = ARRAY_SIZE(all) < max ? ARRAY_SIZE(all) : max;

	memcpy(rows, all, n * sizeof(*rows));
	return n;
}
