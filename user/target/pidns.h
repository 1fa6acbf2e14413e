/* SPDX-License-Identifier: BSD-2-Clause */
/* The agent's own pid namespace, by whose numbers it and its programs speak. */
#ifndef TARGET_PIDNS_H
#define TARGET_PIDNS_H

#include <stdint.h>

/* Its inode, or 0 when it is the initial one or cannot be told: then the
 * kernel's own numbers are right. */
uint32_t pidns_own(void);

#endif
