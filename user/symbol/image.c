// SPDX-License-Identifier: BSD-2-Clause
/* Opens and checks an ELF executable; maps addresses to bytes, offsets and symbols. */
#include "symbol/image.h"

#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/mem.h"

static int check_header(const struct image *im, struct err *err)
{
	const Elf64_Ehdr *eh = (const void *)im->data;

	if (im->size < EI_NIDENT || memcmp(im->data, ELFMAG, SELFMAG) != 0)
		return err_set(err, -ENOEXEC, "%s is not an ELF file; name the node's executable",
			       im->path);
	if (im->data[EI_CLASS] != ELFCLASS64)
		return err_set(err, -ENOEXEC,
			       "%s is a 32-bit ELF file; only 64-bit executables can be watched",
			       im->path);
	if (im->size < sizeof(*eh))
		return err_set(err, -EBADMSG, "%s is truncated: its ELF header does not fit",
			       im->path);
	if (im->data[EI_DATA] != ELFDATA2LSB)
		return err_set(err, -ENOEXEC,
			       "%s is a big-endian ELF file; only little-endian executables can be "
			       "watched",
			       im->path);
	if (eh->e_machine != EM_X86_64)
		return err_set(err, -ENOEXEC,
			       "%s is built for another architecture (ELF machine %u); this agent "
			       "watches x86-64 executables",
			       im->path, eh->e_machine);
	if (eh->e_type != ET_EXEC && eh->e_type != ET_DYN)
		return err_set(err, -ENOEXEC,
			       "%s is an ELF file but not an executable (type %u); name the linked "
			       "program",
			       im->path, eh->e_type);
	if (eh->e_phoff > im->size ||
	    (uint64_t)eh->e_phnum * sizeof(Elf64_Phdr) > im->size - eh->e_phoff)
		return err_set(err, -EBADMSG, "%s is truncated: its program headers do not fit",
			       im->path);
	return 0;
}

/* Looked at after the segments: what is cut off there is told in their words. */
static int check_sections(const struct image *im, struct err *err)
{
	const Elf64_Ehdr *eh = (const void *)im->data;

	if (eh->e_shoff > im->size ||
	    (uint64_t)eh->e_shnum * sizeof(Elf64_Shdr) > im->size - eh->e_shoff)
		return err_set(
			err, -EBADMSG,
			"%s is truncated: its section headers would be at byte %llu of %zu; copy "
			"the file again",
			im->path, (unsigned long long)eh->e_shoff, im->size);
	return 0;
}

static int add_segment(struct image *im, const GElf_Phdr *ph, struct err *err)
{
	struct image_segment *seg;

	if (ph->p_type == PT_GNU_EH_FRAME)
		im->eh_frame_hdr = ph->p_vaddr;
	if (ph->p_type != PT_LOAD || !ph->p_filesz)
		return 0;
	if (ph->p_offset > im->size || ph->p_filesz > im->size - ph->p_offset)
		return err_set(err, -EBADMSG,
			       "%s is truncated: a segment ends at byte %llu of %zu; copy the file "
			       "again",
			       im->path, (unsigned long long)(ph->p_offset + ph->p_filesz),
			       im->size);
	im->segments = mem_grow(im->segments, im->n_segments + 1, sizeof(*seg));
	seg = &im->segments[im->n_segments++];
	*seg = (struct image_segment){ .vaddr = ph->p_vaddr,
				       .offset = ph->p_offset,
				       .size = ph->p_filesz,
				       .exec = ph->p_flags & PF_X,
				       .write = ph->p_flags & PF_W };
	return 0;
}

static int load_segments(struct image *im, struct err *err)
{
	size_t n = 0;
	int r;

	if (elf_getphdrnum(im->elf, &n) < 0)
		return err_set(err, -EBADMSG, "%s is damaged: %s", im->path, elf_errmsg(-1));
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr ph;

		if (!gelf_getphdr(im->elf, (int)i, &ph))
			return err_set(err, -EBADMSG,
				       "%s is truncated: program header %zu is missing", im->path,
				       i);
		r = add_segment(im, &ph, err);
		if (r < 0)
			return r;
	}
	if (!im->n_segments)
		return err_set(err, -ENOEXEC, "%s has no loadable segment; it is not an executable",
			       im->path);
	return 0;
}

