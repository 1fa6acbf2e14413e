// SPDX-License-Identifier: BSD-2-Clause
/* Walks type DIEs with libdw. */
#include "symbol/type.h"

#include <ctype.h>
#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "profile/secret.h"
#include "symbol/scopes.h"

#define WRAPPER_DEPTH_MAX 8

static const char *die_name(Dwarf_Die *die)
{
	const char *name = dwarf_diename(die);

	return name ? name : "";
}

/* The type of a DIE without typedefs and qualifiers. */
static bool type_of(Dwarf_Die *die, Dwarf_Die *out)
{
	Dwarf_Attribute at;
	Dwarf_Die raw;

	if (!dwarf_attr_integrate(die, DW_AT_type, &at) || !dwarf_formref_die(&at, &raw))
		return false;
	return dwarf_peel_type(&raw, out) == 0;
}

bool type_word(Dwarf_Die *die, unsigned name, uint64_t *out)
{
	Dwarf_Attribute at;
	Dwarf_Sword s;
	Dwarf_Word u;

	if (!dwarf_attr(die, name, &at))
		return false;
	if (dwarf_whatform(&at) == DW_FORM_sdata && dwarf_formsdata(&at, &s) == 0) {
		*out = (uint64_t)s;
		return true;
	}
	if (dwarf_formudata(&at, &u) != 0)
		return false;
	*out = u;
	return true;
}

uint64_t type_size(Dwarf_Die *type)
{
	uint64_t size = 0;

	if (dwarf_tag(type) == DW_TAG_pointer_type || dwarf_tag(type) == DW_TAG_reference_type)
		return 8;
	type_word(type, DW_AT_byte_size, &size);
	return size;
}

bool type_child(Dwarf_Die *die, int tag, const char *name, Dwarf_Die *out)
{
	if (dwarf_child(die, out) != 0)
		return false;
	do {
		if (dwarf_tag(out) == tag && (!name || strcmp(die_name(out), name) == 0))
			return true;
	} while (dwarf_siblingof(out, out) == 0);
	return false;
}

static bool next_sibling(Dwarf_Die *die, int tag)
{
	while (dwarf_siblingof(die, die) == 0)
		if (dwarf_tag(die) == tag)
			return true;
	return false;
}

char *type_name(Dwarf_Die *type)
{
	_free_ Dwarf_Die *scopes = NULL;
	_strbuf_ struct strbuf out = {};
	size_t n;

	scopes_of(type, &scopes, &n);
	for (size_t i = 0; i < n; i++) {
		int tag = dwarf_tag(&scopes[i]);

		if (tag == DW_TAG_namespace || tag == DW_TAG_structure_type)
			strbuf_printf(&out, "%s::", die_name(&scopes[i]));
	}
	strbuf_puts(&out, die_name(type));
	return strbuf_take(&out);
}

/* Up to generic arguments. */
static bool is_named(const char *have, const char *name)
{
	size_t n = strlen(name);

	return strncmp(have, name, n) == 0 && (have[n] == '<' || have[n] == '\0');
}

bool type_is_called(Dwarf_Die *type, const char *name)
{
	const char *last = strrchr(name, ':');
	_free_ char *full = NULL;

	if (!is_named(die_name(type), last ? last + 1 : name))
		return false;
	full = type_name(type);
	return is_named(full, name);
}

/* --- futures --------------------------------------------------------------- */

/* The discriminant's member of an enum-like type. */
static bool discriminant(Dwarf_Die *type, Dwarf_Die *part, Dwarf_Die *member)
{
	Dwarf_Attribute at;

	return type_child(type, DW_TAG_variant_part, NULL, part) &&
	       dwarf_attr(part, DW_AT_discr, &at) && dwarf_formref_die(&at, member);
}

/* From the parameter's type through Pin, & and generated wrappers to the state machine. */
static bool find_state_machine(Dwarf_Die *type, Dwarf_Die *out)
{
	Dwarf_Die cur = *type, member, part, discr;

	for (unsigned depth = 0; depth < WRAPPER_DEPTH_MAX; depth++) {
		if (discriminant(&cur, &part, &discr) && strcmp(die_name(&discr), "__state") == 0) {
			*out = cur;
			return true;
		}
		if (dwarf_tag(&cur) == DW_TAG_pointer_type) {
			if (!type_of(&cur, &cur))
				return false;
		} else if (type_child(&cur, DW_TAG_member, NULL, &member)) {
			if (!type_of(&member, &cur))
				return false;
		} else {
			return false;
		}
	}
	return false;
}

