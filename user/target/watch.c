// SPDX-License-Identifier: BSD-2-Clause
/* Owns the programs of bpf/process.bpf.c and their ring buffer. */
#include "target/watch.h"

#include <errno.h>
#include <stdlib.h>

#include <bpf/libbpf.h>

#include "base/mem.h"
#include "target/pidns.h"
#include "target/said.h"

#include "bpf/process.skel.h"

struct watch {
	struct process_bpf *skel;
	struct ring_buffer *ring;
	watch_fn *fn; /* of the watch_events() that is running */
	void *arg;
};

static int hear(void *context, void *data, size_t size)
{
	struct watch *watch = context;
	const struct abi_event *event = data;

	if (size >= sizeof(*event) && watch->fn)
		watch->fn((enum abi_event_kind)event->kind, (pid_t)event->tgid, watch->arg);
	return 0;
}

int watch_open(struct watch **out, struct err *err)
{
	_cleanup_(watch_closep) struct watch *watch = mem_alloc(sizeof(*watch));
	_said_ struct said said;

	said_listen(&said);
	watch->skel = process_bpf__open();
	if (!watch->skel)
		return said_err(&said, err, -errno, "cannot read the process programs");
	watch->skel->rodata->agent_pid_ns = pidns_own();
	if (process_bpf__load(watch->skel))
		return said_err(&said, err, -errno, "cannot load the process programs");
	watch->ring = ring_buffer__new(bpf_map__fd(watch->skel->maps.events), hear, watch, NULL);
	if (!watch->ring)
		return said_err(&said, err, -errno, "cannot map the ring of process events");
	if (process_bpf__attach(watch->skel))
		return said_err(&said, err, -errno,
				"cannot attach to the exec and exit tracepoints");
	*out = TAKE_PTR(watch);
	return 0;
}

void watch_close(struct watch *watch)
{
	if (!watch)
		return;
	process_bpf__destroy(watch->skel);
	ring_buffer__free(watch->ring);
	free(watch);
}

void watch_closep(struct watch **watch)
{
	watch_close(*watch);
}

int watch_fd(const struct watch *watch)
{
	return ring_buffer__epoll_fd(watch->ring);
}

int watch_events(struct watch *watch, watch_fn *fn, void *arg)
{
	int n;

	watch->fn = fn;
	watch->arg = arg;
	n = ring_buffer__consume(watch->ring);
	watch->fn = NULL;
	return n;
}

uint64_t watch_lost(const struct watch *watch)
{
	return __atomic_load_n(&watch->skel->bss->events_lost, __ATOMIC_RELAXED);
}
