// SPDX-License-Identifier: BSD-2-Clause
/*
 * Ids in memory, of which the kernel side keeps a hash: whole numbers, texts, the 16 or 32
 * bytes of a type that is called an id or a hash, the randoms of TLS, which peers send each
 * other in clear, and where something lies. Bytes of any other type are data, and never read.
 */
#include <dwarf.h>
#include <string.h>

#include "base/mem.h"
#include "symbol/type.h"

#define KEY_DEPTH_MAX 16
#define ID_BYTES 16
#define LONG_BYTES 32 /* of which the first and the last word tell as much */

static bool refuse(struct strbuf *why, const char *what, Dwarf_Die *type)
{
	const char *name = dwarf_diename(type);

	strbuf_printf(why, "%s is %s", name ? name : "it", what);
	return false;
}

/* The last word of its name says id or hash: TxId, Uuid, BlockHash. */
static bool is_called_id(Dwarf_Die *type)
{
	static const char *const ends[] = { "Id",   "ID",   "Uuid", "UUID", "Ulid",
					    "ULID", "Guid", "GUID", "Txid", "Hash" };
	const char *name = dwarf_diename(type);
	size_t size = name ? strcspn(name, "<") : 0;

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		size_t n = strlen(ends[i]);

		if (size >= n && memcmp(name + size - n, ends[i], n) == 0)
			return true;
	}
	return false;
}

/* What the hellos of TLS begin with, by its whole name: of other things that are random, most
 * are not for others to know. */
