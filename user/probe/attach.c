// SPDX-License-Identifier: BSD-2-Clause
/* Prepare, check, attach; a refused batch is halved until the guilty site is found. */
#include "probe/attach.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "base/mem.h"
#include "target/exe.h"
#include "target/said.h"

#define ALL_PROCESSES (-1)

struct attachment {
	struct maps *maps;
	struct maps_range range;
	bool *on; /* by compiled site: to be probed, not refused */
	size_t n_sites, n_on;
	bool by_process; /* probed in those processes alone that attach_process() names */
	VEC(struct attached {
		struct bpf_link *link;
		pid_t pid; /* or ALL_PROCESSES */
	})
	links; /* in the order in which they are taken off */
	VEC(struct attach_refusal) refusals;
};

/* What one attempt works on. */
struct job {
	struct attachment *a;
	const struct plan *plan;
	const struct compiled *compiled;
	char path[32];
	size_t *sites; /* compiled sites of one program that are on */
	size_t n;
	bool start;
	pid_t pid; /* to be probed in, or ALL_PROCESSES */
};

/* ---- checks ------------------------------------------------------------------------ */

static int differs(const struct plan *plan, const struct plan_site *site, const uint8_t *found,
		   size_t n, struct err *err)
{
	char want[3 * PLAN_BYTES_MAX + 1] = "", have[3 * PLAN_BYTES_MAX + 1] = "";

	for (size_t i = 0; i < site->n_bytes; i++)
		snprintf(want + 3 * i, 4, " %02x", site->bytes[i]);
	for (size_t i = 0; i < n; i++)
		snprintf(have + 3 * i, 4, " %02x", found[i]);
	return err_set(
		err, -ESTALE,
		"the plan was made for another build: %s should have%s at offset 0x%llx, the "
		"running file has%s; make the plan again from the build that runs",
		plan->binary ? plan->binary : "it", want, (unsigned long long)site->offset,
		n ? have : " nothing there");
}

/* A breakpoint anywhere else would not be run but read as data, and change it. */
static int no_code(const struct plan *plan, const struct plan_site *site, struct err *err)
{
	return err_set(err, -ESTALE,
		       "the plan has a site at offset 0x%llx, where %s has no code; make the plan "
		       "again from the build that runs",
		       (unsigned long long)site->offset,
		       plan->binary ? plan->binary : "the program");
}

int attach_compare(int fd, const struct plan *plan, const struct compiled *compiled,
		   struct err *err)
{
	_free_ struct exe_code *code = NULL;
	size_t n_code = 0;
	int r = exe_read_code(fd, plan->binary ? plan->binary : "the program", &code, &n_code, err);

	if (r)
		return r;
	for (size_t i = 0; i < compiled->n_sites; i++) {
		const struct plan_site *site = &plan->sites[compiled->from[i]];
		uint8_t found[PLAN_BYTES_MAX];
		ssize_t n;

		if (site->offset > INT64_MAX ||
		    !exe_is_code(code, n_code, site->offset, site->n_bytes))
			return no_code(plan, site, err);
		do
			n = pread(fd, found, site->n_bytes, (off_t)site->offset);
		while (n < 0 && errno == EINTR);
		if (n < 0)
			return err_set(err, -errno, "cannot read the program's code: %s",
				       strerror(errno));
		if ((size_t)n != site->n_bytes || memcmp(found, site->bytes, site->n_bytes) != 0)
			return differs(plan, site, found, (size_t)n, err);
	}
	return 0;
}

const char *attach_unsafe(const struct kernel *kernel, const struct plan_site *site)
{
	static const uint8_t nop5[] = { 0x0f, 0x1f, 0x44, 0x00, 0x00 };

	if (kernel->nop5 && site->n_bytes == sizeof(nop5) &&
	    !memcmp(site->bytes, nop5, sizeof(nop5)))
		return "the place is a 5-byte nop, which this kernel replaces by a call that can "
		       "damage the caller's stack";
	return NULL;
}

static void refuse(struct attachment *a, const struct plan *plan, const struct compiled *compiled,
		   size_t at, char *reason)
{
	unsigned instance = plan->sites[compiled->from[at]].instance;

	*VEC_ADD(&a->refusals) = (struct attach_refusal){
		.instance = instance,
		.site = compiled->from[at],
		.reason = reason,
	};
	/* A start without ends, or ends without a start, would count nonsense. */
	for (size_t i = 0; i < compiled->n_sites; i++) {
		if (a->on[i] && plan->sites[compiled->from[i]].instance == instance) {
			a->on[i] = false;
			a->n_on--;
		}
	}
}

