/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers as a tired person reads them: three digits and a unit. */
#ifndef SERVE_HUMAN_H
#define SERVE_HUMAN_H

#include <stdint.h>

#include "base/strbuf.h"

#define HUMAN_UNKNOWN "–"

void human_count(struct strbuf *out, uint64_t count);   /* "1 234 567" */
void human_rate(struct strbuf *out, double per_second); /* "12.3/s", "0.05/s", "–" when NaN */
/* A latency: "850 ns", "4.51 ms", "2.4 s"; "off scale" when infinite, "–" when NaN. */
void human_latency(struct strbuf *out, double seconds);
/* An age: "12 s", "3 min 20 s", "2 h 13 min", "4 d 3 h"; "–" when NaN. */
void human_age(struct strbuf *out, double seconds);

#endif
