// SPDX-License-Identifier: BSD-2-Clause
/*
 * Which executable is which, and whether it is still what it was when its probes
 * were set. A probe is a place in a file: once other bytes stand there, it would
 * damage whoever executes them. So nothing is left on a file that changes: writers
 * wait for our lease (target/lease.h); where there are no leases, probes stay only
 * while somebody executes the file, and what the file system says of it is compared
 * twice a second and at each new process.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/agent.h"
#include "target/lease.h"

/* --- taking probes off --------------------------------------------------------------- */

void binary_rest(struct agent *agent, struct binary *b, const char *why)
{
	shared_leave_all(agent, b);
	binary_take_off(b);
	b->idle = true;
	if (why)
		binary_set_trouble(agent, b, why);
	agent_stop_nodes(agent, b);
}

/* What there is now in its place will be another binary. */
static void give_up(struct agent *agent, struct binary *b)
{
	shared_leave_all(agent, b);
	binary_take_off(b);
	b->changed = true;
	b->idle = false;
	plan_free(TAKE_PTR(b->plan));
	free(TAKE_PTR(b->trouble));
	if (b->probed)
		log_warn(agent->log,
			 "%s holds other code than before, in the same file: the probes of the "
			 "old build are off, and the new one is looked at as another executable",
			 b->path);
	agent_stop_nodes(agent, b);
}

static bool same_code(const struct binary *b, const struct exe *exe, int fd)
{
	uint8_t code[EXE_HASH_SIZE];

	return b->exe.n_build_id == exe->n_build_id &&
	       memcmp(b->exe.build_id, exe->build_id, exe->n_build_id) == 0 &&
	       exe_hash(fd, b->path, code, NULL) == 0 && memcmp(b->code, code, sizeof(code)) == 0;
}

/* Something was done to the file. If that was no more than a rename, unlink or chmod
 * it is the same binary; so is one that was never probed, to be looked at anew. */
static bool still(struct agent *agent, struct binary *b, const struct exe *exe, int fd)
{
	if (!b->ours || (b->probed && !same_code(b, exe, fd))) {
		give_up(agent, b);
		return false;
	}
	b->exe = *exe;
	b->idle = !b->attachment && !b->resolving;
	return true;
}

static bool is_run(const struct agent *agent, const struct binary *b)
{
	for (size_t i = 0; i < agent->nodes.n; i++)
		if (agent->nodes.at[i]->binary == b && !agent->nodes.at[i]->ended)
			return true;
	return shared_is_run(agent, b);
}

/* Nobody can start it again. */
static bool is_deleted(const struct binary *b)
{
	struct stat st;

	return fstat(b->fd, &st) == 0 && st.st_nlink == 0;
}

void binary_check(struct agent *agent, struct binary *b)
{
	struct exe exe;

	if (!b->attachment && !b->resolving)
		return;
	if (b->leased && lease_wanted(b->fd)) {
		_free_ char *why = mem_printf("%s is being opened for writing: its probes are off "
					      "until it is whole again",
					      b->path);
		binary_rest(agent, b, why);
	} else if (b->resolving) {
		return; /* its code is compared when that is done */
	} else if (exe_touched(&b->exe, b->fd)) {
		if (exe_read(b->fd, b->path, &exe, NULL) < 0)
			give_up(agent, b);
		else
			still(agent, b, &exe, b->fd);
	} else if (!is_run(agent, b) && (!b->leased || is_deleted(b))) {
		/* without a lease, only that it is executed keeps writers away */
		log_debug(agent->log, "%s: nobody runs it, and its probes wait for somebody",
			  b->path);
		binary_rest(agent, b, NULL);
	}
}

/* --- finding --------------------------------------------------------------------------- */

static struct binary *known(struct agent *agent, const struct exe *exe, int fd)
{
	for (size_t i = 0; i < agent->binaries.n; i++) {
		struct binary *b = agent->binaries.at[i];

		if (!b->changed && exe_same_place(b->exe.place, exe->place) &&
		    (exe_same(&b->exe, exe) || still(agent, b, exe, fd)))
			return b;
	}
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

static bool wanted_explicitly(const struct agent *agent, const struct exe *exe, pid_t tgid)
{
	if (agent->options->exe)
		return exe_same_place(agent->only.place, exe->place);
	return agent->options->pid == tgid;
}

/* Takes @path and the descriptor over. */
static struct binary *recognize(struct agent *agent, const struct exe *exe, int *fd, char *path,
				bool wanted, const char *library)
{
	struct binary *b = known(agent, exe, *fd);

	if (b) {
		free(path);
		if (b->idle)
			binary_probe(agent, b, TAKE_FD(*fd));
		return b;
	}
	b = mem_alloc(sizeof(*b));
	*b = (struct binary){ .exe = *exe, .path = path, .fd = -1 };
	*VEC_ADD(&agent->binaries) = b;
	b->library = library ? mem_strdup(library) : NULL;
	b->ours = wanted || binary_may_be_ours(agent, exe, *fd);
	if (b->ours)
		binary_probe(agent, b, TAKE_FD(*fd));
	return b;
}

struct binary *binary_find(struct agent *agent, pid_t tgid, struct err *err)
{
	_close_ int fd = -1;
	struct exe exe;

	if (exe_of_process(tgid, &fd, &exe, err) < 0)
		return NULL;
	return recognize(agent, &exe, &fd, path_of(tgid), wanted_explicitly(agent, &exe, tgid),
			 NULL);
}

struct binary *binary_open(struct agent *agent, const char *path, struct err *err)
{
	_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct exe exe;

	if (fd < 0) {
		err_set(err, -errno, "%s cannot be opened: %s", path, strerror(errno));
		return NULL;
	}
	if (exe_read(fd, path, &exe, err) < 0)
		return NULL;
	return recognize(agent, &exe, &fd, mem_strdup(path), true, NULL);
}

struct binary *binary_library(struct agent *agent, const char *library, const struct exe *exe,
			      int *fd, char *path)
{
	return recognize(agent, exe, fd, path, true, library);
}
