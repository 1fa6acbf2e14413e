/* SPDX-License-Identifier: BSD-2-Clause */
/* A plan with everything in it, and the pack that it is. */
#ifndef TESTS_TINY_PLAN_H
#define TESTS_TINY_PLAN_H

#include <string.h>

#include "base/mem.h"
#include "symbol/plan.h"

#define TINY_PACK                                                           \
	"mpc-bpf-agent pack 1\n"                                            \
	"binary \"no de\"\n"                                                \
	"build-id 0001fe\n"                                                 \
	"func \"a::b\"\n"                                                   \
	"func \"a::c\"\n"                                                   \
	"row ready func 0\n"                                                \
	"  where \"poll function a::b::{{closure}}\"\n"                     \
	"  how \"first poll\"\n"                                            \
	"row partial func 1\n"                                              \
	"  where \"function <a::\\\"q\\\\z\\x1b\xc3\xbc\\xff>\"\n"          \
	"  reason \"not all\"\n"                                            \
	"row absent func 1\n"                                               \
	"  where \"nowhere\"\n"                                             \
	"  reason \"not here\"\n"                                           \
	"site start func 0 row 0 at 0x10 bytes 90 key rbx+272 saved rdi\n"  \
	"  value 0 \"vote.approve\"\n"                                      \
	"    test key-104:1\n"                                              \
	"      0 = \"no\"\n"                                                \
	"      255 = unknown\n"                                             \
	"      else \"yes\"\n"                                              \
	"  value 3 \"kind\"\n"                                              \
	"    test [rsp+72]+8:8\n"                                           \
	"      18446744073709551615 = test 1\n"                             \
	"      else test 2\n"                                               \
	"    test rax:4r\n"                                                 \
	"      else unknown\n"                                              \
	"    test saved:2\n"                                                \
	"      7 = \"seven\"\n"                                             \
	"      else unknown\n"                                              \
	"site return func 0 row 0 at 0x10 bytes 90 key rbx\n"               \
	"site panic func 1 row 1 at 0x10 bytes 90 key rbx\n"                \
	"site cancel func 1 row 1 at 0x7fffffffffffffff bytes "             \
	"000102030405060708090a0b0c0d0e key [[[[r15-1]+2]]+3]-2147483648\n" \
	"end\n"

static inline void tiny_choice(struct plan_test *test, uint64_t raw, const char *label,
			       unsigned next)
{
	test->choices = mem_grow(test->choices, test->n_choices + 1, sizeof(*test->choices));
	test->choices[test->n_choices++] = (struct plan_choice){
		.raw = raw, .label = label ? mem_strdup(label) : NULL, .next = next
	};
}

static inline void tiny_values(struct plan_site *site)
{
	struct plan_value *v;

	site->n_values = 2;
	v = site->values = mem_array(2, sizeof(*v));
	v[0].text = mem_strdup("vote.approve");
	v[0].n_tests = 1;
	v[0].tests[0].recipe = (struct abi_recipe){ .reg = ABI_REG_KEY, .width = 1, .tail = -104 };
	tiny_choice(&v[0].tests[0], 0, "no", 0);
	tiny_choice(&v[0].tests[0], 255, NULL, 0);
	v[0].tests[0].otherwise.label = mem_strdup("yes");
	v[1].slot = 3;
	v[1].text = mem_strdup("kind");
	v[1].n_tests = 3;
	v[1].tests[0].recipe = (struct abi_recipe){
		.reg = ABI_REG_RSP, .n_steps = 1, .width = 8, .add = { 72 }, .tail = 8
	};
	tiny_choice(&v[1].tests[0], UINT64_MAX, NULL, 1);
	v[1].tests[0].otherwise.next = 2;
	v[1].tests[1].recipe =
		(struct abi_recipe){ .reg = ABI_REG_RAX, .width = 4, .in_register = 1 };
	v[1].tests[2].recipe = (struct abi_recipe){ .reg = ABI_REG_SAVED, .width = 2 };
	tiny_choice(&v[1].tests[2], 7, "seven", 0);
}

static inline struct plan *tiny_plan(void)
{
	static const struct abi_recipe none = { .reg = ABI_REG_NONE }, rbx = { .reg = ABI_REG_RBX };
	struct plan *p = mem_alloc(sizeof(*p));

	p->binary = mem_strdup("/opt/wallet/no de");
	p->n_build_id = 3;
	memcpy(p->build_id, "\x00\x01\xfe", 3);
	p->n_funcs = 2;
	p->funcs = mem_array(2, sizeof(*p->funcs));
	p->funcs[0].name = mem_strdup("a::b");
	p->funcs[1].name = mem_strdup("a::c");
	p->n_rows = 3;
	p->rows = mem_array(3, sizeof(*p->rows));
	p->rows[0] =
		(struct plan_row){ 0, PLAN_READY, mem_strdup("poll function a::b::{{closure}}"),
				   mem_strdup("first poll"), NULL };
	p->rows[1] = (struct plan_row){ 1, PLAN_PARTIAL,
					mem_strdup("function <a::\"q\\z\x1b\xc3\xbc\xff>"), NULL,
					mem_strdup("not all") };
	p->rows[2] = (struct plan_row){ 1, PLAN_ABSENT, mem_strdup("nowhere"), NULL,
					mem_strdup("not here") };
	p->n_sites = 4;
	p->sites = mem_array(4, sizeof(*p->sites));
	for (unsigned i = 0; i < 4; i++)
		p->sites[i] = (struct plan_site){ .kind = (enum abi_site_kind)i,
						  .func = i / 2,
						  .instance = i / 2,
						  .offset = i < 3 ? 0x10 : INT64_MAX,
						  .bytes = { 0x90 },
						  .n_bytes = 1,
						  .key = rbx,
						  .saved = none };
	p->sites[0].key.tail = 272;
	p->sites[0].saved = (struct abi_recipe){ .reg = ABI_REG_RDI };
	tiny_values(&p->sites[0]);
	for (uint8_t i = 0; i < PLAN_BYTES_MAX; i++)
		p->sites[3].bytes[i] = i;
	p->sites[3].n_bytes = PLAN_BYTES_MAX;
	p->sites[3].key = (struct abi_recipe){
		.reg = ABI_REG_R15, .n_steps = 4, .add = { -1, 2, 0, 3 }, .tail = INT32_MIN
	};
	return p;
}

#endif
