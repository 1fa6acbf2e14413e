// SPDX-License-Identifier: BSD-2-Clause
/* From a running executable to its probes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "cmd/agent.h"
#include "symbol/peek.h"
#include "symbol/resolve.h"
#include "symbol/resolving.h"
#include "target/lease.h"

static double monotonic(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Whether this is the build that --debug is of. */
static bool of_debug_file(const struct agent *agent, const struct exe *exe)
{
	const struct debugfile_says *debug = &agent->debug;

	return exe->n_build_id && exe->n_build_id == debug->n_build_id &&
	       memcmp(exe->build_id, debug->build_id, exe->n_build_id) == 0;
}

bool binary_may_be_ours(const struct agent *agent, const struct exe *exe, int fd)
{
	struct source_options from = { .folder = DEBUGFILE_FOLDER };

	return packs_find_exe(&agent->packs, exe, fd) || of_debug_file(agent, exe) ||
	       peek_may_have(fd, agent->profile) || source_may_be(&from, fd);
}

/* Number of the instances in each state, of all functions that it may have. */
static void summary(const struct agent *agent, const struct plan *plan,
		    unsigned counts[PLAN_ABSENT + 1])
{
	for (size_t f = 0; f < agent->profile->n_funcs; f++) {
		size_t func = plan_find_func(plan, agent->profile->funcs[f].name);

		if (func == SIZE_MAX || !plan_shows(plan, agent->profile, f))
			continue;
		for (size_t i = 0; i < plan->n_rows; i++)
			counts[plan->rows[i].state] += plan->rows[i].func == func;
	}
}

/* Adds the libraries that it does not use. */
static void list_unused(const struct agent *agent, const struct binary *b, struct strbuf *out)
{
	for (unsigned part = 0; part < agent->profile->n_parts; part++)
		if (!plan_uses(b->plan, agent->profile, part))
			strbuf_printf(out, "%s %s", out->len ? "," : "; not used:",
				      agent->profile->parts[part].name);
}

/* What compile or the kernel refused becomes part of the row that people see. */
static void note_refusals(struct binary *b)
{
	const struct attach_refusal *attach = NULL;
	size_t n = 0;

	compiled_note(b->compiled, b->plan);
	if (b->attachment)
		attach = attach_refusals(b->attachment, &n);
	for (size_t i = 0; i < n; i++)
		plan_refuse_row(&b->plan->rows[attach[i].instance], true, attach[i].reason);
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

/* A debug file is for the executable that the user named, else for those of its build. */
static struct source_options source_options(const struct agent *agent, const struct binary *b)
{
	bool debug = agent->options->exe || agent->options->pid || of_debug_file(agent, &b->exe);

	return (struct source_options){ .debug = debug ? agent->options->debug : NULL,
					.folder = DEBUGFILE_FOLDER,
					.server = agent->options->debuginfod,
					.library = b->library };
}

/* A plan that came as a pack does not say of which library it is. */
static void note_library(struct binary *b)
{
	if (b->plan && b->library && !b->plan->library)
		b->plan->library = mem_strdup(b->library);
}

/* The rows say it too: whatever is not probed has its reason there. */
void binary_set_trouble(struct agent *agent, struct binary *b, const char *why)
{
	bool said = b->trouble && strcmp(b->trouble, why) == 0;

	free(b->trouble);
	b->trouble = mem_strdup(why);
	if (!b->plan) {
		b->plan = mem_alloc(sizeof(*b->plan));
		b->plan->binary = mem_strdup(b->path);
	}
	note_library(b);
	for (size_t r = 0; r < b->plan->n_rows; r++)
		if (b->plan->rows[r].state <= PLAN_PARTIAL)
			plan_refuse_row(&b->plan->rows[r], true, why);
	plan_add_missing_rows(b->plan, agent->profile, PLAN_REFUSED, why);
	/* on the first look it is the error of the end, but for a library */
	if (!said &&
	    (agent->looked || b->library || (!agent->options->exe && !agent->options->pid)))
		log_warn(agent->log, "%s", why);
}

/* The user named this very executable, by a flag or by putting its pack in place. */
static bool named(const struct agent *agent, const struct binary *b)
{
	return agent->options->exe || agent->options->pid || of_debug_file(agent, &b->exe) ||
	       b->pack || b->library;
}

/* From now on nobody writes to the file, or we are told in time; and what we know of
 * it is read anew, for it may have changed before. */
static int hold(const struct agent *agent, struct binary *b, struct err *err)
{
	int r = lease_take(b->fd);

	b->leased = r == 0;
	b->idle = r == -EAGAIN;
	if (b->idle)
		return err_set(err, r,
			       "%s is open for writing: it is probed when it is whole, so let "
			       "whoever writes it finish",
			       b->path);
	r = exe_read(b->fd, b->path, &b->exe, err);
	b->pack = r == 0 ? packs_find_exe(&agent->packs, &b->exe, b->fd) : NULL;
	return r;
}

/* The plan must have been made from this very code. */
static int check_build(struct binary *b, struct err *err)
{
	int r = exe_hash(b->fd, b->path, b->code, err);

	if (r < 0 || !b->plan->has_code || !memcmp(b->code, b->plan->code, sizeof(b->code)))
		return r;
	return err_set(err, -ESTALE,
		       "%s has the build-id that %s names but not its code: one of them was "
		       "patched, so where to probe is not known; make the pack again from the file "
		       "that runs",
		       b->path, b->source);
}

/* Has a child look for the functions; the loop hears when it is done. */
static int begin_resolving(struct agent *agent, struct binary *b, const struct source_options *from,
			   struct err *err)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int r = resolving_begin(b->fd, b->path, from, agent->profile, &b->resolving, err);

	if (r < 0)
		return r;
	ev.data.fd = resolving_fd(b->resolving);
	if (epoll_ctl(agent->epoll, EPOLL_CTL_ADD, ev.data.fd, &ev) < 0) {
		r = err_set(err, -errno, "cannot wait for events: %s", strerror(errno));
		resolving_end(TAKE_PTR(b->resolving), &b->plan, NULL);
	}
	return r;
}

