/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vmm/link.h"
#include "vmm/machine.h"

int link_create(int ret_fds[2], struct error *err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret_fds) < 0)
		return error_sys(err, -errno, "cannot make the sockets between supervisor and VM");
	return 0;
}

static void link_ready(void *ctx, uint32_t events)
{
	struct link *link = ctx;
	struct order order;
	ssize_t n;

	(void)events;
	while ((n = read(link->source.fd, &order, sizeof(order))) == (ssize_t)sizeof(order)) {
		switch (order.kind) {
		case ORDER_STOP:
			stop_request(&link->machine->stop, strsignal(order.signal));
			break;
		case ORDER_TERMINAL:
		case ORDER_NO_TERMINAL:
			console_terminal(&link->machine->console, order.kind == ORDER_TERMINAL);
			break;
		}
	}
	if (n == 0)	/* the supervisor has gone, and with it whoever wanted this VM */
		machine_end(link->machine, EXIT_STOPPED, "its supervisor has gone");
}

int link_init(struct link *link, struct machine *machine, int fd, struct loop *loop,
	      struct error *err)
{
	int r;

	*link = (struct link){
		.machine = machine,
		.source = { .fd = fd, .ready = link_ready, .ctx = link },
	};
	r = loop_watch(loop, &link->source, EPOLLIN);
	return r < 0 ? error_sys(err, r, "cannot watch the supervisor's socket") : 0;
}

void link_report(int fd, enum report_kind kind, int code, const char *text)
{
	struct report report = { .kind = kind, .code = (uint32_t)code };

	snprintf(report.text, sizeof(report.text), "%s", text);
	(void)!write(fd, &report, sizeof(report));
}

void link_destroy(struct link *link)
{
	fd_close(&link->source.fd);
}
