// SPDX-License-Identifier: BSD-2-Clause
/* Decodes every function of a file with Zydis and masks what the linker decided. */
#include "symbol/twin_code.h"

#include <Zydis/Zydis.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "symbol/unwind.h"

/* What a masked instruction begins with. */
enum mask {
	MASK_BYTES,  /* length and bytes, relocated operands as 0 */
	MASK_INSIDE, /* a branch within the function: what it is, index of its target */
	MASK_OUT,    /* a branch out of it: what it is */
};

/* One instruction of the function being read. */
struct step {
	uint32_t offset;
	uint32_t index; /* among those that are no padding; padding has that of the next */
	ZydisDecodedInstruction zi;
	ZydisDecoderContext context;
	bool padding;
};

struct reading {
	struct twin_code *code;
	struct twin_function *fn;
	const uint8_t *bytes;
	ZydisDecoder decoder;
	VEC(struct step) steps;
};

/* --- one function ------------------------------------------------------------------ */

static void read_steps(struct reading *r)
{
	uint64_t size = r->fn->high - r->fn->low;
	uint32_t index = 0;

	r->steps.n = 0;
	for (uint64_t pos = 0; pos < size;) {
		struct step *s = VEC_ADD(&r->steps);

		if (ZYAN_FAILED(ZydisDecoderDecodeInstruction(
			    &r->decoder, &s->context, r->bytes + pos, size - pos, &s->zi))) {
			r->fn->odd = true;
			return;
		}
		s->offset = (uint32_t)pos;
		s->index = index;
		s->padding = s->zi.mnemonic == ZYDIS_MNEMONIC_NOP;
		index += !s->padding;
		pos += s->zi.length;
	}
}

/* The index of the instruction at @offset, or TWIN_NONE. */
static uint32_t step_at(const struct reading *r, uint64_t offset)
{
	size_t lo = 0, hi = r->steps.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (r->steps.at[mid].offset < offset)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == r->steps.n || r->steps.at[lo].offset != offset)
		return TWIN_NONE;
	return r->steps.at[lo].index;
}

static void put(struct reading *r, const void *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		*VEC_ADD(&r->code->masked) = ((const uint8_t *)data)[i];
}

static void add_ref(struct reading *r, uint32_t insn, uint64_t target, bool branch, unsigned size)
{
	*VEC_ADD(&r->code->refs) =
		(struct twin_ref){ target, insn, branch, (uint8_t)(size < 255 ? size : 255) };
}

/* What a branch is, whatever the length of its encoding: 0f 8x and 7x are the same. */
static uint8_t branch_kind(const ZydisDecodedInstruction *zi)
{
	if (zi->meta.category == ZYDIS_CATEGORY_CALL)
		return 0xe8;
	if (zi->opcode_map == ZYDIS_OPCODE_MAP_0F && (zi->opcode & 0xf0) == 0x80)
		return 0x70 | (zi->opcode & 0x0f);
	return zi->opcode == 0xe9 ? 0xeb : zi->opcode;
}

static void put_branch(struct reading *r, const struct step *s)
{
	uint64_t next = r->fn->low + s->offset + s->zi.length;
	uint64_t target = next + (uint64_t)s->zi.raw.imm[0].value.s;
	bool inside = target >= r->fn->low && target < r->fn->high;
	uint32_t index = inside ? step_at(r, target - r->fn->low) : TWIN_NONE;
	uint8_t head[2] = { inside ? MASK_INSIDE : MASK_OUT, branch_kind(&s->zi) };

	put(r, head, sizeof(head));
	if (inside)
		put(r, &index, sizeof(index));
	else
		add_ref(r, s->index, target, true, 0);
	r->fn->odd |= inside && index == TWIN_NONE;
}

