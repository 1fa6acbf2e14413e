/* SPDX-License-Identifier: BSD-2-Clause */
/* For tests: unpacks gzip. */
#ifndef TESTS_SERVE_GUNZIP_H
#define TESTS_SERVE_GUNZIP_H

#include <stdint.h>
#include <zlib.h>

#include "base/strbuf.h"

/* Unpacks all of @data into @out; anything else than whole and valid gzip fails the test. */
static inline void gunzip(const void *data, size_t len, struct strbuf *out)
{
	z_stream stream = { .next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)len };
	char piece[4096];
	int r;

	assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
	do {
		stream.next_out = (Bytef *)piece;
		stream.avail_out = sizeof(piece);
		r = inflate(&stream, Z_NO_FLUSH);
		strbuf_add(out, piece, sizeof(piece) - stream.avail_out);
	} while (r == Z_OK);
	inflateEnd(&stream);
	assert_int_equal(r, Z_STREAM_END);
	assert_int_equal(stream.avail_in, 0);
}

#endif
