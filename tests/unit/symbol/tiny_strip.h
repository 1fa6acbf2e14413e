/* SPDX-License-Identifier: BSD-2-Clause */
/* tiny.elf as strip leaves it: the sections are there, and nobody sees them. */
#ifndef TESTS_TINY_STRIP_H
#define TESTS_TINY_STRIP_H

#include "symbol/tiny_elf.h"

enum tiny_keep { TINY_KEEP_SYMBOLS, TINY_KEEP_NOTHING };

static inline uint8_t *tiny_strip(enum tiny_keep keep)
{
	uint8_t *file = mem_alloc(TINY_SIZE);
	const Elf64_Ehdr *eh = (const void *)file;
	const char *names;
	Elf64_Shdr *sh;

	memcpy(file, tiny_elf, TINY_SIZE);
	sh = (void *)(file + eh->e_shoff);
	names = (const char *)file + sh[eh->e_shstrndx].sh_offset;
	for (unsigned i = 0; i < eh->e_shnum; i++) {
		bool debug = strncmp(names + sh[i].sh_name, ".debug_", 7) == 0;

		if (!debug && (keep == TINY_KEEP_SYMBOLS || (sh[i].sh_flags & SHF_ALLOC)))
			continue;
		sh[i].sh_type = SHT_NULL;
		sh[i].sh_name = 0;
	}
	return file;
}

static inline int tiny_stripped(enum tiny_keep keep)
{
	_free_ uint8_t *file = tiny_strip(keep);

	return tiny_file(file, TINY_SIZE);
}

#endif
