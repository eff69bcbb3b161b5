// A server that does the awkward things, as the words of a file say; a deploy is another file. A word is a way, which
// holds for the listeners after it, or a listener to serve:
//
//   tcp:HOST:PORT  tcp6:PORT (of ::1, v6only)  dual:PORT (of ::)  unix:PATH  abstract:NAME  udp:PORT (of 127.0.0.1)
//
//   thread    bind and listen in a thread of its own
//   dup       duplicate the socket before the bind, and use the duplicate from then on
//   epoll     register the socket with epoll before the bind, and wait with that
//   options   set options before the bind, and print what has become of them
//   fork      bind in a child, which serves, and whose parent passes TERM on to it
//   nobody    become another user first
//   daemon    go into the background first
//   hundred:PORT  a hundred listeners, of 127.0.1.1 to 127.0.1.100
//   client    bind a client's source address and port 0 besides, as programs do that only look
//   storm     bind in four threads besides, over and over, until the end
//   hostile:PORT:PATH  call bind, listen and unlink besides with all that is wrong, also for the address of PORT, and
//             write to PATH what came of it
//
// It answers every request with its pid, and at TERM it finishes the request at hand and ends with status 0.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un path;
};

static struct pollfd served[256];
static int count, epoll_fd = -1;
static bool in_thread, through_dup, by_epoll, with_options;
static char unix_path[sizeof((struct sockaddr_un *)0)->sun_path];
static volatile sig_atomic_t stopped;
static pid_t child;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void on_term(int sig)
{
    stopped = 1;
    if (child > 0)
        kill(child, sig);
}

// ---- listeners ---------------------------------------------------------------------------------

struct job {
    int fd;
    union address address;
    socklen_t length;
    bool listens;
};

static void *bind_and_listen(void *argument)
{
    struct job *job = argument;
    if (bind(job->fd, &job->address.any, job->length))
        die("bind");
    if (job->listens && listen(job->fd, 5))
        die("listen");
    return NULL;
}

static int option(int fd, int level, int name)
{
    int value = -1;
    getsockopt(fd, level, name, &value, &(socklen_t){sizeof value});
    return value;
}

static void set(int fd, int level, int name, int value)
{
    if (setsockopt(fd, level, name, &value, sizeof value))
        die("setsockopt");
}

static void open_one(int family, int type, union address address, socklen_t length, bool v6only)
{
    struct job job = {socket(family, type | SOCK_CLOEXEC, 0), address, length, type == SOCK_STREAM};
    if (job.fd < 0)
        die("socket");
    if (family != AF_UNIX)
        set(job.fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (family == AF_INET6)
        set(job.fd, IPPROTO_IPV6, IPV6_V6ONLY, v6only);
    if (with_options) {
        set(job.fd, SOL_SOCKET, SO_RCVBUF, 123456);
        set(job.fd, SOL_SOCKET, SO_KEEPALIVE, 1);
        set(job.fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 3);
    }
    int used = through_dup ? dup(job.fd) : job.fd;
    fcntl(used, F_SETFL, O_NONBLOCK);
    if (by_epoll) {
        if (epoll_fd < 0)
            epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = used};
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, used, &event))
            die("epoll_ctl");
    }
    if (in_thread) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, bind_and_listen, &job) || pthread_join(thread, NULL))
            die("pthread");
    } else {
        bind_and_listen(&job);
    }
    if (used != job.fd)
        close(job.fd);
    if (with_options)
        printf("options %d %d %d\n", option(used, SOL_SOCKET, SO_RCVBUF), option(used, SOL_SOCKET, SO_KEEPALIVE),
               option(used, IPPROTO_TCP, TCP_DEFER_ACCEPT) > 0);
    served[count++] = (struct pollfd){.fd = used, .events = POLLIN};
}

static union address v4(const char *host, int port)
{
    union address address = {.v4 = {.sin_family = AF_INET, .sin_port = htons(port)}};
    inet_pton(AF_INET, host, &address.v4.sin_addr);
    return address;
}

static void open_v4(const char *host, int port, int type)
{
    open_one(AF_INET, type, v4(host, port), sizeof(struct sockaddr_in), false);
}

static void open_v6(const char *port, bool loopback)
{
    union address address = {.v6 = {.sin6_family = AF_INET6, .sin6_port = htons(atoi(port))}};
    address.v6.sin6_addr = loopback ? in6addr_loopback : in6addr_any;
    open_one(AF_INET6, SOCK_STREAM, address, sizeof address.v6, loopback);
}