/* The reference of a rip-relative operand, with how much is read or written there. */
static void add_relative(struct reading *r, const struct step *s)
{
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	uint64_t next = r->fn->low + s->offset + s->zi.length;
	unsigned size = 0;

	if (ZYAN_SUCCESS(ZydisDecoderDecodeOperands(&r->decoder, &s->context, &s->zi, ops,
						    s->zi.operand_count)))
		for (unsigned i = 0; i < s->zi.operand_count; i++)
			if (ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
			    ops[i].mem.base == ZYDIS_REGISTER_RIP &&
			    ops[i].mem.type == ZYDIS_MEMOP_TYPE_MEM)
				size = ops[i].size / 8;
	add_ref(r, s->index, next + (uint64_t)s->zi.raw.disp.value, false, size);
}

/* In a file linked to fixed addresses a number can be one. */
static bool is_address(const struct reading *r, uint64_t value)
{
	uint64_t offset;

	return r->code->fixed && image_offset(r->code->image, value, &offset);
}

static void put_bytes(struct reading *r, const struct step *s)
{
	const ZydisDecodedInstruction *zi = &s->zi;
	uint8_t bytes[2 + ZYDIS_MAX_INSTRUCTION_LENGTH] = { MASK_BYTES, zi->length };
	bool relative = zi->attributes & ZYDIS_ATTRIB_IS_RELATIVE;

	memcpy(bytes + 2, r->bytes + s->offset, zi->length);
	if (relative) {
		memset(bytes + 2 + zi->raw.disp.offset, 0, zi->raw.disp.size / 8);
		add_relative(r, s);
	} else if (zi->raw.disp.size == 32 && is_address(r, (uint64_t)zi->raw.disp.value)) {
		memset(bytes + 2 + zi->raw.disp.offset, 0, 4);
		add_ref(r, s->index, (uint64_t)zi->raw.disp.value, false, 0);
	}
	for (unsigned i = 0; i < 2; i++) {
		if (zi->raw.imm[i].size < 32 || !is_address(r, zi->raw.imm[i].value.u))
			continue;
		memset(bytes + 2 + zi->raw.imm[i].offset, 0, zi->raw.imm[i].size / 8);
		add_ref(r, s->index, zi->raw.imm[i].value.u, false, 0);
	}
	put(r, bytes, 2u + zi->length);
}

static uint64_t hash_of(const uint8_t *bytes, size_t len)
{
	uint64_t hash = 0xcbf29ce484222325ull; /* FNV-1a */

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3ull;
	return hash;
}

/* Of a file without a single instruction there is no memory at all. */
static const uint8_t *masked_of(const struct twin_code *code, const struct twin_function *fn)
{
	static const uint8_t none[1];

	return fn->n_masked ? code->masked.at + fn->masked : none;
}

static void read_function(struct reading *r)
{
	struct twin_code *code = r->code;
	struct twin_function *fn = r->fn;

	fn->insn = (uint32_t)code->insns.n;
	fn->ref = (uint32_t)code->refs.n;
	fn->masked = (uint32_t)code->masked.n;
	r->bytes = image_bytes(code->image, fn->low, fn->high - fn->low);
	fn->odd = !r->bytes || !image_executable(code->image, fn->low);
	if (!fn->odd)
		read_steps(r);
	for (size_t i = 0; i < r->steps.n && !fn->odd; i++) {
		const struct step *s = &r->steps.at[i];

		if (s->padding)
			continue;
		*VEC_ADD(&code->insns) = (struct twin_insn){ s->offset, s->zi.length, fn->n_calls };
		fn->n_calls += s->zi.meta.category == ZYDIS_CATEGORY_CALL;
		if ((s->zi.attributes & ZYDIS_ATTRIB_IS_RELATIVE) && s->zi.raw.imm[0].is_relative)
			put_branch(r, s);
		else
			put_bytes(r, s);
	}
	fn->n_insns = (uint32_t)code->insns.n - fn->insn;
	fn->n_refs = (uint32_t)code->refs.n - fn->ref;
	fn->n_masked = (uint32_t)code->masked.n - fn->masked;
	fn->hash = hash_of(masked_of(code, fn), fn->n_masked);
}

