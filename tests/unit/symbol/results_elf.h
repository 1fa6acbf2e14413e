/* SPDX-License-Identifier: BSD-2-Clause */
/* results.elf: inlined async functions and plain ones that return in every form. */
#ifndef SYMBOL_RESULTS_ELF_H
#define SYMBOL_RESULTS_ELF_H

#include "symbol/debug.h"
#include "symbol/resolve.h"
#include "symbol/tiny_elf.h"

extern const uint8_t results_elf[];
extern const uint8_t results_elf_end[];
__asm__(".pushsection .rodata\n"
	".balign 16\n"
	"results_elf: .incbin \"tests/unit/symbol/results.elf\"\n"
	"results_elf_end: .byte 0\n"
	".popsection\n");

static inline struct tiny results_open(void)
{
	struct tiny t = { .fd = tiny_file(results_elf, (size_t)(results_elf_end - results_elf)) };
	int r = image_open(t.fd, "results.elf", &t.image, NULL);

	assert(r == 0);
	image_load_symbols(t.image, t.image->elf);
	t.dbg = dwarf_begin_elf(t.image->elf, DWARF_C_READ, NULL);
	assert(t.dbg);
	return t;
}

/* A profile with one function of results.rs and a label by its result. */
static inline struct profile *results_profile(const char *function, const char *values)
{
	_free_ char *text = mem_printf("profile: x\nmetrics:\n  a_total:\n    type: counter\n"
				       "    help: x\n    from: results::%s\n    labels:\n"
				       "      l: {return: %s}\n",
				       function, values);

	return tiny_profile(text);
}

/* A profile with one function of results.rs and a number of its result. */
static inline struct profile *results_numbers(const char *function, const char *path)
{
	_free_ char *text = mem_printf("profile: x\nmetrics:\n  a_total:\n    type: counter\n"
				       "    help: x\n    from: results::%s\n"
				       "    value: {return: %s}\n",
				       function, path);

	return tiny_profile(text);
}

/* The inlined poll of the one function of @profile. */
static inline struct debug_hit results_inlined(const struct tiny *t, const struct profile *profile)
{
	struct debug_hits hits = {};
	struct debug_hit found = {};
	int r = debug_scan(t->dbg, profile, &hits, NULL);

	assert(r == 0);
	for (size_t i = 0; i < hits.n; i++)
		if (hits.at[i].role == DEBUG_POLL && hits.at[i].inlined)
			found = hits.at[i];
	assert(found.dbg);
	free(hits.at);
	return found;
}

/* The plan for the one function of a profile. */
static inline struct plan *results_plan(const struct tiny *t, const char *function,
					const char *values)
{
	struct profile *profile = results_profile(function, values);
	struct plan *plan = NULL;
	int r = resolve_plan(t->fd, "results.elf", NULL, profile, &plan, NULL);

	assert(r == 0);
	profile_free(profile);
	return plan;
}

/* The first site of @plan of this kind. */
static inline const struct plan_site *results_site(const struct plan *plan, enum abi_site_kind kind)
{
	for (size_t i = 0; i < plan->n_sites; i++)
		if (plan->sites[i].kind == kind)
			return &plan->sites[i];
	assert(!"no such site");
	return NULL;
}

#endif
