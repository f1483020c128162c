/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PID 1 of the test bed's machine.
 *
 * Theory of operation. The initramfs holds this program and the modules listed in
 * /etc/volt/modules. The host's root file system comes by 9p and becomes the root, read-only, with
 * the usual kernel file systems and a writable /run on top; /tmp is an overlay of the host's /tmp.
 *
 * tests/testbed/run talks to us through four ports of one virtio console device:
 *
 *	1 control  in: the job; out: lines "ready", "exit N" or "error TEXT"
 *	2 in: standard input
 *	3 out: standard output
 *	4 out: standard error
 *
 * The job is a sequence of NUL-terminated strings, each with its kind as the first character:
 * 't' seconds since 1970, 'r' random text, 'd' working directory, 'e' NAME=VALUE, 'w' directory to
 * mount writable (9p tags rw0, rw1, ... in this order), 'a' an argument, '.' the end.
 *
 * The machine's state is saved when it is ready and waits for its job, and most runs resume it from
 * there. What must not be saved comes after that: QEMU saves no machine with a 9p mount, and the
 * job brings the time and fresh entropy.
 *
 * A port can be open only once at a time, so the command gets pipes, which can be reopened through
 * /dev/stdout, and we copy. A write to a port returns after the other side took the bytes, so all
 * output has left the machine before "exit" is sent; the other side ends the machine then.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define JOB_MAX		(4u << 20)
#define STRINGS_MAX	65536
#define COPY_SIZE	32768	/* virtio_console sends at most this much at once */

/*
 * The host's files are taken not to change while the machine runs. What is written must reach the
 * host even if the machine is killed, so there only mapped pages are kept.
 */
#define NINE_P_OPTIONS	"trans=virtio,version=9p2000.L,msize=512000"
static const char read_only_options[] = NINE_P_OPTIONS ",cache=loose";
static const char writable_options[] = NINE_P_OPTIONS ",cache=mmap";

struct job {
	char *time;
	char *random;
	char *directory;
	char **arguments;
	size_t nr_arguments;
	char **environment;
	size_t nr_environment;
	char **writable;
	size_t nr_writable;
};

static int control = -1;

static void send_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
static _Noreturn void fail(const char *what, const char *which);

static void send_line(const char *format, ...)
{
	char line[512];
	va_list list;
	int length;

	va_start(list, format);
	length = vsnprintf(line, sizeof(line) - 1, format, list);
	va_end(list);
	if (length > (int)sizeof(line) - 2)
		length = (int)sizeof(line) - 2;
	line[length] = '\n';
	if (write(control, line, (size_t)length + 1) < 0)
		dprintf(STDERR_FILENO, "testbed: cannot send: %s", line);
}

