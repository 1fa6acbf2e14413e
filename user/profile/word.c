// SPDX-License-Identifier: BSD-2-Clause
/* Names of profiles, metrics, labels, arguments and values. (Functions: word_function.c.) */
#include "profile/word.h"

#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "profile/secret.h"

#define NAME_MAX_BYTES 128
#define VALUE_MAX_BYTES 64
#define PATH_SEGMENTS_MAX 6 /* an argument and five fields */
#define ADDRESS "address()"
#define TIME "as_secs_f64()"

static bool bad(struct word_fault *fault, size_t at, size_t size, const char *why)
{
	*fault = (struct word_fault){ .why = why, .at = at, .size = size };
	return false;
}

static bool is_letter(char c)
{
	return isalpha((unsigned char)c) && (unsigned char)c < 0x80;
}

static bool is_word(char c)
{
	return is_letter(c) || (c >= '0' && c <= '9') || c == '_';
}

static bool ends_in(const char *text, const char *suffix)
{
	size_t n = strlen(text), m = strlen(suffix);

	return n >= m && strcmp(text + n - m, suffix) == 0;
}

/* The bytes of the character at @text. */
static size_t character(const char *text)
{
	size_t n = utf8_decode(text, strlen(text), NULL);

	return n ? n : 1;
}

/* Letters, digits and underscores, and those of @more, no digit first. */
static bool is_name(const char *text, const char *more, const char *why, struct word_fault *fault)
{
	if (strlen(text) > NAME_MAX_BYTES)
		return bad(fault, 0, strlen(text), "is longer than 128 characters");
	if (isdigit((unsigned char)text[0]))
		return bad(fault, 0, 1, "begins with a digit");
	for (size_t i = 0; text[i]; i++)
		if (!is_word(text[i]) && !strchr(more, text[i]))
			return bad(fault, i, character(text + i), why);
	return true;
}

bool word_is_profile_name(const char *text, struct word_fault *fault)
{
	return is_name(text, "-", "may have only letters, digits, - and _", fault);
}

bool word_is_metric_name(const char *text, enum profile_metric_type type, bool of_numbers,
			 struct word_fault *fault)
{
	static const char *const taken[] = { "_bucket", "_count", "_sum", "_created", "_info" };
	const char *suffix = type == PROFILE_COUNTER                  ? "_total" :
			     type == PROFILE_HISTOGRAM && !of_numbers ? "_seconds" :
									"";
	size_t n = strlen(text);

	if (strchr(text, ':'))
		return bad(fault, (size_t)(strchr(text, ':') - text), 1,
			   "has a colon, which Prometheus keeps for recording rules");
	if (!is_name(text, "", "may have only letters, digits and _", fault))
		return false;
	if (strncmp(text, "mpc_bpf_agent_", 14) == 0)
		return bad(fault, 0, 14, "begins like the agent's own metrics");
	if (n <= strlen(suffix) || !ends_in(text, suffix))
		return bad(fault, 0, n,
			   type == PROFILE_COUNTER ?
				   "must end in _total, because it is a counter" :
				   "must end in _seconds, because it is a histogram of durations");
	if (type != PROFILE_COUNTER && ends_in(text, "_total"))
		return bad(fault, n - 6, 6,
			   type == PROFILE_GAUGE ? "ends like a counter, and is a gauge" :
						   "ends like a counter, and is a histogram");
	n -= strlen(suffix);
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
		size_t m = strlen(taken[i]);

		if (n >= m && strncmp(text + n - m, taken[i], m) == 0)
			return bad(fault, n - m, m, "has a suffix that Prometheus adds by itself");
	}
	return true;
}

bool word_is_label_name(const char *text, struct word_fault *fault)
{
	if (!is_name(text, "", "may have only letters, digits and _", fault))
		return false;
	if (strncmp(text, "__", 2) == 0)
		return bad(fault, 0, 2, "begins with __, which Prometheus keeps for itself");
	if (strcmp(text, "node_id") == 0)
		return bad(
			fault, 0, strlen(text),
			"is reserved: the agent adds it to every metric (see node_id of the profile)");
	if (strcmp(text, "le") == 0)
		return bad(fault, 0, strlen(text),
			   "is reserved: histograms use it for their buckets");
	return true;
}

bool word_is_label_value(const char *text, struct word_fault *fault)
{
	if (strlen(text) > VALUE_MAX_BYTES)
		return bad(fault, 0, strlen(text), "is longer than 64 bytes");
	if (strcmp(text, "total") == 0)
		return bad(fault, 0, strlen(text), "is reserved: a query makes sums, not a label");
	if (strcmp(text, "unknown") == 0)
		return bad(fault, 0, strlen(text),
			   "is reserved: the agent says it where a value could not be read");
	return true;
}

/* The size of the segment at @text: up to the next dot or the end. */
static size_t segment(const char *text)
{
	return strcspn(text, ".");
}

static bool is_identifier(const char *text, size_t size)
{
	if (size == 0 || isdigit((unsigned char)text[0]))
		return false;
	for (size_t i = 0; i < size; i++)
		if (!is_word(text[i]))
			return false;
	return true;
}

static bool is_number(const char *text, size_t size)
{
	return size > 0 && size <= 19 && strspn(text, "0123456789") >= size;
}

static bool is_signed(const char *text, size_t size)
{
	size_t minus = size && text[0] == '-';

	return is_number(text + minus, size - minus);
}

/* `arg0.SSL_version()`: an argument of a C function, and a function that tells something of
 * what it points to, or only where that is. */
