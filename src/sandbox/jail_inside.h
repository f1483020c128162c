/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jail_inside.h - what jail.c (the parent) and jail_enter.c (the child) share.
 */
#ifndef VOLT_SANDBOX_JAIL_INSIDE_H
#define VOLT_SANDBOX_JAIL_INSIDE_H

#include "sandbox/jail.h"

/*
 * What to do about a step that returned @r: pass a failure on if the jail is required, otherwise
 * remember the first in jail->refusal, clear @err and return 0.
 */
int jail_refused(struct jail *jail, int r, struct error *err);

/* Put the calling process into a user namespace in which it is the only user, the same as before. */
int jail_enter_user_namespace(struct error *err);

/* Become the jail's user and group, and leave all others; with @keep_caps, stay as privileged. */
int jail_enter_ids(const struct jail *jail, bool keep_caps, struct error *err);

#endif
