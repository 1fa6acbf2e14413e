// SPDX-License-Identifier: BSD-2-Clause
/*
 * Resolving in a child process. Executables and their debug information are
 * data from outside, read by libraries that have had their faults; the agent is
 * root. So the child opens the debug file that the user gave, and the folder of
 * debug files, while it still may, then gives up everything: user and groups,
 * capabilities, other files, core dumps, and all but a bounded share of memory and
 * time. What it opens later, it opens as nobody: the files in that folder, and the
 * .dwo files that libdw finds beside the executable must be readable for all.
 */
#include "symbol/answer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "symbol/pack.h"
#include "symbol/resolve.h"
#include "symbol/unprivileged.h"

#define CPU_SECONDS 120
#define WALL_SECONDS 300
#define MEMORY_BYTES (4ull << 30) /* and the files themselves, mapped twice */

/* --- the child -------------------------------------------------------------------- */

struct task {
	int fd, answer;
	const char *path;
	const struct source_options *options;
	const struct profile *profile;
	pid_t parent;
};

static rlim_t file_size(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0 ? (rlim_t)st.st_size : 0;
}

static void set_limits(void)
{
	unprivileged_limit(RLIMIT_CPU, CPU_SECONDS, CPU_SECONDS + 5);
	unprivileged_limit(RLIMIT_CORE, 0, 0);
	unprivileged_limit(RLIMIT_FSIZE, 0, 0); /* pipes are not files */
}

/* Once it is known how large the files are. */
static void limit_memory(int fd, int debug_fd)
{
#ifndef __SANITIZE_ADDRESS__ /* its shadow takes terabytes of addresses */
	rlim_t memory = MEMORY_BYTES + 2 * (file_size(fd) + file_size(debug_fd));

	unprivileged_limit(RLIMIT_AS, memory, memory);
#else
	(void)fd, (void)debug_fd;
	(void)file_size;
#endif
}

void answer_send(int fd, const struct strbuf *text)
{
	for (size_t sent = 0; sent < text->len;) {
		ssize_t n = write(fd, text->text + sent, text->len - sent);

		if (n < 0 && errno != EINTR)
			return;
		sent += n > 0 ? (size_t)n : 0;
	}
}

void answer_write(int r, const struct plan *plan, const struct err *err, struct strbuf *out)
{
	if (r < 0 || !plan) {
		strbuf_printf(out, "error %d\n%s", -r, err->text);
		return;
	}
	strbuf_printf(out, "%s %s\n", plan->bare ? "bare" : "plan", plan->source);
	pack_write(plan, out);
}

static int find_plan(const struct task *task, const struct source_look *look, struct plan **out,
		     struct err *err)
{
	struct source source;
	int r = source_find(look, task->fd, task->path, &source, err);

	if (r < 0)
		return r;
	limit_memory(task->fd, source.fd);
	return resolve_plan_from(task->fd, task->path, &source, task->profile, out, err);
}

static void answer(const struct task *task, struct strbuf *out)
{
	struct source_look look;
	struct plan *plan = NULL;
	struct err err = {};
	int r = source_look(task->options, task->fd, &look, &err);

	set_limits();
	unprivileged_enter();
	if (getppid() != task->parent)
		return;
	if (r == 0)
		r = find_plan(task, &look, &plan, &err);
	answer_write(r, plan, &err, out);
}

/* The file that a server gave, -1 for none. */
static int fetched_fd(const struct source_options *options)
{
	return options && options->fetched ? options->fetched_fd : -1;
}

/* The child's life. It leaves by the system call: the ends that the caller has
 * planned for itself (atexit, leak checks) are none of its business. */
static void run_child(const struct task *task)
{
	int keep[] = { task->fd, task->answer, fetched_fd(task->options) };
	struct strbuf out = {};

	unprivileged_begin();
	unprivileged_close_others(keep, ARRAY_SIZE(keep));
	answer(task, &out);
	answer_send(task->answer, &out);
	syscall(SYS_exit_group, 0);
}

/* --- the parent ------------------------------------------------------------------- */

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* All that the child writes, up to its end, PACK_SIZE_MAX or the time limit. */
static int receive(int fd, struct strbuf *out)
{
	int64_t until = now_ms() + WALL_SECONDS * 1000;
	char bytes[16384];

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int64_t left = until - now_ms();
		ssize_t n;

		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(&p, 1, (int)left) <= 0)
			continue;
		n = read(fd, bytes, sizeof(bytes));
		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			strbuf_add(out, bytes, (size_t)n);
		if (out->len > PACK_SIZE_MAX)
			return -EFBIG;
	}
}

int answer_wait(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 0; /* somebody else took its status: its answer will tell */
	return status;
}

