/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of symbol/ look at: tiny.elf (made from tiny.rs) as a file that
 * can be damaged, and minimal ELF files around a few instructions.
 */
#ifndef TESTS_TINY_ELF_H
#define TESTS_TINY_ELF_H

#include <assert.h>
#include <dwarf.h>
#include <elf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "profile/profile.h"
#include "symbol/image.h"

extern const uint8_t tiny_elf[];
extern const uint8_t tiny_elf_end[];
__asm__(".pushsection .rodata\n"
	".balign 16\n"
	"tiny_elf: .incbin \"tests/unit/symbol/tiny.elf\"\n"
	"tiny_elf_end: .byte 0\n"
	".popsection\n");

#define TINY_SIZE ((size_t)(tiny_elf_end - tiny_elf))

/* Functions of tiny.rs with every kind of value; other tests may take a part. */
#define TINY_PROFILE                                                                     \
	"profile: tiny\n"                                                                \
	"metrics:\n"                                                                     \
	"  a_total:\n"                                                                   \
	"    type: counter\n"                                                            \
	"    help: x\n"                                                                  \
	"    from: tiny::process_vote\n"                                                 \
	"    labels:\n"                                                                  \
	"      vote: {arg: vote.approve, values: {true: approve, false: reject}}\n"      \
	"      kind: {arg: vote.kind, values: {DoubleVote: double, Timeout: timeout}}\n" \
	"      out: {return: {Ok.Accepted: acc, Ok.Rejected: rej, Err: err}}\n"          \
	"  b_total:\n"                                                                   \
	"    type: counter\n"                                                            \
	"    help: x\n"                                                                  \
	"    from: tiny::store\n"                                                        \
	"    labels:\n"                                                                  \
	"      kind: {arg: kind, values: {DoubleVote: double, Timeout: timeout}}\n"      \
	"  c_total:\n"                                                                   \
	"    type: counter\n"                                                            \
	"    help: x\n"                                                                  \
	"    from: tiny::plain\n"                                                        \
	"    labels:\n"                                                                  \
	"      vote: {arg: approve, values: {true: approve, false: reject}}\n"           \
	"      kind: {arg: kind, values: {DoubleVote: double, Timeout: timeout}}\n"      \
	"      round: {arg: vote.round, values: {1: one, 2: two}}\n"                     \
	"      out: {return: {true: t, false: f}}\n"                                     \
	"  d_total:\n"                                                                   \
	"    type: counter\n"                                                            \
	"    help: x\n"                                                                  \
	"    from: tiny::plain_result\n"                                                 \
	"    labels:\n"                                                                  \
	"      out: {return: {Ok: ok, Err: err}}\n"                                      \
	"  e_total: {type: counter, help: x, from: tiny::gone}\n"                        \
	"  f_total: {type: counter, help: x, from: tiny::outer}\n"                       \
	"  g_total: {type: counter, help: x, from: tiny::absent}\n"

static inline struct profile *tiny_profile(const char *text)
{
	struct profile_faults faults = {};
	struct profile *profile = NULL;

	if (profile_parse("tiny.yaml", text, strlen(text), &profile, &faults) < 0)
		fprintf(stderr, "%s\n", faults.n ? faults.at[0].text : "?");
	profile_faults_free(&faults);
	assert(profile);
	return profile;
}

/* A file in memory; -1 never. */
static inline int tiny_file(const void *data, size_t size)
{
	int fd = memfd_create("tiny", MFD_CLOEXEC);

	assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	return fd;
}

static inline int tiny_fd(void)
{
	return tiny_file(tiny_elf, TINY_SIZE);
}

/* tiny.elf opened, with symbols and debug information. */
struct tiny {
	int fd;
	struct image *image;
	Dwarf *dbg;
};

static inline struct tiny tiny_open(void)
{
	struct tiny t = { .fd = tiny_fd() };
	int r = image_open(t.fd, "tiny.elf", &t.image, NULL);

	assert(r == 0);
	image_load_symbols(t.image, t.image->elf);
	t.dbg = dwarf_begin_elf(t.image->elf, DWARF_C_READ, NULL);
	assert(t.dbg);
	return t;
}

static inline void tiny_close(struct tiny *t)
{
	dwarf_end(t->dbg);
	image_free(t->image);
	close(t->fd);
}

/* The symbol whose mangled name has @part in it: "4tiny5plain". */
static inline const struct image_symbol *tiny_symbol(const struct image *image, const char *part)
{
	for (size_t i = 0; i < image->n_symbols; i++)
		if (strstr(image->symbols[i].name, part))
			return &image->symbols[i];
	return NULL;
}

static inline bool tiny_search(Dwarf_Die *in, int tag, const char *name, Dwarf_Die *out)
{
	Dwarf_Die die;

	if (dwarf_child(in, &die) != 0)
		return false;
	do {
		const char *have = dwarf_diename(&die);

		if (dwarf_tag(&die) == tag && have && strcmp(have, name) == 0) {
			*out = die;
			return true;
		}
		if (tiny_search(&die, tag, name, out))
			return true;
	} while (dwarf_siblingof(&die, &die) == 0);
	return false;
}

/* The first DIE of this tag and name (not its name's path). */
static inline bool tiny_die(Dwarf *dbg, int tag, const char *name, Dwarf_Die *out)
{
	Dwarf_Die cudie;

	for (Dwarf_CU *cu = NULL; dwarf_get_units(dbg, cu, &cu, NULL, NULL, &cudie, NULL) == 0;)
		if (tiny_search(&cudie, tag, name, out))
			return true;
	return false;
}

#define TINY_CODE 0x1000 /* where the instructions of tiny_code() are */
#define TINY_DATA 0x2000 /* and its data */

/* An ELF file with instructions and data, and no sections. */
static inline int tiny_code(const void *code, size_t n_code, const void *data, size_t n_data)
{
	static uint8_t file[0x3000];
	Elf64_Ehdr eh = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			     EV_CURRENT },
		.e_type = ET_DYN,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(eh),
		.e_ehsize = sizeof(eh),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 2,
	};
	Elf64_Phdr ph[2] = {
		{ PT_LOAD, PF_R | PF_X, TINY_CODE, TINY_CODE, TINY_CODE, n_code, n_code, 0x1000 },
		{ PT_LOAD, PF_R, TINY_DATA, TINY_DATA, TINY_DATA, n_data, n_data, 0x1000 },
	};

	assert(n_code <= 0x1000 && n_data <= 0x1000);
	memset(file, 0, sizeof(file));
	memcpy(file, &eh, sizeof(eh));
	memcpy(file + sizeof(eh), ph, sizeof(ph));
	memcpy(file + TINY_CODE, code, n_code);
	if (n_data)
		memcpy(file + TINY_DATA, data, n_data);
	return tiny_file(file, sizeof(file));
}

/* Numbers that look random and are the same in every run. */
static inline uint32_t tiny_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*seed >> 33);
}

#endif
