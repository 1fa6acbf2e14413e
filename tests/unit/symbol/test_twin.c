// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/twin.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/pack.h"
#include "symbol/resolve.h"
#include "symbol/tiny_twin.h"

/*
 * 0, 1  a source position
 * 2     the watched function, which refers to it
 * 3     its drop glue
 * 4     more of that, called by the entry point alone
 * 5     the entry point
 * In the other build all are in reverse, with padding in front of the return.
 */
static void program(struct tiny_twin *t, bool shipped, uint32_t constant, uint32_t glue)
{
	static const uint8_t nops[] = { 0x0f, 0x1f, 0x40, 0x00 };

	twin_thing(t, false);
	twin_put(t, "src/a.rs", 8);
	twin_thing(t, false);
	twin_location(t, 0, 12);
	twin_thing(t, true);
	twin_lea(t, 1);
	twin_mov(t, constant);
	if (shipped)
		twin_put(t, nops, sizeof(nops));
	twin_ret(t);
	twin_thing(t, true);
	twin_mov(t, glue);
	twin_ret(t);
	twin_thing(t, true);
	twin_mov(t, 200);
	twin_ret(t);
	twin_thing(t, true);
	twin_call(t, 2);
	twin_call(t, 3);
	twin_call(t, 4);
	twin_ret(t);
}

static void add_site(struct plan *p, enum abi_site_kind kind, unsigned row, uint64_t offset,
		     uint8_t n_bytes)
{
	p->sites = mem_grow(p->sites, p->n_sites + 1, sizeof(*p->sites));
	p->sites[p->n_sites++] = (struct plan_site){ .kind = kind,
						     .instance = row,
						     .offset = offset,
						     .n_bytes = n_bytes,
						     .key = { .reg = ABI_REG_RDI, .tail = 8 },
						     .saved = { .reg = ABI_REG_NONE } };
}

/* Start and return in function 2, one cancel site in each of the two with glue. */
static struct plan *plan_for_program(const struct tiny_twin *t)
{
	struct plan *p = mem_alloc(sizeof(*p));

	p->binary = mem_strdup("/build/node");
	p->n_funcs = 1;
	p->funcs = mem_array(1, sizeof(*p->funcs));
	p->funcs[0].name = mem_strdup("a::b");
	plan_add_row(p, 0, PLAN_READY, mem_strdup("poll function a::b"), mem_strdup("how"), NULL);
	plan_add_row(p, 0, PLAN_READY, mem_strdup("drop glue"), mem_strdup("2 cancel sites"), NULL);
	add_site(p, ABI_SITE_START, 0, t->at[2].addr, 7);
	add_site(p, ABI_SITE_RETURN, 0, t->at[2].addr + 12, 1);
	add_site(p, ABI_SITE_CANCEL, 1, t->at[3].addr, 5);
	add_site(p, ABI_SITE_CANCEL, 1, t->at[4].addr + 5, 1);
	return p;
}

struct both {
	struct tiny_twin x, y;
	struct plan *out;
	struct twin_summary summary;
	struct err err;
};

/* Carries the plan over; the files are closed again. */
static int carry(struct both *t)
{
	_close_ int a = twin_link(&t->x, false), b = twin_link(&t->y, true);
	_cleanup_(plan_freep) struct plan *plan = plan_for_program(&t->x);

	return twin_carry(plan, a, "/build/node", b, "/opt/node", &t->out, &t->summary, &t->err);
}

static const struct plan_site *site_at(const struct plan *p, uint64_t offset)
{
	for (size_t i = 0; i < p->n_sites; i++)
		if (p->sites[i].offset == offset)
			return &p->sites[i];
	return NULL;
}

static void carries_over(void **state)
{
	struct both t = {};
	const struct plan_site *s;

	(void)state;
	program(&t.x, false, 5, 100);
	program(&t.y, true, 5, 100);
	assert_int_equal(carry(&t), 0);
	assert_string_equal(t.out->binary, "/opt/node");
	assert_int_equal(t.out->n_build_id, 0);
	assert_true(t.out->has_code);
	assert_int_equal(t.out->n_rows, 2);
	for (size_t r = 0; r < 2; r++) {
		assert_int_equal(t.out->rows[r].state, PLAN_READY);
		assert_null(t.out->rows[r].reason);
	}
	assert_int_equal(t.out->n_sites, 4);
	s = site_at(t.out, t.y.at[2].addr);
	assert_true(s && s->kind == ABI_SITE_START && s->n_bytes == 7 && s->bytes[0] == 0x48);
	assert_true(s->key.reg == ABI_REG_RDI && s->key.tail == 8);
	s = site_at(t.out, t.y.at[2].addr + 16); /* behind the padding */
	assert_true(s && s->kind == ABI_SITE_RETURN && s->n_bytes == 1 && s->bytes[0] == 0xc3);
	assert_non_null(site_at(t.out, t.y.at[3].addr));
	assert_non_null(site_at(t.out, t.y.at[4].addr + 5));
	assert_int_equal(t.summary.functions, 4);
	assert_int_equal(t.summary.equal, 4);
	assert_int_equal(t.summary.known, 4);
	plan_free(t.out);
}