static void refuse_unsafe(struct attachment *a, const struct kernel *kernel,
			  const struct plan *plan, const struct compiled *compiled)
{
	for (size_t i = 0; i < compiled->n_sites; i++) {
		const char *why = attach_unsafe(kernel, &plan->sites[compiled->from[i]]);

		if (why && a->on[i])
			refuse(a, plan, compiled, i, mem_strdup(why));
	}
}

/* ---- attaching ---------------------------------------------------------------------- */

static uint64_t offset_of(const struct job *job, size_t at)
{
	return job->plan->sites[job->compiled->from[at]].offset;
}

/* One link for the sites [from, from + n) of the job. */
static struct bpf_link *link_sites(const struct job *job, size_t from, size_t n)
{
	const struct bpf_program *program = maps_program(job->a->maps, job->start);
	_free_ unsigned long *offsets = mem_array(n, sizeof(*offsets));
	_free_ __u64 *cookies = mem_array(n, sizeof(*cookies));
	LIBBPF_OPTS(bpf_uprobe_multi_opts, multi, .offsets = offsets, .cookies = cookies, .cnt = n);
	LIBBPF_OPTS(bpf_uprobe_opts, one, );

	for (size_t i = 0; i < n; i++) {
		offsets[i] = offset_of(job, job->sites[from + i]);
		cookies[i] = job->a->range.site + job->sites[from + i];
	}
	if (maps_multi(job->a->maps))
		return bpf_program__attach_uprobe_multi(program, job->pid, job->path, NULL, &multi);
	one.bpf_cookie = cookies[0];
	return bpf_program__attach_uprobe_opts(program, job->pid, job->path, offsets[0], &one);
}

/* Finds one site that the kernel refuses when it is alone, within a batch that
 * it refused. Returns the errno for it; *@guilty is the job's index. */
static int find_guilty(const struct job *job, size_t from, size_t n, size_t *guilty)
{
	while (n > 1) {
		size_t half = n / 2;
		struct bpf_link *link = link_sites(job, from, half);

		if (link) {
			bpf_link__destroy(link);
			from += half;
			n -= half;
		} else {
			n = half;
		}
	}
	struct bpf_link *link = link_sites(job, from, n);
	int r = link ? 0 : -errno;

	bpf_link__destroy(link);
	*guilty = from;
	return r;
}

static const char *meaning(int code)
{
	switch (code) {
	case -EOPNOTSUPP:
	case -524: /* ENOTSUPP of the kernel */
		return "the kernel cannot probe this instruction";
	case -EINVAL:
		return "the kernel takes this place for no instruction of the program";
	case -ENOEXEC:
		return "the kernel takes the bytes there for no instruction";
	default:
		return strerror(-code);
	}
}

static bool hopeless(int code)
{
	return code == -EPERM || code == -EACCES || code == -ENOMEM || code == -EMFILE ||
	       code == -ENOENT || code == -ENOSYS;
}

/* The batch was refused: leaves the guilty instance out, or says why nothing
 * can be attached. */
static int blame(const struct job *job, const struct said *said, int code, struct err *err)
{
	size_t guilty = 0;
	int r;

	if (hopeless(code))
		return said_err(said, err, code, "cannot set probes in %s",
				job->plan->binary ? job->plan->binary : "the program");
	r = find_guilty(job, 0, job->n, &guilty);
	if (r == 0)
		return said_err(said, err, code,
				"the kernel refuses %zu probes together but not one alone", job->n);
	refuse(job->a, job->plan, job->compiled, job->sites[guilty],
	       mem_printf("%s (offset 0x%llx, error %d)", meaning(r),
			  (unsigned long long)offset_of(job, job->sites[guilty]), -r));
	return 0;
}

/* Attaches one program to its sites. Returns 1 when an instance was refused and
 * all is to be tried again without it. */
static int attach_program(struct job *job, struct err *err)
{
	struct attachment *a = job->a;
	size_t batch;
	int r;

	job->n = 0;
	for (size_t i = 0; i < job->compiled->n_sites; i++)
		if (a->on[i] && (job->compiled->sites[i].kind == ABI_SITE_START) == job->start)
			job->sites[job->n++] = i;
	batch = maps_multi(a->maps) ? job->n : 1;
	for (size_t from = 0; from < job->n; from += batch) {
		_said_ struct said said;
		struct bpf_link *link;

		said_listen(&said);
		link = link_sites(job, from, batch);
		if (link) {
			*VEC_ADD(&a->links) = (struct attached){ link, job->pid };
			continue;
		}
		r = -errno;
		if (batch == 1) { /* no other site can be guilty */
			job->sites[0] = job->sites[from];
			job->n = 1;
		}
		r = blame(job, &said, r, err);
		return r ? r : 1;
	}
	return 0;
}

