// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/pack.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/tiny_elf.h"
#include "symbol/tiny_plan.h"

/* Reads @text and writes it again; NULL with @err where it is refused. */
static char *again(const char *text, size_t size, struct err *err)
{
	_cleanup_(plan_freep) struct plan *plan = NULL;
	struct strbuf out = {};

	if (pack_read("p", text, size, &plan, err) < 0) {
		assert_null(plan);
		return NULL;
	}
	pack_write(plan, &out);
	return strbuf_take(&out);
}

static void gives_back_the_same(void **state)
{
	_free_ char *text = again(TINY_PACK, strlen(TINY_PACK), NULL);
	static const char empty[] = "mpc-bpf-agent pack 1\nbinary \"\"\nbuild-id none\nend\n";
	_free_ char *nothing = again(empty, strlen(empty), NULL);

	(void)state;
	assert_string_equal(text, TINY_PACK);
	assert_string_equal(nothing, empty);
}

static void reads_what_is_meant(void **state)
{
	_cleanup_(plan_freep) struct plan *p = NULL;

	(void)state;
	assert_int_equal(pack_read("p", TINY_PACK, strlen(TINY_PACK), &p, NULL), 0);
	assert_string_equal(p->binary, "no de");
	assert_int_equal(p->n_build_id, 3);
	assert_int_equal(p->n_sites, 4);
	assert_string_equal(p->rows[1].where, "function <a::\"q\\z\x1b\xc3\xbc\xff>");
	assert_null(p->rows[1].how);
	assert_null(p->rows[0].reason);
	assert_int_equal(p->sites[0].saved.reg, ABI_REG_RDI);
	assert_int_equal(p->sites[1].saved.reg, ABI_REG_NONE);
	assert_int_equal(p->sites[0].values[1].slot, 3);
	assert_int_equal(p->sites[0].values[1].tests[0].otherwise.next, 2);
	assert_true(p->sites[0].values[1].tests[0].choices[0].raw == UINT64_MAX);
	assert_true(p->sites[3].offset == INT64_MAX);
	assert_int_equal(p->sites[3].n_bytes, 15);
}

/* Spaces are for people; where they stand does not matter. */
static void reads_what_was_indented_anew(void **state)
{
	static const char text[] = "mpc-bpf-agent  pack 1 \n  binary \"x\"\nbuild-id none\n"
				   "   func \"f\"\nrow ready func 0\nwhere \"w\"\n end\n";
	_free_ char *out = again(text, strlen(text), NULL);

	(void)state;
	assert_string_equal(out, "mpc-bpf-agent pack 1\nbinary \"x\"\nbuild-id none\n"
				 "func \"f\"\nrow ready func 0\n  where \"w\"\nend\n");
}

/* TINY_PACK with one part replaced; @why is in the sentence, @line names the line. */
static void refused(const char *part, const char *with, unsigned line, const char *why)
{
	const char *at = strstr(TINY_PACK, part);
	_free_ char *text = NULL, *out = NULL, *where = mem_printf("p:%u: ", line);
	struct err err = {};

	assert_non_null(at);
	text = mem_printf("%.*s%s%s", (int)(at - TINY_PACK), TINY_PACK, with, at + strlen(part));
	out = again(text, strlen(text), &err);
	if (out)
		fail_msg("\"%s\" in place of \"%s\" was read", with, part);
	assert_int_equal(err.code, -EBADMSG);
	if (strncmp(err.text, where, strlen(where)) != 0 || !strstr(err.text, why))
		fail_msg("\"%s\" in place of \"%s\": %s", with, part, err.text);
}

static void refuses_a_bad_head(void **state)
{
	(void)state;
	refused("mpc-bpf-agent pack 1\n", "", 1, "not a pack");
	refused("mpc-bpf-agent pack 1\n",
		"\x7f"
		"ELF\n",
		1, "not a pack");
	refused("pack 1", "pack 2", 1, "pack version 2; this agent reads version 1");
	refused("pack 1", "pack 1 2", 1, "the end of the line expected");
	refused("pack 1", "pack", 1, "the version of the pack expected");
	refused("binary \"no de\"\n", "", 2, "binary expected");
	refused("\"no de\"", "no de", 2, "the name of a file expected");
	refused("\"no de\"", "\"a/b\"", 2, "has a folder in it");
	refused("build-id 0001fe", "build-id", 3, "a build-id or the word none");
	refused("0001fe", "0001f", 3, "a build-id or the word none");
	refused("0001fe", "000102030405060708090a0b0c0d0e0f1011121314", 3, "at most 20 bytes");
	refused("func \"a::c\"", "func \"a::b\"", 5, "stands twice");
	refused("func \"a::c\"", "func \"\"", 5, "has no name");
	refused("func \"a::c\"", "colour \"a::c\"", 5, "func, row, site or end expected");
	refused("func \"a::c\"", "func \"a::c\" required", 5, "the end of the line expected");
}

