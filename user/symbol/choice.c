// SPDX-License-Identifier: BSD-2-Clause
/* From the choices of a profile and a type to the tests that the kernel side runs. */
#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "profile/word.h"
#include "symbol/type.h"

struct builder {
	const struct profile_value *value;
	struct plan_value *out;
	struct strbuf *why;
};

static uint64_t mask(unsigned width)
{
	return width >= 8 ? ~0ULL : (1ULL << (width * 8)) - 1;
}

static bool refuse(struct builder *b, const char *what, Dwarf_Die *type)
{
	const char *name = dwarf_diename(type);

	strbuf_printf(b->why, "%s (type %s)", what, name ? name : "?");
	return false;
}

/* A new test at @place reading @width bytes; its index in *@index. */
static struct plan_test *new_test(struct builder *b, const struct type_place *place, unsigned width,
				  unsigned *index)
{
	struct plan_test *t;

	if (b->out->n_tests == ABI_TESTS_MAX ||
	    (width != 1 && width != 2 && width != 4 && width != 8))
		return NULL;
	*index = (unsigned)b->out->n_tests;
	t = &b->out->tests[b->out->n_tests++];
	t->recipe = place->recipe;
	t->recipe.width = (uint8_t)width;
	return t;
}

/* What follows from a raw value that the profile's @choice is for; from one that it has
 * none for (NULL) test @next, or nothing. */
static struct plan_choice outcome_of(uint64_t raw, const struct profile_choice *choice,
				     unsigned next)
{
	return (struct plan_choice){
		.raw = raw,
		.label = choice && choice->label ? mem_strdup(choice->label) : NULL,
		.next = next,
		.skip = choice && !choice->label,
	};
}

static bool add_choice(struct plan_test *t, uint64_t raw, const struct profile_choice *choice,
		       unsigned next)
{
	if (t->n_choices == ABI_CHOICES_MAX)
		return false;
	t->choices = mem_grow(t->choices, t->n_choices + 1, sizeof(*t->choices));
	t->choices[t->n_choices++] = outcome_of(raw, choice, next);
	return true;
}

/* What a raw text says behind what leads there, false unless that is a number or a bool. */
static bool scalar_of(const char *raw, uint64_t *n)
{
	char *end;

	if (strcmp(raw, "true") == 0 || strcmp(raw, "false") == 0) {
		*n = raw[0] == 't';
		return true;
	}
	errno = 0;
	*n = raw[0] == '-' ? (uint64_t)strtoll(raw, &end, 0) : strtoull(raw, &end, 0);
	return !errno && !*end;
}

/* bool and integers: the raw text behind @prefix is the number. */
static bool scalar_tests(struct builder *b, const struct type_place *place, Dwarf_Die *type,
			 const char *prefix, unsigned *index)
{
	unsigned width = (unsigned)type_size(type);
	struct plan_test *t = new_test(b, place, width, index);
	size_t skip = strlen(prefix);

	if (!t)
		return refuse(b, "this size cannot be compared", type);
	for (size_t i = 0; i < b->value->n_choices; i++) {
		const char *raw = b->value->choices[i].raw;
		uint64_t n;

		if (strncmp(raw, prefix, skip) != 0)
			continue;
		if (!scalar_of(raw + skip, &n)) {
			strbuf_printf(b->why, "\"%s\" is no value of a number", raw + skip);
			return false;
		}
		if (!add_choice(t, n & mask(width), &b->value->choices[i], 0))
			return refuse(b, "too many choices", type);
	}
	return true;
}

static const struct profile_choice *choice_of(const struct builder *b, const char *path)
{
	for (size_t i = 0; i < b->value->n_choices; i++)
		if (strcmp(b->value->choices[i].raw, path) == 0)
			return &b->value->choices[i];
	return NULL;
}

static bool has_below(const struct builder *b, const char *path)
{
	size_t len = strlen(path);

	for (size_t i = 0; i < b->value->n_choices; i++)
		if (strncmp(b->value->choices[i].raw, path, len) == 0 &&
		    b->value->choices[i].raw[len] == '.')
			return true;
	return false;
}

