/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/jail_net.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"

/* Room for one descriptor, aligned as cmsg(3) wants it. */
union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(int))];
};

void jail_net_lend(int sock)
{
	_cleanup_fd_ int fd = unshare(CLONE_NEWNET) ? -1 : open("/proc/self/ns/net",
								O_RDONLY | O_CLOEXEC);
	char byte = 'n';
	struct iovec data = { .iov_base = &byte, .iov_len = 1 };
	union control control = { 0 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1 };

	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	while (sendmsg(sock, &message, MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

int jail_net_borrow(int sock)
{
	char byte;
	struct iovec data = { .iov_base = &byte, .iov_len = 1 };
	union control control = { 0 };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	ssize_t n;
	int fd;

	do
		n = recvmsg(sock, &message, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n != 1 || message.msg_controllen < CMSG_LEN(sizeof(fd)) ||
	    control.header.cmsg_type != SCM_RIGHTS)
		return -1;
	memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	return fd;
}
