// SPDX-License-Identifier: BSD-2-Clause
#include "probe/net_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "profile/word.h"

static int no_peer(const char *flag, const char *text, const char *why, struct err *err)
{
	return err_set(err, -EINVAL, "%s takes NAME=ADDRESS or NAME=ADDRESS:PORT, not \"%s\": %s",
		       flag, text, why);
}

static bool read_port(const char *text, uint16_t *port)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	*port = (uint16_t)n;
	return *text >= '0' && *text <= '9' && !*end && n > 0 && n <= UINT16_MAX;
}

/* The colon in front of the port; NULL where there is no port. */
static char *port_of(char *address)
{
	char *colon = strrchr(address, ':');

	if (address[0] == '[')
		return colon && colon[-1] == ']' ? colon : NULL;
	return colon && strchr(address, ':') == colon ? colon : NULL; /* several: IPv6 */
}

static bool read_address(char *text, uint8_t out[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	size_t n = strlen(text);

	if (inet_pton(AF_INET, text, out + 12) == 1) {
		memcpy(out, mapped, sizeof(mapped));
		return true;
	}
	if (text[0] == '[' && text[n - 1] == ']') {
		text[n - 1] = '\0';
		text++;
	}
	return inet_pton(AF_INET6, text, out) == 1;
}

int net_peer_parse(const char *flag, const char *text, struct net_peer *out, struct err *err)
{
	const char *equals = strchr(text, '=');
	_free_ char *name = equals ? mem_strndup(text, (size_t)(equals - text)) : NULL;
	_free_ char *address = equals ? mem_strdup(equals + 1) : NULL;
	struct net_peer peer = {};
	struct word_fault fault;
	char *port;

	if (!equals)
		return no_peer(flag, text, "there is no =", err);
	if (!*name)
		return no_peer(flag, text, "the name is empty", err);
	if (!word_is_label_value(name, &fault))
		return no_peer(flag, text, fault.why, err);
	if (strcmp(name, "other") == 0)
		return no_peer(flag, text, "other is the name of all that have none", err);
	port = port_of(address);
	if (port) {
		*port++ = '\0';
		if (!read_port(port, &peer.port))
			return no_peer(flag, text, "the port is no number from 1 to 65535", err);
	}
	if (!read_address(address, peer.address))
		return no_peer(
			flag, text,
			"the address is neither IPv4 nor IPv6 (host names are not looked up)", err);
	peer.name = TAKE_PTR(name);
	*out = peer;
	return 0;
}
