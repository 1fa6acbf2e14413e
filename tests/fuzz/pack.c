// SPDX-License-Identifier: BSD-2-Clause
/*
 * Fuzzes the reader of packs, and what follows before anything is attached. A
 * pack that is accepted is written and read again, with the same bytes; then it
 * is compiled for a profile that asks for what it offers. The tables that come
 * out are compared with what bpf/call.bpf.c can follow, and its sites with a file
 * that holds their very bytes wherever they are: only those in code may pass.
 */
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "fuzz/fuzz.h"
#include "probe/attach.h"
#include "probe/compile.h"
#include "symbol/pack.h"

static unsigned long long plans, compilations, sites_seen, compared;

static void reached(void)
{
	fprintf(stderr, "reached: %llu plans, %llu compiled with %llu sites, %llu as the file\n",
		plans, compilations, sites_seen, compared);
}

/* ---- a profile that asks for what the pack offers --------------------------------------- */

#define CHOICES 48 /* so many labels of one value; a pack may have more */

struct wish {
	struct profile profile;
	struct profile_choice choices[PROFILE_FUNCS_MAX][PROFILE_FUNC_VALUES_MAX][CHOICES];
};

static void want_label(struct wish *wish, size_t func, unsigned slot, char *label)
{
	struct profile_func *f = &wish->profile.funcs[func];
	struct profile_value *value = &f->values[slot];

	if (slot >= f->n_values)
		f->n_values = slot + 1;
	value->choices = wish->choices[func][slot];
	if (label && value->n_choices < CHOICES)
		value->choices[value->n_choices++] = (struct profile_choice){ label, label };
}

/* Most labels, but for long ones; and of some values that calls are skipped. */
static void want_choice(struct wish *wish, size_t func, unsigned slot,
			const struct plan_choice *choice)
{
	struct profile_value *value = &wish->profile.funcs[func].values[slot];

	if (choice->skip && choice->raw % 2 && value->n_choices < CHOICES)
		value->choices[value->n_choices++] = (struct profile_choice){ (char *)"0", NULL };
	if (choice->label && strlen(choice->label) <= 8)
		want_label(wish, func, slot, choice->label);
}

static void want_value(struct wish *wish, size_t func, const struct plan_value *value)
{
	if (!*value->text)
		return; /* the profile does not ask for it */
	want_label(wish, func, value->slot, NULL);
	/* the last that asks for the slot has its way */
	wish->profile.funcs[func].values[value->slot].path = value->text;
	if (value->reading != PLAN_LABEL)
		wish->profile.funcs[func].values[value->slot].is_number = true;
	for (size_t t = 0; t < value->n_tests; t++) {
		for (size_t c = 0; c < value->tests[t].n_choices; c++)
			want_choice(wish, func, value->slot, &value->tests[t].choices[c]);
		want_choice(wish, func, value->slot, &value->tests[t].otherwise);
	}
}

/* The functions of the plan in their order, but for those of a longer name. */
static struct wish *wish_for(const struct plan *plan)
{
	static struct profile_part part = { .origin = (char *)"wish.yaml" };
	struct wish *wish = mem_alloc(sizeof(*wish));
	size_t at[ABI_FUNCS_MAX];

	wish->profile.parts = &part;
	wish->profile.n_parts = 1;

	for (size_t f = 0; f < plan->n_funcs; f++) {
		at[f] = SIZE_MAX;
		if (strlen(plan->funcs[f].name) > 64)
			continue;
		at[f] = wish->profile.n_funcs++;
		wish->profile.funcs[at[f]].name = plan->funcs[f].name;
		for (size_t v = 0; v < PROFILE_FUNC_VALUES_MAX; v++)
			wish->profile.funcs[at[f]].values[v].path = (char *)"";
	}
	for (size_t i = 0; i < plan->n_sites; i++)
		for (size_t v = 0; v < plan->sites[i].n_values; v++)
			if (at[plan->sites[i].func] != SIZE_MAX)
				want_value(wish, at[plan->sites[i].func],
					   &plan->sites[i].values[v]);
	return wish;
}

/* ---- what the programs in the kernel can follow -------------------------------------------- */

static bool is_register(unsigned reg)
{
	return reg < ABI_REG_NONE || reg == ABI_REG_RSP;
}

