// SPDX-License-Identifier: BSD-2-Clause
#include "target/env.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

static int look(const char *data, size_t size, const char *name, char *out, size_t room)
{
	_close_ int fd = memfd_create("environ", MFD_CLOEXEC);
	struct err err = {};
	int r;

	assert_int_equal(write(fd, data, size), (ssize_t)size);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	r = env_read_fd(fd, name, out, room, &err);
	assert_true((r == 0) == (err.text[0] == '\0'));
	return r;
}

static void finds_one(void **state)
{
	static const char env[] = "NODE_IDS=no\0XNODE_ID=no\0NODE=no\0=odd\0\0NODE_ID=seed-3\0Z=1";
	char out[16];

	(void)state;
	assert_int_equal(look(env, sizeof(env) - 1, "NODE_ID", out, sizeof(out)), 0);
	assert_string_equal(out, "seed-3");
	assert_int_equal(look(env, sizeof(env) - 1, "Z", out, sizeof(out)), 0);
	assert_string_equal(out, "1");
	assert_int_equal(look(env, sizeof(env) - 1, "ID", out, sizeof(out)), -ENOENT);
	assert_int_equal(look("", 0, "ID", out, sizeof(out)), -ENOENT);
	assert_int_equal(look("ID=", 4, "ID", out, sizeof(out)), 0);
	assert_string_equal(out, "");
	assert_int_equal(look("ID", 3, "ID", out, sizeof(out)), -ENOENT);
}

static void bounds_the_value(void **state)
{
	char out[4] = "zzz";

	(void)state;
	assert_int_equal(look("ID=abc", 7, "ID", out, sizeof(out)), 0);
	assert_int_equal(look("ID=abcd", 8, "ID", out, sizeof(out)), -E2BIG);
	assert_memory_equal(out, "\0\0\0", 4);
	assert_int_equal(look("ID=a\nb", 7, "ID", out, sizeof(out)), -EILSEQ);
	assert_memory_equal(out, "\0\0\0", 4);
	assert_int_equal(look("ID=\xc3\xa9", 6, "ID", out, sizeof(out)), -EILSEQ);
}

/* Wherever the reads are cut. */
static void crosses_reads(void **state)
{
	char data[1200], out[32];

	(void)state;
	for (size_t pad = 480; pad < 540; pad++) {
		memset(data, 'x', sizeof(data));
		memcpy(data + pad, "\0NODE_ID=seed-7", 16);
		assert_int_equal(look(data, sizeof(data), "NODE_ID", out, sizeof(out)), 0);
		assert_string_equal(out, "seed-7");
	}
}

static void refuses_names(void **state)
{
	struct err err = {};
	char out[8], longest[80];

	(void)state;
	memset(longest, 'A', sizeof(longest));
	longest[79] = '\0';
	assert_int_equal(env_read(getpid(), "", out, sizeof(out), &err), -EINVAL);
	assert_int_equal(env_read(getpid(), "A=B", out, sizeof(out), &err), -EINVAL);
	assert_int_equal(env_read(getpid(), longest, out, sizeof(out), &err), -EINVAL);
	assert_int_equal(env_read(getpid(), "A", out, 0, &err), -EINVAL);
}

static void reads_processes(void **state)
{
	char *const argv[] = { (char *)"sleep", (char *)"60", NULL };
	char *const envp[] = { (char *)"SECRET=1", (char *)"NODE_ID=seed-9", NULL };
	struct err err = {};
	char out[32] = "";
	int status, ready[2];
	pid_t child;
	char c;

	(void)state;
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	child = fork();
	if (child == 0) {
		execve("/bin/sleep", argv, envp);
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 0); /* closed by exec */
	close(ready[0]);
	assert_int_equal(env_read(child, "NODE_ID", out, sizeof(out), &err), 0);
	assert_string_equal(out, "seed-9");
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(env_read(child, "NODE_ID", out, sizeof(out), &err), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_one),       cmocka_unit_test(bounds_the_value),
		cmocka_unit_test(crosses_reads),   cmocka_unit_test(refuses_names),
		cmocka_unit_test(reads_processes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
