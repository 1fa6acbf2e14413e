// SPDX-License-Identifier: BSD-2-Clause
/* Numbers as a tired person reads them. */
#include "serve/human.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define THIN_SPACE "\xe2\x80\xaf" /* U+202F, does not break */

void human_count(struct strbuf *out, uint64_t count)
{
	char digits[24];
	size_t n = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, count);

	for (size_t i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			strbuf_puts(out, THIN_SPACE);
		strbuf_putc(out, digits[i]);
	}
}

/* Three significant digits without an exponent and without zeros at the end;
 * @value is between 0 and a million. */
static void significant(struct strbuf *out, double value)
{
	int decimals = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
	char text[64];
	size_t n;

	if (value >= 999.5) {
		human_count(out, (uint64_t)llround(value));
		return;
	}
	n = (size_t)snprintf(text, sizeof(text), "%.*f", decimals, value);
	if (decimals) {
		while (text[n - 1] == '0')
			n--;
		if (text[n - 1] < '0') /* the decimal point */
			n--;
	}
	strbuf_add(out, text, n);
}

void human_rate(struct strbuf *out, double per_second)
{
	if (!(per_second >= 0 && per_second < 1e12)) {
		strbuf_puts(out, HUMAN_UNKNOWN);
		return;
	}
	if (per_second > 0 && per_second < 0.01)
		strbuf_puts(out, "<0.01");
	else
		significant(out, per_second);
	strbuf_puts(out, "/s");
}

void human_latency(struct strbuf *out, double seconds)
{
	static const struct {
		double below, unit;
		const char *name;
	} units[] = {
		{ 0.9995e-6, 1e-9, " ns" },
		{ 0.9995e-3, 1e-6, " µs" },
		{ 0.9995, 1e-3, " ms" },
		{ 999.5, 1, " s" },
	};

	if (isinf(seconds) && seconds > 0) {
		strbuf_puts(out, "off scale");
		return;
	}
	if (seconds >= 999.5 || !(seconds >= 0)) {
		human_age(out, seconds);
		return;
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (seconds >= units[i].below)
			continue;
		significant(out, seconds / units[i].unit);
		strbuf_puts(out, units[i].name);
		return;
	}
}

void human_age(struct strbuf *out, double seconds)
{
	uint64_t s;

	if (!(seconds < 1e12)) {
		strbuf_puts(out, HUMAN_UNKNOWN);
		return;
	}
	s = seconds > 0 ? (uint64_t)seconds : 0; /* clocks may disagree by a little */
	if (s < 60)
		strbuf_printf(out, "%" PRIu64 " s", s);
	else if (s < 3600)
		strbuf_printf(out, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
	else if (s < 86400)
		strbuf_printf(out, "%" PRIu64 " h %" PRIu64 " min", s / 3600, s / 60 % 60);
	else
		strbuf_printf(out, "%" PRIu64 " d %" PRIu64 " h", s / 86400, s / 3600 % 24);
}