/* Every choice must name a variant that is there, or it is a mistake in the profile. */
static bool all_named(struct builder *b, const char *prefix, Dwarf_Die *type,
		      bool (*exists)(Dwarf_Die *, const char *))
{
	size_t skip = strlen(prefix);

	for (size_t i = 0; i < b->value->n_choices; i++) {
		const char *raw = b->value->choices[i].raw;
		_free_ char *first = NULL;

		if (strncmp(raw, prefix, skip) != 0)
			continue;
		first = mem_strndup(raw + skip, strcspn(raw + skip, "."));
		if (!exists(type, first)) {
			const char *name = dwarf_diename(type);

			strbuf_printf(b->why, "no variant \"%s\" in %s", first, name ? name : "?");
			return false;
		}
	}
	return true;
}

static bool has_enumerator(Dwarf_Die *type, const char *name)
{
	Dwarf_Die die;

	if (dwarf_child(type, &die) != 0)
		return false;
	do {
		if (dwarf_tag(&die) == DW_TAG_enumerator && dwarf_diename(&die) &&
		    strcmp(dwarf_diename(&die), name) == 0)
			return true;
	} while (dwarf_siblingof(&die, &die) == 0);
	return false;
}

/* An enum without data. */
static bool enumeration_tests(struct builder *b, const struct type_place *place, Dwarf_Die *type,
			      const char *prefix)
{
	unsigned width = (unsigned)type_size(type), index;
	struct plan_test *t;
	Dwarf_Die die;

	if (!all_named(b, prefix, type, has_enumerator))
		return false;
	t = new_test(b, place, width, &index);
	if (!t || dwarf_child(type, &die) != 0)
		return refuse(b, "too deeply nested", type);
	do {
		const struct profile_choice *choice;
		_free_ char *path = NULL;
		uint64_t raw;

		if (dwarf_tag(&die) != DW_TAG_enumerator ||
		    !type_word(&die, DW_AT_const_value, &raw))
			continue;
		path = mem_printf("%s%s", prefix, dwarf_diename(&die));
		choice = choice_of(b, path);
		if (choice && !add_choice(t, raw & mask(width), choice, 0))
			return refuse(b, "too many choices", type);
	} while (dwarf_siblingof(&die, &die) == 0);
	return true;
}

/* The member of a variant, whose name is the variant's. */
static bool variant_member(Dwarf_Die *variant, Dwarf_Die *member)
{
	if (dwarf_tag(variant) != DW_TAG_variant || dwarf_child(variant, member) != 0)
		return false;
	do {
		if (dwarf_tag(member) == DW_TAG_member)
			return dwarf_diename(member) != NULL;
	} while (dwarf_siblingof(member, member) == 0);
	return false;
}

static bool has_variant(Dwarf_Die *type, const char *name)
{
	Dwarf_Die part, variant, member;

	if (!type_child(type, DW_TAG_variant_part, NULL, &part) ||
	    dwarf_child(&part, &variant) != 0)
		return false;
	do {
		if (variant_member(&variant, &member) && strcmp(dwarf_diename(&member), name) == 0)
			return true;
	} while (dwarf_siblingof(&variant, &variant) == 0);
	return false;
}

static bool enum_tests(struct builder *b, const struct type_place *place, const char *prefix,
		       unsigned *index);

/* Into a struct of one member, unless its type says secret. */
static bool enter_newtype(struct type_place *place, struct strbuf *why)
{
	return type_enter_only_member(place) && !type_is_secret(&place->type, false, why);
}

/* The payload of a variant: its struct, then the field "__0", or the only one by its name. */
static bool enter_payload(const struct type_place *place, Dwarf_Die *member, struct type_place *out)
{
	Dwarf_Attribute at;
	Dwarf_Die raw;
	uint64_t off = 0;
	struct strbuf ignored = {};
	bool ok;

	*out = *place;
	type_word(member, DW_AT_data_member_location, &off);
	if (!type_move(out, off) || !dwarf_attr(member, DW_AT_type, &at) ||
	    !dwarf_formref_die(&at, &raw) || dwarf_peel_type(&raw, &out->type) != 0)
		return false;
	ok = type_follow(out, "__0", &ignored) || enter_newtype(out, &ignored);
	strbuf_free(&ignored);
	return ok;
}

