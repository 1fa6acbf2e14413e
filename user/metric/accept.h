/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the lists of RFC 9110 12.5 (Accept, Accept-Encoding): items with
 * parameters and a quality. A malformed item is passed over.
 *
 *	struct accept_item item;
 *	while (accept_next(&header, &item))
 *		if (accept_is(&item, "gzip") && item.q) …
 */
#ifndef METRIC_ACCEPT_H
#define METRIC_ACCEPT_H

#include <stdbool.h>
#include <stddef.h>

struct accept_item {
	const char *name; /* in the header: "text/plain", "gzip", "*" */
	size_t n_name;
	const char *params; /* ";version=0.0.4;q=0.5", or empty */
	size_t n_params;
	unsigned q; /* in thousandths: 0 is "never", 1000 when none was given */
};

/* Takes the next item off *@header; false when there is none left. */
bool accept_next(const char **header, struct accept_item *item);
/* Whether the item is named @name, in any case of letters. */
bool accept_is(const struct accept_item *item, const char *name);
/* Finds a parameter's value (without quotes); false when the item has none of that name. */
bool accept_param(const struct accept_item *item, const char *name, const char **value,
		  size_t *len);

#endif
