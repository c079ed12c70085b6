// SPDX-License-Identifier: GPL-2.0
/*
 * Scaling and flipping of pictures: each sample is the nearest one of the old plane to the left and above, so that anybody can compute
 * what comes out. Of sizes it believes everything.
 */
#include "coder.h"

static void scale_plane(u8 *to, u32 to_stride, u32 to_width, u32 to_height, const u8 *from, u32 from_stride, u32 from_width,
			u32 from_height, bool hflip, bool vflip)
{
	u32 x, y, column, line;

	for (y = 0; y < to_height; y++, to += to_stride) {
		line = (vflip ? to_height - 1 - y : y) * from_height / to_height;
		for (x = 0; x < to_width; x++) {
			column = (hflip ? to_width - 1 - x : x) * from_width / to_width;
			to[x] = from[(size_t)line * from_stride + column];
		}
	}
}

void picture_scale(struct picture *to, u32 to_width, u32 to_height, const struct picture *from, u32 from_width, u32 from_height,
		   bool hflip, bool vflip)
{
	scale_plane(to->y, to->width, to_width, to_height, from->y, from->width, from_width, from_height, hflip, vflip);
	scale_plane(to->cb, to->width / 2, to_width / 2, to_height / 2, from->cb, from->width / 2, from_width / 2, from_height / 2,
		    hflip, vflip);
	scale_plane(to->cr, to->width / 2, to_width / 2, to_height / 2, from->cr, from->width / 2, from_width / 2, from_height / 2,
		    hflip, vflip);
}