static void refuses_what_differs(void **state)
{
	struct both t = {};

	(void)state;
	program(&t.x, false, 5, 100);
	program(&t.y, true, 6, 100);
	assert_int_equal(carry(&t), 0);
	assert_int_equal(t.out->n_sites, 0);
	assert_int_equal(t.out->rows[0].state, PLAN_REFUSED);
	assert_null(t.out->rows[0].how);
	assert_non_null(strstr(t.out->rows[0].reason,
			       "no function of the shipped file has the same instructions"));
	assert_int_equal(t.out->rows[1].state, PLAN_REFUSED);
	assert_non_null(strstr(t.out->rows[1].reason, "no call is seen to begin"));
	plan_free(t.out);
}

static void says_which_glue_is_missing(void **state)
{
	struct both t = {};

	(void)state;
	program(&t.x, false, 5, 100);
	program(&t.y, true, 5, 101);
	assert_int_equal(carry(&t), 0);
	assert_int_equal(t.out->n_sites, 3);
	assert_int_equal(t.out->rows[0].state, PLAN_PARTIAL);
	assert_non_null(strstr(t.out->rows[0].reason,
			       "1 of 2 functions with its drop glue was not found: a cancelled "
			       "call stays in flight"));
	assert_int_equal(t.out->rows[1].state, PLAN_PARTIAL);
	assert_string_equal(t.out->rows[1].how, "1 cancel site");
	plan_free(t.out);
}

/* The function is the same, but nothing says that it is: no position, nobody refers to it. */
static void wants_evidence(void **state)
{
	struct both t = {};

	(void)state;
	program(&t.x, false, 5, 100);
	program(&t.y, true, 5, 100);
	t.x.at[1].bytes[16] = t.y.at[1].bytes[16] = 0; /* no line */
	for (unsigned k = 0; k < 2; k++) {
		struct tiny_thing *entry = k ? &t.y.at[5] : &t.x.at[5];

		entry->fixes[0].to = 3; /* the entry point does not call it */
	}
	assert_int_equal(carry(&t), 0);
	assert_int_equal(t.out->rows[0].state, PLAN_REFUSED);
	assert_non_null(strstr(t.out->rows[0].reason, "nothing shows that it comes from the same "
						      "source"));
	plan_free(t.out);
}

/* One of two places where it is called has it inlined now. */
static void says_what_is_used_otherwise(void **state)
{
	struct both t = {};

	(void)state;
	program(&t.x, false, 5, 100);
	program(&t.y, true, 5, 100);
	for (unsigned k = 0; k < 2; k++) {
		struct tiny_twin *p = k ? &t.y : &t.x;

		twin_thing(p, true);
		twin_mov(p, 300 + k);
		twin_call(p, k ? 3 : 2);
		twin_ret(p);
	}
	assert_int_equal(carry(&t), 0);
	assert_non_null(site_at(t.out, t.y.at[2].addr));
	assert_int_equal(t.out->rows[0].state, PLAN_PARTIAL);
	assert_non_null(
		strstr(t.out->rows[0].reason, "refers to it at 1 places, the rebuild at 2"));
	plan_free(t.out);
}

/* Two copies: each has its sites at the copy in its place; with one more in the shipped
 * file, or where one copy is another function, none. */
