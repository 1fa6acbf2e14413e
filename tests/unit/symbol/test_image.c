// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/image.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/tiny_elf.h"

static Elf64_Ehdr *header(uint8_t *file)
{
	return (Elf64_Ehdr *)file;
}

static Elf64_Phdr *segment(uint8_t *file, uint32_t type)
{
	Elf64_Phdr *ph = (Elf64_Phdr *)(file + header(file)->e_phoff);

	while (ph->p_type != type)
		ph++;
	return ph;
}

static void opens(void **state)
{
	struct tiny t = tiny_open();
	const struct image_symbol *plain = tiny_symbol(t.image, "4tiny5plain");
	uint64_t offset = 0, addr = 0;

	(void)state;
	assert_string_equal(t.image->path, "tiny.elf");
	assert_int_equal(t.image->n_build_id, 20);
	assert_memory_equal(t.image->build_id, "\x10\x93\x1f\x24", 4);
	assert_int_not_equal(t.image->eh_frame_hdr, 0);
	assert_non_null(plain);
	assert_true(image_executable(t.image, plain->addr));
	assert_true(image_offset(t.image, plain->addr, &offset));
	assert_true(image_address(t.image, offset, &addr));
	assert_int_equal(addr, plain->addr);
	assert_false(image_address(t.image, TINY_SIZE, &addr));
	assert_false(image_is_fixed(t.image));
	assert_true(image_executable(t.image, image_entry(t.image)));
	assert_int_equal(offset, plain->addr - 0x1000); /* the linker moved it by a page */
	assert_ptr_equal(image_bytes(t.image, plain->addr, 4), t.image->data + offset);
	assert_ptr_equal(image_symbol_at(t.image, plain->addr), plain);
	assert_ptr_equal(image_symbol_at(t.image, plain->addr + plain->size - 1), plain);
	assert_ptr_not_equal(image_symbol_at(t.image, plain->addr + plain->size), plain);
	assert_null(image_symbol_at(t.image, 0));
	assert_null(image_symbol_at(t.image, UINT64_MAX));
	tiny_close(&t);
}

static void knows_where_segments_end(void **state)
{
	static const uint8_t code[] = { 0x90, 0xc3 }, data[] = { 1, 2, 3 };
	_close_ int fd = tiny_code(code, sizeof(code), data, sizeof(data));
	_cleanup_(image_freep) struct image *im = NULL;
	uint64_t offset;

	(void)state;
	assert_int_equal(image_open(fd, "x", &im, NULL), 0);
	assert_int_equal(im->n_build_id, 0);
	assert_memory_equal(image_bytes(im, TINY_CODE, 2), code, 2);
	assert_memory_equal(image_bytes(im, TINY_CODE + 1, 1), code + 1, 1);
	assert_null(image_bytes(im, TINY_CODE, 3));
	assert_null(image_bytes(im, TINY_CODE + 2, 0));
	assert_null(image_bytes(im, TINY_CODE - 1, 2));
	assert_null(image_bytes(im, TINY_CODE, SIZE_MAX));
	assert_null(image_bytes(im, UINT64_MAX, 2));
	assert_true(image_executable(im, TINY_CODE + 1));
	assert_false(image_executable(im, TINY_CODE + 2));
	assert_false(image_executable(im, TINY_DATA));
	assert_true(image_offset(im, TINY_DATA + 2, &offset));
	assert_int_equal(offset, TINY_DATA + 2);
	assert_false(image_offset(im, TINY_DATA + 3, &offset));
	assert_int_equal(image_pointer(im, TINY_DATA), 0); /* less than a pointer there */
	image_load_symbols(im, im->elf);
	assert_int_equal(im->n_symbols, 0);
}

static void reads_pointers_as_loaded(void **state)
{
	struct tiny t = tiny_open();
	size_t functions = 0;

	(void)state;
	/* the table of process_vote's trait object and the GOT lead to functions */
	for (uint64_t at = 0x2000; at < 0x4000; at += 8) {
		uint64_t value = image_pointer(t.image, at);

		assert_true(!image_is_pointer(t.image, at) || value);
		functions += value && image_symbol_at(t.image, value) &&
			     image_symbol_at(t.image, value)->addr == value;
	}
	assert_true(functions >= 8);
	assert_false(image_is_pointer(t.image, t.image->segments[0].vaddr));
	assert_int_equal(image_pointer(t.image, UINT64_MAX - 4), 0);
	tiny_close(&t);
}

