// SPDX-License-Identifier: BSD-2-Clause
/* Reads .eh_frame_hdr, frame descriptions and language-specific data areas. */
#include "symbol/unwind.h"

#include <dwarf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define PADS_MAX 65536

/* A bounded reader over bytes of the image; `bad` sticks. */
struct reader {
	const struct image *image;
	uint64_t addr, end;
	bool bad;
};

static uint64_t fixed(struct reader *r, size_t len)
{
	const uint8_t *p;
	uint64_t value = 0;

	if (r->bad || r->end - r->addr < len || !(p = image_bytes(r->image, r->addr, len))) {
		r->bad = true;
		return 0;
	}
	memcpy(&value, p, len);
	r->addr += len;
	return value;
}

static uint64_t uleb(struct reader *r)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint64_t byte = fixed(r, 1);

		value |= (byte & 0x7f) << shift;
		if (r->bad || !(byte & 0x80))
			return value;
	}
	r->bad = true;
	return 0;
}

static int64_t sleb(struct reader *r)
{
	uint64_t value = 0, byte = 0;
	unsigned shift = 0;

	do {
		byte = fixed(r, 1);
		value |= (byte & 0x7f) << shift;
		shift += 7;
	} while (!r->bad && (byte & 0x80) && shift < 64);
	if (shift < 64 && (byte & 0x40))
		value |= ~0ULL << shift;
	return (int64_t)value;
}

/* A DW_EH_PE encoded pointer; @base is what datarel is relative to. */
static uint64_t encoded(struct reader *r, uint8_t enc, uint64_t base)
{
	uint64_t at = r->addr, value;

	switch (enc & 0x0f) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8:
		value = fixed(r, 8);
		break;
	case DW_EH_PE_udata4:
		value = fixed(r, 4);
		break;
	case DW_EH_PE_sdata4:
		value = (uint64_t)(int64_t)(int32_t)fixed(r, 4);
		break;
	case DW_EH_PE_udata2:
		value = fixed(r, 2);
		break;
	case DW_EH_PE_sdata2:
		value = (uint64_t)(int64_t)(int16_t)fixed(r, 2);
		break;
	case DW_EH_PE_uleb128:
		value = uleb(r);
		break;
	case DW_EH_PE_sleb128:
		value = (uint64_t)sleb(r);
		break;
	default:
		r->bad = true;
		return 0;
	}
	if (!value)
		return 0;
	switch (enc & 0x70) {
	case DW_EH_PE_absptr:
		return value;
	case DW_EH_PE_pcrel:
		return value + at;
	case DW_EH_PE_datarel:
		return value + base;
	default:
		r->bad = true;
		return 0;
	}
}

/* The sorted table of .eh_frame_hdr: where each function starts, and its description. */
struct table {
	uint64_t at, count;
};

#define TABLE_ENC (DW_EH_PE_datarel | DW_EH_PE_sdata4)

static int open_table(const struct image *im, struct table *out)
{
	struct reader r = { im, im->eh_frame_hdr, UINT64_MAX, false };
	uint8_t version, ptr_enc, count_enc, table_enc;

	if (!im->eh_frame_hdr)
		return -ENOENT;
	version = (uint8_t)fixed(&r, 1);
	ptr_enc = (uint8_t)fixed(&r, 1);
	count_enc = (uint8_t)fixed(&r, 1);
	table_enc = (uint8_t)fixed(&r, 1);
	encoded(&r, ptr_enc, im->eh_frame_hdr);
	out->count = encoded(&r, count_enc, im->eh_frame_hdr);
	out->at = r.addr;
	return r.bad || version != 1 || table_enc != TABLE_ENC ? -EBADMSG : 0;
}

