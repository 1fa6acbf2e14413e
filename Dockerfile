# SPDX-License-Identifier: BSD-2-Clause
# The agent as an image: its program, the libraries it needs, busybox for health checks. Nothing else is in it.
#
#   docker build -t mpc-bpf-agent --build-arg REVISION=$(git rev-parse --short=12 HEAD) .
#
# To pin the base for good, name it by what it is: docker buildx imagetools inspect debian:bookworm-slim gives the digest,
# --build-arg BASE=debian:bookworm-slim@sha256:… builds on it.
#
# It runs as root because the capabilities that a container is given are effective for nobody else. It needs these, and
# no others, on a read-only file system; deploy/README.md says what for:
#
#   docker run --read-only --pid container:mpc-node-1 --security-opt no-new-privileges --cap-drop ALL \
#     --cap-add BPF --cap-add PERFMON --cap-add SYS_PTRACE --cap-add DAC_READ_SEARCH --cap-add LEASE \
#     --cap-add SETUID --cap-add SETGID mpc-bpf-agent
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
WORKDIR /src
# What is installed changes rarely: before the sources, so that it is kept.
COPY scripts/setup scripts/*.sh scripts/
# hadolint ignore=DL3008
RUN apt-get update \
 && scripts/setup build \
 && apt-get install -y --no-install-recommends busybox-static \
 && rm -rf /var/lib/apt/lists/*
COPY . .
ARG REVISION=unknown
RUN make REVISION="${REVISION}" && strip build/mpc-bpf-agent && scripts/image-root build/mpc-bpf-agent /image

FROM scratch AS agent
ARG REVISION=unknown
LABEL org.opencontainers.image.title="mpc-bpf-agent" \
      org.opencontainers.image.description="Prometheus metrics of MPC wallet nodes, seen from outside by eBPF" \
      org.opencontainers.image.licenses="BSD-2-Clause" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /image /
# hadolint ignore=DL3002
USER 0:0
EXPOSE 9464
# An agent that has trouble says so on /healthz with the reason; see it with: docker inspect.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
  CMD ["/bin/busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:9464/healthz"]
ENTRYPOINT ["/usr/bin/mpc-bpf-agent"]
CMD ["run", "--web.listen-address=:9464"]
