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

struct unit_spec {
	uint16_t name, form;
};

struct unit_abbrev {
	uint16_t tag; /* 0: no such code */
	bool children;
	bool interesting;
	uint32_t n_specs;
	size_t first_spec; /* of unit->specs */
	uint32_t fixed;    /* size of all attributes, UINT32_MAX where it varies */
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
		const struct unit_spec *sp = &u->specs.at[ab->first_spec + i];

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
		out->abstract |= ab->interesting && sp->name == DW_AT_inline;
	}
	return !u->bad;
}

bool unit_peek(const struct unit *u, Dwarf_Off off, struct unit_die *out)
{
	struct unit copy = *u;

	if (off <= u->off || off >= (size_t)(u->end - u->base))
		return false;
	copy.pos = u->base + off;
	return unit_next(&copy, out) && out->tag;
}

static Elf_Data *section(Dwarf *dbg, const char *name, bool split)
{
	Elf *elf = dwarf_getelf(dbg);
	_free_ char *want = mem_printf("debug_%s%s", name, split ? ".dwo" : "");
	size_t strndx;

	if (!elf || elf_getshdrstrndx(elf, &strndx) != 0)
		return NULL;
	for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn));) {
		GElf_Shdr sh;
		const char *have;

		if (!gelf_getshdr(scn, &sh) || !(have = elf_strptr(elf, strndx, sh.sh_name)) ||
		    have[0] != '.')
			continue;
		/* .zdebug_: compressed the old way; libdw has put the plain bytes there */
		if (strcmp(have + (have[1] == 'z' ? 2 : 1), want) != 0)
			continue;
		if (sh.sh_flags & SHF_COMPRESSED)
			elf_compress(scn, 0, 0);
		return elf_getdata(scn, NULL);
	}
	return NULL;
}

void units_begin(Dwarf *dbg, struct units *out)
{
	struct units us = { .dbg = dbg, .info = section(dbg, "info", false) };

	if (!us.info) {
		us.split = true;
		us.info = section(dbg, "info", true);
	}
	us.abbrev = section(dbg, "abbrev", us.split);
	us.str_offsets = section(dbg, "str_offsets", us.split);
	*out = us;
}

/* The sizes of the attributes together, or UINT32_MAX where that varies. */
static uint32_t add_size(uint32_t all, int size)
{
	return all == UINT32_MAX || size < 0 ? UINT32_MAX : all + (uint32_t)size;
}

static struct unit_abbrev *new_abbrev(struct unit *u, uint64_t code)
{
	if (!code || code >= ABBREVS_MAX)
		return NULL;
	if (code >= u->n_abbrevs) {
		size_t more = (size_t)code * 2 + 64;

		u->abbrevs = mem_grow(u->abbrevs, more, sizeof(*u->abbrevs));
		memset(u->abbrevs + u->n_abbrevs, 0, (more - u->n_abbrevs) * sizeof(*u->abbrevs));
		u->n_abbrevs = more;
	}
	return u->abbrevs[code].tag ? NULL : &u->abbrevs[code];
}

/* One entry of .debug_abbrev; false at the end of the unit's table, or at damage. */
static bool take_abbrev(struct unit *u, struct unit *table)
{
	struct unit_abbrev ab = { .first_spec = u->specs.n }, *place;
	uint64_t code = uleb(table), name, form;

	if (table->bad || !code)
		return false;
	ab.tag = (uint16_t)uleb(table);
	ab.children = fixed(table, 1) == DW_CHILDREN_yes;
	ab.interesting = ab.tag == DW_TAG_subprogram || ab.tag == DW_TAG_inlined_subroutine;
	for (;;) {
		name = uleb(table);
		form = uleb(table);
		if (form == DW_FORM_implicit_const)
			uleb(table); /* signed, but as long */
		if (table->bad || (!name && !form))
			break;
		ab.n_specs++;
		*VEC_ADD(&u->specs) = (struct unit_spec){ (uint16_t)name, (uint16_t)form };
		ab.fixed = add_size(ab.fixed, form_size(u, (uint16_t)form));
	}
	if (!table->bad && (place = new_abbrev(u, code)))
		*place = ab;
	return !table->bad;
}

