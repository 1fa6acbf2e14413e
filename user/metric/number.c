// SPDX-License-Identifier: BSD-2-Clause
/*
 * The shortest decimal digits that read back as the same double, laid out as
 * Go's %g does it (OpenMetrics 1.0.0, "Canonical Numbers"): an exponent below
 * 1e-04 and from 1e+06 on, with two digits at least. C's own %g cannot serve: it
 * has no shortest form and a `le` of 0.1 must not turn into 0.10000000000000001.
 */
#include "metric/number.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX 17 /* enough for any double */

struct decimal {
	bool negative;
	char digits[DIGITS_MAX + 1];
	int n;        /* how many digits, without trailing zeros */
	int exponent; /* d.ddd * 10^exponent */
};

/* Only digits and the exponent are taken from printf's text, so the locale's
 * decimal point does not matter. */
static struct decimal shortest(double value)
{
	struct decimal dec = {};
	char text[DIGITS_MAX + 16];

	for (int precision = 0; precision < DIGITS_MAX; precision++) {
		snprintf(text, sizeof(text), "%.*e", precision, value);
		if (strtod(text, NULL) == value)
			break;
	}
	dec.negative = text[0] == '-';
	for (const char *p = text; *p && *p != 'e'; p++)
		if (*p >= '0' && *p <= '9')
			dec.digits[dec.n++] = *p;
	dec.exponent = atoi(strchr(text, 'e') + 1);
	while (dec.n > 1 && dec.digits[dec.n - 1] == '0')
		dec.n--;
	return dec;
}

static void write_exponential(struct strbuf *out, const struct decimal *dec)
{
	strbuf_putc(out, dec->digits[0]);
	if (dec->n > 1) {
		strbuf_putc(out, '.');
		strbuf_add(out, dec->digits + 1, (size_t)dec->n - 1);
	}
	strbuf_printf(out, "e%c%02d", dec->exponent < 0 ? '-' : '+', abs(dec->exponent));
}

static void write_fixed(struct strbuf *out, const struct decimal *dec, enum number_style style)
{
	int whole = dec->exponent + 1; /* digits before the point */

	if (whole <= 0) {
		strbuf_puts(out, "0.");
		for (int i = whole; i < 0; i++)
			strbuf_putc(out, '0');
		strbuf_add(out, dec->digits, (size_t)dec->n);
		return;
	}
	for (int i = 0; i < whole; i++)
		strbuf_putc(out, i < dec->n ? dec->digits[i] : '0');
	if (dec->n > whole) {
		strbuf_putc(out, '.');
		strbuf_add(out, dec->digits + whole, (size_t)(dec->n - whole));
	} else if (style == NUMBER_FLOAT) {
		strbuf_puts(out, ".0");
	}
}

void number_write(struct strbuf *out, double value, enum number_style style)
{
	struct decimal dec;

	if (isnan(value)) {
		strbuf_puts(out, "NaN");
		return;
	}
	if (isinf(value)) {
		strbuf_puts(out, value > 0 ? "+Inf" : "-Inf");
		return;
	}
	dec = shortest(value);
	if (dec.negative)
		strbuf_putc(out, '-');
	if (dec.exponent < -4 || dec.exponent >= 6)
		write_exponential(out, &dec);
	else
		write_fixed(out, &dec, style);
}
