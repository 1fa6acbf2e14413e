// SPDX-License-Identifier: BSD-2-Clause
/* packs FOLDER ELF...: writes the packs that the fuzzer of packs begins with: those of
 * the executables, and that of the unit tests, which has one of everything. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "symbol/pack.h"
#include "symbol/resolve.h"
#include "symbol/tiny_elf.h"
#include "symbol/tiny_plan.h"

static int write_pack(const char *folder, const char *elf, const char *text, size_t size)
{
	const char *slash = strrchr(elf, '/');
	_free_ char *path = mem_printf("%s/%s", folder, slash ? slash + 1 : elf);
	FILE *file = fopen(path, "w");
	int r = file && fwrite(text, 1, size, file) == size ? 0 : 1;

	if (!file || fclose(file) != 0 || r) {
		fprintf(stderr, "packs: %s cannot be written\n", path);
		return 1;
	}
	return 0;
}

static int pack(const char *folder, const char *elf, const struct profile *profile)
{
	_cleanup_(plan_freep) struct plan *plan = NULL;
	_close_ int fd = open(elf, O_RDONLY | O_CLOEXEC);
	_strbuf_ struct strbuf text = {};
	struct err err = {};

	if (fd < 0 || resolve_plan(fd, elf, NULL, profile, &plan, &err) < 0) {
		fprintf(stderr, "packs: %s: %s\n", elf, fd < 0 ? "cannot be opened" : err.text);
		return 1;
	}
	pack_write(plan, &text);
	return write_pack(folder, elf, text.text, text.len);
}

int main(int argc, char **argv)
{
	struct profile *profile = tiny_profile(TINY_PROFILE);
	int r = argc < 3;

	for (int i = 2; i < argc && !r; i++)
		r = pack(argv[1], argv[i], profile);
	profile_free(profile);
	return r ? r : write_pack(argv[1], "everything", TINY_PACK, strlen(TINY_PACK));
}
