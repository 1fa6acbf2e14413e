// SPDX-License-Identifier: BSD-2-Clause
/* From a path such as Ok.Accepted.count and the type of a result to the tests and the number. */
#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/near.h"
#include "symbol/type.h"

#define VARIANTS_MAX 64
#define NAMES_MAX 32

/* The number itself, where the function returns one: it has no variant and no field. */
static const char itself[] = "number";

static const char *name_of(Dwarf_Die *die)
{
	const char *name = dwarf_diename(die);

	return name ? name : "?";
}

/* The names of the variants, and in @member the one called @name; how many there are. */
static size_t list_variants(Dwarf_Die *type, const char *name, const char *names[NAMES_MAX],
			    Dwarf_Die *member, bool *found)
{
	Dwarf_Die part, variant, child;
	size_t n = 0;

	*found = false;
	if (!type_child(type, DW_TAG_variant_part, NULL, &part) ||
	    dwarf_child(&part, &variant) != 0)
		return 0;
	do {
		if (dwarf_tag(&variant) != DW_TAG_variant || dwarf_child(&variant, &child) != 0)
			continue;
		if (name && !*found && strcmp(name_of(&child), name) == 0) {
			*member = child;
			*found = true;
		}
		if (n < NAMES_MAX)
			names[n++] = name_of(&child);
	} while (dwarf_siblingof(&variant, &variant) == 0);
	return n;
}

static void add_names(struct strbuf *out, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		strbuf_printf(out, "%s%s", i ? ", " : "", names[i]);
}

static bool no_variant(Dwarf_Die *type, const char *name, const char *const *names, size_t n,
		       struct strbuf *why)
{
	size_t before;

	strbuf_printf(why, "no variant \"%s\" in %s", name, name_of(type));
	before = why->len;
	near_hint(why, name, names, n);
	if (why->len == before) {
		strbuf_puts(why, "; it has ");
		add_names(why, names, n);
	}
	return false;
}

/* An enum, also one behind references and boxes: then the place is there. */
static bool enter_enum(struct type_place *place)
{
	struct type_place at = *place;
	Dwarf_Die part;

	while (dwarf_tag(&at.type) == DW_TAG_pointer_type)
		if (!type_deref(&at))
			return false;
	if (dwarf_tag(&at.type) != DW_TAG_enumeration_type &&
	    !type_child(&at.type, DW_TAG_variant_part, NULL, &part))
		return false;
	*place = at;
	return true;
}

static void add_choice(struct plan_test *test, struct plan_choice choice)
{
	test->choices = mem_grow(test->choices, test->n_choices + 1, sizeof(*test->choices));
	test->choices[test->n_choices++] = choice;
}

/* The test that goes on with the next one for this variant and says skip for others. */
static bool test_variant(const struct type_place *place, const char *name, struct plan_value *out,
			 struct strbuf *why)
{
	uint64_t raw[VARIANTS_MAX], wanted, mask;
	struct type_place at = *place;
	struct plan_test *test;
	struct type_tag tag;
	unsigned next = (unsigned)out->n_tests + 1;
	size_t n = type_variants(&at.type, raw, VARIANTS_MAX);
	bool told;

	if (!type_tag(&at.type, &tag)) {
		if (!tag.width) /* there is but this variant */
			return true;
		strbuf_printf(why, "the variants of %s are told by %u bytes", name_of(&at.type),
			      tag.width);
		return false;
	}
	told = type_variant(&at.type, name, &wanted);
	if (next == ABI_TESTS_MAX || (!told && n > ABI_CHOICES_MAX) ||
	    !type_move(&at, tag.offset)) {
		strbuf_printf(why, "%s in %s is more than the agent can tell apart", name,
			      name_of(&at.type));
		return false;
	}
	mask = tag.width >= 8 ? ~0ULL : (1ULL << (tag.width * 8)) - 1;
	test = &out->tests[out->n_tests++];
	test->recipe = at.recipe;
	test->recipe.width = (uint8_t)tag.width;
	if (told) {
		add_choice(test, (struct plan_choice){ .raw = wanted & mask, .next = next });
		test->otherwise.skip = true;
		return true;
	}
	for (size_t i = 0; i < n; i++)
		add_choice(test, (struct plan_choice){ .raw = raw[i] & mask, .skip = true });
	test->otherwise.next = next;
	return true;
}

