// SPDX-License-Identifier: BSD-2-Clause
/* The flat DIE reader. */
#include "symbol/unit.h"

#include <dwarf.h>
#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define ABBREVS_MAX (1u << 20)
#define ATTRIBUTES_MAX 4096 /* of one abbreviation */

struct unit_spec {
	uint16_t name, form;
};

struct unit_abbrev {
	uint16_t tag; /* 0: no such code */
	bool children;
	uint16_t n_specs;
	uint32_t fixed; /* size of all attributes when none has a variable size, else 0 */
	bool interesting;
	struct unit_spec *specs;
};

static uint64_t uleb(struct unit *u)
{
	uint64_t value = 0;

	for (unsigned shift = 0; u->pos < u->end && shift < 64; shift += 7) {
		uint8_t byte = *u->pos++;

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return value;
	}
	u->bad = true;
	return 0;
}

static uint64_t fixed(struct unit *u, size_t len)
{
	uint64_t value = 0;

	if ((size_t)(u->end - u->pos) < len) {
		u->bad = true;
		u->pos = u->end;
		return 0;
	}
	memcpy(&value, u->pos, len < 8 ? len : 8);
	u->pos += len;
	return value;
}

static void skip(struct unit *u, uint64_t len)
{
	if ((uint64_t)(u->end - u->pos) < len) {
		u->bad = true;
		u->pos = u->end;
	} else {
		u->pos += len;
	}
}

/* Size of a form whose size is known from the unit header; -1 when it varies. */
static int form_size(const struct unit *u, uint16_t form)
{
	switch (form) {
	case DW_FORM_flag_present:
	case DW_FORM_implicit_const:
		return 0;
	case DW_FORM_data1:
	case DW_FORM_ref1:
	case DW_FORM_flag:
	case DW_FORM_strx1:
	case DW_FORM_addrx1:
		return 1;
	case DW_FORM_data2:
	case DW_FORM_ref2:
	case DW_FORM_strx2:
	case DW_FORM_addrx2:
		return 2;
	case DW_FORM_strx3:
	case DW_FORM_addrx3:
		return 3;
	case DW_FORM_data4:
	case DW_FORM_ref4:
	case DW_FORM_ref_sup4:
	case DW_FORM_strx4:
	case DW_FORM_addrx4:
		return 4;
	case DW_FORM_data8:
	case DW_FORM_ref8:
	case DW_FORM_ref_sig8:
	case DW_FORM_ref_sup8:
		return 8;
	case DW_FORM_data16:
		return 16;
	case DW_FORM_addr:
		return u->addr_size;
	case DW_FORM_strp:
	case DW_FORM_line_strp:
	case DW_FORM_strp_sup:
	case DW_FORM_sec_offset:
	case DW_FORM_GNU_ref_alt:
	case DW_FORM_GNU_strp_alt:
		return u->off_size;
	case DW_FORM_ref_addr:
		return u->version < 3 ? u->addr_size : u->off_size;
	default:
		return -1;
	}
}

static void skip_form(struct unit *u, uint16_t form)
{
	int size = form_size(u, form);
	const uint8_t *nul;

	if (size >= 0) {
		skip(u, (uint64_t)size);
		return;
	}
	switch (form) {
	case DW_FORM_sdata:
	case DW_FORM_udata:
	case DW_FORM_ref_udata:
	case DW_FORM_strx:
	case DW_FORM_addrx:
	case DW_FORM_loclistx:
	case DW_FORM_rnglistx:
	case DW_FORM_GNU_str_index:
	case DW_FORM_GNU_addr_index:
		uleb(u);
		break;
	case DW_FORM_block1:
		skip(u, fixed(u, 1));
		break;
	case DW_FORM_block2:
		skip(u, fixed(u, 2));
		break;
	case DW_FORM_block4:
		skip(u, fixed(u, 4));
		break;
	case DW_FORM_block:
	case DW_FORM_exprloc:
		skip(u, uleb(u));
		break;
	case DW_FORM_string:
		nul = memchr(u->pos, 0, (size_t)(u->end - u->pos));
		skip(u, nul ? (uint64_t)(nul - u->pos) + 1 : UINT64_MAX);
		break;
	case DW_FORM_indirect:
		form = (uint16_t)uleb(u);
		if (form != DW_FORM_indirect) { /* a chain of them would take the stack */
			skip_form(u, form);
			break;
		}
		/* fall through */
	default:
		u->bad = true;
		u->pos = u->end;
	}
}

