#!/bin/sh
# Assembles the content of all layers: for amd64 and arm64, as the default layer (layer/rootfs, layer/rootfs-arm64) and
# with the launcher (layer/launcher/...). See build.sh for what is in them.
#
# The platform of this machine is built or this fails. The other one needs a C compiler for it; where that is missing,
# the layer is for this machine's platform alone, and images of the other one are left as they are.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
machine=$(uname -m)

for processor in x86_64 aarch64; do
  case $processor in
    x86_64) platform=linux/amd64 folder=rootfs ;;
    aarch64) platform=linux/arm64 folder=rootfs-arm64 ;;
  esac
  # What an earlier source has made is not packed beside what this one makes.
  rm -rf "$here/$folder" "$here/launcher/$folder"
  status=0
  FUSION_TARGET=$processor-unknown-linux-musl "$here/build.sh" "$here/$folder" "$here/launcher/$folder" || status=$?
  if [ "$status" -eq 69 ] && [ "$processor" != "$machine" ]; then
    printf 'layer/all.sh: there is no layer for %s, as said above\n' "$platform" >&2
  elif [ "$status" -ne 0 ]; then
    exit "$status"
  fi
done