static bool one_variant(struct builder *b, const struct type_place *place, Dwarf_Die *variant,
			Dwarf_Die *member, const char *prefix, unsigned test)
{
	_free_ char *path = mem_printf("%s%s", prefix, dwarf_diename(member));
	_free_ char *below = mem_printf("%s.", path);
	const struct profile_choice *choice = choice_of(b, path);
	struct plan_test *t;
	struct type_place payload;
	unsigned next = 0;
	uint64_t raw;

	if (!choice && !has_below(b, path))
		return true;
	if (!choice) {
		if (!enter_payload(place, member, &payload))
			return refuse(b, "a variant has no payload to look into",
				      (Dwarf_Die *)&place->type);
		if (!enum_tests(b, &payload, below, &next))
			return false;
	}
	t = &b->out->tests[test];
	if (!type_word(variant, DW_AT_discr_value, &raw)) {
		if (t->otherwise.label || t->otherwise.next || t->otherwise.skip)
			return refuse(b, "two variants have no discriminant value",
				      (Dwarf_Die *)&place->type);
		t->otherwise = outcome_of(0, choice, next);
		return true;
	}
	return add_choice(t, raw & mask(t->recipe.width), choice, next);
}

/* A test that is full goes on in another at the same place; whatever is no other's moves
 * there. NULL where there is none left. */
static struct plan_test *go_on(struct builder *b, struct plan_test *full)
{
	struct type_place here = { .recipe = full->recipe };
	unsigned index;
	struct plan_test *t = new_test(b, &here, full->recipe.width, &index);

	if (!t)
		return NULL;
	t->otherwise = full->otherwise;
	full->otherwise = (struct plan_choice){ .next = index };
	return t;
}

/* Where whatever is no other's is one that a choice names, those that no choice names must
 * not fall into it: one choice each. Else all of them are unknown by themselves, and the
 * number of variants says nothing. */
static bool keep_unnamed_apart(struct builder *b, Dwarf_Die *part, const char *prefix,
			       unsigned test)
{
	struct plan_test *t = &b->out->tests[test];
	Dwarf_Die variant, member;

	if (dwarf_child(part, &variant) != 0)
		return true;
	do {
		_free_ char *path = NULL;
		uint64_t raw;

		if (!variant_member(&variant, &member))
			continue;
		path = mem_printf("%s%s", prefix, dwarf_diename(&member));
		if (choice_of(b, path) || has_below(b, path) ||
		    !type_word(&variant, DW_AT_discr_value, &raw))
			continue;
		if (t->n_choices == ABI_CHOICES_MAX)
			t = go_on(b, t);
		if (!t || !add_choice(t, raw & mask(t->recipe.width), NULL, 0))
			return false;
	} while (dwarf_siblingof(&variant, &variant) == 0);
	return true;
}

/* An enum with data: compare the discriminant, then go on into payloads.
 * A niche-coded enum has one variant without a value: whatever is no other's. */
static bool variant_tests(struct builder *b, const struct type_place *place, Dwarf_Die *type,
			  const char *prefix, unsigned *index)
{
	Dwarf_Die part, discr, variant, member, discr_type, raw_type;
	struct type_place at = *place;
	const struct plan_choice *otherwise;
	Dwarf_Attribute attr;
	uint64_t off = 0;

	if (!all_named(b, prefix, type, has_variant))
		return false;
	if (!type_child(type, DW_TAG_variant_part, NULL, &part) ||
	    !dwarf_attr(&part, DW_AT_discr, &attr) || !dwarf_formref_die(&attr, &discr) ||
	    !dwarf_attr(&discr, DW_AT_type, &attr) || !dwarf_formref_die(&attr, &raw_type) ||
	    dwarf_peel_type(&raw_type, &discr_type) != 0)
		return refuse(b, "the enum has no discriminant in memory", type);
	type_word(&discr, DW_AT_data_member_location, &off);
	if (!type_move(&at, off))
		return refuse(b, "the discriminant is nowhere near", type);
	if (!new_test(b, &at, (unsigned)type_size(&discr_type), index))
		return refuse(b, "too deeply nested", type);
	if (dwarf_child(&part, &variant) != 0)
		return false;
	do {
		if (variant_member(&variant, &member) &&
		    !one_variant(b, place, &variant, &member, prefix, *index))
			return false;
	} while (dwarf_siblingof(&variant, &variant) == 0);
	otherwise = &b->out->tests[*index].otherwise;
	if (!otherwise->label && !otherwise->next && !otherwise->skip)
		return true;
	return keep_unnamed_apart(b, &part, prefix, *index) || refuse(b, "too many variants", type);
}

