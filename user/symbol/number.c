// SPDX-License-Identifier: BSD-2-Clause
/* Whole numbers in memory: integers, also in newtypes, atomics and behind pointers; and times. */
#include <dwarf.h>
#include <string.h>

#include "base/mem.h"
#include "symbol/type.h"

#define NUMBER_DEPTH_MAX 16

static bool refuse(struct strbuf *why, const char *what, Dwarf_Die *type)
{
	const char *name = dwarf_diename(type);

	strbuf_printf(why, "%s is %s", name ? name : "it", what);
	return false;
}

static bool take_integer(const struct type_place *place, struct plan_value *out, struct strbuf *why)
{
	Dwarf_Die type = place->type;
	uint64_t encoding = 0, size = type_size(&type);
	struct plan_test *test = &out->tests[0];

	type_word(&type, DW_AT_encoding, &encoding);
	if (encoding == DW_ATE_boolean)
		return refuse(why, "true or false and no number; count it with a label", &type);
	if (encoding != DW_ATE_unsigned && encoding != DW_ATE_signed)
		return refuse(why, "no whole number", &type);
	if (size != 1 && size != 2 && size != 4 && size != 8)
		return refuse(why, "larger than 8 bytes", &type);
	out->reading = encoding == DW_ATE_signed ? PLAN_SIGNED : PLAN_NUMBER;
	out->n_tests = 1;
	test->recipe = place->recipe;
	test->recipe.width = (uint8_t)size;
	return true;
}

/* No number here; perhaps its length was meant. */
static bool no_number(const struct type_place *place, struct strbuf *why)
{
	struct type_place length = *place;
	_strbuf_ struct strbuf ignored = {};
	Dwarf_Die type = place->type;

	return refuse(why,
		      type_length(&length, &ignored) ? "no number; how many there are is len()" :
						       "no number",
		      &type);
}

/* From references, Box and Arc to what they own; bytes behind a raw pointer are data. */
static bool enter_pointer(struct type_place *place)
{
	const char *name = dwarf_diename(&place->type);
	bool raw = name && *name == '*';

	return type_deref(place) && !(raw && dwarf_tag(&place->type) == DW_TAG_base_type);
}

bool type_number(const struct type_place *place, struct plan_value *out, struct strbuf *why)
{
	struct type_place at = *place;

	for (unsigned depth = 0; depth < NUMBER_DEPTH_MAX; depth++) {
		if (type_is_secret(&at.type, false, why))
			return false;
		if (dwarf_tag(&at.type) == DW_TAG_base_type)
			return take_integer(&at, out, why);
		if (dwarf_tag(&at.type) == DW_TAG_pointer_type ? !enter_pointer(&at) :
								 !type_enter_wrapper(&at))
			break;
	}
	return no_number(place, why);
}

static bool take_word(const struct type_place *place, const char *member, size_t width,
		      struct plan_value *out)
{
	struct type_place at = *place;
	struct plan_test *test = &out->tests[out->n_tests];
	Dwarf_Die word;

	if (!type_member(&at.type, member, &word) || !type_enter_member(&at, &word))
		return false;
	for (unsigned depth = 0; dwarf_tag(&at.type) != DW_TAG_base_type; depth++)
		if (depth == NUMBER_DEPTH_MAX || !type_enter_wrapper(&at))
			return false;
	if (type_size(&at.type) != width)
		return false;
	test->recipe = at.recipe;
	test->recipe.width = (uint8_t)width;
	out->n_tests++;
	return true;
}

/* What an Option holds, where nothing but what is impossible in it tells that there is nothing. */
static void enter_option(struct type_place *place)
{
	struct type_place inner = *place;

	if (type_enter_payload(&inner, "Some") && type_size(&inner.type) == type_size(&place->type))
		*place = inner;
}

bool type_time(const struct type_place *place, struct plan_value *out, struct strbuf *why)
{
	struct type_place at = *place;

	while (dwarf_tag(&at.type) == DW_TAG_pointer_type)
		if (!type_deref(&at))
			return refuse(why, "a pointer to nothing known", &at.type);
	enter_option(&at);
	if (!type_is_called(&at.type, "core::time::Duration"))
		return refuse(why, "no Duration", &at.type);
	out->reading = PLAN_TIME;
	out->n_tests = 0;
	return (take_word(&at, "secs", 8, out) && take_word(&at, "nanos", 4, out)) ||
	       refuse(why, "a Duration that this agent does not know", &at.type);
}
