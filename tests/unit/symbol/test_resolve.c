// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/resolve.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "symbol/pack.h"
#include "symbol/tiny_elf.h"

/* What is found in tiny.elf, whole. A difference means: look at the code, is it right? */
static const char expected[] =
	"mpc-bpf-agent pack 1\n"
	"binary \"tiny.elf\"\n"
	"build-id 10931f243e26ff384a8f9dd64dfeb50885284c9e\n"
	"code-sha256 ca322a8a9ca4ca122c633e46a9d99d2c89a6be58c4049c64df014bbbd56648a9\n"
	"func \"tiny::process_vote\"\n"
	"func \"tiny::store\"\n"
	"func \"tiny::plain\"\n"
	"func \"tiny::plain_result\"\n"
	"func \"tiny::gone\"\n"
	"func \"tiny::outer\"\n"
	"func \"tiny::absent\"\n"
	"row ready func 0\n"
	"  where \"poll function tiny::process_vote::{closure#0}\"\n"
	"  how \"first poll, 1 completion, 2 panic sites\"\n"
	"row refused func 5\n"
	"  where \"inlined in tiny::drive::<tiny::outer::{closure#0}> at tiny.rs:116\"\n"
	"  reason \"the state stored at 0x1a61 is computed; no write of the returned "
	"state was found\"\n"
	"row ready func 1\n"
	"  where \"inlined in tiny::drive::<tiny::outer::{closure#0}> at tiny.rs:80\"\n"
	"  how \"first poll, 1 completion, 2 panic sites\"\n"
	"row ready func 3\n"
	"  where \"function tiny::plain_result\"\n"
	"  how \"entry and 1 return site\"\n"
	"row ready func 2\n"
	"  where \"function tiny::plain\"\n"
	"  how \"entry and 1 return site\"\n"
	"row refused func 4\n"
	"  where \"inlined in _start at tiny.rs:148\"\n"
	"  reason \"a plain function that was inlined has no first and last instruction "
	"of its own; name its caller, or keep it out of line\"\n"
	"row ready func 1\n"
	"  where \"drop glue\"\n"
	"  how \"2 cancel sites\"\n"
	"row ready func 0\n"
	"  where \"drop glue\"\n"
	"  how \"1 cancel site\"\n"
	"row ready func 5\n"
	"  where \"drop glue\"\n"
	"  how \"1 cancel site\"\n"
	"row absent func 6\n"
	"  where \"nowhere\"\n"
	"  reason \"nothing of this name has code in the file: check the name, or "
	"nothing calls it in this build\"\n"
	"site start func 1 row 2 at 0x9eb bytes 894b14 key rbx+29\n"
	"  value 0 \"kind\"\n"
	"    test key-1:1\n"
	"      0 = \"double\"\n"
	"      5 = \"timeout\"\n"
	"      else unknown\n"
	"site return func 1 row 2 at 0xa2e bytes 41c60701 key r15\n"
	"site panic func 1 row 2 at 0xaaa bytes 41c60702 key r15\n"
	"site cancel func 1 row 6 at 0xaca bytes 4c8d6314 key rbx+29\n"
	"site panic func 1 row 2 at 0xafb bytes 41c60702 key r15\n"
	"site cancel func 0 row 7 at 0xb6c bytes b814000000 key rdi+24\n"
	"site cancel func 5 row 8 at 0xb96 bytes 0fb6471d key rdi+9\n"
	"site cancel func 1 row 6 at 0xbb0 bytes 4883c714 key rdi+29\n"
	"site start func 0 row 0 at 0xbe1 bytes 488b03 key rbx+24\n"
	"  value 0 \"vote.approve\"\n"
	"    test [key-24]+5:1\n"
	"      1 = \"approve\"\n"
	"      0 = \"reject\"\n"
	"      else unknown\n"
	"  value 1 \"vote.kind\"\n"
	"    test [key-24]+4:1\n"
	"      0 = \"double\"\n"
	"      5 = \"timeout\"\n"
	"      else unknown\n"
	"site return func 0 row 0 at 0xc83 bytes b001 key rbx+24\n"
	"  value 2 \"result\"\n"
	"    test r14:1\n"
	"      0 = test 1\n"
	"      1 = \"err\"\n"
	"      else unknown\n"
	"    test r14+1:1\n"
	"      0 = \"acc\"\n"
	"      1 = \"rej\"\n"
	"      else unknown\n"
	"site panic func 0 row 0 at 0xcb3 bytes c6431802 key rbx+24\n"
	"site panic func 0 row 0 at 0xccd bytes c6431802 key rbx+24\n"
	"site start func 3 row 3 at 0xd80 bytes 53 key rsp saved rdi\n"
	"site return func 3 row 3 at 0xdc2 bytes c3 key rsp\n"
	"  value 0 \"result\"\n"
	"    test saved:8\n"
	"      0 = \"ok\"\n"
	"      1 = \"err\"\n"
	"      else unknown\n"
	"site start func 2 row 4 at 0xdd0 bytes 53 key rsp saved rdi\n"
	"  value 0 \"approve\"\n"
	"    test rdi:1r\n"
	"      1 = \"approve\"\n"
	"      0 = \"reject\"\n"
	"      else unknown\n"
	"  value 1 \"kind\"\n"
	"    test rdx:1r\n"
	"      0 = \"double\"\n"
	"      5 = \"timeout\"\n"
	"      else unknown\n"
	"  value 2 \"vote.round\"\n"
	"    test rsi:4\n"
	"      1 = \"one\"\n"
	"      2 = \"two\"\n"
	"      else unknown\n"
	"site return func 2 row 4 at 0xde4 bytes c3 key rsp\n"
	"  value 3 \"result\"\n"
	"    test rax:1r\n"
	"      1 = \"t\"\n"
	"      0 = \"f\"\n"
	"      else unknown\n"
	"end\n";