bool type_enter_payload(struct type_place *place, const char *name)
{
	struct type_place at = *place;
	const char *names[NAMES_MAX];
	Dwarf_Die member, first;
	bool found;

	list_variants(&at.type, name, names, &member, &found);
	if (!found || !type_enter_member(&at, &member) ||
	    !type_child(&at.type, DW_TAG_member, NULL, &first) ||
	    strcmp(name_of(&first), "__0") != 0 || !type_enter_only_member(&at))
		return false;
	*place = at;
	return true;
}

/* To what the variant @name of the enum at the place holds; @counted: its length is wanted. */
static bool enter_variant(struct type_place *place, const char *name, bool counted,
			  struct plan_value *out, struct strbuf *why)
{
	const char *names[NAMES_MAX];
	Dwarf_Die type = place->type, member;
	struct type_place held;
	bool found;
	size_t n;

	if (dwarf_tag(&type) == DW_TAG_enumeration_type) {
		strbuf_printf(why, "the variants of %s hold nothing; count them with a label",
			      name_of(&type));
		return false;
	}
	n = list_variants(&type, name, names, &member, &found);
	if (!found)
		return no_variant(&type, name, names, n, why);
	if (!test_variant(place, name, out, why))
		return false;
	if (!type_enter_member(place, &member))
		return false;
	if (!type_child(&place->type, DW_TAG_member, NULL, &member)) {
		strbuf_printf(why, "%s of %s holds nothing", name, name_of(&type));
		return false;
	}
	/* Ok(T) stands for its T, a variant with several fields or with named ones for them. */
	held = *place;
	if (strcmp(name_of(&member), "__0") == 0 && type_enter_only_member(&held))
		*place = held;
	return !type_is_secret(&place->type, counted, why);
}

/* The end of the way: one number. */
static bool take_number(const struct type_place *place, struct plan_value *out, struct strbuf *why)
{
	struct type_place at = *place;
	struct plan_value number = {};

	if (enter_enum(&at) && dwarf_tag(&at.type) != DW_TAG_enumeration_type) {
		const char *names[NAMES_MAX];
		Dwarf_Die member;
		bool found;
		size_t n = list_variants(&at.type, NULL, names, &member, &found);

		strbuf_printf(why, "%s is an enum; name one of its variants: ", name_of(&at.type));
		add_names(why, names, n);
		return false;
	}
	if (!type_number(place, &number, why))
		return false;
	out->reading = number.reading;
	out->tests[out->n_tests++].recipe = number.tests[0].recipe;
	return true;
}

/* Whether the path is the word for a result that is a number, also in a newtype. */
static bool is_itself(const struct type_place *place, const char *path)
{
	struct type_place at = *place;
	struct plan_value ignored = {};
	_strbuf_ struct strbuf why = {};

	return strcmp(path, itself) == 0 &&
	       (dwarf_tag(&at.type) == DW_TAG_base_type || type_number(&at, &ignored, &why));
}

bool type_result(const struct type_place *place, const char *path, struct plan_value *out,
		 struct strbuf *why)
{
	_free_ char *copy = mem_strdup(path);
	struct type_place at = *place;
	char *save = NULL;

	if (is_itself(place, path))
		return take_number(&at, out, why);
	if (dwarf_tag(&at.type) == DW_TAG_base_type) {
		strbuf_printf(why, "%s has nothing in it; a number itself is called \"%s\"",
			      name_of(&at.type), itself);
		return false;
	}
	for (char *seg = strtok_r(copy, ".", &save); seg; seg = strtok_r(NULL, ".", &save)) {
		bool counted = save && strcmp(save, "len()") == 0;

		if (strcmp(seg, "len()") != 0 && enter_enum(&at)) {
			if (!enter_variant(&at, seg, counted, out, why))
				return false;
		} else if (counted) {
			_free_ char *both = mem_printf("%s.len()", seg);

			if (!type_follow(&at, both, why))
				return false;
			break;
		} else if (!type_follow(&at, seg, why)) {
			return false;
		}
	}
	return take_number(&at, out, why);
}
