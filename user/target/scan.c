// SPDX-License-Identifier: BSD-2-Clause
/* Reads /proc with four system calls for each process. */
#include "target/scan.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

/* Of /proc/PID/stat, as proc(5) counts its fields: clock ticks after boot at which the process
 * began, and where its environment ends, which an exec sets when all else of the new program is
 * in its place (create_elf_tables, fs/binfmt_elf.c). */
#define STAT_START 22
#define STAT_ENV_END 51

static int number_at(const char *at, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(at, &end, 10);
	return errno || end == at ? -EINVAL : 0;
}

/* The name in field 2 may hold blanks and brackets, so counting begins behind its last bracket. */
static int parse_stat(const char *stat, uint64_t *start, uint64_t *env_end)
{
	const char *at = strrchr(stat, ')');
	int r = at ? 0 : -EINVAL;

	for (int field = 3; r == 0 && field <= STAT_ENV_END; field++) {
		at += strcspn(at, " ");
		at += strspn(at, " ");
		if (field == STAT_START)
			r = number_at(at, start);
		else if (field == STAT_ENV_END)
			r = number_at(at, env_end);
		else if (!*at)
			r = -EINVAL;
	}
	return r;
}

static int look(int proc, const char *number, struct process *out)
{
	_close_ int fd = -1;
	char path[64], text[1024];
	uint64_t env_end;
	struct stat st;
	ssize_t n;

	/* Kernel threads have no executable: the link leads nowhere. */
	snprintf(path, sizeof(path), "%.20s/exe", number);
	if (fstatat(proc, path, &st, 0))
		return -ESRCH;
	snprintf(path, sizeof(path), "%.20s/stat", number);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -ESRCH;
	n = read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return -ESRCH;
	text[n] = '\0';
	out->tgid = (pid_t)strtol(number, NULL, 10);
	out->exe = (struct exe_place){ st.st_dev, st.st_ino };
	if (parse_stat(text, &out->start, &env_end))
		return -ESRCH;
	return env_end ? 0 : -EAGAIN;
}

static int by_tgid(const void *a, const void *b)
{
	const struct process *x = a, *y = b;

	return (x->tgid > y->tgid) - (x->tgid < y->tgid);
}

int scan_processes(const char *proc, struct scan *out, struct err *err)
{
	struct scan scan = {};
	struct dirent *entry;
	DIR *dir = opendir(proc);
	int fd;

	if (!dir)
		return err_set(err, -errno, "cannot list processes in %s: %s", proc,
			       strerror(errno));
	fd = dirfd(dir);
	while (fd >= 0 && (entry = readdir(dir))) {
		struct process process;

		if (isdigit((unsigned char)entry->d_name[0]) && !look(fd, entry->d_name, &process))
			*VEC_ADD(&scan) = process;
	}
	closedir(dir);
	if (scan.n)
		qsort(scan.at, scan.n, sizeof(*scan.at), by_tgid);
	*out = scan;
	return 0;
}

int scan_process(const char *proc, pid_t tgid, struct process *out)
{
	_close_ int dir = open(proc, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char number[24];

	if (dir < 0)
		return -errno;
	snprintf(number, sizeof(number), "%d", (int)tgid);
	return look(dir, number, out);
}

void scan_free(struct scan *scan)
{
	free(scan->at);
	*scan = (struct scan){};
}

static const struct process *find(const struct scan *scan, const struct process *wanted)
{
	const struct process *found = NULL;

	if (scan->n)
		found = bsearch(wanted, scan->at, scan->n, sizeof(*scan->at), by_tgid);
	if (found && found->start == wanted->start && exe_same_place(found->exe, wanted->exe))
		return found;
	return NULL;
}

void scan_compare(const struct scan *before, const struct scan *now, scan_fn *ended, scan_fn *began,
		  void *arg)
{
	for (size_t i = 0; ended && i < before->n; i++)
		if (!find(now, &before->at[i]))
			ended(&before->at[i], arg);
	for (size_t i = 0; began && i < now->n; i++)
		if (!find(before, &now->at[i]))
			began(&now->at[i], arg);
}