/* Takes off what was set for one process, or for all of them together. */
static void detach(struct attachment *a, pid_t pid)
{
	size_t kept = 0;

	/* The last one set are starts: they go first. */
	for (size_t i = a->links.n; i-- > 0;) {
		if (a->links.at[i].pid != pid)
			continue;
		bpf_link__destroy(a->links.at[i].link);
		a->links.at[i].link = NULL;
	}
	for (size_t i = 0; i < a->links.n; i++)
		if (a->links.at[i].link)
			a->links.at[kept++] = a->links.at[i];
	a->links.n = kept;
}

static int attach_all(struct job *job, struct err *err)
{
	int r;

	do {
		detach(job->a, job->pid);
		job->start = false;
		r = attach_program(job, err);
		if (r)
			continue;
		job->start = true;
		r = attach_program(job, err);
	} while (r == 1);
	return r;
}

/* ---- the whole ---------------------------------------------------------------------- */

static int attach_in(struct attachment *a, int fd, const struct plan *plan,
		     const struct compiled *compiled, pid_t pid, struct err *err)
{
	_free_ size_t *sites = mem_array(compiled->n_sites, sizeof(*sites));
	struct job job = { .a = a, .plan = plan, .compiled = compiled, .sites = sites, .pid = pid };

	snprintf(job.path, sizeof(job.path), "/proc/self/fd/%d", fd);
	return attach_all(&job, err);
}

int attach_open(struct maps *maps, const struct kernel *kernel, int fd, const struct plan *plan,
		const struct compiled *compiled, struct attachment **out, struct err *err)
{
	_cleanup_(attach_closep) struct attachment *a = mem_alloc(sizeof(*a));
	int r = attach_compare(fd, plan, compiled, err);

	if (r)
		return r;
	a->n_sites = a->n_on = compiled->n_sites;
	a->on = mem_array(a->n_sites, sizeof(*a->on));
	memset(a->on, true, a->n_sites * sizeof(*a->on));
	r = maps_put_sites(maps, compiled->sites, compiled->n_sites, compiled->values,
			   compiled->n_values, &a->range, err);
	if (r)
		return r;
	a->maps = maps;
	refuse_unsafe(a, kernel, plan, compiled);
	/* where the kernel filters one thread and not its process, all are probed */
	a->by_process = plan->library && (kernel->pid_filter || !maps_multi(maps));
	if (!a->by_process)
		r = attach_in(a, fd, plan, compiled, ALL_PROCESSES, err);
	if (r)
		return r;
	*out = TAKE_PTR(a);
	return 0;
}

int attach_process(struct attachment *a, int fd, const struct plan *plan,
		   const struct compiled *compiled, pid_t pid, struct err *err)
{
	int r = a->by_process ? attach_in(a, fd, plan, compiled, pid, err) : 0;

	if (r)
		detach(a, pid);
	return r;
}

void attach_leave(struct attachment *a, pid_t pid)
{
	if (a->by_process)
		detach(a, pid);
}

int attach_seen(const struct attachment *a, const struct plan *plan,
		const struct compiled *compiled, const struct mapped *mapped)
{
	for (size_t i = 0; i < compiled->n_sites; i++) {
		const struct plan_site *site = &plan->sites[compiled->from[i]];
		uint8_t found[PLAN_BYTES_MAX];
		int r;

		if (!a->on[i])
			continue;
		r = mapped_read(mapped, site->offset, found, site->n_bytes);
		if (r)
			return r;
		/* a breakpoint, or on newer kernels a call, has taken its place */
		if (memcmp(found, site->bytes, site->n_bytes) == 0)
			return -ESTALE;
	}
	return 0;
}

void attach_close(struct attachment *a)
{
	if (!a)
		return;
	while (a->links.n)
		detach(a, a->links.at[a->links.n - 1].pid);
	if (a->maps)
		maps_take_sites(a->maps, &a->range);
	for (size_t i = 0; i < a->refusals.n; i++)
		free(a->refusals.at[i].reason);
	free(a->refusals.at);
	free(a->links.at);
	free(a->on);
	free(a);
}

void attach_closep(struct attachment **a)
{
	attach_close(*a);
}

unsigned attach_file(const struct attachment *a)
{
	return a->range.file;
}

int attach_add_node(const struct attachment *a, unsigned slot, struct err *err)
{
	return maps_add_library(a->maps, slot, a->range.file, err);
}

void attach_remove_node(const struct attachment *a, unsigned slot, struct maps_lost *lost)
{
	maps_remove_library(a->maps, slot, &a->range, lost);
}

size_t attach_sites(const struct attachment *a, size_t *wanted)
{
	if (wanted)
		*wanted = a->n_sites;
	return a->n_on;
}

const struct attach_refusal *attach_refusals(const struct attachment *a, size_t *n)
{
	*n = a->refusals.n;
	return a->refusals.at;
}
