// SPDX-License-Identifier: BSD-2-Clause
/* Which sockets are open as files, from /proc; what they are, from sock_diag. */
#include "target/sockets.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define ANSWER_SIZE 32768
#define ALL_STATES 0xffffffffu

/* Inodes of the sockets that the process has open, ascending. */
struct inodes {
	VEC(uint32_t) list;
};

static int by_number(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int read_inodes(pid_t tgid, struct inodes *out, struct err *err)
{
	_free_ char *path = mem_printf("/proc/%d/fd", tgid);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir)
		return err_set(err, -errno, "the open files of process %d cannot be listed: %s",
			       tgid, strerror(errno));
	while ((entry = readdir(dir))) {
		char target[64];
		uint32_t inode;
		ssize_t n = readlinkat(fd, entry->d_name, target, sizeof(target) - 1);

		if (n <= 0)
			continue;
		target[n] = '\0';
		if (sscanf(target, "socket:[%u]", &inode) == 1)
			*VEC_ADD(&out->list) = inode;
	}
	closedir(dir);
	if (out->list.n)
		qsort(out->list.at, out->list.n, sizeof(*out->list.at), by_number);
	return 0;
}

/* A socket for questions to the kernel, in the network namespace of a process. */
struct asked {
	int there; /* the namespace; negative: our own */
	int fd;    /* or a negative errno */
};

/* Runs in a thread of its own, which enters the namespace and ends there. */
static void *open_there(void *arg)
{
	struct asked *asked = arg;

	if (asked->there >= 0 && setns(asked->there, CLONE_NEWNET))
		asked->fd = -errno;
	else
		asked->fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (asked->fd == -1)
		asked->fd = -errno;
	return NULL;
}

static int open_diag(pid_t tgid, uint32_t *netns, struct err *err)
{
	_free_ char *path = mem_printf("/proc/%d/ns/net", tgid);
	_close_ int there = open(path, O_RDONLY | O_CLOEXEC);
	struct asked asked = { .there = there };
	struct stat own, st;
	pthread_t thread;
	int r;

	if (there < 0 || fstat(there, &st) || stat("/proc/self/ns/net", &own))
		return err_set(err, -errno, "the network namespace of process %d is not known: %s",
			       tgid, strerror(errno));
	*netns = (uint32_t)st.st_ino;
	if (own.st_ino == st.st_ino)
		asked.there = -1;
	r = pthread_create(&thread, NULL, open_there, &asked);
	if (r)
		return err_set(err, -r, "no thread for another network namespace: %s", strerror(r));
	pthread_join(thread, NULL);
	if (asked.fd < 0)
		return err_set(err, asked.fd,
			       "the kernel cannot be asked for sockets in the network namespace of "
			       "process %d: %s%s",
			       tgid, strerror(-asked.fd),
			       asked.fd == -EPERM ? "; CAP_SYS_ADMIN is needed" : "");
	return asked.fd;
}

static int ask(int fd, uint8_t family, uint8_t protocol, struct err *err)
{
	struct {
		struct nlmsghdr head;
		struct inet_diag_req_v2 want;
	} question = { .head = { .nlmsg_len = sizeof(question),
				 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
				 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		       .want = { .sdiag_family = family,
				 .sdiag_protocol = protocol,
				 .idiag_ext = 1 << (INET_DIAG_INFO - 1),
				 .idiag_states = ALL_STATES } };

	if (send(fd, &question, sizeof(question), 0) < 0)
		return err_set(err, -errno, "the kernel cannot be asked for sockets: %s",
			       strerror(errno));
	return 0;
}

static bool fin_came(uint8_t state)
{
	return state == 8 || state == 9 || state == 11; /* CLOSE_WAIT, LAST_ACK, CLOSING */
}

static void take_counters(const struct tcp_info *info, size_t size, struct socket_row *row)
{
	struct tcp_info all = {};

	memcpy(&all, info, size < sizeof(all) ? size : sizeof(all));
	row->sent_bytes = all.tcpi_bytes_sent;
	row->retransmitted_bytes = all.tcpi_bytes_retrans;
	/* the kernel counts the FIN that has come in as a byte */
	row->received_bytes = all.tcpi_bytes_received - fin_came(row->state);
	row->sent = all.tcpi_segs_out;
	row->received = all.tcpi_segs_in;
	row->retransmits = all.tcpi_total_retrans;
}

static void take_row(struct nlmsghdr *head, uint8_t protocol, const struct inodes *inodes,
		     struct socket_list *out)
{
	struct inet_diag_msg *msg = NLMSG_DATA(head);
	int left = (int)(head->nlmsg_len - NLMSG_LENGTH(sizeof(*msg)));
	struct socket_row *row;

	if (head->nlmsg_len < NLMSG_LENGTH(sizeof(*msg)) || !inodes->list.n ||
	    !bsearch(&msg->idiag_inode, inodes->list.at, inodes->list.n, sizeof(uint32_t),
		     by_number))
		return;
	row = VEC_ADD(out);
	row->cookie = (uint64_t)msg->id.idiag_cookie[1] << 32 | msg->id.idiag_cookie[0];
	row->inode = msg->idiag_inode;
	row->protocol = protocol;
	row->state = msg->idiag_state;
	row->port = ntohs(msg->id.idiag_sport);
	for (struct rtattr *a = (void *)(msg + 1); RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == INET_DIAG_INFO && protocol == IPPROTO_TCP && row->state != 10)
			take_counters(RTA_DATA(a), RTA_PAYLOAD(a), row);
}

/* Reads one message of answers; 1 when there are more to come. */
static int take_answer(int fd, uint8_t protocol, const struct inodes *inodes,
		       struct socket_list *out, struct err *err)
{
	_free_ char *answer = mem_alloc(ANSWER_SIZE);
	ssize_t n = recv(fd, answer, ANSWER_SIZE, 0);
	int left = (int)n;

	if (n <= 0)
		return err_set(err, n ? -errno : -EPROTO, "the kernel does not list sockets: %s",
			       n ? strerror(errno) : "an empty answer");
	for (struct nlmsghdr *head = (void *)answer; NLMSG_OK(head, left);
	     head = NLMSG_NEXT(head, left)) {
		const struct nlmsgerr *error = NLMSG_DATA(head);

		if (head->nlmsg_type == NLMSG_DONE)
			return 0;
		if (head->nlmsg_type == NLMSG_ERROR)
			return err_set(err, error->error, "the kernel does not list sockets: %s",
				       strerror(-error->error));
		take_row(head, protocol, inodes, out);
	}
	return 1;
}

/* All four kinds, through an open question socket. */
static int list_all(int fd, const struct inodes *inodes, struct socket_list *out, struct err *err)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(families) * ARRAY_SIZE(protocols); i++) {
		uint8_t protocol = protocols[i % 2];

		r = ask(fd, families[i / 2], protocol, err);
		while (r == 0) {
			r = take_answer(fd, protocol, inodes, out, err);
			if (r <= 0)
				break;
			r = 0;
		}
	}
	return r;
}

int sockets_of(pid_t tgid, struct socket_list *out, struct err *err)
{
	struct inodes inodes = {};
	int r = read_inodes(tgid, &inodes, err);

	*out = (struct socket_list){};
	if (r == 0) {
		_close_ int fd = open_diag(tgid, &out->netns, err);

		r = fd < 0 ? fd : list_all(fd, &inodes, out, err);
	}
	free(inodes.list.at);
	if (r < 0)
		sockets_free(out);
	return r;
}

void sockets_free(struct socket_list *list)
{
	free(list->at);
	*list = (struct socket_list){};
}
