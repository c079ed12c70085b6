/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The control protocol and the frame ring, as src/client/PROTOCOL.md describes them: the one place where the guest's own peers know their
 * numbers. They do what no library does, so they have none; and they are written from the description, not from framemill.h.
 */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#include <stdint.h>

/* The words of a message. */
enum { MAGIC, VERSION, KIND, ZERO, OWN, WORDS = 16 };
enum { MAGIC_VALUE = 0x74634d46, VERSION_VALUE = 1 };

enum {
	/* From clients. PRODUCE: format, width, height, rate (2), copied. CONSUME: wake socket. IMPORT: slots, planes, … */
	PRODUCE = 1, CONSUME, OBSERVE, FINISH, CHANGE, IMPORT,
	/* From the engine. FRAMES: slots, planes, memory (1 exported, 2 copied, 3 imported). REFUSED: why. */
	FRAMES = 16, PACKETS, REFUSED, CHANGED,
};

/* CHANGE: what, which, value (2 words), a name. */
enum { CHANGE_KEY = 1, CHANGE_BITRATE, CHANGE_GOP, CHANGE_DRAIN, CHANGE_ID, CHANGE_NAME };

/* Why the engine refuses. */
enum {
	PRODUCER_PRESENT = 1, ENDING, TOO_MANY, BAD_MESSAGE, BAD_FRAME_RING, RESOURCES, BUSY, FIXED, NOT_ENCODED, REOPENED, NOT_ALLOWED,
	CAMERA_FEEDS, COSTLY,
	ODD_SIZE, OTHER_FORMAT,
	REASONS,
};

/* Most descriptors beside a message; what FRAMES brings first. */
enum { MESSAGE_FDS = 99, RING = 0, FILLED_SOCKET, FREE_SOCKET, FIRST_PLANE };

/* The frame ring, in words of four bytes. */
enum { RING_BYTES = 8192, RING_SLOTS = 36 / 4, RING_MEMORY_BYTES = 56 / 4, RING_FILLED = 192 / 4, RING_FREE = 1792 / 4 };

/* A queue of it: pushed, popped, and entries of six words: slot, zero, timestamp (2), time of the commit (2). */
enum { QUEUE_HEAD, QUEUE_TAIL, QUEUE_FIRST, QUEUE_ENTRY = 6, QUEUE_ENTRIES = 64 };

#endif