/* --- the whole file ------------------------------------------------------------------ */

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void find_starts(struct twin_code *code)
{
	const struct image *im = code->image;
	size_t n = 0;

	for (size_t i = 0; i < code->refs.n; i++)
		if (!code->refs.at[i].branch)
			*VEC_ADD(&code->starts) = code->refs.at[i].target;
	for (size_t i = 0; i < im->n_relocs; i++)
		if (im->relocs[i].value)
			*VEC_ADD(&code->starts) = im->relocs[i].value;
	for (size_t i = 0; i < im->n_segments; i++)
		*VEC_ADD(&code->starts) = im->segments[i].vaddr + im->segments[i].size;
	qsort(code->starts.at, code->starts.n, sizeof(*code->starts.at), by_value);
	for (size_t i = 0; i < code->starts.n; i++)
		if (!n || code->starts.at[n - 1] != code->starts.at[i])
			code->starts.at[n++] = code->starts.at[i];
	code->starts.n = n;
}

int twin_code_open(const struct image *image, struct twin_code **out, struct err *err)
{
	_cleanup_(twin_code_freep) struct twin_code *code = mem_alloc(sizeof(*code));
	struct reading reading = { .code = code };
	_free_ struct unwind_bounds *bounds = NULL;
	size_t n = 0;
	int r = unwind_list(image, &bounds, &n);

	if (r < 0)
		return err_set(err, r,
			       "%s has no table of its functions (.eh_frame_hdr) that can be read",
			       image->path);
	code->image = image;
	code->fixed = image_is_fixed(image);
	code->n_funcs = (uint32_t)n;
	code->funcs = mem_array(n, sizeof(*code->funcs));
	ZydisDecoderInit(&reading.decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	for (size_t i = 0; i < n; i++) {
		reading.fn = &code->funcs[i];
		reading.fn->low = bounds[i].low;
		reading.fn->high = bounds[i].high;
		read_function(&reading);
	}
	free(reading.steps.at);
	find_starts(code);
	*out = TAKE_PTR(code);
	return 0;
}

void twin_code_free(struct twin_code *code)
{
	if (!code)
		return;
	free(code->funcs);
	free(code->insns.at);
	free(code->refs.at);
	free(code->masked.at);
	free(code->starts.at);
	free(code);
}

void twin_code_freep(struct twin_code **code)
{
	twin_code_free(*code);
}

uint32_t twin_code_at(const struct twin_code *code, uint64_t addr)
{
	uint32_t lo = 0, hi = code->n_funcs;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (code->funcs[mid].low <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && addr < code->funcs[lo - 1].high ? lo - 1 : TWIN_NONE;
}

uint32_t twin_code_from(const struct twin_code *code, uint32_t f, uint64_t addr)
{
	const struct twin_function *fn = &code->funcs[f];
	const struct twin_insn *at = fn->n_insns ? code->insns.at + fn->insn : NULL;
	uint32_t lo = 0, hi = fn->n_insns;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (fn->low + at[mid].offset < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

uint32_t twin_code_insn(const struct twin_code *code, uint32_t f, uint64_t addr)
{
	uint32_t i = twin_code_from(code, f, addr);

	return i < code->funcs[f].n_insns && twin_code_address(code, f, i) == addr ? i : TWIN_NONE;
}

uint64_t twin_code_address(const struct twin_code *code, uint32_t f, uint32_t insn)
{
	return code->funcs[f].low + code->insns.at[code->funcs[f].insn + insn].offset;
}

uint64_t twin_code_extent(const struct twin_code *code, uint64_t addr)
{
	size_t lo = 0, hi = code->starts.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (code->starts.at[mid] <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < code->starts.n ? code->starts.at[lo] - addr : 0;
}

bool twin_code_pointer(const struct twin_code *code, uint64_t addr)
{
	uint64_t offset;

	if (!code->fixed || addr % 8)
		return image_is_pointer(code->image, addr);
	return image_offset(code->image, image_pointer(code->image, addr), &offset);
}

bool twin_code_equal(const struct twin_code *a, uint32_t fa, const struct twin_code *b, uint32_t fb)
{
	const struct twin_function *x = &a->funcs[fa], *y = &b->funcs[fb];

	return !x->odd && !y->odd && x->hash == y->hash && x->n_masked == y->n_masked &&
	       memcmp(masked_of(a, x), masked_of(b, y), x->n_masked) == 0;
}