static void refuses_bad_rows(void **state)
{
	(void)state;
	refused("row ready", "row fine", 6, "ready, partial, refused or absent expected");
	refused("row ready func 0", "row ready func 2", 6, "there is no func 2, only 2");
	refused("row ready func 0", "row ready func -1", 6, "an index expected");
	refused("row ready func 0", "row ready func 4294967296", 6, "at most 4294967295");
	refused("row ready func 0", "row ready", 6, "func expected");
	refused("  where \"poll function a::b::{{closure}}\"\n", "", 7, "where expected");
	refused("  how \"first poll\"\n", "  how \"a\"\n  how \"b\"\n", 9, "row, site or end");
	refused("  how \"first poll\"\n", "  reason \"a\"\n", 8, "row, site or end");
	refused("  reason \"not all\"\n", "", 11, "reason expected");
	refused("row 1 at", "row 2 at", 31, "belongs to row 2, which is absent");
}

static void refuses_bad_sites(void **state)
{
	(void)state;
	refused("site start", "site begin", 15, "start, return, panic or cancel expected");
	refused("site start func 0 row 0", "site start func 9 row 0", 15, "no func 9");
	refused("site start func 0 row 0", "site start func 0 row 3", 15, "no row 3, only 3");
	refused("site start func 0 row 0", "site start func 1 row 0", 15,
		"a site of function 1 belongs to row 0 of function 0");
	refused("at 0x10", "at 16", 15, "an offset expected");
	refused("at 0x10", "at 0x8000000000000000", 15, "an offset is");
	refused("at 0x10", "at 0x10000000000000000", 15, "an offset is too large");
	refused("at 0x10", "at 0x11", 30, "not in order");
	refused("site start", "site cancel", 15, "the end of the line expected, not \"saved\"");
	refused("site panic", "site start", 31, "not in order");
	refused("site panic func 1 row 1", "site return func 0 row 0", 31, "a site stands twice");
	refused("bytes 90", "bytes", 15, "the bytes of an instruction expected");
	refused("bytes 90", "bytes 000102030405060708090a0b0c0d0e0f", 15, "at most 15 bytes");
	refused("key rbx+272", "key key", 15, "begins with a processor's register");
	refused("key rbx+272", "key rbx:8", 15, "has no width");
	refused("key rbx+272", "", 15, "key expected");
	refused("saved rdi", "saved saved", 15, "begins with a processor's register");
	refused("saved rdi", "kept rdi", 15, "the end of the line expected");
	refused("key rbx\n", "key rbx saved rdi\n", 30, "the end of the line expected");
	refused("site panic", "wait panic", 31, "value, site or end expected");
}

static void refuses_bad_values(void **state)
{
	(void)state;
	refused("value 3", "value 0", 21, "value 0 stands twice");
	refused("value 3", "value 4", 21, "at most 3");
	refused("value 3 \"kind\"", "value 3", 21, "what a value is expected");
	refused("    test key-104:1\n", "", 17, "test, number, signed, time or key expected");
	refused("key-104:1", "key-104", 17, "has a width");
	refused("key-104:1", "key-104:1r", 17, "past a register");
	refused("255 = unknown", "256 = unknown", 19, "at most 255");
	refused("255 = unknown", "-1 = unknown", 19, "a raw value or the word else");
	refused("255 = unknown", "255 unknown", 19, "= expected");
	refused("255 = unknown", "255 = nothing", 19,
		"a label, a test, or the word skip or unknown");
	refused("255 = unknown", "255 = test 1", 21, "leads to test 1 and has only 1");
	refused("      else \"yes\"\n", "", 20, "a raw value or the word else expected");
	refused("= test 1", "= test 0", 23, "which is not behind it");
	refused("else test 2", "else test 3", 24, "at most 2");
	refused("    test rax:4r\n      else unknown\n",
		"    test rax:4r\n      1 = test 1\n      else unknown\n", 26,
		"test 1 leads to test 1, which is not behind it");
	refused("    test rax:4r\n", "    test rax:4r\n      else unknown\n    test rax:4r\n", 29,
		"a value has at most 3 tests");
}

