#!/bin/sh
# Assembles the content of the injected layer.
#
#   layer/build.sh [FOLDER]     FOLDER defaults to layer/rootfs and is made anew
#
# FUSION_TARGET is that of static.sh.
#
# The folder holds what lands in an image, and nothing else:
#   foo.txt                     the greeting of the README
#   opt/fusion/entry.sh         the program `fusion`, static
#   fusion/s3/                  the mount point, there already for images with a read-only root
set -eu

here=$(cd "$(dirname "$0")" && pwd)
rootfs=${1:-$here/rootfs}

program=$("$here/static.sh" --bin fusion)

rm -rf "$rootfs"
mkdir -p "$rootfs/opt/fusion" "$rootfs/fusion/s3"
printf 'Hello injected world! \360\237\220\263\360\237\220\263\n' >"$rootfs/foo.txt"
cp "$program" "$rootfs/opt/fusion/entry.sh"
chmod 0644 "$rootfs/foo.txt"
chmod 0755 "$rootfs" "$rootfs/opt" "$rootfs/opt/fusion" "$rootfs/opt/fusion/entry.sh" "$rootfs/fusion"
chmod 0777 "$rootfs/fusion/s3"
printf '%s: %s bytes\n' "$rootfs/opt/fusion/entry.sh" "$(wc -c <"$program" | tr -d ' ')"
