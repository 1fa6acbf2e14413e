// SPDX-License-Identifier: BSD-2-Clause
/* Finds memory of the caller that is only for values of the result's type. */
#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "symbol/caller.h"

static void add_slot(struct caller *caller, struct caller_slot slot)
{
	for (size_t i = 0; i < caller->slots.n; i++) {
		struct caller_slot *have = &caller->slots.at[i];

		if (have->reg == slot.reg && have->off == slot.off) {
			have->untouched &= slot.untouched;
			return;
		}
	}
	*VEC_ADD(&caller->slots) = slot;
}

/* --- on the stack --------------------------------------------------------------------- */

/* The register from which DW_OP_fbreg counts: rsp or rbp. */
static unsigned frame_register(Dwarf_Die *around)
{
	Dwarf_Attribute at;
	Dwarf_Op *expr;
	size_t len;

	if (!dwarf_attr_integrate(around, DW_AT_frame_base, &at) ||
	    dwarf_getlocation(&at, &expr, &len) != 0 || len != 1)
		return REG_NONE;
	if (expr[0].atom == DW_OP_reg7)
		return REG_RSP;
	return expr[0].atom == DW_OP_reg6 ? REG_RBP : (unsigned)REG_NONE;
}

/* A variable that has its place on the stack throughout: all of it, or the piece
 * that begins with the tag. */
static bool stack_place(Dwarf_Die *variable, const struct type_tag *tag, int64_t *off)
{
	uint64_t offset = 0;
	Dwarf_Attribute at;
	Dwarf_Op *expr;
	size_t len;

	if (!dwarf_attr(variable, DW_AT_location, &at) || dwarf_getlocation(&at, &expr, &len) != 0)
		return false;
	if (len == 1 && expr[0].atom == DW_OP_fbreg) {
		*off = (int64_t)(expr[0].number + tag->offset);
		return true;
	}
	for (size_t i = 0; i < len; i++) {
		bool stands = i + 1 < len && expr[i].atom == DW_OP_fbreg &&
			      expr[i + 1].atom == DW_OP_piece;

		if (stands && offset <= tag->offset &&
		    tag->offset + tag->width <= offset + expr[i + 1].number) {
			*off = (int64_t)(expr[i].number + tag->offset - offset);
			return true;
		}
		if (expr[i].atom == DW_OP_piece)
			offset += expr[i].number;
	}
	return false;
}

/* --- in the caller's future ------------------------------------------------------------- */

struct field {
	uint64_t from, to;
	bool result, future; /* of type T; of the type of the future that is polled */
};

struct fields {
	struct field *at;
	size_t n, cap;
};

static void add_member(const struct caller *caller, Dwarf_Die *member, Dwarf_Die future,
		       struct fields *out)
{
	struct field f = {};
	Dwarf_Attribute at;
	Dwarf_Die raw, type;

	type_word(member, DW_AT_data_member_location, &f.from);
	if (!dwarf_attr(member, DW_AT_type, &at) || !dwarf_formref_die(&at, &raw) ||
	    dwarf_peel_type(&raw, &type) != 0)
		return;
	f.to = f.from + type_size(&type);
	f.result = caller_has_type(member, caller->result);
	f.future = caller_same_type(&type, &future);
	if (f.to > f.from)
		*VEC_ADD(out) = f;
}

/* The members of all variants of a state machine. */
static void collect_fields(const struct caller *caller, Dwarf_Die machine, Dwarf_Die future,
			   struct fields *out)
{
	Dwarf_Die child, member;

	if (dwarf_child(&machine, &child) != 0)
		return;
	do {
		if (dwarf_tag(&child) != DW_TAG_structure_type || dwarf_child(&child, &member) != 0)
			continue;
		do {
			if (dwarf_tag(&member) == DW_TAG_member)
				add_member(caller, &member, future, out);
		} while (dwarf_siblingof(&member, &member) == 0);
	} while (dwarf_siblingof(&child, &child) == 0);
}

/* Whether nothing but values of the result's type ever lies there. */
static bool only_results(const struct fields *fields, const struct field *f)
{
	for (size_t i = 0; i < fields->n; i++) {
		const struct field *other = &fields->at[i];

		if (other->from < f->to && f->from < other->to &&
		    (!other->result || other->from != f->from))
			return false;
	}
	return true;
}

static bool scope_future(const struct caller *caller, struct type_future *out)
{
	Dwarf_Die scope = caller->scope, origin;
	Dwarf_Attribute at;

	if (dwarf_attr(&scope, DW_AT_abstract_origin, &at) && dwarf_formref_die(&at, &origin) &&
	    type_future_of(&origin, out))
		return true;
	return type_future_of(&scope, out);
}

static void find_fields(struct caller *caller)
{
	struct type_future own = {}, outer = {};
	struct fields fields = {};

	if (type_future_of(&caller->origin, &own) && scope_future(caller, &outer))
		collect_fields(caller, outer.type, own.type, &fields);
	for (size_t f = 0; f < fields.n; f++) {
		const struct field *result = &fields.at[f];

		if (!result->result || !only_results(&fields, result))
			continue;
		for (size_t k = 0; k < fields.n; k++)
			if (fields.at[k].future)
				add_slot(caller, (struct caller_slot){
							 .reg = REG_NONE,
							 .off = (int64_t)(result->from +
									  caller->tag.offset -
									  fields.at[k].from -
									  (uint64_t)own.state) });
	}
	free(fields.at);
	type_future_free(&own);
	type_future_free(&outer);
}

void caller_find_slots(struct caller *caller)
{
	unsigned reg = frame_register(&caller->around);
	int64_t off;

	for (size_t i = 0; reg != REG_NONE && i < caller->names.n; i++)
		if (stack_place(&caller->names.at[i].die, &caller->tag, &off))
			add_slot(caller,
				 (struct caller_slot){ reg, off, caller->names.at[i].untouched });
	find_fields(caller);
}