/* A pack with one value, of these lines. */
static char *with_value(const char *lines)
{
	return mem_printf("mpc-bpf-agent pack 1\nbinary \"x\"\nbuild-id none\nfunc \"a::b\"\n"
			  "row ready func 0\n  where \"here\"\n"
			  "site start func 0 row 0 at 0x10 bytes 90 key rsp\n"
			  "  value 1 \"request.shares.len()\"\n%send\n",
			  lines);
}

static void reads_numbers(void **state)
{
	static const char *const good[] = {
		"    number [key-104]+16:8\n",
		"    signed rdi:4r\n",
		"    test key-8:1\n      0 = test 1\n      else unknown\n    signed key:2\n",
		"    test key-8:1\n      0 = test 1\n      else skip\n    number key:2\n",
		"    test key-8:1\n      0 = skip\n      1 = \"one\"\n      else unknown\n",
		"    key text key-96:8 [key-88]+8:8\n",
		"    key words rdi:8 rdi+8:8\n",
		"    key word rdi:4r\n",
		"    key signed key:2\n",
		"    time [rsp+16]:8 [rsp+16]+8:4\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_free_ char *text = with_value(good[i]), *out = NULL;
		struct err err = {};

		out = again(text, strlen(text), &err);
		if (!out)
			fail_msg("%s", err.text);
		assert_string_equal(out, text);
	}
}

