#!/bin/sh
# Builds the Dockerfile with buildah, and looks at the image: what runs in it, as whom, and what it finds.
#
# No public registry is asked. The bases are made from Debian packages, as those the Dockerfile names are; the Rust
# compiler, the crates and the target folder are this machine's, so that what the other tests have compiled (PROFILE
# dev) is not compiled again.
set -eu
cd "$(dirname "$0")/.."

fail() { printf 'tests/image.sh: %s\n' "$1" >&2; exit 1; }
step() { printf 'tests/image.sh: %s\n' "$1"; }
# is WHAT WANTED FOUND
is() { [ "$2" = "$3" ] || fail "$1 is '$3', not '$2'"; }

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
mkdir -p "${CARGO_TARGET_DIR:-target}/image"
target=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)
home=$target/image
work=$(mktemp -d)
# The bases are kept for the next time.
finish() {
  buildah rm --all >/dev/null || true
  buildah rmi --force localhost/wave >/dev/null || true
  rm -rf "$work"
}
trap finish EXIT

printf '{"default": [{"type": "insecureAcceptAnything"}]}' >"$work/policy.json"
buildah() {
  command buildah --root "$home/storage" --runroot "$work/run" --storage-driver overlay "$@"
}
build() { buildah build --quiet --isolation chroot --signature-policy "$work/policy.json" "$@"; }

if ! [ -f "$home/debian.tar" ]; then
  step 'Debian, as debian:bookworm-slim has it'
  mmdebstrap --quiet --variant=apt bookworm "$home/draft.tar"
  mv "$home/draft.tar" "$home/debian.tar"
fi
step 'the base images'
cargo fetch --quiet --locked
sysroot=$(rustc --print sysroot)
cargo_home=${CARGO_HOME:-$HOME/.cargo}
run_base=localhost/wave-run-base
build_base=localhost/wave-build-base
build --layers --tag "$run_base" --file - "$home" >/dev/null <<TEXT
FROM scratch
ADD debian.tar /
TEXT
build --layers --tag "$build_base" --file - "$work" >/dev/null <<TEXT
FROM $run_base
RUN apt-get update -q && apt-get install -q -y --no-install-recommends \
  gcc gcc-aarch64-linux-gnu libc6-dev libc6-dev-arm64-cross make
ENV PATH=$sysroot/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ENV CARGO_HOME=$cargo_home CARGO_NET_OFFLINE=true CARGO_TARGET_DIR=$target
TEXT

step 'the Dockerfile'
build --format docker --tag localhost/wave --build-arg BUILD_BASE="$build_base" --build-arg RUN_BASE="$run_base" \
  --build-arg PROFILE=dev --build-arg WAVE_COMMIT=0123abc --volume "$sysroot:$sysroot:ro" \
  --volume "$cargo_home/registry:$cargo_home/registry" --volume "$target:$target" . >/dev/null

step 'the image'
image=$(buildah from --pull-never localhost/wave)
in_image() { buildah run --isolation chroot "$image" -- "$@"; }
config() { buildah inspect --format "{{.Docker.Config.$1}}" "$image"; }

is 'the entry point' '[/usr/local/bin/wave]' "$(config Entrypoint)"
is 'the command' '[serve]' "$(config Cmd)"
is 'the user' 10001:10001 "$(config User)"
case $(config Healthcheck.Test) in
  *"curl -fsS http://localhost:9090/health"*) ;;
  *) fail 'the health check is not a call of /health' ;;
esac
is 'the working folder' /work "$(config WorkingDir)"
is 'the user id of a process' 10001 "$(in_image id -u)"
is 'the group id of a process' 10001 "$(in_image id -g)"
in_image curl --version >/dev/null || fail 'there is no curl'
in_image sh -c '! [ -w /usr/local/bin/wave ] && ! [ -w /work/pack/layers ]' || fail 'wave can change itself'
in_image sh -c 'touch data/x && rm data/x' || fail 'the data folder cannot be written'

descriptor=$(in_image cat pack/layers/layer.json) || fail 'the description of the packed layer cannot be read'
digests=$(printf '%s' "$descriptor" | sed -n 's/.*"gzipDigest": *"sha256:\([0-9a-f]*\)".*/\1/p')
[ -n "$digests" ] || fail "the description of the packed layers has no digest: $descriptor"
packed=$(in_image sh -c 'cd pack/layers && sha256sum layer.tar.gzip layer-linux-arm64.tar.gzip' | cut -d' ' -f1)
is 'the digests of the packed layers' "$digests" "$packed"
in_image /usr/local/bin/wave check | grep -q 'pack/layers/layer.json' || fail 'wave check finds no layer'

step 'its proxy'
# The entry point and its command, asked as the health check asks.
said=$(in_image sh -euc '
  mkfifo /tmp/ready
  export WAVE_SERVER_BIND=127.0.0.1:0 WAVE_ADMIN_BIND=127.0.0.1:0
  wave serve >/tmp/ready 2>/tmp/log &
  while read -r word kind address; do
    [ "$word $kind" != "listening plain" ] || at=localhost:${address##*:}
    [ "$word" != ready ] || break
  done </tmp/ready
  curl -fsS "http://$at/health"
  curl -fsS "http://$at/service-info" | sed "s/.*\"commitId\":\"\([^\"]*\)\".*/ \1/"
  kill $!
  wait $! || { cat /tmp/log >&2; exit 1; }
') || fail 'the proxy does not run'
is 'what it says of itself' '{"status":"UP"} 0123abc' "$said"
step 'done'