static void knows_copies(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		struct both t = {};
		_cleanup_(plan_freep) struct plan *plan = NULL;
		_close_ int a = -1, b = -1;

		for (unsigned k = 0; k < 2; k++) {
			struct tiny_twin *p = k ? &t.y : &t.x;

			program(p, k, 5, 100);
			for (unsigned n = 0; n < (round == 1 && k ? 2u : 1u); n++) {
				twin_thing(p, true);
				twin_put(p, p->at[2].bytes, p->at[2].n);
				p->at[p->n - 1].fixes[0] = p->at[2].fixes[0];
				p->at[p->n - 1].n_fixes = 1;
			}
			twin_thing(p, true);
			twin_call(p, 5);
			twin_call(p, 6);
			twin_ret(p);
		}
		a = twin_link(&t.x, false);
		b = twin_link(&t.y, true);
		plan = plan_for_program(&t.x);
		if (round < 2)
			add_site(plan, ABI_SITE_START, 0, t.x.at[6].addr, 7);
		assert_int_equal(twin_carry(plan, a, "a", b, "b", &t.out, &t.summary, &t.err), 0);
		assert_int_equal(t.out->rows[0].state, round ? PLAN_REFUSED : PLAN_READY);
		if (!round) {
			assert_non_null(site_at(t.out, t.y.at[2].addr));
			assert_non_null(site_at(t.out, t.y.at[6].addr));
		} else {
			assert_non_null(strstr(t.out->rows[0].reason,
					       round == 1 ? "2 times in the rebuild, and 3 times" :
							    "another function has the very same"));
		}
		plan_free(t.out);
	}
}

static void refuses_another_compiler(void **state)
{
	struct both t = { .x = { .comment = "rustc version 1.95.0" },
			  .y = { .comment = "rustc version 1.96.0" } };

	(void)state;
	program(&t.x, false, 5, 100);
	program(&t.y, true, 5, 100);
	assert_int_equal(carry(&t), -EINVAL);
	assert_non_null(strstr(t.err.text, "1.95.0"));
	assert_non_null(strstr(t.err.text, "1.96.0"));
	t.y.comment = t.x.comment;
	assert_int_equal(carry(&t), 0);
	plan_free(t.out);
}

/* Real code, carried over to itself: the pack is the same to the last byte. */
static void changes_nothing_where_nothing_differs(void **state)
{
	_cleanup_(profile_freep) struct profile *profile = tiny_profile(TINY_PROFILE);
	_cleanup_(plan_freep) struct plan *plan = NULL, *out = NULL;
	_strbuf_ struct strbuf before = {}, after = {};
	struct source_options from = {};
	struct twin_summary summary;
	_close_ int fd = tiny_fd();

	(void)state;
	assert_int_equal(resolve_plan(fd, "tiny.elf", &from, profile, &plan, NULL), 0);
	assert_true(plan->n_sites > 5);
	assert_int_equal(twin_carry(plan, fd, "tiny.elf", fd, "tiny.elf", &out, &summary, NULL), 0);
	pack_write(plan, &before);
	pack_write(out, &after);
	assert_string_equal(before.text, after.text);
	assert_int_equal(summary.equal, summary.functions);
}

/* Damage in the shipped file: an error or a plan, and every site within the file. */
static void stands_damage(void **state)
{
	_cleanup_(profile_freep) struct profile *profile = tiny_profile(TINY_PROFILE);
	_free_ uint8_t *bytes = mem_alloc(TINY_SIZE);
	_cleanup_(plan_freep) struct plan *plan = NULL;
	struct source_options from = {};
	_close_ int fd = tiny_fd();
	uint64_t seed = 11;

	(void)state;
	assert_int_equal(resolve_plan(fd, "tiny.elf", &from, profile, &plan, NULL), 0);
	for (unsigned round = 0; round < 300; round++) {
		_cleanup_(plan_freep) struct plan *out = NULL;
		struct twin_summary summary;
		_close_ int bad = -1;

		memcpy(bytes, tiny_elf, TINY_SIZE);
		for (unsigned n = 1 + tiny_random(&seed) % 8; n; n--)
			bytes[tiny_random(&seed) % (round % 2 ? TINY_SIZE : 0x3000)] =
				(uint8_t)tiny_random(&seed);
		bad = tiny_file(bytes, TINY_SIZE);
		if (twin_carry(plan, fd, "tiny.elf", bad, "bad", &out, &summary, NULL) < 0)
			continue;
		for (size_t i = 0; i < out->n_sites; i++) {
			assert_in_range(out->sites[i].offset, 0, TINY_SIZE - 1);
			assert_memory_equal(out->sites[i].bytes, bytes + out->sites[i].offset,
					    out->sites[i].n_bytes);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(carries_over),
		cmocka_unit_test(refuses_what_differs),
		cmocka_unit_test(says_which_glue_is_missing),
		cmocka_unit_test(wants_evidence),
		cmocka_unit_test(says_what_is_used_otherwise),
		cmocka_unit_test(knows_copies),
		cmocka_unit_test(refuses_another_compiler),
		cmocka_unit_test(changes_nothing_where_nothing_differs),
		cmocka_unit_test(stands_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