/* The GNU build-id from the PT_NOTE segments, which strip leaves in place. */
static void load_build_id(struct image *im)
{
	const Elf64_Ehdr *eh = (const void *)im->data;

	for (size_t i = 0; i < eh->e_phnum; i++) {
		GElf_Phdr ph;
		size_t pos = 0, name_at, desc_at;
		GElf_Nhdr note;
		Elf_Data *data;

		if (!gelf_getphdr(im->elf, (int)i, &ph) || ph.p_type != PT_NOTE ||
		    ph.p_offset > im->size || ph.p_filesz > im->size - ph.p_offset)
			continue;
		data = elf_getdata_rawchunk(im->elf, (int64_t)ph.p_offset, ph.p_filesz,
					    ph.p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
		while (data && (pos = gelf_getnote(data, pos, &note, &name_at, &desc_at)) > 0) {
			const char *name = (const char *)data->d_buf + name_at;

			if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != 4 ||
			    memcmp(name, "GNU", 4) != 0 || note.n_descsz > sizeof(im->build_id))
				continue;
			memcpy(im->build_id, (const char *)data->d_buf + desc_at, note.n_descsz);
			im->n_build_id = note.n_descsz;
			return;
		}
	}
}

static void load_relocs(struct image *im);

int image_open(int fd, const char *path, struct image **out, struct err *err)
{
	_cleanup_(image_freep) struct image *im = mem_alloc(sizeof(*im));
	struct stat st;
	void *map;
	int r;

	im->path = mem_strdup(path);
	im->fd = fd;
	if (fstat(fd, &st) < 0)
		return err_set(err, -errno, "%s cannot be read: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return err_set(err, -ENOEXEC, "%s is not an ELF file; name the node's executable",
			       path);
	/* shared: into a private mapping the kernel puts the breakpoints of uprobes */
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return err_set(err, -errno, "%s cannot be mapped: %s", path, strerror(errno));
	im->data = map;
	im->size = (size_t)st.st_size;
	r = check_header(im, err);
	if (r < 0)
		return r;
	elf_version(EV_CURRENT);
	im->elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	if (!im->elf)
		return err_set(err, -EBADMSG, "%s is damaged: %s", path, elf_errmsg(-1));
	r = load_segments(im, err);
	if (r < 0)
		return r;
	r = check_sections(im, err);
	if (r < 0)
		return r;
	load_build_id(im);
	load_relocs(im);
	*out = TAKE_PTR(im);
	return 0;
}

void image_free(struct image *im)
{
	if (!im)
		return;
	if (im->elf)
		elf_end(im->elf);
	if (im->data)
		munmap((void *)im->data, im->size);
	free(im->segments);
	free(im->symbols);
	free(im->relocs);
	free(im->callees);
	free(im->path);
	free(im);
}

void image_freep(struct image **im)
{
	image_free(*im);
}

static int by_address(const void *a, const void *b)
{
	const struct image_symbol *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static void load_table(struct image *im, Elf *elf, Elf_Scn *scn, const GElf_Shdr *sh)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	size_t n = data && sh->sh_entsize ? sh->sh_size / sh->sh_entsize : 0;

	im->symbols = mem_array(n, sizeof(*im->symbols));
	for (size_t i = 0; i < n; i++) {
		GElf_Sym sym;
		const char *name;

		if (!gelf_getsym(data, (int)i, &sym) || GELF_ST_TYPE(sym.st_info) != STT_FUNC ||
		    sym.st_shndx == SHN_UNDEF)
			continue;
		name = elf_strptr(elf, sh->sh_link, sym.st_name);
		if (name)
			im->symbols[im->n_symbols++] = (struct image_symbol){ .addr = sym.st_value,
									      .size = sym.st_size,
									      .name = name };
	}
	qsort(im->symbols, im->n_symbols, sizeof(*im->symbols), by_address);
}

/* The symbols of the first table of this kind that has any. */
static void load_tables(struct image *im, Elf *elf, uint32_t type)
{
	for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn));) {
		GElf_Shdr sh;

		if (im->symbols || !gelf_getshdr(scn, &sh) || sh.sh_type != type)
			continue;
		load_table(im, elf, scn, &sh);
		if (im->n_symbols)
			return;
		free(im->symbols);
		im->symbols = NULL;
	}
}

void image_load_symbols(struct image *im, Elf *elf)
{
	load_tables(im, elf, SHT_SYMTAB);
	load_tables(im, elf, SHT_DYNSYM);
}

void image_load_exports(struct image *im)
{
	load_tables(im, im->elf, SHT_DYNSYM);
}

static const struct image_segment *segment_at(const struct image *im, uint64_t vaddr)
{
	for (size_t i = 0; i < im->n_segments; i++) {
		const struct image_segment *seg = &im->segments[i];

		if (vaddr >= seg->vaddr && vaddr - seg->vaddr < seg->size)
			return seg;
	}
	return NULL;
}

const uint8_t *image_bytes(const struct image *im, uint64_t vaddr, size_t len)
{
	const struct image_segment *seg = segment_at(im, vaddr);

	if (!seg || len > seg->size - (vaddr - seg->vaddr))
		return NULL;
	return im->data + seg->offset + (vaddr - seg->vaddr);
}

