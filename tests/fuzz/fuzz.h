/* SPDX-License-Identifier: BSD-2-Clause */
/* What libFuzzer calls and offers, and what the fuzzers share. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

/* A rule that holds for every input; where it does not, that is a finding. */
#define HOLDS(rule)                                                                               \
	do {                                                                                      \
		if (!(rule)) {                                                                    \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #rule); \
			abort();                                                                  \
		}                                                                                 \
	} while (0)

/* Numbers that look random; the same for the same seed. */
static inline uint32_t fuzz_random(uint64_t *seed, uint32_t below)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return below ? (uint32_t)(*seed >> 33) % below : 0;
}

#endif
