/* SPDX-License-Identifier: Apache-2.0 */
#include "child.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "sandbox/landlock.h"
#include "sandbox/privileges.h"

/* The value of a line of /proc/self/status, in hexadecimal. */
static unsigned long long status_line(const char *name)
{
	FILE *file = fopen("/proc/self/status", "re");
	unsigned long long value = 0;
	bool found = false;
	char line[256];

	CHECK(file != NULL);
	while (!found && fgets(line, sizeof(line), file)) {
		found = strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':';
		if (found)
			value = strtoull(line + strlen(name) + 1, NULL, 16);
	}
	CHECK(found);
	fclose(file);
	return value;
}

static void drop_as_root(void)
{
	struct error err = { 0 };

	if (geteuid() != 0 || !has_admin())
		skip_child("not root", "");
	CHECK_OK(privileges_deny_gain(&err), err);
	CHECK_OK(privileges_drop(&err), err);
	check_no_caps();
	check_locked();
	CHECK(status_line("CapBnd") == 0);
	CHECK(status_line("CapAmb") == 0);
	CHECK(status_line("NoNewPrivs") == 1);
	CHECK(prctl(PR_GET_DUMPABLE) == 0);
	CHECK(sethostname("x", 1) < 0 && errno == EPERM);
}

static void drop_as_nobody(void)
{
	struct error err = { 0 };

	become_nobody();
	CHECK_OK(privileges_deny_gain(&err), err);
	CHECK_OK(privileges_drop(&err), err);
	CHECK_OK(privileges_drop(&err), err);
	check_no_caps();
}

/* A user namespace that grants nothing, as AppArmor has it: the sets are empty all the same. */
static void drop_where_nothing_is_granted(void)
{
	struct error err = { 0 };

	if (geteuid() != 0)
		skip_child("not root", "");
	refuse_call_with(SYS_prctl, PR_CAPBSET_DROP, EPERM);
	refuse_call_with(SYS_prctl, PR_SET_SECUREBITS, EPERM);
	CHECK_OK(privileges_deny_gain(&err), err);
	CHECK_OK(privileges_drop(&err), err);
	check_no_caps();
}

static void limit_fds(void)
{
	const int keep[] = { 20, 1, 9, 9, 10 };
	struct error err = { 0 };

	for (int fd = 3; fd < 30; fd++)
		CHECK(dup2(2, fd) == fd);
	CHECK(dup2(2, 500) == 500);
	CHECK_OK(privileges_limit_fds(keep, ARRAY_SIZE(keep), &err), err);
	for (int fd = 0; fd < 600; fd++) {
		bool kept = fd < 3 || fd == 9 || fd == 10 || fd == 20;

		CHECK((fcntl(fd, F_GETFD) >= 0) == kept);
	}
	CHECK_OK(privileges_limit_fds(NULL, 0, &err), err);
	CHECK(fcntl(9, F_GETFD) < 0);
	CHECK(fcntl(2, F_GETFD) >= 0);
}

static void limit_resources(void)
{
	struct error err = { 0 };
	struct rlimit limit;

	CHECK_OK(privileges_limit_resources(40, &err), err);
	CHECK(getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_max == 0);
	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	CHECK(limit.rlim_max == 40 && limit.rlim_cur <= 40);
	CHECK(dup2(2, 40) < 0 && errno == EBADF);
	CHECK_OK(privileges_limit_resources(1000, &err), err);
	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max == 40);
}

static void clear_environment(void)
{
	const char *value;

	CHECK(setenv("VOLT_TEST_SECRET", "secret", 1) == 0);
	value = getenv("VOLT_TEST_SECRET");
	CHECK(value && strcmp(value, "secret") == 0);
	privileges_clear_environment();
	CHECK(value[0] == '\0');
	CHECK(getenv("VOLT_TEST_SECRET") == NULL && getenv("PATH") == NULL);
	privileges_clear_environment();
}

/* Landlock. */

static void landlock_denies(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(1),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = open("/proc/self/status", O_RDONLY), tcp = socket(AF_INET, SOCK_STREAM, 0);
	struct error err = { 0 };
	int abi = -1;
	char byte;

	if (landlock_abi() == 0)
		skip_child("the kernel has no Landlock", "");
	CHECK_OK(privileges_deny_gain(&err), err);
	CHECK_OK(landlock_enforce(&abi, &err), err);
	CHECK(abi == landlock_abi());
	CHECK(open("/proc/self/status", O_RDONLY) < 0 && errno == EACCES);
	CHECK(open("/", O_RDONLY | O_DIRECTORY) < 0 && errno == EACCES);
	CHECK(open("/tmp/volt-test", O_WRONLY | O_CREAT, 0600) < 0 && errno == EACCES);
	CHECK(mkdir("/tmp/volt-test", 0700) < 0 && errno == EACCES);
	CHECK(read(fd, &byte, 1) == 1);
	if (abi >= 4 && tcp >= 0) {
		CHECK(connect(tcp, (struct sockaddr *)&to, sizeof(to)) < 0 && errno == EACCES);
		CHECK(bind(tcp, (struct sockaddr *)&to, sizeof(to)) < 0 && errno == EACCES);
	}
	if (abi >= 6)
		CHECK(kill(getppid(), 0) < 0 && errno == EPERM);
}

/* landlock_create_ruleset(2), which also tells the ABI: 444 in asm/unistd_64.h. */
static void landlock_absent(void)
{
	struct error err = { 0 };
	int abi = -1;

	refuse_call(444, ENOSYS);
	CHECK(landlock_abi() == 0);
	CHECK_OK(landlock_enforce(&abi, &err), err);
	CHECK(abi == 0);
	CHECK(open("/", O_RDONLY | O_DIRECTORY) >= 0);
}

static void test_landlock_text(void **state)
{
	char text[LANDLOCK_TEXT_MAX];

	(void)state;
	landlock_describe(0, text, sizeof(text));
	assert_string_equal(text, "not available");
	landlock_describe(1, text, sizeof(text));
	assert_string_equal(text, "partially enforced (ABI 1 of 6: no links between directories, "
			    "truncate, TCP, device ioctl or scope rules)");
	landlock_describe(5, text, sizeof(text));
	assert_string_equal(text, "partially enforced (ABI 5 of 6: no scope rules)");
	landlock_describe(6, text, sizeof(text));
	assert_string_equal(text, "fully enforced (ABI 6)");
	landlock_describe(7, text, sizeof(text));
	assert_string_equal(text, "fully enforced (ABI 7)");
	landlock_describe(2, text, 10);
	assert_string_equal(text, "partially");
}

/* Jail. */

CHILD_TEST(drop_as_root)
CHILD_TEST(drop_as_nobody)
CHILD_TEST(drop_where_nothing_is_granted)
CHILD_TEST(limit_fds)
CHILD_TEST(limit_resources)
CHILD_TEST(clear_environment)
CHILD_TEST(landlock_denies)
CHILD_TEST(landlock_absent)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_drop_as_root),
		cmocka_unit_test(test_drop_as_nobody),
		cmocka_unit_test(test_drop_where_nothing_is_granted),
		cmocka_unit_test(test_limit_fds),
		cmocka_unit_test(test_limit_resources),
		cmocka_unit_test(test_clear_environment),
		cmocka_unit_test(test_landlock_denies),
		cmocka_unit_test(test_landlock_absent),
		cmocka_unit_test(test_landlock_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