bool image_offset(const struct image *im, uint64_t vaddr, uint64_t *offset)
{
	const struct image_segment *seg = segment_at(im, vaddr);

	if (!seg)
		return false;
	*offset = seg->offset + (vaddr - seg->vaddr);
	return true;
}

bool image_address(const struct image *im, uint64_t offset, uint64_t *vaddr)
{
	for (size_t i = 0; i < im->n_segments; i++) {
		const struct image_segment *seg = &im->segments[i];

		if (!seg->exec || offset < seg->offset || offset - seg->offset >= seg->size)
			continue;
		*vaddr = seg->vaddr + (offset - seg->offset);
		return true;
	}
	return false;
}

bool image_executable(const struct image *im, uint64_t vaddr)
{
	const struct image_segment *seg = segment_at(im, vaddr);

	return seg && seg->exec;
}

const struct image_symbol *image_symbol_at(const struct image *im, uint64_t vaddr)
{
	size_t lo = 0, hi = im->n_symbols;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (im->symbols[mid].addr <= vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return NULL;
	lo--;
	if (vaddr - im->symbols[lo].addr >= (im->symbols[lo].size ? im->symbols[lo].size : 1))
		return NULL;
	return &im->symbols[lo];
}

uint64_t image_entry(const struct image *im)
{
	GElf_Ehdr eh;

	return gelf_getehdr(im->elf, &eh) ? eh.e_entry : 0;
}

bool image_is_fixed(const struct image *im)
{
	GElf_Ehdr eh;

	return gelf_getehdr(im->elf, &eh) && eh.e_type == ET_EXEC;
}

/* --- relocations --------------------------------------------------------------- */

static int reloc_order(const void *a, const void *b)
{
	const struct image_reloc *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static const char *reloc_name(const struct image *im, const GElf_Shdr *sh, uint64_t index)
{
	Elf_Scn *scn = elf_getscn(im->elf, sh->sh_link);
	Elf_Data *data = scn ? elf_getdata(scn, NULL) : NULL;
	GElf_Shdr table;
	GElf_Sym sym;

	if (!data || !gelf_getshdr(scn, &table) || !gelf_getsym(data, (int)index, &sym))
		return NULL;
	return elf_strptr(im->elf, table.sh_link, sym.st_name);
}

static void add_relocs(struct image *im, const GElf_Shdr *sh, Elf_Data *data)
{
	size_t n = data->d_size / sizeof(Elf64_Rela);

	im->relocs = mem_grow(im->relocs, im->n_relocs + n, sizeof(*im->relocs));
	for (size_t i = 0; i < n; i++) {
		struct image_reloc *r = &im->relocs[im->n_relocs];
		Elf64_Rela rela; /* in a damaged file not aligned */
		uint64_t type;

		memcpy(&rela, (const char *)data->d_buf + i * sizeof(rela), sizeof(rela));
		type = ELF64_R_TYPE(rela.r_info);
		*r = (struct image_reloc){ .addr = rela.r_offset };
		if (type == R_X86_64_RELATIVE)
			r->value = (uint64_t)rela.r_addend;
		else if (type == R_X86_64_GLOB_DAT || type == R_X86_64_JUMP_SLOT)
			r->name = reloc_name(im, sh, ELF64_R_SYM(rela.r_info));
		else
			continue;
		im->n_relocs++;
	}
}

/* .rela.dyn and .rela.plt, which strip leaves in place. */
static void load_relocs(struct image *im)
{
	for (Elf_Scn *scn = NULL; (scn = elf_nextscn(im->elf, scn));) {
		Elf_Data *data;
		GElf_Shdr sh;

		if (gelf_getshdr(scn, &sh) && sh.sh_type == SHT_RELA && (sh.sh_flags & SHF_ALLOC) &&
		    (data = elf_rawdata(scn, NULL)))
			add_relocs(im, &sh, data);
	}
	if (im->n_relocs)
		qsort(im->relocs, im->n_relocs, sizeof(*im->relocs), reloc_order);
}

static const struct image_reloc *reloc_at(const struct image *im, uint64_t vaddr)
{
	struct image_reloc key = { .addr = vaddr };

	return im->n_relocs ? bsearch(&key, im->relocs, im->n_relocs, sizeof(key), reloc_order) :
			      NULL;
}

uint64_t image_pointer(const struct image *im, uint64_t vaddr)
{
	const struct image_reloc *r = reloc_at(im, vaddr);
	const uint8_t *p = image_bytes(im, vaddr, 8);
	uint64_t value = 0;

	if (r)
		return r->value;
	if (p)
		memcpy(&value, p, 8);
	return value;
}

bool image_is_pointer(const struct image *im, uint64_t vaddr)
{
	return reloc_at(im, vaddr);
}

const char *image_import(const struct image *im, uint64_t vaddr)
{
	const struct image_reloc *r = reloc_at(im, vaddr);

	return r ? r->name : NULL;
}
