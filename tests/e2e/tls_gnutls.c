// SPDX-License-Identifier: BSD-2-Clause
/*
 * A server that makes TLS handshakes with GnuTLS, one after the other and without blocking,
 * asks for certificates of clients, and keeps books: how often gnutls_handshake() said what
 * last, with which version, which alerts came, and which it sent. Given a folder of
 * certificates it prints its port. For the line "connect PORT" it makes a handshake as client
 * that has no certificate and no TLS 1.3, for "resume PORT" two as client, the second of which
 * takes up the session of the first; for each other line it prints its books as
 * "VERSION/CODE:COUNT … in/ALERT:COUNT … out/LEVEL/ALERT:COUNT … is/ROLE/VERSION/RESUMED:COUNT …",
 * abandoned handshakes as "gone:COUNT" at the end.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <gnutls/gnutls.h>

#define PATIENCE_MS 500
#define CODES 1024   /* of errors, which are negative */
#define VERSIONS 256 /* that GnuTLS has numbers for; the last one is none */
#define ALERTS 256
#define BOTH "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

static unsigned long counts[VERSIONS][CODES], gone;
static unsigned long alerts_in[ALERTS], alerts_out[3][ALERTS]; /* sent: by level */
static unsigned long sessions[3][VERSIONS][2]; /* by role, and whether they were resumed */

/* A side of connections. */
struct side {
	gnutls_certificate_credentials_t credentials;
	unsigned role; /* GNUTLS_SERVER or GNUTLS_CLIENT */
	const char *versions;
	gnutls_datum_t tickets;  /* of a server: the key of those that it gives */
	gnutls_datum_t *session; /* of a client, or NULL: the one to take up, then the new one */
};

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

/* How it ended, with which alerts. */
static void book(gnutls_session_t session, int r)
{
	unsigned version = (unsigned)gnutls_protocol_get_version(session) % VERSIONS;
	int level = 0, alert = gnutls_error_to_alert(r, &level);

	if (r > 0) {
		gone++;
		return;
	}
	if (-r < CODES)
		counts[version][-r]++;
	if (r == GNUTLS_E_FATAL_ALERT_RECEIVED) /* to which there is no answer */
		alerts_in[(unsigned)gnutls_alert_get(session) % ALERTS]++;
	else if (r < 0 && gnutls_alert_send_appropriate(session, r) == 0)
		alerts_out[level][(unsigned)alert % ALERTS]++;
}

/* What the next connection can take up; in TLS 1.3 it comes behind the handshake. */
static void keep_session(gnutls_session_t session, int sock, gnutls_datum_t *out)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	char byte;

	if (gnutls_protocol_get_version(session) == GNUTLS_TLS1_3 && poll(&p, 1, PATIENCE_MS) > 0)
		gnutls_record_recv(session, &byte, 1);
	gnutls_free(out->data);
	*out = (gnutls_datum_t){};
	gnutls_session_get_data2(session, out);
}

static gnutls_session_t begin(int sock, const struct side *side)
{
	bool server = side->role == GNUTLS_SERVER;
	gnutls_session_t session;

	fcntl(sock, F_SETFL, O_NONBLOCK);
	gnutls_init(&session, side->role | GNUTLS_NONBLOCK);
	gnutls_priority_set_direct(session, side->versions, NULL);
	gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, side->credentials);
	if (server)
		gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
	if (server)
		gnutls_session_ticket_enable_server(session, &side->tickets);
	if (side->session && side->session->data)
		gnutls_session_set_data(session, side->session->data, side->session->size);
	gnutls_session_set_verify_cert(session, server ? NULL : "localhost", 0);
	gnutls_transport_set_int(session, sock);
	return session;
}

/* One connection. */
static void talk(int sock, const struct side *side)
{
	gnutls_session_t session = begin(sock, side);
	unsigned version;
	int r = handshake(session, sock);

	if (r == 0)
		gnutls_record_send(session, "welcome", 7);
	if (r == 0 && side->session)
		keep_session(session, sock, side->session);
	book(session, r);
	version = (unsigned)gnutls_protocol_get_version(session) % VERSIONS;
	sessions[side->role][version][gnutls_session_is_resumed(session) != 0]++;
	gnutls_deinit(session);
	close(sock);
}

