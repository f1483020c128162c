/* SPDX-License-Identifier: Apache-2.0 */
#include "child.h"

#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "sandbox/cgroup.h"

/* Control groups. */

static void test_cgroup_parse(void **state)
{
	struct cgroup_config config;
	struct error err = { 0 };

	(void)state;
	assert_int_equal(cgroup_parse("vms/one", &config, &err), 0);
	assert_string_equal(config.parent, "/sys/fs/cgroup/vms");
	assert_string_equal(config.name, "one");
	assert_int_equal(config.nr, 0);
	assert_int_equal(cgroup_parse("/a,cpuset.cpus=0,2-3,memory.max=64M,hugetlb.2MB.max=0,"
				      "io.max=8:0 rbps=1", &config, &err), 0);
	assert_string_equal(config.parent, "/");
	assert_string_equal(config.name, "a");
	assert_int_equal(config.nr, 4);
	assert_string_equal(config.settings[0].file, "cpuset.cpus");
	assert_string_equal(config.settings[0].value, "0,2-3");
	assert_string_equal(config.settings[1].value, "64M");
	assert_string_equal(config.settings[2].file, "hugetlb.2MB.max");
	assert_string_equal(config.settings[3].value, "8:0 rbps=1");
}

static void test_cgroup_parse_refuses(void **state)
{
	static const char *const bad[] = {
		"", "/", "//", "a/", "/a/", ".", "..", "../a", "a/..", "a/../b", "/sys/./a",
		"a//b", "a\nb", ",cpu.max=1", "a,", "a,cpu.max", "a,cpu.max=", "a,=1",
		"a,cpu=1", "a,cpu.=1",
		"a,cgroup.procs=1", "a,cgroup.subtree_control=+cpu", "a,memory.max/../x=1",
		"a,../cpu.max=1", "a,cpu..max=1", "a,cpux.max=1", "a,.max=1", "a,rdma.max=1",
		"a,cpu.max=1\n2", "a,2-3", "a,cpu max=1", "a,cpu.ma x=1",
	};
	struct cgroup_config config = { .nr = 99 };
	static char big[20000];
	struct error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		err = (struct error){ 0 };
		if (cgroup_parse(bad[i], &config, &err) != -EINVAL || !err.msg[0])
			fail_msg("accepted: '%s'", bad[i]);
	}
	memset(big, 'a', sizeof(big) - 1);
	assert_int_equal(cgroup_parse(big, &config, &err), -EINVAL);
	for (size_t i = 100; i < sizeof(big) - 1; i += 100)
		big[i] = '/';
	assert_int_equal(cgroup_parse(big, &config, &err), -EINVAL);
	strcpy(big, "a");
	for (int i = 0; i <= CGROUP_SETTINGS_MAX; i++)
		strcat(big, ",cpu.max=1");
	assert_int_equal(cgroup_parse(big, &config, &err), -EINVAL);
	strcpy(big, "a,cpu.max=");
	memset(big + strlen(big), '1', CGROUP_VALUE_MAX);
	assert_int_equal(cgroup_parse(big, &config, &err), -EINVAL);
	strcpy(big, "a,cpuset.cpus=0");
	for (int i = 0; i <= CGROUP_VALUE_MAX / 2; i++)
		strcat(big, ",1");
	assert_int_equal(cgroup_parse(big, &config, &err), -EINVAL);
	assert_int_equal(config.nr, 99);
}

static const char *find_cgroup2(void)
{
	static const char *const mounts[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	struct statfs fs;

	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++)
		if (statfs(mounts[i], &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC &&
		    access(mounts[i], W_OK) == 0)
			return mounts[i];
	/* Nothing mounted there, as in the test bed: in a mount namespace of our own. */
	if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("cgroup2", mounts[0], "cgroup2", 0, NULL) == 0)
		return mounts[0];
	skip_child("no writable cgroup2 file system", "");
	return NULL;
}

static void cgroup_holds_process(void)
{
	char text[256], path[256], where[512] = "";
	struct cgroup_config config;
	struct error err = { 0 };
	struct cgroup cgroup;
	pid_t pid;
	int fd;

	snprintf(path, sizeof(path), "%s/volt-test-%d", find_cgroup2(), getpid());
	CHECK_OK(cgroup_parse(path, &config, &err), err);
	CHECK_OK(cgroup_open(&config, &cgroup, &err), err);
	CHECK(cgroup.made && access(path, F_OK) == 0);
	pid = fork();
	if (pid == 0) {
		for (;;)
			pause();
	}
	CHECK_OK(cgroup_attach(&cgroup, pid, &err), err);
	snprintf(text, sizeof(text), "/proc/%d/cgroup", pid);
	fd = open(text, O_RDONLY);
	CHECK(fd >= 0 && read(fd, where, sizeof(where) - 1) > 0);
	CHECK(strstr(where, config.name));
	kill(pid, SIGKILL);
	CHECK(status_of(pid) == -SIGKILL);
	CHECK(cgroup_attach(&cgroup, pid, &err) == -ESRCH);
	CHECK_OK(cgroup_close(&cgroup, &err), err);
	CHECK(access(path, F_OK) < 0 && errno == ENOENT);
	CHECK_OK(cgroup_close(&cgroup, &err), err);
}

static void cgroup_keeps_what_was_there(void)
{
	struct cgroup_config config;
	struct error err = { 0 };
	struct cgroup cgroup;
	char path[256];

	snprintf(path, sizeof(path), "%s/volt-test-%d", find_cgroup2(), getpid());
	CHECK(mkdir(path, 0755) == 0);
	CHECK_OK(cgroup_parse(path, &config, &err), err);
	CHECK_OK(cgroup_open(&config, &cgroup, &err), err);
	CHECK_OK(cgroup_close(&cgroup, &err), err);
	CHECK(rmdir(path) == 0);
}

static void cgroup_names_what_fails(void)
{
	struct cgroup_config config;
	struct error err = { 0 };
	struct cgroup cgroup;
	char path[256], *comma;

	snprintf(path, sizeof(path), "%s/volt-test-%d,pids.max=many", find_cgroup2(), getpid());
	CHECK_OK(cgroup_parse(path, &config, &err), err);
	CHECK(cgroup_open(&config, &cgroup, &err) < 0);
	CHECK(strstr(err.msg, "cannot write 'many' to pids.max") ||
	      strstr(err.msg, "the controller pids is not available"));
	comma = strchr(path, ',');
	*comma = '\0';
	CHECK(access(path, F_OK) < 0);
	CHECK_OK(cgroup_parse("/tmp/volt-test", &config, &err), err);
	CHECK(cgroup_open(&config, &cgroup, &err) == -EINVAL && strstr(err.msg, "cgroup2"));
	CHECK(access("/tmp/volt-test", F_OK) < 0);
}

CHILD_TEST(cgroup_holds_process)
CHILD_TEST(cgroup_keeps_what_was_there)
CHILD_TEST(cgroup_names_what_fails)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cgroup_holds_process),
		cmocka_unit_test(test_cgroup_keeps_what_was_there),
		cmocka_unit_test(test_cgroup_names_what_fails),
		cmocka_unit_test(test_cgroup_parse),
		cmocka_unit_test(test_cgroup_parse_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
