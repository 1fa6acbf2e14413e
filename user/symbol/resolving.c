// SPDX-License-Identifier: BSD-2-Clause
/*
 * The process between is a copy of ours that waits in our place for the one without
 * privileges, and for a server where there is one. It ends with us, and takes its own
 * child along.
 */
#include "symbol/resolving.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "symbol/answer.h"
#include "symbol/pack.h"
#include "symbol/resolve.h"
#include "symbol/unprivileged.h"

struct resolving {
	pid_t pid;
	int fd;
	char *path;
	struct strbuf text;
	bool over;
	int error; /* of reading */
};

struct task {
	int fd, answer;
	const char *path;
	const struct source_options *options;
	const struct profile *profile;
	pid_t parent;
};

static void run_between(const struct task *task)
{
	int keep[] = { task->fd, task->answer };
	struct strbuf out = {};
	struct plan *plan = NULL;
	struct err err = {};
	int r;

	unprivileged_begin();
	unprivileged_close_others(keep, ARRAY_SIZE(keep));
	if (getppid() == task->parent) {
		r = resolve_plan_apart(task->fd, task->path, task->options, task->profile, &plan,
				       &err);
		answer_write(r, plan, &err, &out);
		answer_send(task->answer, &out);
	}
	/* By the system call: the ends that the caller has planned are none of ours. */
	syscall(SYS_exit_group, 0);
}

int resolving_begin(int fd, const char *path, const struct source_options *options,
		    const struct profile *profile, struct resolving **out, struct err *err)
{
	struct task task = { fd, -1, path, options, profile, getpid() };
	struct resolving *resolving;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(err, -errno, "%s: no pipe: %s", path, strerror(errno));
	task.answer = ends[1];
	pid = fork();
	if (pid < 0) {
		err_set(err, -errno, "%s: no process to look for functions in: %s", path,
			strerror(errno));
		close(ends[0]);
		close(ends[1]);
		return err->code;
	}
	if (pid == 0)
		run_between(&task);
	close(ends[1]);
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	resolving = mem_alloc(sizeof(*resolving));
	*resolving = (struct resolving){ .pid = pid, .fd = ends[0], .path = mem_strdup(path) };
	*out = resolving;
	return 0;
}

int resolving_fd(const struct resolving *resolving)
{
	return resolving->fd;
}

bool resolving_over(struct resolving *r)
{
	char bytes[16384];

	while (!r->over) {
		ssize_t n = read(r->fd, bytes, sizeof(bytes));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n < 0)
			r->error = -errno;
		if (n > 0)
			strbuf_add(&r->text, bytes, (size_t)n);
		if (r->text.len > PACK_SIZE_MAX + ERR_TEXT_MAX)
			r->error = -EFBIG;
		r->over = n == 0 || r->error;
	}
	return true;
}

int resolving_end(struct resolving *resolving, struct plan **out, struct err *err)
{
	int r;

	if (!resolving->over || resolving->error)
		kill(resolving->pid, SIGKILL);
	answer_wait(resolving->pid);
	if (!resolving->over)
		r = err_set(err, -ECANCELED, "%s: looking for functions was broken off",
			    resolving->path);
	else if (resolving->error || !resolving->text.len)
		r = err_set(err, resolving->error ? resolving->error : -EBADMSG,
			    "%s: looking for functions gave no answer", resolving->path);
	else
		r = answer_read(resolving->path, &resolving->text, out, err);
	close(resolving->fd);
	strbuf_free(&resolving->text);
	free(resolving->path);
	free(resolving);
	return r;
}