bool type_future_of(Dwarf_Die *subprogram, struct type_future *out)
{
	Dwarf_Die param, type, part, discr, variant;
	struct type_future fut = {};
	uint64_t value;

	if (!type_child(subprogram, DW_TAG_formal_parameter, NULL, &param) ||
	    !type_of(&param, &type) || !find_state_machine(&type, &fut.type) ||
	    !discriminant(&fut.type, &part, &discr) ||
	    !type_word(&discr, DW_AT_data_member_location, &value) || value > INT32_MAX)
		return false;
	fut.state = (int64_t)value;
	fut.size = type_size(&fut.type);
	if (type_child(&part, DW_TAG_variant, NULL, &variant)) {
		do {
			if (type_word(&variant, DW_AT_discr_value, &value) && value < 255 &&
			    value + 1 > fut.states)
				fut.states = (unsigned)value + 1;
		} while (next_sibling(&variant, DW_TAG_variant));
	}
	if (fut.states < 3)
		return false;
	fut.name = type_name(&fut.type);
	*out = fut;
	return true;
}

void type_future_free(struct type_future *future)
{
	free(future->name);
	*future = (struct type_future){};
}

/* The struct of the variant with this discriminant value. */
static bool variant_struct(Dwarf_Die *type, uint64_t discr_value, Dwarf_Die *out)
{
	Dwarf_Die part, discr, variant, member;
	uint64_t value;

	if (!discriminant(type, &part, &discr) ||
	    !type_child(&part, DW_TAG_variant, NULL, &variant))
		return false;
	do {
		if (type_word(&variant, DW_AT_discr_value, &value) && value == discr_value)
			return type_child(&variant, DW_TAG_member, NULL, &member) &&
			       type_of(&member, out);
	} while (next_sibling(&variant, DW_TAG_variant));
	return false;
}

/* --- fields ------------------------------------------------------------------ */

bool type_deref(struct type_place *place)
{
	struct abi_recipe *r = &place->recipe;

	if (r->n_steps == ABI_STEPS_MAX || !type_of(&place->type, &place->type))
		return false;
	r->add[r->n_steps++] = r->tail;
	r->tail = 0;
	return true;
}

bool type_move(struct type_place *place, uint64_t offset)
{
	return offset <= INT32_MAX &&
	       !__builtin_add_overflow(place->recipe.tail, (int32_t)offset, &place->recipe.tail);
}

bool type_enter_member(struct type_place *place, Dwarf_Die *member)
{
	Dwarf_Die owner = place->type;
	uint64_t off = 0;

	type_word(member, DW_AT_data_member_location, &off);
	if (!type_of(member, &place->type))
		return false;
	place->owner = owner;
	return type_move(place, off);
}

/* Known to take no room: of an array, DWARF has no size. */
static bool is_empty(Dwarf_Die *member)
{
	uint64_t size;
	Dwarf_Die type;

	return type_of(member, &type) && dwarf_tag(&type) != DW_TAG_array_type &&
	       type_word(&type, DW_AT_byte_size, &size) && size == 0;
}

bool type_enter_only_member(struct type_place *place)
{
	Dwarf_Die member, only;
	unsigned n = 0;

	if (dwarf_tag(&place->type) != DW_TAG_structure_type ||
	    type_child(&place->type, DW_TAG_variant_part, NULL, &member) ||
	    !type_child(&place->type, DW_TAG_member, NULL, &member))
		return false;
	do {
		if (is_empty(&member))
			continue;
		only = member;
		n++;
	} while (next_sibling(&member, DW_TAG_member));
	return n == 1 && type_enter_member(place, &only);
}

/* Looks for a field here or behind pointers and wrappers (Box, Arc, Pin, newtypes). */
static bool find_field(struct type_place *place, const char *name, unsigned depth)
{
	struct type_place inner = *place;
	Dwarf_Die member;

	if (dwarf_tag(&inner.type) == DW_TAG_pointer_type) {
		if (depth < WRAPPER_DEPTH_MAX && type_deref(&inner) &&
		    find_field(&inner, name, depth + 1)) {
			*place = inner;
			return true;
		}
		inner = *place; /* Box<dyn T> and slices are structs, but try fields all the same */
	}
	if (type_child(&inner.type, DW_TAG_member, name, &member) &&
	    type_enter_member(&inner, &member)) {
		*place = inner;
		return true;
	}
	if (depth == WRAPPER_DEPTH_MAX || !type_child(&place->type, DW_TAG_member, NULL, &member))
		return false;
	do {
		static const char *const wrappers[] = { "__0", "pointer", "__pointer",
							"ptr", "data",    "value" };

		for (size_t i = 0; i < ARRAY_SIZE(wrappers); i++) {
			inner = *place;
			if (strcmp(die_name(&member), wrappers[i]) == 0 &&
			    type_enter_member(&inner, &member) &&
			    find_field(&inner, name, depth + 1)) {
				*place = inner;
				return true;
			}
		}
	} while (next_sibling(&member, DW_TAG_member));
	return false;
}

