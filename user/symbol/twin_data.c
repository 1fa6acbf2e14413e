// SPDX-License-Identifier: BSD-2-Clause
/* Compares the data that two builds of a function refer to. */
#include "symbol/twin_data.h"

#include <stdlib.h>
#include <string.h>

#define OBJECT_MAX 4096 /* bytes compared of one object */
#define DEPTH_MAX 3     /* pointers followed from one reference */
#define POINTERS_MAX 512
#define NAME_MAX_LEN 4096 /* of a source file */
#define PARTS_MIN 3       /* of two paths that must agree, where their beginnings do not */

struct comparison {
	const struct twin_code *a, *b;
	struct twin_pairs *pairs;
	unsigned pointers; /* that may still be followed from this reference */
};

static bool objects_agree(struct comparison *c, uint64_t x, uint64_t y, uint64_t size,
			  unsigned depth);

/* The import behind an entry of the PLT, or NULL. */
static const char *import_at(const struct image *image, uint64_t addr)
{
	static const uint8_t endbr[] = { 0xf3, 0x0f, 0x1e, 0xfa }, jump[] = { 0xff, 0x25 };
	const uint8_t *p = image_bytes(image, addr, 16);
	uint64_t at = 0;
	int32_t disp;

	if (p && memcmp(p, endbr, sizeof(endbr)) == 0)
		at = sizeof(endbr);
	if (p && p[at] == 0xf2) /* bnd */
		at++;
	if (!p || memcmp(p + at, jump, sizeof(jump)) != 0)
		return NULL;
	memcpy(&disp, p + at + sizeof(jump), sizeof(disp));
	return image_import(image, addr + at + 6 + (uint64_t)(int64_t)disp);
}

static bool names_agree(const char *x, const char *y)
{
	return x && y ? strcmp(x, y) == 0 : !x && !y;
}

/* Two places in code: the same instruction of functions that belong together. */
static bool code_agrees(struct comparison *c, uint64_t x, uint64_t y)
{
	uint32_t f = twin_code_at(c->a, x), g = twin_code_at(c->b, y);

	if (f == TWIN_NONE && g == TWIN_NONE)
		return names_agree(import_at(c->a->image, x), import_at(c->b->image, y));
	if (f == TWIN_NONE || g == TWIN_NONE ||
	    twin_code_insn(c->a, f, x) != twin_code_insn(c->b, g, y))
		return false;
	*VEC_ADD(c->pairs) = (struct twin_pair){ f, g };
	return true;
}

static bool targets_agree(struct comparison *c, uint64_t x, uint64_t y, unsigned depth)
{
	bool code = image_executable(c->a->image, x);

	if (code != image_executable(c->b->image, y))
		return false;
	if (code)
		return code_agrees(c, x, y);
	return objects_agree(c, x, y, 0, depth);
}

static bool pointers_agree(struct comparison *c, uint64_t x, uint64_t y, unsigned depth)
{
	const char *name = image_import(c->a->image, x);

	if (!names_agree(name, image_import(c->b->image, y)))
		return false;
	if (name || depth == DEPTH_MAX || !c->pointers)
		return true;
	c->pointers--;
	return targets_agree(c, image_pointer(c->a->image, x), image_pointer(c->b->image, y),
			     depth + 1);
}

bool twin_data_position(const struct twin_code *code, uint64_t addr, struct twin_position *out)
{
	const uint8_t *p = image_bytes(code->image, addr, TWIN_POSITION_SIZE);
	uint64_t name;

	if (!p || !twin_code_pointer(code, addr) || twin_code_pointer(code, addr + 8) ||
	    twin_code_pointer(code, addr + 16))
		return false;
	name = image_pointer(code->image, addr);
	memcpy(&out->len, p + 8, 8);
	memcpy(&out->line, p + 16, 4);
	memcpy(&out->column, p + 20, 4);
	if (out->len < 4 || out->len > NAME_MAX_LEN || !out->line || !out->column ||
	    image_executable(code->image, name))
		return false;
	out->name = image_bytes(code->image, name, out->len);
	return out->name && memcmp(out->name + out->len - 3, ".rs", 3) == 0;
}

/* The same path, or the same last parts of it. */
static bool paths_agree(const struct twin_position *x, const struct twin_position *y)
{
	uint64_t n = x->len < y->len ? x->len : y->len, same = 0;
	unsigned parts = 0;

	while (same < n && x->name[x->len - 1 - same] == y->name[y->len - 1 - same])
		parts += x->name[x->len - 1 - same++] == '/';
	return parts >= PARTS_MIN || (same == x->len && same == y->len);
}

static bool positions_agree(const struct twin_position *x, const struct twin_position *y)
{
	return x->line == y->line && x->column == y->column && paths_agree(x, y);
}

