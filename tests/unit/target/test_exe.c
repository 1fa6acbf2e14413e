// SPDX-License-Identifier: BSD-2-Clause
#include "target/exe.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#else
#define MACHINE EM_AARCH64
#endif

/* The smallest program with a build-id, behind a note of somebody else's. */
struct file {
	Elf64_Ehdr ehdr;
	Elf64_Phdr phdrs[2];
	struct {
		Elf64_Nhdr other;
		char other_name[8];
		char other_desc[4];
		Elf64_Nhdr note;
		char name[4];
		uint8_t id[20];
	} notes;
};

static void fill(struct file *f)
{
	memset(f, 0, sizeof(*f));
	memcpy(f->ehdr.e_ident, ELFMAG, SELFMAG);
	f->ehdr.e_ident[EI_CLASS] = ELFCLASS64;
	f->ehdr.e_ident[EI_DATA] = ELFDATA2LSB;
	f->ehdr.e_type = ET_DYN;
	f->ehdr.e_machine = MACHINE;
	f->ehdr.e_phoff = offsetof(struct file, phdrs);
	f->ehdr.e_phentsize = sizeof(Elf64_Phdr);
	f->ehdr.e_phnum = 2;
	f->phdrs[0].p_type = PT_LOAD;
	f->phdrs[1] = (Elf64_Phdr){ .p_type = PT_NOTE,
				    .p_offset = offsetof(struct file, notes),
				    .p_filesz = sizeof(f->notes),
				    .p_align = 4 };
	f->notes.other = (Elf64_Nhdr){ .n_namesz = 6, .n_descsz = 3, .n_type = 3 };
	memcpy(f->notes.other_name, "Other", 6);
	f->notes.note = (Elf64_Nhdr){ .n_namesz = 4, .n_descsz = 20, .n_type = NT_GNU_BUILD_ID };
	memcpy(f->notes.name, "GNU", 4);
	for (uint8_t i = 0; i < 20; i++)
		f->notes.id[i] = (uint8_t)(i + 1);
}

static int read_file(const void *data, size_t size, struct exe *exe, struct err *err)
{
	_close_ int fd = memfd_create("exe", MFD_CLOEXEC);

	assert_int_equal(write(fd, data, size), (ssize_t)size);
	return exe_read(fd, "wallet", exe, err);
}

static void reads_build_id(void **state)
{
	struct exe exe = {};
	struct file f;

	(void)state;
	fill(&f);
	assert_int_equal(read_file(&f, sizeof(f), &exe, NULL), 0);
	assert_int_equal(exe.n_build_id, 20);
	assert_memory_equal(exe.build_id, f.notes.id, 20);
	assert_int_equal(exe.size, sizeof(f));
	assert_true(exe_same(&exe, &exe));
	f.phdrs[1].p_type = PT_NULL;
	assert_int_equal(read_file(&f, sizeof(f), &exe, NULL), 0);
	assert_int_equal(exe.n_build_id, 0);
}

static void refuses(const void *data, size_t size, const char *sentence)
{
	struct exe exe = { .size = 77 };
	struct err err = {};

	assert_int_equal(read_file(data, size, &exe, &err), -ENOEXEC);
	assert_non_null(strstr(err.text, sentence));
	assert_int_equal(exe.size, 77);
}

