// SPDX-License-Identifier: BSD-2-Clause
/* Looks for a type inside another. */
#include <dwarf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "symbol/type.h"

#define INSIDE_DEPTH_MAX 12
#define INSIDE_TYPES_MAX (1u << 20) /* looked at: damaged types can contain themselves */

struct search {
	const char *name;       /* qualified */
	const char *short_name; /* its last part, compared first: a qualified name is dear */
	int64_t *offsets;
	size_t n, looked;
};

/* The part of a qualified name behind the last "::" that is not within <>. */
static const char *last_part(const char *name)
{
	const char *last = name;
	size_t depth = 0;

	for (const char *p = name; *p; p++) {
		if (*p == '<')
			depth++;
		else if (*p == '>' && depth)
			depth--;
		else if (!depth && strncmp(p, "::", 2) == 0)
			last = p + 2;
	}
	return last;
}

static bool is_wanted(const struct search *s, Dwarf_Die *type)
{
	const char *name = dwarf_diename(type);
	_free_ char *full = NULL;

	if (!name || strcmp(name, s->short_name) != 0)
		return false;
	full = type_name(type);
	return strcmp(full, s->name) == 0;
}

static void look_inside(struct search *s, Dwarf_Die *type, int64_t at, unsigned depth);

static void look_at_member(struct search *s, Dwarf_Die *member, int64_t at, unsigned depth)
{
	Dwarf_Attribute attr;
	Dwarf_Die raw, type;
	Dwarf_Word off = 0;

	if (dwarf_attr(member, DW_AT_data_member_location, &attr))
		dwarf_formudata(&attr, &off);
	if (off > INT32_MAX || !dwarf_attr(member, DW_AT_type, &attr) ||
	    !dwarf_formref_die(&attr, &raw) || dwarf_peel_type(&raw, &type) != 0)
		return;
	if (dwarf_tag(&type) == DW_TAG_structure_type || dwarf_tag(&type) == DW_TAG_union_type)
		look_inside(s, &type, at + (int64_t)off, depth + 1);
}

static void add_offset(struct search *s, int64_t at)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->offsets[i] == at)
			return;
	if (s->n < TYPE_INSIDE_MAX)
		s->offsets[s->n++] = at;
}

/* Members, and those of every variant: what is not there now may be later. */
static void look_inside(struct search *s, Dwarf_Die *type, int64_t at, unsigned depth)
{
	Dwarf_Die child;

	if (depth > INSIDE_DEPTH_MAX || s->looked++ > INSIDE_TYPES_MAX)
		return;
	if (is_wanted(s, type)) {
		add_offset(s, at);
		return;
	}
	if (dwarf_child(type, &child) != 0)
		return;
	do {
		if (dwarf_tag(&child) == DW_TAG_member)
			look_at_member(s, &child, at, depth);
		else if (dwarf_tag(&child) == DW_TAG_variant_part ||
			 dwarf_tag(&child) == DW_TAG_variant)
			look_inside(s, &child, at, depth + 1);
	} while (dwarf_siblingof(&child, &child) == 0);
}

static bool type_of(Dwarf_Die *die, Dwarf_Die *out)
{
	Dwarf_Attribute attr;
	Dwarf_Die raw;

	return dwarf_attr_integrate(die, DW_AT_type, &attr) && dwarf_formref_die(&attr, &raw) &&
	       dwarf_peel_type(&raw, out) == 0;
}

size_t type_inside(Dwarf_Die *subprogram, const char *name, int64_t offsets[TYPE_INSIDE_MAX])
{
	struct search s = { name, last_part(name), offsets, 0, 0 };
	Dwarf_Die child, pointer, type;

	if (type_child(subprogram, DW_TAG_formal_parameter, NULL, &child)) {
		if (!type_of(&child, &pointer) || !type_of(&pointer, &type))
			return 0;
	} else if (!type_child(subprogram, DW_TAG_template_type_parameter, NULL, &child) ||
		   !type_of(&child, &type)) {
		return 0; /* the T of drop_in_place<T>, whose parameter has no name */
	}
	look_inside(&s, &type, 0, 0);
	return s.n;
}
