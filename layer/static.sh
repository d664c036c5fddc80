#!/bin/sh
# Builds one program of this package as a static ELF that runs in any image, and prints where it is.
#
#   layer/static.sh --bin fusion | --example hello
#
# FUSION_TARGET   the Rust target, x86_64-unknown-linux-musl if not given
set -eu

fail() { printf 'layer/static.sh: %s\n' "$1" >&2; exit 1; }

workspace=$(cd "$(dirname "$0")/.." && pwd)
kind=$1
name=$2
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
  printf 'layer/static.sh: the Rust target %s is missing; building a static %s instead\n' "$target" "$fallback" >&2
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
CARGO_ENCODED_RUSTFLAGS=${flags%?} cargo build --quiet --locked --profile layer --package fusion --target "$target" "$kind" "$name"
folder=${CARGO_TARGET_DIR:-$workspace/target}/$target/layer
[ "$kind" = --bin ] || folder=$folder/examples
program=$folder/$name
[ -f "$program" ] || fail "cargo has not made $program"
printf '%s\n' "$program"
