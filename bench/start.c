/* SPDX-License-Identifier: Apache-2.0 */
/*
 * start RUNS COMMAND [ARGS...] - start COMMAND @RUNS times, one after the other, and print for each
 * the nanoseconds of CLOCK_MONOTONIC from just before the process is made to the first byte on its
 * standard output. Each is left to end by itself before the next. Its standard input is empty.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* Everything up to the end of the output; returns the time of the first byte, -1 if none came. */
static int64_t read_all(int fd)
{
	char buf[4096];
	int64_t first = -1;

	for (;;) {
		ssize_t n = read(fd, buf, sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return first;
		if (first < 0)
			first = now_ns();
	}
}

/* posix_spawn() neither copies this process's page tables nor runs anything of it in the child. */
static int run_once(char **argv, const posix_spawn_file_actions_t *actions, const int pipe_fd[2],
		    int64_t *ret_ns)
{
	int64_t start = now_ns(), first;
	int status, r;
	pid_t pid;

	r = posix_spawn(&pid, argv[0], actions, NULL, argv, environ);
	close(pipe_fd[1]);
	if (r != 0) {
		fprintf(stderr, "start: cannot run %s: %s\n", argv[0], strerror(r));
		return -r;
	}
	first = read_all(pipe_fd[0]);
	if (waitpid(pid, &status, 0) != pid || status != 0 || first < 0) {
		fprintf(stderr, "start: %s ended with status 0x%x%s\n", argv[0],
			(unsigned int)status, first < 0 ? " and without output" : "");
		return -EIO;
	}
	*ret_ns = first - start;
	return 0;
}

static int run(char **argv)
{
	posix_spawn_file_actions_t actions;
	int pipe_fd[2], r;
	int64_t ns;

	if (pipe2(pipe_fd, O_CLOEXEC) < 0) {
		perror("start: pipe2");
		return -errno;
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, pipe_fd[1], STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	r = run_once(argv, &actions, pipe_fd, &ns);
	posix_spawn_file_actions_destroy(&actions);
	close(pipe_fd[0]);
	if (r == 0)
		printf("%" PRId64 "\n", ns);
	return r;
}

int main(int argc, char **argv)
{
	long runs = argc > 2 ? strtol(argv[1], NULL, 10) : 0;

	if (runs < 1) {
		fprintf(stderr, "usage: start RUNS COMMAND [ARGS...]\n");
		return 2;
	}
	while (runs-- > 0)
		if (run(argv + 2) < 0)
			return 1;
	return 0;
}