static void open_unix(const char *path)
{
    union address address = {.path = {.sun_family = AF_UNIX}};
    strcpy(address.path.sun_path, path);
    strcpy(unix_path, path);
    unlink(path);
    open_one(AF_UNIX, SOCK_STREAM, address, sizeof address.path, false);
}

static void open_abstract(const char *name)
{
    union address address = {.path = {.sun_family = AF_UNIX}};
    strcpy(address.path.sun_path + 1, name);
    open_one(AF_UNIX, SOCK_STREAM, address, sizeof(sa_family_t) + 1 + strlen(name), false);
}

static bool open_listener(const char *word)
{
    char host[64];
    int port;
    if (sscanf(word, "tcp:%63[^:]:%d", host, &port) == 2)
        open_v4(host, port, SOCK_STREAM);
    else if (sscanf(word, "udp:%d", &port) == 1)
        open_v4("127.0.0.1", port, SOCK_DGRAM);
    else if (sscanf(word, "hundred:%d", &port) == 1)
        for (int n = 1; n <= 100; n++) {
            sprintf(host, "127.0.1.%d", n);
            open_v4(host, port, SOCK_STREAM);
        }
    else if (!strncmp(word, "tcp6:", 5))
        open_v6(word + 5, true);
    else if (!strncmp(word, "dual:", 5))
        open_v6(word + 5, false);
    else if (!strncmp(word, "unix:", 5))
        open_unix(word + 5);
    else if (!strncmp(word, "abstract:", 9))
        open_abstract(word + 9);
    else
        return false;
    return true;
}

// ---- ways --------------------------------------------------------------------------------------

// The child goes on and serves; the parent ends with it.
static void go_on_in_child(void)
{
    child = fork();
    if (child < 0)
        die("fork");
    if (child == 0)
        return;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int status;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    exit(WEXITSTATUS(status));
}

static void become_nobody(void)
{
    if (setgroups(0, NULL) || setgid(65534) || setuid(65534))
        die("setuid");
}

// A client with a source address of its own, over a real connection, and a listener that nobody is told of.
static void be_a_client(void)
{
    union address any = v4("127.0.0.1", 0), there;
    int hidden = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(hidden, &any.any, sizeof any.v4) || listen(hidden, 1) || bind(client, &any.any, sizeof any.v4))
        die("bind of port 0");
    socklen_t length = sizeof there;
    getsockname(hidden, &there.any, &length);
    if (connect(client, &there.any, length))
        die("connect");
    close(client);
    close(hidden);
}

static void *storm(void *unused)
{
    union address any = v4("127.0.0.1", 0);
    for (;;) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (bind(fd, &any.any, sizeof any.v4) || listen(fd, 1))
            die("bind in the storm");
        close(fd);
    }
    return unused;
}

static void start_storm(void)
{
    pthread_t thread;
    for (int n = 0; n < 4; n++)
        if (pthread_create(&thread, NULL, storm, NULL))
            die("pthread_create");
}

// ---- hostile arguments -------------------------------------------------------------------------

static FILE *results;

static void tell(const char *what, long result)
{
    fprintf(results, "%s: %s\n", what, result < 0 ? strerror(errno) : "ok");
    fflush(results);
}

static long raw_bind(long fd, const void *address, long length)
{
    return syscall(SYS_bind, fd, address, length);
}