static struct profile *profile;

static int load(void **state)
{
	(void)state;
	profile = tiny_profile(TINY_PROFILE);
	return 0;
}

static int unload(void **state)
{
	(void)state;
	profile_free(profile);
	return 0;
}

static char *resolved(const void *data, size_t size, struct err *err)
{
	_cleanup_(plan_freep) struct plan *plan = NULL;
	_close_ int fd = tiny_file(data, size);
	struct strbuf out = {};

	if (resolve_plan(fd, "/some/where/tiny.elf", NULL, profile, &plan, err) < 0)
		return NULL;
	pack_write(plan, &out);
	return strbuf_take(&out);
}

static void finds_everything(void **state)
{
	_free_ char *pack = resolved(tiny_elf, TINY_SIZE, NULL);

	(void)state;
	assert_string_equal(pack, expected);
}

/* The bytes of every site are those in the file. */
static void sites_say_what_stands_there(void **state)
{
	_cleanup_(plan_freep) struct plan *plan = NULL;
	_close_ int fd = tiny_fd();

	(void)state;
	assert_int_equal(resolve_plan(fd, "tiny.elf", NULL, profile, &plan, NULL), 0);
	assert_true(plan->n_sites > 10);
	for (size_t i = 0; i < plan->n_sites; i++) {
		const struct plan_site *s = &plan->sites[i];

		assert_memory_equal(s->bytes, tiny_elf + s->offset, s->n_bytes);
	}
}

/* Debug information in a file of its own, as objcopy --only-keep-debug leaves it. */
static void takes_a_debug_file(void **state)
{
	char path[] = "/tmp/test_resolve.XXXXXX";
	_close_ int debug = mkstemp(path), fd = -1;
	_free_ uint8_t *stripped = mem_alloc(TINY_SIZE);
	_cleanup_(plan_freep) struct plan *without = NULL, *with = NULL, *none = NULL;
	_free_ char *pack = NULL;
	struct strbuf out = {};
	struct source_options from = { .debug = path };
	struct err err = {};
	Elf64_Ehdr *eh = (void *)stripped;
	Elf64_Shdr *sh;

	(void)state;
	memcpy(stripped, tiny_elf, TINY_SIZE);
	sh = (void *)(stripped + eh->e_shoff);
	for (unsigned i = 0; i < eh->e_shnum; i++)
		if (!(sh[i].sh_flags & SHF_ALLOC))
			sh[i].sh_type = SHT_NULL;
	fd = tiny_file(stripped, TINY_SIZE);
	assert_true(debug >= 0 && write(debug, tiny_elf, TINY_SIZE) == (ssize_t)TINY_SIZE);
	assert_int_equal(resolve_plan(fd, "tiny.elf", NULL, profile, &without, &err), 0);
	assert_int_equal(without->n_sites, 0);
	assert_int_equal(without->n_rows, profile->n_funcs);
	assert_int_equal(without->rows[0].state, PLAN_ABSENT);
	assert_non_null(strstr(without->rows[0].reason, "no debug information"));
	assert_int_equal(resolve_plan(fd, "tiny.elf", &from, profile, &with, &err), 0);
	pack_write(with, &out);
	unlink(path);
	pack = strbuf_take(&out);
	assert_string_equal(pack, expected);
	assert_int_equal(resolve_plan(fd, "x", &from, profile, &none, &err), -ENOENT);
	assert_non_null(strstr(err.text, "debug file /tmp/test_resolve."));
}

