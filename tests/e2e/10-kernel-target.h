/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program to probe, in machine code so that every site is known, and the
 * plan and profile for it, without profile files and debug information.
 */
#ifndef E2E_KERNEL_TARGET_H
#define E2E_KERNEL_TARGET_H

#include "profile/profile.h"
#include "symbol/plan.h"

/* A vote as the target keeps it; `inner` leads to the field "accepted". */
struct inner {
	uint64_t pad;
	uint32_t accepted;
};
struct vote {
	uint8_t approve;
	struct inner *inner;
};

/* A result that the caller gives room for: failed, or a code. */
struct result {
	uint8_t failed;
	uint32_t code;
};

/* Numbers of a call behind a pointer. */
struct numbers {
	int32_t delta;
	uint8_t kind;
};

/* Each function F has labels F (first instruction) and F_end (its ret). */
extern char plain[], plain_end[];
extern char recurse[], recurse_end[];
extern char leave[], leave_end[];
extern char label[], label_end[];
extern char begin[], finish[], dropped[];
extern char indirect[], indirect_end[];
extern char answer[], answer_end[];
extern char number[], number_end[];
extern char set[], set_end[];
extern char from[], from_end[];
extern char till[], till_end[];
extern char halts[];

void call_plain(void);
void call_recurse(int depth);
void call_leave(int skip_the_ret);
void call_label(const struct vote *vote);
void call_begin(const void *future);
void call_finish(const void *future);
void call_dropped(const void *future);
void call_indirect(const void *const *future);
void call_answer(const struct result *result);
void call_number(uint64_t n, const struct numbers *numbers); /* returns 3 n, as 4 bytes */
void call_set(uint64_t n, const struct numbers *numbers);    /* so does it */
void call_from(const char *text, uint64_t size);            /* begins a span, at its start */
void call_till(const char *text, uint64_t size);            /* ends it, at its end */

enum {
	F_PLAIN,
	F_RECURSE,
	F_LEAVE,
	F_LABEL,
	F_FUTURE,
	F_INDIRECT,
	F_ANSWER,
	F_NUMBER,
	F_SET,
	F_FROM,
	F_TILL,
	F_HALTS,
	N_FUNCS
};
enum {
	M_PLAIN_SECONDS,
	M_LEAVE_TOTAL,
	M_LABEL_TOTAL,
	M_FUTURE_SECONDS,
	M_ANSWER_TOTAL,
	M_DEPTH_TOTAL,
	M_NUMBER_TOTAL,
	M_NUMBER,
	M_DELTA_TOTAL,
	M_RESULT_TOTAL,
	M_LAST,
	M_DELTA,
	M_RESULT,
	M_BALANCE,
	M_SPAN,
	N_METRICS
};

struct profile *target_profile(void);
/* @with_halts adds an instance that no kernel can probe. */
struct plan *target_plan(int with_halts);
void target_plan_free(struct plan *plan);

#endif