static void follows_address(const struct abi_recipe *r)
{
	HOLDS(is_register(r->reg) && r->n_steps <= ABI_STEPS_MAX);
	HOLDS(r->width == 0 && r->in_register == 0);
}

static void follows_value(const struct abi_recipe *r)
{
	HOLDS(is_register(r->reg) || r->reg == ABI_REG_KEY || r->reg == ABI_REG_SAVED);
	HOLDS(r->n_steps <= ABI_STEPS_MAX);
	HOLDS(r->width == 1 || r->width == 2 || r->width == 4 || r->width == 8);
	HOLDS(r->in_register == 0 ||
	      (r->in_register == 1 && r->n_steps == 0 && r->tail >= 0 && r->tail + r->width <= 8));
}

/* A label of the value, unknown, or a test further down: it always ends. */
static void leads_on(const struct abi_value *value, size_t test, unsigned target, size_t n_labels)
{
	if (target & ABI_GOTO)
		HOLDS((target & ~ABI_GOTO) > test && (target & ~ABI_GOTO) < value->n_tests);
	else
		HOLDS(target == ABI_UNKNOWN || target == ABI_SKIP || target < n_labels);
}

static void follows_tests(const struct abi_value *value, size_t n_labels)
{
	HOLDS(value->n_tests >= 1 && value->n_tests <= ABI_TESTS_MAX);
	for (size_t t = 0; t < value->n_tests; t++) {
		const struct abi_test *test = &value->tests[t];

		follows_value(&test->recipe);
		HOLDS(test->n_choices <= ABI_CHOICES_MAX);
		for (size_t c = 0; c < test->n_choices; c++)
			leads_on(value, t, test->target[c], n_labels);
		leads_on(value, t, test->otherwise, n_labels);
	}
}

/* The last test of a number compares nothing, and those before it lead there or nowhere. */
static void leads_to_number(const struct abi_value *value)
{
	HOLDS(value->tests[value->n_tests - 1].n_choices == 0 && value->is_signed <= 1);
	follows_tests(value, 0);
}

static void follows_site(const struct layout *layout, const struct compiled *compiled,
			 const struct abi_site *site)
{
	bool ended = false, numbers = false;

	HOLDS(site->kind <= ABI_SITE_CANCEL && site->func < layout->profile->n_funcs);
	follows_address(&site->key);
	if (site->saved.reg != ABI_REG_NONE)
		follows_address(&site->saved);
	for (size_t v = 0; v < ABI_VALUES_MAX; v++) {
		ended |= site->slot[v] == ABI_NO_SLOT;
		if (ended) {
			HOLDS(site->slot[v] == ABI_NO_SLOT);
			continue;
		}
		HOLDS(site->value[v] < compiled->n_values);
		HOLDS((site->slot[v] & ~ABI_NUMBER_SLOT) <
		      layout->profile->funcs[site->func].n_values);
		HOLDS(!numbers ||
		      site->slot[v] & ABI_NUMBER_SLOT); /* they stand behind the labels */
		numbers = site->slot[v] & ABI_NUMBER_SLOT;
		if (numbers) {
			leads_to_number(&compiled->values[site->value[v]]);
			continue;
		}
		HOLDS(compiled->values[site->value[v]].is_signed == 0);
		follows_tests(&compiled->values[site->value[v]],
			      layout->values[site->func][site->slot[v]].n);
	}
}

static void follows(const struct layout *layout, const struct plan *plan,
		    const struct compiled *compiled)
{
	HOLDS(compiled->n_sites <= plan->n_sites && compiled->n_sites <= ABI_SITES_MAX);
	HOLDS(compiled->n_values <= ABI_VALUE_TABLE_MAX);
	for (size_t i = 0; i < compiled->n_sites; i++) {
		HOLDS(compiled->from[i] < plan->n_sites);
		HOLDS(i == 0 || compiled->from[i] > compiled->from[i - 1]);
		follows_site(layout, compiled, &compiled->sites[i]);
	}
	for (size_t i = 0; i < compiled->n_refusals; i++)
		HOLDS(compiled->refusals[i].instance < plan->n_rows &&
		      compiled->refusals[i].site < plan->n_sites && *compiled->refusals[i].reason);
}

/* ---- a file that holds what the pack says ---------------------------------------------------- */

