#!/bin/sh
# Installs what the tests need on Debian 12: registries, clients and tools from Debian, moto by pip, two tools for file
# systems by cargo, and the Rust targets of the injected layer. Does nothing where all is there. It starts no
# service.
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
  mmdebstrap:mmdebstrap
  mount:mount
  netavark:netavark
  nsenter:util-linux
  podman:podman
  runc:runc
  setpriv:util-linux
  setsid:util-linux
  sh:dash
  sha256sum:coreutils
  skopeo:skopeo
  timeout:coreutils
  umoci:umoci
  umount:mount
  unshare:util-linux
'

# What the build and the other tests call. The C++ compilers, for this machine and for the layer's other platform, bring
# the C compiler and the C library's headers, which the package gcc alone does not.
others='
  aarch64-linux-gnu-gcc:g++-aarch64-linux-gnu
  c++:g++
  cc:gcc
  fio:fio
  gzip:gzip
  kill:procps
  make:make
  python3:python3
  qemu-aarch64-static:qemu-user-static
  sqlite3:sqlite3
  strace:strace
  tar:tar
'

# What the benches are built by, and call.
benches='
  c++:g++
  cc:gcc
  chroot:coreutils
  docker-registry:docker-registry
  find:findutils
  fusermount:fuse
  gzip:gzip
  h2load:nghttp2-client
  haproxy:haproxy
  nginx:nginx-light
  pigz:pigz
  rclone:rclone
  s3fs:s3fs
  tar:tar
  taskset:util-linux
  umount:mount
  unshare:util-linux
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

# In Debian, the part of Python that makes environments is a package of its own.
[ "${1-}" = benches ] || python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"

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

# An S3 server that is not ours, in a Python environment of its own, where tests/e2e/support/tools.rs looks for it.
moto=${CARGO_TARGET_DIR:-$(cd "$(dirname "$0")/.." && pwd)/target}/tools/moto
moto_is='moto[s3]==5.2.1 flask==3.1.3 flask-cors==6.0.2 werkzeug==3.1.8'
if [ "$(cat "$moto/complete" 2>/dev/null)" != "$moto_is" ]; then
  mkdir -p "$moto"
  python3 -m venv --clear "$moto"
  # shellcheck disable=SC2086  # a list of packages
  "$moto/bin/pip" install --quiet --disable-pip-version-check $moto_is
  printf '%s\n' "$moto_is" >"$moto/complete"
fi

# Without its target, layer/static.sh builds for the target of this machine where that can run in the images.
command -v rustc >/dev/null || fail 'Rust is missing: install it with rustup'
has_target() { [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]; }
for target in x86_64-unknown-linux-musl aarch64-unknown-linux-musl; do
  has_target || ! command -v rustup >/dev/null || rustup target add "$target" || true
  if ! has_target; then
    why="the Rust target $target is missing and cannot be added"
    [ "$(uname -m)" = "${target%%-*}" ] || fail "$why"
    say "$why: the injected layer is built for $(uname -m)-unknown-linux-gnu, as a static program"
  fi
done

# What the tests of the driver call and Debian does not have, where they look for it. NAME:VERSION.
tools=${CARGO_TARGET_DIR:-target}/tools
for program in fsx:0.3.2 pjdfstest:0.2.2; do
  name=${program%%:*}
  version=${program##*:}
  [ "$("$tools/bin/$name" --version 2>/dev/null)" = "$name $version" ] ||
    cargo install --quiet --locked --root "$tools" --version "$version" "$name"
done