/* This very program: position-independent, with imports. */
static void opens_itself(void **state)
{
	_close_ int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	_cleanup_(image_freep) struct image *im = NULL;
	const struct image_symbol *sym;
	uint64_t offset;

	(void)state;
	assert_int_equal(image_open(fd, "self", &im, NULL), 0);
	image_load_symbols(im, im->elf);
	sym = tiny_symbol(im, "opens_itself");
	assert_non_null(sym);
	assert_true(image_offset(im, sym->addr, &offset));
	assert_memory_equal(im->data + offset, (const void *)opens_itself, 16);
}

static void refuse(const void *file, size_t size, int code, const char *why)
{
	_close_ int fd = tiny_file(file, size);
	struct image *im = NULL;
	struct err err = {};

	assert_int_equal(image_open(fd, "F", &im, &err), code);
	assert_null(im);
	if (!strstr(err.text, why))
		fail_msg("\"%s\" does not say \"%s\"", err.text, why);
}

static void refuses(void **state)
{
	_free_ uint8_t *file = mem_alloc(TINY_SIZE);
	_close_ int folder = open("/", O_RDONLY | O_CLOEXEC);
	struct image *im;
	struct err err = {};

	(void)state;
	refuse("", 0, -ENOEXEC, "not an ELF file");
	refuse("#!/bin/sh\nexit 0\n", 17, -ENOEXEC, "F is not an ELF file; name the node's");
	refuse(tiny_elf, 16, -EBADMSG, "its ELF header does not fit");
	refuse(tiny_elf, 100, -EBADMSG, "");
	refuse(tiny_elf, 0x500, -EBADMSG, "truncated: a segment ends at byte");
	assert_int_equal(image_open(folder, "/", &im, &err), -ENOEXEC);
	memcpy(file, tiny_elf, TINY_SIZE);
	file[EI_CLASS] = ELFCLASS32;
	refuse(file, TINY_SIZE, -ENOEXEC, "32-bit");
	memcpy(file, tiny_elf, TINY_SIZE);
	header(file)->e_machine = EM_AARCH64;
	refuse(file, TINY_SIZE, -ENOEXEC, "another architecture (ELF machine 183)");
	memcpy(file, tiny_elf, TINY_SIZE);
	header(file)->e_type = ET_REL;
	refuse(file, TINY_SIZE, -ENOEXEC, "not an executable");
	memcpy(file, tiny_elf, TINY_SIZE);
	segment(file, PT_LOAD)->p_filesz = UINT64_MAX - 8;
	refuse(file, TINY_SIZE, -EBADMSG, "truncated: a segment ends");
	memcpy(file, tiny_elf, TINY_SIZE);
	header(file)->e_phnum = 0;
	refuse(file, TINY_SIZE, -ENOEXEC, "no loadable segment");
}

/* A build-id of another size than SHA-1's, and one that does not fit. */
static void bounds_the_build_id(void **state)
{
	_free_ uint8_t *file = mem_alloc(TINY_SIZE);
	Elf64_Phdr *note;
	uint32_t *words;

	(void)state;
	memcpy(file, tiny_elf, TINY_SIZE);
	note = segment(file, PT_NOTE);
	words = (uint32_t *)(file + note->p_offset);
	assert_int_equal(words[2], NT_GNU_BUILD_ID);
	for (unsigned n = 0; n < 64; n += 4) {
		_cleanup_(image_freep) struct image *im = NULL;
		_close_ int fd = -1;

		words[1] = n;
		fd = tiny_file(file, TINY_SIZE);
		assert_int_equal(image_open(fd, "x", &im, NULL), 0);
		assert_int_equal(im->n_build_id, n <= 20 ? n : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens),
		cmocka_unit_test(knows_where_segments_end),
		cmocka_unit_test(reads_pointers_as_loaded),
		cmocka_unit_test(opens_itself),
		cmocka_unit_test(refuses),
		cmocka_unit_test(bounds_the_build_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
