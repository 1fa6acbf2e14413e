/* SPDX-License-Identifier: BSD-2-Clause */
/* A peer by its name, as a flag gives it: NAME=ADDRESS or NAME=ADDRESS:PORT. */
#ifndef PROBE_NET_PEER_H
#define PROBE_NET_PEER_H

#include "base/err.h"
#include "probe/net_view.h"

/* Reads it; the name in *@out is the caller's to free. An IPv6 address with a port stands in
 * brackets. -EINVAL with a sentence that begins with @flag. */
int net_peer_parse(const char *flag, const char *text, struct net_peer *out, struct err *err);

#endif
