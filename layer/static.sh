#!/bin/sh
# Builds one program of this package as a static ELF that runs in any image, and prints where it is.
#
#   layer/static.sh --bin fusion | --example hello
#
# FUSION_TARGET   the Rust target, x86_64-unknown-linux-musl if not given
#
# Exits with 69 when what the target needs is not on this machine.
set -eu

fail() { printf 'layer/static.sh: %s\n' "$1" >&2; exit 1; }
unavailable() { printf 'layer/static.sh: %s\n' "$1" >&2; exit 69; }

workspace=$(cd "$(dirname "$0")/.." && pwd)
kind=$1
name=$2
target=${FUSION_TARGET:-x86_64-unknown-linux-musl}
processor=${target%%-*}
machine=$(uname -m)

command -v cargo >/dev/null || fail 'cargo is missing: install Rust'

# The cryptography is C and assembly that calls no C library, so a compiler for any libc of the processor makes it.
suffix=$(printf '%s' "$target" | tr - _)
compiler=$(printenv "CC_$suffix" || true)
if [ -z "${compiler:=${TARGET_CC-}}" ]; then
  for compiler in "$processor-linux-musl-gcc" "$processor-linux-gnu-gcc" cc; do
    ! command -v "$compiler" >/dev/null || break
  done
  debian=$(printf '%s' "$processor" | tr _ -)
  case $processor in aarch64) libc=libc6-dev-arm64-cross ;; *) libc=libc6-dev-amd64-cross ;; esac
  [ "$compiler" != cc ] || [ "$processor" = "$machine" ] ||
    unavailable "a C compiler for $processor is missing: apt-get install gcc-$debian-linux-gnu $libc"
  command -v "$compiler" >/dev/null || unavailable 'a C compiler is missing: apt-get install gcc libc6-dev'
fi

# A toolchain from somewhere else than rustup has its targets where rustc says.
has_target() { [ -d "$(rustc --print sysroot)/lib/rustlib/$1/lib" ]; }

if ! has_target "$target" && command -v rustup >/dev/null; then
  rustup target add "$target" >&2 || true
fi
if ! has_target "$target"; then
  [ "$processor" = "$machine" ] || unavailable "the Rust target $target is missing: rustup target add $target"
  fallback=$processor-unknown-linux-gnu
  printf 'layer/static.sh: the Rust target %s is missing; building a static %s instead\n' "$target" "$fallback" >&2
  target=$fallback
  suffix=$(printf '%s' "$target" | tr - _)
fi

# Nothing of this machine may reach the program: the same source makes the same layer everywhere. The C library of the
# compiler may not slip in either, by way of checked copies, which some distributions switch on.
home=${CARGO_HOME:-$HOME/.cargo}
options=$(printenv "CFLAGS_$suffix" || printf '%s' "-U_FORTIFY_SOURCE -ffile-prefix-map=$home=/cargo")
export "CC_$suffix=$compiler" "CFLAGS_$suffix=$options"
set -- -C target-feature=+crt-static --remap-path-prefix="$workspace=/fusion" --remap-path-prefix="$home=/cargo"
case $target in
  # The linker that comes with Rust is the same on all machines.
  *-musl) set -- "$@" -C linker=rust-lld -C linker-flavor=ld.lld -C link-self-contained=yes ;;
esac
# Encoded, as the paths may hold spaces.
flags=$(printf '%s\037' "$@")

cd "$workspace"
CARGO_ENCODED_RUSTFLAGS=${flags%?} cargo build --quiet --locked --profile layer --package fusion --target "$target" "$kind" "$name"
folder=${CARGO_TARGET_DIR:-$workspace/target}/$target/layer
[ "$kind" = --bin ] || folder=$folder/examples
program=$folder/$name
[ -f "$program" ] || fail "cargo has not made $program"
printf '%s\n' "$program"
