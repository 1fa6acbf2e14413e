// SPDX-License-Identifier: BSD-2-Clause
#include "target/said.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <bpf/btf.h>
#include <cmocka.h>

/* libbpf complains about a file that is no object; we have its words. */
static void keeps_what_libbpf_says(void **state)
{
	_said_ struct said said;
	struct err err = {};

	(void)state;
	said_listen(&said);
	assert_null(bpf_object__open_mem("no ELF", 6, NULL));
	assert_int_equal(said_err(&said, &err, -EINVAL, "cannot read %s", "it"), -EINVAL);
	assert_int_equal(strncmp(err.text, "cannot read it: Invalid argument (", 34), 0);
	assert_true(said.text[0] != '\0');
	assert_null(strchr(err.text, '\n'));
	assert_null(strstr(err.text, "libbpf: "));
}

static void says_nothing_unheard(void **state)
{
	struct said outer, inner;
	struct err err = {};

	(void)state;
	said_listen(&outer);
	said_listen(&inner);
	said_stop(&inner);
	assert_null(bpf_object__open_mem("no ELF", 6, NULL));
	assert_true(outer.text[0] != '\0');
	assert_true(inner.text[0] == '\0');
	said_stop(&outer);
	said_err(&inner, &err, -ENOENT, "nothing was said");
	assert_string_equal(err.text, "nothing was said: No such file or directory");
}

/* Hands a message to the print function that is set just now. */
static void speak(const char *fmt, ...)
{
	libbpf_print_fn_t print = libbpf_set_print(NULL);
	va_list ap;

	libbpf_set_print(print);
	va_start(ap, fmt);
	print(LIBBPF_WARN, fmt, ap);
	va_end(ap);
}

/* The verifier's reason stands last in its log, before the statistics. */
static void finds_the_verdict(void **state)
{
	_said_ struct said said;
	struct err err = {};

	(void)state;
	said_listen(&said);
	speak("libbpf: prog '%s': BPF program load failed: Invalid argument\n", "start");
	speak("libbpf: prog 'start': -- BEGIN PROG LOAD LOG --\n0: R1=ctx()\n1: (85) call 5\n"
	      "R0 invalid mem access 'scalar'\nprocessed 2 insns (limit 1000000)\n-- END --\n");
	speak("libbpf: failed to load object\n");
	said_err(&said, &err, -EINVAL, "cannot load");
	assert_string_equal(err.text,
			    "cannot load: Invalid argument (R0 invalid mem access 'scalar')");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_what_libbpf_says),
		cmocka_unit_test(says_nothing_unheard),
		cmocka_unit_test(finds_the_verdict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
