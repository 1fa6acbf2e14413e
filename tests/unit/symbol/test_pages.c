// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/tiny_elf.h"

#define SIZE ((size_t)3 * PAGES_STEP)

/* Is a page in the memory of this process, by the kernel's own account? */
static bool present(const void *at)
{
	_close_ int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	assert_int_equal(pread(fd, &entry, sizeof(entry), (off_t)((uintptr_t)at / 4096 * 8)),
			 sizeof(entry));
	return entry >> 63;
}

static unsigned read_all(const char *at, size_t size)
{
	unsigned sum = 0;

	for (size_t i = 0; i < size; i += 512)
		sum += ((const volatile uint8_t *)at)[i];
	return sum;
}

static void gives_back_what_lies_behind(void **state)
{
	int fd = tiny_fd(); /* and much behind it that is no section */
	struct pages pages = {};
	const char *file;
	unsigned sum;
	size_t size;

	(void)state;
	assert_int_equal(ftruncate(fd, SIZE), 0);
	pages.dbg = dwarf_begin(fd, DWARF_C_READ);
	assert_non_null(pages.dbg);
	file = elf_rawfile(dwarf_getelf(pages.dbg), &size);
	assert_int_equal(size, SIZE);
	sum = read_all(file, SIZE);
	pages.kept = file;
	pages_move_on(&pages, file + PAGES_STEP - 1);
	assert_ptr_equal(pages.kept, file);
	assert_true(present(file + PAGES_STEP / 2));
	pages_move_on(&pages, file + PAGES_STEP);
	assert_ptr_equal(pages.kept, file + PAGES_STEP);
	assert_false(present(file));
	assert_false(present(file + PAGES_STEP / 2));
	assert_true(present(file + PAGES_STEP + 4096));
	assert_int_equal(read_all(file, SIZE), sum);
	dwarf_end(pages.dbg);
	close(fd);
}

/* Memory that is not of the file would lose what is in it. */
static void leaves_other_memory(void **state)
{
	struct tiny t = tiny_open();
	char *other = mem_alloc(SIZE);
	struct pages pages = { t.dbg, other };

	(void)state;
	memset(other, 7, SIZE);
	pages_move_on(&pages, other + SIZE);
	assert_ptr_equal(pages.kept, other + SIZE);
	for (size_t i = 0; i < SIZE; i++)
		assert_int_equal(other[i], 7);
	free(other);
	tiny_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_back_what_lies_behind),
		cmocka_unit_test(leaves_other_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