static uint64_t distant(const struct image *image, uint64_t base, uint64_t at)
{
	const uint8_t *p = image_bytes(image, at, 4);
	int32_t distance = 0;

	if (p)
		memcpy(&distance, p, 4);
	return base + (uint64_t)(int64_t)distance;
}

/* An entry of a table of distances from the table's beginning: of jumps, or of strings. */
static bool distances_agree(struct comparison *c, uint64_t x, uint64_t y, uint64_t at,
			    unsigned depth)
{
	uint64_t to_x = distant(c->a->image, x, x + at), to_y = distant(c->b->image, y, y + at);

	if (depth == DEPTH_MAX || !image_bytes(c->a->image, to_x, 1) ||
	    !image_bytes(c->b->image, to_y, 1))
		return false;
	return targets_agree(c, to_x, to_y, depth + 1);
}

static bool leads_to_code(const struct twin_code *code, uint64_t base, uint64_t at)
{
	uint64_t to = distant(code->image, base, at);
	uint32_t f = twin_code_at(code, to);

	return f != TWIN_NONE && twin_code_insn(code, f, to) != TWIN_NONE;
}

/* How much of the objects at @x and @y to compare; -1 when only one is in its file. */
static int64_t common_size(const struct comparison *c, uint64_t x, uint64_t y, uint64_t size)
{
	uint64_t ex = twin_code_extent(c->a, x), ey = twin_code_extent(c->b, y);
	const uint8_t *p, *q;

	if (!size)
		size = ex < ey ? ex : ey;
	if (size > OBJECT_MAX)
		size = OBJECT_MAX;
	p = image_bytes(c->a->image, x, size ? size : 1);
	q = image_bytes(c->b->image, y, size ? size : 1);
	if (!p != !q)
		return -1;
	return p ? (int64_t)size : 0;
}

/* Two objects that should be the same. */
struct objects {
	uint64_t x, y, size;
	bool whole; /* not only what one instruction reads */
	bool jumps; /* a table of distances to code */
	unsigned depth;
};

/* One byte, pointer or distance at @at; returns how long it is, 0 when they differ. */
static uint64_t piece_agrees(struct comparison *c, const struct objects *o, uint64_t at)
{
	uint64_t x = o->x + at, y = o->y + at, left = o->size - at;
	bool pointer = twin_code_pointer(c->a, x);
	struct twin_position px, py;

	if (pointer != twin_code_pointer(c->b, y))
		return 0;
	if (pointer && left >= TWIN_POSITION_SIZE && twin_data_position(c->a, x, &px) &&
	    twin_data_position(c->b, y, &py))
		return positions_agree(&px, &py) ? TWIN_POSITION_SIZE : 0;
	if (pointer)
		return left < 8 || pointers_agree(c, x, y, o->depth) ? 8 : 0;
	if (o->jumps && at % 4 == 0 && left >= 4 && leads_to_code(c->a, o->x, x) &&
	    leads_to_code(c->b, o->y, y))
		return distances_agree(c, o->x, o->y, at, o->depth) ? 4 : 0;
	if (*image_bytes(c->a->image, x, 1) == *image_bytes(c->b->image, y, 1))
		return 1;
	return o->whole && distances_agree(c, o->x, o->y, at & ~3ull, o->depth) ? 4 - at % 4 : 0;
}

static bool objects_agree(struct comparison *c, uint64_t x, uint64_t y, uint64_t size,
			  unsigned depth)
{
	int64_t n = common_size(c, x, y, size);
	struct objects o = { x, y, n > 0 ? (uint64_t)n : 0, !size, false, depth };

	if (n < 0)
		return false;
	o.jumps = o.whole && n >= 4 && leads_to_code(c->a, x, x) && leads_to_code(c->b, y, y);
	for (uint64_t at = 0; at < o.size;) {
		uint64_t len = piece_agrees(c, &o, at);

		if (!len)
			return false;
		at += len;
	}
	return true;
}

bool twin_data_agrees(const struct twin_code *rebuild, uint32_t f, const struct twin_code *shipped,
		      uint32_t g, struct twin_pairs *pairs)
{
	const struct twin_function *fa = &rebuild->funcs[f], *fb = &shipped->funcs[g];
	struct comparison c = { .a = rebuild, .b = shipped, .pairs = pairs };

	if (fa->n_refs != fb->n_refs)
		return false;
	for (uint32_t i = 0; i < fa->n_refs; i++) {
		const struct twin_ref *x = &rebuild->refs.at[fa->ref + i];
		const struct twin_ref *y = &shipped->refs.at[fb->ref + i];
		bool same;

		c.pointers = POINTERS_MAX;
		if (x->insn != y->insn || x->size != y->size)
			return false;
		if (x->size)
			same = objects_agree(&c, x->target, y->target, x->size, 0);
		else
			same = targets_agree(&c, x->target, y->target, 0);
		if (!same)
			return false;
	}
	return true;
}