/* Why the child ended without an answer. */
static int ended(const char *path, int status, struct err *err)
{
	int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

	if (sig == SIGXCPU)
		return err_set(err, -ETIMEDOUT,
			       "%s: looking for functions took more than %d s of processor time; "
			       "the file may be damaged, or make a pack of it elsewhere",
			       path, CPU_SECONDS);
	if (sig == SIGABRT)
		return err_set(err, -EBADMSG,
			       "%s: looking for functions was given up, probably because it needed "
			       "more than %llu GiB of memory; the file may be damaged",
			       path, MEMORY_BYTES >> 30);
	if (sig == SIGKILL)
		return err_set(err, -EBADMSG,
			       "%s: looking for functions was killed, probably for want of memory; "
			       "make a pack of the file where there is more",
			       path);
	if (sig == SIGBUS)
		return err_set(err, -EBADMSG,
			       "%s: the file became shorter while it was read; try again", path);
	if (sig)
		return err_set(err, -EBADMSG,
			       "%s: looking for functions ended by signal %d (%s); the file or its "
			       "debug information is probably damaged",
			       path, sig, strsignal(sig));
	return err_set(err, -EBADMSG,
		       "%s: looking for functions ended with status %d and no answer", path,
		       WEXITSTATUS(status));
}

/* `KEY SOURCE`: what is behind the key, up to the line's end. */
static char *source_after(const char *text, const char *key, const char *eol)
{
	size_t len = strlen(key);

	if (strncmp(text, key, len) != 0 || text[len] != ' ')
		return NULL;
	return mem_strndup(text + len + 1, (size_t)(eol - text) - len - 1);
}

int answer_read(const char *path, const struct strbuf *text, struct plan **out, struct err *err)
{
	static const char error[] = "error ";
	const char *eol = strchr(text->text, '\n');
	_free_ char *full = eol ? source_after(text->text, "plan", eol) : NULL;
	_free_ char *bare = eol ? source_after(text->text, "bare", eol) : NULL;
	struct plan *p;
	char *end;
	long code;
	int r;

	if (strncmp(text->text, error, sizeof(error) - 1) == 0) {
		code = strtol(text->text + sizeof(error) - 1, &end, 10);
		return err_set(err, code > 0 && code < 4096 ? -(int)code : -EBADMSG, "%s",
			       *end == '\n' ? end + 1 : end);
	}
	if (!full && !bare)
		return err_set(err, -EBADMSG, "%s: looking for functions gave no plan", path);
	r = pack_read(path, eol + 1, text->len - (size_t)(eol + 1 - text->text), &p, err);
	if (r < 0)
		return err_wrap(err, "what was found is no sound plan");
	free(p->binary);
	p->binary = mem_strdup(path); /* a pack has only the file's name */
	p->bare = bare != NULL;
	p->source = full ? TAKE_PTR(full) : TAKE_PTR(bare);
	plan_clean(p);
	*out = p;
	return 0;
}

static int finish(const char *path, pid_t pid, int fd, struct plan **out, struct err *err)
{
	_strbuf_ struct strbuf text = {};
	int r = receive(fd, &text), status;

	if (r < 0)
		kill(pid, SIGKILL);
	status = answer_wait(pid);
	if (r == -ETIMEDOUT)
		return err_set(err, r, "%s: looking for functions took more than %d s", path,
			       WALL_SECONDS);
	if (r == -EFBIG)
		return err_set(err, -EBADMSG,
			       "%s: there is more than %d MiB of plan; name fewer functions", path,
			       PACK_SIZE_MAX >> 20);
	if (r < 0)
		return err_set(err, r, "%s: reading what was found: %s", path, strerror(-r));
	if (!text.len || !WIFEXITED(status) || WEXITSTATUS(status))
		return ended(path, status, err);
	return answer_read(path, &text, out, err);
}

static int resolve_once(int fd, const char *path, const struct source_options *options,
			const struct profile *profile, struct plan **out, struct err *err)
{
	_close_ int from = -1, to = -1;
	pid_t parent = getpid(), pid;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(err, -errno, "%s: no pipe: %s", path, strerror(errno));
	from = ends[0];
	to = ends[1];
	pid = fork();
	if (pid < 0)
		return err_set(err, -errno, "%s: no process to look for functions in: %s", path,
			       strerror(errno));
	if (pid == 0) {
		struct task task = { fd, to, path, options, profile, parent };

		run_child(&task);
	}
	close(TAKE_FD(to));
	return finish(path, pid, from, out, err);
}

int resolve_plan_apart(int fd, const char *path, const struct source_options *options,
		       const struct profile *profile, struct plan **out, struct err *err)
{
	return resolve_with_server(resolve_once, fd, path, options, profile, out, err);
}
