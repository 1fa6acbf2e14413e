// SPDX-License-Identifier: BSD-2-Clause
/*
 * Shared libraries in nodes. A node is known by its executable; what it maps beside that is
 * looked for when it begins, often at first, for the loader takes a moment and programs load
 * some libraries only when they need them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/agent.h"
#include "target/library.h"
#include "target/mapped.h"

#define HURRY_MS 1000ull /* so long after a process began it is looked at often, */
#define LEAST_MS 5       /* at first this often */
#define MS_NS 1000000ull

int shared_open(struct agent *agent, struct err *err)
{
	size_t n = profile_libraries(agent->profile, agent->libraries, ABI_NODE_LIBRARIES);

	agent->n_libraries = n < ABI_NODE_LIBRARIES ? n : ABI_NODE_LIBRARIES;
	if (n <= ABI_NODE_LIBRARIES)
		return 0;
	return err_set(err, -E2BIG,
		       "the profile %s has functions of %zu shared libraries, at most %d will do; "
		       "use fewer profiles at once",
		       agent->profile->name, n, ABI_NODE_LIBRARIES);
}

/* --- leaving ---------------------------------------------------------------------------------- */

static void leave(struct agent *agent, struct node *node, size_t i)
{
	struct binary *b = node->libraries[i];

	node->libraries[i] = NULL;
	if (!b || !b->attachment)
		return;
	attach_leave(b->attachment, node->tgid);
	attach_remove_node(b->attachment, node->slot, &node->lost[LOST_PROBES_OFF]);
	log_debug(agent->log, "node %s (pid %d): %s is not probed any more", node->id, node->tgid,
		  b->path);
}

void shared_leave(struct agent *agent, struct node *node)
{
	for (size_t i = 0; i < agent->n_libraries; i++)
		leave(agent, node, i);
}

void shared_leave_all(struct agent *agent, const struct binary *library)
{
	for (size_t n = 0; library->library && n < agent->nodes.n; n++)
		for (size_t i = 0; i < agent->n_libraries; i++)
			if (agent->nodes.at[n]->libraries[i] == library)
				leave(agent, agent->nodes.at[n], i);
}

bool shared_is_run(const struct agent *agent, const struct binary *library)
{
	for (size_t n = 0; library->library && n < agent->nodes.n; n++)
		for (size_t i = 0; i < agent->n_libraries; i++)
			if (agent->nodes.at[n]->libraries[i] == library)
				return true;
	return false;
}

/* --- joining ---------------------------------------------------------------------------------- */

/* Whether the probes stand in what the process executes, as for executables. */
static bool stands(const struct agent *agent, const struct node *node, const struct binary *b,
		   const struct library *found)
{
	_mapped_ struct mapped mapped = { .mem = -1 };
	struct err err = {};
	int r = mapped_open_library(node->tgid, b->fd, found->at, found->offset, &mapped, &err);

	if (r == 0)
		r = attach_seen(b->attachment, b->plan, b->compiled, &mapped);
	else
		log_debug(agent->log, "pid %d: %s is not compared: %s", node->tgid, b->path,
			  err.text);
	return r != -ESTALE;
}

/* Its calls count from now on. */
static void join(struct agent *agent, struct node *node, size_t i, struct binary *b,
		 const struct library *found)
{
	struct err err = {};
	int r = attach_process(b->attachment, b->fd, b->plan, b->compiled, node->tgid, &err);

	if (r == 0 && !stands(agent, node, b, found))
		r = err_set(&err, -ESTALE, "the file that the process maps is another one");
	if (r == 0)
		r = attach_add_node(b->attachment, node->slot, &err);
	node->libraries[i] = b; /* also where it failed: it would fail again */
	if (r == 0) {
		log_info(agent->log, "node %s (pid %d) maps %s", node->id, node->tgid, b->path);
		return;
	}
	attach_leave(b->attachment, node->tgid);
	log_warn(agent->log, "calls that node %s (pid %d) makes to %s are not counted: %s",
		 node->id, node->tgid, b->path, err.text);
}

/* Probes the library in the node, or adds to @lacking why it is not there. */
static void look_for(struct agent *agent, struct node *node, size_t i, struct strbuf *lacking)
{
	_library_ struct library found = { .fd = -1 };
	struct err err = {};
	struct binary *b;
	struct exe exe;
	int r = library_of_process(node->tgid, agent->libraries[i], &found, &err);

	if (r == 0)
		r = exe_read(found.fd, found.path, &exe, &err);
	if (r < 0) {
		strbuf_printf(lacking, "%s%s", lacking->len ? "; " : "", err.text);
		return;
	}
	b = binary_library(agent, agent->libraries[i], &exe, &found.fd, mem_strdup(found.path));
	if (b->attachment)
		join(agent, node, i, b, &found);
	else if (!b->resolving && !b->idle)
		node->libraries[i] = b; /* it cannot be probed, and its rows say why */
}

/* --- what is not there ------------------------------------------------------------------------- */

static struct binary *find_unmapped(const struct agent *agent, const char *library)
{
	for (size_t b = 0; b < agent->binaries.n; b++)
		if (agent->binaries.at[b]->unmapped &&
		    strcmp(agent->binaries.at[b]->library, library) == 0)
			return agent->binaries.at[b];
	return NULL;
}

static struct binary *add_unmapped(struct agent *agent, const char *library)
{
	struct binary *b = mem_alloc(sizeof(*b));

	*b = (struct binary){ .path = mem_strdup(library),
			      .library = mem_strdup(library),
			      .unmapped = true,
			      .ours = true,
			      .fd = -1 };
	*VEC_ADD(&agent->binaries) = b;
	return b;
}

/* Rows for the functions of a library that not all nodes map, with the reason; none where
 * all do. */
static void show_lacking(struct agent *agent, const char *library, const char *why)
{
	struct binary *b = find_unmapped(agent, library);
	struct plan *plan;

	if (!b && !why)
		return;
	if (!b)
		b = add_unmapped(agent, library);
	plan = mem_alloc(sizeof(*plan));
	plan->binary = mem_strdup(library);
	plan->library = mem_strdup(library);
	if (why)
		plan_add_missing_rows(plan, agent->profile, PLAN_ABSENT, why);
	for (size_t r = 0; r < plan->n_rows; r++) {
		free(plan->rows[r].where);
		plan->rows[r].where = mem_strdup("not mapped");
	}
	plan_clean(plan);
	plan_free(b->plan);
	b->plan = plan;
}

void shared_look(struct agent *agent)
{
	for (size_t i = 0; i < agent->n_libraries; i++) {
		_strbuf_ struct strbuf lacking = {};

		for (size_t n = 0; n < agent->nodes.n; n++) {
			struct node *node = agent->nodes.at[n];

			if (!node->ended && !node->libraries[i])
				look_for(agent, node, i, &lacking);
		}
		show_lacking(agent, agent->libraries[i], lacking.len ? lacking.text : NULL);
	}
}

/* --- haste ------------------------------------------------------------------------------------- */

void shared_hurry(struct agent *agent)
{
	if (agent->n_libraries)
		agent->hurry_until_ns = agent_monotonic_ns() + HURRY_MS * MS_NS;
}

int shared_wait(const struct agent *agent)
{
	uint64_t now = agent_monotonic_ns(), since;

	if (now >= agent->hurry_until_ns)
		return -1;
	since = HURRY_MS - (agent->hurry_until_ns - now) / MS_NS;
	return LEAST_MS + (int)since / 10; /* the longer it takes, the less often */
}
