/* SPDX-License-Identifier: Apache-2.0 */
#include "child.h"

#include <dirent.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "sandbox/privileges.h"

static volatile sig_atomic_t signalled;

static void on_signal(int signal)
{
	signalled = signal;
}

static void check_root_is_empty(dev_t before)
{
	struct dirent *entry;
	struct statvfs fs;
	struct stat st;
	char cwd[64];
	DIR *dir;

	CHECK(stat("/", &st) == 0 && st.st_dev != before);
	CHECK(statvfs("/", &fs) == 0 && (fs.f_flag & ST_RDONLY));
	CHECK(getcwd(cwd, sizeof(cwd)) && strcmp(cwd, "/") == 0);
	dir = opendir("/");
	CHECK(dir != NULL);
	while ((entry = readdir(dir)) != NULL)
		CHECK(strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0);
	closedir(dir);
	CHECK(mkdir("/x", 0700) < 0 && (errno == EROFS || errno == EACCES));
	CHECK(access("/proc", F_OK) < 0 && errno == ENOENT);
	CHECK(chdir("../../..") == 0 && stat(".", &st) == 0 && st.st_dev != before);
	/* Nothing lies beneath either. */
	CHECK(umount2("/", MNT_DETACH) < 0);
	CHECK(stat("/..", &st) == 0 && st.st_dev != before);
}

static void check_network_is_down(void)
{
	struct if_nameindex *list = if_nameindex();
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { 0 };

	CHECK(list != NULL && sock >= 0);
	for (struct if_nameindex *i = list; i->if_index; i++) {
		snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", i->if_name);
		CHECK(ioctl(sock, SIOCGIFFLAGS, &request) == 0);
		CHECK(!(request.ifr_flags & IFF_UP));
	}
	if_freenameindex(list);
	close(sock);
}

static void check_process(void)
{
	char name[64] = "";

	CHECK(getpid() == 1 && syscall(SYS_gettid) == 1 && getppid() == 0);
	CHECK(gethostname(name, sizeof(name)) == 0 && strcmp(name, "volt") == 0);
	CHECK(umask(0) == 077);
	signal(SIGUSR1, on_signal);
	CHECK(raise(SIGUSR1) == 0 && signalled == SIGUSR1);
}

static void check_jailed(dev_t before, uid_t uid, gid_t gid, bool new_net)
{
	struct error err = { 0 };
	uid_t ids[3];
	gid_t gids[3];

	check_process();
	CHECK(getresuid(&ids[0], &ids[1], &ids[2]) == 0);
	CHECK(getresgid(&gids[0], &gids[1], &gids[2]) == 0);
	for (int i = 0; i < 3; i++)
		CHECK(ids[i] == uid && gids[i] == gid);
	check_root_is_empty(before);
	if (new_net)
		check_network_is_down();
	CHECK_OK(privileges_deny_gain(&err), err);
	CHECK_OK(privileges_drop(&err), err);
	check_no_caps();
	check_locked();
	check_root_is_empty(before);
}

static bool is_refusal(int r)
{
	return r == -EPERM || r == -ENOSPC || r == -ENOSYS || r == -EACCES || r == -EINVAL;
}

static void run_jail_here(const struct jail_config *config, uid_t uid, gid_t gid)
{
	struct error err = { 0 };
	struct jail jail;
	struct stat st;
	pid_t pid = -1;
	int r, sig = -1;

	CHECK(stat("/", &st) == 0);
	CHECK_OK(jail_open(config, &jail, &err), err);
	r = jail_fork(&jail, &pid, &err);
	if (is_refusal(r) && jail.new_user)
		skip_child("this kernel has no jail for users: ", err.msg);
	CHECK_OK(r, err);
	if (pid == 0) {
		r = jail_enter(&jail, &err);
		if (is_refusal(r) && jail.new_user)
			skip_child("this kernel has no jail for users: ", err.msg);
		CHECK_OK(r, err);
		CHECK(jail.refusal.code == 0);
		check_jailed(st.st_dev, uid, gid, config->new_net);
		CHECK(prctl(PR_GET_PDEATHSIG, &sig) == 0 && sig == SIGKILL);
		_exit(3);
	}
	CHECK(pid > 1);
	r = status_of(pid);
	jail_close(&jail);
	if (r == SKIPPED)
		_exit(SKIPPED);
	CHECK(r == 3);
	CHECK(waitpid(-1, NULL, 0) < 0 && errno == ECHILD);
}