static void says_what_is_wrong(void **state)
{
	struct file f;

	(void)state;
	refuses("", 0, "wallet is not an ELF file");
	refuses("#!/bin/sh\nexec true\n", 20, "wallet is not an ELF file");
	fill(&f);
	refuses(&f, 40, "wallet is truncated");
	refuses(&f, sizeof(f.ehdr) + 60, "wallet is truncated");
	refuses(&f, offsetof(struct file, notes) + sizeof(f.notes) - 1, "wallet is truncated");
	f.ehdr.e_ident[EI_CLASS] = ELFCLASS32;
	refuses(&f, sizeof(f), "32-bit");
	f.ehdr.e_ident[EI_CLASS] = 9;
	refuses(&f, sizeof(f), "not a little-endian 64-bit");
	fill(&f);
	f.ehdr.e_machine = EM_S390;
	refuses(&f, sizeof(f), "another architecture (ELF machine 22)");
	fill(&f);
	f.ehdr.e_type = ET_REL;
	refuses(&f, sizeof(f), "object or core file");
	fill(&f);
	f.ehdr.e_phnum = 0xfff0;
	refuses(&f, sizeof(f), "damaged program header table");
	fill(&f);
	f.ehdr.e_phentsize = 12;
	refuses(&f, sizeof(f), "damaged program header table");
	fill(&f);
	f.ehdr.e_phoff = UINT64_MAX - 8;
	refuses(&f, sizeof(f), "truncated");
	fill(&f);
	f.phdrs[1].p_filesz = UINT64_MAX;
	refuses(&f, sizeof(f), "truncated");
	fill(&f);
	f.phdrs[1].p_offset = INT64_MAX;
	refuses(&f, sizeof(f), "truncated");
}

/* Damaged notes hide the build-id and do no harm. */
static void survives_bad_notes(void **state)
{
	static const uint32_t wild[] = { 0, 1, 21, 64, 4096, 0x7fffffff, 0xfffffffd, 0xffffffff };
	struct exe exe;
	struct file f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wild); i++) {
		fill(&f);
		f.notes.other.n_namesz = wild[i];
		assert_int_equal(read_file(&f, sizeof(f), &exe, NULL), 0);
		fill(&f);
		f.notes.other.n_descsz = wild[i];
		assert_int_equal(read_file(&f, sizeof(f), &exe, NULL), 0);
		fill(&f);
		f.notes.note.n_descsz = wild[i];
		assert_int_equal(read_file(&f, sizeof(f), &exe, NULL), 0);
		assert_true(exe.n_build_id <= 20);
		fill(&f);
		f.phdrs[1].p_align = wild[i];
		assert_int_equal(read_file(&f, sizeof(f), &exe, NULL), 0);
	}
}

/* Any one damaged byte: an answer or a sentence, nothing else. */
static void survives_any_byte(void **state)
{
	struct file f;

	(void)state;
	for (size_t at = 0; at < sizeof(f); at++) {
		static const uint8_t masks[] = { 0xff, 0x80, 0x01 };

		for (size_t m = 0; m < ARRAY_SIZE(masks); m++) {
			struct err err = {};
			struct exe exe;

			fill(&f);
			((uint8_t *)&f)[at] ^= masks[m];
			if (read_file(&f, sizeof(f), &exe, &err))
				assert_true(err.text[0] != '\0');
		}
	}
}

static void knows_processes(void **state)
{
	_close_ int fd = -1;
	int status;
	struct exe own, again;
	struct err err = {};
	struct stat st;
	pid_t gone;

	(void)state;
	assert_int_equal(exe_of_process(getpid(), &fd, &own, &err), 0);
	assert_int_equal(stat("/proc/self/exe", &st), 0);
	assert_true(exe_same_place(own.place, (struct exe_place){ st.st_dev, st.st_ino }));
	assert_int_equal(exe_read(fd, "self", &again, NULL), 0);
	assert_true(exe_same(&own, &again));
	assert_false(exe_touched(&own, fd));
	assert_true(exe_touched(&own, -1));
	again.size++;
	assert_false(exe_same(&own, &again));
	assert_true(exe_touched(&again, fd));
	again = own;
	again.ctime.tv_nsec ^= 1;
	assert_false(exe_same(&own, &again));
	assert_true(exe_touched(&again, fd));
	gone = fork();
	if (gone == 0)
		_exit(0);
	assert_int_equal(waitpid(gone, &status, 0), gone);
	assert_int_equal(exe_of_process(gone, &fd, &again, &err), -ESRCH);
	assert_non_null(strstr(err.text, "has ended"));
}

