/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An executable as the resolver sees it: an x86-64 ELF file whose segments are
 * checked against the file's real size, its bytes by virtual address, and its
 * function symbols by address.
 */
#ifndef SYMBOL_IMAGE_H
#define SYMBOL_IMAGE_H

#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct image_segment {
	uint64_t vaddr, offset, size; /* bytes that the file backs */
	bool exec, write;
};

struct image_symbol {
	uint64_t addr, size;
	const char *name; /* in the ELF string table, mangled */
};

/* What the loader puts at an address: another address, or that of an imported symbol. */
struct image_reloc {
	uint64_t addr;
	uint64_t value;   /* R_X86_64_RELATIVE: the address */
	const char *name; /* an import: its name, else NULL */
};

/* What is known of a called function; see symbol/noreturn. */
struct image_callee {
	uint64_t addr;
	bool returns;
};

struct image {
	char *path;
	int fd; /* not owned */
	Elf *elf;
	const uint8_t *data; /* the whole file, mapped */
	size_t size;
	struct image_segment *segments;
	size_t n_segments;
	struct image_symbol *symbols; /* functions, by address */
	size_t n_symbols;
	struct image_reloc *relocs; /* by address */
	size_t n_relocs;
	struct image_callee *callees; /* a cache, grown while functions are opened */
	size_t n_callees;
	uint64_t eh_frame_hdr; /* vaddr of PT_GNU_EH_FRAME, 0 when there is none */
	uint8_t build_id[20];
	size_t n_build_id;
};

/* Errors: -ENOEXEC not an ELF file of our kind, -EBADMSG damaged; the sentence says which. */
int image_open(int fd, const char *path, struct image **out, struct err *err);
void image_free(struct image *image);
void image_freep(struct image **image);

/* Loads .symtab (or .dynsym) of @elf, the image itself or its debug file, into
 * image->symbols; a file without one has none. @elf must outlive the image. */
void image_load_symbols(struct image *image, Elf *elf);
/* The same with what the image exports alone. */
void image_load_exports(struct image *image);

/* The bytes at a virtual address, or NULL when the file does not back them all. */
const uint8_t *image_bytes(const struct image *image, uint64_t vaddr, size_t len);
bool image_offset(const struct image *image, uint64_t vaddr, uint64_t *offset);
/* The other way, for code. */
bool image_address(const struct image *image, uint64_t offset, uint64_t *vaddr);
bool image_executable(const struct image *image, uint64_t vaddr);
uint64_t image_entry(const struct image *image);
/* Whether it is linked to fixed addresses. */
bool image_is_fixed(const struct image *image);
/* The address that a pointer in the file's data holds once loaded: what a
 * relative relocation puts there, else what is stored. 0 when unknown. */
uint64_t image_pointer(const struct image *image, uint64_t vaddr);
/* Whether the loader puts an address there. */
bool image_is_pointer(const struct image *image, uint64_t vaddr);
/* The name of the import whose address the loader puts at @vaddr, or NULL. */
const char *image_import(const struct image *image, uint64_t vaddr);
/* The function symbol that covers @vaddr, or NULL. */
const struct image_symbol *image_symbol_at(const struct image *image, uint64_t vaddr);

#endif
