// SPDX-License-Identifier: BSD-2-Clause
#include "target/library.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

static void knows_names(void **state)
{
	(void)state;
	assert_true(library_is_called("/usr/lib/libssl.so.3", "libssl.so.3"));
	assert_true(library_is_called("libssl.so.3", "libssl.so.3"));
	assert_true(library_is_called("/x/libgnutls.so.30.34.3", "libgnutls.so.30"));
	assert_true(library_is_called("/x/libssl.so.3", "libssl.so"));
	assert_false(library_is_called("/x/libssl.so.30", "libssl.so.3"));
	assert_false(library_is_called("/x/libssl.so.3.bak", "libssl.so.3"));
	assert_false(library_is_called("/x/libssl.so", "libssl.so.3"));
	assert_false(library_is_called("/libssl.so.3/other", "libssl.so.3"));
	assert_false(library_is_called("/x/mylibssl.so.3", "libssl.so.3"));
}

/* Everybody maps the C library. */
static void finds_what_is_mapped(void **state)
{
	_library_ struct library found = { .fd = -1 };
	uint8_t file[16];
	struct err err = {};

	(void)state;
	assert_int_equal(library_of_process(getpid(), "libc.so.6", &found, &err), 0);
	assert_true(library_is_called(found.path, "libc.so.6"));
	assert_int_equal(pread(found.fd, file, 16, (off_t)found.offset), 16);
	assert_memory_equal(file, (const void *)(uintptr_t)found.at, 16);
	assert_int_equal(library_of_process(getpid(), "libnone.so.1", &found, &err), -ENOENT);
	assert_non_null(strstr(err.text, "does not map libnone.so.1"));
}

/* The file that is mapped, also when another has taken its name, or nobody has. */
static void opens_the_mapped_file(void **state)
{
	char folder[] = "/tmp/mpc-library-XXXXXX";
	_free_ char *path = NULL;
	_library_ struct library found = { .fd = -1 };
	struct stat mapped, opened;
	struct err err = {};
	void *at;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(folder));
	path = mem_printf("%s/libmine.so.1.2", folder);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0700);
	assert_true(fd >= 0 && write(fd, "mine", 4) == 4 && fstat(fd, &mapped) == 0);
	at = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	close(fd);
	unlink(path);
	if (at == MAP_FAILED) { /* the folder is mounted noexec */
		rmdir(folder);
		skip();
	}
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0700);
	assert_true(fd >= 0 && write(fd, "else", 4) == 4);
	close(fd);
	if (library_of_process(getpid(), "libmine.so.1", &found, &err) < 0) {
		/* who may not open mapped files is told that this is another one */
		assert_int_equal(err.code, -ESTALE);
	} else {
		assert_int_equal(fstat(found.fd, &opened), 0);
		assert_int_equal(opened.st_ino, mapped.st_ino);
		assert_string_equal(found.path, path);
	}
	munmap(at, 4096);
	unlink(path);
	rmdir(folder);
}

static void says_who_has_ended(void **state)
{
	_library_ struct library found = { .fd = -1 };
	struct err err = {};
	pid_t gone = fork();
	int status;

	(void)state;
	if (gone == 0)
		_exit(0);
	waitpid(gone, &status, 0);
	assert_int_equal(library_of_process(gone, "libc.so.6", &found, &err), -ESRCH);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_names),
		cmocka_unit_test(finds_what_is_mapped),
		cmocka_unit_test(opens_the_mapped_file),
		cmocka_unit_test(says_who_has_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
