// SPDX-License-Identifier: BSD-2-Clause
/* Lists the sockets of this very process. */
#include "target/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

static uint16_t bound(int fd)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t size = sizeof(at);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
	return ntohs(at.sin_port);
}

static const struct socket_row *row_of(const struct socket_list *list, int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	for (size_t i = 0; i < list->n; i++)
		if (list->at[i].inode == st.st_ino)
			return &list->at[i];
	return NULL;
}

static void lists_own_sockets(void **state)
{
	_close_ int listener = socket(AF_INET, SOCK_STREAM, 0),
		    udp = socket(AF_INET, SOCK_DGRAM, 0);
	_close_ int client = socket(AF_INET, SOCK_STREAM, 0), server = -1, pipes = -1;
	uint16_t port = bound(listener), udp_port = bound(udp);
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr = { htonl(INADDR_LOOPBACK) },
				  .sin_port = htons(port) };
	_sockets_ struct socket_list list = {};
	const struct socket_row *row;
	struct err err = {};
	struct stat st;
	char byte[3];

	(void)state;
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&at, sizeof(at)), 0);
	server = accept(listener, NULL, NULL);
	assert_int_equal(write(client, "abc", 3), 3);
	assert_int_equal(read(server, byte, 3), 3);
	pipes = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(sockets_of(getpid(), &list, &err), 0);
	assert_int_equal(stat("/proc/self/ns/net", &st), 0);
	assert_int_equal(list.netns, (uint32_t)st.st_ino);
	row = row_of(&list, listener);
	assert_non_null(row);
	assert_int_equal(row->protocol, IPPROTO_TCP);
	assert_int_equal(row->state, 10);
	assert_int_equal(row->port, port);
	assert_int_equal(row->received, 0);
	row = row_of(&list, client);
	assert_non_null(row);
	assert_true(row->cookie);
	assert_int_equal(row->state, 1);
	assert_int_equal(row->sent_bytes, 3);
	assert_true(row->sent >= 3);
	row = row_of(&list, server);
	assert_non_null(row);
	assert_int_equal(row->received_bytes, 3);
	row = row_of(&list, udp);
	assert_non_null(row);
	assert_int_equal(row->protocol, IPPROTO_UDP);
	assert_int_equal(row->port, udp_port);
	assert_null(row_of(&list, pipes));
}

static void says_who_is_gone(void **state)
{
	struct socket_list list = {};
	struct err err = {};

	(void)state;
	assert_int_equal(sockets_of(0x7ffffff0, &list, &err), -ENOENT);
	assert_non_null(strstr(err.text, "process 2147483632"));
	assert_int_equal(list.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_own_sockets),
		cmocka_unit_test(says_who_is_gone),
	};

	return cmocka_run_group_tests_name("target/sockets", tests, NULL, NULL);
}
