/* SPDX-License-Identifier: Apache-2.0 */
#include "init/modules.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "init/mounts.h"
#include "init/parse.h"
#include "init/say.h"

/* The flag of finit_module(2) for a file that the kernel has to unpack (linux/module.h, 5.17). */
#define MODULE_COMPRESSED 4

#define LIST_TEXT_MAX 16384
#define MODULES_MAX 256

static bool is_compressed(const char *path)
{
	static const char *const suffixes[] = { ".xz", ".gz", ".zst" };
	size_t length = strlen(path);

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		size_t suffix = strlen(suffixes[i]);

		if (length > suffix && strcmp(path + length - suffix, suffixes[i]) == 0)
			return true;
	}
	return false;
}

static void module_load(char *line)
{
	const char *parameters = word_cut(line);
	_cleanup_fd_ int fd = open(line, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		complain(errno, "cannot open module ", line, NULL);
		return;
	}
	if (syscall(SYS_finit_module, fd, parameters, is_compressed(line) ? MODULE_COMPRESSED : 0) < 0 &&
	    errno != EEXIST)
		complain(errno, "cannot load module ", line, NULL);
}

void modules_load(void)
{
	static char text[LIST_TEXT_MAX];
	static char *lines[MODULES_MAX];
	ssize_t length = text_read(MODULES_LIST, text, sizeof(text));

	if (length == -ENOENT || length == -ENOTDIR)
		return;
	if (length < 0) {
		complain((int)-length, "cannot read ", MODULES_LIST, NULL);
		return;
	}
	if (lines_split(text, false, lines, MODULES_MAX) < 0) {
		complain(0, MODULES_LIST, " lists more modules than volt-init takes, which is 255: "
			 "none is loaded", NULL);
		return;
	}
	for (char **line = lines; *line; line++)
		module_load(*line);
}
