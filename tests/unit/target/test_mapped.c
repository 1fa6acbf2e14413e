// SPDX-License-Identifier: BSD-2-Clause
#include "target/mapped.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

/* Ourselves: what the file says stands in memory. */
static void reads_code(void **state)
{
	_close_ int exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct mapped m = { .mem = -1 };
	uint8_t file[64], memory[64];
	struct err err = {};
	size_t seen = 0;

	(void)state;
	assert_int_equal(mapped_open(getpid(), exe, &m, &err), 0);
	for (size_t i = 0; i < m.n_segments; i++) {
		const Elf64_Phdr *s = &m.segments[i];

		if (s->p_type != PT_LOAD || !(s->p_flags & PF_X) || s->p_filesz < 64)
			continue;
		seen++;
		for (uint64_t at = 0; at <= s->p_filesz - 64; at += s->p_filesz / 3) {
			assert_int_equal(pread(exe, file, 64, (off_t)(s->p_offset + at)), 64);
			assert_int_equal(mapped_read(&m, s->p_offset + at, memory, 64), 0);
			assert_memory_equal(file, memory, 64);
		}
		assert_int_not_equal(mapped_read(&m, s->p_offset + s->p_filesz - 63, memory, 64),
				     0);
	}
	assert_true(seen > 0);
	assert_int_equal(mapped_read(&m, UINT64_MAX - 8, memory, 64), -ENOENT);
	mapped_close(&m);
	mapped_close(&m);
}

static void says_why_not(void **state)
{
	_close_ int exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	_close_ int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct mapped m = { .mem = -1 };
	struct err err = {};
	int status;
	pid_t gone = fork();

	(void)state;
	if (gone == 0)
		_exit(0);
	assert_int_equal(waitpid(gone, &status, 0), gone);
	assert_int_equal(mapped_open(gone, exe, &m, &err), -ESRCH);
	assert_int_equal(mapped_open(getpid(), null, &m, &err), -ENOEXEC);
	assert_int_equal(m.mem, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_code),
		cmocka_unit_test(says_why_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
