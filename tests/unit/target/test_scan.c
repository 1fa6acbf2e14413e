// SPDX-License-Identifier: BSD-2-Clause
#include "target/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

/* ---- a /proc of our own ------------------------------------------------------------ */

struct tree {
	char path[64];
};

static void write_file(const char *path, const char *text)
{
	_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void add_process(const struct tree *tree, const char *number, const char *exe,
			const char *stat_text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", tree->path, number);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/%s/exe", tree->path, number);
	assert_int_equal(symlink(exe, path), 0);
	snprintf(path, sizeof(path), "%s/%s/stat", tree->path, number);
	write_file(path, stat_text);
}

static void remove_process(const struct tree *tree, const char *number)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s/exe", tree->path, number);
	unlink(path);
	snprintf(path, sizeof(path), "%s/%s/stat", tree->path, number);
	unlink(path);
	snprintf(path, sizeof(path), "%s/%s", tree->path, number);
	rmdir(path);
}

/* ---- tests ------------------------------------------------------------------------- */

/* Fields 25 to 52; 51 is where the environment ends. */
#define REST(env_end) \
	" 18446744073709551615 1 2 3 4 5 0 0 0 0 0 0 0 17 1 0 0 0 0 0 1 2 3 4 5 6 " #env_end " 0\n"

static void reads_a_tree(void **state)
{
	static const char *const numbers[] = { "30", "7", "8", "9", "10", "11" };
	struct process process;
	struct tree tree = { "/tmp/agent-scan-XXXXXX" };
	_scan_ struct scan scan = {};

	(void)state;
	assert_non_null(mkdtemp(tree.path));
	add_process(
		&tree, "30", "/dev/null",
		"30 (a) b) (c) S 1 30 30 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 9 9" REST(77));
	add_process(&tree, "7", "/dev/null",
		    "7 (x) S 1 7 7 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 12 9 9" REST(78));
	add_process(&tree, "8", "/no/such/file", "8 (kworker) S 1\n"); /* a kernel thread */
	add_process(&tree, "9", "/dev/null", "9 (cut) S 1 2");
	add_process(&tree, "10", "/dev/null", "no bracket");
	add_process(&tree, "11", "/dev/null", /* an exec is under way */
		    "11 (y) S 1 7 7 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 12 9 9" REST(0));
	assert_int_equal(scan_processes(tree.path, &scan, NULL), 0);
	assert_int_equal(scan.n, 2);
	assert_int_equal(scan.at[0].tgid, 7);
	assert_int_equal(scan.at[0].start, 12);
	assert_int_equal(scan.at[1].tgid, 30);
	assert_int_equal(scan.at[1].start, 4711);
	assert_int_equal(scan_process(tree.path, 7, &process), 0);
	assert_int_equal(scan_process(tree.path, 9, &process), -ESRCH);
	assert_int_equal(scan_process(tree.path, 11, &process), -EAGAIN);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		remove_process(&tree, numbers[i]);
	rmdir(tree.path);
}

struct heard {
	char text[256];
};

static void ended(const struct process *process, void *arg)
{
	struct heard *heard = arg;
	size_t n = strlen(heard->text);

	snprintf(heard->text + n, sizeof(heard->text) - n, "-%d ", (int)process->tgid);
}

static void began(const struct process *process, void *arg)
{
	struct heard *heard = arg;
	size_t n = strlen(heard->text);

	snprintf(heard->text + n, sizeof(heard->text) - n, "+%d ", (int)process->tgid);
}

/* Number 3 is used again by a later process; 4 has become another program. */
static void tells_changes(void **state)
{
	struct process a[] = {
		{ 1, 10, { 1, 1 } }, { 2, 20, { 1, 1 } }, { 3, 30, { 1, 1 } }, { 4, 40, { 1, 1 } }
	};
	struct process b[] = {
		{ 1, 10, { 1, 1 } }, { 3, 99, { 1, 1 } }, { 4, 40, { 1, 2 } }, { 5, 50, { 1, 1 } }
	};
	struct scan before = { .at = a, .n = 4 }, now = { .at = b, .n = 4 }, none = {};
	struct heard heard = {};

	(void)state;
	scan_compare(&before, &now, ended, began, &heard);
	assert_string_equal(heard.text, "-2 -3 -4 +3 +4 +5 ");
	heard.text[0] = '\0';
	scan_compare(&before, &before, ended, began, &heard);
	scan_compare(&none, &none, ended, began, &heard);
	scan_compare(&before, &now, NULL, NULL, &heard);
	assert_string_equal(heard.text, "");
}

static void sees_own_children(void **state)
{
	_scan_ struct scan before = {}, now = {}, after = {};
	int status, hold[2];
	struct process process;
	char c;
	pid_t child;

	(void)state;
	assert_int_equal(pipe(hold), 0);
	assert_int_equal(scan_processes("/proc", &before, NULL), 0);
	child = fork();
	if (child == 0) {
		close(hold[1]);
		_exit(read(hold[0], &c, 1) != 0);
	}
	assert_int_equal(scan_processes("/proc", &now, NULL), 0);
	assert_int_equal(scan_process("/proc", child, &process), 0);
	assert_int_equal(process.tgid, child);
	assert_true(process.start > 0);
	close(hold[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	close(hold[0]);
	assert_int_equal(scan_processes("/proc", &after, NULL), 0);
	assert_int_equal(scan_process("/proc", child, &process), -ESRCH);
	for (size_t i = 0; i < before.n; i++)
		assert_int_not_equal(before.at[i].tgid, child);
	for (size_t i = 0, seen = 0; i <= now.n; i++) {
		if (i == now.n)
			assert_int_equal(seen, 1);
		else
			seen += now.at[i].tgid == child;
	}
	for (size_t i = 0; i < after.n; i++)
		assert_int_not_equal(after.at[i].tgid, child);
}

static void says_what_is_missing(void **state)
{
	struct scan scan = {};
	struct err err = {};

	(void)state;
	assert_int_equal(scan_processes("/no/such/proc", &scan, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/no/such/proc"));
	assert_null(scan.at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_tree),
		cmocka_unit_test(tells_changes),
		cmocka_unit_test(sees_own_children),
		cmocka_unit_test(says_what_is_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
