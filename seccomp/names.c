/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names that the policy may use: constants, with the values that the kernel's headers give them,
 * and the baseline of calls.
 */
#include <linux/futex.h>
#include <linux/kvm.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include "table.h"

static const struct constant {
	const char *name;
	uint64_t value;
} constants[] = {
#define CONSTANT(name) { #name, (uint64_t)(name) }
	CONSTANT(KVM_RUN),
	CONSTANT(KVM_GET_REGS),
	CONSTANT(KVM_SET_REGS),
	CONSTANT(KVM_GET_SREGS),
	CONSTANT(KVM_SET_SREGS),
	CONSTANT(PROT_NONE),
	CONSTANT(PROT_READ),
	CONSTANT(PROT_WRITE),
	CONSTANT(PROT_EXEC),
	CONSTANT(MAP_SHARED),
	CONSTANT(MAP_PRIVATE),
	CONSTANT(MAP_FIXED),
	CONSTANT(MAP_ANONYMOUS),
	CONSTANT(MAP_NORESERVE),
	CONSTANT(MADV_DONTDUMP),
	CONSTANT(MADV_FREE),
	CONSTANT(FUTEX_WAIT),
	CONSTANT(FUTEX_WAKE),
	CONSTANT(FUTEX_REQUEUE),
	CONSTANT(FUTEX_WAIT_PRIVATE),
	CONSTANT(FUTEX_WAKE_PRIVATE),
	CONSTANT(FUTEX_REQUEUE_PRIVATE),
	CONSTANT(CLOCK_REALTIME),
	CONSTANT(CLOCK_MONOTONIC),
	CONSTANT(SOCK_NONBLOCK),
	CONSTANT(SOCK_CLOEXEC),
	/* fallocate(2); linux/falloc.h has them as plain numbers too. */
	{ "FALLOC_FL_KEEP_SIZE", 0x01 },
	{ "FALLOC_FL_PUNCH_HOLE", 0x02 },
	{ "FALLOC_FL_ZERO_RANGE", 0x10 },
	/* musl keeps 32 to 34 for itself and so has 35; the C library here may have another. */
	{ "MUSL_SIGRTMIN", 35 },
};

/*
 * What a monitor of this kind is commonly granted. A call outside of it is not forbidden, but the
 * policy has to say why it is there (`beyond`).
 */
static const char *const baseline[] = {
	"read", "write", "openat", "close", "fstat", "lseek", "pread64", "pwrite64", "readv",
	"writev", "fsync", "fdatasync", "fallocate", "ftruncate", "mmap", "mprotect", "munmap",
	"brk", "madvise", "mremap", "ioctl", "clone", "clone3", "futex", "set_robust_list",
	"sched_yield", "sched_getaffinity", "rseq", "rt_sigaction", "rt_sigprocmask",
	"rt_sigreturn", "sigaltstack", "accept4", "bind", "listen", "socket", "connect",
	"recvfrom", "sendto", "recvmsg", "sendmsg", "shutdown", "getsockname", "getpeername",
	"setsockopt", "getsockopt", "epoll_create1", "epoll_ctl", "epoll_wait", "ppoll", "exit",
	"exit_group", "getpid", "gettid", "prctl", "arch_prctl", "prlimit64", "tgkill",
	"clock_gettime", "nanosleep", "clock_nanosleep", "getrandom", "eventfd2",
	"timerfd_create", "timerfd_settime", "pipe2", "dup", "dup2", "fcntl", "statx",
	"newfstatat", "access", "readlinkat", "getcwd", "unlink", "unlinkat", "mkdir", "mkdirat",
};
_Static_assert(ARRAY_SIZE(baseline) == 78, "the policy and the documents speak of 78 calls");

bool constant_find(const char *name, uint64_t *ret_value)
{
	for (size_t i = 0; i < ARRAY_SIZE(constants); i++) {
		if (strcmp(constants[i].name, name) == 0) {
			*ret_value = constants[i].value;
			return true;
		}
	}
	return false;
}

bool baseline_has(const char *call)
{
	for (size_t i = 0; i < ARRAY_SIZE(baseline); i++)
		if (strcmp(baseline[i], call) == 0)
			return true;
	return false;
}