static void print_books(void)
{
	for (int v = 0; v < VERSIONS; v++)
		for (int i = 0; i < CODES; i++)
			if (counts[v][i])
				printf("%d/%d:%lu ", v, -i, counts[v][i]);
	for (int a = 0; a < ALERTS; a++) {
		if (alerts_in[a])
			printf("in/%d:%lu ", a, alerts_in[a]);
		for (int level = 0; level < 3; level++)
			if (alerts_out[level][a])
				printf("out/%d/%d:%lu ", level, a, alerts_out[level][a]);
	}
	for (int role = GNUTLS_SERVER; role <= GNUTLS_CLIENT; role++)
		for (int v = 0; v < VERSIONS; v++)
			for (int resumed = 0; resumed < 2; resumed++)
				if (sessions[role][v][resumed])
					printf("is/%d/%d/%d:%lu ", role, v, resumed,
					       sessions[role][v][resumed]);
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

static void connect_to(int port, const struct side *side)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int sock = socket(AF_INET, SOCK_STREAM, 0);

	if (connect(sock, (struct sockaddr *)&at, sizeof(at)) == 0)
		talk(sock, side);
	else
		close(sock);
}

/* Does what the line says. */
static void obey(const char *line, struct side *bare, struct side *full)
{
	gnutls_datum_t session = {};

	if (strncmp(line, "connect ", 8) == 0) {
		connect_to(atoi(line + 8), bare);
	} else if (strncmp(line, "resume ", 7) == 0) {
		full->session = &session;
		connect_to(atoi(line + 7), full);
		connect_to(atoi(line + 7), full);
		gnutls_free(session.data);
	} else {
		print_books();
	}
}

int main(int argc, char **argv)
{
	struct side server = { .role = GNUTLS_SERVER, .versions = BOTH },
		    full = { .role = GNUTLS_CLIENT, .versions = BOTH },
		    bare = { .role = GNUTLS_CLIENT, .versions = "NORMAL:-VERS-ALL:+VERS-TLS1.2" };
	struct pollfd p[2] = { { .fd = 0, .events = POLLIN }, { .events = POLLIN } };
	char ca[512], cert[512], key[512], line[64];

	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdin, NULL, _IONBF, 0); /* or poll() would not see the next line */
	snprintf(ca, sizeof(ca), "%s/ca.pem", argc > 1 ? argv[1] : ".");
	snprintf(cert, sizeof(cert), "%s/server.pem", argc > 1 ? argv[1] : ".");
	snprintf(key, sizeof(key), "%s/server.key", argc > 1 ? argv[1] : ".");
	if (gnutls_certificate_allocate_credentials(&server.credentials) < 0 ||
	    gnutls_certificate_allocate_credentials(&bare.credentials) < 0 ||
	    gnutls_certificate_set_x509_trust_file(bare.credentials, ca, GNUTLS_X509_FMT_PEM) < 1 ||
	    gnutls_certificate_set_x509_trust_file(server.credentials, ca, GNUTLS_X509_FMT_PEM) <
		    1 ||
	    gnutls_certificate_set_x509_key_file(server.credentials, cert, key,
						 GNUTLS_X509_FMT_PEM) < 0 ||
	    gnutls_session_ticket_key_generate(&server.tickets) < 0)
		return 1;
	full.credentials = server.credentials;
	p[1].fd = listen_somewhere();
	while (p[1].fd >= 0 && poll(p, 2, -1) > 0) {
		if (p[1].revents) /* before orders: who asks for books wants all of them */
			talk(accept(p[1].fd, NULL, NULL), &server);
		else if (!fgets(line, sizeof(line), stdin))
			return 0;
		else
			obey(line, &bare, &full);
	}
	return 1;
}
