// SPDX-License-Identifier: BSD-2-Clause
/* Takes a type apart into its scalars, as rustc's layout does. */
#include "symbol/passing.h"

#include <dwarf.h>
#include <string.h>

#include "base/mem.h"
#include "symbol/type.h"

#define DEPTH_MAX 16
#define SCALARS_MAX 3   /* more than two are an aggregate */
#define LOOKED_MAX 4096 /* at types: damaged ones can contain themselves */

struct scalars {
	struct scalar {
		uint64_t off, size;
	} at[SCALARS_MAX];
	size_t n;
	bool aggregate; /* it cannot be a scalar or a pair, whatever else is in it */
	bool unknown;
	unsigned looked;
};

static void collect(Dwarf_Die *type, uint64_t off, struct scalars *out, unsigned depth);

static void add(struct scalars *out, uint64_t off, uint64_t size)
{
	for (size_t i = 0; i < out->n; i++)
		if (out->at[i].off == off && out->at[i].size == size)
			return;
	if (size && out->n < SCALARS_MAX)
		out->at[out->n++] = (struct scalar){ off, size };
}

static void collect_base(Dwarf_Die *type, uint64_t off, struct scalars *out)
{
	uint64_t encoding = 0, size = type_size(type);

	type_word(type, DW_AT_encoding, &encoding);
	out->unknown |= encoding == DW_ATE_float;
	out->aggregate |= size > 8; /* i128 */
	add(out, off, size);
}

static void collect_member(Dwarf_Die *member, uint64_t off, struct scalars *out, unsigned depth)
{
	Dwarf_Attribute at;
	Dwarf_Die raw, type;
	uint64_t loc = 0;

	type_word(member, DW_AT_data_member_location, &loc);
	if (!dwarf_attr(member, DW_AT_type, &at) || !dwarf_formref_die(&at, &raw) ||
	    dwarf_peel_type(&raw, &type) != 0)
		out->unknown = true;
	else
		collect(&type, off + loc, out, depth + 1);
}

/* The variants of an enum. Where a niche tells them apart and more than one has data,
 * rustc makes it an aggregate. */
static void collect_variants(Dwarf_Die *part, uint64_t off, struct scalars *out, unsigned depth)
{
	bool niche = false, others = false;
	Dwarf_Die variant, member;
	Dwarf_Attribute at;
	uint64_t raw;

	if (dwarf_attr(part, DW_AT_discr, &at) && dwarf_formref_die(&at, &member))
		collect_member(&member, off, out, depth);
	if (dwarf_child(part, &variant) != 0)
		return;
	do {
		struct scalars own = { .looked = out->looked };
		bool valued;

		if (dwarf_tag(&variant) != DW_TAG_variant || dwarf_child(&variant, &member) != 0)
			continue;
		collect_member(&member, off, &own, depth);
		valued = type_word(&variant, DW_AT_discr_value, &raw);
		niche |= !valued;
		others |= valued && own.n;
		out->aggregate |= own.aggregate;
		out->unknown |= own.unknown;
		out->looked = own.looked;
		for (size_t i = 0; i < own.n; i++)
			add(out, own.at[i].off, own.at[i].size);
	} while (dwarf_siblingof(&variant, &variant) == 0);
	out->aggregate |= niche && others;
}

static void collect_struct(Dwarf_Die *type, uint64_t off, struct scalars *out, unsigned depth)
{
	Dwarf_Die child;

	if (dwarf_child(type, &child) != 0)
		return;
	do {
		if (dwarf_tag(&child) == DW_TAG_member)
			collect_member(&child, off, out, depth);
		else if (dwarf_tag(&child) == DW_TAG_variant_part)
			collect_variants(&child, off, out, depth);
	} while (dwarf_siblingof(&child, &child) == 0);
}

static void collect(Dwarf_Die *type, uint64_t off, struct scalars *out, unsigned depth)
{
	out->unknown |= depth > DEPTH_MAX || out->looked++ > LOOKED_MAX;
	if (out->unknown)
		return;
	switch (dwarf_tag(type)) {
	case DW_TAG_base_type:
		collect_base(type, off, out);
		break;
	case DW_TAG_pointer_type:
	case DW_TAG_reference_type:
	case DW_TAG_enumeration_type:
		add(out, off, type_size(type));
		break;
	case DW_TAG_structure_type:
		collect_struct(type, off, out, depth);
		break;
	case DW_TAG_array_type:
	case DW_TAG_union_type:
		out->aggregate = true;
		break;
	default:
		out->unknown = true;
	}
}

/* A second scalar begins where its alignment lets it, or it is no pair. */
static bool is_pair(const struct scalars *s, uint64_t size)
{
	const struct scalar *a = &s->at[s->at[0].off > s->at[1].off];
	const struct scalar *b = &s->at[s->at[0].off < s->at[1].off];
	uint64_t align = a->size > b->size ? a->size : b->size;
	uint64_t second = (a->size + b->size - 1) / b->size * b->size;

	return a->off == 0 && b->off == second &&
	       size == (second + b->size + align - 1) / align * align;
}

struct passing passing_of(Dwarf_Die *type)
{
	uint64_t size = type_size(type);
	struct scalars s = {};

	if (size > 16)
		return (struct passing){ .kind = PASSING_MEMORY };
	collect(type, 0, &s, 0);
	if (s.unknown)
		return (struct passing){ .kind = PASSING_UNKNOWN };
	if (!s.aggregate && s.n == 2 && is_pair(&s, size))
		return (struct passing){ PASSING_PAIR,
					 s.at[0].off > s.at[1].off ? s.at[0].off : s.at[1].off };
	return (struct passing){ .kind = size <= 8 ? PASSING_RAX : PASSING_MEMORY };
}

bool passing_in_register(const struct passing *how, struct abi_recipe *r, bool *second)
{
	int32_t *first = r->n_steps ? &r->add[0] : &r->tail;
	unsigned size = r->n_steps ? 8 : r->width;

	*second = how->kind == PASSING_PAIR && *first > 0;
	if (*second)
		*first -= (int32_t)how->second;
	if ((how->kind != PASSING_RAX && how->kind != PASSING_PAIR) || *first < 0 ||
	    *first > 8 - (int32_t)size)
		return false;
	if (!r->n_steps) {
		r->in_register = 1;
		return true;
	}
	/* the register has the pointer that the first step would load */
	r->n_steps--;
	memmove(&r->add[0], &r->add[1], r->n_steps * sizeof(r->add[0]));
	r->add[r->n_steps] = 0;
	return true;
}
