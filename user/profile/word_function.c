// SPDX-License-Identifier: BSD-2-Clause
/* Patterns of functions: Rust paths as a person writes them. */
#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "profile/word.h"

#define FUNCTION_MAX_BYTES 512

/* What people paste from a symbol table or a debugger, and what to do instead. */
static const struct {
	const char *part;
	const char *why;
} pasted[] = {
	{ "{{", "names a closure; name the function itself, the agent finds what it compiles to" },
	{ "{closure",
	  "names a closure; name the function itself, the agent finds what it compiles to" },
	{ "{async",
	  "names a closure; name the function itself, the agent finds what it compiles to" },
	{ "(", "has arguments; write the path alone" },
	{ ".", "has a dot; segments are joined by ::" },
};

static const char not_a_path[] =
	"must be a path like crate::module::Type::function, with * for any one segment";

static bool bad(struct word_fault *fault, size_t at, size_t size, const char *why)
{
	*fault = (struct word_fault){ .why = why, .at = at, .size = size };
	return false;
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

/* One segment at *@at: an identifier or `*`. */
static bool take_segment(const char *text, size_t *at, bool *named, struct word_fault *fault)
{
	size_t from = *at;

	if (text[*at] == '*' && !is_word(text[*at + 1]) && text[*at + 1] != '*') {
		++*at;
		return true;
	}
	while (is_word(text[*at]))
		++*at;
	if (*at == from || isdigit((unsigned char)text[from])) {
		size_t rest = strcspn(text + *at, ": <>");

		return bad(fault, from, *at - from + (rest ? rest : text[*at] != '\0'), not_a_path);
	}
	if (text[*at] == '*')
		return bad(fault, from, *at - from + 1,
			   "has a * that does not stand for a whole segment");
	*named = true;
	return true;
}

/* Segments joined by `::` from *@at on; how many in *@n. */
static bool take_path(const char *text, size_t *at, size_t *n, bool *named,
		      struct word_fault *fault)
{
	for (*n = 0;; *at += 2) {
		if (!take_segment(text, at, named, fault))
			return false;
		++*n;
		if (strncmp(text + *at, "::", 2) != 0)
			return true;
	}
}

/* `<A as B>::` from the start. */
static bool take_impl(const char *text, size_t *at, bool *named, struct word_fault *fault)
{
	const char *form = "begins with <, which must go on as in <Type as Trait>::function";
	size_t n;

	*at = 1;
	if (!take_path(text, at, &n, named, fault))
		return false;
	if (strncmp(text + *at, " as ", 4) != 0)
		return bad(fault, 0, *at, form);
	*at += 4;
	if (!take_path(text, at, &n, named, fault))
		return false;
	if (strncmp(text + *at, ">::", 3) != 0)
		return bad(fault, 0, *at, form);
	*at += 3;
	return true;
}

/* `::h` and 16 hexadecimal digits at the end, as symbols have. */
static bool has_hash(const char *text, size_t size)
{
	return size > 19 && strncmp(text + size - 19, "::h", 3) == 0 &&
	       strspn(text + size - 16, "0123456789abcdef") == 16;
}

/* Says what was pasted along with the path. */
static bool is_pasted(const char *text, struct word_fault *fault)
{
	size_t size = strlen(text);
	const char *found = size ? strchr(text + 1, '<') : NULL;

	if (!strstr(text, "::") && (strncmp(text, "_ZN", 3) == 0 || strncmp(text, "_R", 2) == 0))
		return !bad(
			fault, 0, size,
			"is mangled; write the path as in the source, like crate::module::Type::function");
	for (size_t i = 0; i < ARRAY_SIZE(pasted); i++) {
		const char *part = strstr(text, pasted[i].part);

		if (part)
			return !bad(fault, (size_t)(part - text), strcspn(part + 1, ": ") + 1,
				    pasted[i].why);
	}
	if (found)
		return !bad(fault, (size_t)(found - text),
			    strrchr(text, '>') > found ? (size_t)(strrchr(text, '>') - found) + 1 :
							 strlen(found),
			    "has generic arguments; leave them out, all instances are found");
	if (has_hash(text, size))
		return !bad(fault, size - 17, 17,
			    "ends in a hash; leave it out, it changes with every build");
	return false;
}

/* The one colon of `libssl.so.3:SSL_do_handshake`, or NULL. */
static const char *library_colon(const char *text)
{
	const char *colon = strchr(text, ':');

	return strstr(text, "::") ? NULL : colon;
}

/* `libssl.so.3:SSL_do_handshake`. */
static bool is_of_library(const char *text, size_t library, struct word_fault *fault)
{
	const char *so = strstr(text, ".so"), *symbol = text + library + 1;
	size_t n = 0;

	for (size_t i = 0; i < library; i++)
		if (!is_word(text[i]) && !strchr(".-+", text[i]))
			return bad(fault, i, 1, "has a library whose file cannot be called that");
	if (!so || so >= text + library || (so[3] && so[3] != '.' && so + 3 != text + library))
		return bad(fault, 0, library,
			   "has a library that is no file like libssl.so.3: give the name under "
			   "which programs load it");
	while (is_word(symbol[n]))
		n++;
	if (!n || (symbol[n] && strcmp(symbol + n, "->") != 0) || isdigit((unsigned char)symbol[0]))
		return bad(fault, library + 1, strlen(symbol),
			   "must end in what the library exports, like SSL_do_handshake");
	return true;
}

bool word_is_function(const char *text, struct word_fault *fault)
{
	size_t size = strlen(text), at = 0, n = 0;
	bool impl = text[0] == '<', named = false;

	if (size > FUNCTION_MAX_BYTES)
		return bad(fault, 0, size, "is longer than 512 characters");
	if (library_colon(text))
		return is_of_library(text, (size_t)(library_colon(text) - text), fault);
	if (is_pasted(text, fault))
		return false;
	if (impl && !take_impl(text, &at, &named, fault))
		return false;
	if (!take_path(text, &at, &n, &named, fault))
		return false;
	if (text[at])
		return bad(fault, at, size - at, not_a_path);
	if (!named)
		return bad(fault, 0, size, "fits nearly every function; name at least one segment");
	if (n < 2 && !impl)
		return bad(fault, 0, size, "must have at least two segments, like Type::function");
	return true;
}