/* In a process of its own: one that has had its child's PID namespace made cannot have another. */
static void run_jail(const struct jail_config *config, uid_t uid, gid_t gid)
{
	pid_t runner = fork();
	int status;

	if (runner == 0) {
		run_jail_here(config, uid, gid);
		_exit(0);
	}
	status = status_of(runner);
	if (status == SKIPPED)
		_exit(SKIPPED);
	CHECK(status == 0);
}

static const struct jail_config full_jail = {
	.enabled = true, .required = true, .new_net = true, .uid = -1, .gid = -1,
};

static void jail_as_root(void)
{
	struct jail_config config = full_jail;

	if (geteuid() != 0 || !has_admin())
		skip_child("not root", "");
	run_jail(&config, JAIL_NOBODY, JAIL_NOBODY);
	config.uid = 12345;
	config.gid = 23456;
	config.new_net = false;
	run_jail(&config, 12345, 23456);
	config.netns = "/proc/self/ns/net";
	run_jail(&config, 12345, 23456);
}

static void jail_as_user(void)
{
	become_nobody();
	run_jail(&full_jail, geteuid(), getegid());
}

/* As root of a container: may change its IDs, may not make namespaces. */
static void jail_as_lesser_root(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	if (geteuid() != 0 || !has_admin())
		skip_child("not root", "");
	data[0].effective = 1U << CAP_SETUID | 1U << CAP_SETGID;
	data[0].permitted = data[0].effective;
	CHECK(syscall(SYS_capset, &header, data) == 0);
	run_jail(&full_jail, JAIL_NOBODY, JAIL_NOBODY);
}

/* In an initramfs / cannot be swapped: the same must come of it. */
static void jail_in_initramfs(void)
{
	if (geteuid() != 0 || !has_admin())
		skip_child("not root", "");
	refuse_call(SYS_pivot_root, EINVAL);
	run_jail(&full_jail, JAIL_NOBODY, JAIL_NOBODY);
}

static void jail_in_chroot(void)
{
	char dir[] = "/tmp/volt-test-XXXXXX";
	struct error err = { 0 };
	struct jail jail;
	pid_t pid = -1;
	int top = open("/", O_PATH | O_DIRECTORY);

	if (geteuid() != 0 || !has_admin())
		skip_child("not root", "");
	CHECK(top >= 0 && mkdtemp(dir) && chroot(dir) == 0 && chdir("/") == 0);
	CHECK_OK(jail_open(&full_jail, &jail, &err), err);
	CHECK_OK(jail_fork(&jail, &pid, &err), err);
	if (pid == 0) {
		CHECK(jail_enter(&jail, &err) == -EINVAL);
		CHECK(strstr(err.msg, "/ is no mount point"));
		_exit(3);
	}
	CHECK(status_of(pid) == 3);
	CHECK(unlinkat(top, dir + 1, AT_REMOVEDIR) == 0);
}

static void no_jail(void)
{
	const struct jail_config config = { .uid = -1, .gid = -1 };
	struct error err = { 0 };
	struct jail jail;
	pid_t pid = -1;
	int sig = -1;

	CHECK_OK(jail_open(&config, &jail, &err), err);
	CHECK_OK(jail_fork(&jail, &pid, &err), err);
	if (pid == 0) {
		CHECK_OK(jail_enter(&jail, &err), err);
		CHECK(geteuid() != 0);
		CHECK(prctl(PR_GET_PDEATHSIG, &sig) == 0 && sig == SIGKILL);
		CHECK(access("/proc", F_OK) == 0);
		_exit(4);
	}
	CHECK(status_of(pid) == 4);
}

