// SPDX-License-Identifier: BSD-2-Clause
/* Finds every DIE with code of the functions that a profile names. */
#include "symbol/debug.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "symbol/name.h"
#include "symbol/pages.h"
#include "symbol/unit.h"

/* A string of .debug_str that names something wanted. */
struct wanted {
	uint64_t str;
	unsigned func;
	enum debug_role role;
};

/* A subprogram DIE that is wanted, by offset. */
struct origin {
	Dwarf_Off off;
	unsigned func;
	enum debug_role role;
};

/* A subprogram DIE that stands for the copies of a method and leaves its name to the declaration
 * in its type, where that is in another unit. */
struct link {
	Dwarf_Off off, declaration;
};

struct scan {
	Dwarf *dbg;
	const struct profile *profile;
	char *needles[PROFILE_FUNCS_MAX];      /* "12process_vote" */
	char *drop_needles[PROFILE_FUNCS_MAX]; /* "::process_vote::{async_" */
	uint64_t strings_end;                  /* of .debug_str */
	VEC(struct wanted) wanted;             /* ascending by str */
	VEC(struct origin) origins;            /* ascending by off */
	VEC(struct link) links;
	bool skeletons;     /* some units perhaps stand for others */
	struct pages pages; /* how far it has come */
	struct debug_hits *hits;
};

static void want(struct scan *sc, uint64_t str, unsigned func, enum debug_role role)
{
	*VEC_ADD(&sc->wanted) = (struct wanted){ str, func, role };
}

static bool is_drop_name(const char *text)
{
	return strncmp(text, "drop_in_place<", 14) == 0 || strncmp(text, "drop_glue<", 10) == 0;
}

/* Sorts one string of .debug_str: a linkage name, or the name of drop glue. */
static void look_at_string(struct scan *sc, uint64_t off, const char *text)
{
	bool drop = is_drop_name(text);

	if (!drop && strncmp(text, "_ZN", 3) != 0 && strncmp(text, "_R", 2) != 0)
		return;
	for (unsigned f = 0; f < sc->profile->n_funcs; f++) {
		_free_ char *name = NULL;
		enum name_match m;

		if (drop) {
			if (strstr(text, sc->drop_needles[f]))
				want(sc, off, f, DEBUG_DROP);
			continue;
		}
		if (!strstr(text, sc->needles[f]) || !(name = name_demangle(text)))
			continue;
		m = name_compare(name, sc->profile->funcs[f].name);
		if (m != NAME_OTHER)
			want(sc, off, f, m == NAME_SAME ? DEBUG_PLAIN : DEBUG_POLL);
	}
}

static void scan_strings(struct scan *sc)
{
	const char *text;
	size_t len;

	sc->strings_end = 0;
	sc->pages = (struct pages){ sc->dbg, dwarf_getstring(sc->dbg, 0, NULL) };
	while ((text = dwarf_getstring(sc->dbg, sc->strings_end, &len))) {
		pages_move_on(&sc->pages, text);
		if (len > 3)
			look_at_string(sc, sc->strings_end, text);
		sc->strings_end += len + 1;
	}
}

static const struct wanted *wanted_at(const struct scan *sc, uint64_t str)
{
	size_t lo = 0, hi = sc->wanted.n;

	if (str == UNIT_NO_STRING)
		return NULL;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (sc->wanted.at[mid].str < str)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < sc->wanted.n && sc->wanted.at[lo].str == str ? &sc->wanted.at[lo] : NULL;
}

static const struct origin *origin_at(const struct scan *sc, Dwarf_Off off)
{
	size_t lo = 0, hi = sc->origins.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (sc->origins.at[mid].off < off)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < sc->origins.n && sc->origins.at[lo].off == off ? &sc->origins.at[lo] : NULL;
}

/* Calls @visit for each unit. */
static int each_unit(struct scan *sc, int (*visit)(struct scan *, struct unit *, struct err *),
		     struct err *err)
{
	struct units units;
	struct unit unit;
	int r;

	units_begin(sc->dbg, &units);
	sc->pages = (struct pages){ sc->dbg, units.info ? units.info->d_buf : NULL };
	while ((r = units_next(&units, &unit, err)) > 0) {
		sc->skeletons |= unit.skeleton;
		r = visit(sc, &unit, err);
		if (r == 0 && unit.bad)
			r = err_set(err, -EBADMSG,
				    "damaged debug information in the unit at .debug_info+0x%llx",
				    (unsigned long long)unit.off);
		unit_close(&unit);
		if (r < 0)
			return r;
	}
	return r;
}