/* The frame description whose function starts at or before @addr. */
static int search_table(const struct image *im, uint64_t addr, uint64_t *fde)
{
	struct table table;
	struct reader r;
	uint64_t lo = 0, hi;
	int err = open_table(im, &table);

	if (err < 0)
		return err;
	for (hi = table.count; lo < hi;) {
		uint64_t mid = lo + (hi - lo) / 2;
		struct reader e = { im, table.at + mid * 8, UINT64_MAX, false };
		uint64_t start = encoded(&e, TABLE_ENC, im->eh_frame_hdr);

		if (e.bad)
			return -EBADMSG;
		if (start <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return -ENOENT;
	r = (struct reader){ im, table.at + (lo - 1) * 8 + 4, UINT64_MAX, false };
	*fde = encoded(&r, TABLE_ENC, im->eh_frame_hdr);
	return r.bad ? -EBADMSG : 0;
}

struct cie {
	uint8_t lsda_enc, fde_enc;
	bool augmented;
};

static int read_cie(const struct image *im, uint64_t addr, struct cie *cie)
{
	struct reader r = { im, addr, UINT64_MAX, false };
	uint64_t len = fixed(&r, 4);
	char aug[8];
	size_t n = 0;

	*cie = (struct cie){ .lsda_enc = DW_EH_PE_omit, .fde_enc = DW_EH_PE_absptr };
	r.end = r.addr + len;
	fixed(&r, 5); /* id and version */
	while (n < sizeof(aug) && (aug[n] = (char)fixed(&r, 1)))
		n++;
	if (r.bad || n == sizeof(aug))
		return -EBADMSG;
	uleb(&r);
	sleb(&r);
	uleb(&r);
	cie->augmented = aug[0] == 'z';
	if (cie->augmented)
		uleb(&r);
	for (size_t i = 1; i < n && cie->augmented; i++) {
		if (aug[i] == 'L')
			cie->lsda_enc = (uint8_t)fixed(&r, 1);
		else if (aug[i] == 'R')
			cie->fde_enc = (uint8_t)fixed(&r, 1);
		else if (aug[i] == 'P')
			encoded(&r, (uint8_t)fixed(&r, 1) & 0x7f, 0);
	}
	return r.bad ? -EBADMSG : 0;
}

static int read_pads(const struct image *im, uint64_t lsda, struct unwind_function *fn)
{
	struct reader r = { im, lsda, UINT64_MAX, false };
	uint64_t base = fn->low, len;
	uint8_t enc = (uint8_t)fixed(&r, 1), cs_enc;

	if (enc != DW_EH_PE_omit)
		base = encoded(&r, enc, 0);
	enc = (uint8_t)fixed(&r, 1);
	if (enc != DW_EH_PE_omit)
		uleb(&r);
	cs_enc = (uint8_t)fixed(&r, 1);
	len = uleb(&r);
	if (r.bad)
		return -EBADMSG;
	r.end = r.addr + len;
	while (!r.bad && r.addr < r.end && fn->n_pads < PADS_MAX) {
		uint64_t start = encoded(&r, cs_enc, 0), size = encoded(&r, cs_enc, 0);
		uint64_t pad = encoded(&r, cs_enc, 0);

		uleb(&r);
		if (r.bad || !pad)
			continue;
		fn->pads = mem_grow(fn->pads, fn->n_pads + 1, sizeof(*fn->pads));
		fn->pads[fn->n_pads++] =
			(struct unwind_pad){ base + start, base + start + size, base + pad };
	}
	return r.bad ? -EBADMSG : 0;
}

/* The bounds in the frame description at @fde, and where its landing pads are listed. */
static int read_frame(const struct image *im, uint64_t fde, struct unwind_bounds *out,
		      uint64_t *lsda)
{
	struct reader r = { im, fde, UINT64_MAX, false };
	uint64_t len = fixed(&r, 4), at = r.addr;
	struct cie cie;
	int err;

	r.end = r.addr + len;
	err = read_cie(im, at - fixed(&r, 4), &cie);
	if (err < 0)
		return err;
	out->low = encoded(&r, cie.fde_enc, 0);
	out->high = out->low + encoded(&r, cie.fde_enc & 0x0f, 0);
	*lsda = 0;
	if (cie.augmented && uleb(&r) && cie.lsda_enc != DW_EH_PE_omit)
		*lsda = encoded(&r, cie.lsda_enc, 0);
	return r.bad ? -EBADMSG : 0;
}

int unwind_find(const struct image *im, uint64_t addr, struct unwind_function *out)
{
	struct unwind_function fn = {};
	struct unwind_bounds bounds = {};
	uint64_t fde, lsda = 0;
	int err = search_table(im, addr, &fde);

	if (err == 0)
		err = read_frame(im, fde, &bounds, &lsda);
	if (err < 0)
		return err;
	if (addr < bounds.low || addr >= bounds.high)
		return -ENOENT;
	fn.low = bounds.low;
	fn.high = bounds.high;
	if (lsda && (err = read_pads(im, lsda, &fn)) < 0) {
		unwind_function_free(&fn);
		return err;
	}
	*out = fn;
	return 0;
}

int unwind_list(const struct image *im, struct unwind_bounds **out, size_t *n)
{
	struct table table;
	uint64_t last = 0;
	size_t found = 0;
	int err = open_table(im, &table);

	if (err < 0)
		return err;
	if (table.count > UNWIND_FUNCTIONS_MAX || !image_bytes(im, table.at, table.count * 8))
		return -EBADMSG;
	*out = mem_array(table.count, sizeof(**out));
	for (uint64_t i = 0; i < table.count; i++) {
		struct reader r = { im, table.at + i * 8 + 4, UINT64_MAX, false };
		uint64_t fde = encoded(&r, TABLE_ENC, im->eh_frame_hdr), lsda;
		struct unwind_bounds *bounds = &(*out)[found];

		if (r.bad || read_frame(im, fde, bounds, &lsda) < 0)
			continue;
		if (bounds->low >= last && bounds->low < bounds->high) {
			last = bounds->high;
			found++;
		}
	}
	*n = found;
	return 0;
}

void unwind_function_free(struct unwind_function *fn)
{
	free(fn->pads);
	*fn = (struct unwind_function){};
}