static bool is_random(Dwarf_Die *type)
{
	static const char *const names[] = { "Random", "ClientRandom", "ServerRandom" };
	const char *name = dwarf_diename(type);

	for (size_t i = 0; name && i < ARRAY_SIZE(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

/* A member of the struct in which a connection has both of them. */
static bool is_of_randoms(const struct type_place *place)
{
	Dwarf_Die owner = place->owner;
	const char *name = owner.addr ? dwarf_diename(&owner) : NULL;

	return name && strcmp(name, "ConnectionRandoms") == 0;
}

static void take_word(const struct type_place *place, size_t at, size_t width,
		      struct plan_value *out)
{
	struct plan_test *test = &out->tests[out->n_tests++];

	test->recipe = place->recipe;
	test->recipe.tail += (int32_t)at;
	test->recipe.width = (uint8_t)width;
}

/* The first and the last one of @size bytes. */
static bool take_two_words(const struct type_place *place, size_t size, struct plan_value *out)
{
	out->reading = PLAN_KEY;
	take_word(place, 0, 8, out);
	take_word(place, size - 8, 8, out);
	return true;
}

static bool take_integer(const struct type_place *place, struct plan_value *out, struct strbuf *why)
{
	Dwarf_Die type = place->type;
	uint64_t encoding = 0, size = type_size(&type);

	type_word(&type, DW_AT_encoding, &encoding);
	if (encoding != DW_ATE_unsigned && encoding != DW_ATE_signed)
		return refuse(why, "no id: a key is a whole number, a text or a Uuid", &type);
	if (size == ID_BYTES)
		return take_two_words(place, size, out);
	if (size != 1 && size != 2 && size != 4 && size != 8)
		return refuse(why, "larger than 16 bytes", &type);
	out->reading = encoding == DW_ATE_signed ? PLAN_KEY_SIGNED : PLAN_KEY;
	take_word(place, 0, size, out);
	return true;
}

static bool take_array(const struct type_place *place, bool is_id, struct plan_value *out,
		       struct strbuf *why)
{
	Dwarf_Die type = place->type, element;
	struct type_place inside = *place;
	Dwarf_Word size = 0;

	element = type;
	inside.recipe.n_steps = 0;
	if (!is_id)
		return refuse(why, "bytes of no type that is called an id, which are never read",
			      &type);
	if (dwarf_aggregate_size(&element, &size) != 0 ||
	    (size != ID_BYTES && size != LONG_BYTES) || !type_deref(&inside) ||
	    type_size(&inside.type) != 1)
		return refuse(why, "not the 16 or 32 bytes of an id", &type);
	return take_two_words(place, size, out);
}

/* A pointer to text and its length, called so. */
static bool is_str(Dwarf_Die *type)
{
	const char *name = dwarf_diename(type);

	return name && (strcmp(name, "&str") == 0 || strcmp(name, "&mut str") == 0 ||
			strncmp(name, "alloc::boxed::Box<str,", 22) == 0);
}

static bool enter(struct type_place *place, const char *name)
{
	Dwarf_Die type = place->type, member;

	return type_member(&type, name, &member) && type_enter_member(place, &member);
}

/* From the buffer of a Vec to the word that leads to its elements. */
static bool enter_buffer(struct type_place *place)
{
	for (unsigned depth = 0; depth < KEY_DEPTH_MAX; depth++) {
		if (dwarf_tag(&place->type) == DW_TAG_pointer_type)
			return true;
		if (!enter(place, "inner") && !enter(place, "ptr") && !enter(place, "pointer"))
			return false;
	}
	return false;
}

static bool is_length(struct type_place *place)
{
	return dwarf_tag(&place->type) == DW_TAG_base_type && type_size(&place->type) == 8;
}

static bool take_text(const struct type_place *place, struct plan_value *out, struct strbuf *why)
{
	struct type_place data = *place, length = *place;
	Dwarf_Die type = place->type;
	bool found;

	if (is_str(&type))
		found = enter(&data, "data_ptr") && enter(&length, "length");
	else
		found = enter(&data, "vec") && enter(&length, "vec") && enter(&length, "len") &&
			enter(&data, "buf") && enter_buffer(&data);
	if (!found || !is_length(&length))
		return refuse(why, "a text that is not where this agent knows it", &type);
	out->reading = PLAN_KEY_TEXT;
	take_word(&data, 0, 8, out);
	take_word(&length, 0, 8, out);
	return true;
}

static bool is_text(Dwarf_Die *type)
{
	return type_is_called(type, "alloc::string::String") || is_str(type);
}

/* From references, Box and Arc to what they own; bytes behind a raw pointer are data. */
static bool step(struct type_place *place)
{
	const char *name = dwarf_diename(&place->type);
	bool raw = name && *name == '*';

	if (dwarf_tag(&place->type) != DW_TAG_pointer_type)
		return type_enter_wrapper(place);
	return type_deref(place) && !(raw && dwarf_tag(&place->type) == DW_TAG_base_type);
}

bool type_key(const struct type_place *place, struct plan_value *out, struct strbuf *why)
{
	struct type_place at = *place;
	bool is_id = is_of_randoms(place);

	for (unsigned depth = 0; depth < KEY_DEPTH_MAX; depth++) {
		if (type_is_secret(&at.type, false, why))
			return false;
		is_id |= is_called_id(&at.type) || is_random(&at.type);
		if (dwarf_tag(&at.type) == DW_TAG_base_type)
			return take_integer(&at, out, why);
		if (dwarf_tag(&at.type) == DW_TAG_array_type)
			return take_array(&at, is_id, out, why);
		if (is_text(&at.type))
			return take_text(&at, out, why);
		if (!step(&at))
			break;
	}
	at = *place;
	return refuse(why, "no id: a key is a whole number, a text or a Uuid", &at.type);
}

bool type_address(const struct type_place *place, struct plan_value *out, struct strbuf *why)
{
	struct type_place at = *place;
	const char *name = dwarf_diename(&at.type);

	if (type_is_secret(&at.type, false, why))
		return false;
	if (dwarf_tag(&at.type) != DW_TAG_pointer_type || !name || *name == '*')
		return refuse(why, "no reference, which says where something lies", &at.type);
	out->reading = PLAN_KEY;
	take_word(&at, 0, 8, out);
	return true;
}
