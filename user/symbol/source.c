// SPDX-License-Identifier: BSD-2-Clause
/* Chooses the debug information of an executable. */
#include "symbol/source.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "symbol/debugfile.h"

/* --- before privileges are given up ------------------------------------------------------ */

/* The folder of the open file, as the kernel names it now. */
static char *folder_of(int fd)
{
	char link[64], path[PATH_MAX], *slash;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	slash = strrchr(path, '/');
	if (path[0] != '/' || !slash)
		return mem_strdup("");
	*slash = '\0';
	return mem_strdup(path);
}

int source_look(const struct source_options *options, int exe, struct source_look *out,
		struct err *err)
{
	static const struct source_options alone = {};
	const struct source_options *o = options ? options : &alone;

	*out = (struct source_look){ .debug = o->debug,
				     .folder_name = o->folder,
				     .library = o->library,
				     .debug_fd = -1,
				     .folder = -1,
				     .dir = folder_of(exe) };
	if (o->fetched) {
		out->debug = "the file";
		out->server = o->server;
		out->debug_fd = fcntl(o->fetched_fd, F_DUPFD_CLOEXEC, 0);
	} else if (o->debug && (out->debug_fd = open(o->debug, O_RDONLY | O_CLOEXEC)) < 0) {
		int r = err_set(err, -errno, "debug file %s: %s", o->debug, strerror(errno));

		source_look_close(out);
		return r;
	}
	if (o->folder)
		out->folder = open(o->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return 0;
}

void source_look_close(struct source_look *look)
{
	fd_closep(&look->debug_fd);
	fd_closep(&look->folder);
	free(look->dir);
	*look = (struct source_look){ .debug_fd = -1, .folder = -1 };
}

/* --- the choice ------------------------------------------------------------------------- */

static void write_id(const struct debugfile_says *says, struct strbuf *out)
{
	if (!says->n_build_id)
		strbuf_puts(out, "none");
	for (size_t i = 0; i < says->n_build_id; i++)
		strbuf_printf(out, "%02x", says->build_id[i]);
}

static bool same_build(const struct debugfile_says *a, const struct debugfile_says *b)
{
	return a->n_build_id == b->n_build_id &&
	       memcmp(a->build_id, b->build_id, a->n_build_id) == 0;
}

static void other_build(const struct debugfile_says *exe, const struct debugfile_says *file,
			const char *name, struct strbuf *why)
{
	strbuf_printf(why, "%s is of another build, build-id ", name);
	write_id(file, why);
	strbuf_puts(why, "; the executable's is ");
	write_id(exe, why);
}

/* Whether the file can serve as debug information of the executable; else why not. */
static bool usable(const struct debugfile_says *exe, int fd, const char *name, struct strbuf *why)
{
	struct debugfile_says file;

	if (!debugfile_ask(fd, &file)) {
		strbuf_printf(why, "%s is not an ELF file", name);
		return false;
	}
	if (!same_build(exe, &file)) {
		other_build(exe, &file, name, why);
		return false;
	}
	if (!exe->n_build_id &&
	    (file.code_addr != exe->code_addr || file.code_size != exe->code_size)) {
		strbuf_printf(why,
			      "%s is of another build: its code is 0x%llx bytes at 0x%llx, the "
			      "executable's 0x%llx at 0x%llx, and neither has a build-id",
			      name, (unsigned long long)file.code_size,
			      (unsigned long long)file.code_addr,
			      (unsigned long long)exe->code_size,
			      (unsigned long long)exe->code_addr);
		return false;
	}
	if (!file.dwarf)
		strbuf_printf(why, "%s has no debug information in it", name);
	else if (file.dwz)
		strbuf_printf(
			why,
			"a part of %s was moved to another file by dwz, which this agent does "
			"not read: give the debug file as it was before, or a pack",
			name);
	return file.dwarf && !file.dwz;
}

/* Takes the file that a look for one came back with, or notes why not. */
static bool take(struct source *out, const struct debugfile_says *exe, int fd, char *name,
		 const struct err *err)
{
	_strbuf_ struct strbuf why = {};
	_free_ char *path = name;

	if (fd == -ENOENT)
		return false;
	if (fd < 0) {
		strbuf_printf(&out->not, "%s; ", err->text);
		return false;
	}
	if (!usable(exe, fd, path, &why)) {
		strbuf_printf(&out->not, "%s; ", why.text);
		close(fd);
		return false;
	}
	out->kind = SOURCE_FILE;
	out->fd = fd;
	out->name = mem_printf("debug file %s", path);
	return true;
}

static bool find_separate(const struct source_look *look, const struct debugfile_says *exe,
			  struct source *out)
{
	struct err err = {};
	char *name = NULL;
	int fd;

