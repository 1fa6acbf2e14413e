// SPDX-License-Identifier: BSD-2-Clause
/* Finds the mapped file in /proc/PID/maps and opens it by /proc/PID/map_files. */
#include "target/library.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define LINE_SIZE (PATH_MAX + 128) /* of /proc/PID/maps; the rest of a longer one is no line */

/* What the kernel puts behind the path of a file that has no name any more. */
static const char deleted[] = " (deleted)";

struct mapping {
	uint64_t from, to, offset, inode;
	char path[PATH_MAX];
};

bool library_is_called(const char *path, const char *name)
{
	const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path;
	size_t n = strlen(name);

	if (strncmp(file, name, n) != 0)
		return false;
	file += n;
	return strcmp(file + strspn(file, ".0123456789"), "") == 0 && (!*file || *file == '.');
}

/* One line of /proc/PID/maps; false where it is no code of a file. */
static bool parse(const char *line, struct mapping *out)
{
	unsigned long long from, to, offset, inode;
	char rights[5];
	int path = 0;
	size_t n;

	if (sscanf(line, "%llx-%llx %4s %llx %*s %llu %n", &from, &to, rights, &offset, &inode,
		   &path) < 5 ||
	    !path || line[path] != '/' || rights[2] != 'x')
		return false;
	*out = (struct mapping){ .from = from, .to = to, .offset = offset, .inode = inode };
	n = strcspn(line + path, "\n");
	if (n >= sizeof(out->path))
		return false;
	memcpy(out->path, line + path, n);
	out->path[n] = '\0';
	return true;
}

static bool cut_deleted(char *path)
{
	size_t n = strlen(path), m = strlen(deleted);

	if (n <= m || strcmp(path + n - m, deleted) != 0)
		return false;
	path[n - m] = '\0';
	return true;
}

static int find(pid_t tgid, const char *name, struct mapping *out, bool *gone, struct err *err)
{
	_free_ char *maps = mem_printf("/proc/%d/maps", (int)tgid);
	FILE *file = fopen(maps, "re");
	bool found = false, any = false;
	int r = errno;
	char line[LINE_SIZE];

	if (!file)
		return err_set(err, r == ENOENT ? -ESRCH : -r, "cannot open %s: %s", maps,
			       strerror(r));
	while (!found && fgets(line, sizeof(line), file)) {
		any = true;
		if (!parse(line, out))
			continue;
		*gone = cut_deleted(out->path);
		found = library_is_called(out->path, name);
	}
	fclose(file);
	if (found)
		return 0;
	if (!any)
		return err_set(err, -ESRCH, "process %d has ended", (int)tgid);
	return err_set(err, -ENOENT, "process %d does not map %s", (int)tgid, name);
}

/* By its path, where the kernel does not hand out mapped files: it must still be that file. */
static int open_by_path(pid_t tgid, const struct mapping *m, struct err *err)
{
	_free_ char *path = mem_printf("/proc/%d/root%s", (int)tgid, m->path);
	_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return err_set(err, -errno, "cannot open %s: %s", path, strerror(errno));
	if (fstat(fd, &st) || st.st_ino != m->inode)
		return err_set(err, -ESTALE,
			       "%s is not the file that process %d maps; CAP_CHECKPOINT_RESTORE "
			       "gives access to that one, and so does a restart of the process",
			       m->path, (int)tgid);
	return TAKE_FD(fd);
}

static int open_mapped(pid_t tgid, const struct mapping *m, bool gone, struct err *err)
{
	_free_ char *path =
		mem_printf("/proc/%d/map_files/%" PRIx64 "-%" PRIx64, (int)tgid, m->from, m->to);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (gone)
		return err_set(err, -ESTALE,
			       "%s was replaced while process %d runs, and the file that it maps "
			       "cannot be opened (%s); restart the process",
			       m->path, (int)tgid, strerror(errno));
	return open_by_path(tgid, m, err);
}

int library_of_process(pid_t tgid, const char *name, struct library *out, struct err *err)
{
	_free_ struct mapping *m = mem_alloc(sizeof(*m));
	bool gone = false;
	int r = find(tgid, name, m, &gone, err);

	if (r == 0)
		r = open_mapped(tgid, m, gone, err);
	if (r < 0)
		return r;
	*out = (struct library){
		.fd = r, .path = mem_strdup(m->path), .at = m->from, .offset = m->offset
	};
	return 0;
}

void library_close(struct library *library)
{
	if (library->fd >= 0)
		close(library->fd);
	free(library->path);
	*library = (struct library){ .fd = -1 };
}