/* Readable, code, writable; the first has the headers. */
enum { HEADS = 0x200, CODE = 0x800, DATA = 0x2000, END = 0x3000 };

static uint8_t file[END];
static int file_fd = -1;

static void make_file(void)
{
	Elf64_Ehdr eh = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			     EV_CURRENT },
		.e_type = ET_DYN,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(eh),
		.e_ehsize = sizeof(eh),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 3,
	};
	Elf64_Phdr ph[3] = {
		{ PT_LOAD, PF_R, 0, 0, 0, CODE, CODE, CODE },
		{ PT_LOAD, PF_R | PF_X, CODE, CODE, CODE, DATA - CODE, DATA - CODE, CODE },
		{ PT_LOAD, PF_R | PF_W, DATA, DATA, DATA, END - DATA, END - DATA, CODE },
	};

	memcpy(file, &eh, sizeof(eh));
	memcpy(file + sizeof(eh), ph, sizeof(ph));
	file_fd = memfd_create("fuzz", MFD_CLOEXEC);
	HOLDS(file_fd >= 0 && pwrite(file_fd, file, END, 0) == END);
}

static bool in_file(const struct plan_site *site)
{
	return site->offset >= HEADS && site->offset <= END - PLAN_BYTES_MAX;
}

static void compare(const struct plan *plan, const struct compiled *compiled)
{
	struct err err = {};

	for (size_t i = 0; i < compiled->n_sites; i++) {
		const struct plan_site *site = &plan->sites[compiled->from[i]];

		if (in_file(site))
			HOLDS(pwrite(file_fd, site->bytes, site->n_bytes, (off_t)site->offset) ==
			      site->n_bytes);
	}
	if (attach_compare(file_fd, plan, compiled, &err) == 0) {
		for (size_t i = 0; i < compiled->n_sites; i++) {
			const struct plan_site *site = &plan->sites[compiled->from[i]];

			HOLDS(site->offset >= CODE && site->offset + site->n_bytes <= DATA);
		}
		compared += compiled->n_sites > 0;
	} else {
		HOLDS(err.code < 0 && *err.text);
	}
	for (size_t i = 0; i < compiled->n_sites; i++) {
		const struct plan_site *site = &plan->sites[compiled->from[i]];

		if (in_file(site))
			HOLDS(pwrite(file_fd, file + site->offset, site->n_bytes,
				     (off_t)site->offset) == site->n_bytes);
	}
}

/* ---- one input ------------------------------------------------------------------------------- */

static void compile(const struct plan *plan)
{
	_free_ struct wish *wish = wish_for(plan);
	_cleanup_(layout_freep) struct layout *layout = NULL;
	_cleanup_(compiled_freep) struct compiled *compiled = NULL;
	struct err err = {};

	HOLDS(layout_make(&wish->profile, &layout, &err) == 0);
	if (compile_plan(layout, plan, &compiled, &err) < 0) {
		HOLDS(err.code == -E2BIG && *err.text);
		return;
	}
	follows(layout, plan, compiled);
	compilations++;
	sites_seen += compiled->n_sites;
	compare(plan, compiled);
}

static void same_again(const struct plan *plan)
{
	_cleanup_(plan_freep) struct plan *read = NULL;
	_strbuf_ struct strbuf first = {}, second = {};
	struct err err = {};

	pack_write(plan, &first);
	if (pack_read("again", first.text, first.len, &read, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		HOLDS(!"what was written is a pack");
	}
	pack_write(read, &second);
	HOLDS(first.len == second.len && memcmp(first.text, second.text, first.len) == 0);
}

/* Most of what is refused is no good to go on from: the reader ends at the first fault. */
static int keep_few(const uint8_t *data, size_t size)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ data[i]) * 16777619u;
	return hash >> 28 ? -1 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(plan_freep) struct plan *plan = NULL;
	struct err err = {};

	if (file_fd < 0) {
		make_file();
		atexit(reached);
	}
	if (pack_read("fuzz", (const char *)data, size, &plan, &err) < 0) {
		HOLDS(!plan && err.code == -EBADMSG && *err.text);
		return keep_few(data, size);
	}
	plans++;
	same_again(plan);
	plan_clean(plan); /* as packs_load does */
	compile(plan);
	return 0;
}