static void load_abbrevs(struct unit *u, const Elf_Data *data, uint64_t off)
{
	struct unit table = {};

	if (!data || !data->d_buf || off >= data->d_size)
		return;
	table.pos = (const uint8_t *)data->d_buf + off;
	table.end = (const uint8_t *)data->d_buf + data->d_size;
	while (take_abbrev(u, &table))
		;
}

/* What the first DIE says of the whole unit. */
static Dwarf_Off look_at_first_die(struct unit *u, Dwarf_Off str_offsets_base)
{
	struct unit copy = *u;
	uint64_t code = uleb(&copy);
	const struct unit_abbrev *ab = code < u->n_abbrevs ? &u->abbrevs[code] : NULL;

	for (size_t i = 0; ab && i < ab->n_specs; i++) {
		const struct unit_spec *sp = &u->specs.at[ab->first_spec + i];
		int size = form_size(u, sp->form);

		if (sp->name == DW_AT_str_offsets_base && size > 0 && size <= 8) {
			str_offsets_base = fixed(&copy, (size_t)size);
			continue;
		}
		if (sp->name == DW_AT_GNU_dwo_id || sp->name == DW_AT_GNU_dwo_name)
			u->skeleton = true;
		skip_form(&copy, sp->form);
	}
	return str_offsets_base;
}

/* Where this unit's part of a section begins: in a package file each has its own. */
static Dwarf_Off part(const struct units *us, const Dwarf_Die *cudie, unsigned sect)
{
	Dwarf_Off off = 0;

	if (!us->split || dwarf_cu_dwp_section_info(cudie->cu, sect, &off, NULL) != 0)
		return 0;
	return off;
}

static void load_str_offsets(struct unit *u, const Elf_Data *data, Dwarf_Off base)
{
	if (!data || !data->d_buf || base > data->d_size)
		return;
	u->str_offsets = (const uint8_t *)data->d_buf + base;
	u->n_str_offsets = (data->d_size - base) / u->off_size;
}

/* Only of split units libdw is asked: it keeps what it has once looked at. */
static int open_unit(const struct units *us, struct unit *u, size_t header_size,
		     Dwarf_Off abbrev_off, struct err *err)
{
	const Elf_Data *info = us->info;
	Dwarf_Off header_end = u->off + header_size;
	Dwarf_Off base = u->off_size == 8 ? 16 : 8; /* of .debug_str_offsets: its header */
	Dwarf_Die cudie = {};

	if (!info || !info->d_buf || header_end > info->d_size || us->next < header_end ||
	    u->version < 2 || u->version > 5 || (u->addr_size != 4 && u->addr_size != 8) ||
	    (us->split && !dwarf_offdie(us->dbg, header_end, &cudie)))
		return err_set(err, -EBADMSG,
			       "damaged debug information: no unit of version 2 to 5 at "
			       ".debug_info+0x%llx",
			       (unsigned long long)u->off);
	u->base = info->d_buf;
	u->pos = u->base + header_end;
	/* libdw does not look at that */
	u->end = u->base + (us->next < info->d_size ? us->next : info->d_size);
	load_abbrevs(u, us->abbrev, abbrev_off + part(us, &cudie, DW_SECT_ABBREV));
	u->skeleton =
		u->version >= 5 && u->base[u->off + (u->off_size == 8 ? 14 : 6)] == DW_UT_skeleton;
	base = look_at_first_die(u, base);
	if (us->split && u->version < 5) /* GNU split DWARF 4 has no header there */
		base = 0;
	if (us->split || u->version >= 5)
		load_str_offsets(u, us->str_offsets, base + part(us, &cudie, DW_SECT_STR_OFFSETS));
	return 0;
}

int units_next(struct units *us, struct unit *out, struct err *err)
{
	struct unit u = { .dbg = us->dbg, .off = us->next };
	Dwarf_Off abbrev_off;
	size_t header_size;
	int r;

	if (dwarf_next_unit(us->dbg, u.off, &us->next, &header_size, &u.version, &abbrev_off,
			    &u.addr_size, &u.off_size, NULL, NULL) != 0)
		return 0;
	r = open_unit(us, &u, header_size, abbrev_off, err);
	if (r < 0) {
		unit_close(&u);
		return r;
	}
	*out = u;
	return 1;
}

void unit_close(struct unit *u)
{
	free(u->specs.at);
	free(u->abbrevs);
	*u = (struct unit){};
}
