// SPDX-License-Identifier: BSD-2-Clause
/* Has a child process ask a debuginfod server. */
#include "symbol/debuginfod.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "symbol/unprivileged.h"

#define LIBRARY "libdebuginfod.so.1"
#define WALL_MS (130 * 1000) /* somewhat more than the library is given */
#define MEMORY_BYTES (2ull << 30)
#define FILE_BYTES (8ull << 30)

/* The child's answer, with the file beside it when code is 0. */
struct answer {
	int code; /* negative errno */
};

/* --- the child -------------------------------------------------------------------- */

/* A part of the library's interface: see <elfutils/debuginfod.h>. */
struct library {
	void *(*begin)(void);
	int (*find)(void *client, const unsigned char *id, int size, char **path);
	void (*end)(void *client);
};

static bool load(struct library *lib)
{
	void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

	if (!handle)
		return false;
	/* POSIX wants a pointer of dlsym() to be taken for a function's */
	*(void **)&lib->begin = dlsym(handle, "debuginfod_begin");
	*(void **)&lib->find = dlsym(handle, "debuginfod_find_debuginfo");
	*(void **)&lib->end = dlsym(handle, "debuginfod_end");
	return lib->begin && lib->find && lib->end;
}

/* It takes its settings from the environment. */
static void configure(const char *url, const char *cache)
{
	_free_ char *most = mem_printf("%llu", FILE_BYTES);

	setenv("DEBUGINFOD_URLS", url, 1);
	setenv("DEBUGINFOD_CACHE_PATH", cache, 1);
	setenv("DEBUGINFOD_TIMEOUT", "15", 1); /* seconds without progress */
	setenv("DEBUGINFOD_MAXTIME", "120", 1);
	setenv("DEBUGINFOD_MAXSIZE", most, 1);
	setenv("DEBUGINFOD_RETRY_LIMIT", "1", 1);
	unsetenv("DEBUGINFOD_PROGRESS");
	unsetenv("DEBUGINFOD_VERBOSE");
	unsetenv("DEBUGINFOD_HEADERS_FILE");
}

static int ask(const char *url, const char *cache, const uint8_t *id, size_t n)
{
	struct library lib;
	void *client;
	int fd;

	configure(url, cache);
	if (!load(&lib))
		return -ELIBACC;
	client = lib.begin();
	if (!client)
		return -ENOMEM;
	fd = lib.find(client, id, (int)n, NULL);
	lib.end(client);
	return fd;
}

static void send_answer(int to, int fd)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {};
	struct answer answer = { fd < 0 ? fd : 0 };
	struct iovec part = { &answer, sizeof(answer) };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };

	if (fd >= 0) {
		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
		control.head = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)),
						 .cmsg_level = SOL_SOCKET,
						 .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(int));
	}
	(void)!sendmsg(to, &m, MSG_NOSIGNAL);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st, (void)kind, (void)where;
	return remove(path);
}

static void run_child(int to, const char *url, const uint8_t *id, size_t n)
{
	char cache[] = "/tmp/mpc-bpf-agent.XXXXXX";

	unprivileged_begin();
	unprivileged_close_others(&to, 1);
	unprivileged_limit(RLIMIT_CPU, 60, 65);
	unprivileged_limit(RLIMIT_CORE, 0, 0);
	unprivileged_limit(RLIMIT_FSIZE, FILE_BYTES, FILE_BYTES);
#ifndef __SANITIZE_ADDRESS__ /* its shadow takes terabytes of addresses */
	unprivileged_limit(RLIMIT_AS, MEMORY_BYTES, MEMORY_BYTES);
#endif
	unprivileged_enter();
	umask(077);
	if (!mkdtemp(cache)) {
		send_answer(to, -errno);
	} else {
		int fd = ask(url, cache, id, n);

		nftw(cache, remove_one, 8, FTW_DEPTH | FTW_PHYS);
		send_answer(to, fd);
	}
	syscall(SYS_exit_group, 0);
}

/* --- the parent ------------------------------------------------------------------- */

/* The file that came with the message, which is surely one. */
static int take_file(struct msghdr *m, struct err *err)
{
	struct cmsghdr *head = CMSG_FIRSTHDR(m);
	_close_ int fd = -1;
	struct stat st;

	if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS &&
	    head->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(head), sizeof(int));
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(err, -EBADMSG, "what it answered is not a file");
	return TAKE_FD(fd);
}

static int receive(int from, struct err *err)
{
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
	struct answer answer = {};
	struct iovec part = { &answer, sizeof(answer) };
	struct msghdr m = { .msg_iov = &part,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	struct pollfd p = { .fd = from, .events = POLLIN };
	int r;

	do {
		r = poll(&p, 1, WALL_MS);
	} while (r < 0 && errno == EINTR);
	if (r == 0)
		return err_set(err, -ETIMEDOUT, "no answer within %d s", WALL_MS / 1000);
	if (recvmsg(from, &m, MSG_CMSG_CLOEXEC) != sizeof(answer))
		return err_set(err, -EBADMSG, "the process that asked ended without an answer");
	switch (answer.code) {
	case 0:
		return take_file(&m, err);
	case -ENOENT:
		return err_set(err, -ENOENT, "no debug file of this build-id");
	case -ELIBACC:
		return err_set(err, -ELIBACC,
			       LIBRARY " cannot be loaded; install it (Debian: libdebuginfod1)");
	default:
		return err_set(err, answer.code < 0 ? answer.code : -EBADMSG, "%s",
			       strerror(-answer.code));
	}
}

int debuginfod_fetch(const char *url, const uint8_t *id, size_t n, struct err *err)
{
	_close_ int from = -1, to = -1;
	int ends[2], fd;
	pid_t pid;

	if (!n)
		return err_set(err, -EINVAL,
			       "the executable has no build-id by which it could be asked for");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_set(err, -errno, "no socket: %s", strerror(errno));
	from = ends[0];
	to = ends[1];
	pid = fork();
	if (pid < 0)
		return err_set(err, -errno, "no process to ask with: %s", strerror(errno));
	if (pid == 0)
		run_child(to, url, id, n);
	close(TAKE_FD(to));
	fd = receive(from, err);
	kill(pid, SIGKILL); /* it has answered, or will not */
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return fd;
}
