/* SPDX-License-Identifier: BSD-2-Clause */
/* The agent's log on standard error: logfmt or JSON, one line an event. */
#ifndef CMD_LOG_H
#define CMD_LOG_H

#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log {
	enum log_level level; /* what is below is left out */
	bool json;
};

/* False when @name is no level. */
bool log_level_parse(const char *name, enum log_level *out);

void log_at(const struct log *log, enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define log_info(log, ...) log_at(log, LOG_INFO, __VA_ARGS__)
#define log_warn(log, ...) log_at(log, LOG_WARN, __VA_ARGS__)
#define log_error(log, ...) log_at(log, LOG_ERROR, __VA_ARGS__)
#define log_debug(log, ...) log_at(log, LOG_DEBUG, __VA_ARGS__)

#endif
