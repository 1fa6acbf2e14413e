// SPDX-License-Identifier: BSD-2-Clause
/* Looks at the scope of an inlined poll with libdw. */
#include "symbol/caller.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define DEPTH_MAX 64

static const char *name_of(Dwarf_Die *die)
{
	Dwarf_Attribute at;
	const char *name = NULL;

	if (dwarf_attr_integrate(die, DW_AT_name, &at))
		name = dwarf_formstring(&at);
	return name ? name : "";
}

static bool type_of(Dwarf_Die *die, Dwarf_Die *out)
{
	Dwarf_Attribute at;
	Dwarf_Die raw;

	return dwarf_attr_integrate(die, DW_AT_type, &at) && dwarf_formref_die(&at, &raw) &&
	       dwarf_peel_type(&raw, out) == 0;
}

static unsigned number_of(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute at;
	Dwarf_Word n;

	if (!dwarf_attr_integrate(die, name, &at) || dwarf_formudata(&at, &n) != 0 ||
	    n > UINT32_MAX)
		return 0;
	return (unsigned)n;
}

static const char *file_of(Dwarf_Die *unit, unsigned index)
{
	Dwarf_Files *files;
	size_t n;

	return dwarf_getsrcfiles(unit, &files, &n) == 0 && index < n ?
		       dwarf_filesrc(files, index, NULL, NULL) :
		       NULL;
}

/* --- where the poll was inlined ------------------------------------------------------ */

/* The innermost function or inlined function around the DIE at @wanted, from @die down:
 * DIEs lie in the file in the order of a walk. */
static bool find_scope(Dwarf_Die die, Dwarf_Off wanted, Dwarf_Die *scope)
{
	*scope = die;
	for (unsigned depth = 0; depth < DEPTH_MAX; depth++) {
		Dwarf_Die child, last;
		bool found = false;

		if (dwarf_child(&die, &child) != 0)
			return false;
		do {
			if (dwarf_dieoffset(&child) == wanted)
				return true;
			if (dwarf_dieoffset(&child) > wanted)
				break;
			last = child;
			found = true;
		} while (dwarf_siblingof(&child, &child) == 0);
		if (!found)
			return false;
		die = last;
		if (dwarf_tag(&die) == DW_TAG_inlined_subroutine)
			*scope = die;
	}
	return false;
}

static void take_ranges(Dwarf_Die *die, struct ranges *out)
{
	Dwarf_Addr base, from, to;

	for (ptrdiff_t at = 0; (at = dwarf_ranges(die, at, &base, &from, &to)) > 0;)
		if (from < to)
			*VEC_ADD(out) = (struct range){ from, to };
}

/* The result and how Poll<T> is told from Pending. */
static bool take_types(struct caller *out, struct strbuf *why)
{
	struct type_place ready = {};

	if (!type_of(&out->origin, &out->poll) || !type_tag(&out->poll, &out->tag) ||
	    !type_variant(&out->poll, "Pending", &out->pending)) {
		strbuf_puts(why, "the debug information does not describe what it returns");
		return false;
	}
	ready.type = out->poll;
	type_enter_ready(&ready);
	out->result = ready.type;
	return true;
}

/* --- lines ------------------------------------------------------------------------------ */

/* Whether @addr lies in something that was inlined into @die. */
static bool in_nested(Dwarf_Die *die, uint64_t addr, unsigned depth)
{
	Dwarf_Die child;

	if (depth == DEPTH_MAX || dwarf_child(die, &child) != 0)
		return false;
	do {
		int tag = dwarf_tag(&child);

		if (tag == DW_TAG_inlined_subroutine && dwarf_haspc(&child, addr) == 1)
			return true;
		if (tag == DW_TAG_lexical_block && in_nested(&child, addr, depth + 1))
			return true;
	} while (dwarf_siblingof(&child, &child) == 0);
	return false;
}

enum caller_line caller_line(const struct caller *caller, uint64_t addr)
{
	Dwarf_Die unit = caller->unit, scope = caller->scope;
	Dwarf_Line *row = dwarf_getsrc_die(&unit, addr);
	const char *file = row ? dwarf_linesrc(row, NULL, NULL) : NULL;
	int line = 0, column = 0;

	if (!file || !caller->file || strcmp(file, caller->file) != 0 || !caller->line ||
	    dwarf_lineno(row, &line) != 0 || (unsigned)line != caller->line ||
	    dwarf_haspc(&scope, addr) != 1 || in_nested(&scope, addr, 0))
		return CALLER_ELSEWHERE;
	return caller->column && dwarf_linecol(row, &column) == 0 &&
			       (unsigned)column == caller->column ?
		       CALLER_EXACTLY :
		       CALLER_LINE;
}

