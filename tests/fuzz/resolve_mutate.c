// SPDX-License-Identifier: BSD-2-Clause
/*
 * Damages an ELF file where it is looked at: within one section or one of the
 * tables, without moving what stands behind. Bytes put in or taken out would
 * only break all offsets at once, so that is left to a few inputs.
 */
#include <elf.h>
#include <stdbool.h>
#include <string.h>

#include "fuzz/fuzz.h"

struct part {
	size_t at, size;
	unsigned weight;
};

#define PARTS_MAX 128

static const struct {
	const char *name;
	unsigned weight;
} weights[] = {
	{ ".debug_info", 10 },
	{ ".debug_abbrev", 6 },
	{ ".text", 6 },
	{ ".eh_frame", 4 },
	{ ".eh_frame_hdr", 2 },
	{ ".gcc_except_table", 4 },
	{ ".debug_ranges", 2 },
	{ ".debug_rnglists", 3 },
	{ ".debug_loc", 3 },
	{ ".debug_loclists", 3 },
	{ ".debug_info.dwo", 10 },
	{ ".debug_abbrev.dwo", 6 },
	{ ".debug_cu_index", 3 },
	{ ".debug_str_offsets", 2 },
	{ ".debug_str_offsets.dwo", 2 },
	{ ".rela.dyn", 2 },
	{ ".symtab", 2 },
	{ ".rodata", 2 },
	{ ".debug_str.dwo", 1 },
	{ ".debug_str", 1 },
	{ ".debug_line", 1 },
	{ ".debug_aranges", 0 },
	{ ".comment", 0 },
	{ ".gnu.hash", 0 },
};

static unsigned weight_of(const char *name)
{
	for (size_t i = 0; i < sizeof(weights) / sizeof(*weights); i++)
		if (strcmp(weights[i].name, name) == 0)
			return weights[i].weight;
	return 1;
}

/* The name in the table of names, which itself may be damaged. */
static const char *section_name(const uint8_t *data, size_t size, const Elf64_Ehdr *eh,
				uint32_t name)
{
	Elf64_Shdr names;
	uint64_t at;

	if (eh->e_shstrndx >= eh->e_shnum)
		return "";
	memcpy(&names, data + eh->e_shoff + eh->e_shstrndx * sizeof(names), sizeof(names));
	at = names.sh_offset + name;
	return at < size && memchr(data + at, 0, size - at) ? (const char *)data + at : "";
}

static size_t find_parts(const uint8_t *data, size_t size, struct part *parts)
{
	Elf64_Ehdr eh;
	size_t n = 0;

	parts[n++] = (struct part){ 0, size, 1 };
	if (size < 1024)
		return n;
	memcpy(&eh, data, sizeof(eh));
	parts[n++] = (struct part){ 0, 0x270, 2 };
	if (eh.e_shoff > size || eh.e_shnum * sizeof(Elf64_Shdr) > size - eh.e_shoff)
		return n;
	parts[n++] = (struct part){ eh.e_shoff, eh.e_shnum * sizeof(Elf64_Shdr), 2 };
	for (size_t i = 0; i < eh.e_shnum && n < PARTS_MAX; i++) {
		Elf64_Shdr sh;

		memcpy(&sh, data + eh.e_shoff + i * sizeof(sh), sizeof(sh));
		if (sh.sh_type != SHT_NOBITS && sh.sh_size && sh.sh_offset < size &&
		    sh.sh_size <= size - sh.sh_offset)
			parts[n++] = (struct part){ sh.sh_offset, sh.sh_size,
						    weight_of(section_name(data, size, &eh,
									   sh.sh_name)) };
	}
	return n;
}

static const struct part *choose(const struct part *parts, size_t n, uint64_t *seed)
{
	unsigned sum = 0, at;

	for (size_t i = 0; i < n; i++)
		sum += parts[i].size ? parts[i].weight : 0;
	at = fuzz_random(seed, sum);
	for (size_t i = 0; i < n; i++) {
		unsigned weight = parts[i].size ? parts[i].weight : 0;

		if (at < weight)
			return &parts[i];
		at -= weight;
	}
	return parts;
}

static void put_number(uint8_t *p, size_t left, uint64_t *seed)
{
	static const uint64_t edges[] = { 0,          1,          0x7f,          0x80,
					  0xff,       0x7fff,     0xffff,        0x7fffffff,
					  0x80000000, 0xffffffff, INT64_MAX,     UINT64_MAX,
					  0x1000,     0xfffffff0, UINT64_MAX - 7 };
	size_t len = (size_t)1 << fuzz_random(seed, 4);
	uint64_t value = 0;

	len = len < left ? len : left;
	memcpy(&value, p, len);
	if (fuzz_random(seed, 2))
		value = edges[fuzz_random(seed, sizeof(edges) / sizeof(*edges))];
	else
		value += fuzz_random(seed, 65) - 32;
	memcpy(p, &value, len);
}

static void damage(uint8_t *data, size_t size, uint64_t *seed)
{
	uint32_t at = fuzz_random(seed, (uint32_t)size), from = fuzz_random(seed, (uint32_t)size);
	size_t left = size - (at > from ? at : from), len = 1 + fuzz_random(seed, 32);

	switch (fuzz_random(seed, 7)) {
	case 0:
		data[at] ^= (uint8_t)(1u << fuzz_random(seed, 8));
		break;
	case 1:
		data[at] = (uint8_t)fuzz_random(seed, 256);
		break;
	case 2:
		data[at] = (uint8_t)fuzz_random(seed, 64); /* a form, a tag, a small number */
		break;
	case 3:
		memmove(data + at, data + from, len < left ? len : left);
		break;
	case 4:
		len = len < size - at ? len : size - at;
		LLVMFuzzerMutate(data + at, len, len);
		break;
	case 5:
		memset(data + at, fuzz_random(seed, 2) ? 0 : 0xff, len < left ? len : left);
		break;
	default:
		put_number(data + at, size - at, seed);
	}
}

/* The file, of two, that is to be damaged. */
static void choose_file(uint8_t **data, size_t *size, uint64_t *seed)
{
	uint32_t second = 0;
	bool two = *size > 8 &&
		   (!memcmp(*data + *size - 8, "+dbg", 4) || !memcmp(*data + *size - 8, "+dwp", 4));

	if (!two)
		return;
	memcpy(&second, *data + *size - 4, 4);
	if (second > *size - 8)
		return;
	*size -= 8 + second;
	if (second && fuzz_random(seed, 2)) {
		*data += *size;
		*size = second;
	}
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned number)
{
	struct part parts[PARTS_MAX];
	uint64_t seed = number;
	size_t whole = size, n;

	if (!size || fuzz_random(&seed, 50) == 0)
		return LLVMFuzzerMutate(data, size, max);
	choose_file(&data, &size, &seed);
	n = find_parts(data, size, parts);
	for (unsigned edits = 1 + fuzz_random(&seed, 4); edits; edits--) {
		const struct part *part = choose(parts, n, &seed);

		damage(data + part->at, part->size, &seed);
	}
	return whole;
}
