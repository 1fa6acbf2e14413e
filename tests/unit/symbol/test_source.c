// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/source.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "symbol/tiny_elf.h"
#include "symbol/tiny_strip.h"

#define DEBUG_FILE ".build-id/10/931f243e26ff384a8f9dd64dfeb50885284c9e.debug"

static char folder[] = "/tmp/test_source.XXXXXX";
static char *debug, *other;

static void put(const char *path, const uint8_t *data, size_t size)
{
	_close_ int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), size);
}

/* tiny.elf with another build-id. */
static void put_other_build(const char *path)
{
	static const uint8_t id[] = { 0x10, 0x93, 0x1f, 0x24, 0x3e };
	_free_ uint8_t *file = mem_alloc(TINY_SIZE);
	uint8_t *at;

	memcpy(file, tiny_elf, TINY_SIZE);
	at = memmem(file, TINY_SIZE, id, sizeof(id));
	assert_non_null(at);
	at[0] = 0x77;
	put(path, file, TINY_SIZE);
}

static int make(void **state)
{
	_free_ char *ids = NULL, *ten = NULL;

	(void)state;
	if (!mkdtemp(folder))
		return -1;
	ids = mem_printf("%s/.build-id", folder);
	ten = mem_printf("%s/10", ids);
	debug = mem_printf("%s/" DEBUG_FILE, folder);
	other = mem_printf("%s/other", folder);
	return mkdir(ids, 0700) || mkdir(ten, 0700);
}

static int drop(void **state)
{
	_free_ char *command = mem_printf("rm -r %s", folder);

	(void)state;
	free(debug);
	free(other);
	return system(command);
}

static int find(const struct source_options *options, int exe, struct source *out, struct err *err)
{
	struct source_look look;
	int r = source_look(options, exe, &look, err);

	if (r == 0)
		r = source_find(&look, exe, "node", out, err);
	source_look_close(&look);
	return r;
}

static void check(const struct source_options *options, int exe, enum source_kind kind,
		  const char *name, const char * not)
{
	struct source source;
	struct err err = {};

	assert_int_equal(find(options, exe, &source, &err), 0);
	assert_int_equal(source.kind, kind);
	assert_string_equal(source.name, name);
	assert_string_equal(source.not.text ? source.not.text : "", not);
	assert_int_equal(source.fd >= 0, kind == SOURCE_FILE);
	source_close(&source);
}

static void takes_what_the_executable_has(void **state)
{
	_close_ int whole = tiny_fd(), symbols = tiny_stripped(TINY_KEEP_SYMBOLS),
		    bare = tiny_stripped(TINY_KEEP_NOTHING), script = tiny_file("#!/bin/sh\n", 10);

	(void)state;
	check(NULL, whole, SOURCE_OWN, "its own debug information", "");
	check(NULL, symbols, SOURCE_SYMBOLS, "its symbol table only", "");
	check(NULL, bare, SOURCE_NOTHING, "nothing", "");
	check(NULL, script, SOURCE_NOTHING, "nothing", "");
}

static void prefers_the_separate_file(void **state)
{
	struct source_options from = { .folder = folder };
	_free_ char *name = mem_printf("debug file %s", debug);
	_close_ int whole = tiny_fd(), bare = tiny_stripped(TINY_KEEP_NOTHING);

	(void)state;
	put(debug, tiny_elf, TINY_SIZE);
	check(&from, whole, SOURCE_FILE, name, "");
	check(&from, bare, SOURCE_FILE, name, "");
	assert_true(source_may_be(&from, bare));
	unlink(debug);
	check(&from, whole, SOURCE_OWN, "its own debug information", "");
	check(&from, bare, SOURCE_NOTHING, "nothing", "");
	assert_false(source_may_be(&from, bare));
	check(&(struct source_options){ .folder = "/nonexistent" }, whole, SOURCE_OWN,
	      "its own debug information", "");
}

