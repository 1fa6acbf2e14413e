/* SPDX-License-Identifier: BSD-2-Clause */
/* library.elf, made from library.c: what a stripped shared library exports. */
#ifndef TESTS_LIBRARY_ELF_H
#define TESTS_LIBRARY_ELF_H

#include "symbol/function.h"
#include "symbol/tiny_elf.h"

extern const uint8_t library_elf[];
extern const uint8_t library_elf_end[];
__asm__(".pushsection .rodata\n"
	".balign 16\n"
	"library_elf: .incbin \"tests/unit/symbol/library.elf\"\n"
	"library_elf_end: .byte 0\n"
	".popsection\n");

static inline int library_fd(void)
{
	return tiny_file(library_elf, (size_t)(library_elf_end - library_elf));
}

static inline const struct image_symbol *library_symbol(const struct image *image, const char *name)
{
	for (size_t i = 0; i < image->n_symbols; i++)
		if (strcmp(image->symbols[i].name, name) == 0)
			return &image->symbols[i];
	return NULL;
}

#endif
