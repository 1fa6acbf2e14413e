/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All functions of a file, cut out by .eh_frame, in a form in which two builds
 * of one program can be compared: whatever the linker decided is masked and
 * kept apart as a reference, padding is left out, and a jump within the function
 * says which instruction it leads to, however it is encoded.
 */
#ifndef SYMBOL_TWIN_CODE_H
#define SYMBOL_TWIN_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "symbol/image.h"

#define TWIN_NONE UINT32_MAX

/* An instruction of a function, padding left out. */
struct twin_insn {
	uint32_t offset;
	uint32_t len : 4;
	uint32_t calls : 28; /* calls before it in the function */
};

/* An operand that names another place in the file. */
struct twin_ref {
	uint64_t target;
	uint32_t insn; /* which instruction has it */
	bool branch;   /* a jump or call leads there */
	uint8_t size;  /* else: bytes read or written there, 0 when only its address is taken */
};

struct twin_function {
	uint64_t low, high;
	uint64_t hash;          /* of the masked instructions */
	uint32_t insn, n_insns; /* into twin_code.insns */
	uint32_t n_calls;
	uint32_t ref, n_refs;      /* into twin_code.refs */
	uint32_t masked, n_masked; /* into twin_code.masked */
	bool odd;                  /* it has bytes that are no instructions: not compared */
};

struct twin_code {
	const struct image *image;
	bool fixed;                  /* linked to fixed addresses */
	struct twin_function *funcs; /* by address */
	uint32_t n_funcs;
	VEC(struct twin_insn) insns;
	VEC(struct twin_ref) refs;
	VEC(uint8_t) masked;
	VEC(uint64_t)
	starts; /* addresses that something refers to, ascending: objects begin there */
};

/* Errors: -ENOENT no .eh_frame_hdr, -EBADMSG damaged. */
int twin_code_open(const struct image *image, struct twin_code **out, struct err *err);
void twin_code_free(struct twin_code *code);
void twin_code_freep(struct twin_code **code);

/* The function that covers @addr, or TWIN_NONE. */
uint32_t twin_code_at(const struct twin_code *code, uint64_t addr);
/* The instruction of function @f that starts at @addr, or TWIN_NONE; of padding, TWIN_NONE too. */
uint32_t twin_code_insn(const struct twin_code *code, uint32_t f, uint64_t addr);
/* The first instruction of function @f at or after @addr; n_insns when there is none. */
uint32_t twin_code_from(const struct twin_code *code, uint32_t f, uint64_t addr);
uint64_t twin_code_address(const struct twin_code *code, uint32_t f, uint32_t insn);
/* How many bytes from @addr on no other reference leads to. */
uint64_t twin_code_extent(const struct twin_code *code, uint64_t addr);
/* Whether the data at @addr is an address. */
bool twin_code_pointer(const struct twin_code *code, uint64_t addr);
/* Whether the instructions of two functions are the same but for what is masked. */
bool twin_code_equal(const struct twin_code *a, uint32_t fa, const struct twin_code *b,
		     uint32_t fb);

#endif
