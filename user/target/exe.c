// SPDX-License-Identifier: BSD-2-Clause
/* Identity of an executable file; reads no more of it than its headers and notes. */
#include "target/exe.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define PHDRS_MAX 1024 /* a linker makes about a dozen */
#define NOTES_MAX (64 * 1024)

#if defined(__x86_64__)
#define OUR_MACHINE EM_X86_64
#define OUR_MACHINE_NAME "x86-64"
#elif defined(__aarch64__)
#define OUR_MACHINE EM_AARCH64
#define OUR_MACHINE_NAME "aarch64"
#else
#error "no such architecture"
#endif

bool exe_same_place(struct exe_place a, struct exe_place b)
{
	return a.dev == b.dev && a.ino == b.ino;
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool exe_touched(const struct exe *exe, int fd)
{
	struct stat st;

	return fstat(fd, &st) || st.st_size != exe->size || !same_time(st.st_mtim, exe->mtime) ||
	       !same_time(st.st_ctim, exe->ctime);
}

bool exe_same(const struct exe *a, const struct exe *b)
{
	return exe_same_place(a->place, b->place) && a->size == b->size &&
	       same_time(a->mtime, b->mtime) && same_time(a->ctime, b->ctime) &&
	       a->n_build_id == b->n_build_id && !memcmp(a->build_id, b->build_id, a->n_build_id);
}

/* Reads exactly @size bytes at @offset; -ENODATA where the file ends before. */
static int read_at(int fd, void *buf, size_t size, uint64_t offset)
{
	size_t done = 0;

	if (offset > INT64_MAX - size)
		return -ENODATA;
	while (done < size) {
		ssize_t n = pread(fd, (char *)buf + done, size - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		done += (size_t)n;
	}
	return 0;
}

static int read_failed(const char *name, int r, struct err *err)
{
	if (r == -ENODATA)
		return err_set(err, -ENOEXEC,
			       "%s is truncated: it ends before what its header promises", name);
	return err_set(err, r, "cannot read %s: %s", name, strerror(-r));
}

static int read_header(int fd, const char *name, Elf64_Ehdr *ehdr, struct err *err)
{
	int r = read_at(fd, ehdr, EI_NIDENT, 0);

	if ((r && r != -ENODATA))
		return read_failed(name, r, err);
	if (r || memcmp(ehdr->e_ident, ELFMAG, SELFMAG) != 0)
		return err_set(err, -ENOEXEC,
			       "%s is not an ELF file, so it has no instructions to probe", name);
	if (ehdr->e_ident[EI_CLASS] == ELFCLASS32)
		return err_set(err, -ENOEXEC,
			       "%s is a 32-bit program; only 64-bit ones can be watched", name);
	if (ehdr->e_ident[EI_CLASS] != ELFCLASS64 || ehdr->e_ident[EI_DATA] != ELFDATA2LSB)
		return err_set(err, -ENOEXEC, "%s is not a little-endian 64-bit ELF file", name);
	r = read_at(fd, ehdr, sizeof(*ehdr), 0);
	if (r)
		return read_failed(name, r, err);
	if (ehdr->e_machine != OUR_MACHINE)
		return err_set(
			err, -ENOEXEC,
			"%s is for another architecture (ELF machine %u), this machine runs %s",
			name, ehdr->e_machine, OUR_MACHINE_NAME);
	if (ehdr->e_type != ET_EXEC && ehdr->e_type != ET_DYN)
		return err_set(err, -ENOEXEC,
			       "%s is no program but an object or core file (ELF type %u)", name,
			       ehdr->e_type);
	if (ehdr->e_phnum > PHDRS_MAX || (ehdr->e_phnum && ehdr->e_phentsize != sizeof(Elf64_Phdr)))
		return err_set(err, -ENOEXEC, "%s has a damaged program header table", name);
	return 0;
}

/* Walks the notes in @at for the GNU build-id. What is damaged ends the walk. */
static bool find_build_id(const uint8_t *at, size_t size, size_t align, struct exe *out)
{
	size_t pad = align == 8 ? 7 : 3;

	while (size >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr note;
		size_t desc, next;

		memcpy(&note, at, sizeof(note));
		desc = (sizeof(note) + (size_t)note.n_namesz + pad) & ~pad;
		next = (desc + (size_t)note.n_descsz + pad) & ~pad;
		if (desc > size || note.n_descsz > size - desc)
			return false;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
		    !memcmp(at + sizeof(note), "GNU", 4) && note.n_descsz > 0 &&
		    note.n_descsz <= EXE_BUILD_ID_MAX) {
			memcpy(out->build_id, at + desc, note.n_descsz);
			out->n_build_id = note.n_descsz;
			return true;
		}
		if (next >= size)
			return false;
		at += next;
		size -= next;
	}
	return false;
}

/* The program headers, to be freed; there are ehdr->e_phnum. */
static int read_phdrs(int fd, const char *name, const Elf64_Ehdr *ehdr, Elf64_Phdr **out,
		      struct err *err)
{
	_free_ Elf64_Phdr *phdrs = mem_array(ehdr->e_phnum, sizeof(*phdrs));
	int r = read_at(fd, phdrs, ehdr->e_phnum * sizeof(*phdrs), ehdr->e_phoff);

	if (r)
		return read_failed(name, r, err);
	*out = TAKE_PTR(phdrs);
	return 0;
}

static int read_build_id(int fd, const char *name, const Elf64_Ehdr *ehdr, struct exe *out,
			 struct err *err)
{
	_free_ Elf64_Phdr *phdrs = NULL;
	int r = read_phdrs(fd, name, ehdr, &phdrs, err);

	if (r)
		return r;
	for (size_t i = 0; i < ehdr->e_phnum; i++) {
		_free_ uint8_t *notes = NULL;
		size_t size = phdrs[i].p_filesz;

		if (phdrs[i].p_type != PT_NOTE || size == 0)
			continue;
		if (size > NOTES_MAX)
			size = NOTES_MAX;
		notes = mem_alloc(size);
		r = read_at(fd, notes, size, phdrs[i].p_offset);
		if (r)
			return read_failed(name, r, err);
		if (find_build_id(notes, size, phdrs[i].p_align, out))
			return 0;
	}
	return 0;
}

int exe_read(int fd, const char *name, struct exe *out, struct err *err)
{
	struct exe exe = {};
	Elf64_Ehdr ehdr;
	struct stat st;
	int r;

	if (fstat(fd, &st))
		return err_set(err, -errno, "cannot look at %s: %s", name, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, -ENOEXEC, "%s is not a regular file", name);
	exe.place = (struct exe_place){ st.st_dev, st.st_ino };
	exe.size = st.st_size;
	exe.mtime = st.st_mtim;
	exe.ctime = st.st_ctim;
	r = read_header(fd, name, &ehdr, err);
	if (!r)
		r = read_build_id(fd, name, &ehdr, &exe, err);
	if (!r)
		*out = exe;
	return r;
}

int exe_read_code(int fd, const char *name, struct exe_code **out, size_t *n, struct err *err)
{
	_free_ Elf64_Phdr *phdrs = NULL;
	struct exe_code *code;
	Elf64_Ehdr ehdr;
	int r = read_header(fd, name, &ehdr, err);

	if (!r)
		r = read_phdrs(fd, name, &ehdr, &phdrs, err);
	if (r)
		return r;
	code = mem_array(ehdr.e_phnum, sizeof(*code));
	*n = 0;
	for (size_t i = 0; i < ehdr.e_phnum; i++)
		if (phdrs[i].p_type == PT_LOAD && (phdrs[i].p_flags & PF_X))
			code[(*n)++] = (struct exe_code){ phdrs[i].p_offset, phdrs[i].p_filesz };
	*out = code;
	return 0;
}

bool exe_is_code(const struct exe_code *code, size_t n, uint64_t offset, uint64_t size)
{
	for (size_t i = 0; i < n; i++)
		if (offset >= code[i].offset && offset - code[i].offset <= code[i].size &&
		    size <= code[i].size - (offset - code[i].offset))
			return true;
	return false;
}

static int hash_part(int fd, const char *name, const struct exe_code *part, struct sha256_ctx *hash,
		     struct err *err)
{
	uint64_t done = 0;
	uint8_t bytes[65536];

	while (done < part->size) {
		uint64_t left = part->size - done;
		size_t n = left < sizeof(bytes) ? (size_t)left : sizeof(bytes);
		int r = read_at(fd, bytes, n, part->offset + done);

		if (r)
			return read_failed(name, r, err);
		sha256_update(hash, n, bytes);
		done += n;
	}
	return 0;
}

int exe_hash(int fd, const char *name, uint8_t out[EXE_HASH_SIZE], struct err *err)
{
	_free_ struct exe_code *code = NULL;
	struct sha256_ctx hash;
	uint64_t left;
	struct stat st;
	size_t n = 0;
	int r = exe_read_code(fd, name, &code, &n, err);

	if (!r && fstat(fd, &st))
		r = err_set(err, -errno, "cannot look at %s: %s", name, strerror(errno));
	if (r)
		return r;
	left = (uint64_t)st.st_size;
	sha256_init(&hash);
	for (size_t i = 0; !r && i < n; i++) {
		/* a thousand segments that overlap would keep us busy for as long as they like */
		if (code[i].size > left)
			return err_set(err, -ENOEXEC, "%s is damaged: it has more code than bytes",
				       name);
		left -= code[i].size;
		r = hash_part(fd, name, &code[i], &hash, err);
	}
	if (!r)
		sha256_digest(&hash, EXE_HASH_SIZE, out);
	return r;
}

int exe_of_process(pid_t tgid, int *fd, struct exe *out, struct err *err)
{
	_close_ int file = -1;
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)tgid);
	file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0 && errno == ENOENT) {
		snprintf(path, sizeof(path), "/proc/%d", (int)tgid);
		if (access(path, F_OK))
			return err_set(err, -ESRCH, "process %d has ended", (int)tgid);
		return err_set(err, -ENOENT, "process %d has no executable file", (int)tgid);
	}
	if (file < 0)
		return err_set(err, -errno, "cannot open %s: %s", path, strerror(errno));
	r = exe_read(file, path, out, err);
	if (!r)
		*fd = TAKE_FD(file);
	return r;
}
