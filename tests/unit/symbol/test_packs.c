// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/packs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/pack.h"
#include "symbol/tiny_elf.h"
#include "symbol/tiny_plan.h"

static char folder[] = "/tmp/test_packs.XXXXXX";
static char *one, *two, *other;

static void put(const char *path, const char *build_id)
{
	const char *rest = strstr(TINY_PACK, "\nfunc");
	_free_ char *text =
		mem_printf("mpc-bpf-agent pack 1\nbinary \"x\"\nbuild-id %s%s", build_id, rest);
	_close_ int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static int make(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	one = mem_printf("%s/one.pack", folder);
	two = mem_printf("%s/two.pack", folder);
	other = mem_printf("%s/other.txt", folder);
	return 0;
}

static int drop(void **state)
{
	(void)state;
	unlink(one);
	unlink(two);
	unlink(other);
	free(one);
	free(two);
	free(other);
	return rmdir(folder);
}

static void finds_by_build_id(void **state)
{
	_cleanup_(packs_free) struct packs packs = {};
	_cleanup_(plan_freep) struct plan *plan = NULL;
	const struct pack_file *file;

	(void)state;
	put(one, "01020304");
	put(two, "0102030405");
	put(other, "no pack at all");
	assert_int_equal(packs_add(&packs, folder, NULL), 0);
	assert_int_equal(packs.n, 2);
	file = packs_find(&packs, (const uint8_t *)"\x01\x02\x03\x04\x05", 5);
	assert_string_equal(file->path, two);
	assert_non_null(packs_find(&packs, (const uint8_t *)"\x01\x02\x03\x04", 4));
	assert_null(packs_find(&packs, (const uint8_t *)"\x01\x02\x03", 3));
	assert_null(packs_find(&packs, (const uint8_t *)"", 0));
	assert_int_equal(packs_load(file, NULL, &plan, NULL), 0);
	assert_int_equal(plan->n_sites, 4);
}

#define CODE "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e"

static void finds_by_code(void **state)
{
	_cleanup_(packs_free) struct packs packs = {};
	_cleanup_(plan_freep) struct plan *plan = NULL;
	const struct pack_file *file;
	uint8_t code[32];
	struct err err = {};

	(void)state;
	for (unsigned i = 0; i < sizeof(code); i++)
		code[i] = (uint8_t)i;
	put(one, "01020304");
	assert_int_equal(packs_add(&packs, one, &err), 0);
	assert_false(packs_know_code(&packs));
	put(two, "none\ncode-sha256 " CODE "1f");
	assert_int_equal(packs_add(&packs, two, &err), 0);
	assert_true(packs_know_code(&packs));
	file = packs_find_code(&packs, code);
	assert_string_equal(file->path, two);
	assert_int_equal(packs_load(file, NULL, &plan, &err), 0);
	assert_true(plan->has_code);
	assert_memory_equal(plan->code, code, sizeof(code));
	code[31] ^= 1;
	assert_null(packs_find_code(&packs, code));
	assert_null(packs_find_code(&packs, (const uint8_t[32]){}));
	put(one, "none\ncode-sha256 " CODE "1f");
	assert_int_equal(packs_add(&packs, one, &err), -EEXIST);
}

static void refuses(void **state)
{
	_cleanup_(packs_free) struct packs packs = {};
	struct err err = {};

	(void)state;
	put(one, "01020304");
	put(two, "01020304");
	assert_int_equal(packs_add(&packs, one, &err), 0);
	assert_int_equal(packs_add(&packs, two, &err), -EEXIST);
	assert_non_null(strstr(err.text, "are packs of the same build; keep one"));
	put(two, "none");
	assert_int_equal(packs_add(&packs, two, &err), -EINVAL);
	assert_non_null(strstr(err.text, "does not say of which executable it is"));
	put(two, "none\ncode-sha256 0102");
	assert_int_equal(packs_add(&packs, two, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "two.pack:4: a SHA-256 has 32 bytes, not 2"));
	put(two, "broken");
	assert_int_equal(packs_add(&packs, two, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "two.pack:3: "));
	assert_int_equal(packs_add(&packs, "/nonexistent/p", &err), -ENOENT);
	assert_int_equal(packs.n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_by_build_id),
		cmocka_unit_test(finds_by_code),
		cmocka_unit_test(refuses),
	};

	return cmocka_run_group_tests(tests, make, drop);
}
