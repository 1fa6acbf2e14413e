/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Small executables put together from functions and data in any order: two builds
 * of one program, as a compiler and a linker would make them. Functions are known
 * to .eh_frame alone, pointers in data have relative relocations.
 */
#ifndef TESTS_TINY_TWIN_H
#define TESTS_TINY_TWIN_H

#include "symbol/tiny_elf.h"
#include "symbol/twin_code.h"

#define TWIN_THINGS 24
#define TWIN_DATA_AT 0x2000
#define TWIN_FRAMES_AT 0x4000
#define TWIN_RELA_AT 0x5000
#define TWIN_FILE_SIZE 0x6000

/* Where in a thing the address of another one goes. */
struct tiny_fix {
	uint32_t at, to;
	bool pointer; /* 8 bytes in data, else the distance in 4 */
	bool table;   /* the distance from the thing's beginning */
	bool number;  /* the address itself */
	uint32_t add;
};

struct tiny_thing {
	uint8_t bytes[256];
	uint32_t n, n_fixes;
	struct tiny_fix fixes[12];
	bool code;
	uint64_t addr;
};

struct tiny_twin {
	struct tiny_thing at[TWIN_THINGS];
	uint32_t n;
	const char *comment; /* .comment, or NULL */
	bool fixed;          /* linked to fixed addresses, without relocations */
};

/* Functions and data are numbered in the order in which they are added. */
static inline uint32_t twin_thing(struct tiny_twin *t, bool code)
{
	assert(t->n < TWIN_THINGS);
	t->at[t->n] = (struct tiny_thing){ .code = code };
	return t->n++;
}

static inline void twin_put(struct tiny_twin *t, const void *bytes, size_t n)
{
	struct tiny_thing *thing = &t->at[t->n - 1];

	assert(thing->n + n <= sizeof(thing->bytes));
	memcpy(thing->bytes + thing->n, bytes, n);
	thing->n += (uint32_t)n;
}

static inline void twin_fix(struct tiny_twin *t, uint32_t to, bool pointer, bool table,
			    uint32_t add)
{
	static const uint8_t none[8];
	struct tiny_thing *thing = &t->at[t->n - 1];

	assert(thing->n_fixes < ARRAY_SIZE(thing->fixes));
	thing->fixes[thing->n_fixes++] =
		(struct tiny_fix){ thing->n, to, pointer, table, false, add };
	twin_put(t, none, pointer ? 8 : 4);
}

#define TWIN_PUT(t, ...)                                 \
	do {                                             \
		static const uint8_t b_[] = __VA_ARGS__; \
		twin_put((t), b_, sizeof(b_));           \
	} while (0)

static inline void twin_mov(struct tiny_twin *t, uint32_t value) /* mov eax, value */
{
	TWIN_PUT(t, { 0xb8 });
	twin_put(t, &value, 4);
}

static inline void twin_call(struct tiny_twin *t, uint32_t to)
{
	TWIN_PUT(t, { 0xe8 });
	twin_fix(t, to, false, false, 0);
}

static inline void twin_lea(struct tiny_twin *t, uint32_t to) /* lea rdi, [rip + to] */
{
	TWIN_PUT(t, { 0x48, 0x8d, 0x3d });
	twin_fix(t, to, false, false, 0);
}

static inline void twin_load(struct tiny_twin *t, uint32_t to) /* mov rdi, [rip + to] */
{
	TWIN_PUT(t, { 0x48, 0x8b, 0x3d });
	twin_fix(t, to, false, false, 0);
}

static inline void twin_address(struct tiny_twin *t, uint32_t to) /* mov edi, address of to */
{
	TWIN_PUT(t, { 0xbf });
	twin_fix(t, to, false, false, 0);
	t->at[t->n - 1].fixes[t->at[t->n - 1].n_fixes - 1].number = true;
}

static inline void twin_ret(struct tiny_twin *t)
{
	TWIN_PUT(t, { 0xc3 });
}

static inline void twin_pointer(struct tiny_twin *t, uint32_t to)
{
	twin_fix(t, to, true, false, 0);
}

