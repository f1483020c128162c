/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jail_enter.h - inside of jail.c: the calling process goes into the jail itself.
 */
#ifndef VOLT_SANDBOX_JAIL_ENTER_H
#define VOLT_SANDBOX_JAIL_ENTER_H

#include "sandbox/jail.h"

/*
 * Set the umask, enter the namespaces, the empty root and the IDs of @jail. Only a child of the
 * process that is in the PID namespace. After a failure the process is half inside and must end.
 */
int jail_enter(const struct jail *jail, struct error *err);

#endif