/* A pack of exactly this build comes first: it was made from the build itself. */
static int make_plan(struct agent *agent, struct binary *b, struct err *err)
{
	struct source_options from = source_options(agent, b);

	if (b->pack) {
		b->source = mem_printf("the pack %s", b->pack->path);
		return packs_load(b->pack, agent->profile, &b->plan, err);
	}
	if (agent->epoll >= 0)
		return begin_resolving(agent, b, &from, err);
	return resolve_plan_apart(b->fd, b->path, &from, agent->profile, &b->plan, err);
}

static int use_plan(struct agent *agent, struct binary *b, struct err *err)
{
	int r;

	if (!b->source)
		b->source = mem_strdup(b->plan->source);
	r = check_build(b, err);
	if (r == 0)
		r = set_probes(agent, b, b->fd, err);
	if (b->compiled)
		note_refusals(b);
	return r;
}

static void forget_plan(struct binary *b)
{
	plan_free(TAKE_PTR(b->plan));
	free(TAKE_PTR(b->source));
	compiled_free(TAKE_PTR(b->compiled));
}

/* There is a plan, or @r and @err say why not. */
static void finish(struct agent *agent, struct binary *b, int r, struct err *err)
{
	unsigned counts[PLAN_ABSENT + 1] = {};
	_strbuf_ struct strbuf unused = {};
	size_t sites = 0;

	b->resolve_seconds = monotonic() - b->began;
	note_library(b);
	if (r == 0)
		r = use_plan(agent, b, err);
	if (r < 0)
		binary_take_off(b);
	if (r == -ENOENT && !named(agent, b)) {
		/* it only speaks of functions of these names, as a test driver does */
		log_debug(agent->log, "%s", err->text);
		b->ours = false;
		forget_plan(b);
		return;
	}
	if (r < 0) {
		binary_set_trouble(agent, b, err->text);
		return;
	}
	free(TAKE_PTR(b->trouble));
	b->probed = true;
	attach_sites(b->attachment, &sites);
	summary(agent, b->plan, counts);
	list_unused(agent, b, &unused);
	log_info(
		agent->log,
		"%s: %zu sites attached, resolved from %s in %.2f s; instances: %u ready, %u partial, "
		"%u refused, %u functions absent%s",
		b->path, sites, b->source, b->resolve_seconds, counts[PLAN_READY],
		counts[PLAN_PARTIAL], counts[PLAN_REFUSED], counts[PLAN_ABSENT],
		unused.len ? unused.text : "");
}

void binary_probe(struct agent *agent, struct binary *b, int fd)
{
	bool again = b->plan && b->probed && !b->trouble; /* its probes only rested */
	struct err err = {};
	int r;

	if (!again)
		forget_plan(b);
	b->fd = fd;
	if (!b->library &&
	    !agent_has_functions(agent)) /* it is watched, and nothing in it is probed */
		return;
	b->began = monotonic();
	r = hold(agent, b, &err);
	if (r == 0 && !again)
		r = make_plan(agent, b, &err);
	if (!b->resolving)
		finish(agent, b, r, &err);
}

bool binary_resolved(struct agent *agent, struct binary *b)
{
	struct err err = {};
	int r;

	if (!b->resolving || !resolving_over(b->resolving))
		return false;
	r = resolving_end(TAKE_PTR(b->resolving), &b->plan, &err);
	finish(agent, b, r, &err);
	return true;
}

void binary_take_off(struct binary *b)
{
	attach_close(TAKE_PTR(b->attachment));
	if (b->leased)
		lease_give(b->fd);
	b->leased = false;
	if (b->resolving)
		resolving_end(TAKE_PTR(b->resolving), &b->plan, NULL);
	if (b->fd >= 0)
		close(TAKE_FD(b->fd));
	compiled_free(TAKE_PTR(b->compiled));
}

void binary_free(struct binary *b)
{
	binary_take_off(b);
	forget_plan(b);
	free(b->trouble);
	free(b->library);
	free(b->path);
	free(b);
}