/* --- variables ---------------------------------------------------------------------------- */

bool caller_same_type(Dwarf_Die *a, Dwarf_Die *b)
{
	_free_ char *x = NULL, *y = NULL;

	if (dwarf_dieoffset(a) == dwarf_dieoffset(b))
		return true;
	if (strcmp(name_of(a), name_of(b)) != 0 || type_size(a) != type_size(b))
		return false;
	x = type_name(a);
	y = type_name(b);
	return strcmp(x, y) == 0;
}

bool caller_has_type(Dwarf_Die *variable, Dwarf_Die wanted)
{
	Dwarf_Die type;

	return type_of(variable, &type) && caller_same_type(&type, &wanted);
}

/* A constant of one operation. */
static bool literal(const Dwarf_Op *op, uint64_t *out)
{
	if (op->atom >= DW_OP_lit0 && op->atom <= DW_OP_lit31) {
		*out = op->atom - DW_OP_lit0;
		return true;
	}
	switch (op->atom) {
	case DW_OP_const1u:
	case DW_OP_const1s:
	case DW_OP_const2u:
	case DW_OP_const2s:
	case DW_OP_const4u:
	case DW_OP_const4s:
	case DW_OP_const8u:
	case DW_OP_const8s:
	case DW_OP_constu:
	case DW_OP_consts:
		*out = op->number;
		return true;
	default:
		return false;
	}
}

/* One piece: a register, or a constant that is the value. */
static struct caller_place place_of(const Dwarf_Op *op, size_t n)
{
	struct caller_place place = {};

	if (n == 1 && op->atom >= DW_OP_reg0 && op->atom <= DW_OP_reg31) {
		place.reg = code_dwarf_reg(op->atom - DW_OP_reg0);
		place.kind = place.reg == REG_NONE ? CALLER_NOWHERE : CALLER_REGISTER;
	} else if (n == 2 && op[1].atom == DW_OP_stack_value && literal(op, &place.constant)) {
		place.kind = CALLER_CONSTANT;
	}
	return place;
}

/* The piece of a variable that begins where the tag does and has all of it. */
static struct caller_place tag_place(const Dwarf_Op *expr, size_t len, const struct type_tag *tag)
{
	size_t from = 0, offset = 0;

	for (size_t i = 0; i < len; i++) {
		if (expr[i].atom != DW_OP_piece)
			continue;
		if (offset == tag->offset)
			return expr[i].number >= tag->width ? place_of(expr + from, i - from) :
							      (struct caller_place){};
		offset += expr[i].number;
		from = i + 1;
	}
	/* without pieces the expression is for the whole variable */
	return from || tag->offset ? (struct caller_place){} : place_of(expr, len);
}

static struct caller_place place_at(const struct caller *caller, Dwarf_Die *variable, uint64_t addr)
{
	Dwarf_Attribute at;
	Dwarf_Op *expr;
	size_t len;

	if (!dwarf_attr(variable, DW_AT_location, &at) ||
	    dwarf_getlocation_addr(&at, addr, &expr, &len, 1) != 1)
		return (struct caller_place){};
	return tag_place(expr, len, &caller->tag);
}

static void take_place(struct caller_place *out, struct caller_place found)
{
	if (found.kind == CALLER_NOWHERE)
		return;
	if (out->kind == CALLER_NOWHERE)
		*out = found;
	else if (out->kind != found.kind || out->reg != found.reg ||
		 out->constant != found.constant)
		out->kind = CALLER_CONFLICT;
}

/* <Result<T, E> as Try>::branch, which is what `?` calls. */
static bool is_question_mark(Dwarf_Die *call)
{
	const char *name = name_of(call);

	return strncmp(name, "branch", 6) == 0 && (!name[6] || name[6] == '<');
}

/* Whether the inlined function takes what the poll returned: it is called in the same
 * line, behind it, or it is the `?`; and only one of its parameters can be it. */
static bool takes_result(const struct caller *caller, Dwarf_Die *call, Dwarf_Die *parameter)
{
	Dwarf_Die unit = caller->unit, child;
	const char *file = file_of(&unit, number_of(call, DW_AT_call_file));
	bool behind = number_of(call, DW_AT_call_column) > caller->column;
	unsigned n = 0;

	if (!caller->line || number_of(call, DW_AT_call_line) != caller->line || !file ||
	    !caller->file || strcmp(file, caller->file) != 0 ||
	    (!behind && !is_question_mark(call)) || dwarf_child(call, &child) != 0)
		return false;
	do {
		if (dwarf_tag(&child) == DW_TAG_formal_parameter &&
		    caller_has_type(&child, caller->result)) {
			*parameter = child;
			n++;
		}
	} while (dwarf_siblingof(&child, &child) == 0);
	return n == 1;
}

