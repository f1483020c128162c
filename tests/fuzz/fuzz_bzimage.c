/* SPDX-License-Identifier: Apache-2.0 */
/* bzImages: whatever the input, it has the setup header's magic numbers. */
#include "boot/zero_page.h"
#include "fuzz_boot.h"

#define INPUT_MAX 16384

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t flag = SETUP_BOOT_FLAG;
	static const uint32_t magic = SETUP_MAGIC;
	static uint8_t file[INPUT_MAX];

	if (size > sizeof(file) || size < 0x206)
		return -1;
	memcpy(file, data, size);
	file[0] = 'M';		/* not an ELF file */
	memcpy(file + 0x1fe, &flag, sizeof(flag));
	memcpy(file + 0x202, &magic, sizeof(magic));
	return fuzz_kernel_load(file, size);
}
