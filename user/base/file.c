// SPDX-License-Identifier: BSD-2-Clause
/* Reads until the end, never trusting the size that stat() would name. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strbuf.h"

static int failed(struct err *err, int code, const char *what, const char *path)
{
	return err_set(err, -code, "cannot %s %s: %s", what, path, strerror(code));
}

int file_read(const char *path, size_t max, char **text, size_t *size, struct err *err)
{
	_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	_strbuf_ struct strbuf all = {};
	char part[16384];
	ssize_t n;

	if (fd < 0)
		return failed(err, errno, "open", path);
	for (;;) {
		n = read(fd, part, sizeof(part));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return failed(err, errno, "read", path);
		if (n == 0)
			break;
		if ((size_t)n > max - all.len)
			return err_set(err, -EFBIG, "%s is larger than %zu bytes", path, max);
		strbuf_add(&all, part, (size_t)n);
	}
	*size = all.len;
	*text = strbuf_take(&all);
	return 0;
}
