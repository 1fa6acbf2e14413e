/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes a snapshot in the Prometheus text format 0.0.4 or OpenMetrics 1.0.0. */
#ifndef METRIC_EXPOSE_H
#define METRIC_EXPOSE_H

#include "base/strbuf.h"
#include "metric/snapshot.h"

enum expose_format { EXPOSE_TEXT, EXPOSE_OPENMETRICS };

void expose_write(const struct metric_snapshot *snap, enum expose_format format,
		  struct strbuf *out);

/* Chooses the format for an HTTP Accept header (NULL: none was sent) by the
 * q-values of RFC 9110 12.4.2, and its full Content-Type. */
enum expose_format expose_negotiate(const char *accept);
const char *expose_content_type(enum expose_format format);

#endif
