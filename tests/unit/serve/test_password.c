// SPDX-License-Identifier: BSD-2-Clause
#include "serve/password.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "hashes.h"

#define PATIENCE_MS 20000

static struct passwords *open_passwords(void)
{
	struct passwords *p = NULL;
	struct err err = {};

	if (passwords_open(&p, &err))
		fail_msg("%s", err.text);
	return p;
}

static void passwords_closep(struct passwords **p)
{
	passwords_close(*p);
}

#define _passwords_ __attribute__((cleanup(passwords_closep)))

static void wait_ready(struct passwords *p)
{
	struct pollfd fd = { .fd = password_fd(p), .events = POLLIN };

	do
		assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
	while (!password_ready(p));
}

/* The answer to the first question, which is never there at once, and to the same again. */
static enum password_answer ask(struct passwords *p, const char *user, const char *hash, bool known,
				const char *password)
{
	enum password_answer answer;

	assert_int_equal(password_ask(p, user, hash, known, password), PASSWORD_LATER);
	wait_ready(p);
	answer = password_ask(p, user, hash, known, password);
	assert_int_equal(password_ask(p, user, hash, known, password), answer);
	return answer;
}

static void test_right_and_wrong(void **state)
{
	_passwords_ struct passwords *p = open_passwords();

	(void)state;
	assert_int_equal(ask(p, "u", HASH_SECRET, true, "secret"), PASSWORD_RIGHT);
	assert_int_equal(ask(p, "v", HASH_SECRET_2A, true, "secret"), PASSWORD_RIGHT);
	assert_int_equal(ask(p, "u", HASH_AGAIN, true, "secret"), PASSWORD_RIGHT);
	assert_int_equal(ask(p, "u", HASH_SECRET, true, "Secret"), PASSWORD_WRONG);
	assert_int_equal(ask(p, "u", HASH_SECRET, true, ""), PASSWORD_WRONG);
	assert_int_equal(ask(p, "u", HASH_SECRET, true, "secret "), PASSWORD_WRONG);
	/* what crypt() itself does not take is no password's hash */
	assert_int_equal(ask(p, "u", "*0", true, "secret"), PASSWORD_WRONG);
}

/* Nobody gets in under a name that there is not, whatever the password. */
static void test_unknown_user(void **state)
{
	_passwords_ struct passwords *p = open_passwords();

	(void)state;
	assert_int_equal(ask(p, "nobody", HASH_SECRET, false, "secret"), PASSWORD_WRONG);
	assert_int_equal(ask(p, "nobody", HASH_SECRET, false, "wrong"), PASSWORD_WRONG);
}

/* An answer holds for one user, one hash and one password, wherever the words end. */
static void test_answers_are_apart(void **state)
{
	_passwords_ struct passwords *p = open_passwords();

	(void)state;
	assert_int_equal(ask(p, "u", HASH_SECRET, true, "secret"), PASSWORD_RIGHT);
	assert_int_equal(password_ask(p, "us", HASH_SECRET, true, "ecret"), PASSWORD_LATER);
	assert_int_equal(password_ask(p, "u", HASH_AGAIN, true, "secret"), PASSWORD_LATER);
	assert_int_equal(password_ask(p, "u", HASH_SECRET, true, "secret"), PASSWORD_RIGHT);
}

/* One that is being checked makes nobody wait: not the loop, and not who is known. */
static void test_slow_check(void **state)
{
	struct passwords *p = open_passwords();
	struct timespec from, to;

	(void)state;
	assert_int_equal(ask(p, "u", HASH_SECRET, true, "secret"), PASSWORD_RIGHT);
	clock_gettime(CLOCK_MONOTONIC, &from);
	assert_int_equal(password_ask(p, "s", HASH_SLOW, true, "other"), PASSWORD_LATER);
	assert_int_equal(password_ask(p, "s", HASH_SLOW, true, "other"), PASSWORD_LATER);
	assert_int_equal(password_ask(p, "u", HASH_SECRET, true, "secret"), PASSWORD_RIGHT);
	assert_false(password_ready(p));
	passwords_close(p); /* ends the check */
	clock_gettime(CLOCK_MONOTONIC, &to);
	assert_true((double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9 <
		    2.0);
}

static void test_queue(void **state)
{
	_passwords_ struct passwords *p = open_passwords();
	char password[16];

	(void)state;
	for (int i = 0; i < PASSWORDS_WAITING_MAX; i++) {
		snprintf(password, sizeof(password), "p%d", i);
		assert_int_equal(password_ask(p, "u", HASH_SECRET, true, password), PASSWORD_LATER);
	}
	assert_int_equal(password_ask(p, "u", HASH_SECRET, true, "one more"), PASSWORD_BUSY);
	assert_int_equal(password_ask(p, "u", HASH_SECRET, true, "p3"), PASSWORD_LATER);
	for (int i = 0; i < PASSWORDS_WAITING_MAX; i++)
		wait_ready(p);
	assert_int_equal(password_ask(p, "u", HASH_SECRET, true, "p3"), PASSWORD_WRONG);
	assert_int_equal(password_ask(p, "u", HASH_SECRET, true, "one more"), PASSWORD_LATER);
}

/* However many wrong ones come, they push out old answers and take no more memory. */
static void test_ring(void **state)
{
	_passwords_ struct passwords *p = open_passwords();
	char password[16];

	(void)state;
	assert_int_equal(ask(p, "u", HASH_SECRET, true, "secret"), PASSWORD_RIGHT);
	for (int i = 0; i < PASSWORDS_KEPT_MAX; i++) {
		snprintf(password, sizeof(password), "p%d", i);
		assert_int_equal(ask(p, "u", HASH_SECRET, true, password), PASSWORD_WRONG);
	}
	assert_int_equal(ask(p, "u", HASH_SECRET, true, "secret"), PASSWORD_RIGHT);
}

/* Where there is no descriptor for a pipe the answer is that it failed, and the next
 * question is a new one. */
static void test_no_room(void **state)
{
	_passwords_ struct passwords *p = open_passwords();
	struct rlimit before, none;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(password_ask(p, "u", HASH_SECRET, true, "secret"), PASSWORD_FAILED);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	password_ready(p);
	assert_int_equal(ask(p, "u", HASH_SECRET, true, "secret"), PASSWORD_RIGHT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_right_and_wrong),
		cmocka_unit_test(test_unknown_user),
		cmocka_unit_test(test_answers_are_apart),
		cmocka_unit_test(test_slow_check),
		cmocka_unit_test(test_queue),
		cmocka_unit_test(test_ring),
		cmocka_unit_test(test_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
