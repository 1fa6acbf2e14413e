/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Separate debug files, in the folder where distributions put them. An executable
 * names its file by build-id or .gnu_debuglink; whoever made it chose that name, so
 * nothing is opened but regular files that really lie in the folder.
 */
#ifndef SYMBOL_DEBUGFILE_H
#define SYMBOL_DEBUGFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define DEBUGFILE_FOLDER "/usr/lib/debug"
#define DEBUGFILE_ID_MAX 64 /* bytes of a build-id; ld makes at most 20 */

/* What an ELF file says about its debug information. */
struct debugfile_says {
	uint8_t build_id[DEBUGFILE_ID_MAX];
	size_t n_build_id; /* 0: none */
	/* where its code is, in memory, and how large: debug files say it too */
	uint64_t code_addr, code_size;
	bool dwarf;     /* there is a .debug_info */
	bool symtab;    /* there is a .symtab */
	bool dwz;       /* a part of it was moved to a file of its own (.gnu_debugaltlink) */
	char link[256]; /* the file name in .gnu_debuglink, empty when there is none */
	uint32_t crc;   /* that file's CRC-32 */
};

/* False where @fd is no ELF file, or a damaged one. */
bool debugfile_ask(int fd, struct debugfile_says *out);

/* Opens FOLDER/.build-id/xx/yyyy.debug; *@name is its path for people, whatever the
 * outcome. @folder is open (O_PATH will do), @folder_name what to call it. Returns a
 * descriptor, -ENOENT where there is none, or an error with a sentence. */
int debugfile_by_id(int folder, const char *folder_name, const uint8_t *id, size_t n, char **name,
		    struct err *err);

/* Opens FOLDER/DIR/LINK, @dir being the executable's own folder ("/usr/bin"), and
 * compares its CRC-32. Errors as above. */
int debugfile_by_link(int folder, const char *folder_name, const char *dir,
		      const struct debugfile_says *exe, char **name, struct err *err);

#endif