/* core::panic::Location: the thing that has the file's name, line and column. */
static inline void twin_location(struct tiny_twin *t, uint32_t name, uint32_t line)
{
	uint64_t len = t->at[name].n;
	uint32_t place[2] = { line, 5 };

	twin_pointer(t, name);
	twin_put(t, &len, 8);
	twin_put(t, place, 8);
}

/* --- the linker ------------------------------------------------------------------- */

static inline void twin_place(struct tiny_twin *t, bool reverse)
{
	uint64_t code = TINY_CODE + (reverse ? 0x40 : 0),
		 data = TWIN_DATA_AT + (reverse ? 0x20 : 0);

	for (uint32_t k = 0; k < t->n; k++) {
		struct tiny_thing *thing = &t->at[reverse ? t->n - 1 - k : k];
		uint64_t *next = thing->code ? &code : &data;

		thing->addr = *next;
		*next = (*next + thing->n + 15) & ~15ull;
	}
	assert(code < TWIN_DATA_AT && data < TWIN_FRAMES_AT);
}

static inline void twin_put32(uint8_t *at, uint64_t value)
{
	uint32_t v = (uint32_t)value;

	memcpy(at, &v, 4);
}

/* .eh_frame_hdr at TWIN_FRAMES_AT, .eh_frame behind it. */
static inline void twin_frames(const struct tiny_twin *t, uint8_t *file, bool reverse)
{
	static const uint8_t cie[] = { 16,  0, 0, 0,    0,  0, 0,    0, 1, 'z',
				       'R', 0, 1, 0x78, 16, 1, 0x1b, 0, 0, 0 };
	uint64_t frames = TWIN_FRAMES_AT + 0x400, fde = frames + sizeof(cie), count = 0;
	uint8_t *hdr = file + TWIN_FRAMES_AT;

	memcpy(file + frames, cie, sizeof(cie));
	hdr[0] = 1;
	hdr[1] = 0x1b;
	hdr[2] = 0x03;
	hdr[3] = 0x3b;
	twin_put32(hdr + 4, frames - (TWIN_FRAMES_AT + 4));
	for (uint32_t k = 0; k < t->n; k++) {
		const struct tiny_thing *f = &t->at[reverse ? t->n - 1 - k : k];

		if (!f->code)
			continue;
		twin_put32(hdr + 12 + count * 8, f->addr - TWIN_FRAMES_AT);
		twin_put32(hdr + 16 + count * 8, fde - TWIN_FRAMES_AT);
		twin_put32(file + fde, 16);
		twin_put32(file + fde + 4, fde + 4 - frames);
		twin_put32(file + fde + 8, f->addr - (fde + 8));
		twin_put32(file + fde + 12, f->n);
		fde += 20;
		count++;
	}
	twin_put32(hdr + 8, count);
}

static inline void twin_apply(const struct tiny_twin *t, uint8_t *file, uint64_t *n_rela)
{
	for (uint32_t k = 0; k < t->n; k++) {
		const struct tiny_thing *thing = &t->at[k];

		memcpy(file + thing->addr, thing->bytes, thing->n);
		for (uint32_t i = 0; i < thing->n_fixes; i++) {
			const struct tiny_fix *fix = &thing->fixes[i];
			uint64_t at = thing->addr + fix->at, to = t->at[fix->to].addr + fix->add;
			Elf64_Rela rela = { at, ELF64_R_INFO(0, R_X86_64_RELATIVE), (int64_t)to };

			if (fix->pointer && t->fixed)
				memcpy(file + at, &to, sizeof(to));
			else if (fix->number)
				twin_put32(file + at, to);
			else if (fix->pointer)
				memcpy(file + TWIN_RELA_AT + (*n_rela)++ * sizeof(rela), &rela,
				       sizeof(rela));
			else
				twin_put32(file + at, to - (fix->table ? thing->addr : at + 4));
		}
	}
}

/* The file in memory; its functions and data in the order in which they were added, or
 * in reverse. */
