// SPDX-License-Identifier: BSD-2-Clause
/*
 * Where containers keep how many elements they have: a word beside the pointer to
 * them, under a name that the standard library has not changed in years. A type that
 * is not known by its full name is only gone through if there is one way to go.
 */
#include <dwarf.h>
#include <string.h>

#include "base/mem.h"
#include "symbol/type.h"

#define LENGTH_DEPTH_MAX 24

/* Which member leads on from a type; `is_length` where it is the length itself. */
static const struct entry {
	const char *type, *member;
	bool is_length;
} known[] = {
	{ "alloc::vec::Vec", "len", true },
	{ "alloc::collections::vec_deque::VecDeque", "len", true },
	{ "alloc::collections::linked_list::LinkedList", "len", true },
	{ "alloc::collections::btree::map::BTreeMap", "length", true },
	{ "hashbrown::map::HashMap", "table", false },
	{ "hashbrown::raw::RawTableInner", "items", true },
	{ "indexmap::map::IndexMap", "core", false },
	{ "indexmap::map::core::IndexMapCore", "entries", false },
	{ "indexmap::inner::Core", "entries", false },
	{ "bytes::bytes::Bytes", "len", true },
	{ "bytes::bytes_mut::BytesMut", "len", true },
	{ "slab::Slab", "len", true },
	{ "alloc::sync::ArcInner", "data", false },
	{ "alloc::rc::RcInner", "value", false },
	{ "alloc::rc::RcBox", "value", false },
	{ "core::cell::RefCell", "value", false },
	{ "std::sync::mutex::Mutex", "data", false },
	{ "std::sync::rwlock::RwLock", "data", false },
	{ "std::sync::poison::mutex::Mutex", "data", false },
	{ "std::sync::poison::rwlock::RwLock", "data", false },
	{ "lock_api::mutex::Mutex", "data", false },
	{ "lock_api::rwlock::RwLock", "data", false },
	{ "tokio::sync::mutex::Mutex", "c", false },
	{ "tokio::sync::rwlock::RwLock", "c", false },
	{ "alloc::ffi::c_str::CString", NULL, false }, /* it counts its final zero */
};

static bool refuse(struct strbuf *why, const char *what, Dwarf_Die *type)
{
	const char *name = dwarf_diename(type);

	strbuf_printf(why, "%s (type %s)", what, name ? name : "?");
	return false;
}

bool type_member(Dwarf_Die *type, const char *name, Dwarf_Die *out)
{
	if (dwarf_child(type, out) != 0)
		return false;
	do {
		const char *have = dwarf_diename(out);

		if (dwarf_tag(out) == DW_TAG_member && have && strcmp(have, name) == 0)
			return true;
	} while (dwarf_siblingof(out, out) == 0);
	return false;
}

/* What a length must be, whatever its name: an unsigned word. */
static bool take_word(struct type_place *place, const char *name, struct strbuf *why)
{
	Dwarf_Die container = place->type, member;
	uint64_t encoding = 0;

	if (type_member(&container, name, &member) && type_enter_member(place, &member) &&
	    dwarf_tag(&place->type) == DW_TAG_base_type && type_size(&place->type) == 8 &&
	    type_word(&place->type, DW_AT_encoding, &encoding) && encoding == DW_ATE_unsigned)
		return true;
	return refuse(why, "its length is not where this agent knows it", &container);
}

/* `&[T]`, `Box<str>`, `*const ArcInner<[T]>`: a pointer and a length, called so. */
static bool is_fat_pointer(Dwarf_Die *type)
{
	const char *name = dwarf_diename(type);
	Dwarf_Die member;

	return name &&
	       (*name == '&' || *name == '*' || strncmp(name, "alloc::boxed::Box<", 18) == 0) &&
	       type_member(type, "data_ptr", &member) && type_member(type, "length", &member);
}

/* The entry of @type in the table, or NULL. */
static const struct entry *entry_of(Dwarf_Die *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (type_is_called(type, known[i].type))
			return &known[i];
	return NULL;
}

bool type_enter_wrapper(struct type_place *place)
{
	const struct entry *entry = entry_of(&place->type);
	Dwarf_Die type = place->type, member;

	if (!entry)
		return type_enter_only_member(place);
	return !entry->is_length && entry->member && type_member(&type, entry->member, &member) &&
	       type_enter_member(place, &member);
}

/* One step on; *@done when the place is the length. */
static bool step(struct type_place *place, bool *done, struct strbuf *why)
{
	const struct entry *entry;
	Dwarf_Die type = place->type;

	if (dwarf_tag(&type) == DW_TAG_pointer_type)
		return type_deref(place) || refuse(why, "it is too many pointers away", &type);
	if (dwarf_tag(&type) == DW_TAG_array_type)
		return refuse(why, "an array has one length for ever", &type);
	*done = true;
	if (is_fat_pointer(&type))
		return take_word(place, "length", why);
	entry = entry_of(&type);
	if (entry && entry->is_length)
		return take_word(place, entry->member, why);
	*done = false;
	return type_enter_wrapper(place) || refuse(why, "no length is known of it", &type);
}

bool type_length(struct type_place *place, struct strbuf *why)
{
	struct type_place at = *place;
	bool done = false;

	for (unsigned depth = 0; !done; depth++) {
		if (depth == LENGTH_DEPTH_MAX)
			return refuse(why, "no length is known of it", &place->type);
		if (type_is_secret(&at.type, true, why) || !step(&at, &done, why))
			return false;
	}
	*place = at;
	return true;
}
