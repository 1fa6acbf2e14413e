// SPDX-License-Identifier: BSD-2-Clause
/* Finds the executable in memory by the entry point in the auxiliary vector. */
#include "target/mapped.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

#define SEGMENTS_MAX 1024
#define AUXV_MAX 64

static int open_of(pid_t tgid, const char *what, int *fd, struct err *err)
{
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)tgid, what);
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	if (*fd >= 0)
		return 0;
	r = errno == ENOENT ? -ESRCH : -errno;
	return err_set(err, r, "cannot open %s: %s", path, strerror(-r));
}

/* Where the process' own program begins, 0 when that cannot be told. */
static int entry_of(pid_t tgid, uint64_t *entry, struct err *err)
{
	Elf64_auxv_t auxv[AUXV_MAX];
	_close_ int fd = -1;
	int r = open_of(tgid, "auxv", &fd, err);
	ssize_t n;

	if (r)
		return r;
	n = read(fd, auxv, sizeof(auxv));
	for (size_t i = 0; n > 0 && i < (size_t)n / sizeof(*auxv); i++) {
		if (auxv[i].a_type == AT_ENTRY) {
			*entry = auxv[i].a_un.a_val;
			return 0;
		}
	}
	return err_set(err, -ESRCH, "process %d has no entry point any more", (int)tgid);
}

static int read_segments(int exe, struct mapped *out, Elf64_Ehdr *ehdr, struct err *err)
{
	size_t size;

	if (pread(exe, ehdr, sizeof(*ehdr), 0) != sizeof(*ehdr) ||
	    memcmp(ehdr->e_ident, ELFMAG, SELFMAG) != 0 || ehdr->e_phnum > SEGMENTS_MAX ||
	    ehdr->e_phentsize != sizeof(*out->segments) || ehdr->e_phoff > INT64_MAX)
		return err_set(err, -ENOEXEC, "the executable has no sound header");
	size = ehdr->e_phnum * sizeof(*out->segments);
	out->segments = mem_array(ehdr->e_phnum, sizeof(*out->segments));
	out->n_segments = ehdr->e_phnum;
	if (pread(exe, out->segments, size, (off_t)ehdr->e_phoff) != (ssize_t)size)
		return err_set(err, -ENOEXEC, "the executable has no sound program headers");
	return 0;
}

int mapped_open(pid_t tgid, int exe, struct mapped *out, struct err *err)
{
	_mapped_ struct mapped mapped = { .mem = -1 };
	uint64_t entry = 0;
	Elf64_Ehdr ehdr;
	int r = read_segments(exe, &mapped, &ehdr, err);

	if (r == 0)
		r = entry_of(tgid, &entry, err);
	if (r == 0)
		r = open_of(tgid, "mem", &mapped.mem, err);
	if (r)
		return r;
	mapped.bias = entry - ehdr.e_entry;
	*out = mapped;
	mapped = (struct mapped){ .mem = -1 };
	return 0;
}

int mapped_open_library(pid_t tgid, int fd, uint64_t at, uint64_t offset, struct mapped *out,
			struct err *err)
{
	_mapped_ struct mapped mapped = { .mem = -1 };
	bool found = false;
	Elf64_Ehdr ehdr;
	int r = read_segments(fd, &mapped, &ehdr, err);

	if (r == 0)
		r = open_of(tgid, "mem", &mapped.mem, err);
	for (size_t i = 0; r == 0 && i < mapped.n_segments; i++) {
		const Elf64_Phdr *segment = &mapped.segments[i];

		/* pages around the segment are mapped along with it */
		if (found || segment->p_type != PT_LOAD || !(segment->p_flags & PF_X) ||
		    offset > segment->p_offset || segment->p_offset - offset >= segment->p_align)
			continue;
		mapped.bias = at + (segment->p_offset - offset) - segment->p_vaddr;
		found = true;
	}
	if (r == 0 && !found)
		r = err_set(err, -ENOEXEC, "the library has no code where it is mapped");
	if (r)
		return r;
	*out = mapped;
	mapped = (struct mapped){ .mem = -1 };
	return 0;
}

void mapped_close(struct mapped *mapped)
{
	if (mapped->mem >= 0)
		close(mapped->mem);
	free(mapped->segments);
	*mapped = (struct mapped){ .mem = -1 };
}

int mapped_read(const struct mapped *mapped, uint64_t offset, void *out, size_t size)
{
	for (size_t i = 0; i < mapped->n_segments; i++) {
		const Elf64_Phdr *segment = &mapped->segments[i];
		uint64_t within = offset - segment->p_offset;
		ssize_t n;

		if (segment->p_type != PT_LOAD || offset < segment->p_offset ||
		    within >= segment->p_filesz || size > segment->p_filesz - within)
			continue;
		n = pread(mapped->mem, out, size,
			  (off_t)(mapped->bias + segment->p_vaddr + within));
		if (n < 0)
			return -errno;
		return (size_t)n == size ? 0 : -EIO;
	}
	return -ENOENT;
}
