/* SPDX-License-Identifier: Apache-2.0 */
/* ELF kernels: whatever the input, it begins as an ELF file for this machine. */
#include <elf.h>

#include "fuzz_boot.h"

#define INPUT_MAX 16384

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t ident[] = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB };
	static const uint16_t machine = EM_X86_64;
	static uint8_t file[INPUT_MAX];

	if (size > sizeof(file))
		return -1;
	memcpy(file, data, size);
	memcpy(file, ident, u64_min(size, sizeof(ident)));
	if (size >= sizeof(Elf64_Ehdr))
		memcpy(file + offsetof(Elf64_Ehdr, e_machine), &machine, sizeof(machine));
	return fuzz_kernel_load(file, size);
}
