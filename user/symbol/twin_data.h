/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the references of a function lead to, compared between two builds: data
 * by its contents, pointers in it by what they point to, tables of distances by
 * where they lead, imports by name, source positions by line and column and the last
 * parts of the path, for the build may have happened in another folder. Pairs of functions that would have to be the
 * same are handed out: whether they are is for symbol/twin_match.
 */
#ifndef SYMBOL_TWIN_DATA_H
#define SYMBOL_TWIN_DATA_H

#include "symbol/twin_code.h"

/* Function @rebuild of one file and @shipped of the other. */
struct twin_pair {
	uint32_t rebuild, shipped;
};

struct twin_pairs {
	struct twin_pair *at;
	size_t n, cap;
};

/* A core::panic::Location in the file's data: &str file, u32 line, u32 column. */
struct twin_position {
	const uint8_t *name; /* not terminated */
	uint64_t len;
	uint32_t line, column;
};

#define TWIN_POSITION_SIZE 24

/* Reads the position at @addr; false where there is none (the file's name must end in .rs). */
bool twin_data_position(const struct twin_code *code, uint64_t addr, struct twin_position *out);

/* Whether two functions with equal instructions refer to the same things. Adds to
 * @pairs the functions that are referred to at the same places, directly or by
 * pointers in data. Of memory that the file does not back nothing is known; it
 * speaks neither for nor against. */
bool twin_data_agrees(const struct twin_code *rebuild, uint32_t f, const struct twin_code *shipped,
		      uint32_t g, struct twin_pairs *pairs);

#endif
