// SPDX-License-Identifier: BSD-2-Clause
/* Names that say secret, in whatever case they are written: a segment is split
 * into words (secret_share, SecretShare and SECRET_SHARE are all secret share). */
#include "profile/secret.h"

#include <ctype.h>
#include <string.h>

#include "base/mem.h"

#define WORDS_MAX 64
#define SQUEEZED_MAX 256

/* Found anywhere in a segment when its words are written together. */
static const char *const parts[] = {
	"secret",     "privatekey",   "privkey",   "signingkey",  "signingshare",
	"keyshare",   "presharedkey", "masterkey", "mnemonic",    "password",
	"passwd",     "passphrase",   "plaintext", "cleartext",   "zeroiz",
	"credential", "privateshare", "keypair",   "keymaterial", "apikey",
};

/* Found as a whole word of a segment. */
static const char *const words[] = {
	"nonce",   "nonces", "scalar", "scalars", "seed", "seeds",
	"entropy", "token",  "tokens", "sk",      "xprv", "wif",
};

/* Words after which, or segments under which, only a number is meant. */
static const char *const counts[] = {
	"len",   "len()",   "count",  "size",      "capacity",  "id",   "ids",
	"index", "pool",    "target", "total",     "type",      "kind", "version",
	"stats", "service", "left",   "available", "generated", "used",
};

/* Keys that everybody may see. */
static const char *const public_keys[] = { "public", "pub", "verifying", "verification" };

/* Further words of variables: what addresses and keys are called there. */
static const char *const variables[] = {
	"key", "keys", "pass", "pwd", "private", "auth", "url", "uri", "dsn", "pin",
};

struct split {
	char squeezed[SQUEEZED_MAX]; /* all words together, lower case */
	char *word[WORDS_MAX];
	size_t n;
	char storage[SQUEEZED_MAX + WORDS_MAX];
};

static bool is_one_of(const char *word, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(word, list[i]) == 0)
			return true;
	return false;
}
#define IS_ONE_OF(word, list) is_one_of(word, list, ARRAY_SIZE(list))

/* Does a word begin at text[i]? After _, at the H of someHand, at the S of TLSSession. */
static bool begins_word(const char *text, size_t i, size_t size)
{
	if (i == 0 || !isalnum((unsigned char)text[i - 1]))
		return true;
	if (!isupper((unsigned char)text[i]))
		return false;
	return !isupper((unsigned char)text[i - 1]) ||
	       (i + 1 < size && islower((unsigned char)text[i + 1]));
}

static void split(const char *text, size_t size, struct split *out)
{
	size_t at = 0, used = 0;

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < size && at + 1 < SQUEEZED_MAX; i++) {
		if (!isalnum((unsigned char)text[i]))
			continue;
		if (begins_word(text, i, size) && out->n < WORDS_MAX) {
			used += out->n > 0;
			out->word[out->n++] = out->storage + used;
		}
		out->squeezed[at] = (char)tolower((unsigned char)text[i]);
		out->storage[used++] = out->squeezed[at++];
	}
}

static bool has_part(const struct split *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (strstr(name->squeezed, parts[i]))
			return true;
	for (size_t i = 0; i < name->n; i++)
		if (IS_ONE_OF(name->word[i], words))
			return true;
	return false;
}

/* A key or a presignature itself; not a public key, how many there are or which one it is. */
static bool is_material(const struct split *name, bool counted)
{
	for (size_t i = 0; i < name->n; i++) {
		bool key = strcmp(name->word[i], "key") == 0 || strcmp(name->word[i], "keys") == 0;

		if (!key && strncmp(name->word[i], "presig", 6) != 0)
			continue;
		if (key && i > 0 && IS_ONE_OF(name->word[i - 1], public_keys))
			continue;
		if (!counted && !(i + 1 < name->n && IS_ONE_OF(name->word[name->n - 1], counts)))
			return true;
	}
	return false;
}

bool secret_in_path(const char *path, size_t *at, size_t *size)
{
	const char *last = strrchr(path, '.');
	bool counted = last && IS_ONE_OF(last + 1, counts);
	struct split name;

	for (const char *from = path; *from; from += *size + (from[*size] != '\0')) {
		*size = strcspn(from, ".:");
		*at = (size_t)(from - path);
		split(from, *size, &name);
		if (has_part(&name))
			return true;
		/* frost_core::keys::PublicKeyPackage: a module named keys holds public ones too. */
		if (from[*size] != ':' && is_material(&name, counted))
			return true;
	}
	return false;
}

bool secret_in_variable(const char *name, size_t *at, size_t *size)
{
	struct split all;
	bool found;

	split(name, strlen(name), &all);
	found = has_part(&all);
	for (size_t i = 0; i < all.n && !found; i++)
		found = IS_ONE_OF(all.word[i], variables);
	*at = 0;
	*size = strlen(name);
	return found;
}
