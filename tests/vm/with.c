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
 */
#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
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
		} else {
			execvp(*word, word);
			fail(*word);
		}
	}
	return 2;
}
