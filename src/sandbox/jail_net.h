/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jail_net.h - a network namespace made by one process for another; see jail.c.
 */
#ifndef VOLT_SANDBOX_JAIL_NET_H
#define VOLT_SANDBOX_JAIL_NET_H

/*
 * Go into a new network namespace and send a descriptor of it through @sock. A failure is told to the
 * other side, by a packet without one: it then tries itself, and knows the reason.
 */
void jail_net_lend(int sock);

/* Wait for what the other side sends. Returns the descriptor, or -1 if it has none. */
int jail_net_borrow(int sock);

#endif
