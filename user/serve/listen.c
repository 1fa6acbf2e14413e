// SPDX-License-Identifier: BSD-2-Clause
/*
 * Opens listening sockets. The HTTP library could do this as well, but it only
 * says that it failed; the person needs to know why.
 */
#include "serve/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

#define BACKLOG 128

union any_address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_storage storage;
};

/* What the person wrote, for the sentences. */
static void describe(const struct address *address, char *text, size_t size)
{
	const char *host = address->host;

	snprintf(text, size, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, address->port);
}

static int explain(const struct address *address, int error, struct err *err)
{
	char text[ADDRESS_HOST_MAX + 16];

	describe(address, text, sizeof(text));
	switch (error) {
	case EADDRINUSE:
		return err_set(err, -error,
			       "another program already listens on %s; stop it or choose another "
			       "port",
			       text);
	case EACCES:
		return err_set(err, -error,
			       "no permission to listen on %s: ports below 1024 need root or "
			       "CAP_NET_BIND_SERVICE",
			       text);
	case EADDRNOTAVAIL:
		return err_set(err, -error, "cannot listen on %s: this host has no such address",
			       text);
	case EAFNOSUPPORT:
		return err_set(err, -error, "cannot listen on %s: this kernel has no such protocol",
			       text);
	default:
		return err_set(err, -error, "cannot listen on %s: %s", text, strerror(error));
	}
}

/* Returns a descriptor or a negative errno. */
static int open_one(const struct sockaddr *sa, socklen_t len, bool every_interface)
{
	const int on = 1, v6only = !every_interface;
	_close_ int fd = -1;

	fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* After a restart the old connections may still be winding down. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	if (sa->sa_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)) < 0)
		return -errno;
	if (bind(fd, sa, len) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/* IPv6's wildcard takes IPv4 too; hosts without IPv6 get IPv4's. */
static int open_every_interface(uint16_t port)
{
	struct sockaddr_in6 six = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(port),
		.sin6_addr = in6addr_any,
	};
	struct sockaddr_in four = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_ANY),
	};
	int fd;

	fd = open_one((const struct sockaddr *)&six, sizeof(six), true);
	if (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL)
		fd = open_one((const struct sockaddr *)&four, sizeof(four), true);
	return fd;
}

int listen_open(const struct address *address, struct err *err)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE,
	};
	struct addrinfo *found = NULL;
	int fd, r;

	if (!*address->host) {
		fd = open_every_interface(address->port);
		return fd < 0 ? explain(address, -fd, err) : fd;
	}
	r = getaddrinfo(address->host, NULL, &hints, &found);
	if (r)
		return err_set(err, -EINVAL, "cannot listen on host \"%s\": %s", address->host,
			       r == EAI_SYSTEM ? strerror(errno) : gai_strerror(r));
	/* A name may have several addresses: the first that can be had serves. */
	fd = -EADDRNOTAVAIL;
	for (struct addrinfo *at = found; at && fd < 0; at = at->ai_next) {
		union any_address any = {};

		if (at->ai_family != AF_INET && at->ai_family != AF_INET6)
			continue;
		memcpy(&any, at->ai_addr, at->ai_addrlen);
		if (at->ai_family == AF_INET)
			any.in.sin_port = htons(address->port);
		else
			any.in6.sin6_port = htons(address->port);
		fd = open_one(&any.sa, at->ai_addrlen, false);
	}
	freeaddrinfo(found);
	return fd < 0 ? explain(address, -fd, err) : fd;
}

char *listen_name(int fd)
{
	union any_address any = {};
	socklen_t len = sizeof(any);
	char host[NI_MAXHOST], port[NI_MAXSERV];

	if (getsockname(fd, &any.sa, &len) < 0 ||
	    getnameinfo(&any.sa, len, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV))
		return mem_strdup("an unnamed socket");
	return mem_printf(any.sa.sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}