	if (look->folder < 0)
		return false;
	fd = debugfile_by_id(look->folder, look->folder_name, exe->build_id, exe->n_build_id, &name,
			     &err);
	if (take(out, exe, fd, name, &err))
		return true;
	name = NULL;
	fd = debugfile_by_link(look->folder, look->folder_name, look->dir, exe, &name, &err);
	return take(out, exe, fd, name, &err);
}

static int take_given(const struct source_look *look, const struct debugfile_says *exe,
		      const char *path, struct source *out, struct err *err)
{
	_strbuf_ struct strbuf why = {};

	if (!usable(exe, look->debug_fd, look->debug, &why))
		return err_set(err, -EBADMSG, "%s: %s", path, why.text);
	out->kind = SOURCE_FILE;
	out->fd = fcntl(look->debug_fd, F_DUPFD_CLOEXEC, 0);
	out->name = mem_printf("%s %s", look->server ? "debuginfod" : "debug file",
			       look->server ? look->server : look->debug);
	if (!exe->n_build_id)
		strbuf_puts(&out->not,
			    "neither it nor the executable has a build-id, so that it is "
			    "of this build is not certain; ");
	return 0;
}

int source_find(const struct source_look *look, int exe, const char *path, struct source *out,
		struct err *err)
{
	struct debugfile_says says;

	*out = (struct source){ .fd = -1 };
	if (look->library) {
		out->kind = SOURCE_EXPORTS;
		out->library = look->library;
		out->name = mem_strdup("its dynamic symbols");
		return 0;
	}
	debugfile_ask(exe, &says); /* of what is no ELF file nothing is known; resolving says so */
	if (look->debug_fd >= 0)
		return take_given(look, &says, path, out, err);
	if (find_separate(look, &says, out))
		return 0;
	if (says.dwarf && says.dwz)
		strbuf_puts(&out->not, "a part of the executable's debug information was moved to "
				       "another file by dwz, which this agent does not read; ");
	out->kind = says.dwarf && !says.dwz ? SOURCE_OWN :
		    says.symtab             ? SOURCE_SYMBOLS :
					      SOURCE_NOTHING;
	out->name = mem_strdup(out->kind == SOURCE_OWN     ? "its own debug information" :
			       out->kind == SOURCE_SYMBOLS ? "its symbol table only" :
							     "nothing");
	return 0;
}

void source_close(struct source *source)
{
	fd_closep(&source->fd);
	free(source->name);
	strbuf_free(&source->not);
	*source = (struct source){ .fd = -1 };
}

bool source_may_be(const struct source_options *options, int exe)
{
	_free_ char *by_id = NULL, *by_link = NULL;
	_close_ int a = -1, b = -1;
	struct debugfile_says says;
	struct source_look look;
	struct err err = {};

	if (source_look(&(struct source_options){ .folder = options->folder }, exe, &look, &err))
		return false;
	if (look.folder >= 0 && debugfile_ask(exe, &says)) {
		a = debugfile_by_id(look.folder, look.folder_name, says.build_id, says.n_build_id,
				    &by_id, &err);
		b = debugfile_by_link(look.folder, look.folder_name, look.dir, &says, &by_link,
				      &err);
	}
	source_look_close(&look);
	return a >= 0 || b >= 0;
}
