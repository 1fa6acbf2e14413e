// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/debuginfod.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/strbuf.h"

/* A server that has the debug file of abcd and of nothing else. */
struct server {
	pid_t pid;
	char *url;
};

static const uint8_t known[] = { 0xab, 0xcd }, unknown[] = { 0xab, 0xce };

static void serve(int listener)
{
	static const char has[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n"
				  "\r\ndebug",
			  not[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n"
				  "Connection: close\r\n\r\n";

	for (;;) {
		char request[2048] = "";
		int peer = accept(listener, NULL, NULL);
		size_t n = 0;

		while (n < sizeof(request) - 1 && !strstr(request, "\r\n\r\n")) {
			ssize_t m = read(peer, request + n, sizeof(request) - 1 - n);

			if (m <= 0)
				break;
			n += (size_t)m;
		}
		if (strncmp(request, "GET /buildid/abcd/debuginfo ", 28) == 0)
			(void)!write(peer, has, sizeof(has) - 1);
		else
			(void)!write(peer, not, sizeof(not) - 1);
		close(peer);
	}
}

static struct server server_start(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(at);
	struct server s;

	assert_int_equal(bind(listener, (void *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listener, 5), 0);
	assert_int_equal(getsockname(listener, (void *)&at, &len), 0);
	s.url = mem_printf("http://127.0.0.1:%u", ntohs(at.sin_port));
	s.pid = fork();
	if (s.pid == 0)
		serve(listener);
	close(listener);
	return s;
}

/* The library is no part of what is needed to build. */
static struct server server_of_library(void)
{
	if (!dlopen("libdebuginfod.so.1", RTLD_LAZY)) {
		print_message("libdebuginfod.so.1 is not installed\n");
		skip();
	}
	return server_start();
}

static void server_stop(struct server *s)
{
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	free(s->url);
}

static void fetches_what_there_is(void **state)
{
	struct server s = server_of_library();
	_close_ int fd = -1;
	char text[16] = "";
	struct err err = {};
	struct stat st;

	(void)state;
	fd = debuginfod_fetch(s.url, known, sizeof(known), &err);
	if (fd < 0)
		fail_msg("%s", err.text);
	assert_int_equal(pread(fd, text, sizeof(text), 0), 5);
	assert_string_equal(text, "debug");
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_nlink, 0); /* nothing is left behind */
	server_stop(&s);
}

static void says_what_is_not_there(void **state)
{
	struct server s = server_of_library();
	struct err err = {};

	(void)state;
	assert_int_equal(debuginfod_fetch(s.url, unknown, sizeof(unknown), &err), -ENOENT);
	assert_string_equal(err.text, "no debug file of this build-id");
	assert_int_equal(debuginfod_fetch(s.url, known, 0, &err), -EINVAL);
	assert_non_null(strstr(err.text, "no build-id"));
	server_stop(&s);
}

static void says_that_nobody_answers(void **state)
{
	struct server s = server_of_library();
	_free_ char *url = mem_strdup(s.url);
	struct err err = {};

	(void)state;
	server_stop(&s);
	assert_true(debuginfod_fetch(url, known, sizeof(known), &err) < 0);
	assert_int_equal(err.code, -ECONNREFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fetches_what_there_is),
		cmocka_unit_test(says_what_is_not_there),
		cmocka_unit_test(says_that_nobody_answers),
	};

	setenv("no_proxy", "127.0.0.1", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