/* The field that all choices behind @prefix lead to, if the struct has one of that name. */
static char *field_named(const struct builder *b, Dwarf_Die *type, const char *prefix)
{
	size_t skip = strlen(prefix), size = 0;
	const char *name = NULL;
	Dwarf_Die member;

	for (size_t i = 0; i < b->value->n_choices; i++) {
		const char *raw = b->value->choices[i].raw;

		if (strncmp(raw, prefix, skip) != 0)
			continue;
		if (name && (strncmp(raw + skip, name, size) != 0 || raw[skip + size] != '.'))
			return NULL;
		name = raw + skip;
		size = strcspn(name, ".");
		if (!name[size])
			return NULL;
	}
	if (name) {
		_free_ char *field = mem_strndup(name, size);

		if (type_child(type, DW_TAG_member, field, &member))
			return TAKE_PTR(field);
	}
	return NULL;
}

static bool enum_tests(struct builder *b, const struct type_place *place, const char *prefix,
		       unsigned *index)
{
	struct type_place inner = *place;
	Dwarf_Die type = place->type, part;
	_free_ char *field = NULL;

	if (dwarf_tag(&type) == DW_TAG_base_type)
		return scalar_tests(b, place, &type, prefix, index);
	if (dwarf_tag(&type) == DW_TAG_enumeration_type) {
		*index = (unsigned)b->out->n_tests;
		return enumeration_tests(b, place, &type, prefix);
	}
	if (type_child(&type, DW_TAG_variant_part, NULL, &part))
		return variant_tests(b, place, &type, prefix, index);
	field = field_named(b, &type, prefix);
	if (field) {
		_free_ char *below = mem_printf("%s%s.", prefix, field);

		return type_follow(&inner, field, b->why) && enum_tests(b, &inner, below, index);
	}
	/* a newtype, as errors that hide their reason are */
	if (enter_newtype(&inner, b->why))
		return enum_tests(b, &inner, prefix, index);
	return b->why->len ? false : refuse(b, "not an enum", &type);
}

bool type_tests(const struct type_place *place, const struct profile_value *value,
		struct plan_value *out, struct strbuf *why)
{
	struct builder b = { value, out, why };
	struct type_place at = *place;
	unsigned index;

	if (value->is_key)
		return word_is_address(value->path) ? type_address(place, out, why) :
						      type_key(place, out, why);
	if (value->is_number && word_is_time(value->path))
		return type_time(place, out, why);
	if (value->is_number)
		return value->kind == PROFILE_VALUE_RETURN ?
			       type_result(place, value->path, out, why) :
			       type_number(place, out, why);
	/* references to the value itself: protocol: &SignatureProtocol */
	while (dwarf_tag(&at.type) == DW_TAG_pointer_type && at.recipe.n_steps < ABI_STEPS_MAX) {
		Dwarf_Attribute attr;
		Dwarf_Die raw;

		at.recipe.add[at.recipe.n_steps++] = at.recipe.tail;
		at.recipe.tail = 0;
		if (!dwarf_attr(&at.type, DW_AT_type, &attr) || !dwarf_formref_die(&attr, &raw) ||
		    dwarf_peel_type(&raw, &at.type) != 0)
			return refuse(&b, "a pointer to nothing known", &at.type);
	}
	return enum_tests(&b, &at, "", &index);
}
