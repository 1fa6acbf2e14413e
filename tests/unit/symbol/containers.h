/* SPDX-License-Identifier: BSD-2-Clause */
/* The types of containers.rs. */
#ifndef TESTS_CONTAINERS_H
#define TESTS_CONTAINERS_H

#include "symbol/tiny_elf.h"
#include "symbol/type.h"

extern const uint8_t containers_elf[];
extern const uint8_t containers_elf_end[];
__asm__(".pushsection .rodata\n"
	".balign 16\n"
	"containers_elf: .incbin \"tests/unit/symbol/containers.elf\"\n"
	"containers_elf_end: .byte 0\n"
	".popsection\n");

struct containers {
	int fd;
	Elf *elf;
	Dwarf *dbg;
};

static inline struct containers containers_open(void)
{
	struct containers c = { .fd = tiny_file(containers_elf,
						(size_t)(containers_elf_end - containers_elf)) };

	elf_version(EV_CURRENT);
	c.elf = elf_begin(c.fd, ELF_C_READ, NULL);
	c.dbg = dwarf_begin_elf(c.elf, DWARF_C_READ, NULL);
	assert(c.dbg);
	return c;
}

static inline void containers_close(struct containers *c)
{
	dwarf_end(c->dbg);
	elf_end(c->elf);
	close(c->fd);
}

/* The struct `Held`, at offset 0. */
static inline struct type_place containers_held(struct containers *c)
{
	struct type_place place = {};
	bool found = tiny_die(c->dbg, DW_TAG_structure_type, "Held", &place.type);

	assert(found);
	return place;
}

/* The offset of a member in the struct @type. */
static inline uint64_t containers_offset(struct containers *c, const char *type, const char *member)
{
	uint64_t offset = 0;
	Dwarf_Die die, m;
	bool found = tiny_die(c->dbg, DW_TAG_structure_type, type, &die) &&
		     tiny_search(&die, DW_TAG_member, member, &m) &&
		     type_word(&m, DW_AT_data_member_location, &offset);

	assert(found);
	return offset;
}

#endif
