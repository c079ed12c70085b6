/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Runs a command in surroundings that a shell cannot make. aarch64 only.
 *
 *   with [WHAT]… COMMAND [ARGUMENT]…
 *
 *   close N          descriptor N is closed
 *   limit R N        both limits of resource R, by its number, are N
 *   uid N GID        as that user, in that group only
 *   refuse CALL E    system call CALL, by its number, answers errno E
 *   listen NAME      a socket that listens at a path or @NAME is descriptor 3, as LISTEN_FDS says
 *   notify NAME FILE messages to NOTIFY_SOCKET, a path or @NAME, are lines of FILE; `-`: nobody reads them
 */
#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void fail(const char *what)
{
	perror(what);
	exit(99);
}

static void refuse(unsigned int call, unsigned int error)
{
	struct sock_filter steps[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(steps) / sizeof(*steps), steps };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		fail("refuse");
}

static int bound(int type, const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type, 0);

	strncpy(address.sun_path, name, sizeof(address.sun_path) - 1);
	if (*name == '@')
		*address.sun_path = 0;
	else
		unlink(name);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, offsetof(struct sockaddr_un, sun_path) + strlen(name)))
		fail(name);
	return fd;
}

static void listen_at(const char *name)
{
	char pid[16];
	int fd = bound(SOCK_SEQPACKET, name);

	sprintf(pid, "%d", getpid());
	if (listen(fd, 16) || dup2(fd, 3) != 3 || setenv("LISTEN_PID", pid, 1) || setenv("LISTEN_FDS", "1", 1))
		fail("listen");
	if (fd != 3)
		close(fd);
}

/* A child reads, so that the command has our process number. It ends with the command. */
static void notify(const char *name, const char *path)
{
	int fd = bound(SOCK_DGRAM, name);
	pid_t command = getpid();
	FILE *file;

	if (setenv("NOTIFY_SOCKET", name, 1))
		fail("notify");
	if (!strcmp(path, "-") || fork())
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	file = fopen(path, "w");
	while (file && getppid() == command) {
		char message[500];
		ssize_t length = recv(fd, message, sizeof(message), 0);

		for (ssize_t at = 0; at < length; at++)
			if (message[at] == '\n')
				message[at] = ' ';
		fprintf(file, "%.*s\n", (int)length, message);
		fflush(file);
	}
	_exit(0);
}

int main(int count, char **word)
{
	char **end = word + count;

	for (word++; word < end;) {
		if (!strcmp(*word, "close") && end - word > 2) {
			close(atoi(word[1]));
			word += 2;
		} else if (!strcmp(*word, "limit") && end - word > 3) {
			struct rlimit limit;

			limit.rlim_cur = limit.rlim_max = strtoull(word[2], NULL, 0);
			if (setrlimit(atoi(word[1]), &limit))
				fail("limit");
			word += 3;
		} else if (!strcmp(*word, "uid") && end - word > 3) {
			gid_t group = atoi(word[2]);

			if (setgroups(1, &group) || setgid(group) || setuid(atoi(word[1])))
				fail("uid");
			word += 3;
		} else if (!strcmp(*word, "refuse") && end - word > 3) {
			refuse(atoi(word[1]), atoi(word[2]));
			word += 3;
		} else if (!strcmp(*word, "listen") && end - word > 2) {
			listen_at(word[1]);
			word += 2;
		} else if (!strcmp(*word, "notify") && end - word > 3) {
			notify(word[1], word[2]);
			word += 3;
		} else {
			execvp(*word, word);
			fail(*word);
		}
	}
	return 2;
}
