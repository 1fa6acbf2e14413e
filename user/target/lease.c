// SPDX-License-Identifier: BSD-2-Clause
/* Leases by fcntl. */
#include "target/lease.h"

#include <errno.h>
#include <fcntl.h>

int lease_take(int fd)
{
	return fcntl(fd, F_SETLEASE, F_RDLCK) < 0 ? -errno : 0;
}

bool lease_wanted(int fd)
{
	/* what the lease has to become; the same answer where it was lost */
	return fcntl(fd, F_GETLEASE) == F_UNLCK;
}

void lease_give(int fd)
{
	fcntl(fd, F_SETLEASE, F_UNLCK);
}
