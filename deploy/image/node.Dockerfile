# SPDX-License-Identifier: BSD-2-Clause
# How a node's own image carries its pack: an example, for a wallet whose program is mpc-node. The pack is made of the very
# file that is stripped afterwards. It takes some kilobytes, and lies where it does in the agent's own image.
#
#   docker build -t mpc-node -f node.Dockerfile --build-arg AGENT=registry.example.org/mpc-bpf-agent:0.1.0 .
#
# deploy/README.md says how an agent beside the node comes to read it.
ARG AGENT=registry.example.org/mpc-bpf-agent:0.1.0
ARG RUST=rust:1-bookworm
ARG BASE=debian:bookworm-slim

FROM ${RUST} AS build
WORKDIR /src
COPY . .
ENV CARGO_PROFILE_RELEASE_DEBUG=2 CARGO_PROFILE_RELEASE_STRIP=none
RUN cargo build --release --locked

FROM ${AGENT} AS pack
COPY --from=build /src/target/release/mpc-node /mpc-node
RUN ["/usr/bin/mpc-bpf-agent", "pack", "/mpc-node", "-o", "/mpc-node.pack"]

FROM build AS stripped
RUN strip -s -o /mpc-node target/release/mpc-node

FROM ${BASE} AS node
COPY --from=stripped /mpc-node /usr/local/bin/mpc-node
COPY --from=pack /mpc-node.pack /usr/lib/mpc-bpf-agent/packs/mpc-node.pack
USER 10001:10001
HEALTHCHECK NONE
ENTRYPOINT ["/usr/local/bin/mpc-node"]
