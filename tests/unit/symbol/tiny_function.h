/* SPDX-License-Identifier: BSD-2-Clause */
/* A few instructions, or one function of tiny.elf, opened for analysis. */
#ifndef TESTS_TINY_FUNCTION_H
#define TESTS_TINY_FUNCTION_H

#include "symbol/function.h"
#include "symbol/tiny_elf.h"

/* A few instructions opened as a function. */
struct tiny_function {
	int fd;
	struct image *image;
	struct function *fn;
};

static inline struct tiny_function tiny_function(const void *code, size_t n_code, const void *data,
						 size_t n_data)
{
	struct tiny_function t = { .fd = tiny_code(code, n_code, data, n_data) };
	int r = image_open(t.fd, "code", &t.image, NULL);

	assert(r == 0);
	r = function_open(t.image, TINY_CODE, TINY_CODE + n_code, &t.fn, NULL);
	assert(r == 0);
	return t;
}

static inline void tiny_function_close(struct tiny_function *t)
{
	function_free(t->fn);
	image_free(t->image);
	close(t->fd);
}

/* The function of tiny.elf whose mangled name has @part in it. */
static inline struct function *tiny_open_function(const struct tiny *t, const char *part)
{
	const struct image_symbol *s = tiny_symbol(t->image, part);
	struct function *fn = NULL;

	assert(s);
	function_open(t->image, s->addr, s->addr + s->size, &fn, NULL);
	assert(fn);
	return fn;
}

/* Index of the first instruction with these bytes. */
static inline size_t tiny_insn(const struct function *fn, const void *bytes, size_t n)
{
	for (size_t i = 0; i < fn->code->n; i++)
		if (fn->code->at[i].len == n &&
		    memcmp(image_bytes(fn->image, fn->code->at[i].addr, n), bytes, n) == 0)
			return i;
	return CODE_NONE;
}

#endif
