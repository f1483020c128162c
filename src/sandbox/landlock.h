/* SPDX-License-Identifier: Apache-2.0 */
/*
 * landlock.h - no file, no TCP port, no outside process by name: Landlock with an empty rule set.
 *
 * Everything is open before the sandbox closes, so nothing is granted: the thread can reach no
 * path at all, while the descriptors that it holds work as before. See landlock(7).
 */
#ifndef VOLT_SANDBOX_LANDLOCK_H
#define VOLT_SANDBOX_LANDLOCK_H

#include <stddef.h>

#include "base/error.h"

/* The newest ABI whose rights this program knows: Linux 6.12. */
#define LANDLOCK_ABI_KNOWN 6

/* Enough for every answer of landlock_describe(). */
#define LANDLOCK_TEXT_MAX 128

/* What the running kernel offers; 0: nothing, since it is not built in or not enabled at boot. */
int landlock_abi(void);

/*
 * Deny the calling thread, and all that it creates, every right that both the kernel and this
 * program know: file system rights, ioctl() on devices that are opened later, TCP bind and
 * connect, abstract Unix sockets of others, and signals to processes outside. *ret_abi is the
 * kernel's ABI. A kernel without Landlock is no error: *ret_abi is 0 and nothing is denied; the
 * caller must tell the user. Needs no_new_privs or CAP_SYS_ADMIN.
 *
 * Must be called while the process has one thread. Must not be called before the last open by
 * path: there is no way back.
 */
int landlock_enforce(int *ret_abi, struct error *err);

/* "fully enforced (ABI 6)", "partially enforced (ABI 2 of 6: no ...)" or "not available". */
void landlock_describe(int abi, char *text, size_t size);

#endif