static int fresh(int family)
{
    return socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

// Two pages, of which the second cannot be read: what ends with the first ends well.
static char *page_end(void)
{
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(pages + 4096, 4096, PROT_NONE);
    return pages + 4096;
}

static void tell_all(int port, const char *path, char *end)
{
    union address any = v4("127.0.0.1", 0);
    const long lengths[] = {0, 1, 2, 7, 15, 16, 17, 28, 110, 111, 128, 129, 4096, INT32_MAX, -1, INT32_MIN, 1L << 32 | 16};
    const int families[] = {AF_UNSPEC, AF_UNIX, AF_INET6, AF_NETLINK, AF_PACKET, 77, 65535};
    const int fds[] = {-1, 77777, INT32_MAX, 0, INT32_MIN};
    char what[64];

    tell("bind NULL", raw_bind(fresh(AF_INET), NULL, 16));
    tell("bind 1", raw_bind(fresh(AF_INET), (void *)1, 16));
    tell("bind kernel", raw_bind(fresh(AF_INET), (void *)-4096L, 16));
    tell("bind unreadable", raw_bind(fresh(AF_INET), end, 16));
    tell("bind half readable", raw_bind(fresh(AF_INET), end - 8, 16));
    memcpy(end - 16, &any, 16);
    tell("bind at the end", raw_bind(fresh(AF_INET), end - 16, 16));
    for (size_t n = 0; n < sizeof lengths / sizeof *lengths; n++) {
        sprintf(what, "bind length %ld", lengths[n]);
        tell(what, raw_bind(fresh(AF_INET), &any, lengths[n]));
        union address v6 = {.v6 = {.sin6_family = AF_INET6}};
        sprintf(what, "bind v6 length %ld", lengths[n]);
        tell(what, raw_bind(fresh(AF_INET6), &v6, lengths[n]));
    }
    for (size_t n = 0; n < sizeof families / sizeof *families; n++) {
        union address odd = any;
        odd.any.sa_family = families[n];
        sprintf(what, "bind family %d", families[n]);
        tell(what, raw_bind(fresh(AF_INET), &odd, 16));
        sprintf(what, "unix bind family %d", families[n] == AF_UNIX ? AF_INET : families[n]);
        odd.any.sa_family = families[n] == AF_UNIX ? AF_INET : families[n];
        tell(what, raw_bind(fresh(AF_UNIX), &odd, 16));
    }
    for (size_t n = 0; n < sizeof fds / sizeof *fds; n++) {
        sprintf(what, "fd %d", fds[n]);
        tell(what, raw_bind(fds[n], &any, 16));
        tell(what, syscall(SYS_listen, (long)fds[n], 5L));
    }
    int pipes[2], bound = fresh(AF_INET);
    if (pipe2(pipes, O_CLOEXEC))
        die("pipe");
    tell("bind pipe", raw_bind(pipes[0], &any, 16));
    tell("listen pipe", listen(pipes[0], 5));
    tell("bind twice", raw_bind(bound, &any, 16));
    tell("bind twice", raw_bind(bound, &any, 16));
    tell("listen INT_MIN", listen(bound, INT32_MIN));
    tell("listen INT_MAX", listen(bound, INT32_MAX));
    tell("listen unbound", listen(fresh(AF_INET), 5));
    tell("listen udp", listen(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), 5));

    // What cannot be bound to any address must not be given a listener's socket for its address.
    union address held = v4("127.0.0.1", port);
    tell("bind too short there", raw_bind(fresh(AF_INET), &held, 15));
    tell("bind too long there", raw_bind(fresh(AF_INET), &held, 129));
    tell("bind negative there", raw_bind(fresh(AF_INET), &held, -1));
    tell("bind pipe there", raw_bind(pipes[0], &held, 16));
    tell("bind closed there", raw_bind(77777, &held, 16));
    tell("bind unix there", raw_bind(fresh(AF_UNIX), &held, 16));
    tell("bind v6 there", raw_bind(fresh(AF_INET6), &held, 16));
    tell("bind bound there", raw_bind(bound, &held, 16));

    // A path as long as it may be, without its zero, before memory that cannot be read.
    struct sockaddr_un *full = (void *)(end - sizeof *full);
    full->sun_family = AF_UNIX;
    int length = sprintf(full->sun_path, "%s.", path);
    memset(full->sun_path + length, 'x', sizeof full->sun_path - length);
    int unix_fd = fresh(AF_UNIX);
    tell("unix without zero", raw_bind(unix_fd, full, sizeof *full));
    tell("unix without zero again", raw_bind(fresh(AF_UNIX), full, sizeof *full));
    char whole[sizeof full->sun_path + 1] = "";
    memcpy(whole, full->sun_path, sizeof full->sun_path);
    tell("unlink whole", unlink(whole));
    tell("unix autobind", raw_bind(fresh(AF_UNIX), full, sizeof(sa_family_t)));
    tell("unlink NULL", syscall(SYS_unlink, NULL));
    tell("unlink kernel", syscall(SYS_unlink, -4096L));
    tell("unlink empty", unlink(""));
    memset(end - 4096, 'y', 4096);
    tell("unlink without zero", syscall(SYS_unlink, end - 4096));
    tell("unlink without zero, short", syscall(SYS_unlink, end - 3));
    char long_path[3 * 4096];
    memset(long_path, '/', sizeof long_path - 1);
    long_path[sizeof long_path - 1] = 0;
    tell("unlink too long", unlink(long_path));
    tell("unlinkat bad directory", unlinkat(-5, "nowhere", 0));
    tell("unlinkat bad flags", unlinkat(AT_FDCWD, "nowhere", -1));
    tell("unlinkat of a pipe", unlinkat(pipes[0], "nowhere", 0));
}

