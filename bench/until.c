/* SPDX-License-Identifier: Apache-2.0 */
/*
 * until PATTERN COMMAND [ARGS...] - start COMMAND, read its standard output until PATTERN appears, and
 * print the nanoseconds of CLOCK_MONOTONIC from just before the fork to the pattern's last byte; then
 * end COMMAND. Its output up to there goes to standard error when it ends without the pattern.
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* Returns the time of the pattern's arrival, or -1 when the output ended before. */
static int64_t wait_for(int fd, const char *pattern)
{
	static char buf[1 << 20];
	size_t used = 0;

	while (used < sizeof(buf) - 1) {
		ssize_t n = read(fd, buf + used, sizeof(buf) - 1 - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		used += (size_t)n;
		buf[used] = '\0';
		if (memmem(buf, used, pattern, strlen(pattern)))
			return now_ns();
	}
	fwrite(buf, 1, used, stderr);
	return -1;
}

int main(int argc, char **argv)
{
	int64_t start, end;
	int out[2];
	pid_t pid;

	if (argc < 3) {
		fprintf(stderr, "usage: until PATTERN COMMAND [ARGS...]\n");
		return 2;
	}
	if (pipe(out) < 0) {
		perror("pipe");
		return 1;
	}
	start = now_ns();
	pid = vfork();
	if (pid == 0) {
		dup2(out[1], STDOUT_FILENO);
		close(out[0]);
		close(out[1]);
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	close(out[1]);
	end = wait_for(out[0], argv[1]);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (end < 0) {
		fprintf(stderr, "until: '%s' never came\n", argv[1]);
		return 1;
	}
	printf("%lld\n", (long long)(end - start));
	return 0;
}