/* The variable of the await's own match, or a `let` of that name. */
static bool is_result(const struct caller *caller, Dwarf_Die *variable)
{
	return strcmp(name_of(variable), "result") == 0 &&
	       number_of(variable, DW_AT_decl_line) == caller->line &&
	       caller_has_type(variable, caller->result);
}

/* Of core's Result and Option. */
static bool is_method(Dwarf_Die *call)
{
	const char *file = dwarf_decl_file(call);

	return file && (strstr(file, "/core/src/result.rs") || strstr(file, "/core/src/option.rs"));
}

int64_t caller_result_offset(const struct caller *caller)
{
	struct type_place ready = { .type = caller->poll };

	type_enter_ready(&ready);
	return ready.recipe.tail;
}

static void add_name(struct caller *caller, Dwarf_Die die, Dwarf_Die scope, bool untouched,
		     bool exact)
{
	bool poll = caller_has_type(&die, caller->poll);

	*VEC_ADD(&caller->names) = (struct caller_name){ die, untouched };
	*VEC_ADD(&caller->parts) =
		(struct caller_named){ die, scope, poll ? 0 : caller_result_offset(caller), exact };
}

/* Whether the block is that of the await itself: the poll and what it polls are in it. */
static bool is_await_block(const struct caller *caller, Dwarf_Die *block)
{
	Dwarf_Off poll = dwarf_dieoffset((Dwarf_Die *)&caller->die);
	Dwarf_Die next = *block, child;

	if (poll < dwarf_dieoffset(block) ||
	    (dwarf_siblingof(block, &next) == 0 && poll > dwarf_dieoffset(&next)) ||
	    dwarf_child(block, &child) != 0)
		return false;
	do {
		if (dwarf_tag(&child) == DW_TAG_variable &&
		    strcmp(name_of(&child), "__awaitee") == 0)
			return true;
	} while (dwarf_siblingof(&child, &child) == 0);
	return false;
}

/* The variable by which `?` takes what is in Ok or Some out of the result; @offset where
 * that is. */
static bool is_taken_out(const struct caller *caller, Dwarf_Die *variable, int64_t *offset)
{
	struct type_place place = { .type = caller->poll };

	if (strcmp(name_of(variable), "val") != 0 ||
	    number_of(variable, DW_AT_decl_line) != caller->line)
		return false;
	type_enter_ready(&place);
	if (!type_enter_payload(&place, "Ok") && !type_enter_payload(&place, "Some"))
		return false;
	*offset = place.recipe.tail;
	return caller_has_type(variable, place.type);
}

static void collect_taken_out(struct caller *caller, Dwarf_Die *scope, unsigned depth, size_t *n)
{
	Dwarf_Die child;
	int64_t offset;

	if (depth == DEPTH_MAX || dwarf_child(scope, &child) != 0)
		return;
	do {
		if (dwarf_tag(&child) == DW_TAG_lexical_block)
			collect_taken_out(caller, &child, depth + 1, n);
		else if (dwarf_tag(&child) == DW_TAG_variable &&
			 is_taken_out(caller, &child, &offset) && !(*n)++)
			*VEC_ADD(&caller->parts) =
				(struct caller_named){ child, *scope, offset, false };
	} while (dwarf_siblingof(&child, &child) == 0);
}

static void collect_names(struct caller *caller, Dwarf_Die *scope, unsigned depth, bool await)
{
	Dwarf_Die child, parameter;

	if (depth == DEPTH_MAX || dwarf_child(scope, &child) != 0)
		return;
	do {
		int tag = dwarf_tag(&child);

		if (tag == DW_TAG_lexical_block)
			collect_names(caller, &child, depth + 1,
				      await || is_await_block(caller, &child));
		else if (tag == DW_TAG_variable && caller_has_type(&child, caller->poll))
			add_name(caller, child, *scope, true, false);
		else if (tag == DW_TAG_variable && is_result(caller, &child))
			add_name(caller, child, *scope, false, await);
		else if (tag == DW_TAG_inlined_subroutine &&
			 dwarf_dieoffset(&child) != dwarf_dieoffset(&caller->die) &&
			 takes_result(caller, &child, &parameter)) {
			add_name(caller, parameter, child, true, false);
			if (is_method(&child))
				*VEC_ADD(&caller->matches) = child;
		}
	} while (dwarf_siblingof(&child, &child) == 0);
}

struct caller_place caller_names(const struct caller *caller, uint64_t addr)
{
	struct caller_place place = {};

	for (size_t i = 0; i < caller->names.n; i++) {
		struct caller_name *name = &caller->names.at[i];
		struct caller_place found = place_at(caller, &name->die, addr);

		if (name->untouched || found.kind != CALLER_CONSTANT)
			take_place(&place, found);
	}
	return place;
}