static size_t read_code(const struct file *f, struct exe_code **code)
{
	_close_ int fd = memfd_create("exe", MFD_CLOEXEC);
	struct err err = {};
	size_t n = 9;

	assert_int_equal(write(fd, f, sizeof(*f)), (ssize_t)sizeof(*f));
	assert_int_equal(exe_read_code(fd, "wallet", code, &n, &err), 0);
	return n;
}

/* Code is what is loaded as code, to the byte. */
static void knows_code(void **state)
{
	_free_ struct exe_code *none = NULL, *code = NULL;
	struct err err = {};
	struct file f;
	size_t n;

	(void)state;
	fill(&f);
	assert_int_equal(read_code(&f, &none), 0); /* loaded, but not to be executed */
	assert_false(exe_is_code(none, 0, 0, 1));
	f.phdrs[0] = (Elf64_Phdr){
		.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_offset = 0x100, .p_filesz = 0x10
	};
	f.phdrs[1].p_flags = PF_X; /* not loaded */
	n = read_code(&f, &code);
	assert_int_equal(n, 1);
	assert_true(exe_is_code(code, n, 0x100, 0x10));
	assert_true(exe_is_code(code, n, 0x10f, 1));
	assert_false(exe_is_code(code, n, 0xff, 2));
	assert_false(exe_is_code(code, n, 0x10f, 2));
	assert_false(exe_is_code(code, n, 0x110, 1));
	assert_false(exe_is_code(code, n, UINT64_MAX, 2));
	assert_false(exe_is_code(code, n, 0x108, UINT64_MAX));
	assert_int_equal(exe_read_code(-1, "wallet", &code, &n, &err), -EBADF);
}

static void wants_regular_files(void **state)
{
	_close_ int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct err err = {};
	struct exe exe;

	(void)state;
	assert_int_equal(exe_read(fd, "/dev/null", &exe, &err), -ENOEXEC);
	assert_int_equal(exe_read(-1, "nothing", &exe, &err), -EBADF);
}

/* "a" and "bc" in two executable parts, and a part between them that is none: the
 * test vector of FIPS 180-4. */
static void hashes_code(void **state)
{
	static const uint8_t abc[EXE_HASH_SIZE] = {
		0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
		0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
		0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
	};
	struct {
		Elf64_Ehdr ehdr;
		Elf64_Phdr phdrs[3];
		char text[4];
	} f = {};
	struct file head;
	uint8_t hash[EXE_HASH_SIZE];
	_close_ int fd = memfd_create("exe", MFD_CLOEXEC), cut = memfd_create("cut", MFD_CLOEXEC);
	struct err err = {};

	(void)state;
	fill(&head);
	f.ehdr = head.ehdr;
	f.ehdr.e_phnum = 3;
	for (unsigned i = 0; i < 3; i++)
		f.phdrs[i] = (Elf64_Phdr){ .p_type = PT_LOAD,
					   .p_flags = i == 1 ? PF_R : PF_R | PF_X,
					   .p_offset = (uintptr_t)f.text - (uintptr_t)&f + i,
					   .p_filesz = i == 2 ? 2 : 1 };
	memcpy(f.text, "axbc", 4);
	f.phdrs[2].p_offset = f.phdrs[0].p_offset + 2;
	assert_int_equal(write(fd, &f, sizeof(f)), sizeof(f));
	assert_int_equal(exe_hash(fd, "wallet", hash, &err), 0);
	assert_memory_equal(hash, abc, sizeof(abc));
	f.phdrs[2].p_filesz = sizeof(f);
	assert_int_equal(write(cut, &f, sizeof(f)), sizeof(f));
	assert_int_equal(exe_hash(cut, "wallet", hash, &err), -ENOEXEC);
	assert_string_equal(err.text, "wallet is damaged: it has more code than bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_build_id),     cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(survives_bad_notes), cmocka_unit_test(survives_any_byte),
		cmocka_unit_test(knows_processes),    cmocka_unit_test(wants_regular_files),
		cmocka_unit_test(knows_code),         cmocka_unit_test(hashes_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
