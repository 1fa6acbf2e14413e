// SPDX-License-Identifier: BSD-2-Clause
/* Writes log lines. */
#include "cmd/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/strbuf.h"

static const char *const names[] = {
	[LOG_DEBUG] = "debug",
	[LOG_INFO] = "info",
	[LOG_WARN] = "warn",
	[LOG_ERROR] = "error",
};

bool log_level_parse(const char *name, enum log_level *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(names[i], name) == 0) {
			*out = (enum log_level)i;
			return true;
		}
	}
	return false;
}

/* Both formats quote alike as far as we need: backslash escapes, no control characters. */
static void add_quoted(struct strbuf *out, const char *text)
{
	strbuf_putc(out, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			strbuf_printf(out, "\\%c", *text);
		else if (*text == '\n')
			strbuf_puts(out, "\\n");
		else if ((unsigned char)*text < ' ')
			strbuf_printf(out, "\\u%04x", (unsigned)*text);
		else
			strbuf_putc(out, *text);
	}
	strbuf_putc(out, '"');
}

void log_at(const struct log *log, enum log_level level, const char *fmt, ...)
{
	_strbuf_ struct strbuf line = {};
	_strbuf_ struct strbuf text = {};
	char stamp[40], message[2048];
	struct timespec now;
	struct tm tm;
	va_list ap;

	if (level < log->level)
		return;
	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	add_quoted(&text, message);
	if (log->json)
		strbuf_printf(&line, "{\"ts\":\"%s.%03ldZ\",\"level\":\"%s\",\"msg\":%s}\n", stamp,
			      now.tv_nsec / 1000000, names[level], text.text);
	else
		strbuf_printf(&line, "ts=%s.%03ldZ level=%s msg=%s\n", stamp, now.tv_nsec / 1000000,
			      names[level], text.text);
	fputs(line.text, stderr);
}
