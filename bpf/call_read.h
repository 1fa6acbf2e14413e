/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Values of the watched program: from its registers and memory to the labels and numbers
 * of a call, as the recipes of abi.h say. Only what a profile names is ever read. */
#ifndef BPF_CALL_READ_H
#define BPF_CALL_READ_H

#include "bpf/call_tables.h"

/* One constant load for each register: the verifier allows no computed offset
 * into the context, and the compiler must not make one. */
#define LOAD(slot)                                                                             \
	({                                                                                     \
		u64 v_;                                                                        \
		asm volatile("%0 = *(u64 *)(%1 + %2)" : "=r"(v_) : "r"(ctx), "i"((slot) * 8)); \
		v_;                                                                            \
	})

static __always_inline u64 read_register(struct pt_regs *ctx, u8 reg)
{
	switch (reg) {
	case ABI_REG_R15:
		return LOAD(ABI_REG_R15);
	case ABI_REG_R14:
		return LOAD(ABI_REG_R14);
	case ABI_REG_R13:
		return LOAD(ABI_REG_R13);
	case ABI_REG_R12:
		return LOAD(ABI_REG_R12);
	case ABI_REG_RBP:
		return LOAD(ABI_REG_RBP);
	case ABI_REG_RBX:
		return LOAD(ABI_REG_RBX);
	case ABI_REG_R11:
		return LOAD(ABI_REG_R11);
	case ABI_REG_R10:
		return LOAD(ABI_REG_R10);
	case ABI_REG_R9:
		return LOAD(ABI_REG_R9);
	case ABI_REG_R8:
		return LOAD(ABI_REG_R8);
	case ABI_REG_RAX:
		return LOAD(ABI_REG_RAX);
	case ABI_REG_RCX:
		return LOAD(ABI_REG_RCX);
	case ABI_REG_RDX:
		return LOAD(ABI_REG_RDX);
	case ABI_REG_RSI:
		return LOAD(ABI_REG_RSI);
	case ABI_REG_RDI:
		return LOAD(ABI_REG_RDI);
	case ABI_REG_RSP:
		return LOAD(ABI_REG_RSP);
	}
	return 0;
}

/* Follows the dereferences; 0 when one of them cannot be read. */
__noinline u64 follow(const struct abi_recipe *recipe, u64 p)
{
	if (!recipe)
		return 0;
	for (u32 i = 0; i < ABI_STEPS_MAX; i++) {
		if (i >= recipe->n_steps)
			break;
		if (bpf_probe_read_user(&p, sizeof(p), (void *)(p + recipe->add[i])))
			return 0;
	}
	return p;
}

/* The address that a recipe of width 0 yields, 0 when it cannot be read. */
static __always_inline u64 address_of(struct pt_regs *ctx, const struct abi_recipe *recipe)
{
	u64 p = read_register(ctx, recipe->reg);

	if (recipe->n_steps) {
		p = follow(recipe, p);
		if (!p)
			return 0;
	}
	return (p + recipe->tail) & ABI_KEY_ADDRESS;
}

static __noinline u64 saved_of(struct pt_regs *ctx, const struct abi_recipe *recipe)
{
	return address_of(ctx, recipe);
}

static __always_inline u64 low_bytes(u64 v, u8 width)
{
	return width >= 8 ? v : v & ((1ull << (width * 8)) - 1);
}

/* Reads what one test compares from @p on; false when the memory is not there. */
__noinline int raw_value(const struct abi_recipe *recipe, u64 p, u64 *raw)
{
	long failed = 0;
	u64 v = 0;

	if (!recipe || !raw)
		return false;
	if (recipe->in_register) {
		*raw = low_bytes(p >> (8 * (recipe->tail & 7)), recipe->width);
		return true;
	}
	if (recipe->n_steps) {
		p = follow(recipe, p);
		if (!p)
			return false;
	}
	p += recipe->tail;
	switch (recipe->width) {
	case 0:
		v = p;
		break;
	case 1:
		failed = bpf_probe_read_user(&v, 1, (void *)p);
		break;
	case 2:
		failed = bpf_probe_read_user(&v, 2, (void *)p);
		break;
	case 4:
		failed = bpf_probe_read_user(&v, 4, (void *)p);
		break;
	default:
		failed = bpf_probe_read_user(&v, 8, (void *)p);
	}
	*raw = v;
	return !failed;
}

/* A register of the program, or one of the pseudo registers. */
static __noinline u64 read_source(struct pt_regs *ctx, u8 reg, u64 key, u64 saved)
{
	if (reg == ABI_REG_KEY)
		return key & ABI_KEY_ADDRESS;
	if (reg == ABI_REG_SAVED)
		return saved;
	return read_register(ctx, reg);
}

__noinline u32 choose(const struct abi_test *test, u64 raw)
{
	if (!test)
		return ABI_UNKNOWN;
	for (u32 i = 0; i < ABI_CHOICES_MAX; i++) {
		if (i >= test->n_choices)
			break;
		if (test->raw[i] == raw)
			return test->target[i];
	}
	return test->otherwise;
}

