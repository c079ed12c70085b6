// SPDX-License-Identifier: GPL-2.0
/*
 * libjpeg as a program of the host, the judge of the model's JPEG reader for tests/model_coder.rs. Its parameters are NAME=VALUE.
 *
 *   make  a picture of noise and waves, `width` x `height`, becomes a JPEG: `components`, luma `across` x `down`, chroma `chroma_across` x
 *         `chroma_down`, `quality`, a restart marker every `restart` macroblocks, or none
 *   read  a JPEG from standard input becomes YU12 of its size: the samples as they are, accurate integer transform, no upsampling;
 *         chroma that is finer is halved by the mean of two or four samples, halves rounded up
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

static int arguments;
static char **argument;

static unsigned int number(const char *name)
{
	size_t length = strlen(name);

	for (int i = 2; i < arguments; i++)
		if (!strncmp(argument[i], name, length) && argument[i][length] == '=')
			return strtoul(argument[i] + length + 1, NULL, 0);
	fprintf(stderr, "jpeg-reference: %s?\n", name);
	exit(1);
}

static unsigned char sample(unsigned int x, unsigned int y, unsigned int component)
{
	static unsigned int state = 1;

	state = state * 1664525 + 1013904223;
	/* Noise has every coefficient; edges go beyond the range of samples; the rest is smooth. */
	if (x / 24 % 3 == 0)
		return state >> 24;
	if (x / 24 % 3 == 1)
		return (x / 5 + y / 7) % 2 ? 255 : 0;
	return (3 * x + 2 * y + 50 * component) & 255;
}

static void make(void)
{
	struct jpeg_compress_struct c;
	struct jpeg_error_mgr error;
	JSAMPLE *line;

	c.err = jpeg_std_error(&error);
	jpeg_create_compress(&c);
	jpeg_stdio_dest(&c, stdout);
	c.image_width = number("width");
	c.image_height = number("height");
	c.input_components = number("components");
	c.in_color_space = c.input_components == 3 ? JCS_YCbCr : JCS_GRAYSCALE;
	jpeg_set_defaults(&c);
	jpeg_set_quality(&c, number("quality"), TRUE);
	c.restart_interval = number("restart");
	c.optimize_coding = c.restart_interval != 0;
	c.comp_info[0].h_samp_factor = number("across");
	c.comp_info[0].v_samp_factor = number("down");
	for (int i = 1; i < c.num_components; i++) {
		c.comp_info[i].h_samp_factor = number("chroma_across");
		c.comp_info[i].v_samp_factor = number("chroma_down");
	}
	jpeg_start_compress(&c, TRUE);
	line = malloc(c.image_width * c.input_components);
	for (unsigned int y = 0; y < c.image_height; y++) {
		for (unsigned int at = 0; at < c.image_width * c.input_components; at++)
			line[at] = sample(at / c.input_components, y, at % c.input_components);
		jpeg_write_scanlines(&c, &line, 1);
	}
	jpeg_finish_compress(&c);
	free(line);
}

struct plane {
	unsigned char *samples;
	unsigned int stride;
};

/* The planes as they are coded. */
static void read_planes(struct jpeg_decompress_struct *d, struct plane planes[3])
{
	unsigned int lines = d->max_v_samp_factor * DCTSIZE;
	JSAMPROW rows[3][2 * DCTSIZE];
	JSAMPARRAY arrays[3];
	unsigned int y;

	for (int i = 0; i < d->num_components; i++) {
		planes[i].stride = d->comp_info[i].width_in_blocks * DCTSIZE + 2 * DCTSIZE;
		planes[i].samples = calloc(planes[i].stride, d->comp_info[i].height_in_blocks * DCTSIZE + 2 * DCTSIZE);
		arrays[i] = rows[i];
	}
	for (y = 0; d->output_scanline < d->output_height; y++) {
		for (int i = 0; i < d->num_components; i++)
			for (int line = 0; line < d->comp_info[i].v_samp_factor * DCTSIZE; line++)
				rows[i][line] = planes[i].samples +
						(size_t)(y * d->comp_info[i].v_samp_factor * DCTSIZE + line) * planes[i].stride;
		jpeg_read_raw_data(d, arrays, lines);
	}
}

static void read_picture(void)
{
	struct jpeg_decompress_struct d;
	struct jpeg_error_mgr error;
	struct plane planes[3];
	unsigned int wide, high, x, y, sum;

	d.err = jpeg_std_error(&error);
	jpeg_create_decompress(&d);
	jpeg_stdio_src(&d, stdin);
	jpeg_read_header(&d, TRUE);
	d.raw_data_out = TRUE;
	d.dct_method = JDCT_ISLOW;
	d.out_color_space = d.jpeg_color_space;
	jpeg_start_decompress(&d);
	read_planes(&d, planes);
	for (y = 0; y < d.output_height; y++)
		fwrite(planes[0].samples + (size_t)y * planes[0].stride, 1, d.output_width, stdout);
	for (int i = 1; i < 3; i++) {
		wide = d.num_components == 3 && d.comp_info[i].h_samp_factor == d.comp_info[0].h_samp_factor ? 2 : 1;
		high = d.num_components == 3 && d.comp_info[i].v_samp_factor == d.comp_info[0].v_samp_factor ? 2 : 1;
		for (y = 0; y < d.output_height / 2; y++) {
			for (x = 0; x < d.output_width / 2; x++) {
				sum = 128;
				if (d.num_components == 3) {
					sum = 0;
					for (unsigned int at = 0; at < wide * high; at++)
						sum += planes[i].samples[(y * high + at / wide) * planes[i].stride + x * wide + at % wide];
					sum = (sum + wide * high / 2) / (wide * high);
				}
				putchar(sum);
			}
		}
	}
}

int main(int count, char **list)
{
	arguments = count;
	argument = list;
	if (count > 1 && !strcmp(list[1], "make"))
		make();
	else if (count > 1 && !strcmp(list[1], "read"))
		read_picture();
	else
		return 1;
	return 0;
}