static void jail_refuses_users(void)
{
	struct jail_config config = full_jail;
	struct error err = { 0 };
	struct jail jail;

	become_nobody();
	config.uid = (int64_t)geteuid() + 1 - 2 * (geteuid() == UINT32_MAX - 1);
	CHECK(jail_open(&config, &jail, &err) == -EPERM && strstr(err.msg, "only root"));
	config.uid = geteuid();
	config.gid = 0;
	if (getegid() != 0)
		CHECK(jail_open(&config, &jail, &err) == -EPERM && strstr(err.msg, "group ID 0"));
	config.gid = getegid();
	CHECK_OK(jail_open(&config, &jail, &err), err);
	config.netns = "/proc/self/ns/net";
	CHECK(jail_open(&config, &jail, &err) == -EPERM && strstr(err.msg, "only root"));
}

static void jail_refuses_nonsense(void)
{
	struct jail_config config = full_jail;
	struct error err = { 0 };
	struct jail jail;

	config.uid = UINT32_MAX;
	CHECK(jail_open(&config, &jail, &err) == -EINVAL && strstr(err.msg, "4294967295"));
	config.uid = -2;
	CHECK(jail_open(&config, &jail, &err) == -EINVAL);
	config.uid = -1;
	if (!has_admin())
		return;
	config.netns = "/proc/self/ns/uts";
	CHECK(jail_open(&config, &jail, &err) == -EINVAL && strstr(err.msg, "ns/uts"));
	config.netns = "/dev/null";
	CHECK(jail_open(&config, &jail, &err) == -EINVAL);
	config.netns = "/nowhere";
	CHECK(jail_open(&config, &jail, &err) == -ENOENT && strstr(err.msg, "/nowhere"));
	config.netns = "/proc/self/ns/net";
	config.enabled = false;
	CHECK(jail_open(&config, &jail, &err) == -EINVAL);
}

/* In a user namespace that allows none of a kind any more. */
static void forbid(const char *sysctl)
{
	become_nobody();
	if (unshare(CLONE_NEWUSER))
		skip_child("this kernel has no user namespaces: ", strerror(errno));
	if (access(sysctl, F_OK))
		skip_child("this kernel has no ", sysctl);
	write_text(sysctl, "0");
}

static void go_without(const char *what, bool enabled)
{
	struct jail_config config = full_jail;
	struct error err = { 0 };
	struct jail jail;
	pid_t pid = -1;

	config.required = false;
	CHECK_OK(jail_open(&config, &jail, &err), err);
	CHECK_OK(jail_fork(&jail, &pid, &err), err);
	if (pid == 0) {
		CHECK_OK(jail_enter(&jail, &err), err);
		CHECK(jail.refusal.code == -ENOSPC && strstr(jail.refusal.msg, what));
		CHECK(jail.enabled == enabled && err.code == 0);
		if (enabled)
			check_network_is_down();
		_exit(5);
	}
	CHECK(status_of(pid) == 5);
}

static void insist(const char *what)
{
	struct error err = { 0 };
	struct jail jail;
	pid_t pid = -1;
	int r;

	CHECK_OK(jail_open(&full_jail, &jail, &err), err);
	r = jail_fork(&jail, &pid, &err);
	if (r == 0 && pid == 0)
		_exit(jail_enter(&jail, &err) == -ENOSPC && strstr(err.msg, what) ? 6 : 7);
	if (r == 0)
		CHECK(status_of(pid) == 6);
	else
		CHECK(r == -ENOSPC && strstr(err.msg, what));
	CHECK(waitpid(-1, NULL, 0) < 0 && errno == ECHILD);
}

/* Without the namespace where that will do; an error, with the reason, where it is required. */
static void check_refused(const char *what, bool enabled)
{
	pid_t pid = fork();

	if (pid == 0) {
		go_without(what, enabled);
		_exit(0);
	}
	CHECK(status_of(pid) == 0);
	insist(what);
}

static void user_namespace_refused(void)
{
	struct error err = { 0 };

	forbid("/proc/sys/user/max_user_namespaces");
	CHECK_OK(privileges_drop(&err), err);
	check_refused("the system refuses the user namespace: ", false);
}

static void one_namespace_refused(void)
{
	forbid("/proc/sys/user/max_ipc_namespaces");
	check_refused("the system refuses the IPC namespace: ", true);
}

