#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What a guest of these tests runs, as /bin/guest under volt-init: "guest WHAT ARGUMENT...".
# Facts for the tests are lines "= NAME VALUE"; "! " marks what the kernel's log complains about.

fact() {
	echo "= $*"
}

# Warnings and worse, and what sounds like one. The tests know which are harmless and why.
complaints() {
	like='\bbug\b|warn|error|fail|invalid|unexpected|unable|mismatch|inconsisten|spurious'
	like="$like|nobody cared|not responding|cut here|stall|taint"
	dmesg -r | grep -iE "^<[0-4]>|$like" | sed 's/^/! /'
}

hello() {
	fact uname "$(uname -r)"
	fact loader "$(cat /proc/sys/kernel/bootloader_type)"
	fact root "$(sed -n 's,^\([^ ]*\) / .*,\1,p' /proc/mounts | tail -n 1)"
	fact mode "$(sed -n 's,^[^ ]* / [^ ]* \(r[ow]\).*,\1,p' /proc/mounts | tail -n 1)"
	fact disk "$(cat /sys/block/vda/size 2>/dev/null || echo none)"
	fact readonly "$(cat /sys/block/vda/ro 2>/dev/null || echo none)"
	fact setup_sects "$(od -An -tu1 -j 497 -N 1 /sys/kernel/boot_params/data | tr -d ' ')"
	fact pid1 "$(tr '\0' ' ' </proc/1/cmdline)"
}

cpus() {
	fact nproc "$(nproc)"
	fact online "$(cat /sys/devices/system/cpu/online)"
	names='processor|physical id|siblings|core id|cpu cores|apicid|initial apicid'
	tr -d '\t' </proc/cpuinfo | grep -E "^($names):" | sed 's/^/= cpuinfo /'
	# Each one executes: the field is the processor that the process last ran on.
	for cpu in $(seq 0 $(($(nproc) - 1))); do
		fact ran "$(taskset -c "$cpu" cut -d ' ' -f 39 /proc/self/stat)"
	done
}

# What is free in the zone above 4 GiB, in pages.
normal_free() {
	awk '/zone +Normal/ { normal = 1 } normal && /pages free/ { print $3; exit }' /proc/zoneinfo
}

# Fills 320 MiB with what the disk has, more than the zone below 4 GiB could hide, and compares.
memory() {
	fact total_kib "$(awk '/MemTotal/ { print $2 }' /proc/meminfo)"
	grep 'System RAM' /proc/iomem | sed 's/^/= iomem /'
	md5sum </sample | sed 's/^/= sample /'
	mount -t tmpfs -o size=1g none /tmp
	fact free_before "$(normal_free)"
	for i in $(seq 20); do
		cp /sample "/tmp/$i"
	done
	fact free_after "$(normal_free)"
	same=0
	for i in $(seq 20); do
		cmp /sample "/tmp/$i" && same=$((same + 1))
	done
	fact same $same
}

# Writes, and gives the system a moment to keep it from the disk: the end must flush it.
write_and_wait() {
	echo "kept by $1" >/kept
	fact written yes
	sleep 100000 &
	wait
}

# Everything is on the disk when a number is said.
fsyncs() {
	mkdir -p /small
	for i in $(seq "$1"); do
		echo "file $i" | dd of="/small/$i" conv=fsync 2>/dev/null
		[ $((i % 10)) != 0 ] || fact synced "$i"
	done
}

big_file() {
	dd if=/dev/urandom of=/chunk bs=1M count=4 2>/dev/null
	for i in $(seq 16); do
		echo "part $i" | dd conv=sync bs=512 2>/dev/null
		cat /chunk
	done | dd of=/big bs=1M iflag=fullblock conv=fsync 2>/dev/null
	sync
	echo 3 >/proc/sys/vm/drop_caches
	fact big "$(md5sum </big)"
	fact size "$(stat -c %s /big)"
}

# The disk's host must refuse; so must the file system.
try_to_write() {
	fact before "$(cat /etc/hello)"
	touch /new && fact created yes
	mount -o remount,rw / && fact remounted yes
	dd if=/dev/zero of=/dev/vda bs=4096 count=1 conv=fsync 2>/dev/null && fact overwritten yes
	fact readonly "$(cat /sys/block/vda/ro)"
	fact after "$(cat /etc/hello)"
}

stock() {
	fact acpi "$(cd /sys/firmware/acpi/tables && echo *)"
	set -- /sys/bus/acpi/devices/LNRO0005:*
	fact virtio $#
	fact parameter "$(cat /sys/module/virtio_mmio/parameters/device 2>/dev/null)"
	fact serial "$(cat /sys/class/tty/ttyS0/type)"
	fact button "$(grep -c PNP0C0C /proc/bus/input/devices)"
	cp /etc/hello /copied
}

what=$1
shift
case $what in
hello) hello ;;
cpus)
	cpus
	complaints
	;;
memory) memory ;;
# As much as the kernel's buffer of the serial port takes at once, and then the end.
last_words) printf '%s\n' "$(seq -s ' ' 900)" ;;
reboot)
	fact asked yes
	reboot -f
	sleep 100
	;;
write_and_wait) write_and_wait "$1" ;;
disk)
	hello
	echo "written by the guest" >/written
	;;
fsyncs) fsyncs "$1" ;;
big_file) big_file ;;
try_to_write) try_to_write ;;
stock)
	hello
	cpus
	stock
	complaints
	exit "$1"
	;;
# For the console: lines or bytes from standard input, and what came.
paste)
	stty raw -echo
	fact pasting yes
	head -c "$1" >/tmp/pasted
	stty sane
	fact pasted "$(md5sum </tmp/pasted)"
	;;
lines)
	stty -echo
	fact pasting yes
	while IFS= read -r line && [ "$line" != end ]; do
		echo "$line"
	done >/tmp/pasted
	fact pasted "$(md5sum </tmp/pasted)"
	;;
ticks)
	for i in $(seq "$1"); do
		fact tick "$i"
		sleep 0.2
	done
	;;
*)
	echo "guest: there is no '$what'"
	exit 99
	;;
esac
