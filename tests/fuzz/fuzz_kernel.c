/* SPDX-License-Identifier: Apache-2.0 */
/* Any file as a kernel: telling the formats apart. */
#include "fuzz_boot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_kernel_load(data, size);
}
