// SPDX-License-Identifier: BSD-2-Clause
/*
 * Writes a plan as a pack. The form, line by line (indentation is for people):
 *
 *   mpc-bpf-agent pack 1
 *   binary "node"                      the file's name without its folders
 *   build-id 4f0c…                     or "none"
 *   code-sha256 9e3a…                  of the bytes of the executable segments
 *   func "a::b::process_vote"          function 0, then 1 and so on
 *   row ready func 0                   row 0, then 1 and so on
 *     where "poll function a::b::…"
 *     how "first poll, 1 completion …" may be absent
 *     reason "…"                       of every row that is not ready
 *   site start func 0 row 0 at 0x1f bytes 0fb6 key rbx+272 [saved rdi] [common]
 *     value 0 "vote.approve"           index among the function's values, what it is
 *       test key-104:1                 test 0, then 1 and so on
 *         1 = "true"                   a label, or `test N` further down, or `skip`, or
 *                                      `unknown`
 *         else unknown                 ends each test
 *     value 1 "request.shares.len()"
 *       number key-72:8                the number itself, behind its tests if it has any;
 *                                      `signed` where it may be negative
 *     value 2 "vote.tx_id"
 *       key text key-96:8 key-88:8     what is hashed: where a text is and its length;
 *                                      `key word R`, `key signed R` or `key words R R`
 *   end
 */
#include "symbol/pack.h"

#include <stdbool.h>
#include <string.h>

#include "base/utf8.h"
#include "symbol/pack_recipe.h"

static void write_hex(const uint8_t *bytes, size_t n, struct strbuf *out)
{
	for (size_t i = 0; i < n; i++)
		strbuf_printf(out, "%02x", bytes[i]);
}

/* In quotes, all that is not plain text as \xNN. */
static void write_string(const char *text, struct strbuf *out)
{
	size_t left = text ? strlen(text) : 0;

	strbuf_putc(out, '"');
	while (left) {
		uint32_t code;
		size_t n = utf8_decode(text, left, &code);

		if (n == 0 || utf8_is_control(code)) {
			n = n ? n : 1;
			for (size_t i = 0; i < n; i++)
				strbuf_printf(out, "\\x%02x", (unsigned char)text[i]);
		} else {
			if (*text == '"' || *text == '\\')
				strbuf_putc(out, '\\');
			strbuf_add(out, text, n);
		}
		text += n;
		left -= n;
	}
	strbuf_putc(out, '"');
}

static void write_named(const char *key, const char *text, struct strbuf *out)
{
	strbuf_puts(out, key);
	write_string(text, out);
	strbuf_putc(out, '\n');
}

static void write_head(const struct plan *plan, struct strbuf *out)
{
	const char *slash = plan->binary ? strrchr(plan->binary, '/') : NULL;

	strbuf_puts(out, "mpc-bpf-agent pack 1\n");
	write_named("binary ", slash ? slash + 1 : plan->binary, out);
	strbuf_puts(out, "build-id ");
	if (plan->n_build_id)
		write_hex(plan->build_id, plan->n_build_id, out);
	else
		strbuf_puts(out, "none");
	strbuf_putc(out, '\n');
	if (plan->has_code) {
		strbuf_puts(out, "code-sha256 ");
		write_hex(plan->code, sizeof(plan->code), out);
		strbuf_putc(out, '\n');
	}
	for (size_t f = 0; f < plan->n_funcs; f++)
		write_named("func ", plan->funcs[f].name, out);
}

static void write_row(const struct plan_row *row, struct strbuf *out)
{
	strbuf_printf(out, "row %s func %u\n", plan_state_name(row->state), row->func);
	write_named("  where ", row->where, out);
	if (row->how)
		write_named("  how ", row->how, out);
	if (row->state != PLAN_READY)
		write_named("  reason ", row->reason, out);
}

static void write_target(const struct plan_choice *choice, struct strbuf *out)
{
	if (choice->label)
		write_string(choice->label, out);
	else if (choice->next)
		strbuf_printf(out, "test %u", choice->next);
	else if (choice->skip)
		strbuf_puts(out, "skip");
	else
		strbuf_puts(out, "unknown");
	strbuf_putc(out, '\n');
}

static const char *const readings[] = {
	[PLAN_LABEL] = "test",
	[PLAN_NUMBER] = "number",
	[PLAN_SIGNED] = "signed",
};

static void write_recipes(const struct plan_value *value, struct strbuf *out)
{
	for (size_t t = 0; t < value->n_tests; t++) {
		strbuf_putc(out, ' ');
		pack_recipe_write(&value->tests[t].recipe, out);
	}
	strbuf_putc(out, '\n');
}

static void write_key(const struct plan_value *value, struct strbuf *out)
{
	strbuf_printf(out, "    key %s",
		      value->reading == PLAN_KEY_TEXT   ? "text" :
		      value->reading == PLAN_KEY_SIGNED ? "signed" :
		      value->n_tests > 1                ? "words" :
							  "word");
	write_recipes(value, out);
}

static void write_value(const struct plan_value *value, struct strbuf *out)
{
	strbuf_printf(out, "  value %u ", value->slot);
	write_named("", value->text, out);
	if (plan_is_key(value)) {
		write_key(value, out);
		return;
	}
	if (value->reading == PLAN_TIME) {
		strbuf_puts(out, "    time");
		write_recipes(value, out);
		return;
	}
	for (size_t t = 0; t < value->n_tests; t++) {
		const struct plan_test *test = &value->tests[t];
		bool number = value->reading != PLAN_LABEL && t + 1 == value->n_tests;

		strbuf_printf(out, "    %s ", readings[number ? value->reading : PLAN_LABEL]);
		pack_recipe_write(&test->recipe, out);
		strbuf_putc(out, '\n');
		if (number)
			break;
		for (size_t c = 0; c < test->n_choices; c++) {
			strbuf_printf(out,
				      "      %llu = ", (unsigned long long)test->choices[c].raw);
			write_target(&test->choices[c], out);
		}
		strbuf_puts(out, "      else ");
		write_target(&test->otherwise, out);
	}
}

static void write_site(const struct plan_site *site, struct strbuf *out)
{
	strbuf_printf(out, "site %s func %u row %u at 0x%llx bytes ", plan_kind_name(site->kind),
		      site->func, site->instance, (unsigned long long)site->offset);
	write_hex(site->bytes, site->n_bytes, out);
	strbuf_puts(out, " key ");
	pack_recipe_write(&site->key, out);
	if (site->saved.reg != ABI_REG_NONE) {
		strbuf_puts(out, " saved ");
		pack_recipe_write(&site->saved, out);
	}
	if (site->common)
		strbuf_puts(out, " common");
	strbuf_putc(out, '\n');
	for (size_t v = 0; v < site->n_values; v++)
		write_value(&site->values[v], out);
}

void pack_write(const struct plan *plan, struct strbuf *out)
{
	write_head(plan, out);
	for (size_t r = 0; r < plan->n_rows; r++)
		write_row(&plan->rows[r], out);
	for (size_t s = 0; s < plan->n_sites; s++)
		write_site(&plan->sites[s], out);
	strbuf_puts(out, "end\n");
}
