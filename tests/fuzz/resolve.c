// SPDX-License-Identifier: BSD-2-Clause
/*
 * Fuzzes the resolver: image, debug information, code and unwinding tables to a
 * plan. An input is an ELF file; or two, the second one its debug file, its .dwp or
 * a rebuild of it, told by the last eight bytes: "+dbg", "+dwp" or "+twn" and the
 * size of the second.
 */
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <sanitizer/asan_interface.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "fuzz/fuzz.h"
#include "symbol/pack.h"
#include "symbol/peek.h"
#include "symbol/resolve.h"
#include "symbol/tiny_elf.h"
#include "symbol/twin.h"
#include "target/exe.h"

#define RETURNS(metric, function, values)                                        \
	"  " metric "_total: {type: counter, help: x, from: 'results::" function \
	"', labels: {l: {return: {" values "}}}}\n"

/* Functions of results.rs, by what they return. */
#define RESULTS_PROFILE                                                                            \
	"profile: results\nmetrics:\n" RETURNS("a", "tested::judge", "Ok: o, Err: e") RETURNS(     \
		"b", "matched::judge", "Ok: o, Err: e") RETURNS("c", "joined::judge",              \
								"Ok: o, Err: e")                   \
		RETURNS("d", "stored::judge", "Ok: o, Err: e") RETURNS(                            \
			"e", "number::judge", "1: one, 2: two") RETURNS("f", "matched::caller",    \
									"Ok: o, Err: e")           \
			RETURNS("g", "plain::pair", "Ok: o, Err: e") RETURNS(                      \
				"h", "plain::nested", "Ok: o, Err: e") RETURNS("i",                \
									       "plain::pointer",   \
									       "Some: s, None: n") \
				RETURNS("j", "plain::number", "Some: s, None: n") RETURNS(         \
					"k", "plain::deep", "Some.Some: s, Some.None: m, None: n") \
					RETURNS("l", "plain::bytes", "Ok: o, Err: e") RETURNS(     \
						"m", "plain::wide", "Ok: o, Err: e")               \
						RETURNS("n", "plain::large", "Ok: o, Err: e")      \
							RETURNS("o", "plain::large_enum",          \
								"Ok.Ok: o, Ok.Err: p, Err: e")

#define NUMBER(metric, function, path)                                             \
	"  " metric "_total: {type: counter, help: x, from: 'hashbrown::" function \
	"', value: {arg: '" path "'}}\n"

/* Functions that tests/fuzz/seeds adds to containers.rs, by what they are given. */
#define CONTAINERS_PROFILE                                                                         \
	"profile: containers\nmetrics:\n" NUMBER("a", "held0", "held.vec.len()") NUMBER(           \
		"b", "held0", "held.deque.len()") NUMBER("c", "held0", "held.tree.len()")          \
		NUMBER("d", "held0", "held.map.len()") NUMBER(                                     \
			"e", "held1", "held.hash_set.len()") NUMBER("f", "held1",                  \
								    "held.slice.len()")            \
			NUMBER("g", "held1", "held.boxed_text.len()") NUMBER(                      \
				"h", "held1", "held.shared.len()") NUMBER("i", "held2",            \
									  "held.names.0.len()")    \
				NUMBER("j", "held2", "held.behind.len()") NUMBER(                  \
					"k", "held2",                                              \
					"held.cell.len()") NUMBER("l", "held2",                    \
								  "held.presignatures.len()")      \
					NUMBER("m", "held3", "held.small") NUMBER(                 \
						"n", "held3",                                      \
						"held.signed") NUMBER("o", "held3",                \
								      "held.nonzero")              \
						NUMBER("p", "held3", "held.shared_atomic") NUMBER( \
							"q", "held4",                              \
							"held.wide") NUMBER("r", "held4",          \
									    "held.reference")      \
							NUMBER("s", "held4", "held.option.len()")  \
								NUMBER("t", "held4",               \
								       "held.foreign.len()")

/* Of tiny.rs, results.rs and containers.rs, and the one that goes with the input. */
static struct profile *tiny, *results, *containers, *profile;
static unsigned long long plans, sites;

