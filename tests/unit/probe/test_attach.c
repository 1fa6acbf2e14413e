// SPDX-License-Identifier: BSD-2-Clause
/* What attach.c decides without the kernel; setting probes is tested end to end
 * by tests/e2e/10-kernel-call.sh. */
#include "probe/attach.h"

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

static void compares_bytes(void **state)
{
	static const uint8_t code[] = { 0x90, 0x55, 0x48, 0x89, 0xe5, 0xc3 };
	struct plan_site sites[] = {
		{ .offset = 1, .n_bytes = 4, .bytes = { 0x55, 0x48, 0x89, 0xe5 } },
		{ .offset = 5, .n_bytes = 1, .bytes = { 0xc3 } },
		{ .offset = 9, .n_bytes = 1, .bytes = { 0xc3 } }
	};
	struct plan plan = { .binary = (char *)"wallet", .sites = sites, .n_sites = 3 };
	size_t from[] = { 0, 1, 2 };
	struct compiled compiled = { .from = from, .n_sites = 2 };
	_close_ int fd = memfd_create("code", MFD_CLOEXEC);
	struct err err = {};

	(void)state;
	assert_int_equal(write(fd, code, sizeof(code)), sizeof(code));
	assert_int_equal(attach_compare(fd, &plan, &compiled, &err), 0);
	sites[1].bytes[0] = 0xc2;
	assert_int_equal(attach_compare(fd, &plan, &compiled, &err), -ESTALE);
	assert_non_null(
		strstr(err.text, "wallet should have c2 at offset 0x5, the running file has c3"));
	sites[1].bytes[0] = 0xc3;
	compiled.n_sites = 3;
	assert_int_equal(attach_compare(fd, &plan, &compiled, &err), -ESTALE);
	assert_non_null(strstr(err.text, "has nothing there"));
	sites[2].offset = UINT64_MAX;
	assert_int_equal(attach_compare(fd, &plan, &compiled, &err), -ESTALE);
	/* Sites that were left out are not compared. */
	compiled.n_sites = 1;
	assert_int_equal(attach_compare(fd, &plan, &compiled, &err), 0);
	assert_int_equal(attach_compare(-1, &plan, &compiled, &err), -EBADF);
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
		cmocka_unit_test(knows_unsafe_nops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
