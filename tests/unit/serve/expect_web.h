/* SPDX-License-Identifier: BSD-2-Clause */
/* For tests of web configurations: a text in, its values or its sentence out. */
#ifndef TESTS_SERVE_EXPECT_WEB_H
#define TESTS_SERVE_EXPECT_WEB_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "serve/web_config.h"

#define _config_ __attribute__((cleanup(web_config_freep)))

/* A text with a fault: the sentence with its place. */
struct web_case {
	const char *yaml, *sentence;
};

static inline struct web_config *parse_web(const char *yaml)
{
	struct web_config *config = NULL;
	struct err err = {};

	if (web_config_parse("/etc/x/web.yml", yaml, strlen(yaml), &config, &err) < 0)
		fail_msg("unexpected: %s", err.text);
	return config;
}

static inline void expect_web_faults(const struct web_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct web_config *config = NULL;
		struct err err = {};

		assert_int_equal(
			web_config_parse("w", cases[i].yaml, strlen(cases[i].yaml), &config, &err),
			-EINVAL);
		assert_null(config);
		assert_string_equal(err.text, cases[i].sentence);
	}
}

#endif