static void reached(void)
{
	fprintf(stderr, "reached: %llu plans, %llu sites\n", plans, sites);
}

/* libdw 0.192 loses what it opened for a damaged .dwp. The resolver's process ends
 * with its answer, so nothing adds up. Our own allocations have no frame of theirs. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libdw.so\nleak:libelf.so\n";
}

/* ---- files as memory that knows its ends ------------------------------------------- */

/*
 * Reading past the end of a section mostly meets the next one, which no sanitizer
 * minds. So the sections that are not loaded are spread out behind the file, and
 * what lies between them is poisoned wherever the file is read into memory.
 */
#define GAP 64
#define SECTIONS_MAX 64

struct spread {
	uint8_t *data;
	size_t size;
	ino_t file; /* that it was written to */
	struct {
		size_t at, size;
	} sections[SECTIONS_MAX];
	size_t n;
};

static bool spreads(const Elf64_Shdr *sh, size_t size)
{
	return !(sh->sh_flags & SHF_ALLOC) && sh->sh_type != SHT_NOBITS && sh->sh_size &&
	       sh->sh_offset <= size && sh->sh_size <= size - sh->sh_offset;
}

static void spread_section(struct spread *s, const uint8_t *data, size_t size, size_t head)
{
	Elf64_Shdr sh;

	memcpy(&sh, data + head, sizeof(sh));
	if (!spreads(&sh, size) || s->n == SECTIONS_MAX)
		return;
	s->size = (s->size + GAP + 63) & ~63ul;
	s->data = mem_grow(s->data, s->size + sh.sh_size + GAP, 1);
	memcpy(s->data + s->size, data + sh.sh_offset, sh.sh_size);
	s->sections[s->n].at = s->size;
	s->sections[s->n++].size = sh.sh_size;
	sh.sh_offset = s->size;
	s->size += sh.sh_size;
	memcpy(s->data + head, &sh, sizeof(sh));
}

/* What ended behind the file still does. */
static void keep_outside(const struct spread *s, size_t at, uint64_t len, size_t size)
{
	uint64_t offset;

	memcpy(&offset, s->data + at, sizeof(offset));
	if (offset > size || len > size - offset)
		offset += s->size - size;
	memcpy(s->data + at, &offset, sizeof(offset));
}

static bool fits(uint64_t at, uint64_t n, size_t each, size_t size)
{
	return at <= size && n * each <= size - at;
}

static void spread(struct spread *s, const uint8_t *data, size_t size)
{
	Elf64_Ehdr eh;

	*s = (struct spread){ .data = mem_alloc(size + 1), .size = size };
	memcpy(s->data, data, size);
	if (size < sizeof(eh))
		return;
	memcpy(&eh, data, sizeof(eh));
	if (!fits(eh.e_shoff, eh.e_shnum, sizeof(Elf64_Shdr), size) ||
	    !fits(eh.e_phoff, eh.e_phnum, sizeof(Elf64_Phdr), size))
		return;
	for (size_t i = 0; i < eh.e_shnum; i++)
		spread_section(s, data, size, eh.e_shoff + i * sizeof(Elf64_Shdr));
	for (size_t i = 0; i < eh.e_shnum; i++) {
		const size_t head = eh.e_shoff + i * sizeof(Elf64_Shdr);
		Elf64_Shdr sh;

		memcpy(&sh, data + head, sizeof(sh));
		if (!spreads(&sh, size))
			keep_outside(s, head + offsetof(Elf64_Shdr, sh_offset), sh.sh_size, size);
	}
	for (size_t i = 0; i < eh.e_phnum; i++) {
		const size_t head = eh.e_phoff + i * sizeof(Elf64_Phdr);
		Elf64_Phdr ph;

		memcpy(&ph, data + head, sizeof(ph));
		keep_outside(s, head + offsetof(Elf64_Phdr, p_offset), ph.p_filesz, size);
	}
}

/* Of what is looked at now: the file and the one that came with it. */
static struct spread files[2];

