// SPDX-License-Identifier: BSD-2-Clause
/*
 * A queue of checks, of which the first one is being made, and a ring of answers.
 * The child is a copy of ours that keeps one end of a pipe and nothing else; it
 * writes one letter. (A thread could not be ended in the middle of a check, and a
 * hash of a high cost takes minutes.)
 */
#include "serve/password.h"

#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "symbol/unprivileged.h"

#define DIGEST SHA256_DIGEST_SIZE

/* A question, and in the ring its answer. */
struct question {
	uint8_t digest[DIGEST];
	char *hash, *password;       /* while it waits */
	enum password_answer answer; /* in the ring */
};

struct passwords {
	uint8_t key[DIGEST];
	int epoll;
	struct question waiting[PASSWORDS_WAITING_MAX];
	size_t n_waiting;
	pid_t child; /* checks waiting[0]; 0: none does */
	int pipe;
	struct question kept[PASSWORDS_KEPT_MAX];
	size_t n_kept, next; /* ring: next to be overwritten */
	bool news;
};

int passwords_open(struct passwords **out, struct err *err)
{
	struct passwords *p = mem_alloc(sizeof(*p));

	p->pipe = -1;
	p->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (p->epoll < 0 || getrandom(p->key, sizeof(p->key), 0) != sizeof(p->key)) {
		err_set(err, -errno, "cannot prepare the checks of passwords: %s", strerror(errno));
		passwords_close(p);
		return -EIO;
	}
	*out = p;
	return 0;
}

static void forget_words(struct question *q)
{
	if (q->password)
		explicit_bzero(q->password, strlen(q->password));
	free(q->password);
	free(q->hash);
	q->password = q->hash = NULL;
}

/* ---- the child ------------------------------------------------------------------- */

static void run_child(const struct question *q, int answer, pid_t parent)
{
	struct crypt_data *data = mem_alloc(sizeof(*data));
	const char *made;
	char letter = 'n';

	unprivileged_begin();
	unprivileged_close_others(&answer, 1);
	if (getppid() == parent) {
		made = crypt_r(q->password, q->hash, data);
		if (made && strlen(made) == strlen(q->hash) &&
		    nettle_memeql_sec(made, q->hash, strlen(made)))
			letter = 'y';
		while (write(answer, &letter, 1) < 0 && errno == EINTR)
			;
	}
	/* By the system call: the ends that the caller has planned are none of ours. */
	syscall(SYS_exit_group, 0);
}

static void end_child(struct passwords *p)
{
	if (!p->child)
		return;
	kill(p->child, SIGKILL);
	while (waitpid(p->child, NULL, 0) < 0 && errno == EINTR)
		;
	p->child = 0;
	if (p->pipe < 0)
		return;
	/* by name: another child may have a copy, which would keep it in the set */
	epoll_ctl(p->epoll, EPOLL_CTL_DEL, p->pipe, NULL);
	fd_closep(&p->pipe);
	p->pipe = -1;
}

/* False where the system has no room for another process. */
static bool begin_child(struct passwords *p)
{
	struct epoll_event event = { .events = EPOLLIN };
	pid_t parent = getpid();
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return false;
	p->child = fork();
	if (p->child == 0)
		run_child(&p->waiting[0], ends[1], parent);
	close(ends[1]);
	if (p->child > 0 && epoll_ctl(p->epoll, EPOLL_CTL_ADD, ends[0], &event) == 0) {
		p->pipe = ends[0];
		return true;
	}
	close(ends[0]);
	if (p->child < 0)
		p->child = 0;
	end_child(p);
	return false;
}

/* ---- questions and answers --------------------------------------------------------- */

static void keep(struct passwords *p, const struct question *q, enum password_answer answer)
{
	struct question *place = &p->kept[p->next];

	*place = (struct question){ .answer = answer };
	memcpy(place->digest, q->digest, DIGEST);
	p->next = (p->next + 1) % PASSWORDS_KEPT_MAX;
	if (p->n_kept < PASSWORDS_KEPT_MAX)
		p->n_kept++;
}

