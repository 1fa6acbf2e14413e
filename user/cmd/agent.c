// SPDX-License-Identifier: BSD-2-Clause
/* Which processes are counted for, from their first moment to their last. */
#include "cmd/agent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "target/env.h"
#include "target/mapped.h"

#define NODE_ID_MAX 64

double agent_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

uint64_t agent_monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* --- nodes ------------------------------------------------------------------------ */

void node_free(struct node *node)
{
	free(node->id);
	free(node);
}

static struct node *running_node(const struct agent *agent, pid_t tgid)
{
	for (size_t i = 0; i < agent->nodes.n; i++)
		if (agent->nodes.at[i]->tgid == tgid && !agent->nodes.at[i]->ended)
			return agent->nodes.at[i];
	return NULL;
}

static struct node *node_named(const struct agent *agent, const char *id)
{
	for (size_t i = 0; i < agent->nodes.n; i++)
		if (strcmp(agent->nodes.at[i]->id, id) == 0)
			return agent->nodes.at[i];
	return NULL;
}

/* The process names itself, else a flag does, else its number is the name. */
static char *choose_id(struct agent *agent, pid_t tgid, bool *named)
{
	const char *variable = agent->profile->node_id_env;
	char value[NODE_ID_MAX];
	struct err err = {};

	*named = true;
	if (variable && env_read(tgid, variable, value, sizeof(value), &err) == 0)
		return mem_strdup(value);
	if (err.text[0])
		log_debug(agent->log, "pid %d: %s", tgid, err.text);
	if (agent->options->node_id)
		return mem_strdup(agent->options->node_id);
	*named = false;
	return mem_printf("%d", tgid);
}

/* Its sockets count from now on, those that it has already too. */
static void watch_net(struct agent *agent, const struct node *node)
{
	_sockets_ struct socket_list sockets = {};
	struct err err = {};

	if (!agent->net)
		return;
	if (net_add_node(agent->net, node->slot, node->tgid, &err) < 0) {
		log_warn(agent->log, "%s", err.text);
		return;
	}
	if (sockets_of(node->tgid, &sockets, &err) < 0)
		log_warn(agent->log,
			 "sockets that node %s (pid %d) has already count when they are used: %s",
			 node->id, node->tgid, err.text);
	net_adopt(agent->net, node->slot, &sockets);
}

/* The number of the executable in the kernel's tables; 0 where nothing of it is probed. */
static unsigned file_of(const struct binary *binary)
{
	return binary->attachment ? attach_file(binary->attachment) : 0;
}

static int resume_node(struct agent *agent, struct node *node, const struct process *p,
		       struct binary *binary)
{
	struct err err = {};
	int r = maps_continue_node(agent->maps, node->slot, p->tgid, file_of(binary), &err);

	if (r < 0) {
		log_warn(agent->log, "node %s (pid %d) is not counted: %s", node->id, p->tgid,
			 err.text);
		return r;
	}
	node->tgid = p->tgid;
	node->start = p->start;
	node->binary = binary;
	node->ended = 0;
	node->exited = node->unprobed = false;
	log_info(agent->log, "node %s is back as pid %d", node->id, p->tgid);
	watch_net(agent, node);
	shared_hurry(agent);
	return 0;
}

static void end_node(struct agent *agent, struct node *node)
{
	maps_stop_node(agent->maps, node->slot, &node->lost[LOST_PROCESS_ENDED]);
	shared_leave(agent, node);
	if (agent->net)
		net_stop_node(agent->net, node->slot);
	node->ended = agent_now();
	log_info(agent->log, "node %s (pid %d) ended", node->id, node->tgid);
	binary_check(agent, node->binary);
}

/* Whether it is the process that was the node, at the same program. */
static bool is_node(const struct node *node, const struct process *p)
{
	return node->start == p->start && exe_same_place(node->binary->exe.place, p->exe);
}

/* Its end may not be told yet. */
static bool still_runs(const struct node *node)
{
	struct process p;

	return scan_process("/proc", node->tgid, &p) == 0 && is_node(node, &p);
}

