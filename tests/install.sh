#!/bin/sh
# Installs what the tests need on Debian 12: registries, clients and tools from Debian, and the Rust target of the
# injected layer. Does nothing where all is there. It starts no service.
#
#   tests/install.sh            for the tests
#   tests/install.sh benches    for the benches
set -eu

say() { printf 'tests/install.sh: %s\n' "$1" >&2; }
fail() { say "$1"; exit 1; }

# Programs of /usr/sbin are found whatever the caller's PATH is.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/lib/podman

# COMMAND:PACKAGE. What tests/e2e calls, row by row as in tests/e2e/support/tools.rs.
e2e='
  buildah:buildah
  busybox:busybox-static
  containerd:containerd
  cp:coreutils
  ctr:containerd
  curl:curl
  docker:docker.io
  docker-registry:docker-registry
  dockerd:docker.io
  env:coreutils
  htpasswd:apache2-utils
  ip:iproute2
  mount:mount
  netavark:netavark
  nsenter:util-linux
  podman:podman
  runc:runc
  setpriv:util-linux
  setsid:util-linux
  sh:dash
  skopeo:skopeo
  timeout:coreutils
  umoci:umoci
  umount:mount
  unshare:util-linux
'

# What the build and the other tests call. The C++ compiler brings the C compiler and the C library's headers, which
# the package gcc alone does not.
others='
  c++:g++
  cc:gcc
  kill:procps
  make:make
  mmdebstrap:mmdebstrap
  strace:strace
'

# What the benches are built by, and call.
benches='
  c++:g++
  cc:gcc
  docker-registry:docker-registry
  gzip:gzip
  h2load:nghttp2-client
  haproxy:haproxy
  nginx:nginx-light
  pigz:pigz
  taskset:util-linux
  valgrind:valgrind
  wrk:wrk
'

case ${1-} in
  '') tools="$e2e $others" ;;
  benches) tools=$benches ;;
  *) fail "no such set of tools: $1" ;;
esac

# Whether a program is there; words that are the shell's own (kill) do not count.
has() {
  found=
  rest=$PATH:
  while [ -z "$found" ] && [ -n "$rest" ]; do
    [ -x "${rest%%:*}/$1" ] && found=${rest%%:*}/$1
    rest=${rest#*:}
  done
  [ -n "$found" ] || return 1
  # The busybox of package busybox is not static, and does not run in the images of the tests.
  [ "$1" != busybox ] || ! ldd "$found" >/dev/null 2>&1
}

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

# What follows is for the injected layer, which no bench needs.
[ "${1-}" != benches ] || exit 0

# Without the target, layer/static.sh builds for the target of this machine where that can run in the images.
target=x86_64-unknown-linux-musl
command -v rustc >/dev/null || fail 'Rust is missing: install it with rustup'
has_target() { [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]; }
has_target || ! command -v rustup >/dev/null || rustup target add "$target" || true
if ! has_target; then
  why="the Rust target $target is missing and cannot be added"
  [ "$(uname -m)" = "${target%%-*}" ] || fail "$why"
  say "$why: the injected layer is built for $(uname -m)-unknown-linux-gnu, as a static program"
fi