static void list_fields(Dwarf_Die *type, struct strbuf *out)
{
	Dwarf_Die member;
	unsigned n = 0;

	if (!type_child(type, DW_TAG_member, NULL, &member))
		return;
	strbuf_puts(out, "; it has ");
	do {
		strbuf_printf(out, "%s%s", n++ ? ", " : "", die_name(&member));
	} while (n < 12 && next_sibling(&member, DW_TAG_member));
}

/* The profile's own words were checked when it was read; here the types are. */
bool type_is_secret(Dwarf_Die *type, bool counted, struct strbuf *why)
{
	_free_ char *path = mem_printf("%s%s", die_name(type), counted ? ".len()" : "");
	size_t at, size;

	if (!secret_in_path(path, &at, &size))
		return false;
	strbuf_printf(why, "%s is secret by its name and is never read", die_name(type));
	return true;
}

bool type_follow(struct type_place *place, const char *path, struct strbuf *why)
{
	_free_ char *copy = mem_strdup(path);
	char *save = NULL;

	for (char *seg = strtok_r(copy, ".", &save); seg; seg = strtok_r(NULL, ".", &save)) {
		bool counted = save && strcmp(save, "len()") == 0;

		_free_ char *tuple = NULL;

		if (strcmp(seg, "len()") == 0)
			return type_length(place, why);
		if (strcmp(seg, "address()") == 0 || strcmp(seg, "as_secs_f64()") == 0)
			return true;
		if (isdigit((unsigned char)*seg)) /* tx_id.0 is called __0 */
			tuple = mem_printf("__%s", seg);
		if (find_field(place, tuple ? tuple : seg, 0)) {
			if (!type_is_secret(&place->type, counted, why))
				continue;
			return false;
		}
		strbuf_printf(why, "no field \"%s\" in %s", seg, die_name(&place->type));
		list_fields(&place->type, why);
		return false;
	}
	return true;
}

bool type_argument(const struct type_future *future, const char *path, struct type_place *out,
		   struct strbuf *why)
{
	struct type_place place = {};
	Dwarf_Die machine = future->type;

	if (!variant_struct(&machine, 0, &place.type)) {
		strbuf_puts(why, "the debug information does not describe the captured arguments; "
				 "build with debug = 2");
		return false;
	}
	place.recipe.tail = -(int32_t)future->state;
	if (!type_follow(&place, path, why))
		return false;
	*out = place;
	return true;
}

void type_enter_ready(struct type_place *place)
{
	Dwarf_Die part, variant, member, inner;
	struct type_place ready = *place;

	if (strncmp(die_name(&place->type), "Poll<", 5) != 0 ||
	    !type_child(&place->type, DW_TAG_variant_part, NULL, &part) ||
	    !type_child(&part, DW_TAG_variant, NULL, &variant))
		return;
	do {
		if (type_child(&variant, DW_TAG_member, "Ready", &member) &&
		    type_enter_member(&ready, &member) &&
		    type_child(&ready.type, DW_TAG_member, "__0", &inner) &&
		    type_enter_member(&ready, &inner)) {
			*place = ready;
			return;
		}
	} while (next_sibling(&variant, DW_TAG_variant));
}

/* --- enums ------------------------------------------------------------------- */

bool type_tag(Dwarf_Die *type, struct type_tag *out)
{
	Dwarf_Die part, member, word;

	*out = (struct type_tag){};
	if (!discriminant(type, &part, &member) || !type_of(&member, &word))
		return false;
	type_word(&member, DW_AT_data_member_location, &out->offset);
	out->width = (unsigned)type_size(&word);
	return out->width == 1 || out->width == 2 || out->width == 4 || out->width == 8;
}

bool type_variant(Dwarf_Die *type, const char *name, uint64_t *raw)
{
	Dwarf_Die part, discr, variant, member;

	if (!discriminant(type, &part, &discr) ||
	    !type_child(&part, DW_TAG_variant, NULL, &variant))
		return false;
	do {
		if (type_child(&variant, DW_TAG_member, name, &member))
			return type_word(&variant, DW_AT_discr_value, raw);
	} while (next_sibling(&variant, DW_TAG_variant));
	return false;
}

size_t type_variants(Dwarf_Die *type, uint64_t *raw, size_t max)
{
	Dwarf_Die part, discr, variant;
	size_t n = 0;

	if (!discriminant(type, &part, &discr) ||
	    !type_child(&part, DW_TAG_variant, NULL, &variant))
		return 0;
	do {
		if (n < max && type_word(&variant, DW_AT_discr_value, &raw[n]))
			n++;
	} while (next_sibling(&variant, DW_TAG_variant));
	return n;
}
