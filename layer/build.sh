#!/bin/sh
# Assembles the content of the injected layer.
#
#   layer/build.sh [FOLDER]     FOLDER defaults to layer/rootfs and is made anew
#
# FUSION_TARGET   the Rust target of the program, x86_64-unknown-linux-musl if not given
#
# The folder holds what lands in an image, and nothing else:
#   foo.txt                     the greeting of the README
#   opt/fusion/entry.sh         the program `fusion`, static
#   fusion/s3/                  the mount point, there already for images with a read-only root
set -eu

fail() { printf 'layer/build.sh: %s\n' "$1" >&2; exit 1; }

here=$(cd "$(dirname "$0")" && pwd)
workspace=$(dirname "$here")
rootfs=${1:-$here/rootfs}
target=${FUSION_TARGET:-x86_64-unknown-linux-musl}

command -v cargo >/dev/null || fail 'cargo is missing: install Rust'

# A toolchain from somewhere else than rustup has its targets where rustc says.
has_target() { [ -d "$(rustc --print sysroot)/lib/rustlib/$1/lib" ]; }

if ! has_target "$target" && command -v rustup >/dev/null; then
  rustup target add "$target" >&2 || true
fi
if ! has_target "$target"; then
  fallback=$(uname -m)-unknown-linux-gnu
  [ "${target%%-*}" = "${fallback%%-*}" ] || fail "the Rust target $target is missing: rustup target add $target"
  printf 'layer/build.sh: the Rust target %s is missing; building a static %s instead\n' "$target" "$fallback" >&2
  target=$fallback
fi

# Nothing of this machine may reach the program: the same source makes the same layer everywhere.
set -- -C target-feature=+crt-static \
  --remap-path-prefix="$workspace=/fusion" --remap-path-prefix="${CARGO_HOME:-$HOME/.cargo}=/cargo"
case $target in
  # The linker that comes with Rust needs no C compiler here, and is the same on all machines.
  *-musl) set -- "$@" -C linker=rust-lld -C linker-flavor=ld.lld -C link-self-contained=yes ;;
esac
# Encoded, as the paths may hold spaces.
flags=$(printf '%s\037' "$@")

cd "$workspace"
CARGO_ENCODED_RUSTFLAGS=${flags%?} cargo build --quiet --locked --profile layer --package fusion --target "$target"
program=${CARGO_TARGET_DIR:-$workspace/target}/$target/layer/fusion
[ -f "$program" ] || fail "cargo has not made $program"

rm -rf "$rootfs"
mkdir -p "$rootfs/opt/fusion" "$rootfs/fusion/s3"
printf 'Hello injected world! \360\237\220\263\360\237\220\263\n' >"$rootfs/foo.txt"
cp "$program" "$rootfs/opt/fusion/entry.sh"
chmod 0644 "$rootfs/foo.txt"
chmod 0755 "$rootfs" "$rootfs/opt" "$rootfs/opt/fusion" "$rootfs/opt/fusion/entry.sh" "$rootfs/fusion"
chmod 0777 "$rootfs/fusion/s3"
printf '%s: %s bytes, %s\n' "$rootfs/opt/fusion/entry.sh" "$(wc -c <"$program" | tr -d ' ')" "$target"
