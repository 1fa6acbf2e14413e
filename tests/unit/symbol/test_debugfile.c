// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/debugfile.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/strbuf.h"
#include "symbol/tiny_elf.h"

#define FOLDER "debug folder"

static char above[] = "/tmp/test_debugfile.XXXXXX"; /* has something that nobody may open */
static int folder;
static const uint8_t id[] = { 0xab, 0xcd, 0xef };

static void put(int dir, const char *path, const char *text)
{
	_close_ int fd = openat(dir, path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static int make(void **state)
{
	_close_ int dir = mkdtemp(above) ? open(above, O_PATH | O_CLOEXEC) : -1;

	(void)state;
	mkdirat(dir, "debug", 0700);
	folder = openat(dir, "debug", O_PATH | O_DIRECTORY | O_CLOEXEC);
	mkdirat(folder, ".build-id", 0700);
	mkdirat(folder, ".build-id/ab", 0700);
	mkdirat(folder, "usr", 0700);
	put(dir, "secret", "root's own");
	put(folder, "usr/node.debug", "debug information");
	return folder < 0;
}

static int drop(void **state)
{
	_free_ char *command = mem_printf("rm -r %s", above);

	(void)state;
	close(folder);
	return system(command);
}

static void put_id(const char *text)
{
	unlinkat(folder, ".build-id/ab/cdef.debug", 0);
	put(folder, ".build-id/ab/cdef.debug", text);
}

static void link_id(const char *target)
{
	unlinkat(folder, ".build-id/ab/cdef.debug", 0);
	assert_int_equal(symlinkat(target, folder, ".build-id/ab/cdef.debug"), 0);
}

static int by_id(size_t n, struct err *err)
{
	_free_ char *name = NULL;
	int fd = debugfile_by_id(folder, FOLDER, id, n, &name, err);

	if (n > 1)
		assert_string_equal(name, n == 3 ? FOLDER "/.build-id/ab/cdef.debug" :
						   FOLDER "/.build-id/ab/cd.debug");
	return fd;
}

static void asks_what_a_file_has(void **state)
{
	_close_ int fd = tiny_fd(), text = tiny_file("#!/bin/sh\n", 10), empty = tiny_file("", 0);
	struct debugfile_says says;

	(void)state;
	assert_true(debugfile_ask(fd, &says));
	assert_int_equal(says.n_build_id, 20);
	assert_int_equal(says.build_id[0], 0x10);
	assert_int_equal(says.build_id[19], 0x9e);
	assert_true(says.dwarf && says.symtab && !says.dwz);
	assert_string_equal(says.link, "");
	assert_true(says.code_size > 0x400 && says.code_addr > 0);
	assert_false(debugfile_ask(text, &says));
	assert_false(debugfile_ask(empty, &says));
	assert_false(debugfile_ask(-1, &says));
}

/* Anything that a damaged file says is within bounds: the sanitizers look on. */
static void stands_damage(void **state)
{
	_free_ uint8_t *bad = mem_alloc(TINY_SIZE);
	uint64_t seed = 1;

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		struct debugfile_says says;
		_close_ int fd = -1;

		memcpy(bad, tiny_elf, TINY_SIZE);
		for (unsigned n = 0; n < 40; n++) /* the headers and the sections' names */
			bad[n % 2 ? tiny_random(&seed) % 1024 :
				    TINY_SIZE - 1 - tiny_random(&seed) % 4096] =
				(uint8_t)tiny_random(&seed);
		fd = tiny_file(bad, TINY_SIZE);
		debugfile_ask(fd, &says);
		assert_true(says.n_build_id <= DEBUGFILE_ID_MAX);
		assert_true(memchr(says.link, 0, sizeof(says.link)) != NULL);
	}
}

static void finds_by_build_id(void **state)
{
	struct err err = {};
	char text[32] = "";
	_close_ int fd = -1;

	(void)state;
	put_id("by its id");
	fd = by_id(3, &err);
	assert_true(fd >= 0);
	assert_int_equal(read(fd, text, sizeof(text)), 9);
	assert_string_equal(text, "by its id");
	assert_int_equal(by_id(2, &err), -ENOENT);
	assert_int_equal(by_id(1, &err), -ENOENT);
	assert_int_equal(by_id(0, &err), -ENOENT);
	assert_string_equal(err.text, "");
}

static void follows_links_within_the_folder(void **state)
{
	_close_ int fd = -1;
	struct err err = {};

	(void)state;
	link_id("../../usr/node.debug");
	fd = by_id(3, &err);
	assert_true(fd >= 0);
}

static void does_not_leave_the_folder(void **state)
{
	_free_ char *absolute = mem_printf("%s/secret", above);
	const char *out[] = { "../../../secret", absolute, "/proc/self/exe", "/" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(out); i++) {
		struct err err = {};

		link_id(out[i]);
		assert_int_equal(by_id(3, &err), -EXDEV);
		assert_string_equal(err.text, FOLDER "/.build-id/ab/cdef.debug leads out of " FOLDER
						     " and was not followed");
	}
}

static void takes_regular_files_only(void **state)
{
	static const char says[] = FOLDER "/.build-id/ab/cdef.debug is not a regular file";
	struct err err = {};

	(void)state;
	unlinkat(folder, ".build-id/ab/cdef.debug", 0);
	assert_int_equal(mkfifoat(folder, ".build-id/ab/cdef.debug", 0600), 0);
	assert_int_equal(by_id(3, &err), -EINVAL); /* and does not wait for a writer */
	assert_string_equal(err.text, says);
	link_id("..");
	err = (struct err){};
	assert_int_equal(by_id(3, &err), -EINVAL);
	assert_string_equal(err.text, says);
	link_id("cdef.debug"); /* a circle */
	assert_int_equal(by_id(3, &err), -ELOOP);
}

static int by_link(const char *dir, const char *link, struct err *err)
{
	static const char text[] = "debug information";
	struct debugfile_says says = { .crc = (uint32_t)crc32(0, (const void *)text,
							      sizeof(text) - 1) };
	_free_ char *name = NULL;

	strcpy(says.link, link);
	return debugfile_by_link(folder, FOLDER, dir, &says, &name, err);
}

static void finds_by_link(void **state)
{
	_close_ int fd = -1, other = -1;
	struct err err = {};

	(void)state;
	fd = by_link("/usr", "node.debug", &err);
	assert_true(fd >= 0);
	other = by_link("/usr/../usr", "node.debug", &err);
	assert_true(other >= 0);
	assert_int_equal(by_link("/usr", "other.debug", &err), -ENOENT);
	assert_int_equal(by_link("/usr/node.debug", "x", &err), -ENOENT);
	assert_int_equal(by_link("", "node.debug", &err), -ENOENT);
	assert_int_equal(by_link("/usr", "", &err), -ENOENT);
	assert_string_equal(err.text, "");
}

static void compares_the_checksum(void **state)
{
	struct err err = {};

	(void)state;
	put(folder, "usr/wrong.debug", "other information");
	assert_int_equal(by_link("/usr", "wrong.debug", &err), -EBADMSG);
	assert_string_equal(err.text,
			    FOLDER "/usr/wrong.debug is not the file of the executable's "
				   ".gnu_debuglink: its CRC-32 is 7271b980, not 27215626");
}

static void follows_plain_names_only(void **state)
{
	static const char *const names[] = { "../secret", "/etc/passwd", "a/b", ".", ".." };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct err err = {};

		assert_int_equal(by_link("/usr", names[i], &err), -EINVAL);
		assert_non_null(strstr(err.text, "is not a plain file name and was not followed"));
		assert_non_null(strstr(err.text, names[i]));
	}
}

/* The folder of an executable is a name that the kernel gives, but be sure. */
static void does_not_leave_by_the_folders_name(void **state)
{
	struct err err = {};

	(void)state;
	assert_int_equal(by_link("/..", "secret", &err), -EXDEV);
	assert_non_null(strstr(err.text, "leads out of"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asks_what_a_file_has),
		cmocka_unit_test(stands_damage),
		cmocka_unit_test(finds_by_build_id),
		cmocka_unit_test(follows_links_within_the_folder),
		cmocka_unit_test(does_not_leave_the_folder),
		cmocka_unit_test(takes_regular_files_only),
		cmocka_unit_test(finds_by_link),
		cmocka_unit_test(compares_the_checksum),
		cmocka_unit_test(follows_plain_names_only),
		cmocka_unit_test(does_not_leave_by_the_folders_name),
	};

	return cmocka_run_group_tests(tests, make, drop);
}
