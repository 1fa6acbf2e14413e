// SPDX-License-Identifier: BSD-2-Clause
/* Looks for mangled names in string tables without resolving anything. */
#include "symbol/peek.h"

#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "symbol/image.h"
#include "symbol/name.h"

static bool is_string_table(const char *name)
{
	return strcmp(name, ".strtab") == 0 || strcmp(name, ".debug_str") == 0;
}

static bool has_any(const void *data, size_t size, char *const *needles, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (memmem(data, size, needles[i], strlen(needles[i])))
			return true;
	return false;
}

static bool search(const struct image *im, char *const *needles, size_t n)
{
	size_t names;

	if (elf_getshdrstrndx(im->elf, &names) != 0)
		return false;
	for (Elf_Scn *scn = NULL; (scn = elf_nextscn(im->elf, scn));) {
		const char *name;
		GElf_Shdr sh;

		if (!gelf_getshdr(scn, &sh) || !(name = elf_strptr(im->elf, names, sh.sh_name)) ||
		    !is_string_table(name) || sh.sh_type == SHT_NOBITS || sh.sh_offset > im->size ||
		    sh.sh_size > im->size - sh.sh_offset)
			continue;
		if ((sh.sh_flags & SHF_COMPRESSED) ||
		    has_any(im->data + sh.sh_offset, sh.sh_size, needles, n))
			return true;
	}
	return false;
}

bool peek_may_have(int fd, const struct profile *profile)
{
	_cleanup_(image_freep) struct image *image = NULL;
	char *needles[PROFILE_FUNCS_MAX];
	bool found = false;

	if (image_open(fd, "", &image, NULL) < 0)
		return false;
	for (size_t f = 0; f < profile->n_funcs; f++)
		needles[f] = name_needle(profile->funcs[f].name);
	found = search(image, needles, profile->n_funcs);
	for (size_t f = 0; f < profile->n_funcs; f++)
		free(needles[f]);
	return found;
}
