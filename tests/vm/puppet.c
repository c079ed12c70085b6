/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Makes a process that waits in a system call issue another one, as if its code had been taken over. For aarch64, and
 * for arm, on a kernel of either.
 *
 *   puppet PID CALL [ARGUMENT…]   CALL by its number; an argument is a number, or a text after a =, of which the call gets the address.
 *                                 Says `answer N`, as the kernel gave it, or `killed N` with the signal that ended the process.
 *
 * The process goes on where it was. What it waits for is begun again after a signal, such as ppoll, or answers EINTR, such as epoll_pwait.
 */
#include <elf.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* The registers of a process, as many bytes of them as it has: an arm process has 18 words, on an aarch64 kernel, too. */
union registers {
	struct {
		uint64_t x[31], sp, pc, pstate;
	} wide;
	struct {
		uint32_t r[16], cpsr, first;
	} narrow;
};

/* Arm's own. */
#define SET_SYSCALL 23

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

static size_t registers(int request, union registers *regs, size_t bytes)
{
	struct iovec iov = { regs, bytes };

	if (ptrace(request, pid, NT_PRSTATUS, &iov))
		fail("registers");
	return iov.iov_len;
}

/* Whether there is an instruction for a system call at that address. */
static int calls_at(uint64_t pc, int narrow, int thumb)
{
	uint32_t word;

	errno = 0;
	word = ptrace(PTRACE_PEEKTEXT, pid, (void *)(uintptr_t)pc, 0);
	if (errno)
		return 0;
	return !narrow ? word == 0xd4000001 : thumb ? (word & 0xffff) == 0xdf00 : word == 0xef000000;
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
	for (at = 0; at < bytes; at += sizeof(long))
		if (ptrace(PTRACE_POKEDATA, pid, (void *)(uintptr_t)(*below + at), *(long *)(copy + at)))
			fail("stack");
	return *below;
}

/*
 * Stops it where it waits in a system call; it may be in the middle of a turn. Gives the size of its registers, or 0; and where the instruction
 * for the call is.
 */
static size_t catch(union registers *regs, int *narrow, uint64_t *call)
{
	int tries, thumb, interrupted;
	size_t bytes;

	for (tries = 0; tries < 500; tries++) {
		if (ptrace(PTRACE_ATTACH, pid, 0, 0))
			fail("attach");
		if (!stopped())
			return 0;
		bytes = registers(PTRACE_GETREGSET, regs, sizeof(*regs));
		*narrow = bytes == sizeof(regs->narrow);
		thumb = *narrow && regs->narrow.cpsr >> 5 & 1;
		/* The call that it waited in is about to be begun again: the program counter is at its instruction. */
		*call = *narrow ? regs->narrow.r[15] : regs->wide.pc;
		if (calls_at(*call, *narrow, thumb))
			return bytes;
		/* Or it was interrupted: the program counter is behind it. */
		interrupted = *narrow ? regs->narrow.r[0] == (uint32_t)-EINTR : regs->wide.x[0] == (uint64_t)-EINTR;
		*call -= thumb ? 2 : 4;
		if (interrupted && calls_at(*call, *narrow, thumb))
			return bytes;
		if (ptrace(PTRACE_DETACH, pid, 0, 0))
			fail("detach");
		usleep(10000);
	}
	fputs("it does not wait in a system call\n", stderr);
	return 0;
}

int main(int count, char **argument)
{
	union registers before, regs;
	size_t bytes;
	uint64_t below, call;
	int narrow, i;

	if (count < 3 || count > 9)
		return 2;
	pid = atoi(argument[1]);
	bytes = catch(&before, &narrow, &call);
	if (!bytes)
		return 1;
	regs = before;
	if (narrow)
		regs.narrow.r[15] = call;
	else
		regs.wide.pc = call;
	below = ((narrow ? before.narrow.r[13] : before.wide.sp) - 4096) & ~15;
	for (i = 0; i < 7; i++) {
		/* The first word is the call's number, which has a register of its own. */
		const char *text = i + 2 < count ? argument[i + 2] : "0";
		uint64_t value = text[0] == '=' ? lend(&below, text + 1) : (uint64_t)strtoll(text, NULL, 0);

		if (narrow)
			regs.narrow.r[i ? i - 1 : 7] = value;
		else
			regs.wide.x[i ? i - 1 : 8] = value;
	}
	registers(PTRACE_SETREGSET, &regs, bytes);
	/* To where the kernel takes the call, and to its answer. */
	for (i = 0; i < 2; i++) {
		if (ptrace(PTRACE_SYSCALL, pid, 0, 0))
			fail("run");
		if (!stopped())
			return 0;
		/* A 32-bit kernel begins the old call again without a look at its number's register. A 64-bit one does look, and refuses this. */
		if (narrow && i == 0)
			(void)ptrace(SET_SYSCALL, pid, 0, regs.narrow.r[7]);
	}
	registers(PTRACE_GETREGSET, &regs, bytes);
	registers(PTRACE_SETREGSET, &before, bytes);
	/* A signal that the call raised ends it only now; otherwise it stops at its own call. */
	if (ptrace(PTRACE_SYSCALL, pid, 0, 0))
		fail("run");
	if (!stopped())
		return 0;
	/* The last 4095 numbers are errors; before them there are addresses, which may have all of their bits. */
	if (narrow && regs.narrow.r[0] <= (uint32_t)-4096)
		printf("answer %lld\n", (long long)regs.narrow.r[0]);
	else
		printf("answer %lld\n", narrow ? (long long)(int32_t)regs.narrow.r[0] : (long long)regs.wide.x[0]);
	if (ptrace(PTRACE_DETACH, pid, 0, 0))
		fail("detach");
	return 0;
}
