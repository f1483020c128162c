/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record of the kernel's log, in which the supervisor looks for the call that has killed the VM
 * process. Part of a record is a program's name, which whoever runs it chooses.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/killed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	int call;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	call = killed_parse_record(text, 4242);
	if (call < -1 || call >= 0x10000)
		abort();
	if (call >= 0 && (!strstr(text, "type=1326") || !strstr(text, "4242")))
		abort();
	free(text);
	return 0;
}
