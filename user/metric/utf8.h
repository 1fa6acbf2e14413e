/* SPDX-License-Identifier: BSD-2-Clause */
/* Makes any text valid UTF-8. One bad byte in a label makes Prometheus refuse the whole scrape. */
#ifndef METRIC_UTF8_H
#define METRIC_UTF8_H

#include <stddef.h>

#define UTF8_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* Bytes of the character at @text: 1 to 4, or 0 when there is none (the end of
 * the text, or a byte that is not UTF-8 and is to be replaced). */
size_t utf8_char(const char *text);

#endif