static inline int twin_link(struct tiny_twin *t, bool reverse)
{
	static uint8_t file[TWIN_FILE_SIZE];
	Elf64_Ehdr eh = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
				       EV_CURRENT },
			  .e_type = ET_DYN,
			  .e_machine = EM_X86_64,
			  .e_version = EV_CURRENT,
			  .e_phoff = sizeof(eh),
			  .e_ehsize = sizeof(eh),
			  .e_phentsize = sizeof(Elf64_Phdr),
			  .e_phnum = 3,
			  .e_shoff = TWIN_RELA_AT + 0x800,
			  .e_shentsize = sizeof(Elf64_Shdr),
			  .e_shnum = 4,
			  .e_shstrndx = 2 };
	Elf64_Phdr ph[3] = {
		{ PT_LOAD, PF_R | PF_X, TINY_CODE, TINY_CODE, TINY_CODE, 0x1000, 0x1000, 0x1000 },
		{ PT_LOAD, PF_R, TWIN_DATA_AT, TWIN_DATA_AT, TWIN_DATA_AT, 0x4000, 0x4000, 0x1000 },
		{ PT_GNU_EH_FRAME, PF_R, TWIN_FRAMES_AT, TWIN_FRAMES_AT, TWIN_FRAMES_AT, 0x400,
		  0x400, 4 },
	};
	static const char names[] = "\0.rela.dyn\0.shstrtab\0.comment";
	const char *comment = t->comment ? t->comment : "";
	Elf64_Shdr sh[4] = {
		{},
		{ 1, SHT_RELA, SHF_ALLOC, TWIN_RELA_AT, TWIN_RELA_AT, 0, 0, 0, 8,
		  sizeof(Elf64_Rela) },
		{ 11, SHT_STRTAB, 0, 0, TWIN_RELA_AT + 0xa00, sizeof(names), 0, 0, 1, 0 },
		{ 21, SHT_PROGBITS, 0, 0, TWIN_RELA_AT + 0xb00, strlen(comment) + 1, 0, 0, 1, 0 },
	};
	uint64_t n_rela = 0;

	memset(file, 0, sizeof(file));
	twin_place(t, reverse);
	eh.e_type = t->fixed ? ET_EXEC : ET_DYN;
	for (uint32_t k = 0; k < t->n; k++)
		if (t->at[k].code)
			eh.e_entry = t->at[k].addr; /* of the last function added */
	memcpy(file, &eh, sizeof(eh));
	memcpy(file + sizeof(eh), ph, sizeof(ph));
	twin_apply(t, file, &n_rela);
	twin_frames(t, file, reverse);
	sh[1].sh_size = n_rela * sizeof(Elf64_Rela);
	memcpy(file + sh[2].sh_offset, names, sizeof(names));
	memcpy(file + sh[3].sh_offset, comment, strlen(comment) + 1);
	memcpy(file + eh.e_shoff, sh, sizeof(sh));
	return tiny_file(file, sizeof(file));
}

/* A linked file, opened. */
struct tiny_side {
	int fd;
	struct image *image;
	struct twin_code *code;
};

static inline struct tiny_side twin_open(struct tiny_twin *t, bool reverse)
{
	struct tiny_side s = { .fd = twin_link(t, reverse) };
	struct err err = {};
	int r = image_open(s.fd, "twin", &s.image, &err);

	if (r == 0)
		r = twin_code_open(s.image, &s.code, &err);
	if (r < 0)
		fprintf(stderr, "%s\n", err.text);
	assert(r == 0);
	return s;
}

static inline void twin_close(struct tiny_side *s)
{
	twin_code_free(s->code);
	image_free(s->image);
	close(s->fd);
}

/* The number, in the file, of the function that was added as @thing. */
static inline uint32_t twin_number(const struct tiny_side *s, const struct tiny_twin *t,
				   uint32_t thing)
{
	uint32_t f = twin_code_at(s->code, t->at[thing].addr);

	assert(f != TWIN_NONE && s->code->funcs[f].low == t->at[thing].addr);
	return f;
}

#endif
