/* SPDX-License-Identifier: BSD-2-Clause */
/* UTF-8, one character at a time. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decodes the character at @text, of which @size bytes may be read. Returns how
 * many bytes it takes (1 to 4), or 0 where no valid character begins (an overlong
 * form, a surrogate, a cut sequence, the end). @code may be NULL. */
size_t utf8_decode(const char *text, size_t size, uint32_t *code);

/* A character that would move the cursor or change a terminal: not for display. */
bool utf8_is_control(uint32_t code);

#endif