static void poison(uint8_t *copy, const struct stat *st)
{
	const struct spread *s = &files[files[1].data && files[1].file == st->st_ino];
	size_t from;

	if (s->file != st->st_ino || !s->n)
		return;
	from = s->sections[0].at - GAP;
	__asan_poison_memory_region(copy + from, s->size - from);
	for (size_t i = 0; i < s->n; i++)
		__asan_unpoison_memory_region(copy + s->sections[i].at, s->sections[i].size);
}

static void *copy_of(int fd)
{
	struct stat st;
	uint8_t *copy;

	HOLDS(fstat(fd, &st) == 0);
	copy = malloc((size_t)st.st_size);
	HOLDS(copy && pread(fd, copy, (size_t)st.st_size, 0) == st.st_size);
	poison(copy, &st);
	return copy;
}

void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
int __wrap_munmap(void *at, size_t size);
int __wrap_madvise(void *at, size_t size, int advice);
Elf *__wrap_elf_begin(int fd, Elf_Cmd cmd, Elf *ref);
Elf *__real_elf_begin(int fd, Elf_Cmd cmd, Elf *ref);
Dwarf *__wrap_dwarf_begin(int fd, Dwarf_Cmd cmd);

void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	(void)size;
	HOLDS(!at && protection == PROT_READ && flags == MAP_SHARED && !offset);
	return copy_of(fd);
}

int __wrap_munmap(void *at, size_t size)
{
	(void)size;
	free(at);
	return 0;
}

int __wrap_madvise(void *at, size_t size, int advice)
{
	(void)at, (void)size, (void)advice;
	return 0;
}

/* What libelf does not own is freed at the end of each input. */
static VEC(void *) copies;
static VEC(Elf *) elves;
static bool in_memory; /* no .dwp is looked for beside the file */

Elf *__wrap_elf_begin(int fd, Elf_Cmd cmd, Elf *ref)
{
	struct stat st;

	if (!in_memory || ref || fstat(fd, &st) < 0 || !st.st_size)
		return __real_elf_begin(fd, cmd, ref);
	*VEC_ADD(&copies) = copy_of(fd);
	return elf_memory(copies.at[copies.n - 1], (size_t)st.st_size);
}

Dwarf *__wrap_dwarf_begin(int fd, Dwarf_Cmd cmd)
{
	Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);

	*VEC_ADD(&elves) = elf;
	return dwarf_begin_elf(elf, cmd, NULL);
}

static void forget(void)
{
	while (elves.n)
		elf_end(elves.at[--elves.n]);
	while (copies.n)
		free(copies.at[--copies.n]);
	for (size_t i = 0; i < 2; i++) {
		free(files[i].data);
		files[i] = (struct spread){};
	}
}

/* ---- one input ------------------------------------------------------------------------ */