static void refuses_what_is_no_executable(void **state)
{
	struct err err = {};

	(void)state;
	assert_null(resolved("#!/bin/sh\n", 10, &err));
	assert_int_equal(err.code, -ENOEXEC);
	assert_null(resolved("", 0, &err));
	assert_int_equal(err.code, -ENOEXEC);
}

/* A sentence or a plan that can be packed, whatever is wrong with the file. */
static void sound(const void *data, size_t size, const char *how, size_t where)
{
	_cleanup_(plan_freep) struct plan *plan = NULL;
	struct err err = {};
	_free_ char *pack = resolved(data, size, &err);

	if (!pack && (err.code >= 0 || !*err.text))
		fail_msg("%s at %zu: no sentence", how, where);
	if (pack && pack_read("p", pack, strlen(pack), &plan, &err) < 0)
		fail_msg("%s at %zu: %s", how, where, err.text);
}

static void stands_truncation(void **state)
{
	_free_ uint8_t *cut = NULL;

	(void)state;
	for (size_t n = 0; n < TINY_SIZE; n += n < 512 ? 8 : 211) {
		cut = mem_grow(cut, n, 1); /* so that reading behind the end is seen */
		memcpy(cut, tiny_elf, n);
		sound(cut, n, "truncated", n);
	}
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Bits, bytes and words that are wrong, in every section; for a while, with the
 * same seed in every run. FUZZ_SECONDS and FUZZ_SEED make more of it. */
static void stands_damage(void **state)
{
	const char *more = getenv("FUZZ_SECONDS"), *other = getenv("FUZZ_SEED");
	static const uint8_t edges[] = { 0, 1, 0x7f, 0x80, 0xff };
	double until = seconds() + (more ? atof(more) : 6);
	uint64_t seed = other ? strtoull(other, NULL, 10) : 1;
	_free_ uint8_t *bad = mem_alloc(TINY_SIZE);

	(void)state;
	for (size_t round = 0; seconds() < until; round++) {
		uint64_t before = seed;

		memcpy(bad, tiny_elf, TINY_SIZE);
		for (unsigned n = 1 + tiny_random(&seed) % 6; n; n--) {
			size_t at = tiny_random(&seed) % TINY_SIZE;
			uint8_t edge = edges[tiny_random(&seed) % sizeof(edges)];
			unsigned how = tiny_random(&seed) % 4;

			if (how == 0)
				bad[at] ^= (uint8_t)(1u << tiny_random(&seed) % 8);
			else if (how == 1)
				bad[at] = edge;
			else if (how == 2)
				bad[at] = (uint8_t)tiny_random(&seed);
			else if (at + 8 <= TINY_SIZE)
				memset(bad + at, edge, 1u << tiny_random(&seed) % 4);
		}
		if (more)
			print_message("%zu %llu\n", round, (unsigned long long)before);
		sound(bad, TINY_SIZE, "damaged, seed", (size_t)before);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_everything),
		cmocka_unit_test(sites_say_what_stands_there),
		cmocka_unit_test(takes_a_debug_file),
		cmocka_unit_test(refuses_what_is_no_executable),
		cmocka_unit_test(stands_truncation),
		cmocka_unit_test(stands_damage),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
