// SPDX-License-Identifier: BSD-2-Clause
/* Keeps the one line of libbpf's talk that explains a failure. */
#include "target/said.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local struct said *listener;

/* Copies the line that ends at @end (or before it) into @out. */
static void copy_line(char *out, const char *text, const char *end)
{
	const char *start;
	size_t n;

	while (end > text && (end[-1] == '\n' || end[-1] == ' '))
		end--;
	start = end;
	while (start > text && start[-1] != '\n')
		start--;
	n = (size_t)(end - start);
	if (n >= SAID_MAX)
		n = SAID_MAX - 1;
	memcpy(out, start, n);
	out[n] = '\0';
}

/* The verifier's reason stands in the line before its statistics. */
static void keep(struct said *said, const char *text)
{
	const char *log = strstr(text, "BEGIN PROG LOAD LOG");
	const char *statistics = log ? strstr(log, "\nprocessed ") : NULL;
	const char *prefix = "libbpf: ";

	if (log) {
		if (statistics)
			copy_line(said->verdict, log, statistics);
		return;
	}
	if (!strncmp(text, prefix, strlen(prefix)))
		text += strlen(prefix);
	/* The first complaint is the cause; what follows are its consequences. */
	if (!said->text[0])
		copy_line(said->text, text, text + strcspn(text, "\n"));
}

static int print(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	char *text = NULL;
	int n;

	if (level != LIBBPF_WARN || !listener)
		return 0;
	n = vasprintf(&text, fmt, ap);
	if (n < 0)
		return 0;
	keep(listener, text);
	free(text);
	return n;
}

void said_listen(struct said *said)
{
	said->text[0] = said->verdict[0] = '\0';
	said->outer = listener;
	listener = said;
	said->before = libbpf_set_print(print);
}

void said_stop(struct said *said)
{
	libbpf_set_print(said->before);
	listener = said->outer;
}

int said_err(const struct said *said, struct err *err, int code, const char *fmt, ...)
{
	char what[256];
	const char *more = said->verdict[0] ? said->verdict : said->text;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return err_set(err, code, "%s: %s%s%s%s", what, strerror(-code), more[0] ? " (" : "", more,
		       more[0] ? ")" : "");
}
