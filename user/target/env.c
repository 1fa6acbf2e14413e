// SPDX-License-Identifier: BSD-2-Clause
/* Streams the environment through a small buffer that is wiped. */
#include "target/env.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

#define ENV_READ_MAX (4 * 1024 * 1024)

/* Where the stream is: in a name that still fits, in one that does not, or in
 * the wanted value. */
struct reader {
	const char *name;
	char *out;
	size_t size;
	size_t matched; /* bytes of the name that fit */
	bool skip;      /* until the next NUL */
	bool inside;    /* the wanted value */
	size_t n;       /* bytes of it */
};

/* Takes one byte. Returns 1 at the end of the wanted value, 0 to go on, or why
 * the value will not do. */
static int take(struct reader *r, char c)
{
	if (r->inside) {
		if (c == '\0') {
			r->out[r->n] = '\0';
			return 1;
		}
		if (c < ' ' || c > '~')
			return -EILSEQ;
		if (r->n + 1 >= r->size)
			return -E2BIG;
		r->out[r->n++] = c;
		return 0;
	}
	if (c == '\0') {
		r->skip = false;
		r->matched = 0;
	} else if (!r->skip && r->name[r->matched] && c == r->name[r->matched]) {
		r->matched++;
	} else if (!r->skip && !r->name[r->matched] && c == '=') {
		r->inside = true;
	} else {
		r->skip = true;
	}
	return 0;
}

static int stream(int fd, struct reader *reader)
{
	size_t total = 0;
	char buf[512];
	int r = 0;

	while (r == 0 && total < ENV_READ_MAX) {
		ssize_t n = read(fd, buf, sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			r = -errno;
		if (n == 0) /* a last variable without its NUL */
			r = reader->inside ? take(reader, '\0') : -ENOENT;
		for (ssize_t i = 0; i < n && r == 0; i++)
			r = take(reader, buf[i]);
		total += n > 0 ? (size_t)n : 0;
	}
	explicit_bzero(buf, sizeof(buf));
	return r == 0 ? -ENOENT : r;
}

int env_read_fd(int fd, const char *name, char *out, size_t size, struct err *err)
{
	struct reader reader = { .name = name, .out = out, .size = size };
	int r;

	if (!name[0] || strchr(name, '=') || strlen(name) > ENV_NAME_MAX || size == 0)
		return err_set(err, -EINVAL, "\"%.64s\" cannot be the name of a variable", name);
	out[0] = '\0';
	r = stream(fd, &reader);
	if (r == 1)
		return 0;
	explicit_bzero(out, size);
	switch (r) {
	case -ENOENT:
		return err_set(err, r, "the process has no variable %s", name);
	case -EILSEQ:
		return err_set(err, r, "the value of %s is not printable ASCII", name);
	case -E2BIG:
		return err_set(err, r, "the value of %s is longer than %zu bytes", name, size - 1);
	default:
		return err_set(err, r, "cannot read the process' environment: %s", strerror(-r));
	}
}

int env_read(pid_t tgid, const char *name, char *out, size_t size, struct err *err)
{
	_close_ int fd = -1;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/environ", (int)tgid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return err_set(err, -ESRCH, "process %d has ended", (int)tgid);
	if (fd < 0)
		return err_set(err, -errno, "cannot open %s: %s", path, strerror(errno));
	return env_read_fd(fd, name, out, size, err);
}
