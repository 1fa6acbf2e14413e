/* SPDX-License-Identifier: BSD-2-Clause */
/* Floating point numbers as text: as short as possible, and reading back as the same number. */
#ifndef METRIC_NUMBER_H
#define METRIC_NUMBER_H

#include "base/strbuf.h"

enum number_style {
	NUMBER_PLAIN, /* Go's %g, as every Go exporter writes: 1, 0.005, 1e+06 */
	NUMBER_FLOAT, /* the same, but visibly a float: 1.0 (OpenMetrics wants this in `le`) */
};

void number_write(struct strbuf *out, double value, enum number_style style);

#endif
