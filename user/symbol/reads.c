// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/reads.h"

#include <string.h>

#include "symbol/pack_recipe.h"

static const char *when(enum abi_site_kind kind)
{
	return kind == ABI_SITE_START ? "at the start" : "at the end";
}

static void write_value(const struct plan_site *site, const struct plan_value *value,
			struct strbuf *out)
{
	strbuf_printf(out, "%s%s", plan_is_key(value) ? "a hash of " : "",
		      value->text ? value->text : "a value");
	for (size_t t = 0; t < value->n_tests; t++) {
		strbuf_puts(out, t ? ", " : " from ");
		pack_recipe_write(&value->tests[t].recipe, out);
	}
	strbuf_printf(out, " %s", when(site->kind));
}

/* Several ends of an instance mostly read the same. */
static bool is_said(const struct strbuf *out, const char *what)
{
	size_t len = strlen(what);

	for (const char *at = out->len ? strstr(out->text, what) : NULL; at;
	     at = strstr(at + 1, what))
		if ((at == out->text || at[-1] == ' ') && (!at[len] || at[len] == ';'))
			return true;
	return false;
}

void reads_write(const struct plan *plan, unsigned row, struct strbuf *out)
{
	for (size_t i = 0; i < plan->n_sites; i++) {
		const struct plan_site *site = &plan->sites[i];

		for (size_t v = 0; v < site->n_values && site->instance == row; v++) {
			_strbuf_ struct strbuf one = {};

			write_value(site, &site->values[v], &one);
			if (!is_said(out, one.text))
				strbuf_printf(out, "%s%s", out->len ? "; " : "", one.text);
		}
	}
}
