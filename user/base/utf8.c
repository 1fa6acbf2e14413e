// SPDX-License-Identifier: BSD-2-Clause
/* UTF-8 as in RFC 3629: nothing overlong, no surrogates, nothing above U+10FFFF. */
#include "base/utf8.h"

size_t utf8_decode(const char *text, size_t size, uint32_t *code)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *at = (const unsigned char *)text;
	uint32_t value;
	size_t n;

	if (size == 0)
		return 0;
	if (at[0] < 0x80)
		n = 1;
	else if (at[0] >= 0xc2 && at[0] < 0xe0)
		n = 2;
	else if (at[0] >= 0xe0 && at[0] < 0xf0)
		n = 3;
	else if (at[0] >= 0xf0 && at[0] < 0xf5)
		n = 4;
	else
		return 0;
	if (n > size)
		return 0;
	value = n == 1 ? at[0] : at[0] & (0x7fU >> n);
	for (size_t i = 1; i < n; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (at[i] & 0x3f);
	}
	if (value < smallest[n] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
		return 0;
	if (code)
		*code = value;
	return n;
}

bool utf8_is_control(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || /* C0, DEL, C1 */
	       code == 0x2028 || code == 0x2029 ||             /* line and paragraph separator */
	       (code >= 0x202a && code <= 0x202e) ||
	       (code >= 0x2066 && code <= 0x2069) || /* bidi */
	       code == 0xfeff;
}