/* The other side ends the machine; where it cannot be reached, power-off does. */
static _Noreturn void fail(const char *what, const char *which)
{
	const char *reason = strerror(errno);

	dprintf(STDERR_FILENO, "testbed: %s %s: %s\n", what, which, reason);
	if (control >= 0) {
		send_line("error %s %s: %s", what, which, reason);
		for (;;)
			pause();
	}
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

static void mount_one(const char *source, const char *target, const char *type,
		      unsigned long flags, const char *options)
{
	if (mount(source, target, type, flags, options) != 0)
		fail("cannot mount", target);
}

/* A module that finds nothing to drive says so itself; what is missed in the end shows later. */
static void load_modules(const char *list)
{
	FILE *file = fopen(list, "re");
	char path[512];

	if (!file)
		fail("cannot open", list);
	while (fgets(path, sizeof(path), file)) {
		int fd;

		path[strcspn(path, "\n")] = '\0';
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			fail("cannot open", path);
		if (syscall(SYS_finit_module, fd, "", 0) != 0 && errno != EEXIST)
			dprintf(STDERR_FILENO, "testbed: cannot load %s: %s\n", path,
				strerror(errno));
		close(fd);
	}
	fclose(file);
}

/* The device appears when its driver has probed the console device, which may be a moment away. */
static int open_port(const char *path, int flags)
{
	for (int try = 0; try < 5000; try++) {
		int fd = open(path, flags | O_CLOEXEC);

		if (fd >= 0)
			return fd;
		if (errno != ENOENT)
			break;
		usleep(1000);
	}
	fail("cannot open", path);
}

static void mount_root(void)
{
	static const char overlay[] = "lowerdir=/root/tmp,upperdir=/root/run/.tmp/upper,"
				      "workdir=/root/run/.tmp/work";

	mount_one("host", "/root", "9p", MS_RDONLY, read_only_options);
	mount_one("proc", "/root/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "");
	mount_one("sysfs", "/root/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "");
	/* As a host of many VMs has it: without this, creating one waits for two RCU grace periods. */
	mount_one("cgroup2", "/root/sys/fs/cgroup", "cgroup2",
		  MS_NOSUID | MS_NODEV | MS_NOEXEC, "favordynmods");
	mount_one("securityfs", "/root/sys/kernel/security", "securityfs",
		  MS_NOSUID | MS_NODEV | MS_NOEXEC, "");
	mount_one("tmpfs", "/root/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755");
	mkdir("/root/run/home", 0700);
	mkdir("/root/run/lock", 01777);
	mkdir("/root/run/.tmp", 0700);
	mkdir("/root/run/.tmp/upper", 0777);
	mkdir("/root/run/.tmp/work", 0700);
	chmod("/root/run/.tmp/upper", 01777);
	mount_one("overlay", "/root/tmp", "overlay", MS_NOSUID | MS_NODEV, overlay);
	mount_one("/dev", "/root/dev", NULL, MS_MOVE, NULL);
	if (mkdir("/root/dev/pts", 0755) != 0 || mkdir("/root/dev/shm", 01777) != 0)
		fail("cannot make", "/dev/pts");
	mount_one("devpts", "/root/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
		  "gid=5,mode=620,ptmxmode=666");
	mount_one("tmpfs", "/root/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
	if (symlink("/proc/self/fd", "/root/dev/fd") != 0 ||
	    symlink("/proc/self/fd/0", "/root/dev/stdin") != 0 ||
	    symlink("/proc/self/fd/1", "/root/dev/stdout") != 0 ||
	    symlink("/proc/self/fd/2", "/root/dev/stderr") != 0)
		fail("cannot link", "/dev/fd");
	/* As switch_root does: in a mere chroot the kernel refuses user namespaces. */
	if (chdir("/root") != 0 || mount(".", "/", NULL, MS_MOVE, NULL) != 0 ||
	    chroot(".") != 0 || chdir("/") != 0)
		fail("cannot switch to", "the host's root");
}

static void mount_writable(const struct job *job)
{
	for (size_t i = 0; i < job->nr_writable; i++) {
		char tag[32];

		snprintf(tag, sizeof(tag), "rw%zu", i);
		mount_one(tag, job->writable[i], "9p", 0, writable_options);
	}
}

static void set_up_network(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) != 0)
		fail("cannot bring up", "lo");
	close(fd);
	if (sethostname("testbed", 7) != 0)
		fail("cannot set", "host name");
}

/* A resumed machine believes that it is still the time when it was saved. */
static void set_clock(const struct job *job)
{
	struct timespec now = { 0 };

	if (!job->time)
		return;
	now.tv_sec = strtoll(job->time, NULL, 10);
	if (clock_settime(CLOCK_REALTIME, &now) != 0)
		fail("cannot set the clock to", job->time);
}

/* Machines resumed from one state would all draw the same random numbers. */
static void add_entropy(const struct job *job)
{
	int fd;

	if (!job->random)
		return;
	fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);
	if (fd < 0 || write(fd, job->random, strlen(job->random)) < 0 ||
	    ioctl(fd, RNDRESEEDCRNG) != 0)
		fail("cannot add to", "/dev/urandom");
	close(fd);
}

static bool job_is_complete(const char *text, size_t size)
{
	return size >= 2 && text[size - 1] == '\0' && text[size - 2] == '.' &&
	       (size == 2 || text[size - 3] == '\0');
}

static void push(char **list, size_t *count, char *string)
{
	if (*count >= STRINGS_MAX) {
		errno = E2BIG;
		fail("cannot take", "the job");
	}
	list[(*count)++] = string;
}

static void read_job(struct job *job)
{
	char *text = malloc(JOB_MAX), *end;
	size_t size = 0;

	job->arguments = calloc(STRINGS_MAX + 1, sizeof(char *));
	job->environment = calloc(STRINGS_MAX + 1, sizeof(char *));
	job->writable = calloc(STRINGS_MAX + 1, sizeof(char *));
	if (!text || !job->arguments || !job->environment || !job->writable)
		fail("no memory for", "the job");
	while (!job_is_complete(text, size)) {
		ssize_t got = read(control, text + size, JOB_MAX - size);

		if (got <= 0)
			fail("cannot read", "the job");
		size += (size_t)got;
	}
	end = text + size;
	for (char *string = text; string < end; string += strlen(string) + 1) {
		switch (string[0]) {
		case 't':
			job->time = string + 1;
			break;
		case 'r':
			job->random = string + 1;
			break;
		case 'd':
			job->directory = string + 1;
			break;
		case 'e':
			push(job->environment, &job->nr_environment, string + 1);
			break;
		case 'w':
			push(job->writable, &job->nr_writable, string + 1);
			break;
		case 'a':
			push(job->arguments, &job->nr_arguments, string + 1);
			break;
		}
	}
}

/* Exit statuses as a shell gives them: 127 not found, 126 cannot be run. */
static _Noreturn void run_command(const struct job *job, const int fds[3])
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	for (int i = 0; i < 3; i++)
		dup2(fds[i], i);
	if (chdir(job->directory) != 0) {
		dprintf(STDERR_FILENO, "testbed: cannot enter %s: %s\n", job->directory,
			strerror(errno));
		_exit(126);
	}
	environ = job->environment;
	execvp(job->arguments[0], job->arguments);
	dprintf(STDERR_FILENO, "testbed: cannot run %s: %s\n", job->arguments[0],
		strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static int write_all(int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t done = write(fd, data, size);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return -1;
		data += done;
		size -= (size_t)done;
	}
	return 0;
}

/* Returns whether there may be more. */
static bool copy_some(int from, int to)
{
	static char buffer[COPY_SIZE];
	ssize_t got = read(from, buffer, sizeof(buffer));

	if (got < 0)
		return errno == EINTR || errno == EAGAIN;
	return got > 0 && write_all(to, buffer, (size_t)got) == 0;
}

/* Standard input has a process of its own: its reader may be slow, or not read at all. */
static void feed_input(int port, int pipe_write)
{
	pid_t pid = fork();

	if (pid == 0) {
		signal(SIGPIPE, SIG_DFL);
		while (copy_some(port, pipe_write))
			;
		_exit(0);
	}
	if (pid < 0)
		fail("cannot fork for", "standard input");
	close(port);
	close(pipe_write);
}

/* Returns whether the command has ended. */
static bool reap(pid_t command, int *status)
{
	int this_status;
	pid_t pid;

	while ((pid = waitpid(-1, &this_status, WNOHANG)) > 0) {
		if (pid != command)
			continue;
		if (WIFSIGNALED(this_status))
			*status = 128 + WTERMSIG(this_status);
		else
			*status = WEXITSTATUS(this_status);
		return true;
	}
	return false;
}

/*
 * Copies output until the command has ended. Then everything else is killed and what is left in
 * the pipes is copied.
 */
static int copy_output(pid_t command, int signals, const int pipes[2], const int ports[2])
{
	struct pollfd polls[3] = {
		{ .fd = pipes[0], .events = POLLIN },
		{ .fd = pipes[1], .events = POLLIN },
		{ .fd = signals, .events = POLLIN },
	};
	bool ended = false;
	int status = 255;

	while (!ended || polls[0].fd >= 0 || polls[1].fd >= 0) {
		if (poll(polls, 3, -1) < 0 && errno != EINTR)
			fail("cannot wait for", "the command");
		for (int i = 0; i < 2; i++)
			if (polls[i].revents && !copy_some(pipes[i], ports[i]))
				polls[i].fd = -1;
		if (polls[2].revents) {
			struct signalfd_siginfo info;

			if (read(signals, &info, sizeof(info)) > 0 && reap(command, &status)) {
				ended = true;
				kill(-1, SIGKILL);
			}
		}
	}
	return status;
}

static int run_job(const struct job *job)
{
	int in[2], out[2], err[2], fds[3], signals;
	sigset_t child;
	pid_t pid;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	signals = signalfd(-1, &child, SFD_CLOEXEC);
	if (signals < 0 || pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		fail("cannot make", "pipes");
	fds[0] = in[0];
	fds[1] = out[1];
	fds[2] = err[1];
	pid = fork();
	if (pid == 0)
		run_command(job, fds);
	if (pid < 0)
		fail("cannot fork for", job->arguments[0]);
	close(in[0]);
	close(out[1]);
	close(err[1]);
	feed_input(open_port("/dev/vport0p2", O_RDONLY), in[1]);
	return copy_output(pid, signals, (int[]){ out[0], err[0] },
			   (int[]){ open_port("/dev/vport0p3", O_WRONLY),
				    open_port("/dev/vport0p4", O_WRONLY) });
}

int main(void)
{
	struct job job = { .directory = NULL };
	int status;

	mkdir("/root", 0755);
	mount_one("dev", "/dev", "devtmpfs", MS_NOSUID, "mode=755");
	load_modules("/etc/volt/modules");
	set_up_network();
	control = open_port("/dev/vport0p1", O_RDWR);
	if (access("/dev/kvm", R_OK | W_OK) != 0)
		fail("cannot find", "/dev/kvm");
	send_line("ready");
	read_job(&job);
	set_clock(&job);
	add_entropy(&job);
	mount_root();
	mount_writable(&job);
	status = run_job(&job);
	sync();
	send_line("exit %d", status);
	for (;;)
		pause();
}
