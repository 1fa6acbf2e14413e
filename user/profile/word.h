/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The words of the language: what a name of each kind must look like. Pure
 * functions over text; a word that is wrong says why and which part of it.
 */
#ifndef PROFILE_WORD_H
#define PROFILE_WORD_H

#include <stdbool.h>
#include <stddef.h>

#include "profile/profile.h"

struct word_fault {
	const char *why; /* reads on after the quoted word: `metric name "x" …` */
	size_t at, size; /* the bad part, in bytes */
};

bool word_is_profile_name(const char *text, struct word_fault *fault);
/* A Prometheus name with the suffix that its type asks for, which is none of a gauge and of
 * a histogram @of_numbers that are no times. */
bool word_is_metric_name(const char *text, enum profile_metric_type type, bool of_numbers,
			 struct word_fault *fault);
bool word_is_label_name(const char *text, struct word_fault *fault);
bool word_is_label_value(const char *text, struct word_fault *fault);
/* A Rust path: `a::b::C::f` or `<A as B>::f`, `*` for any one segment; or a function that a
 * shared library exports: `libssl.so.3:SSL_do_handshake`. */
bool word_is_function(const char *text, struct word_fault *fault);
/* An argument and fields of it, `vote.approve`, or a length, `shares.len()`, that may be
 * read: no secret. Of a C function `arg0`, or `arg0.SSL_version()`. */
bool word_is_argument(const char *text, struct word_fault *fault);
/* The same as a number: also a time, `rtt.latest.as_secs_f64()`. */
bool word_is_number(const char *text, struct word_fault *fault);
/* Whether it is a time. */
bool word_is_time(const char *number);
/* The same, or where what an argument refers to lies: `self.address()`. */
bool word_is_key(const char *text, struct word_fault *fault);
/* Which of the two it is. */
bool word_is_address(const char *key);
/* A number of a result, Ok, Ok.len() or Ok.Accepted.count, that may be read: no secret. */
bool word_is_result(const char *text, struct word_fault *fault);
/* A raw value of the program: true, 42, Pending, Ok.Accepted; of two numbers 20.134. */
bool word_is_raw(const char *text, struct word_fault *fault);
/* A time, 30s, 5m, 2h or 7d, or "never", which is 0. */
bool word_is_duration(const char *text, uint64_t *seconds, struct word_fault *fault);
/* A variable of the environment that names a node and holds no secret. */
bool word_is_variable(const char *text, struct word_fault *fault);

#endif
