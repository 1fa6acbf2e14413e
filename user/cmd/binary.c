// SPDX-License-Identifier: BSD-2-Clause
/* From a running executable to its probes. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd/agent.h"
#include "symbol/peek.h"
#include "symbol/resolve.h"

static double monotonic(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static struct binary *known(const struct agent *agent, const struct exe *exe)
{
	for (size_t i = 0; i < agent->binaries.n; i++)
		if (exe_same(&agent->binaries.at[i]->exe, exe))
			return agent->binaries.at[i];
	return NULL;
}

static char *path_of(pid_t tgid)
{
	char link[64], path[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%d/exe", tgid);
	n = readlink(link, path, sizeof(path) - 1);
	if (n <= 0)
		return mem_printf("/proc/%d/exe", tgid);
	path[n] = '\0';
	return mem_strdup(path);
}

const struct pack_file *binary_pack(const struct agent *agent, const struct exe *exe, int fd)
{
	uint8_t code[EXE_HASH_SIZE];

	if (exe->n_build_id)
		return packs_find(&agent->packs, exe->build_id, exe->n_build_id);
	if (!packs_know_code(&agent->packs) || exe_hash(fd, "", code, NULL) < 0)
		return NULL;
	return packs_find_code(&agent->packs, code);
}

/* Whether this is the build that --debug is of. */
static bool of_debug_file(const struct agent *agent, const struct exe *exe)
{
	const struct debugfile_says *debug = &agent->debug;

	return exe->n_build_id && exe->n_build_id == debug->n_build_id &&
	       memcmp(exe->build_id, debug->build_id, exe->n_build_id) == 0;
}

/* Whether it may be a node at all: asked of every process, so it must be cheap. */
static bool may_be_ours(const struct agent *agent, const struct exe *exe, int fd)
{
	struct source_options from = { .folder = DEBUGFILE_FOLDER };

	return of_debug_file(agent, exe) || peek_may_have(fd, agent->profile) ||
	       source_may_be(&from, fd);
}

static bool wanted_explicitly(const struct agent *agent, const struct exe *exe, pid_t tgid)
{
	if (agent->options->exe)
		return exe_same_place(agent->only.place, exe->place);
	return agent->options->pid == tgid;
}

struct binary *binary_find(struct agent *agent, pid_t tgid, struct err *err)
{
	_close_ int fd = -1;
	struct binary *binary;
	struct exe exe;

	if (exe_of_process(tgid, &fd, &exe, err) < 0)
		return NULL;
	binary = known(agent, &exe);
	if (binary)
		return binary;
	binary = mem_alloc(sizeof(*binary));
	binary->exe = exe;
	binary->path = path_of(tgid);
	*VEC_ADD(&agent->binaries) = binary;
	binary->pack = binary_pack(agent, &exe, fd);
	binary->ours = wanted_explicitly(agent, &exe, tgid) || binary->pack ||
		       may_be_ours(agent, &exe, fd);
	if (binary->ours)
		binary_probe(agent, binary, fd);
	return binary;
}

void binary_summary(const struct binary *binary, unsigned counts[PLAN_ABSENT + 1])
{
	memset(counts, 0, (PLAN_ABSENT + 1) * sizeof(*counts));
	for (size_t i = 0; binary->plan && i < binary->plan->n_rows; i++)
		counts[binary->plan->rows[i].state]++;
}

/* What compile or the kernel refused becomes part of the row that people see. */
static void refuse_row(struct plan_row *row, bool whole, const char *reason)
{
	char *text = row->reason ? mem_printf("%s; %s", row->reason, reason) : mem_strdup(reason);

	free(row->reason);
	row->reason = text;
	if (whole)
		row->state = PLAN_REFUSED;
	else if (row->state == PLAN_READY)
		row->state = PLAN_PARTIAL;
}

static void note_refusals(struct binary *b)
{
	const struct attach_refusal *attach = NULL;
	size_t n = 0;

	for (size_t i = 0; i < b->compiled->n_refusals; i++)
		refuse_row(&b->plan->rows[b->compiled->refusals[i].instance],
			   b->compiled->refusals[i].whole, b->compiled->refusals[i].reason);
	if (b->attachment)
		attach = attach_refusals(b->attachment, &n);
	for (size_t i = 0; i < n; i++)
		refuse_row(&b->plan->rows[attach[i].instance], true, attach[i].reason);
}

