// SPDX-License-Identifier: BSD-2-Clause
/* Finds and opens separate debug files. */
#include "symbol/debugfile.h"

#include <elfutils/libdwelf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zlib.h>

#include "base/mem.h"
#include "base/strbuf.h"

/* --- what an ELF file says ---------------------------------------------------------- */

static void look_at_sections(Elf *elf, struct debugfile_says *out)
{
	size_t names;

	if (elf_getshdrstrndx(elf, &names) != 0)
		return;
	for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn));) {
		const char *name;
		GElf_Shdr sh;

		if (!gelf_getshdr(scn, &sh) || sh.sh_type == SHT_NOBITS ||
		    !(name = elf_strptr(elf, names, sh.sh_name)))
			continue;
		out->symtab |= sh.sh_type == SHT_SYMTAB;
		out->dwz |= strcmp(name, ".gnu_debugaltlink") == 0;
		out->dwarf |= strcmp(name, ".debug_info") == 0 || strcmp(name, ".zdebug_info") == 0;
	}
}

static void look_at_segments(Elf *elf, struct debugfile_says *out)
{
	size_t n = 0;

	if (elf_getphdrnum(elf, &n) != 0)
		return;
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr ph;

		if (!gelf_getphdr(elf, (int)i, &ph) || ph.p_type != PT_LOAD || !(ph.p_flags & PF_X))
			continue;
		if (!out->code_size)
			out->code_addr = ph.p_vaddr;
		out->code_size += ph.p_memsz;
	}
}

bool debugfile_ask(int fd, struct debugfile_says *out)
{
	const void *id = NULL;
	const char *link;
	GElf_Word crc = 0;
	ssize_t n;
	Elf *elf;

	*out = (struct debugfile_says){};
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!elf || elf_kind(elf) != ELF_K_ELF) {
		elf_end(elf);
		return false;
	}
	n = dwelf_elf_gnu_build_id(elf, &id);
	if (n > 0 && n <= DEBUGFILE_ID_MAX) {
		memcpy(out->build_id, id, (size_t)n);
		out->n_build_id = (size_t)n;
	}
	link = dwelf_elf_gnu_debuglink(elf, &crc);
	if (link && strlen(link) < sizeof(out->link)) {
		memcpy(out->link, link, strlen(link) + 1);
		out->crc = crc;
	}
	look_at_segments(elf, out);
	look_at_sections(elf, out);
	elf_end(elf);
	return true;
}

/* --- files of the folder --------------------------------------------------------------- */

/* Opens @path below @folder, wherever links on the way lead, as long as that is below it too. */
static int open_beneath(int folder, const char *path)
{
	struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
	long fd;

	do {
		fd = syscall(SYS_openat2, folder, path, &how, sizeof(how));
	} while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	return fd < 0 ? -errno : (int)fd;
}

static int open_regular(int folder, const char *folder_name, const char *path, const char *name,
			struct err *err)
{
	_close_ int fd = open_beneath(folder, path);
	struct stat st;

	if (fd == -ENOENT || fd == -ENOTDIR)
		return -ENOENT;
	if (fd == -EXDEV)
		return err_set(err, fd, "%s leads out of %s and was not followed", name,
			       folder_name);
	if (fd < 0)
		return err_set(err, fd, "%s cannot be opened: %s", name, strerror(-fd));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "%s is not a regular file", name);
	return TAKE_FD(fd);
}

int debugfile_by_id(int folder, const char *folder_name, const uint8_t *id, size_t n, char **name,
		    struct err *err)
{
	_strbuf_ struct strbuf path = {};

	if (n < 2)
		return -ENOENT;
	strbuf_printf(&path, ".build-id/%02x/", id[0]);
	for (size_t i = 1; i < n; i++)
		strbuf_printf(&path, "%02x", id[i]);
	strbuf_puts(&path, ".debug");
	*name = mem_printf("%s/%s", folder_name, path.text);
	return open_regular(folder, folder_name, path.text, *name, err);
}

/* As the linker's tools write it: the CRC of zlib, over the whole file. */
static int check_crc(int fd, uint32_t want, const char *name, struct err *err)
{
	uint8_t bytes[65536];
	uLong crc = crc32(0, NULL, 0);
	off_t at = 0;
	ssize_t n;

	while ((n = pread(fd, bytes, sizeof(bytes), at)) != 0) {
		if (n < 0 && errno != EINTR)
			return err_set(err, -errno, "%s cannot be read: %s", name, strerror(errno));
		if (n > 0) {
			crc = crc32(crc, bytes, (uInt)n);
			at += n;
		}
	}
	if (crc != want)
		return err_set(err, -EBADMSG,
			       "%s is not the file of the executable's .gnu_debuglink: its CRC-32 "
			       "is %08lx, not %08x",
			       name, (unsigned long)crc, want);
	return 0;
}

/* The name of a file and nothing else: no folder, no way up. */
static bool is_plain(const char *name)
{
	return *name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

int debugfile_by_link(int folder, const char *folder_name, const char *dir,
		      const struct debugfile_says *exe, char **name, struct err *err)
{
	_free_ char *path = NULL;
	_close_ int fd = -1;
	int r;

	if (!*exe->link)
		return -ENOENT;
	if (!is_plain(exe->link))
		return err_set(err, -EINVAL,
			       "the executable's .gnu_debuglink, \"%s\", is not a plain file name "
			       "and was not followed",
			       exe->link);
	while (*dir == '/')
		dir++;
	path = mem_printf("%s%s%s", dir, *dir ? "/" : "", exe->link);
	*name = mem_printf("%s/%s", folder_name, path);
	fd = open_regular(folder, folder_name, path, *name, err);
	if (fd < 0)
		return TAKE_FD(fd);
	r = check_crc(fd, exe->crc, *name, err);
	return r < 0 ? r : TAKE_FD(fd);
}