#define FAULT 0xffu

/* Decides on the index of a label value, ABI_UNKNOWN, or FAULT. */
static __noinline u32 decide(struct pt_regs *ctx, const struct abi_value *value, u64 key, u64 saved)
{
	u32 at = 0;

	for (u32 hop = 0; hop < ABI_TESTS_MAX; hop++) {
		const struct abi_test *test = &value->tests[at];
		u64 p = read_source(ctx, test->recipe.reg, key, saved), raw = 0;
		u32 target;

		if (!raw_value(&test->recipe, p, &raw))
			return FAULT;
		target = choose(test, raw);
		if (!(target & ABI_GOTO))
			return target;
		at = target & ~ABI_GOTO;
		if (at >= ABI_TESTS_MAX)
			break;
	}
	return ABI_UNKNOWN;
}

/* Reads what this site captures into @captured (one byte for each slot).
 * Returns the result, and above it the number of values that were unreadable. */
static __noinline u64 capture(struct pt_regs *ctx, const struct abi_site *site, u64 key, u64 saved,
			      u64 captured)
{
	for (u32 i = 0; i < ABI_VALUES_MAX; i++) {
		u32 at = site->value[i] & (ABI_VALUE_TABLE_MAX - 1);
		u32 slot = site->slot[i], shift = slot * 8, index;

		if (slot >= ABI_VALUES_MAX)
			break;
		index = decide(ctx, &values[at], key, saved);
		if (index == FAULT)
			captured += 1ull << 32;
		captured = (captured & ~(0xffull << shift)) | (u64)(index & 0xff) << shift;
	}
	return captured;
}

#define UNKNOWN_VALUES (ABI_UNKNOWN * 0x01010101u)

/* Reads a number and returns what the call's byte says of it. */
static __noinline u32 read_number(struct pt_regs *ctx, const struct abi_value *value, u64 key,
				  u64 saved, u64 *number)
{
	u32 at = 0;

	for (u32 hop = 0; hop < ABI_TESTS_MAX; hop++) {
		const struct abi_test *test = &value->tests[at];
		u64 p = read_source(ctx, test->recipe.reg, key, saved);
		u32 target;

		if (!raw_value(&test->recipe, p, number))
			return ABI_UNKNOWN;
		if (at + 1 == value->n_tests) {
			u32 sign = (test->recipe.width * 8 - 1) & 63;

			if (!value->is_signed || !(*number >> sign & 1))
				return ABI_NUMBER;
			*number |= ~0ull << sign;
			return ABI_NEGATIVE;
		}
		target = choose(test, *number);
		if (!(target & ABI_GOTO))
			return target;
		at = target & ~ABI_GOTO;
		if (at >= ABI_TESTS_MAX)
			break;
	}
	return ABI_UNKNOWN;
}

#define SECOND 1000000000ull

/* The same of a time. One of more than five centuries is none that a program means. */
static __noinline u32 read_time(struct pt_regs *ctx, const struct abi_value *value, u64 key,
				u64 saved, u64 *number)
{
	const struct abi_recipe *whole = &value->tests[0].recipe, *rest = &value->tests[1].recipe;
	u64 seconds = 0, nanoseconds = 0;

	if (!raw_value(whole, read_source(ctx, whole->reg, key, saved), &seconds) ||
	    !raw_value(rest, read_source(ctx, rest->reg, key, saved), &nanoseconds))
		return ABI_UNKNOWN;
	if (nanoseconds >= SECOND)
		return ABI_SKIP;
	if (seconds >= ~0ull / SECOND)
		return ABI_UNKNOWN;
	*number = seconds * SECOND + nanoseconds;
	return ABI_NUMBER;
}

static __noinline u32 read_hash(struct pt_regs *ctx, const struct abi_value *value, u64 key,
				u64 saved, u64 *hash);

/* Reads the numbers that this site captures into the call, and hashes of keys; returns
 * @captured with their bytes. One that is missing is booked by the metrics that lack it. */
static __noinline u32 capture_numbers(struct pt_regs *ctx, const struct abi_site *site, u64 key,
				      struct abi_call *call, u32 captured)
{
	for (u32 i = 0; i < ABI_VALUES_MAX; i++) {
		u32 at = site->value[i] & (ABI_VALUE_TABLE_MAX - 1);
		u32 slot = site->slot[i] & (ABI_VALUES_MAX - 1), said;

		if (site->slot[i] == ABI_NO_SLOT)
			break;
		if (!(site->slot[i] & ABI_NUMBER_SLOT))
			continue;
		if (values[at].hashed)
			said = read_hash(ctx, &values[at], key, call->saved, &call->number[slot]);
		else if (values[at].is_time)
			said = read_time(ctx, &values[at], key, call->saved, &call->number[slot]);
		else
			said = read_number(ctx, &values[at], key, call->saved, &call->number[slot]);
		captured = (captured & ~(0xffu << slot * 8)) | said << slot * 8;
	}
	return captured;
}

#endif
