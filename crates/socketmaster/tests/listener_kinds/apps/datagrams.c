/* Answers datagrams with its pid and what came, up to eight in one recvmmsg(2), on descriptor 3. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 8, LONGEST = 2000 };

int main(void) {
    static char data[MOST][LONGEST];
    struct sockaddr_storage clients[MOST];
    struct iovec pieces[MOST];
    struct mmsghdr messages[MOST];
    for (;;) {
        memset(messages, 0, sizeof messages);
        for (int i = 0; i < MOST; i++) {
            pieces[i] = (struct iovec){data[i], LONGEST};
            messages[i].msg_hdr.msg_name = &clients[i];
            messages[i].msg_hdr.msg_namelen = sizeof clients[i];
            messages[i].msg_hdr.msg_iov = &pieces[i];
            messages[i].msg_hdr.msg_iovlen = 1;
        }
        int count = recvmmsg(3, messages, MOST, MSG_WAITFORONE, NULL);
        if (count < 0) {
            perror("recvmmsg");
            return 1;
        }
        for (int i = 0; i < count; i++) {
            char answer[LONGEST + 20];
            int length = snprintf(answer, sizeof answer, "%d %.*s", getpid(), (int)messages[i].msg_len, data[i]);
            sendto(3, answer, length, 0, messages[i].msg_hdr.msg_name, messages[i].msg_hdr.msg_namelen);
        }
    }
}
