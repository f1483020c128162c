/* SPDX-License-Identifier: Apache-2.0 */
/*
 * say.h - lines on the console. Each is one write, so that lines of others do not mix with it.
 */
#ifndef VOLT_INIT_SAY_H
#define VOLT_INIT_SAY_H

/* Write the strings up to a NULL, and a newline, to standard output. Cut at 1023 bytes. */
void say(const char *text, ...) __attribute__((sentinel));

/* The same with "volt-init: " in front and ": " and the text of @error behind (an errno, or 0). */
void complain(int error, const char *text, ...) __attribute__((sentinel));

#endif
