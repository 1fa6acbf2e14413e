// SPDX-License-Identifier: BSD-2-Clause
#include "probe/stats.h"

#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

int stats_enable(int *fd, struct err *err)
{
	int r = bpf_enable_stats(BPF_STATS_RUN_TIME);

	if (r < 0)
		return err_set(
			err, r,
			"the kernel does not count run times for us: %s; CAP_SYS_ADMIN is needed",
			strerror(-r));
	*fd = r;
	return 0;
}

int stats_read(const struct bpf_program *program, struct stats *out, struct err *err)
{
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);
	int r = bpf_prog_get_info_by_fd(bpf_program__fd(program), &info, &size);

	if (r)
		return err_set(err, r, "cannot ask about program %s: %s",
			       bpf_program__name(program), strerror(-r));
	*out = (struct stats){
		.name = bpf_program__name(program),
		.run_time_ns = info.run_time_ns,
		.run_cnt = info.run_cnt,
		.recursion_misses = info.recursion_misses,
	};
	return 0;
}