static void add_node(struct agent *agent, const struct process *p, struct binary *binary)
{
	_free_ char *id = NULL;
	struct err err = {};
	struct node *node;
	bool named;
	unsigned slot;

	id = choose_id(agent, p->tgid, &named);
	node = node_named(agent, id);
	if (node && !node->ended && !still_runs(node))
		end_node(agent, node);
	if (node && node->ended && (named || (node->tgid == p->tgid && node->start == p->start))) {
		resume_node(agent, node, p, binary);
		return;
	}
	if (node) {
		char *twin = mem_printf("%s@%d", id, p->tgid);

		log_warn(agent->log, "pid %d calls itself node %s, as pid %d does: shown as %s",
			 p->tgid, id, node->tgid, twin);
		free(id);
		id = twin;
	}
	if (maps_add_node(agent->maps, p->tgid, file_of(binary), &slot, &err) < 0) {
		log_warn(agent->log, "node %s (pid %d) is not counted: %s", id, p->tgid, err.text);
		return;
	}
	node = mem_alloc(sizeof(*node));
	*node = (struct node){ .id = TAKE_PTR(id),
			       .named = named,
			       .tgid = p->tgid,
			       .start = p->start,
			       .binary = binary,
			       .slot = slot,
			       .since = agent_now() };
	*VEC_ADD(&agent->nodes) = node;
	log_info(agent->log, "node %s is pid %d, %s", node->id, node->tgid, binary->path);
	watch_net(agent, node);
	shared_hurry(agent);
}

void agent_stop_nodes(struct agent *agent, const struct binary *binary)
{
	for (size_t i = 0; i < agent->nodes.n; i++) {
		struct node *node = agent->nodes.at[i];

		if (node->binary != binary || node->ended)
			continue;
		shared_leave(agent, node);
		maps_stop_node(agent->maps, node->slot, &node->lost[LOST_PROBES_OFF]);
		if (agent->net)
			net_stop_node(agent->net, node->slot);
		node->ended = agent_now();
		node->unprobed = true;
		log_warn(agent->log, "node %s (pid %d) runs on and is not counted any more%s",
			 node->id, node->tgid, binary->changed ? "; restart it" : "");
	}
}

/* Of a process that is in /proc: what it executes was overwritten under it, so it is of no build,
 * or its end was told already. */
static bool is_over(const struct agent *agent, const struct process *p)
{
	for (size_t i = 0; i < agent->nodes.n; i++) {
		const struct node *node = agent->nodes.at[i];

		if ((node->exited || (node->unprobed && node->binary->changed)) &&
		    node->tgid == p->tgid && node->start == p->start)
			return true;
	}
	return false;
}

/* --- looking ------------------------------------------------------------------------ */

/* --exe is a name: what stands there now is watched, after an upgrade another file. */
static void follow_exe(struct agent *agent)
{
	const char *path = agent->options->exe;
	struct err err = {};
	struct binary *b;
	struct stat st;

	if (!path || stat(path, &st))
		return;
	for (size_t i = 0; i < agent->binaries.n; i++) {
		b = agent->binaries.at[i];
		if ((!b->idle || !b->trouble) && !b->changed &&
		    exe_same_place(b->exe.place, (struct exe_place){ st.st_dev, st.st_ino }))
			return;
	}
	b = binary_open(agent, path, &err);
	if (b)
		agent->only = b->exe;
	else
		log_debug(agent->log, "%s", err.text);
}

static bool asked_for(struct agent *agent, const struct process *p)
{
	const struct options *o = agent->options;

	if (p->tgid == getpid() || (o->pid && o->pid != p->tgid))
		return false;
	if (o->exe && !exe_same_place(agent->only.place, p->exe))
		follow_exe(agent);
	return !o->exe || exe_same_place(agent->only.place, p->exe);
}

