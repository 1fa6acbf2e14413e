// SPDX-License-Identifier: BSD-2-Clause
/* Sockets from descriptor 3 on, and a datagram to $NOTIFY_SOCKET. */
#include "serve/systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"

#define FIRST_SOCKET 3

/* A whole number of the environment, or -1. */
static long number(const char *name)
{
	const char *text = getenv(name);
	char *end;
	long n;

	if (!text || !*text)
		return -1;
	n = strtol(text, &end, 10);
	return *end ? -1 : n;
}

static int check_socket(int fd, struct err *err)
{
	int listens = 0, type = 0;
	socklen_t len = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || !listens || type != SOCK_STREAM)
		return err_set(
			err, -EINVAL,
			"descriptor %d, which systemd hands over, is no socket that listens; "
			"the socket unit wants ListenStream= and Accept=no",
			fd);
	return 0;
}

int systemd_sockets(int out[SYSTEMD_SOCKETS_MAX], struct err *err)
{
	long n = number("LISTEN_FDS");

	if (n < 1 || number("LISTEN_PID") != (long)getpid())
		return err_set(
			err, -ENOENT,
			"no socket was handed over (LISTEN_FDS); --web.systemd-socket is for a "
			"service that a socket unit starts");
	if (n > SYSTEMD_SOCKETS_MAX)
		return err_set(err, -EINVAL, "%ld sockets were handed over, %d are the most", n,
			       SYSTEMD_SOCKETS_MAX);
	for (int i = 0; i < (int)n; i++) {
		int r = check_socket(FIRST_SOCKET + i, err);

		if (r < 0)
			return r;
	}
	for (int i = 0; i < (int)n; i++) {
		out[i] = FIRST_SOCKET + i;
		fcntl(out[i], F_SETFD, FD_CLOEXEC);
	}
	unsetenv("LISTEN_FDS"); /* children have no part in them */
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
	return (int)n;
}

int systemd_notify(const char *state, struct err *err)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	_close_ int fd = -1;
	size_t len;

	if (!path || !*path)
		return 0;
	len = strlen(path);
	if ((path[0] != '/' && path[0] != '@') || len >= sizeof(to.sun_path))
		return err_set(err, -EINVAL, "NOTIFY_SOCKET is no address of a socket: %s", path);
	memcpy(to.sun_path, path, len);
	if (path[0] == '@')
		to.sun_path[0] = '\0'; /* a name without a file */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		return err_set(err, -errno, "cannot tell %s how things are: %s", path,
			       strerror(errno));
	return 0;
}
