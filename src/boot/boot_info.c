/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "boot/info.h"

static int boot_cmdline_write(struct guest_memory *mem, const struct kernel *kernel,
			      const struct cmdline *line, struct error *err)
{
	if (line->len > kernel->cmdline_max)
		return error_set(err, -E2BIG, "the kernel command line has %u characters, but this"
				 " kernel (%s) takes at most %u: shorten it", line->len,
				 kernel->format, kernel->cmdline_max);
	if (guest_memory_write(mem, LAYOUT_CMDLINE, line->text, (uint64_t)line->len + 1) < 0)
		return error_set(err, -EFAULT, "guest memory ends below the command line");
	return 0;
}

int boot_info_write(struct guest_memory *mem, const struct kernel *kernel,
		    const struct initrd *initrd, const struct cmdline *line, struct error *err)
{
	int r;

	r = boot_cmdline_write(mem, kernel, line, err);
	if (r < 0)
		return r;
	if (kernel->protocol == KERNEL_PVH)
		return pvh_info_write(mem, initrd, err);
	r = boot_params_write(mem, kernel, initrd, err);
	if (r < 0)
		return r;
	r = gdt_write(mem, err);
	if (r < 0)
		return r;
	return page_tables_write(mem, err);
}
