#!/bin/sh
# Assembles the content of the injected layer for one platform.
#
#   layer/build.sh [FOLDER [LAUNCHER]]     FOLDER defaults to layer/rootfs; both are made anew
#
# FUSION_TARGET is that of static.sh, whose exit code 69 is handed on.
#
# FOLDER holds what lands in an image, and nothing else:
#   foo.txt                     the greeting of the README
#   opt/fusion/entry.sh         the program `fusion`, static
#   fusion/s3/                  the mount point, there already for images with a read-only root
# LAUNCHER holds the same, and the program once more (a hard link) as
#   usr/bin/fusion              for callers that put it in front of their command: `/usr/bin/fusion bash ...`
set -eu

here=$(cd "$(dirname "$0")" && pwd)
rootfs=${1:-$here/rootfs}
launcher=${2-}

program=$("$here/static.sh" --bin fusion)

# assemble FOLDER
assemble() {
  rm -rf "$1"
  mkdir -p "$1/opt/fusion" "$1/fusion/s3"
  printf 'Hello injected world! \360\237\220\263\360\237\220\263\n' >"$1/foo.txt"
  cp "$program" "$1/opt/fusion/entry.sh"
  chmod 0644 "$1/foo.txt"
  chmod 0755 "$1" "$1/opt" "$1/opt/fusion" "$1/opt/fusion/entry.sh" "$1/fusion"
  chmod 0777 "$1/fusion/s3"
}

assemble "$rootfs"
if [ -n "$launcher" ]; then
  assemble "$launcher"
  mkdir -p "$launcher/usr/bin"
  chmod 0755 "$launcher/usr" "$launcher/usr/bin"
  ln "$launcher/opt/fusion/entry.sh" "$launcher/usr/bin/fusion"
fi
printf '%s: %s bytes\n' "$rootfs/opt/fusion/entry.sh" "$(wc -c <"$program" | tr -d ' ')"