/* Whether it executes the file that was probed. Where we may not look it is taken for granted. */
static bool executes(const struct agent *agent, const struct process *p, const struct binary *b)
{
	_mapped_ struct mapped mapped = { .mem = -1 };
	struct err err = {};
	int r = mapped_open(p->tgid, b->fd, &mapped, &err);

	if (r == 0)
		r = attach_seen(b->attachment, b->plan, b->compiled, &mapped);
	else
		log_debug(agent->log, "pid %d: its code is not compared: %s", p->tgid, err.text);
	if (r != -ESTALE)
		return true;
	log_warn(agent->log,
		 "pid %d executes another file than the one that /proc/%d/exe leads to, %s: on "
		 "overlayfs a file is copied when it is written to, renamed or given other rights; "
		 "its calls cannot be seen until it is restarted",
		 p->tgid, p->tgid, b->path);
	return false;
}

static void process_began(const struct process *p, void *arg)
{
	struct agent *agent = arg;
	struct binary *binary;
	struct err err = {};

	if (!asked_for(agent, p) || running_node(agent, p->tgid) || is_over(agent, p))
		return;
	binary = binary_find(agent, p->tgid, &err);
	if (!binary && agent->options->pid)
		log_warn(agent->log, "%s", err.text);
	if (!binary || (agent_has_functions(agent) && !binary->attachment))
		return;
	/* It has begun another program since: of that its exec's end will tell. */
	if (!exe_same_place(binary->exe.place, p->exe))
		return;
	if (!binary->attachment || executes(agent, p, binary))
		add_node(agent, p, binary);
}

static void process_ended(const struct process *p, void *arg)
{
	struct agent *agent = arg;
	struct node *node = running_node(agent, p->tgid);

	if (node && node->start == p->start)
		end_node(agent, node);
}

/* What the first look found must be something, where the user named it. */
static int check_found(const struct agent *agent, struct err *err)
{
	const struct options *o = agent->options;

	for (size_t i = 0; i < agent->binaries.n; i++) {
		const struct binary *b = agent->binaries.at[i];

		if (b->trouble && !b->library && (o->exe || o->pid))
			return err_set(err, -ENOENT, "%s", b->trouble);
	}
	if (o->pid && !running_node(agent, o->pid))
		return err_set(err, -ESRCH,
			       "there is no process %d whose executable can be watched", o->pid);
	return 0;
}

/* Whose new UDP sockets are, where the kernel does not tell. */
static void list_udp(struct agent *agent)
{
	for (size_t i = 0; agent->net && !net_hears_udp(agent->net) && i < agent->nodes.n; i++) {
		const struct node *node = agent->nodes.at[i];
		_sockets_ struct socket_list sockets = {};
		struct err err = {};

		if (node->ended)
			continue;
		if (sockets_of(node->tgid, &sockets, &err) == 0)
			net_adopt_udp(agent->net, node->slot, &sockets);
		else
			log_debug(agent->log, "%s", err.text);
	}
}

int agent_look(struct agent *agent, bool first, struct err *err)
{
	struct scan now = {};
	int r = scan_processes("/proc", &now, err);

	if (r < 0)
		return r;
	/* --exe may name a file that nobody runs yet: a wrong one is told at once, and the
	 * first process finds its probes in place. */
	follow_exe(agent);
	scan_compare(&agent->processes, &now, process_ended, process_began, agent);
	scan_free(&agent->processes);
	agent->processes = now;
	list_udp(agent);
	shared_look(agent);
	agent->looked = true;
	return first ? check_found(agent, err) : 0;
}

/* Tracepoints of a module of the kernel's that was not loaded before. */
static void hear_modules(struct agent *agent)
{
	if (agent->net && net_attach_late(agent->net))
		agent_say_net(agent);
}

void agent_check_files(struct agent *agent)
{
	for (size_t i = 0; i < agent->binaries.n; i++)
		binary_check(agent, agent->binaries.at[i]);
	follow_exe(agent);
	shared_look(agent);
	hear_modules(agent);
	for (size_t i = 0; i < agent->nodes.n; i++) {
		struct node *node = agent->nodes.at[i];
		struct process p;

		if (!node->unprobed)
			continue;
		if (scan_process("/proc", node->tgid, &p) < 0 || p.start != node->start) {
			node->unprobed = false;
			node->ended = agent_now();
		} else if (!node->binary->changed) {
			process_began(&p, agent);
		}
	}
}