/* Whether @named has a wanted name; then the subprogram DIE at @off is an origin. */
static void add_origins(struct scan *sc, Dwarf_Off off, const struct unit_die *named)
{
	const struct wanted *w = wanted_at(sc, named->linkage_name);

	if (!w)
		w = wanted_at(sc, named->name);
	/* one string can be wanted by several functions of the profile */
	for (; w && w < sc->wanted.at + sc->wanted.n &&
	       (w->str == named->linkage_name || w->str == named->name);
	     w++)
		*VEC_ADD(&sc->origins) = (struct origin){ off, w->func, w->role };
}

/* First pass: which subprogram DIEs carry a wanted name, or stand for the copies of a method
 * whose declaration does. */
static int find_origins(struct scan *sc, struct unit *unit, struct err *err)
{
	struct unit_die die, declaration;

	(void)err;
	while (unit_next(unit, &die)) {
		pages_move_on(&sc->pages, unit->pos);
		if (die.tag != DW_TAG_subprogram)
			continue;
		add_origins(sc, die.off, &die);
		if (!die.abstract || !die.origin)
			continue;
		if (unit_peek(unit, die.origin, &declaration))
			add_origins(sc, die.off, &declaration);
		else
			*VEC_ADD(&sc->links) = (struct link){ die.off, die.origin };
	}
	return 0;
}

struct nesting {
	Dwarf_Off subprogram; /* the concrete function around */
};

/* Second pass: concrete functions and inlined copies of the origins. */
static int find_hits(struct scan *sc, struct unit *unit, struct err *err)
{
	VEC(struct nesting) stack = {};
	Dwarf_Off around = 0;
	struct unit_die die;

	(void)err;
	while (unit_next(unit, &die)) {
		const struct origin *o = NULL;
		bool inlined = die.tag == DW_TAG_inlined_subroutine;

		pages_move_on(&sc->pages, unit->pos);
		if (!die.tag) {
			if (stack.n)
				around = stack.at[--stack.n].subprogram;
			continue;
		}
		if (die.children)
			VEC_ADD(&stack)->subprogram = around;
		if (die.tag == DW_TAG_subprogram) {
			if (die.children)
				around = die.off;
			o = origin_at(sc, die.origin ? die.origin : die.off);
			if (!o && die.origin)
				o = origin_at(sc, die.off);
		} else if (inlined) {
			o = origin_at(sc, die.origin);
		}
		for (; o && o < sc->origins.at + sc->origins.n &&
		       (o->off == die.origin || o->off == die.off);
		     o++)
			*VEC_ADD(sc->hits) = (struct debug_hit){ unit->dbg,
								 o->func,
								 o->role,
								 inlined,
								 die.off,
								 o->off,
								 inlined ? around : die.off };
	}
	free(stack.at);
	return 0;
}

/* libdw finds a DIE's unit by a look at the header of each one before it. That is done
 * here for all hits, once and with the pages given back. */
static void meet_units(struct scan *sc)
{
	struct pages pages = { sc->dbg, NULL };
	Dwarf_Off last = 0;
	Dwarf_Die cudie;

	for (size_t i = 0; i < sc->hits->n; i++)
		if (sc->hits->at[i].dbg == sc->dbg && sc->hits->at[i].die > last)
			last = sc->hits->at[i].die;
	for (Dwarf_CU *cu = NULL;
	     dwarf_get_units(sc->dbg, cu, &cu, NULL, NULL, &cudie, NULL) == 0 &&
	     dwarf_dieoffset(&cudie) < last;) {
		if (!pages.kept)
			pages.kept = cudie.addr;
		pages_move_on(&pages, cudie.addr);
	}
}

static int wanted_order(const void *a, const void *b)
{
	const struct wanted *x = a, *y = b;

	return x->str < y->str ? -1 : x->str > y->str;
}

static int origin_order(const void *a, const void *b)
{
	const struct origin *x = a, *y = b;

	return x->off < y->off ? -1 : x->off > y->off;
}

