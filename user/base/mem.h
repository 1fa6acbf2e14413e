/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory and ownership: cleanup attributes, TAKE_* to hand ownership out, and
 * allocation that never returns NULL (an agent that cannot get a few kilobytes
 * cannot say anything true; it aborts and the kernel takes its probes off).
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdarg.h>
#include <stddef.h>

void *mem_alloc(size_t size);                         /* zeroed */
void *mem_array(size_t count, size_t size);           /* zeroed, overflow-checked */
void *mem_grow(void *old, size_t count, size_t size); /* realloc, overflow-checked */
char *mem_strdup(const char *text);
char *mem_strndup(const char *text, size_t max);
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
char *mem_vprintf(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));

void mem_freep(void *pp); /* for _free_: frees *(void **)pp */
void fd_closep(int *fd);  /* for _close_: closes *fd when >= 0 */

#define _free_ __attribute__((cleanup(mem_freep)))
#define _close_ __attribute__((cleanup(fd_closep)))
#define _cleanup_(f) __attribute__((cleanup(f)))

/* Moves a pointer (or descriptor) out of a variable that a cleanup watches. */
#define TAKE_PTR(p)                     \
	({                              \
		__typeof__(p) _p = (p); \
		(p) = NULL;             \
		_p;                     \
	})
#define TAKE_FD(fd)            \
	({                     \
		int _f = (fd); \
		(fd) = -1;     \
		_f;            \
	})

#ifndef ARRAY_SIZE /* libiberty.h has the same */
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#endif

/*
 * A growing array: `struct { T *at; size_t n, cap; } list = {};` then
 * `*VEC_ADD(&list) = value;`. The new element is zeroed. Free with free(list.at).
 */
#define VEC(T)              \
	struct {            \
		T *at;      \
		size_t n;   \
		size_t cap; \
	}
#define VEC_ADD(v)                                                           \
	({                                                                   \
		__typeof__(v) _v = (v);                                      \
		if (_v->n == _v->cap) {                                      \
			_v->cap = _v->cap ? _v->cap * 2 : 8;                 \
			_v->at = mem_grow(_v->at, _v->cap, sizeof(*_v->at)); \
		}                                                            \
		__builtin_memset(&_v->at[_v->n], 0, sizeof(*_v->at));        \
		&_v->at[_v->n++];                                            \
	})

#endif
