// SPDX-License-Identifier: BSD-2-Clause
#include "target/lease.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

static void holds_writers_off(void **state)
{
	char path[] = "/tmp/mpc-lease-XXXXXX";
	_close_ int made = mkstemp(path);
	_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct timespec patience = { .tv_sec = 20 };
	int status = 0, r;
	sigset_t io;
	pid_t writer;

	(void)state;
	sigemptyset(&io);
	sigaddset(&io, SIGIO);
	sigprocmask(SIG_BLOCK, &io, NULL);
	assert_true(fd >= 0);
	assert_int_equal(lease_take(fd), -EAGAIN); /* ours is open for writing */
	close(made);
	made = -1;
	r = lease_take(fd);
	if (r) {
		unlink(path);
		print_message("no leases on this file system: %d\n", r);
		skip();
	}
	assert_false(lease_wanted(fd));
	writer = fork();
	if (writer == 0)
		_exit(open(path, O_WRONLY | O_CLOEXEC) >= 0 ? 7 : 1);
	assert_int_equal(sigtimedwait(&io, NULL, &patience), SIGIO);
	assert_true(lease_wanted(fd));
	assert_int_equal(waitpid(writer, &status, WNOHANG), 0); /* it waits */
	lease_give(fd);
	assert_int_equal(waitpid(writer, &status, 0), writer);
	assert_int_equal(WEXITSTATUS(status), 7);
	assert_int_equal(lease_take(fd), 0);
	unlink(path);
	assert_int_equal(lease_take(-1), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds_writers_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