// Calls by chance, the same ones in each process, on sockets that nobody misses.
static void call_by_chance(char *end)
{
    static uint64_t state = 1;
    for (int n = 0; n < 3000; n++) {
        union address odd;
        for (size_t byte = 0; byte < sizeof odd; byte++) {
            state = state * 6364136223846793005 + 1442695040888963407;
            ((char *)&odd)[byte] = state >> 56;
        }
        unsigned dice = state >> 33;
        const int families[] = {AF_INET, AF_INET6, AF_UNIX};
        int family = families[dice % 3];
        odd.any.sa_family = dice & 8 ? family : odd.any.sa_family;
        odd.v4.sin_port = 0; // Of a unix address the first of an abstract name, which leaves no file behind.
        for (size_t byte = 4; odd.any.sa_family == AF_UNIX && byte < sizeof odd; byte++)
            ((char *)&odd)[byte] = 'a' + (unsigned char)((char *)&odd)[byte] % 26;
        long length = dice & 16 ? (long)(dice >> 8) % 130 : (int)state;
        memcpy(end - sizeof odd, &odd, sizeof odd);
        const void *addresses[] = {&odd, &odd, end - sizeof odd, end - (dice >> 16) % sizeof odd, (void *)(uintptr_t)state};
        int fd = fresh(family);
        tell("bind by chance", raw_bind(fd, addresses[(dice >> 5) % 5], length));
        tell("listen by chance", listen(dice & 64 ? fd : -fd, (int)state));
        tell("unlink by chance", syscall(SYS_unlink, dice & 128 ? (void *)(uintptr_t)state : end - dice % 64));
        close(fd);
    }
}

static void be_hostile(int port, const char *path)
{
    results = fopen(path, "we");
    char *end = page_end();
    tell_all(port, path, end);
    call_by_chance(end);
    fputs("end\n", results);
    fclose(results);
}

// ---- serving -----------------------------------------------------------------------------------

static void answer(int client)
{
    char request[4096], body[64], head[128];
    size_t length = 0;
    ssize_t n;
    while (length < sizeof request - 1 && (n = read(client, request + length, sizeof request - 1 - length)) > 0) {
        request[length += n] = 0;
        if (strstr(request, "\r\n\r\n"))
            break;
    }
    int size = sprintf(body, "{\"pid\": %d}", getpid());
    sprintf(head, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", size, body);
    send(client, head, strlen(head), MSG_NOSIGNAL);
    close(client);
}

static void answer_datagram(int fd)
{
    union address from;
    char body[64];
    socklen_t length = sizeof from;
    if (recvfrom(fd, body, sizeof body, MSG_DONTWAIT, &from.any, &length) >= 0)
        sendto(fd, body, sprintf(body, "{\"pid\": %d}", getpid()), 0, &from.any, length);
}

// Waits with the mask of the time before TERM was blocked, so that a TERM cannot come in between unseen.
static void serve(const sigset_t *mask)
{
    while (!stopped) {
        if (epoll_fd >= 0) {
            struct epoll_event event;
            if (epoll_pwait(epoll_fd, &event, 1, -1, mask) < 1)
                continue;
        } else if (ppoll(served, count, NULL, mask) < 1) {
            continue;
        }
        for (int n = 0; n < count; n++) {
            int client = accept4(served[n].fd, NULL, NULL, SOCK_CLOEXEC);
            if (client >= 0)
                answer(client);
            else if (errno == EOPNOTSUPP)
                answer_datagram(served[n].fd);
        }
    }
}

int main(int argc, char **argv)
{
    sigset_t term, before;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, &before);
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_term}, NULL);
    setlinebuf(stdout);
    FILE *words = fopen(argc == 2 ? argv[1] : "", "re");
    if (!words)
        die("usage: awkward FILE");
    char word[256];
    int port, rest = 0;
    while (fscanf(words, "%255s", word) == 1) {
        if (!strcmp(word, "thread"))
            in_thread = true;
        else if (!strcmp(word, "dup"))
            through_dup = true;
        else if (!strcmp(word, "epoll"))
            by_epoll = true;
        else if (!strcmp(word, "options"))
            with_options = true;
        else if (!strcmp(word, "fork"))
            go_on_in_child();
        else if (!strcmp(word, "nobody"))
            become_nobody();
        else if (!strcmp(word, "daemon")) {
            if (daemon(1, 1))
                die("daemon");
        } else if (!strcmp(word, "client"))
            be_a_client();
        else if (!strcmp(word, "storm"))
            start_storm();
        else if (sscanf(word, "hostile:%d:%n", &port, &rest) == 1)
            be_hostile(port, word + rest);
        else if (!open_listener(word)) {
            fprintf(stderr, "no such word: %s\n", word);
            return 2;
        }
    }
    fclose(words);
    serve(&before);
    if (*unix_path)
        unlink(unix_path);
    return 0;
}