/* Not a namespace, but refused like one: only who insists on the jail is refused a child. */
static void host_name_refused(void)
{
	struct jail_config config = full_jail;
	struct error err = { 0 };
	struct jail jail;
	pid_t pid = -1;

	if (geteuid() != 0 || !has_admin())
		skip_child("not root", "");
	refuse_call(SYS_sethostname, EPERM);
	config.required = false;
	CHECK_OK(jail_open(&config, &jail, &err), err);
	CHECK_OK(jail_fork(&jail, &pid, &err), err);
	if (pid == 0) {
		CHECK_OK(jail_enter(&jail, &err), err);
		CHECK(jail.enabled && strstr(jail.refusal.msg, "host name"));
		check_network_is_down();
		_exit(5);
	}
	CHECK(status_of(pid) == 5);
}

/* The parent's part fails, and the child's own attempt says why. */
static void network_namespace_refused(void)
{
	struct jail_config config = full_jail;
	struct error err = { 0 };
	struct jail jail;
	pid_t pid = -1;

	forbid("/proc/sys/user/max_net_namespaces");
	CHECK_OK(jail_open(&config, &jail, &err), err);
	CHECK_OK(jail_fork(&jail, &pid, &err), err);
	if (pid == 0) {
		CHECK(jail_enter(&jail, &err) == -ENOSPC);
		CHECK(strstr(err.msg, "the system refuses the network namespace: "));
		_exit(5);
	}
	CHECK(status_of(pid) == 5);
}

/* The child holds the only writing end of a pipe: it is dead when the pipe ends. */
static void check_dies_with_parent(const struct jail_config *config)
{
	int held[2], said[2];
	struct pollfd wait;
	char byte;
	pid_t pid;

	CHECK(pipe(held) == 0 && pipe(said) == 0);
	pid = fork();
	if (pid == 0) {
		struct error err = { 0 };
		struct jail jail;

		CHECK_OK(jail_open(config, &jail, &err), err);
		if (jail_fork(&jail, &pid, &err))
			skip_child("no jail: ", err.msg);
		if (pid) {
			CHECK(read(said[0], &byte, 1) == 1);
			_exit(0);
		}
		CHECK_OK(jail_enter(&jail, &err), err);
		CHECK_OK(privileges_deny_gain(&err), err);
		CHECK_OK(privileges_drop(&err), err);
		CHECK(write(said[1], "x", 1) == 1);
		for (;;)
			pause();
	}
	close(held[1]);
	if (status_of(pid) == SKIPPED)
		_exit(SKIPPED);
	wait = (struct pollfd){ .fd = held[0], .events = POLLIN };
	CHECK(poll(&wait, 1, HANG_MS) == 1);
	CHECK(read(held[0], &byte, 1) == 0);
}

static void dies_with_parent(void)
{
	const struct jail_config plain = { .uid = -1, .gid = -1 };

	check_dies_with_parent(&plain);
	check_dies_with_parent(&full_jail);
}

static void dies_with_parent_as_user(void)
{
	become_nobody();
	check_dies_with_parent(&full_jail);
}

CHILD_TEST(jail_as_root)
CHILD_TEST(jail_as_user)
CHILD_TEST(jail_as_lesser_root)
CHILD_TEST(jail_in_initramfs)
CHILD_TEST(jail_in_chroot)
CHILD_TEST(no_jail)
CHILD_TEST(jail_refuses_users)
CHILD_TEST(jail_refuses_nonsense)
CHILD_TEST(user_namespace_refused)
CHILD_TEST(one_namespace_refused)
CHILD_TEST(network_namespace_refused)
CHILD_TEST(host_name_refused)
CHILD_TEST(dies_with_parent)
CHILD_TEST(dies_with_parent_as_user)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_jail_as_root),
		cmocka_unit_test(test_jail_as_user),
		cmocka_unit_test(test_jail_as_lesser_root),
		cmocka_unit_test(test_jail_in_initramfs),
		cmocka_unit_test(test_jail_in_chroot),
		cmocka_unit_test(test_no_jail),
		cmocka_unit_test(test_jail_refuses_users),
		cmocka_unit_test(test_jail_refuses_nonsense),
		cmocka_unit_test(test_user_namespace_refused),
		cmocka_unit_test(test_one_namespace_refused),
		cmocka_unit_test(test_network_namespace_refused),
		cmocka_unit_test(test_host_name_refused),
		cmocka_unit_test(test_dies_with_parent),
		cmocka_unit_test(test_dies_with_parent_as_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