/* Of the first unit, which tells: do names lie within the strings? */
static int check_names(struct scan *sc, struct unit *unit, struct err *err)
{
	struct unit_die die;

	while (unit->off == 0 && unit_next(unit, &die))
		if (die.linkage_name != UNIT_NO_STRING && die.linkage_name >= sc->strings_end)
			return err_set(
				err, -EBADMSG,
				"damaged debug information: a name at .debug_str+0x%llx, which ends "
				"at 0x%llx",
				(unsigned long long)die.linkage_name,
				(unsigned long long)sc->strings_end);
	return 0;
}

/* What stands for the copies of a method is an origin as its declaration in another unit is. */
static void follow_links(struct scan *sc)
{
	VEC(struct origin) more = {};

	qsort(sc->origins.at, sc->origins.n, sizeof(*sc->origins.at), origin_order);
	for (size_t i = 0; i < sc->links.n; i++) {
		const struct link *link = &sc->links.at[i];
		const struct origin *o = origin_at(sc, link->declaration);

		for (; o && o < sc->origins.at + sc->origins.n && o->off == link->declaration; o++)
			*VEC_ADD(&more) = (struct origin){ link->off, o->func, o->role };
	}
	for (size_t i = 0; i < more.n; i++)
		*VEC_ADD(&sc->origins) = more.at[i];
	qsort(sc->origins.at, sc->origins.n, sizeof(*sc->origins.at), origin_order);
	free(more.at);
}

static int scan_one(struct scan *sc, struct err *err)
{
	int r;

	sc->wanted.n = sc->origins.n = sc->links.n = 0;
	scan_strings(sc);
	if (!sc->wanted.n)
		return each_unit(sc, check_names, err);
	qsort(sc->wanted.at, sc->wanted.n, sizeof(*sc->wanted.at), wanted_order);
	r = each_unit(sc, find_origins, err);
	if (r < 0 || !sc->origins.n)
		return r;
	follow_links(sc);
	r = each_unit(sc, find_hits, err);
	if (r == 0)
		meet_units(sc);
	return r;
}

static void note_missing(struct debug_hits *hits, Dwarf_Die *skeleton)
{
	Dwarf_Attribute at;
	const char *name = NULL;

	if (dwarf_attr(skeleton, DW_AT_dwo_name, &at) ||
	    dwarf_attr(skeleton, DW_AT_GNU_dwo_name, &at))
		name = dwarf_formstring(&at);
	if (!hits->missing++)
		hits->missing_name = mem_strdup(name ? name : "a .dwo file without a name");
}

/* A skeleton unit stands for one in a .dwo or .dwp file: scan that too. */
static int scan_split(struct scan *sc, struct err *err)
{
	Dwarf *main_dbg = sc->dbg, *last = NULL;
	Dwarf_CU *cu = NULL;
	Dwarf_Die cudie, subdie;
	uint8_t type;
	int r = 0;

	while (r == 0 && dwarf_get_units(main_dbg, cu, &cu, NULL, &type, &cudie, &subdie) == 0) {
		if (type != DW_UT_skeleton)
			continue;
		if (!dwarf_tag(&subdie)) {
			note_missing(sc->hits, &cudie);
			continue;
		}
		sc->dbg = dwarf_cu_getdwarf(subdie.cu);
		if (sc->dbg != last)
			r = scan_one(sc, err);
		last = sc->dbg;
	}
	sc->dbg = main_dbg;
	return r;
}

int debug_scan(Dwarf *dbg, const struct profile *profile, struct debug_hits *hits, struct err *err)
{
	struct scan sc = { .dbg = dbg, .profile = profile, .hits = hits };
	int r;

	for (unsigned f = 0; f < profile->n_funcs; f++) {
		const char *last = strrchr(profile->funcs[f].name, ':');

		last = last ? last + 1 : profile->funcs[f].name;
		sc.needles[f] = name_needle(profile->funcs[f].name);
		sc.drop_needles[f] = mem_printf("::%s::{async_", last);
	}
	r = scan_one(&sc, err);
	if (r == 0 && sc.skeletons)
		r = scan_split(&sc, err);
	for (unsigned f = 0; f < profile->n_funcs; f++) {
		free(sc.needles[f]);
		free(sc.drop_needles[f]);
	}
	free(sc.wanted.at);
	free(sc.origins.at);
	free(sc.links.at);
	return r;
}

void debug_hits_free(struct debug_hits *hits)
{
	free(hits->missing_name);
	free(hits->at);
	*hits = (struct debug_hits){};
}
