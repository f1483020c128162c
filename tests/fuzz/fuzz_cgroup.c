/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of --cgroup. What is accepted must name a directory and files that lie where they say: no
 * component is "." or "..", no file has a slash, nothing has a control character, all is bounded.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/cgroup.h"

#define FUZZ_CHECK(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool has_control(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return true;
	}
	return false;
}

static void check_component(const char *at, size_t len)
{
	FUZZ_CHECK(!(len == 1 && at[0] == '.') && !(len == 2 && at[0] == '.' && at[1] == '.'));
}

static void check_path(const char *path)
{
	FUZZ_CHECK(path[0] == '/' && !has_control(path));
	while (*path) {
		size_t len;

		path += strspn(path, "/");
		len = strcspn(path, "/");
		check_component(path, len);
		path += len;
	}
}

static void check(const struct cgroup_config *config)
{
	check_path(config->parent);
	FUZZ_CHECK(config->name[0] && !strchr(config->name, '/') && !has_control(config->name));
	check_component(config->name, strlen(config->name));
	FUZZ_CHECK(config->nr <= CGROUP_SETTINGS_MAX);
	for (unsigned int i = 0; i < config->nr; i++) {
		const struct cgroup_setting *setting = &config->settings[i];

		FUZZ_CHECK(strchr(setting->file, '.') && !strchr(setting->file, '/'));
		FUZZ_CHECK(!has_control(setting->file) && !has_control(setting->value));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cgroup_config config;
	struct error err = { 0 };
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	memset(&config, 0, sizeof(config));
	if (cgroup_parse(text, &config, &err) == 0)
		check(&config);
	else
		FUZZ_CHECK(err.msg[0] && config.parent[0] == '\0');
	free(text);
	return 0;
}
