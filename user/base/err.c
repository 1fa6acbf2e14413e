// SPDX-License-Identifier: BSD-2-Clause
/* The error value: filled once where the fault is, extended on the way up. */
#include "base/err.h"

#include <stdio.h>
#include <string.h>

int err_set(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code;
	err->code = code;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return code;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
	char inner[ERR_TEXT_MAX];
	va_list ap;
	size_t used;
	int n;

	if (!err)
		return -1;
	memcpy(inner, err->text, sizeof(inner));
	va_start(ap, fmt);
	n = vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n + 2 >= sizeof(err->text))
		return err->code;
	used = (size_t)n;
	memcpy(err->text + used, ": ", 2);
	used += 2;
	/* What does not fit is cut off: the outermost part is the one to keep. */
	n = (int)strnlen(inner, sizeof(inner) - used - 1);
	memcpy(err->text + used, inner, (size_t)n);
	err->text[used + (size_t)n] = '\0';
	return err->code;
}
