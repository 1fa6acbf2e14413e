// SPDX-License-Identifier: BSD-2-Clause
/*
 * Looks for mangled names in string tables without resolving anything. This runs in
 * the agent itself and for whatever file a process executes, so nothing is mapped: who
 * cuts a mapped file short ends those who read it.
 */
#include "symbol/peek.h"

#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "symbol/name.h"

#define CHUNK (256 * 1024)

struct needles {
	char *at[PROFILE_FUNCS_MAX];
	size_t n;
	size_t longest;
};

static void needles_free(struct needles *needles)
{
	for (size_t i = 0; i < needles->n; i++)
		free(needles->at[i]);
}

static void needles_make(const struct profile *profile, struct needles *needles)
{
	for (size_t f = 0; f < profile->n_funcs; f++) {
		const char *name = profile->funcs[f].name;
		char *needle = profile_is_of(name, NULL) ? name_needle(name) : NULL;
		size_t len = needle ? strlen(needle) : 0;

		if (!needle)
			continue;
		needles->at[needles->n++] = needle;
		if (len > needles->longest)
			needles->longest = len;
	}
}

static bool has_any(const void *data, size_t size, const struct needles *needles)
{
	for (size_t i = 0; i < needles->n; i++)
		if (memmem(data, size, needles->at[i], strlen(needles->at[i])))
			return true;
	return false;
}

/* As many bytes as are there, up to @size. */
static size_t read_at(int fd, char *to, size_t size, uint64_t from)
{
	size_t have = 0;

	while (have < size) {
		ssize_t n = pread(fd, to + have, size - have, (off_t)(from + have));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		have += (size_t)n;
	}
	return have;
}

/* Searches @size bytes of the file, chunk by chunk; a name may lie across two. */
static bool search_bytes(int fd, uint64_t from, uint64_t size, const struct needles *needles)
{
	_free_ char *bytes = mem_alloc(needles->longest + CHUNK);
	size_t kept = 0;

	while (size) {
		size_t want = size < CHUNK ? (size_t)size : CHUNK;
		size_t n = read_at(fd, bytes + kept, want, from), have = kept + n;

		if (has_any(bytes, have, needles))
			return true;
		if (n < want)
			return false; /* the file ends here */
		from += n;
		size -= n;
		kept = have < needles->longest ? have : needles->longest;
		memmove(bytes, bytes + have - kept, kept);
	}
	return false;
}

static bool is_string_table(const char *name)
{
	return name && (strcmp(name, ".strtab") == 0 || strcmp(name, ".debug_str") == 0);
}

static bool search(int fd, Elf *elf, const struct needles *needles)
{
	size_t names;

	if (elf_getshdrstrndx(elf, &names) != 0)
		return false;
	for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn));) {
		GElf_Shdr sh;

		if (!gelf_getshdr(scn, &sh) || sh.sh_type == SHT_NOBITS ||
		    !is_string_table(elf_strptr(elf, names, sh.sh_name)))
			continue;
		if ((sh.sh_flags & SHF_COMPRESSED) ||
		    search_bytes(fd, sh.sh_offset, sh.sh_size, needles))
			return true;
	}
	return false;
}

static bool is_executable(Elf *elf)
{
	GElf_Ehdr eh;

	return gelf_getehdr(elf, &eh) && eh.e_ident[EI_CLASS] == ELFCLASS64 &&
	       eh.e_machine == EM_X86_64 && (eh.e_type == ET_EXEC || eh.e_type == ET_DYN);
}

bool peek_may_have(int fd, const struct profile *profile)
{
	struct needles needles = {};
	bool found;
	Elf *elf;

	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!elf)
		return false;
	needles_make(profile, &needles);
	found = is_executable(elf) && search(fd, elf, &needles);
	needles_free(&needles);
	elf_end(elf);
	return found;
}
