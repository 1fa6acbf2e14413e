// SPDX-License-Identifier: BSD-2-Clause
/*
 * Work over TCP on the loopback, for tests/bench/net.py: net_load KIND MILLISECONDS
 *
 *   stream   one connection, as many bytes as go through it
 *   message  one connection, 64 bytes there and 64 back, again and again
 *   connect  connections one after the other, each with a byte there and one back
 *
 * Begins at a line on standard input. Prints how many bytes, messages there and back, or connections that were, in how many seconds,
 * and the seconds of processors' time of both ends. They are this program, one process each.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STREAM_BYTES 65536
#define MESSAGE_BYTES 64

static char buffer[STREAM_BYTES];

static void must(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The bytes that came; less than @size at the end. */
static size_t get(int fd, size_t size)
{
	size_t have = 0;
	ssize_t n = 1;

	while (have < size && n > 0) {
		n = recv(fd, buffer + have, size - have, 0);
		have += n > 0 ? (size_t)n : 0;
	}
	return have;
}

static void put(int fd, size_t size)
{
	must(send(fd, buffer, size, MSG_NOSIGNAL) == (ssize_t)size, "send");
}

static void at_once(int fd)
{
	must(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)) == 0,
	     "TCP_NODELAY");
}

/* Takes connections until one begins with something else than zeros, and answers with as much. */
static void serve(int listener, size_t size, int answers)
{
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		must(fd >= 0, "accept");
		at_once(fd);
		while (get(fd, size) == size)
			if (answers)
				put(fd, size);
		close(fd);
		if (buffer[0])
			return;
	}
}

static int dial(const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	must(fd >= 0 && connect(fd, (const struct sockaddr *)to, sizeof(*to)) == 0, "connect");
	at_once(fd);
	return fd;
}

static void one(int fd, size_t size, int answers)
{
	put(fd, size);
	if (answers)
		must(get(fd, size) == size, "recv");
}

static unsigned long work(const struct sockaddr_in *to, size_t size, int answers, int each,
			  double until)
{
	unsigned long n = 0;
	int fd = each ? -1 : dial(to);

	for (; now() < until; n++) {
		if (each)
			fd = dial(to);
		one(fd, size, answers);
		if (each)
			close(fd);
	}
	if (!each)
		close(fd);
	return answers ? n : n * size;
}

/* A connection that ends the server. */
static void finish(const struct sockaddr_in *to, size_t size, int answers)
{
	int fd = dial(to);

	memset(buffer, 1, sizeof(buffer));
	one(fd, size, answers);
	close(fd);
	must(wait(NULL) > 0, "wait");
}

/* A process of its own from its first instruction on, as servers are. */
static pid_t start_server(int listener, const char *kind)
{
	pid_t child = fork();
	char fd[16];

	must(child >= 0, "fork");
	if (child)
		return child;
	snprintf(fd, sizeof(fd), "%d", listener);
	setenv("NODE_ID", "server", 1);
	execl("/proc/self/exe", "net_load", kind, "-", fd, NULL);
	_exit(1);
}

static double processor_seconds(int who)
{
	struct rusage use;

	getrusage(who, &use);
	return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
	       (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(at);
	int listener, each, answers;
	double begin, end;
	unsigned long n;
	size_t size;

	if (argc < 3)
		return 2;
	each = strcmp(argv[1], "connect") == 0;
	answers = strcmp(argv[1], "stream") != 0;
	size = each ? 1 : answers ? MESSAGE_BYTES : STREAM_BYTES;
	if (argc == 4) {
		serve(atoi(argv[3]), size, answers);
		return 0;
	}
	listener = socket(AF_INET, SOCK_STREAM, 0);
	must(bind(listener, (struct sockaddr *)&at, length) == 0 && listen(listener, 64) == 0,
	     "listen");
	must(getsockname(listener, (struct sockaddr *)&at, &length) == 0, "getsockname");
	start_server(listener, argv[1]);
	puts("ready");
	fflush(stdout);
	getchar(); /* who watches has seen both processes */
	begin = now();
	n = work(&at, size, answers, each, begin + atof(argv[2]) / 1e3);
	end = now();
	finish(&at, size, answers);
	printf("%lu %.6f %.6f\n", n, end - begin,
	       processor_seconds(RUSAGE_SELF) + processor_seconds(RUSAGE_CHILDREN));
	return 0;
}
