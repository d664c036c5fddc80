# The registry in a container, with the default layer packed.
#
#     docker build -t wave .
#     docker run --rm -p 9090:9090 -v wave-data:/work/data wave
#
# Configuration: mount a config.yml at /work/config.yml, or set WAVE_* variables.
#
# Both bases can be replaced. BUILD_BASE needs Rust, make and a C compiler, and for a layer that is for amd64 and arm64
# a C compiler for the other one, or apt-get to install it. RUN_BASE needs a C library as old as
# that of BUILD_BASE or newer, sh, and curl or apt-get to install it.
ARG BUILD_BASE=docker.io/library/rust:1.95-bookworm
ARG RUN_BASE=docker.io/library/debian:bookworm-slim

FROM ${BUILD_BASE} AS build
# A profile of Cargo.toml: dev is built fast and runs slowly.
ARG PROFILE=release
# The commit to show at /service-info.
ARG WAVE_COMMIT
WORKDIR /build
RUN case $(uname -m) in x86_64) other=aarch64 libc=arm64 ;; *) other=x86_64 libc=amd64 ;; esac; \
    command -v $other-linux-gnu-gcc >/dev/null || ! command -v apt-get >/dev/null || { \
      apt-get update && \
      apt-get install -y --no-install-recommends \
        gcc-$(echo $other | tr _ -)-linux-gnu libc6-dev-$libc-cross && \
      rm -rf /var/lib/apt/lists/*; \
    }
COPY . .
RUN make clean all && make pack PROFILE=${PROFILE} && make install PROFILE=${PROFILE} DESTDIR=/out

FROM ${RUN_BASE}
# Charts and compose files probe with curl.
RUN command -v curl >/dev/null || { \
      apt-get update && \
      apt-get install -y --no-install-recommends curl && \
      rm -rf /var/lib/apt/lists/*; \
    }
WORKDIR /work
# Numbers, so that a cluster can see that it is not root.
RUN mkdir -m 700 /work/data && chown 10001:10001 /work/data
COPY --from=build /out/usr/local/bin/wave /usr/local/bin/wave
COPY --from=build /build/pack/layers /work/pack/layers
USER 10001:10001
# Metrics and probes for people outside the container need WAVE_ADMIN_BIND; loopback is the default.
EXPOSE 9090
VOLUME /work/data
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD curl -fsS http://localhost:9090/health || exit 1
ENTRYPOINT ["/usr/local/bin/wave"]
CMD ["serve"]
