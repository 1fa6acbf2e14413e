# SPDX-License-Identifier: BSD-2-Clause
"""A node of tests/e2e/55-canary.py: canary_node.py FOLDER. Reads words from standard input and
sends them to itself over TCP, UDP and TLS until that ends; then it says how many bytes that were."""

import json
import socket
import ssl
import sys
import threading
import time

TIMES = 20  # a word in one message


def echo(listener):
    while True:
        with listener.accept()[0] as sock:
            while data := sock.recv(65536):
                sock.sendall(data)


def answer(sock):
    while True:
        data, address = sock.recvfrom(65536)
        sock.sendto(data, address)


def once(sock, word):
    """Sends and gets it back."""
    sock.sendall(word)
    left = len(word)
    while left:
        left -= len(sock.recv(left))
    return len(word)


def main():
    folder, words = sys.argv[1], {kind: word.encode() * TIMES for kind, word in json.loads(sys.stdin.readline()).items()}
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=f"{folder}/certificate.pem")
    server.load_cert_chain(f"{folder}/certificate.pem", f"{folder}/key.pem")
    tcp, tls = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    plain, safe = tcp.getsockname(), tls.getsockname()
    for work, sock in ((echo, tcp), (echo, server.wrap_socket(tls, server_side=True)), (answer, udp)):
        threading.Thread(target=work, args=(sock,), daemon=True).start()
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.connect(udp.getsockname())
    ended = threading.Thread(target=sys.stdin.read, daemon=True)
    ended.start()
    sent = dict.fromkeys(words, 0)
    while ended.is_alive():
        with socket.create_connection(plain) as sock:
            sent["TCP"] += once(sock, words["TCP"])
        with client.wrap_socket(socket.create_connection(safe), server_hostname="localhost") as sock:
            sent["TLS"] += once(sock, words["TLS"])
        sent["UDP"] += once(datagrams, words["UDP"])
        if sent["UDP"] == len(words["UDP"]):
            print("at work", flush=True)
        time.sleep(0.02)
    print(json.dumps(sent), flush=True)


if __name__ == "__main__":
    main()