/* A plan that can be packed, whose sites are the bytes of code in the file. */
static void look_at(const struct plan *plan, const uint8_t *data, size_t size)
{
	_cleanup_(plan_freep) struct plan *read = NULL;
	_strbuf_ struct strbuf pack = {}, again = {};
	struct err err = {};

	HOLDS(plan->n_funcs == profile->n_funcs && plan->n_rows >= plan->n_funcs);
	for (size_t i = 0; i < plan->n_sites; i++) {
		const struct plan_site *site = &plan->sites[i];

		HOLDS(site->offset < size && site->n_bytes <= size - site->offset);
		HOLDS(memcmp(site->bytes, data + site->offset, site->n_bytes) == 0);
	}
	pack_write(plan, &pack);
	if (pack.len > PACK_SIZE_MAX)
		return;
	if (pack_read("pack", pack.text, pack.len, &read, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		HOLDS(!"the plan of the resolver is a sound pack");
	}
	pack_write(read, &again);
	HOLDS(pack.len == again.len && memcmp(pack.text, again.text, pack.len) == 0);
	plans++;
	sites += plan->n_sites;
}

/* Whoever starts us takes it away with TMPDIR. */
static const char *folder(void)
{
	static char path[128];
	const char *tmp = getenv("TMPDIR");

	if (!*path) {
		snprintf(path, sizeof(path), "%s/fuzz-resolve.XXXXXX", tmp ? tmp : "/tmp");
		HOLDS(mkdtemp(path));
	}
	return path;
}

/* Writes the file and opens it for reading. */
static int write_file(const char *path, struct spread *file, const uint8_t *data, size_t size)
{
	_close_ int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct stat st;

	spread(file, data, size);
	HOLDS(fd >= 0 && write(fd, file->data, file->size) == (ssize_t)file->size);
	HOLDS(fstat(fd, &st) == 0);
	file->file = st.st_ino;
	return TAKE_FD(fd);
}

/* What the agent reads by itself, before any child does. A crash within libelf here is
 * one of the agent: scripts/fuzz knows this function by its name. */
__attribute__((noinline)) static void identify(int fd)
{
	struct source_options options = { .folder = folder() };
	_free_ struct exe_code *code = NULL;
	struct err err = {};
	uint8_t hash[EXE_HASH_SIZE];
	struct exe exe;
	size_t n;
	int r = exe_read(fd, "node", &exe, &err);

	HOLDS(r == 0 || (r == err.code && *err.text));
	r = exe_read_code(fd, "node", &code, &n, &err);
	HOLDS(r == 0 || (r == err.code && *err.text));
	r = exe_hash(fd, "node", hash, &err);
	HOLDS(r == 0 || (r == err.code && *err.text));
	peek_may_have(fd, profile);
	source_may_be(&options, fd);
}

/* What comes with the file. */
enum second { NOTHING, DEBUG_FILE, SPLIT, TWIN };

static const char *const marks[] = { "", "+dbg", "+dwp", "+twn" };

static void check(int r, const struct err *err, const struct plan *plan)
{
	if (r < 0)
		HOLDS(err->code == r && *err->text);
	else
		look_at(plan, files[0].data, files[0].size);
}

static void resolve(const uint8_t *data, size_t size, enum second kind, const uint8_t *second,
		    size_t n_second)
{
	_free_ char *path = mem_printf("%s/node", folder());
	_free_ char *beside = mem_printf("%s/node%s", folder(), kind == SPLIT ? ".dwp" : ".other");
	struct source_options options = { .debug = kind == DEBUG_FILE ? beside : NULL };
	_cleanup_(plan_freep) struct plan *plan = NULL, *carried = NULL;
	_close_ int fd = -1, other = -1;
	struct twin_summary summary;
	struct err err = {};
	int r;

	in_memory = kind != SPLIT;
	fd = write_file(path, &files[0], data, size);
	if (kind)
		other = write_file(beside, &files[1], second, n_second);
	identify(fd);
	if (kind == TWIN) {
		r = resolve_plan(other, beside, &options, profile, &plan, &err);
		if (r == 0)
			r = twin_carry(plan, other, beside, fd, path, &carried, &summary, &err);
		check(r, &err, carried);
	} else {
		r = resolve_plan(fd, path, &options, profile, &plan, &err);
		check(r, &err, plan);
	}
	unlink(path);
	unlink(beside);
	forget();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t n_second = 0;

	if (!tiny) {
		tiny = tiny_profile(TINY_PROFILE);
		results = tiny_profile(RESULTS_PROFILE);
		containers = tiny_profile(CONTAINERS_PROFILE);
		atexit(reached);
	}
	profile = memmem(data, size, "results.rs", 10)    ? results :
		  memmem(data, size, "containers.rs", 13) ? containers :
							    tiny;
	for (enum second kind = DEBUG_FILE; size > 8 && kind <= TWIN; kind++) {
		if (memcmp(data + size - 8, marks[kind], 4) != 0)
			continue;
		memcpy(&n_second, data + size - 4, 4);
		if (n_second > size - 8)
			return -1;
		resolve(data, size - 8 - n_second, kind, data + size - 8 - n_second, n_second);
		return 0;
	}
	resolve(data, size, NOTHING, NULL, 0);
	return 0;
}
