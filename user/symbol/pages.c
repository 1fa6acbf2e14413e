// SPDX-License-Identifier: BSD-2-Clause
/* Gives pages of a mapped file back. */
#include "symbol/pages.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

void pages_give_back(struct pages *pages, const void *at)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t low = ((uintptr_t)pages->kept + page - 1) & ~(page - 1);
	uintptr_t high = (uintptr_t)at & ~(page - 1);
	size_t size = 0;
	const char *file = elf_rawfile(dwarf_getelf(pages->dbg), &size);

	if (file && pages->kept >= file && (const char *)at <= file + size && low < high)
		madvise((void *)low, high - low, MADV_DONTNEED);
	pages->kept = at;
}
