// SPDX-License-Identifier: BSD-2-Clause
/* What attach.c decides without the kernel; setting probes is tested end to end
 * by tests/e2e/10-kernel-call.sh. */
#include "probe/attach.h"

#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

#define CODE 0x100 /* where the file has its code, and what stands there */
static const uint8_t code[] = { 0x90, 0x55, 0x48, 0x89, 0xe5, 0xc3 };

/* A program whose code is promised to go on for two bytes more than the file has. */
static int program(void)
{
	int fd = memfd_create("code", MFD_CLOEXEC);
	Elf64_Ehdr eh = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB },
		.e_type = ET_DYN,
		.e_machine = EM_X86_64,
		.e_phoff = sizeof(eh),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 1,
	};
	Elf64_Phdr ph = { .p_type = PT_LOAD,
			  .p_flags = PF_R | PF_X,
			  .p_offset = CODE,
			  .p_filesz = sizeof(code) + 2 };

	assert_int_equal(pwrite(fd, &eh, sizeof(eh), 0), sizeof(eh));
	assert_int_equal(pwrite(fd, &ph, sizeof(ph), sizeof(eh)), sizeof(ph));
	assert_int_equal(pwrite(fd, code, sizeof(code), CODE), sizeof(code));
	return fd;
}

static void compares_bytes(void **state)
{
	struct plan_site sites[] = {
		{ .offset = CODE + 1, .n_bytes = 4, .bytes = { 0x55, 0x48, 0x89, 0xe5 } },
		{ .offset = CODE + 5, .n_bytes = 1, .bytes = { 0xc3 } },
		{ .offset = CODE + 7, .n_bytes = 1, .bytes = { 0xc3 } }
	};
	struct plan plan = { .binary = (char *)"wallet", .sites = sites, .n_sites = 3 };
	size_t from[] = { 0, 1, 2 };
	struct compiled compiled = { .from = from, .n_sites = 2 };
	_close_ int fd = program();
	struct err err = {};

	(void)state;
	assert_int_equal(attach_compare(fd, &plan, &compiled, &err), 0);
	sites[1].bytes[0] = 0xc2;
	assert_int_equal(attach_compare(fd, &plan, &compiled, &err), -ESTALE);
	assert_non_null(
		strstr(err.text, "wallet should have c2 at offset 0x105, the running file has c3"));
	sites[1].bytes[0] = 0xc3;
	compiled.n_sites = 3;
	assert_int_equal(attach_compare(fd, &plan, &compiled, &err), -ESTALE);
	assert_non_null(strstr(err.text, "has nothing there"));
	/* Sites that were left out are not compared. */
	compiled.n_sites = 1;
	assert_int_equal(attach_compare(fd, &plan, &compiled, &err), 0);
	assert_int_equal(attach_compare(-1, &plan, &compiled, &err), -EBADF);
}

/* What is outside of the code is refused though the bytes are there. */
static void wants_code(void **state)
{
	struct plan_site site = { .offset = 1, .n_bytes = 3, .bytes = { 'E', 'L', 'F' } };
	struct plan plan = { .sites = &site, .n_sites = 1 };
	size_t from = 0;
	struct compiled compiled = { .from = &from, .n_sites = 1 };
	static const uint64_t outside[] = { 1, CODE - 1, CODE + 6, INT64_MAX, UINT64_MAX };
	_close_ int fd = program();
	struct err err = {};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(outside); i++) {
		site.offset = outside[i];
		assert_int_equal(attach_compare(fd, &plan, &compiled, &err), -ESTALE);
		assert_non_null(strstr(err.text, "where the program has no code"));
	}
}

static void knows_unsafe_nops(void **state)
{
	struct plan_site site = { .n_bytes = 5, .bytes = { 0x0f, 0x1f, 0x44, 0x00, 0x00 } };
	struct kernel kernel = { .nop5 = true };

	(void)state;
	assert_non_null(attach_unsafe(&kernel, &site));
	site.bytes[0] = 0xe8;
	assert_null(attach_unsafe(&kernel, &site));
	site.bytes[0] = 0x0f;
	kernel.nop5 = false;
	assert_null(attach_unsafe(&kernel, &site));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compares_bytes),
		cmocka_unit_test(wants_code),
		cmocka_unit_test(knows_unsafe_nops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