static int set_probes(struct agent *agent, struct binary *b, int fd, struct err *err)
{
	int r = compile_plan(agent->layout, b->plan, &b->compiled, err);

	if (r < 0)
		return r;
	if (!b->compiled->n_sites)
		return err_set(
			err, -ENOENT, "%s has no function of the profile %s that can be probed: %s",
			b->path, agent->profile->name,
			b->plan->n_rows && b->plan->rows[0].reason ? b->plan->rows[0].reason :
								     "it has none at all");
	return attach_open(agent->maps, &agent->kernel, fd, b->plan, b->compiled, &b->attachment,
			   err);
}

/* Functions of the profile that a pack does not speak of: it was made with another profile. */
static void add_absent_rows(const struct profile *profile, struct plan *plan)
{
	for (size_t f = 0; f < profile->n_funcs; f++) {
		size_t i = 0;

		while (i < plan->n_funcs &&
		       strcmp(plan->funcs[i].name, profile->funcs[f].name) != 0)
			i++;
		if (i < plan->n_funcs)
			continue;
		plan->funcs = mem_grow(plan->funcs, plan->n_funcs + 1, sizeof(*plan->funcs));
		plan->funcs[plan->n_funcs].name = mem_strdup(profile->funcs[f].name);
		plan_add_row(
			plan, (unsigned)plan->n_funcs++, PLAN_ABSENT, mem_strdup("nowhere"), NULL,
			mem_strdup("the pack was made for a profile without this function: make "
				   "it anew with this one"));
	}
}

/* A debug file is for the executable that the user named, else for those of its build. */
static struct source_options source_options(const struct agent *agent, const struct binary *b)
{
	bool debug = agent->options->exe || agent->options->pid || of_debug_file(agent, &b->exe);

	return (struct source_options){ .debug = debug ? agent->options->debug : NULL,
					.folder = DEBUGFILE_FOLDER };
}

/* A pack of exactly this build comes first: it was made from the build itself. */
static int make_plan(struct agent *agent, struct binary *b, int fd, struct err *err)
{
	struct source_options from = source_options(agent, b);
	int r;

	if (!b->pack) {
		r = resolve_plan_apart(fd, b->path, &from, agent->profile, &b->plan, err);
		if (r == 0)
			b->source = mem_strdup(b->plan->source);
		return r;
	}
	b->source = mem_printf("the pack %s", b->pack->path);
	r = packs_load(b->pack, &b->plan, err);
	if (r == 0)
		add_absent_rows(agent->profile, b->plan);
	return r;
}

/* The user named this very executable, by a flag or by putting its pack in place. */
static bool named(const struct agent *agent, const struct binary *b)
{
	return agent->options->exe || agent->options->pid || of_debug_file(agent, &b->exe) ||
	       b->pack;
}

void binary_probe(struct agent *agent, struct binary *b, int fd)
{
	unsigned counts[PLAN_ABSENT + 1];
	double began = monotonic();
	struct err err = {};
	size_t sites = 0;
	int r = make_plan(agent, b, fd, &err);

	b->resolve_seconds = monotonic() - began;
	if (r == 0)
		r = set_probes(agent, b, fd, &err);
	if (b->compiled)
		note_refusals(b);
	if (r == -ENOENT && !named(agent, b)) {
		/* it only speaks of functions of these names, as a test driver does */
		log_debug(agent->log, "%s", err.text);
		b->ours = false;
		plan_free(TAKE_PTR(b->plan));
		return;
	}
	if (r < 0) {
		b->trouble = mem_strdup(err.text);
		if (!agent->options->exe &&
		    !agent->options->pid) /* else it is the error of the end */
			log_warn(agent->log, "%s", err.text);
		return;
	}
	attach_sites(b->attachment, &sites);
	binary_summary(b, counts);
	log_info(
		agent->log,
		"%s: %zu sites attached, resolved from %s in %.2f s; instances: %u ready, %u partial, "
		"%u refused, %u functions absent",
		b->path, sites, b->source, b->resolve_seconds, counts[PLAN_READY],
		counts[PLAN_PARTIAL], counts[PLAN_REFUSED], counts[PLAN_ABSENT]);
}

void binary_free(struct agent *agent, struct binary *b)
{
	attach_close(b->attachment);
	compiled_free(b->compiled);
	plan_free(b->plan);
	free(b->trouble);
	free(b->source);
	free(b->path);
	free(b);
}
