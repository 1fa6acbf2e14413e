// SPDX-License-Identifier: BSD-2-Clause
/* In a child for each case: descriptors from 3 on are the test program's own. */
#include "serve/systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

/* What a service manager would have set up. */
struct handed {
	int n, type;
	bool listens, other_pid;
	const char *fds; /* LISTEN_FDS as text; NULL: n */
};

/* Returns what systemd_sockets() does, by way of an exit status: errno, or 100 + n. */
static int take(const struct handed *handed, char sentence[ERR_TEXT_MAX])
{
	int pipes[2], status;
	pid_t pid;

	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (pid == 0) {
		int out[SYSTEMD_SOCKETS_MAX], tell = dup2(pipes[1], 100), r;
		struct err err = {};
		char text[32];

		for (int i = 0; i < handed->n; i++) {
			int fd = socket(AF_INET, handed->type, 0);

			if (handed->listens)
				listen(fd, 8);
			dup2(fd, 50 + i);
		}
		for (int i = 0; i < handed->n; i++)
			dup2(50 + i, 3 + i);
		snprintf(text, sizeof(text), "%d", handed->n);
		setenv("LISTEN_FDS", handed->fds ? handed->fds : text, 1);
		snprintf(text, sizeof(text), "%d", (int)getpid() + handed->other_pid);
		setenv("LISTEN_PID", text, 1);
		r = systemd_sockets(out, &err);
		for (int i = 0; i < r; i++)
			if (out[i] != 3 + i || fcntl(out[i], F_GETFD) != FD_CLOEXEC ||
			    getenv("LISTEN_FDS"))
				r = -EBADF;
		if (write(tell, err.text, strlen(err.text) + 1) < 0)
			r = -EIO;
		_exit(r < 0 ? -r : 100 + r);
	}
	close(pipes[1]);
	memset(sentence, 0, ERR_TEXT_MAX);
	assert_true(read(pipes[0], sentence, ERR_TEXT_MAX - 1) > 0);
	close(pipes[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_sockets(void **state)
{
	char sentence[ERR_TEXT_MAX];

	(void)state;
	assert_int_equal(take(&(struct handed){ 1, SOCK_STREAM, true, false, NULL }, sentence),
			 101);
	assert_int_equal(take(&(struct handed){ 2, SOCK_STREAM, true, false, NULL }, sentence),
			 102);
	assert_int_equal(take(&(struct handed){ 1, SOCK_STREAM, true, true, NULL }, sentence),
			 ENOENT);
	assert_int_equal(take(&(struct handed){ 0, 0, false, false, NULL }, sentence), ENOENT);
	assert_int_equal(take(&(struct handed){ 0, 0, false, false, "" }, sentence), ENOENT);
	assert_int_equal(take(&(struct handed){ 0, 0, false, false, "one" }, sentence), ENOENT);
	assert_non_null(strstr(sentence, "no socket was handed over"));
	assert_int_equal(take(&(struct handed){ 0, 0, false, false, "17" }, sentence), EINVAL);
	assert_non_null(strstr(sentence, "16 are the most"));
	assert_int_equal(take(&(struct handed){ 1, SOCK_STREAM, false, false, NULL }, sentence),
			 EINVAL);
	assert_int_equal(take(&(struct handed){ 1, SOCK_DGRAM, false, false, NULL }, sentence),
			 EINVAL);
	assert_non_null(strstr(sentence, "descriptor 3"));
}

/* A manager's end of the line; returns it and puts its address into NOTIFY_SOCKET. */
static int open_manager(const char *name)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	size_t len = strlen(name);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	memcpy(at.sun_path, name, len);
	if (name[0] == '@')
		at.sun_path[0] = '\0';
	assert_int_equal(bind(fd, (struct sockaddr *)&at,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
			 0);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static void expect_told(const char *name)
{
	int fd = open_manager(name);
	struct err err = {};
	char text[100] = {};

	assert_int_equal(systemd_notify("READY=1\nSTATUS=x", &err), 0);
	assert_int_equal(recv(fd, text, sizeof(text) - 1, 0), 16);
	assert_string_equal(text, "READY=1\nSTATUS=x");
	close(fd);
}

static void test_notify(void **state)
{
	_free_ char *abstract = mem_printf("@mpc-test-%d", (int)getpid());
	_free_ char *path = mem_printf("/tmp/mpc-test-%d.sock", (int)getpid());

	(void)state;
	expect_told(abstract);
	unlink(path);
	expect_told(path);
	unlink(path);
}

static void test_nobody_wants_to_know(void **state)
{
	struct err err = {};

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(systemd_notify("READY=1", &err), 0);
	setenv("NOTIFY_SOCKET", "", 1);
	assert_int_equal(systemd_notify("READY=1", &err), 0);
	setenv("NOTIFY_SOCKET", "relative", 1);
	assert_int_equal(systemd_notify("READY=1", &err), -EINVAL);
	setenv("NOTIFY_SOCKET", "/tmp/nobody-listens-here.sock", 1);
	assert_int_equal(systemd_notify("READY=1", &err), -ENOENT);
	assert_non_null(strstr(err.text, "/tmp/nobody-listens-here.sock"));
	unsetenv("NOTIFY_SOCKET");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sockets),
		cmocka_unit_test(test_notify),
		cmocka_unit_test(test_nobody_wants_to_know),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
