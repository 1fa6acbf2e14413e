// SPDX-License-Identifier: BSD-2-Clause
/* A profile by name or path: one that is built in, or a file. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/near.h"
#include "profile/builtin.h"
#include "profile/fault.h"
#include "profile/profile.h"

static bool ends_in(const char *text, const char *suffix)
{
	size_t n = strlen(text), m = strlen(suffix);

	return n > m && strcmp(text + n - m, suffix) == 0;
}

static bool is_path(const char *name)
{
	return strchr(name, '/') || ends_in(name, ".yaml") || ends_in(name, ".yml");
}

/* The sentence of the first fault, without its source line, and how many follow. */
static int first_fault(const struct profile_faults *faults, size_t before, struct err *err)
{
	const char *text = faults->at[before].text;
	int size = (int)strcspn(text, "\n");
	size_t more = faults->n - before - 1;

	if (more == 0)
		return err_set(err, -EINVAL, "%.*s", size, text);
	if (more >= FAULTS_SHOWN_MAX)
		return err_set(err, -EINVAL, "%.*s (and many more faults)", size, text);
	return err_set(err, -EINVAL, "%.*s (and %zu more %s)", size, text, more,
		       more == 1 ? "fault" : "faults");
}

static int parse(const char *origin, const char *text, size_t size, struct profile **out,
		 struct profile_faults *faults, struct err *err)
{
	size_t before = faults->n;
	int r = profile_parse(origin, text, size, out, faults);

	return r < 0 ? first_fault(faults, before, err) : 0;
}

static int load_file(const char *path, struct profile **out, struct profile_faults *faults,
		     struct err *err)
{
	_free_ char *text = NULL;
	size_t size;
	int r = file_read(path, PROFILE_SIZE_MAX, &text, &size, err);

	return r < 0 ? r : parse(path, text, size, out, faults, err);
}

static int no_such_profile(const char *name, struct err *err)
{
	_free_ const char **names = mem_array(builtin_profiles_count, sizeof(*names));
	_strbuf_ struct strbuf hint = {};

	for (size_t i = 0; i < builtin_profiles_count; i++)
		names[i] = builtin_profiles[i].name;
	near_hint(&hint, name, names, builtin_profiles_count);
	if (!hint.len) {
		strbuf_puts(&hint, "; there are:");
		for (size_t i = 0; i < builtin_profiles_count; i++)
			strbuf_printf(&hint, "%s %s", i ? "," : "", names[i]);
		strbuf_puts(&hint, " (a file is named with a / or .yaml)");
	}
	return err_set(err, -ENOENT, "no built-in profile \"%.60s\"%s", name, hint.text);
}

int profile_load(const char *name_or_path, struct profile **out, struct profile_faults *faults,
		 struct err *err)
{
	if (is_path(name_or_path))
		return load_file(name_or_path, out, faults, err);
	for (size_t i = 0; i < builtin_profiles_count; i++) {
		const struct builtin_profile *builtin = &builtin_profiles[i];
		_free_ char *origin = NULL;

		if (strcmp(builtin->name, name_or_path) != 0)
			continue;
		origin = mem_printf("built-in %s", builtin->name);
		return parse(origin, builtin->text, builtin->size, out, faults, err);
	}
	return no_such_profile(name_or_path, err);
}

int profile_load_all(const char *const *names, size_t n, struct profile **out,
		     struct profile_faults *faults, struct err *err)
{
	_free_ struct profile **parts = mem_array(n, sizeof(*parts));
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = profile_load(names[i], &parts[i], faults, err);
	if (r == 0)
		r = profile_merge(parts, n, out, err);
	for (size_t i = 0; i < n; i++)
		profile_free(parts[i]);
	return r;
}
