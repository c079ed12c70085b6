/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A plugin for QEMU that counts what each task of an arm64 Linux guest executes: its own instructions, the kernel's for it, system calls,
 * context switches and page faults; not interrupts. Exact, and the guest needs nothing for it. Knows the kernel's symbols; knows no program.
 *
 *   -plugin file=tasks.so,symbols=FILE,out=FILE
 *
 * `symbols` is the guest's /proc/kallsyms, sorted by address. Tasks are counted in groups: a program joins one, and its threads and children are
 * born into it. `meter.c` in the guest reads words of the page MARKER_DATA with code at MARKER_CODE; which word it is says what is meant:
 * 1 to 13: this task is of that group; DUMP + n: write all counts out under label n, and begin at zero.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * What is used of qemu-plugin.h, which Debian 12 has in no package. VERSION is that of the interface: 1 up to QEMU 8, 2 from 9 on.
 */
#ifndef VERSION
#define VERSION 1
#endif
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info;
typedef uint64_t plugin_id;
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned, void *), int, void *);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *, void (*)(unsigned, uint32_t, uint64_t, void *), int, int, void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);
bool qemu_plugin_mem_is_store(uint32_t);
/* Loads and stores: QEMU 7.2 calls nobody back for one kind alone. */
enum { NO_REGISTERS = 0, LOADS_AND_STORES = 3 };

#define EXPORTED __attribute__((visibility("default")))
EXPORTED int qemu_plugin_version = VERSION;

#define MARKER_CODE 0x70000000ull
#define MARKER_DATA 0x71000000ull
enum { DUMP = 512, LABELS = 1536, PAGE = 4096 };
enum { GROUPS = 16, OTHER = 14, KERNEL = 15, TASKS = 1 << 14 };

/* Of one group. */
struct counts {
	uint64_t user, kernel, interrupts, switches, faults;
};

/* A function of the kernel's: what groups executed of it, and, where it is a system call, how often and how much that took in all. */
struct function {
	uint64_t address;
	char *name;
	bool call, fault;
	/* How many interrupts more are being handled from here on. */
	int interrupts;
	uint64_t entries, own[GROUPS], calls[GROUPS], inside[GROUPS];
};

/* A piece of code without a jump in it. */
struct block {
	struct block *next;
	struct function *function;
	uint64_t address, instructions, runs[GROUPS];
	bool user, entry;
};

/* A task, known by where the kernel keeps its registers. */
struct task {
	uint64_t key;
	int group, interrupts;
	struct function *call;
	/* Executed since it entered the kernel, before it is known what for. */
	uint64_t entering;
};

static struct counts counts[GROUPS];
static struct function *functions;
static size_t function_count;
static struct block *blocks;
static struct task tasks[TASKS], *current = tasks;
/* Where two functions lie: one loads the registers of the task that runs next, one stores those of a new task. */
static uint64_t switch_start, switch_end, birth_start, birth_end;
static FILE *out;

static struct task *task_of(uint64_t key)
{
	size_t at = (key >> 4) * 0x9e3779b97f4a7c15ull >> 50;

	for (;; at++) {
		struct task *task = &tasks[at % (TASKS - 1) + 1];

		if (!task->key)
			*task = (struct task){ .key = key, .group = KERNEL };
		if (task->key == key)
			return task;
	}
}

static struct function *function_at(uint64_t address)
{
	size_t low = 0, high = function_count;

	while (high - low > 1) {
		size_t middle = (low + high) / 2;

		if (functions[middle].address <= address)
			low = middle;
		else
			high = middle;
	}
	return &functions[low];
}

static void executed(unsigned cpu, void *data)
{
	struct block *block = data;
	struct function *function = block->function;
	struct task *task = current;

	(void)cpu;
	if (block->user) {
		/* A task of the kernel's own never gets here. */
		if (task->group == KERNEL)
			task->group = OTHER;
		task->call = NULL;
		task->entering = task->interrupts = 0;
		counts[task->group].user += block->instructions;
		block->runs[task->group]++;
		return;
	}
	/* Whom an interrupt finds has not asked for it, and ticks would make runs differ. */
	if (block->entry && function->interrupts > 0)
		task->interrupts++;
	if (task->interrupts) {
		counts[task->group].interrupts += block->instructions;
		if (block->entry && function->interrupts < 0)
			task->interrupts--;
		return;
	}
	counts[task->group].kernel += block->instructions;
	function->own[task->group] += block->instructions;
	if (block->entry) {
		function->entries++;
		if (function->fault)
			counts[task->group].faults++;
		if (function->call) {
			task->call = function;
			function->calls[task->group]++;
			function->inside[task->group] += task->entering;
			task->entering = 0;
		}
	}
	if (task->call)
		task->call->inside[task->group] += block->instructions;
	else
		task->entering += block->instructions;
}

/*
 * cpu_switch_to loads the next task's registers from front to back, two an instruction, so an instruction's place says which two it loads.
 * QEMU 7.2 may report its first or its second word.
 */
static void loaded(unsigned cpu, uint32_t info, uint64_t address, void *data)
{
	static uint64_t first, alignment;
	uint64_t instruction = (uintptr_t)data, key;

	(void)cpu;
	if (qemu_plugin_mem_is_store(info))
		return;
	if (!first)
		first = instruction, alignment = address & 15;
	/* Six loads; what is reported of instructions behind them is something else. */
	if (instruction - first > 24)
		return;
	key = address - 4 * (instruction - first);
	if ((key & 15) != alignment)
		key -= 8;
	if (current->key != key) {
		current = task_of(key);
		counts[current->group].switches++;
	}
}

