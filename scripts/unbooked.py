# SPDX-License-Identifier: BSD-2-Clause
"""Where the books of the nodes of tests/cluster and the agent's page rightly have different things. The demo
compares the two for who watches it, and tests/e2e each in its own way; this is the same for both."""

# Families of what the kernel says of a node.
KERNEL = ("mpc_network_bytes_", "mpc_network_packets_", "mpc_network_tcp_", "mpc_network_socket_", "mpc_network_drops_",
          "mpc_network_udp_")
# Functions of libraries: a node does not know how often they are called.
FOREIGN = ("quinn_proto::", "<quinn_proto::", "rustls::", "<rustls::")
# Labels of the books that a metric does not have: what they tell apart is added up.
FINER = {"mpc_tls_handshake_failures_total": {"side"}}
