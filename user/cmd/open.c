// SPDX-License-Identifier: BSD-2-Clause
/* From options to an agent that is ready to look, and its end. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/agent.h"
#include "probe/stats.h"

/* --exe must name a file that can be watched at all: said before anything is loaded. */
static int check_exe(struct agent *agent, struct err *err)
{
	const char *path = agent->options->exe;
	_close_ int fd = -1;

	if (!path)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set(err, -errno, "--exe %s cannot be opened: %s", path, strerror(errno));
	return exe_read(fd, path, &agent->only, err);
}

/* --debug must be of a build, by which the executable is known. */
static int check_debug(struct agent *agent, struct err *err)
{
	const char *path = agent->options->debug;
	_close_ int fd = -1;

	if (!path)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set(err, -errno, "--debug %s cannot be opened: %s", path,
			       strerror(errno));
	if (!debugfile_ask(fd, &agent->debug))
		return err_set(err, -ENOEXEC, "--debug %s is not an ELF file", path);
	if (!agent->debug.n_build_id && !agent->options->exe && !agent->options->pid)
		return err_set(err, -EINVAL,
			       "--debug %s has no build-id by which its executable could be "
			       "known; name the executable with --exe or --pid",
			       path);
	return 0;
}

bool agent_has_functions(const struct agent *agent)
{
	return profile_has_of(agent->profile, PROFILE_PARTS_MAX, NULL);
}

static int check_nodes(const struct agent *agent, struct err *err)
{
	if (agent_has_functions(agent) || agent->options->exe || agent->options->pid)
		return 0;
	return err_set(err, -EINVAL,
		       "the profile %s names no function by which a node could be known; name the "
		       "executable with --exe or the process with --pid",
		       agent->profile->name);
}

static int read_peers(struct agent *agent, struct err *err)
{
	const struct options *o = agent->options;

	for (size_t i = 0; i < o->n_peers; i++) {
		int r = net_peer_parse("--peer", o->peers[i], &agent->peers[i], err);

		if (r < 0)
			return r;
		agent->n_peers++;
	}
	return 0;
}

/* Facts of the kernel's are optional, all together and each for itself. */
static void open_net(struct agent *agent)
{
	struct err err = {};

	if (fact_any(agent->profile) && net_open(agent->profile, agent->peers, agent->n_peers,
						 ABI_NODES_MAX, &agent->net, &err) < 0)
		agent->net_trouble = mem_strdup(err.text);
}

void agent_say_net(const struct agent *agent)
{
	struct net_row rows[NET_ROWS_MAX];
	size_t n, wanted = 0, attached = 0, waiting = 0;

	if (agent->net_trouble)
		log_warn(agent->log, "nothing is known of the network: %s", agent->net_trouble);
	if (!agent->net)
		return;
	n = net_rows(agent->net, rows, NET_ROWS_MAX);
	for (size_t i = 0; i < n; i++) {
		if (!rows[i].wanted)
			continue;
		wanted++;
		attached += !rows[i].reason;
		waiting += rows[i].waits;
		if (rows[i].reason && !rows[i].waits)
			log_info(agent->log, "not known by the kernel: %s: %s", rows[i].what,
				 rows[i].reason);
	}
	if (waiting)
		log_info(agent->log,
			 "network: %zu of %zu tracepoints attached; %zu are in a module that is "
			 "not loaded",
			 attached, wanted, waiting);
	else
		log_info(agent->log, "network: %zu of %zu tracepoints attached", attached, wanted);
}

void agent_say_empty(const struct agent *agent)
{
	if (!agent->nodes.n)
		log_info(agent->log,
			 "no running executable is known to have the functions of the profile %s; "
			 "a stripped one needs its pack, see --pack",
			 agent->profile->name);
}

int agent_open(struct agent *agent, const struct options *options, struct err *err)
{
	int r;

	*agent = (struct agent){
		.options = options, .log = &options->log, .stats_fd = -1, .epoll = -1
	};
	agent->started = agent_now();
	r = options_profile(options, &agent->profile, err);
	if (r == 0)
		r = shared_open(agent, err);
	if (r == 0)
		r = check_exe(agent, err);
	if (r == 0)
		r = check_debug(agent, err);
	if (r == 0)
		r = packs_add_all(&agent->packs, options->packs, options->n_packs, err);
	if (r < 0)
		return r;
	r = read_peers(agent, err);
	if (r == 0)
		r = check_nodes(agent, err);
	if (r < 0)
		return r;
	kernel_ask(&agent->kernel);
	r = kernel_check(&agent->kernel, err);
	if (r == 0)
		r = layout_make(agent->profile, &agent->layout, err);
	if (r == 0)
		r = maps_open(agent->layout, &agent->kernel, ABI_NODES_MAX, &agent->maps, err);
	if (r == 0)
		open_net(agent);
	if (r == 0 && options->stats)
		r = stats_enable(&agent->stats_fd, err);
	return r;
}

void agent_close(struct agent *agent)
{
	for (size_t i = 0; i < agent->binaries.n; i++)
		binary_free(agent->binaries.at[i]);
	for (size_t i = 0; i < agent->nodes.n; i++)
		node_free(agent->nodes.at[i]);
	free(agent->binaries.at);
	free(agent->nodes.at);
	scan_free(&agent->processes);
	packs_free(&agent->packs);
	net_close(agent->net);
	free(agent->net_trouble);
	for (size_t i = 0; i < agent->n_peers; i++)
		free((char *)agent->peers[i].name);
	for (size_t i = 0; i < agent->n_libraries; i++)
		free(agent->libraries[i]);
	maps_close(agent->maps);
	layout_free(agent->layout);
	profile_free(agent->profile);
	if (agent->stats_fd >= 0)
		close(agent->stats_fd);
	*agent = (struct agent){ .stats_fd = -1, .epoll = -1 };
}
