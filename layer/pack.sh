#!/bin/sh
# Packs what all.sh has assembled: the default layer into pack/layers, and the one with the launcher into
# pack/launcher/layers.
#
#   layer/pack.sh WAVE     WAVE is the wave binary
set -eu

wave=$1
cd "$(dirname "$0")/.."

for flavour in '' launcher/; do
  set --
  for platform in linux/amd64=rootfs linux/arm64=rootfs-arm64; do
    folder=layer/$flavour${platform#*=}
    [ ! -d "$folder" ] || set -- "$@" "${platform%%=*}=$folder"
  done
  [ $# -gt 0 ] || { printf 'layer/pack.sh: nothing to pack: run make layer\n' >&2; exit 1; }
  "$wave" pack --output "pack/${flavour%/}" "$@"
done