/* Counts for all that run it already. */
static void begin_all(struct agent *agent, const struct binary *b)
{
	_scan_ struct scan now = {};
	struct err err = {};

	if (scan_processes("/proc", &now, &err) < 0)
		log_warn(agent->log, "%s", err.text);
	for (size_t i = 0; i < now.n; i++)
		if (exe_same_place(now.at[i].exe, b->exe.place))
			process_began(&now.at[i], agent);
}

void agent_take_resolved(struct agent *agent)
{
	for (size_t i = 0; i < agent->binaries.n; i++) {
		struct binary *b = agent->binaries.at[i];

		if (!binary_resolved(agent, b) || !b->attachment)
			continue;
		if (b->library)
			shared_look(agent);
		else
			begin_all(agent, b);
	}
}

/* Since 6.16 the kernel tells of an end before /proc does. */
void agent_saw_exit(struct agent *agent, pid_t tgid)
{
	struct node *node = running_node(agent, tgid);

	if (!node)
		return;
	end_node(agent, node);
	node->exited = true;
}

void agent_saw_exec(struct agent *agent, pid_t tgid)
{
	struct process p;
	struct node *node = running_node(agent, tgid);
	int r = scan_process("/proc", tgid, &p);

	for (size_t i = 0; i < agent->nodes.n; i++)
		if (agent->nodes.at[i]->tgid == tgid)
			agent->nodes.at[i]->unprobed = false;

	/* gone, another process of the same number, or another program in the same process */
	if (node && (r < 0 || !is_node(node, &p))) {
		end_node(agent, node);
		node = NULL;
	}
	if (r == 0 && !node)
		process_began(&p, agent);
	if (running_node(agent, tgid))
		shared_look(agent);
}

static bool in_use(const struct agent *agent, const struct binary *binary)
{
	for (size_t i = 0; i < agent->nodes.n; i++)
		if (agent->nodes.at[i]->binary == binary)
			return true;
	if (binary->library)
		return binary->unmapped || binary->fd >= 0 || shared_is_run(agent, binary);
	if (binary->changed)
		return false;
	if (agent->options->exe && exe_same_place(agent->only.place, binary->exe.place))
		return true;
	for (size_t i = 0; i < agent->processes.n; i++)
		if (exe_same_place(agent->processes.at[i].exe, binary->exe.place))
			return true;
	return false;
}

void agent_forget(struct agent *agent)
{
	double now = agent_now();

	for (size_t i = 0; i < agent->nodes.n;) {
		struct node *node = agent->nodes.at[i];

		if (!node->ended || node->unprobed || now - node->ended < AGENT_FORGET_SECONDS) {
			i++;
			continue;
		}
		log_info(agent->log, "node %s ended %d s ago: its series are no longer shown",
			 node->id, AGENT_FORGET_SECONDS);
		maps_drop_node(agent->maps, node->slot);
		if (agent->net)
			net_drop_node(agent->net, node->slot);
		node_free(node);
		agent->nodes.at[i] = agent->nodes.at[--agent->nodes.n];
	}
	for (size_t i = 0; i < agent->binaries.n;) {
		if (in_use(agent, agent->binaries.at[i])) {
			i++;
			continue;
		}
		binary_free(agent->binaries.at[i]);
		agent->binaries.at[i] = agent->binaries.at[--agent->binaries.n];
	}
}

void agent_sweep(struct agent *agent, struct maps_spans *out)
{
	struct err err = {};

	if (maps_sweep(agent->maps, out, &err) < 0)
		log_warn(agent->log, "%s", err.text);
}

uint64_t **agent_read_cells(const struct agent *agent)
{
	uint64_t **cells = mem_array(agent->nodes.n, sizeof(*cells));

	for (size_t i = 0; i < agent->nodes.n; i++) {
		cells[i] = mem_array(agent->layout->cells, sizeof(**cells));
		maps_read_node(agent->maps, agent->nodes.at[i]->slot, cells[i]);
	}
	return cells;
}

void agent_free_cells(const struct agent *agent, uint64_t **cells)
{
	for (size_t i = 0; i < agent->nodes.n; i++)
		free(cells[i]);
	free(cells);
}