static bool is_asked(const char *text, size_t at, size_t size)
{
	const char *rest = text + at + size;

	return at == 5 && strncmp(text, "arg", 3) == 0 && isdigit((unsigned char)text[3]) &&
	       !rest[profile_way_size(rest)] && size > 2 && strncmp(rest - 2, "()", 2) == 0 &&
	       is_identifier(text + at, size - 2);
}

/* Segments joined by dots, @asked at the end if anywhere: `len()`, or of a key `address()`,
 * of a number that is a time `as_secs_f64()`;
 * with @result it can be all of it. */
static bool is_path(const char *text, bool result, const char *asked, const char *why,
		    struct word_fault *fault)
{
	size_t at = 0, n = 0, size;

	if (strlen(text) > NAME_MAX_BYTES)
		return bad(fault, 0, strlen(text), "is longer than 128 characters");
	for (;; at += size + 1) {
		bool first = n == 0 && !result;

		size = segment(text + at);
		if (size == 0)
			return bad(fault, at, 1, "has a dot with nothing at one side of it");
		if (!first && size == strlen(asked) && strncmp(text + at, asked, size) == 0) {
			if (text[at + size])
				return bad(fault, at, size,
					   "must stand at the end: it has no fields");
		} else if (!is_identifier(text + at, size) && !is_asked(text, at, size) &&
			   (first || !is_number(text + at, size))) {
			return bad(fault, at, size, why);
		}
		if (++n > PATH_SEGMENTS_MAX)
			return bad(fault, at, size, "goes through more than five fields");
		if (!text[at + size])
			break;
	}
	if (secret_in_path(text, &at, &size))
		return bad(fault, at, size,
			   "names a secret; the agent reads no keys, shares, nonces or plaintext");
	return true;
}

bool word_is_argument(const char *text, struct word_fault *fault)
{
	return is_path(
		text, false, "len()",
		"must be an argument and its fields, like vote.approve, tx.0 or shares.len()",
		fault);
}

static bool ends_with_call(const char *path, const char *call)
{
	const char *last = strrchr(path, '.');

	return last && strcmp(last + 1, call) == 0;
}

bool word_is_time(const char *number)
{
	return ends_with_call(number, TIME);
}

bool word_is_number(const char *text, struct word_fault *fault)
{
	if (!word_is_time(text))
		return word_is_argument(text, fault);
	return is_path(text, false, TIME,
		       "must be an argument and its fields, like rtt.latest.as_secs_f64()", fault);
}

bool word_is_address(const char *key)
{
	return ends_with_call(key, ADDRESS);
}

bool word_is_key(const char *text, struct word_fault *fault)
{
	if (!word_is_address(text))
		return word_is_argument(text, fault);
	return is_path(text, false, ADDRESS,
		       "must be an argument and its fields, like vote.tx_id or self.address()",
		       fault);
}

bool word_is_result(const char *text, struct word_fault *fault)
{
	return is_path(
		text, true, "len()",
		"must be variants and fields, like Ok, Ok.len() or Ok.Accepted.count, or number where the function returns one",
		fault);
}

/* Variants and fields that lead to a number, Err.code.304; a secret is one, too. */
static bool leads_to_number(const char *text, struct word_fault *fault)
{
	size_t at, size;

	return !secret_in_path(text, &at, &size) ||
	       bad(fault, at, size,
		   "names a secret; the agent reads no keys, shares, nonces or plaintext");
}

bool word_is_raw(const char *text, struct word_fault *fault)
{
	size_t at = 0, n = 0, size = segment(text);

	if (is_signed(text, size) &&
	    (!text[size] || is_signed(text + size + 1, strlen(text + size + 1))))
		return true;
	for (;; at += size + 1) {
		size = segment(text + at);
		if (n && !text[at + size] && is_signed(text + at, size))
			return n < 3 ? leads_to_number(text, fault) :
				       bad(fault, at, size, "is nested more than three deep");
		if (!is_identifier(text + at, size))
			return bad(
				fault, at, size ? size : 1,
				"must be true, false, a number or a variant like Pending or Ok.Accepted");
		if (++n > 3)
			return bad(fault, at, size, "is nested more than three deep");
		if (!text[at + size])
			return true;
	}
}

#define DURATION_MAX 31536000u /* a year */

bool word_is_duration(const char *text, uint64_t *seconds, struct word_fault *fault)
{
	static const struct {
		const char *unit;
		unsigned seconds;
	} units[] = { { "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 } };
	size_t digits = strspn(text, "0123456789"), size = strlen(text);

	*seconds = 0;
	if (strcmp(text, "never") == 0)
		return true;
	if (digits == 0)
		return bad(fault, 0, size, "must be a time like 30s, 5m, 2h or 7d, or never");
	if (digits == size)
		return bad(fault, 0, size, "lacks its unit: s, m, h or d");
	for (size_t i = 0; i < digits && *seconds <= DURATION_MAX; i++)
		*seconds = *seconds * 10 + (uint64_t)(text[i] - '0');
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (strcmp(text + digits, units[i].unit) != 0)
			continue;
		*seconds *= units[i].seconds;
		if (*seconds == 0)
			return bad(fault, 0, size, "must be more than 0");
		return *seconds <= DURATION_MAX || bad(fault, 0, size, "is more than a year");
	}
	return bad(fault, digits, size - digits, "has an unknown unit; there are s, m, h and d");
}

bool word_is_variable(const char *text, struct word_fault *fault)
{
	size_t at, size;

	if (!is_name(text, "", "may have only letters, digits and _", fault))
		return false;
	if (secret_in_variable(text, &at, &size))
		return bad(
			fault, at, size,
			"may hold a secret; name a variable that only tells the node, like NODE_ID");
	return true;
}