/* copy_thread stores a new task's stack pointer and program counter last, at 0x58 and 0x60 of its registers. It is of its parent's group. */
static void born(unsigned cpu, uint32_t info, uint64_t address, void *data)
{
	(void)cpu, (void)data;
	/* Stacks lie above the linear map, tasks in it (39 bits of address). */
	if (!qemu_plugin_mem_is_store(info) || address >= 0xffffffc000000000)
		return;
	for (uint64_t offset = 0; offset <= 0x60; offset += offset ? 8 : 0x58)
		if (((address - offset) & 63) == (current->key & 63))
			*task_of(address - offset) = (struct task){ .key = address - offset, .group = current->group };
}

static void dump(int label)
{
	fprintf(out, "dump %d\n", label);
	for (int group = 0; group < GROUPS; group++)
		fprintf(out, "group %d user %lu kernel %lu interrupts %lu switches %lu faults %lu\n", group, counts[group].user,
			counts[group].kernel, counts[group].interrupts, counts[group].switches, counts[group].faults);
	memset(counts, 0, sizeof(counts));
	for (struct function *one = functions; one < functions + function_count; one++) {
		/* The model of the encoder is asked once a frame. */
		if (!strcmp(one->name, "model_code"))
			fprintf(out, "frames %lu\n", one->entries);
		for (int group = 0; group < GROUPS; group++) {
			if (one->calls[group])
				fprintf(out, "call %d %s %lu %lu\n", group, one->name, one->calls[group], one->inside[group]);
			if (one->own[group] && group < OTHER)
				fprintf(out, "function %d %s %lu\n", group, one->name, one->own[group]);
			one->calls[group] = one->inside[group] = one->own[group] = 0;
		}
		one->entries = 0;
	}
	for (struct block *block = blocks; block; block = block->next)
		for (int group = 0; group < GROUPS; group++) {
			if (block->runs[group] && group < OTHER)
				fprintf(out, "block %d %lx %lu %lu\n", group, block->address, block->instructions, block->runs[group]);
			block->runs[group] = 0;
		}
	fflush(out);
}

static void marked(unsigned cpu, uint32_t info, uint64_t address, void *data)
{
	uint64_t word = (address - MARKER_DATA) / 8;

	(void)cpu, (void)info, (void)data;
	if (address < MARKER_DATA || word >= DUMP + LABELS)
		return;
	if (word >= DUMP)
		dump(word - DUMP);
	else if (word < OTHER)
		current->group = word;
}

static void translated(plugin_id id, struct qemu_plugin_tb *code)
{
	struct block *block = calloc(1, sizeof(*block));

	(void)id;
	block->address = qemu_plugin_tb_vaddr(code);
	block->instructions = qemu_plugin_tb_n_insns(code);
	block->user = !(block->address >> 63);
	block->function = function_at(block->address);
	block->entry = block->address == block->function->address;
	block->next = blocks;
	blocks = block;
	qemu_plugin_register_vcpu_tb_exec_cb(code, executed, NO_REGISTERS, block);
	for (size_t at = 0; at < block->instructions; at++) {
		struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(code, at);
		uint64_t address = qemu_plugin_insn_vaddr(instruction);
		void (*call)(unsigned, uint32_t, uint64_t, void *) = NULL;

		if (address >= switch_start && address < switch_end)
			call = loaded;
		else if (address >= birth_start && address < birth_end)
			call = born;
		else if (address >= MARKER_CODE && address < MARKER_CODE + PAGE)
			call = marked;
		if (call)
			qemu_plugin_register_vcpu_mem_cb(instruction, call, NO_REGISTERS, LOADS_AND_STORES, (void *)(uintptr_t)address);
	}
}

static bool load_symbols(const char *path)
{
	static const char prefix[] = "__arm64_sys_";
	FILE *file = fopen(path, "r");
	char line[512], name[512];
	size_t room = 0;
	uint64_t address;

	if (!file)
		return false;
	while (fgets(line, sizeof(line), file)) {
		bool call;

		if (sscanf(line, "%lx %*c %511s", &address, name) != 2)
			continue;
		call = !strncmp(name, prefix, strlen(prefix));
		/* Of several names that of a system call counts. */
		if (function_count && functions[function_count - 1].address == address) {
			if (!call)
				continue;
			function_count--;
		}
		if (function_count == room)
			functions = realloc(functions, (room = 2 * room + 1024) * sizeof(*functions));
		functions[function_count++] = (struct function){
			.address = address,
			.name = strdup(call ? name + strlen(prefix) : name),
			.call = call,
			.fault = !strcmp(name, "do_page_fault"),
			.interrupts = !strcmp(name, "el1h_64_irq") + !strcmp(name, "el0t_64_irq") - !strcmp(name, "ret_to_kernel"),
		};
	}
	fclose(file);
	for (size_t at = 0; at + 1 < function_count; at++) {
		if (!strcmp(functions[at].name, "cpu_switch_to"))
			switch_start = functions[at].address, switch_end = functions[at + 1].address;
		if (!strcmp(functions[at].name, "copy_thread"))
			birth_start = functions[at].address, birth_end = functions[at + 1].address;
	}
	return switch_start && birth_start;
}

EXPORTED int qemu_plugin_install(plugin_id id, const struct qemu_info *info, int argc, char **argv)
{
	bool loaded_symbols = false;

	(void)info;
	for (int at = 0; at < argc; at++) {
		if (!strncmp(argv[at], "symbols=", 8))
			loaded_symbols = load_symbols(argv[at] + 8);
		if (!strncmp(argv[at], "out=", 4))
			out = fopen(argv[at] + 4, "w");
	}
	if (!loaded_symbols || !out)
		return fprintf(stderr, "tasks: out= and symbols= are needed, with cpu_switch_to and copy_thread in them\n"), 1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