/* The first one is answered; the next one's turn. */
static void answer_first(struct passwords *p, enum password_answer answer)
{
	end_child(p);
	keep(p, &p->waiting[0], answer);
	forget_words(&p->waiting[0]);
	p->n_waiting--;
	memmove(&p->waiting[0], &p->waiting[1], p->n_waiting * sizeof(p->waiting[0]));
	p->news = true;
}

static void go_on(struct passwords *p)
{
	while (p->n_waiting && !p->child && !begin_child(p))
		answer_first(p, PASSWORD_FAILED);
}

bool password_ready(struct passwords *p)
{
	bool news;
	char letter;
	ssize_t n;

	if (p->child) {
		n = read(p->pipe, &letter, 1);
		if (n == 1)
			answer_first(p, letter == 'y' ? PASSWORD_RIGHT : PASSWORD_WRONG);
		else if (n == 0 || (errno != EAGAIN && errno != EINTR))
			answer_first(p, PASSWORD_FAILED);
	}
	go_on(p);
	news = p->news;
	p->news = false;
	return news;
}

static void add_word(struct hmac_sha256_ctx *hmac, const char *word)
{
	/* with its end, so that "ab" "c" is not "a" "bc" */
	hmac_sha256_update(hmac, strlen(word) + 1, (const uint8_t *)word);
}

/* An answer holds for a user, a hash and a password: a new hash makes a new question. */
static void digest(const struct passwords *p, const char *user, const char *hash,
		   const char *password, uint8_t out[DIGEST])
{
	struct hmac_sha256_ctx hmac;

	hmac_sha256_set_key(&hmac, sizeof(p->key), p->key);
	add_word(&hmac, user);
	add_word(&hmac, hash);
	add_word(&hmac, password);
	hmac_sha256_digest(&hmac, DIGEST, out);
	explicit_bzero(&hmac, sizeof(hmac));
}

static struct question *find(struct question *list, size_t n, const uint8_t wanted[DIGEST])
{
	struct question *found = NULL;

	for (size_t i = 0; i < n; i++)
		if (nettle_memeql_sec(list[i].digest, wanted, DIGEST))
			found = &list[i];
	return found;
}

/* A check that failed is told once. */
static enum password_answer take(struct question *q)
{
	if (q->answer == PASSWORD_FAILED)
		memset(q->digest, 0, DIGEST);
	return q->answer;
}

enum password_answer password_ask(struct passwords *p, const char *user, const char *hash,
				  bool known, const char *password)
{
	enum password_answer answer;
	uint8_t wanted[DIGEST];
	struct question *q;

	digest(p, user, hash, password, wanted);
	q = find(p->kept, p->n_kept, wanted);
	if (q) {
		answer = take(q);
		return answer == PASSWORD_RIGHT && !known ? PASSWORD_WRONG : answer;
	}
	if (find(p->waiting, p->n_waiting, wanted))
		return PASSWORD_LATER;
	if (p->n_waiting == PASSWORDS_WAITING_MAX)
		return PASSWORD_BUSY;
	q = &p->waiting[p->n_waiting++];
	*q = (struct question){ .hash = mem_strdup(hash), .password = mem_strdup(password) };
	memcpy(q->digest, wanted, DIGEST);
	go_on(p);
	if (p->n_waiting)
		return PASSWORD_LATER;
	q = find(p->kept, p->n_kept, wanted); /* there was no child to be had */
	return q ? take(q) : PASSWORD_FAILED;
}

int password_fd(const struct passwords *p)
{
	return p->epoll;
}

void passwords_close(struct passwords *p)
{
	if (!p)
		return;
	end_child(p);
	for (size_t i = 0; i < p->n_waiting; i++)
		forget_words(&p->waiting[i]);
	fd_closep(&p->epoll);
	explicit_bzero(p->key, sizeof(p->key));
	free(p);
}
