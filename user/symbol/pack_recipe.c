// SPDX-License-Identifier: BSD-2-Clause
/* Writes and reads recipes. */
#include "symbol/pack_recipe.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"

static const struct {
	const char *name;
	unsigned reg;
} registers[] = {
	{ "rax", ABI_REG_RAX }, { "rcx", ABI_REG_RCX }, { "rdx", ABI_REG_RDX },
	{ "rbx", ABI_REG_RBX }, { "rsp", ABI_REG_RSP }, { "rbp", ABI_REG_RBP },
	{ "rsi", ABI_REG_RSI }, { "rdi", ABI_REG_RDI }, { "r8", ABI_REG_R8 },
	{ "r9", ABI_REG_R9 },   { "r10", ABI_REG_R10 }, { "r11", ABI_REG_R11 },
	{ "r12", ABI_REG_R12 }, { "r13", ABI_REG_R13 }, { "r14", ABI_REG_R14 },
	{ "r15", ABI_REG_R15 }, { "key", ABI_REG_KEY }, { "saved", ABI_REG_SAVED },
};

static const char *register_name(unsigned reg)
{
	for (size_t i = 0; i < ARRAY_SIZE(registers); i++)
		if (registers[i].reg == reg)
			return registers[i].name;
	return "?";
}

static void write_offset(int32_t offset, struct strbuf *out)
{
	if (offset)
		strbuf_printf(out, "%+d", offset);
}

void pack_recipe_write(const struct abi_recipe *recipe, struct strbuf *out)
{
	for (unsigned i = 0; i < recipe->n_steps; i++)
		strbuf_putc(out, '[');
	strbuf_puts(out, register_name(recipe->reg));
	for (unsigned i = 0; i < recipe->n_steps; i++) {
		write_offset(recipe->add[i], out);
		strbuf_putc(out, ']');
	}
	write_offset(recipe->tail, out);
	if (recipe->width || recipe->in_register)
		strbuf_printf(out, ":%u%s", recipe->width, recipe->in_register ? "r" : "");
}

/* Returns false where @p begins with no register; whole words only. */
static bool read_register(const char **p, uint8_t *out)
{
	size_t len = 0;

	while (isalnum((unsigned char)(*p)[len]))
		len++;
	for (size_t i = 0; i < ARRAY_SIZE(registers); i++) {
		if (strlen(registers[i].name) == len && !memcmp(registers[i].name, *p, len)) {
			*out = (uint8_t)registers[i].reg;
			*p += len;
			return true;
		}
	}
	return false;
}

/* "+N", "-N" or nothing, which is 0. */
static bool read_offset(const char **p, int32_t *out)
{
	bool negative = **p == '-';
	int64_t value = 0;

	*out = 0;
	if (**p != '+' && **p != '-')
		return true;
	if (!isdigit((unsigned char)*++*p))
		return false;
	while (isdigit((unsigned char)**p)) {
		value = value * 10 + (*(*p)++ - '0');
		if (value > (int64_t)INT32_MAX + negative)
			return false;
	}
	*out = (int32_t)(negative ? -value : value);
	return true;
}

static const char *read_width(const char **p, struct abi_recipe *r)
{
	if (**p != ':')
		return NULL;
	++*p;
	if (**p != '1' && **p != '2' && **p != '4' && **p != '8')
		return "a recipe reads 1, 2, 4 or 8 bytes";
	r->width = (uint8_t)(*(*p)++ - '0');
	if (**p != 'r')
		return NULL;
	++*p;
	r->in_register = 1;
	if (r->n_steps)
		return "a recipe says register and memory at once";
	return r->tail < 0 || r->tail > 8 - r->width ? "a recipe reads past a register" : NULL;
}

size_t pack_recipe_read(const char *text, struct abi_recipe *out, const char **why)
{
	struct abi_recipe r = {};
	const char *p = text;
	unsigned steps = 0;

	while (*p == '[') {
		p++;
		if (++steps > ABI_STEPS_MAX) {
			*why = "a recipe has more than 4 steps";
			return 0;
		}
	}
	*why = "a recipe names no register";
	if (!read_register(&p, &r.reg))
		return 0;
	*why = "a recipe's offset is not between -2147483648 and 2147483647";
	r.n_steps = (__u8)steps;
	for (unsigned i = 0; i < steps; i++) {
		if (!read_offset(&p, &r.add[i]))
			return 0;
		if (*p++ != ']') {
			*why = "a recipe has no ] for its [";
			return 0;
		}
	}
	if (!read_offset(&p, &r.tail))
		return 0;
	*why = read_width(&p, &r);
	if (*why)
		return 0;
	*out = r;
	return (size_t)(p - text);
}
