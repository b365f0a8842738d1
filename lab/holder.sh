#!/bin/sh
# Process 1 of the namespaces of a laboratory host or gateway, or of the switch (then without folders).
# Usage: holder.sh NAME READY [FOLDER RUN SHARED]
# It keeps the namespaces alive, adopts orphans, and takes everything with it when it is killed.
set -eu
name=$1
exec 3>>"$2"

# Forwarding is inherited from the machine in new network namespaces; nothing here may route between networks.
printf '%s' "$name" >/proc/sys/kernel/hostname
echo 0 >/proc/sys/net/ipv4/ip_forward
for setting in /proc/sys/net/ipv6/conf/all/disable_ipv6 /proc/sys/net/ipv6/conf/default/disable_ipv6; do
    [ ! -e "$setting" ] || echo 1 >"$setting"
done
# Where the kernel filters bridged frames by iptables, a policy of the machine must not reach into the bridges.
for setting in /proc/sys/net/bridge/bridge-nf-call-*; do
    [ ! -e "$setting" ] || echo 0 >"$setting"
done
ip link set lo up

# A fresh view of /sys, or libvirtd would see the network devices of the machine. Without cgroups beneath it.
mount -t sysfs sysfs /sys

if [ $# -gt 2 ]; then
    # First to /mnt, because the folders may lie below a place that is about to be covered.
    mount --bind "$3" /mnt
    mount --bind "$4" /mnt/run
    mount --bind "$5" /mnt/srv/shared
    # The own /etc has links to that of the machine, which nobody in here may change.
    mount --bind /etc /mnt/lib/kumiai-lab/etc
    mount -o remount,bind,ro /mnt/lib/kumiai-lab/etc
    for place in cache lib log; do
        mount --rbind "/mnt/$place" "/var/$place"
    done
    mount --rbind /mnt/srv /srv
    mount --bind /mnt/run /run
    mount --bind /mnt/etc /etc
    umount --recursive --lazy /mnt
fi
echo ready >&3
exec 3>&-
while :; do
    sleep 86400 &
    wait
done