static uint64_t string_index(struct unit *u, uint64_t index)
{
	uint64_t off = 0;

	if (!u->str_offsets || index >= u->n_str_offsets)
		return UNIT_NO_STRING;
	memcpy(&off, u->str_offsets + index * u->off_size, u->off_size);
	return off;
}

static uint64_t read_string(struct unit *u, uint16_t form)
{
	switch (form) {
	case DW_FORM_strp:
		return fixed(u, u->off_size);
	case DW_FORM_strx1:
	case DW_FORM_strx2:
	case DW_FORM_strx3:
	case DW_FORM_strx4:
		return string_index(u, fixed(u, (size_t)form_size(u, form)));
	case DW_FORM_strx:
	case DW_FORM_GNU_str_index:
		return string_index(u, uleb(u));
	default:
		skip_form(u, form);
		return UNIT_NO_STRING;
	}
}

static Dwarf_Off read_ref(struct unit *u, uint16_t form)
{
	switch (form) {
	case DW_FORM_ref1:
	case DW_FORM_ref2:
	case DW_FORM_ref4:
	case DW_FORM_ref8:
		return u->off + fixed(u, (size_t)form_size(u, form));
	case DW_FORM_ref_udata:
		return u->off + uleb(u);
	case DW_FORM_ref_addr:
		return fixed(u, (size_t)form_size(u, form));
	default:
		skip_form(u, form);
		return 0;
	}
}

bool unit_next(struct unit *u, struct unit_die *out)
{
	const struct unit_abbrev *ab;
	uint64_t code;

	if (u->bad || u->pos >= u->end)
		return false;
	*out = (struct unit_die){ .off = (Dwarf_Off)(u->pos - u->base),
				  .name = UNIT_NO_STRING,
				  .linkage_name = UNIT_NO_STRING };
	code = uleb(u);
	if (!code)
		return !u->bad;
	if (code >= u->n_abbrevs || !u->abbrevs[code].tag) {
		u->bad = true;
		return false;
	}
	ab = &u->abbrevs[code];
	out->tag = ab->tag;
	out->children = ab->children;
	if (!ab->interesting && ab->fixed != UINT32_MAX) {
		skip(u, ab->fixed);
		return !u->bad;
	}
	for (size_t i = 0; i < ab->n_specs; i++) {
		const struct unit_spec *sp = &ab->specs[i];

		if (!ab->interesting)
			skip_form(u, sp->form);
		else if (sp->name == DW_AT_name)
			out->name = read_string(u, sp->form);
		else if (sp->name == DW_AT_linkage_name || sp->name == DW_AT_MIPS_linkage_name)
			out->linkage_name = read_string(u, sp->form);
		else if (sp->name == DW_AT_abstract_origin || sp->name == DW_AT_specification)
			out->origin = read_ref(u, sp->form);
		else
			skip_form(u, sp->form);
	}
	return !u->bad;
}

bool unit_peek(const struct unit *u, Dwarf_Off off, struct unit_die *out)
{
	struct unit copy = *u;

	copy.pos = u->base + off;
	return off > u->off && copy.pos < u->end && unit_next(&copy, out) && out->tag;
}

static void take_abbrev(struct unit *u, Dwarf_Abbrev *raw)
{
	unsigned code = dwarf_getabbrevcode(raw);
	unsigned name = 0, form = 0;
	struct unit_abbrev *ab;

	if (!code || code >= ABBREVS_MAX)
		return;
	if (code >= u->n_abbrevs) {
		size_t more = (size_t)code * 2 + 64;

		u->abbrevs = mem_grow(u->abbrevs, more, sizeof(*ab));
		memset(u->abbrevs + u->n_abbrevs, 0, (more - u->n_abbrevs) * sizeof(*ab));
		u->n_abbrevs = more;
	}
	ab = &u->abbrevs[code];
	if (ab->tag)
		return;
	ab->tag = (uint16_t)dwarf_getabbrevtag(raw);
	ab->children = dwarf_abbrevhaschildren(raw);
	ab->interesting = ab->tag == DW_TAG_subprogram || ab->tag == DW_TAG_inlined_subroutine;
	/* dwarf_getattrcnt counts wrongly where a DW_FORM_implicit_const is 0 */
	while (ab->n_specs < ATTRIBUTES_MAX &&
	       dwarf_getabbrevattr_data(raw, ab->n_specs, &name, &form, NULL, NULL) == 0) {
		int size;

		ab->specs = mem_grow(ab->specs, ab->n_specs + 1u, sizeof(*ab->specs));
		ab->specs[ab->n_specs++] = (struct unit_spec){ (uint16_t)name, (uint16_t)form };
		size = form_size(u, (uint16_t)form);
		if (size < 0)
			ab->fixed = UINT32_MAX;
		else if (ab->fixed != UINT32_MAX)
			ab->fixed += (uint32_t)size;
	}
}

