/*
 * cserver: the least that a socket policy server has to do, in C.
 *
 * It is the benchmark's yardstick, what the kernel allows, and not a server to
 * put on a network: it has no TLS, no reload, no log, no limit per address, and
 * takes the request to the letter (22 bytes and the NUL).
 *
 *   cserver PORT THREADS POLICY-FILE [ADDRESS]   answers on ADDRESS:PORT, 127.0.0.1 if not told
 *
 * Each thread has a listener of its own (SO_REUSEPORT) and one epoll instance.
 * The tricks, in the order of what they are worth:
 *
 *   - the answer goes with MSG_MORE, so that close() puts the FIN on the same
 *     segment;
 *   - TCP_DEFER_ACCEPT: a connection is accepted when its request is there, so
 *     the ordinary client costs accept4, recv, send, close and nothing else;
 *   - TCP_QUICKACK off, after listen() (which resets it): the request is
 *     acknowledged by the answer. It is set again on a connection whose request
 *     is still incomplete, which would otherwise wait for a delayed ACK.
 *
 * A connection whose request is incomplete (a laggard) costs sixteen bytes, in
 * a table by descriptor. Laggards stand in a list in the order of arrival; as
 * the time allowed is the same for all, only the first one's deadline is ever
 * looked at. When the descriptors are gone, the first one makes room.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, BUFFER = 1024, ALLOWED_SECONDS = 10, BACKLOG = 4096 };

static const char request[23] = "<policy-file-request/>";
static char answer[1 << 16];
static size_t answer_len;
static struct sockaddr_in address = {.sin_family = AF_INET};

/* A laggard, by descriptor. The threads' descriptors are distinct, so that the
 * threads share the table without a lock. -1 ends a list. */
static struct laggard {
	int32_t before, after;
	uint32_t deadline;
	uint32_t got;
} *laggards;

struct loop {
	int listener, epoll;
	int32_t first, last;
};

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static uint32_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (uint32_t)t.tv_sec;
}

static void set(int fd, int level, int option, int value)
{
	if (setsockopt(fd, level, option, &value, sizeof value))
		die("setsockopt");
}

static void forget(struct loop *l, int fd)
{
	struct laggard *g = &laggards[fd];
	if (g->before >= 0) laggards[g->before].after = g->after; else l->first = g->after;
	if (g->after >= 0) laggards[g->after].before = g->before; else l->last = g->before;
}

static void remember(struct loop *l, int fd, uint32_t got)
{
	int on = 1;
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};
	laggards[fd] = (struct laggard){l->last, -1, now() + ALLOWED_SECONDS, got};
	if (l->last >= 0) laggards[l->last].after = fd; else l->first = fd;
	l->last = fd;
	setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev)) {
		forget(l, fd);
		close(fd);
	}
}

/* serve reads what is there. It returns the bytes of the request seen so far
 * while more are wanted, and -1 when the connection is to be closed, which is
 * the caller's: a laggard leaves the list first, because the other thread may
 * get its descriptor the moment it is closed. The buffer takes the request and
 * what may follow it: a close with unread bytes would send RST, which destroys
 * the answer on its way. */
static int serve(int fd, uint32_t got)
{
	char buf[BUFFER];
	ssize_t n = recv(fd, buf, sizeof buf, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) return (int)got;
	if (n > 0) {
		size_t want = sizeof request - got;
		size_t part = (size_t)n < want ? (size_t)n : want;
		if (memcmp(buf, request + got, part) == 0) {
			if (part < want) return (int)(got + part);
			(void)!send(fd, answer, answer_len, MSG_MORE | MSG_NOSIGNAL | MSG_DONTWAIT);
		}
	}
	return -1;
}

static void take(struct loop *l)
{
	for (int i = 0; i < BATCH; i++) {
		int fd = accept4(l->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			if ((errno == EMFILE || errno == ENFILE) && l->first >= 0) {
				int oldest = l->first;
				forget(l, oldest);
				close(oldest);
				continue;
			}
			return;
		}
		int got = serve(fd, 0);
		if (got >= 0) remember(l, fd, (uint32_t)got);
		else close(fd);
	}
}

static int listener(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) die("socket");
	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	set(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 1);
	if (bind(fd, (struct sockaddr *)&address, sizeof address)) die("bind");
	if (listen(fd, BACKLOG)) die("listen");
	set(fd, IPPROTO_TCP, TCP_QUICKACK, 0);
	return fd;
}

static void *run(void *arg)
{
	struct loop *l = arg;
	struct epoll_event ev[BATCH] = {{.events = EPOLLIN, .data.fd = l->listener}};
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->listener, ev)) die("epoll_ctl");
	for (;;) {
		int n = epoll_wait(l->epoll, ev, BATCH, l->first >= 0 ? 1000 : -1);
		/* A laggard's event first: accepting may reuse its descriptor. */
		int fresh = 0;
		for (int i = 0; i < n; i++) {
			int fd = ev[i].data.fd;
			if (fd == l->listener) { fresh = 1; continue; }
			int got = serve(fd, laggards[fd].got);
			if (got >= 0) { laggards[fd].got = (uint32_t)got; continue; }
			forget(l, fd);
			close(fd);
		}
		for (uint32_t t = now(); l->first >= 0 && (int32_t)(t - laggards[l->first].deadline) >= 0;) {
			int fd = l->first;
			forget(l, fd);
			close(fd);
		}
		if (fresh) take(l);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	int threads = argc == 4 || argc == 5 ? atoi(argv[2]) : 0;
	struct rlimit files;
	if (threads < 1 || threads > 64) {
		fprintf(stderr, "usage: cserver PORT THREADS POLICY-FILE [ADDRESS]\n");
		return 2;
	}
	FILE *f = fopen(argv[3], "rb");
	if (!f) die(argv[3]);
	answer_len = fread(answer, 1, sizeof answer - 1, f) + 1; /* and the NUL */
	fclose(f);
	address.sin_port = htons((uint16_t)atoi(argv[1]));
	if (inet_pton(AF_INET, argc == 5 ? argv[4] : "127.0.0.1", &address.sin_addr) != 1) die(argv[4]);
	signal(SIGPIPE, SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &files)) die("getrlimit");
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	if (!(laggards = calloc(files.rlim_max, sizeof *laggards))) die("calloc");

	/* All listeners stand before the first loop runs: a listener that joins
	 * later would take connections away from those in flight. */
	struct loop *loops = calloc((size_t)threads, sizeof *loops);
	if (!loops) die("calloc");
	for (int i = 0; i < threads; i++) {
		loops[i] = (struct loop){listener(), epoll_create1(EPOLL_CLOEXEC), -1, -1};
		if (loops[i].epoll < 0) die("epoll_create1");
	}
	for (int i = 1; i < threads; i++) {
		pthread_t t;
		if (pthread_create(&t, NULL, run, &loops[i])) die("pthread_create");
	}
	run(&loops[0]);
}
