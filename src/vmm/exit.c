/* SPDX-License-Identifier: Apache-2.0 */
#include "base/util.h"
#include "vmm/exit.h"

static const struct exit_row {
	int code;
	const char *text;
} exit_table[] = {
	[EXIT_POWER_OFF]	= { 0, "guest powered off" },
	[EXIT_RESET]		= { 200, "guest asked for a reset" },
	[EXIT_TRIPLE_FAULT]	= { 201, "guest's processor gave up (triple fault)" },
	[EXIT_STOPPED]		= { 202, "stopped from the host" },
	[EXIT_NO_ANSWER]	= { 203, "guest did not power off when asked" },
	[EXIT_USAGE]		= { 210, "wrong usage" },
	[EXIT_IMAGE]		= { 211, "unusable kernel, initrd or disk" },
	[EXIT_KVM]		= { 212, "no usable KVM" },
	[EXIT_EMULATION]	= { 213, "this host's KVM cannot run this guest" },
	[EXIT_HOST]		= { 214, "host resource missing" },
	[EXIT_VCPU]		= { 215, "KVM stopped a vCPU" },
	[EXIT_SANDBOX]		= { 216, "stopped by the sandbox" },
};
_Static_assert(ARRAY_SIZE(exit_table) == EXIT_REASONS, "a row for every reason");

int exit_reason_code(enum exit_reason reason, uint8_t guest_status)
{
	if (reason == EXIT_POWER_OFF)
		return guest_status > EXIT_GUEST_MAX ? EXIT_GUEST_MAX : guest_status;
	return exit_table[reason].code;
}

const char *exit_reason_text(enum exit_reason reason)
{
	return exit_table[reason].text;
}
