/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmm/ - the one place where a VM is put together, and its life: machine.c tells the story in
 * order, loop.c is the device thread's heart, vcpu.c the vCPU threads', console.c the serial port's
 * other end, stop.c how a guest is asked to power off, supervisor.c the process around it all and
 * link.c what the two tell each other.
 *
 * Two processes: machine_open() is the supervisor's (supervisor.h), everything else the VM process's.
 *
 * Threads. The thread that calls machine_build() and machine_run() is the device thread: it owns
 * everything below but the vCPUs' run pages. vCPU threads read the buses, which do not change after
 * machine_build(), and call devices, which lock themselves. What any thread may call is said so.
 */
#ifndef VOLT_VMM_MACHINE_H
#define VOLT_VMM_MACHINE_H

#include <pthread.h>
#include <stdint.h>

#include "block/block.h"
#include "boot/boot.h"
#include "devices/bus.h"
#include "devices/i8042.h"
#include "devices/irq.h"
#include "devices/power.h"
#include "devices/serial.h"
#include "devices/virtio/device.h"
#include "devices/virtio/mmio.h"
#include "vmm/config.h"
#include "vmm/console.h"
#include "sandbox/sandbox.h"
#include "vmm/exit.h"
#include "vmm/link.h"
#include "vmm/loop.h"
#include "vmm/stop.h"
#include "vmm/vcpu.h"

#define MACHINE_DISKS_MAX 1

/* A virtio device in its window, with what the machine needs to reach it. */
struct machine_virtio {
	struct machine *machine;
	struct virtio_device *dev;
	struct virtio_mmio transport;
	struct irq_line irq;
	struct machine_kick {
		struct machine_virtio *owner;
		unsigned int queue;
		struct loop_source source;
	} kick[VIRTIO_QUEUES_MAX];
};

struct machine_disk {
	struct block_backend *backend;
	struct virtio_device *dev;
};

struct machine {
	const struct machine_config *config;
	struct sandbox *sandbox;
	int link_fd;			/* the supervisor; link's once there is a loop */
	char wall[LINK_TEXT_MAX];	/* what of the sandbox is in force, in lines */
	int kernel_fd, initrd_fd;	/* closed once loaded */

	struct kvm kvm;
	int vm_fd;
	struct guest_memory mem;
	struct bus ports, mmio;

	struct irq_line serial_irq, power_irq;
	struct serial serial;
	struct i8042 i8042;
	struct power power;
	struct machine_disk disk[MACHINE_DISKS_MAX];
	unsigned int disk_count;
	struct machine_virtio virtio[LAYOUT_VIRTIO_MAX];
	unsigned int virtio_count;

	struct kernel kernel;
	struct loop loop;
	struct console console;
	struct stop stop;
	struct link link;
	struct vcpu vcpu[KVM_VCPUS_MAX];
	unsigned int vcpu_count;

	/* Why the machine ends: the first reason given counts. Under end_lock. */
	pthread_mutex_t end_lock;
	atomic_bool ended;		/* read without the lock by vCPU threads */
	enum exit_reason end_reason;
	uint8_t end_status;
	char end_detail[256];
};

/*
 * Open everything that has a path. @config has been checked and outlives the machine. On failure
 * everything is released and *ret_reason says what kind of failure it was; the error says it in
 * words. Signals must be blocked before (supervisor.h). Nothing of a file's contents is looked at.
 */
int machine_open(const struct machine_config *config, struct machine **ret_machine,
		 enum exit_reason *ret_reason, struct error *err);

/*
 * Enter @sandbox and build a machine that is ready to run; takes @link_fd over, and @sandbox outlives
 * the machine. On failure as machine_open(), but the machine stays and is to be destroyed.
 */
int machine_build(struct machine *machine, struct sandbox *sandbox, int link_fd,
		  enum exit_reason *ret_reason, struct error *err);

/*
 * Run until the guest or the host ends the machine; returns the reason, and in *ret_status the
 * workload's status for EXIT_POWER_OFF. Device thread.
 */
enum exit_reason machine_run(struct machine *machine, uint8_t *ret_status);

/* Words beyond the reason's own, or an empty string. After machine_run(). */
const char *machine_end_detail(const struct machine *machine);

/* End the machine for @reason. The first call counts, later ones are ignored. Any thread. */
void machine_end(struct machine *machine, enum exit_reason reason, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Accepts NULL and half-built machines. */
void machine_destroy(struct machine *machine);

#endif
