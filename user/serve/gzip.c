// SPDX-License-Identifier: BSD-2-Clause
/* gzip through zlib. */
#include "serve/gzip.h"

#include <limits.h>
#include <zlib.h>

#include "base/mem.h"
#include "metric/accept.h"

#define GZIP_WINDOW (15 + 16) /* zlib: the largest window, in gzip's wrapping */
#define MEMORY_LEVEL 8        /* zlib's default */

bool gzip_wanted(const char *accept_encoding)
{
	int gzip = -1, any = -1, plain = -1; /* -1: not mentioned */
	struct accept_item item;

	while (accept_encoding && accept_next(&accept_encoding, &item)) {
		if (accept_is(&item, "gzip") || accept_is(&item, "x-gzip"))
			gzip = (int)item.q;
		else if (accept_is(&item, "identity"))
			plain = (int)item.q;
		else if (accept_is(&item, "*"))
			any = (int)item.q;
	}
	if (gzip < 0)
		gzip = any;
	return gzip > 0 && gzip >= plain;
}

/* The fastest level: a scrape repeats its names so much that higher levels save
 * little and would hold up the loop that everything else runs in. */
bool gzip_pack(struct strbuf *body)
{
	_strbuf_ struct strbuf packed = {};
	z_stream stream = {};
	int r;

	if (body->len > UINT_MAX / 2)
		return false;
	if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW, MEMORY_LEVEL,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return false;
	packed.cap = deflateBound(&stream, body->len) + 1;
	packed.text = mem_array(packed.cap, 1);
	stream.next_in = (Bytef *)body->text;
	stream.avail_in = (uInt)body->len;
	stream.next_out = (Bytef *)packed.text;
	stream.avail_out = (uInt)packed.cap - 1;
	r = deflate(&stream, Z_FINISH);
	packed.len = stream.total_out;
	deflateEnd(&stream);
	if (r != Z_STREAM_END)
		return false;
	packed.text[packed.len] = '\0';
	strbuf_free(body);
	*body = (struct strbuf){ packed.text, packed.len, packed.cap };
	packed.text = NULL; /* handed out */
	return true;
}
