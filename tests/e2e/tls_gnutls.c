// SPDX-License-Identifier: BSD-2-Clause
/*
 * A server that makes TLS handshakes with GnuTLS, one after the other and without blocking,
 * asks for certificates of clients, and keeps books: how often gnutls_handshake() said what
 * last. Given a folder of certificates it prints its port; for each line that it reads it
 * prints its books as "CODE:COUNT …", abandoned handshakes as "gone:COUNT".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <gnutls/gnutls.h>

#define PATIENCE_MS 500
#define CODES 1024 /* of errors, which are negative */

static unsigned long counts[CODES], gone;

static int now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int)(ts.tv_sec * 1000 + ts.tv_nsec / 1000000);
}

/* What the handshake came to; 1: the peer was silent for too long. */
static int handshake(gnutls_session_t session, int sock)
{
	int until = now_ms() + PATIENCE_MS;

	for (;;) {
		int r = gnutls_handshake(session), left = until - now_ms();
		struct pollfd p = { .fd = sock, .events = POLLIN };

		if (r >= 0 || (r != GNUTLS_E_AGAIN && gnutls_error_is_fatal(r)))
			return r;
		if (gnutls_record_get_direction(session))
			p.events = POLLOUT;
		if (r == GNUTLS_E_AGAIN && (left <= 0 || poll(&p, 1, left) == 0))
			return 1;
	}
}

static void serve(int sock, gnutls_certificate_credentials_t credentials)
{
	gnutls_session_t session;
	int r;

	fcntl(sock, F_SETFL, O_NONBLOCK);
	gnutls_init(&session, GNUTLS_SERVER | GNUTLS_NONBLOCK);
	gnutls_priority_set_direct(session, "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2", NULL);
	gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
	gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
	gnutls_session_set_verify_cert(session, NULL, 0);
	gnutls_transport_set_int(session, sock);
	r = handshake(session, sock);
	if (r == 0)
		gnutls_record_send(session, "welcome", 7);
	else if (r < 0)
		gnutls_alert_send_appropriate(session, r);
	gnutls_deinit(session);
	close(sock);
	if (r == 1)
		gone++;
	else if (-r < CODES)
		counts[-r]++;
}

static void print_books(void)
{
	for (int i = 0; i < CODES; i++)
		if (counts[i])
			printf("%d:%lu ", -i, counts[i]);
	printf("gone:%lu\n", gone);
	fflush(stdout);
}

static int listen_somewhere(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 100) ||
	    getsockname(fd, (struct sockaddr *)&at, &size))
		return -1;
	printf("port %d\n", ntohs(at.sin_port));
	fflush(stdout);
	return fd;
}

int main(int argc, char **argv)
{
	gnutls_certificate_credentials_t credentials;
	struct pollfd p[2] = { { .fd = 0, .events = POLLIN }, { .events = POLLIN } };
	char ca[512], cert[512], key[512], line[64];

	signal(SIGPIPE, SIG_IGN);
	snprintf(ca, sizeof(ca), "%s/ca.pem", argc > 1 ? argv[1] : ".");
	snprintf(cert, sizeof(cert), "%s/server.pem", argc > 1 ? argv[1] : ".");
	snprintf(key, sizeof(key), "%s/server.key", argc > 1 ? argv[1] : ".");
	if (gnutls_certificate_allocate_credentials(&credentials) < 0 ||
	    gnutls_certificate_set_x509_trust_file(credentials, ca, GNUTLS_X509_FMT_PEM) < 1 ||
	    gnutls_certificate_set_x509_key_file(credentials, cert, key, GNUTLS_X509_FMT_PEM) < 0)
		return 1;
	p[1].fd = listen_somewhere();
	while (p[1].fd >= 0 && poll(p, 2, -1) > 0) {
		if (p[1].revents) /* before orders: who asks for books wants all of them */
			serve(accept(p[1].fd, NULL, NULL), credentials);
		else if (!fgets(line, sizeof(line), stdin))
			return 0;
		else
			print_books();
	}
	return 1;
}
