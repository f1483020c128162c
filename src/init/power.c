/* SPDX-License-Identifier: Apache-2.0 */
#include "init/power.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/io.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "init/say.h"

#define PORT_SLEEP_CONTROL 0x600
#define PORT_SLEEP_STATUS 0x601
#define PORT_RESET 0x602
#define PORT_EXIT_STATUS 0x603
#define PORT_BUTTON 0x604

/* SLP_TYP 5 (soft off) and SLP_EN. */
#define SLEEP_OFF (5 << 2 | 0x20)
#define RESET_NOW 1

/* What the sleep status always reads as (WAK_STS); a port that nobody has reads as 0xff. */
#define SLEEP_STATUS_READS 0x80

/* The number that the kernel's first PID namespace always has (linux/proc_ns.h). */
#define INITIAL_PID_NAMESPACE "pid:[4026531836]"

/*
 * Process 1 of a container may be allowed port access, but the machine behind it is not its own.
 * A kernel without namespaces has no link at all.
 */
static bool owns_machine(void)
{
	char name[64];
	ssize_t length = readlink("/proc/self/ns/pid", name, sizeof(name));

	return length < 0 || (length == sizeof(INITIAL_PID_NAMESPACE) - 1 &&
			      memcmp(name, INITIAL_PID_NAMESPACE, (size_t)length) == 0);
}

/* Returns whether it could be written. Kernels lack the one way or the other. */
static bool port_write(unsigned short port, unsigned char value)
{
	_cleanup_fd_ int fd = -1;

	if (!owns_machine())
		return false;
	if (ioperm(port, 1, 1) == 0) {
		outb(value, port);
		return true;
	}
	fd = open("/dev/port", O_WRONLY | O_CLOEXEC);
	return fd >= 0 && pwrite(fd, &value, 1, port) == 1;
}

/* The port's value, or -1 if it cannot be read. Access ends with it: children would inherit it. */
static int port_read(unsigned short port)
{
	_cleanup_fd_ int fd = -1;
	unsigned char value;

	if (!owns_machine())
		return -1;
	if (ioperm(port, 1, 1) == 0) {
		value = inb(port);
		ioperm(port, 1, 0);
		return value;
	}
	fd = open("/dev/port", O_RDONLY | O_CLOEXEC);
	return fd >= 0 && pread(fd, &value, 1, port) == 1 ? value : -1;
}

bool power_button_exists(void)
{
	return port_read(PORT_SLEEP_STATUS) == SLEEP_STATUS_READS;
}

bool power_button_pressed(void)
{
	return port_read(PORT_BUTTON) == 1;
}

/* Process 1 must not return. */
static void __attribute__((noreturn)) stay(void)
{
	complain(0, "this machine does not power off or reset: end it from outside", NULL);
	for (;;)
		pause();
}

void power_off(int status)
{
	port_write(PORT_EXIT_STATUS, (unsigned char)status);
	/* Without ACPI the kernel would only stop the processor. */
	if (access("/sys/firmware/acpi", F_OK) < 0)
		port_write(PORT_SLEEP_CONTROL, SLEEP_OFF);
	reboot(RB_POWER_OFF);
	stay();
}

void power_reboot(void)
{
	reboot(RB_AUTOBOOT);
	port_write(PORT_RESET, RESET_NOW);
	stay();
}
