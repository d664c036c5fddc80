#!/bin/sh
# Installs what the tests need on Debian 12: registries, clients and tools from Debian, and the Rust target of the
# injected layer. Does nothing where all is there. It starts no service.
set -eu

fail() { printf 'tests/install.sh: %s\n' "$1" >&2; exit 1; }

# Programs of /usr/sbin are found whatever the caller's PATH is.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/lib/podman

# COMMAND:PACKAGE, as tests/e2e/support/tools.rs names them, and what the other suites call.
tools='
  buildah:buildah
  busybox:busybox-static
  cc:gcc
  containerd:containerd
  crun:crun
  ctr:containerd
  curl:curl
  docker-registry:docker-registry
  docker:docker.io
  dockerd:docker.io
  fusermount3:fuse3
  htpasswd:apache2-utils
  ip:iproute2
  iptables:iptables
  musl-gcc:musl-tools
  netavark:netavark
  podman:podman
  runc:runc
  setpriv:util-linux
  skopeo:skopeo
  strace:strace
  umoci:umoci
  valgrind:valgrind
'

# The busybox of package busybox is not static, and does not run in the images of the tests.
has() { command -v "$1" >/dev/null && { [ "$1" != busybox ] || ! ldd "$(command -v busybox)" >/dev/null 2>&1; }; }

missing=
for tool in $tools; do
  has "${tool%%:*}" || missing="$missing ${tool##*:}"
done

if [ -n "$missing" ]; then
  command -v apt-get >/dev/null || fail "these Debian packages are missing, and there is no apt-get:$missing"
  as_root=
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "these Debian packages are missing, and there is no sudo:$missing"
    as_root=sudo
  fi
  # sudo drops the environment, env brings it back.
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q
  # shellcheck disable=SC2086  # a list of packages
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
  for tool in $tools; do
    has "${tool%%:*}" || fail "${tool%%:*} is still missing after the install of ${tool##*:}"
  done
fi

target=x86_64-unknown-linux-musl
command -v rustc >/dev/null || fail 'Rust is missing: install it with rustup'
if ! [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]; then
  command -v rustup >/dev/null || fail "the Rust target $target is missing, and there is no rustup to add it"
  rustup target add "$target" || fail "the Rust target $target cannot be added"
fi