static void load_abbrevs(struct unit *u, Dwarf_Die *cudie)
{
	size_t len = 0;

	for (Dwarf_Off off = 0;; off += len) {
		Dwarf_Abbrev *raw = dwarf_getabbrev(cudie, off, &len);

		if (!raw || raw == DWARF_END_ABBREV)
			return;
		take_abbrev(u, raw);
	}
}

static Elf_Data *section(Dwarf *dbg, const char *name)
{
	Elf *elf = dwarf_getelf(dbg);
	size_t strndx;

	if (!elf || elf_getshdrstrndx(elf, &strndx) != 0)
		return NULL;
	for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn));) {
		GElf_Shdr sh;
		const char *have;

		if (!gelf_getshdr(scn, &sh) || !(have = elf_strptr(elf, strndx, sh.sh_name)) ||
		    strcmp(have, name) != 0)
			continue;
		if (sh.sh_flags & SHF_COMPRESSED)
			elf_compress(scn, 0, 0);
		return elf_getdata(scn, NULL);
	}
	return NULL;
}

static void load_str_offsets(struct unit *u, Dwarf_Die *cudie)
{
	Elf_Data *data;
	Dwarf_Attribute at;
	Dwarf_Word base = u->off_size == 8 ? 16 : 8;
	Dwarf_Off part = 0;
	bool split = false;

	data = u->version >= 5 ? section(u->dbg, ".debug_str_offsets") : NULL;
	if (!data) {
		data = section(u->dbg, ".debug_str_offsets.dwo");
		split = true;
	}
	if (u->version < 5) /* GNU split DWARF 4 has no header there */
		base = 0;
	if (!split && dwarf_attr(cudie, DW_AT_str_offsets_base, &at))
		dwarf_formudata(&at, &base);
	/* in a package file each unit has its own part of the section */
	if (split && dwarf_cu_dwp_section_info(cudie->cu, DW_SECT_STR_OFFSETS, &part, NULL) == 0)
		base += part;
	if (!data || base > data->d_size)
		return;
	u->str_offsets = (const uint8_t *)data->d_buf + base;
	u->n_str_offsets = (data->d_size - base) / u->off_size;
}

int unit_open(Dwarf *dbg, Dwarf_Off off, Dwarf_Off end_off, size_t header_size, struct unit *out,
	      struct err *err)
{
	struct unit u = { .dbg = dbg, .off = off };
	Elf_Data *data = section(dbg, ".debug_info");
	Dwarf_Half version;
	Dwarf_Die cudie;

	if (!data)
		data = section(dbg, ".debug_info.dwo");
	if (data && end_off > data->d_size) /* libdw does not look at that */
		end_off = data->d_size;
	if (!dwarf_offdie(dbg, off + header_size, &cudie) ||
	    dwarf_cu_info(cudie.cu, &version, NULL, NULL, NULL, NULL, &u.addr_size, &u.off_size) !=
		    0)
		return err_set(err, -EBADMSG, "damaged debug information at .debug_info+0x%llx: %s",
			       (unsigned long long)off, dwarf_errmsg(-1));
	u.version = version;
	u.base = (const uint8_t *)cudie.addr - (off + header_size);
	u.pos = cudie.addr;
	u.end = u.base + end_off;
	load_abbrevs(&u, &cudie);
	load_str_offsets(&u, &cudie);
	*out = u;
	return 0;
}

void unit_close(struct unit *u)
{
	for (size_t i = 0; i < u->n_abbrevs; i++)
		free(u->abbrevs[i].specs);
	free(u->abbrevs);
	*u = (struct unit){};
}
