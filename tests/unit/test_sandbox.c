/* SPDX-License-Identifier: Apache-2.0 */
/* Each test gives up rights in a child of its own, since nothing of it can be taken back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "base/util.h"
#include "sandbox/cgroup.h"
#include "sandbox/jail.h"
#include "sandbox/landlock.h"
#include "sandbox/privileges.h"

#define SKIPPED 77
#define HANG_MS 60000	/* how long a broken program may hang a test */

/* For children: cmocka's assertions are its parent's. */
#define CHECK(condition) do { \
	if (!(condition)) { \
		fprintf(stderr, "%s:%d: not true: %s (errno %d)\n", __FILE__, __LINE__, \
			#condition, errno); \
		_exit(1); \
	} \
} while (0)

#define CHECK_OK(call, err) do { \
	int r_ = (call); \
	if (r_) { \
		fprintf(stderr, "%s:%d: %s = %d: %s\n", __FILE__, __LINE__, #call, r_, \
			(err).msg); \
		_exit(1); \
	} \
} while (0)

static void skip_child(const char *why, const char *more)
{
	fprintf(stderr, "skipped: %s%s\n", why, more);
	_exit(SKIPPED);
}

static int status_of(pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* The child must end with status 0, by _exit(). */
static void in_child(void (*body)(void))
{
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		alarm(HANG_MS / 1000);
		body();
		_exit(0);
	}
	status = status_of(pid);
	if (status == SKIPPED)
		skip();
	assert_int_equal(status, 0);
}

static void become_nobody(void)
{
	if (geteuid() != 0)
		return;
	CHECK(setgroups(0, NULL) == 0);
	CHECK(setresgid(JAIL_NOBODY, JAIL_NOBODY, JAIL_NOBODY) == 0);
	CHECK(setresuid(JAIL_NOBODY, JAIL_NOBODY, JAIL_NOBODY) == 0);
}

static bool has_admin(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	return syscall(SYS_capget, &header, data) == 0 &&
	       (data[0].effective & (1U << CAP_SYS_ADMIN));
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

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

/* Privileges. */

static void check_no_caps(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	memset(data, 0xff, sizeof(data));
	CHECK(syscall(SYS_capget, &header, data) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(data); i++)
		CHECK(!data[i].effective && !data[i].permitted && !data[i].inheritable);
}

static void check_locked(void)
{
	const int wanted = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
		SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
		SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
	int bits = prctl(PR_GET_SECUREBITS);

	CHECK((bits & wanted) == wanted);
	CHECK(!(bits & SECBIT_KEEP_CAPS));
	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		CHECK(prctl(PR_CAPBSET_READ, cap) == 0);
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

/* From now on the kernel answers the call by the error. */
static void refuse_call(unsigned int number, unsigned int error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { .len = ARRAY_SIZE(code), .filter = code };

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0);
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

#define CHILD_TEST(name) \
	static void test_##name(void **state) \
	{ \
		(void)state; \
		in_child(name); \
	}

CHILD_TEST(drop_as_root)
CHILD_TEST(drop_as_nobody)
CHILD_TEST(limit_fds)
CHILD_TEST(limit_resources)
CHILD_TEST(clear_environment)
CHILD_TEST(landlock_denies)
CHILD_TEST(landlock_absent)
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
CHILD_TEST(dies_with_parent)
CHILD_TEST(dies_with_parent_as_user)
CHILD_TEST(cgroup_holds_process)
CHILD_TEST(cgroup_keeps_what_was_there)
CHILD_TEST(cgroup_names_what_fails)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_drop_as_root),
		cmocka_unit_test(test_drop_as_nobody),
		cmocka_unit_test(test_limit_fds),
		cmocka_unit_test(test_limit_resources),
		cmocka_unit_test(test_clear_environment),
		cmocka_unit_test(test_landlock_denies),
		cmocka_unit_test(test_landlock_absent),
		cmocka_unit_test(test_landlock_text),
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
		cmocka_unit_test(test_dies_with_parent),
		cmocka_unit_test(test_dies_with_parent_as_user),
		cmocka_unit_test(test_cgroup_parse),
		cmocka_unit_test(test_cgroup_parse_refuses),
		cmocka_unit_test(test_cgroup_holds_process),
		cmocka_unit_test(test_cgroup_keeps_what_was_there),
		cmocka_unit_test(test_cgroup_names_what_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