static void refuses_bad_numbers(void **state)
{
	static const struct {
		const char *lines, *why;
	} bad[] = {
		{ "    number key-104\n", "p:9: the recipe of a value has a width" },
		{ "    number key-104:8 = 1\n", "p:9: the end of the line expected" },
		{ "    number key:8\n      1 = \"one\"\n", "p:10: value, site or end expected" },
		{ "    number key:8\n    test key:1\n      else unknown\n",
		  "p:10: value, site or end expected" },
		{ "    number key:8\n    number key:8\n", "p:10: value, site or end expected" },
		{ "    test key:1\n      1 = skip 1\n      else unknown\n",
		  "p:10: the end of the line expected" },
		{ "    unsigned key:8\n", "p:9: test, number, signed, time or key expected" },
		{ "    time rdi:8\n", "p:9: a recipe names no register" },
		{ "    test key:1\n      else unknown\n    time key:8 key+8:4\n",
		  "p:11: a time has no tests in front of it" },
		{ "    key letters rdi:8\n", "p:9: text, words, word or signed expected" },
		{ "    key text rdi:8\n", "p:9: a recipe names no register" },
		{ "    key word rdi:8 rsi:8\n", "p:9: the end of the line expected" },
		{ "    key words rdi rsi\n", "p:9: the recipe of a value has a width" },
		{ "    test key:1\n      else unknown\n    key word rdi:8\n",
		  "p:11: a key has no tests in front of it" },
		{ "    key word rdi:8\n    number rdi:8\n", "p:10: value, site or end expected" },
		{ "    test key:1\n      1 = test 2\n      else unknown\n    number key:8\n",
		  "the value above leads to test 2 and has only 2" },
		{ "    test key:1\n      else unknown\n    test key:1\n      else unknown\n"
		  "    test key:1\n      else unknown\n    number key:8\n",
		  "a value has at most 3 tests" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_free_ char *text = with_value(bad[i].lines), *out = NULL;
		struct err err = {};

		out = again(text, strlen(text), &err);
		if (out || !strstr(err.text, bad[i].why))
			fail_msg("%s: %s", bad[i].lines, out ? "was read" : err.text);
	}
}

static void refuses_more_than_there_may_be(void **state)
{
	_strbuf_ struct strbuf many = {};

	(void)state;
	for (unsigned i = 0; i < ABI_FUNCS_MAX; i++)
		strbuf_printf(&many, "func \"f%u\"\n", i);
	refused("func \"a::c\"\n", many.text, 4 + ABI_FUNCS_MAX, "at most 128 functions");
	strbuf_free(&many);
	for (unsigned i = 0; i < ABI_CHOICES_MAX; i++)
		strbuf_printf(&many, "%u = \"x\"\n", i);
	refused("      0 = \"no\"\n", many.text, 18 + ABI_CHOICES_MAX, "at most 16 choices");
	strbuf_free(&many);
	for (unsigned i = 1; i < ABI_VALUES_MAX; i++)
		strbuf_printf(&many, "value %u \"x\"\ntest rax:1r\nelse unknown\n", i);
	strbuf_puts(&many, "  value 3 \"kind\"\n");
	refused("  value 3 \"kind\"\n", many.text, 21 + 3 * (ABI_VALUES_MAX - 1),
		"at most 4 values");
	strbuf_free(&many);
	for (unsigned i = 0; i < ABI_SITES_MAX; i++)
		strbuf_printf(&many, "site panic func 0 row 0 at 0x%x bytes 90 key rbx\n", i);
	refused("site start func 0 row 0 at 0x10 bytes 90 key rbx+272 saved rdi\n", many.text,
		29 + ABI_SITES_MAX, "at most 8192 sites");
}

static void refuses_too_much_text(void **state)
{
	_free_ char *text = mem_alloc(PACK_SIZE_MAX + 1);
	struct plan *plan = NULL;
	struct err err = {};

	(void)state;
	assert_int_equal(pack_read("p", text, PACK_SIZE_MAX + 1, &plan, &err), -EBADMSG);
	assert_string_equal(err.text, "p: a pack is no larger than 16777216 bytes");
	assert_int_equal(pack_read("p", text, PACK_SIZE_MAX, &plan, &err), -EBADMSG);
	assert_string_equal(err.text, "p:1: not a pack: there are NUL bytes in it");
}

/* A pack that lost its end is never taken for a smaller one. */
static void refuses_every_cut(void **state)
{
	(void)state;
	for (size_t n = 0; n < strlen(TINY_PACK); n++) {
		struct err err = {};

		assert_null(again(TINY_PACK, n, &err));
		assert_int_equal(err.code, -EBADMSG);
	}
	refused("end\n", "end\nend\n", 34, "something behind the end");
	refused("end\n", "end", 33, "a line break is missing");
	refused("end\n", "", 33, "cut off here, value, site or end is missing");
}

/* Whatever is read is a plan that is written and read the same. */
static void stands_damage(void **state)
{
	static const char alphabet[] = "0123456789abcdefrx[]:+-\"\\ \n=NULL";
	size_t size = strlen(TINY_PACK), read = 0;
	_free_ char *text = mem_alloc(size);
	uint64_t seed = 1;

	(void)state;
	for (unsigned round = 0; round < 8000; round++) {
		_free_ char *first = NULL, *second = NULL;
		unsigned edits = 1 + tiny_random(&seed) % 3;
		struct err err = {};
		size_t n = size;

		memcpy(text, TINY_PACK, size);
		while (edits--) {
			size_t at = tiny_random(&seed) % n, len = tiny_random(&seed) % 8;
			unsigned how = tiny_random(&seed) % 4;

			if (how == 0)
				text[at] = (char)tiny_random(&seed);
			else if (how == 1)
				text[at] = alphabet[tiny_random(&seed) % (sizeof(alphabet) - 1)];
			else if (how == 2 && at + len < n)
				memmove(text + at, text + at + len, n - at - len), n -= len;
			else if (at + len < n)
				memmove(text + at, text + tiny_random(&seed) % (n - len), len);
		}
		first = again(text, n, &err);
		if (!first) {
			assert_int_equal(err.code, -EBADMSG);
			continue;
		}
		read++;
		second = again(first, strlen(first), &err);
		assert_string_equal(second, first);
	}
	assert_in_range(read, 50, 7900);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_back_the_same),
		cmocka_unit_test(reads_what_is_meant),
		cmocka_unit_test(reads_what_was_indented_anew),
		cmocka_unit_test(refuses_a_bad_head),
		cmocka_unit_test(refuses_bad_rows),
		cmocka_unit_test(refuses_bad_sites),
		cmocka_unit_test(refuses_bad_values),
		cmocka_unit_test(reads_numbers),
		cmocka_unit_test(refuses_bad_numbers),
		cmocka_unit_test(refuses_more_than_there_may_be),
		cmocka_unit_test(refuses_too_much_text),
		cmocka_unit_test(refuses_every_cut),
		cmocka_unit_test(stands_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
