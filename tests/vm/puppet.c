/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Makes a process that waits in a system call issue another one, as if its code had been taken over. aarch64 only.
 *
 *   puppet PID CALL [ARGUMENT…]   CALL by its number; an argument is a number, or a text after a =, of which the call gets the address.
 *                                 Says `answer N`, as the kernel gave it, or `killed N` with the signal that ended the process.
 *
 * The process goes on where it was. What it waits for must be something that is begun again after a signal, such as ppoll.
 */
#include <elf.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#define SVC 0xd4000001u

static pid_t pid;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* Lets it run to its next stop. False when it ended instead. */
static int stopped(void)
{
	int status;

	if (waitpid(pid, &status, __WALL) != pid)
		fail("waitpid");
	if (WIFSTOPPED(status))
		return 1;
	if (WIFSIGNALED(status))
		printf("killed %d\n", WTERMSIG(status));
	else
		printf("ended %d\n", WEXITSTATUS(status));
	return 0;
}

static void registers(int request, struct user_regs_struct *regs)
{
	struct iovec iov = { regs, sizeof(*regs) };

	if (ptrace(request, pid, NT_PRSTATUS, &iov))
		fail("registers");
}

/* Copies a text below everything that the process has on its stack. */
static uint64_t lend(uint64_t *below, const char *text)
{
	size_t bytes = (strlen(text) / 8 + 1) * 8, at;
	char copy[512] = "";

	if (bytes > sizeof(copy))
		fail("text");
	strcpy(copy, text);
	*below -= bytes;
	for (at = 0; at < bytes; at += 8)
		if (ptrace(PTRACE_POKEDATA, pid, *below + at, *(long *)(copy + at)))
			fail("stack");
	return *below;
}

int main(int count, char **argument)
{
	struct user_regs_struct before, regs;
	uint64_t below;
	long at_pc;
	int i;

	if (count < 3 || count > 9)
		return 2;
	pid = atoi(argument[1]);
	if (ptrace(PTRACE_ATTACH, pid, 0, 0))
		fail("attach");
	if (!stopped())
		return 1;
	/* The call that it waited in is about to be begun again: the program counter is at its instruction. */
	registers(PTRACE_GETREGSET, &before);
	errno = 0;
	at_pc = ptrace(PTRACE_PEEKTEXT, pid, before.pc, 0);
	if (errno || (uint32_t)at_pc != SVC)
		fail("it does not wait in a system call");
	regs = before;
	below = regs.sp - 4096;
	regs.regs[8] = strtoul(argument[2], NULL, 0);
	for (i = 0; i < 6; i++) {
		const char *text = i + 3 < count ? argument[i + 3] : "0";

		regs.regs[i] = text[0] == '=' ? lend(&below, text + 1) : (uint64_t)strtoll(text, NULL, 0);
	}
	registers(PTRACE_SETREGSET, &regs);
	/* To where the kernel takes the call, and to its answer. */
	for (i = 0; i < 2; i++) {
		if (ptrace(PTRACE_SYSCALL, pid, 0, 0))
			fail("run");
		if (!stopped())
			return 0;
	}
	registers(PTRACE_GETREGSET, &regs);
	registers(PTRACE_SETREGSET, &before);
	/* A signal that the call raised ends it only now; otherwise it stops at its own call. */
	if (ptrace(PTRACE_SYSCALL, pid, 0, 0))
		fail("run");
	if (!stopped())
		return 0;
	printf("answer %lld\n", (long long)regs.regs[0]);
	if (ptrace(PTRACE_DETACH, pid, 0, 0))
		fail("detach");
	return 0;
}
