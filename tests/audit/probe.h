/* SPDX-License-Identifier: Apache-2.0 */
/* What a monitor that has been taken over tries. */
#ifndef VOLT_AUDIT_PROBE_H
#define VOLT_AUDIT_PROBE_H

/*
 * Try @name on @argument from the calling thread. Returns 0 when it succeeded, a negative errno when
 * something stopped it; -ENOTSUP for a name that does not exist. Uses system calls alone, so that what
 * is tried is what is seen.
 */
long attack_run(const char *name, const char *argument);

#endif