/* A variable, or a piece of one, that lies in memory at a register's distance. */
static struct caller_place memory_of(const Dwarf_Op *op, size_t n, int64_t offset)
{
	struct caller_place place = { .kind = CALLER_MEMORY };

	if (n != 1 || op->atom < DW_OP_breg0 || op->atom > DW_OP_breg31)
		return (struct caller_place){};
	place.reg = code_dwarf_reg(op->atom - DW_OP_breg0);
	place.offset = (int64_t)op->number + offset;
	if (place.reg == REG_NONE)
		place.kind = CALLER_NOWHERE;
	return place;
}

/* Where @width bytes at @wanted of a variable are. */
static struct caller_place part_place(const Dwarf_Op *expr, size_t len, uint64_t wanted,
				      unsigned width)
{
	size_t from = 0;
	uint64_t offset = 0;
	struct caller_place place;

	for (size_t i = 0; i < len; i++) {
		if (expr[i].atom != DW_OP_piece)
			continue;
		if (offset <= wanted && wanted + width <= offset + expr[i].number) {
			place = memory_of(expr + from, i - from, (int64_t)(wanted - offset));
			return place.kind == CALLER_NOWHERE && offset == wanted ?
				       place_of(expr + from, i - from) :
				       place;
		}
		offset += expr[i].number;
		from = i + 1;
	}
	if (from)
		return (struct caller_place){};
	place = memory_of(expr, len, (int64_t)wanted);
	return place.kind == CALLER_NOWHERE && !wanted ? place_of(expr, len) : place;
}

struct caller_place caller_part(const struct caller *caller, uint64_t addr, int64_t offset,
				unsigned width)
{
	struct caller_place found = {};

	for (size_t i = 0; i < caller->parts.n; i++) {
		struct caller_named *part = &caller->parts.at[i];
		struct caller_place place = {};
		Dwarf_Attribute at;
		Dwarf_Op *expr;
		size_t len;

		if (offset >= part->offset && dwarf_haspc(&part->scope, addr) == 1 &&
		    dwarf_attr(&part->die, DW_AT_location, &at) &&
		    dwarf_getlocation_addr(&at, addr, &expr, &len, 1) == 1)
			place = part_place(expr, len, (uint64_t)(offset - part->offset), width);
		if (place.kind == CALLER_CONSTANT)
			continue;
		place.exact = part->exact;
		if (found.kind == CALLER_REGISTER && place.kind == CALLER_REGISTER &&
		    found.reg != place.reg)
			return (struct caller_place){ .kind = CALLER_CONFLICT };
		if (found.kind == CALLER_NOWHERE || place.kind == CALLER_REGISTER)
			found = place.kind == CALLER_NOWHERE ? found : place;
	}
	return found;
}

bool caller_matches(const struct caller *caller, uint64_t addr)
{
	for (size_t i = 0; i < caller->matches.n; i++) {
		Dwarf_Die die = caller->matches.at[i];

		if (dwarf_haspc(&die, addr) == 1 && !in_nested(&die, addr, 0))
			return true;
	}
	return false;
}

/* --- the whole -------------------------------------------------------------------------------- */

bool caller_open(const struct debug_hit *hit, struct caller *out, struct strbuf *why)
{
	size_t taken = 0;

	*out = (struct caller){};
	if (!dwarf_offdie(hit->dbg, hit->die, &out->die) ||
	    !dwarf_offdie(hit->dbg, hit->origin, &out->origin) ||
	    !dwarf_offdie(hit->dbg, hit->enclosing, &out->around) ||
	    !dwarf_diecu(&out->die, &out->unit, NULL, NULL) ||
	    !find_scope(out->around, hit->die, &out->scope)) {
		strbuf_puts(why, "the debug information does not say where it was inlined");
		return false;
	}
	if (!take_types(out, why))
		return false;
	out->line = number_of(&out->die, DW_AT_call_line);
	out->column = number_of(&out->die, DW_AT_call_column);
	out->file = file_of(&out->unit, number_of(&out->die, DW_AT_call_file));
	take_ranges(&out->die, &out->ranges);
	collect_names(out, &out->scope, 0, false);
	collect_taken_out(out, &out->scope, 0, &taken);
	if (taken > 1) /* of which one is it? the last part is the first of them */
		out->parts.n--;
	caller_find_slots(out);
	return true;
}

void caller_close(struct caller *caller)
{
	ranges_free(&caller->ranges);
	free(caller->names.at);
	free(caller->parts.at);
	free(caller->matches.at);
	free(caller->slots.at);
	*caller = (struct caller){};
}