static void passes_over_what_is_of_no_use(void **state)
{
	struct source_options from = { .folder = folder };
	_free_ char *id = mem_printf("%s is of another build, build-id 77931f243e26ff384a8f9dd64dfe"
				     "b50885284c9e; the executable's is 10931f243e26ff384a8f9dd64df"
				     "eb50885284c9e; ",
				     debug),
		    *no_elf = mem_printf("%s is not an ELF file; ", debug),
		    *no_debug = mem_printf("%s has no debug information in it; ", debug);
	_free_ uint8_t *stripped = tiny_strip(TINY_KEEP_SYMBOLS);
	_close_ int whole = tiny_fd();

	(void)state;
	put_other_build(debug);
	check(&from, whole, SOURCE_OWN, "its own debug information", id);
	put(debug, (const void *)"text", 4);
	check(&from, whole, SOURCE_OWN, "its own debug information", no_elf);
	put(debug, stripped, TINY_SIZE);
	check(&from, whole, SOURCE_OWN, "its own debug information", no_debug);
	unlink(debug);
}

static void insists_on_the_file_that_was_given(void **state)
{
	struct source_options from = { .debug = other, .folder = folder };
	_free_ char *name = mem_printf("debug file %s", other);
	_close_ int whole = tiny_fd();
	struct source source;
	struct err err = {};

	(void)state;
	put(debug, tiny_elf, TINY_SIZE);
	put(other, tiny_elf, TINY_SIZE);
	check(&from, whole, SOURCE_FILE, name, "");
	put_other_build(other);
	assert_int_equal(find(&from, whole, &source, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "node: "));
	assert_non_null(strstr(err.text, " is of another build, build-id 77931f"));
	source_close(&source);
	from.debug = "/nonexistent/d";
	assert_int_equal(find(&from, whole, &source, &err), -ENOENT);
	assert_string_equal(err.text, "debug file /nonexistent/d: No such file or directory");
	unlink(debug);
	unlink(other);
}

/* Without build-ids the code must at least be where it is and as large as it is. */
static void compares_what_has_no_build_id(void **state)
{
	struct source_options from = { .debug = other };
	_free_ uint8_t *file = mem_alloc(TINY_SIZE);
	Elf64_Ehdr *eh = (void *)file;
	Elf64_Phdr *ph = (void *)(file + sizeof(*eh));
	struct source source;
	struct err err = {};
	_close_ int exe = -1;

	(void)state;
	memcpy(file, tiny_elf, TINY_SIZE);
	assert_int_equal(eh->e_phoff, sizeof(*eh));
	for (unsigned i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == PT_NOTE)
			ph[i].p_type = PT_NULL;
	for (unsigned i = 0; i < eh->e_shnum; i++)
		if (((Elf64_Shdr *)(file + eh->e_shoff))[i].sh_type == SHT_NOTE)
			((Elf64_Shdr *)(file + eh->e_shoff))[i].sh_type = SHT_NULL;
	exe = tiny_file(file, TINY_SIZE);
	put(other, file, TINY_SIZE);
	assert_int_equal(find(&from, exe, &source, &err), 0);
	assert_int_equal(source.kind, SOURCE_FILE);
	assert_non_null(strstr(source.not.text, "is not certain"));
	source_close(&source);
	for (unsigned i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == PT_LOAD && (ph[i].p_flags & PF_X))
			ph[i].p_memsz += 16;
	put(other, file, TINY_SIZE);
	assert_int_equal(find(&from, exe, &source, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "is of another build: its code is 0x"));
	source_close(&source);
	unlink(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_what_the_executable_has),
		cmocka_unit_test(prefers_the_separate_file),
		cmocka_unit_test(passes_over_what_is_of_no_use),
		cmocka_unit_test(insists_on_the_file_that_was_given),
		cmocka_unit_test(compares_what_has_no_build_id),
	};

	return cmocka_run_group_tests(tests, make, drop);
}
