/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Feeds a GStreamer pipeline with packets that have their times and caps:  appsrc SOCKET PIPELINE [oldest]
 *
 *   cc -O2 appsrc.c -o appsrc $(pkg-config --cflags --libs gstreamer-app-1.0)
 *   ./appsrc /run/framemill.sock 'h264parse ! mp4mux ! filesink location=clip.mp4'
 *
 * Buffers are access units; their PTS is the producer's timestamp, the first one's 0. Begins at the newest
 * key packet, or at the oldest packet there is; ends with the stream, or the pipeline.
 */
#define FRAMEMILL_IMPLEMENTATION
#include "../framemill.h"

#include <gst/app/gstappsrc.h>
#include <gst/gst.h>
#include <stdio.h>

/* The time of a packet in the pipeline. Where a timestamp steps back (another producer counts from 0 again) or, at a discontinuity, runs
 * ahead of the commits by more than a second, time goes on by what passed between the commits. Reordered frames step back in both. */
struct timeline {
	int64_t pts, timestamp, committed;
	int begun;
};

static GstClockTime next_pts(struct timeline *line, const struct fm_packet *packet)
{
	int64_t step = (int64_t)(packet->timestamp - (uint64_t)line->timestamp);
	int64_t passed = (int64_t)(packet->committed - (uint64_t)line->committed);

	if (packet->committed == 0)
		return (GstClockTime)(line->pts += 11112);
	if (line->begun && ((step <= 0 && passed >= 0) || ((packet->flags & FM_DISCONTINUITY) && step - passed > 1000000000)))
		step = passed;
	line->pts = line->begun ? line->pts + step : 0;
	line->timestamp = (int64_t)packet->timestamp;
	line->committed = (int64_t)packet->committed;
	line->begun = 1;
	return line->pts < 0 ? 0 : (GstClockTime)line->pts;
}

/* What the stream is now; NULL for a codec that has no caps here. */
static GstCaps *stream_caps(const struct fm_consumer *consumer)
{
	struct fm_stat stat;
	const char *media;

	if (fm_consume_stat(consumer, &stat) < 0)
		return NULL;
	if (stat.stream.codec == FM_FOURCC('H', '2', '6', '4'))
		media = "video/x-h264, stream-format=byte-stream, alignment=au";
	else if (stat.stream.codec == FM_FOURCC('H', 'E', 'V', 'C'))
		media = "video/x-h265, stream-format=byte-stream, alignment=au";
	else if (stat.stream.codec == FM_FOURCC('M', 'J', 'P', 'G') || stat.stream.codec == FM_FOURCC('J', 'P', 'E', 'G'))
		media = "image/jpeg";
	else
		return NULL;
	GstCaps *caps = gst_caps_from_string(media);
	gst_caps_set_simple(caps, "width", G_TYPE_INT, (int)stat.stream.width, "height", G_TYPE_INT, (int)stat.stream.height, NULL);
	if (stat.stream.rate_numerator && stat.stream.rate_denominator)
		gst_caps_set_simple(caps, "framerate", GST_TYPE_FRACTION, (int)stat.stream.rate_numerator,
			(int)stat.stream.rate_denominator, NULL);
	return caps;
}

/* Hands a packet on, its headers before it. Whether the pipeline takes more. */
static int push(GstAppSrc *source, struct fm_consumer *consumer, const struct fm_packet *packet, const unsigned char *bytes,
	GstClockTime pts)
{
	unsigned char headers[1024];
	size_t length = fm_consume_headers(consumer, packet, headers, sizeof(headers));
	GstBuffer *buffer = gst_buffer_new_allocate(NULL, length + packet->length, NULL);

	gst_buffer_fill(buffer, 0, headers, length);
	gst_buffer_fill(buffer, length, bytes, packet->length);
	GST_BUFFER_PTS(buffer) = pts;
	if (!(packet->flags & FM_KEY))
		GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
	if (packet->flags & FM_DISCONTINUITY)
		GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT);
	return gst_app_src_push_buffer(source, buffer) == GST_FLOW_OK;
}

/* 0 at the stream's end, or why there is no more. */
static int feed(GstAppSrc *source, struct fm_consumer *consumer, unsigned char *bytes, size_t room)
{
	struct timeline line = { 0, 0, 0, 0 };
	uint32_t generation = UINT32_MAX;
	int gone = 0;

	for (;;) {
		struct fm_packet packet;
		int next = fm_consume_next(consumer, bytes, room, &packet);

		if (next == FM_PACKET && (packet.flags & FM_END))
			return 0;
		if (next == FM_PACKET) {
			if (packet.generation != generation) {
				GstCaps *caps = stream_caps(consumer);

				if (!caps)
					return fprintf(stderr, "this codec has no caps here\n"), FM_E_ARGUMENT;
				gst_app_src_set_caps(source, caps);
				gst_caps_unref(caps);
				generation = packet.generation;
			}
			if (!push(source, consumer, &packet, bytes, next_pts(&line, &packet)))
				return 0;
		} else if (next == FM_LAPPED) {
			fprintf(stderr, "%lu packets lost\n", (unsigned long)consumer->lost);
		} else if (next == FM_TOO_SMALL) {
			fm_consume_skip(consumer);
		} else if (gone < 0) {
			return gone;
		} else {
			int woken = fm_consume_wait(consumer, -1);

			gone = woken < 0 ? woken : 0;
		}
	}
}

int main(int argc, char **argv)
{
	struct fm_engine engine = { argc > 1 ? argv[1] : NULL, 0 };
	struct fm_consumer consumer;
	GError *error = NULL;
	int result;

	gst_init(NULL, NULL);
	if (argc < 3 || argc > 4)
		return fprintf(stderr, "usage: appsrc SOCKET PIPELINE [oldest]\n"), 2;
	gchar *words = g_strdup_printf("appsrc name=packets format=time is-live=true block=true ! %s", argv[2]);
	GstElement *pipeline = gst_parse_launch(words, &error);
	g_free(words);
	if (!pipeline || error)
		return fprintf(stderr, "%s\n", error ? error->message : "no pipeline"), 1;
	GstElement *source = gst_bin_get_by_name(GST_BIN(pipeline), "packets");
	result = fm_consume_open(&consumer, &engine, argc > 3 ? FM_START_OLDEST : FM_START_KEY);
	if (result < 0)
		return fprintf(stderr, "%s\n", fm_text(result)), 1;
	size_t room = fm_consume_largest(&consumer);
	unsigned char *bytes = g_malloc(room);
	gst_element_set_state(pipeline, GST_STATE_PLAYING);
	result = feed(GST_APP_SRC(source), &consumer, bytes, room);
	if (result < 0)
		fprintf(stderr, "%s\n", fm_text(result));
	gst_app_src_end_of_stream(GST_APP_SRC(source));

	GstBus *bus = gst_element_get_bus(pipeline);
	GstMessage *last = gst_bus_timed_pop_filtered(bus, GST_CLOCK_TIME_NONE, (GstMessageType)(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
	if (GST_MESSAGE_TYPE(last) == GST_MESSAGE_ERROR) {
		gst_message_parse_error(last, &error, NULL);
		fprintf(stderr, "%s\n", error->message);
		result = -1;
	}
	gst_message_unref(last);
	gst_element_set_state(pipeline, GST_STATE_NULL);
	gst_object_unref(bus);
	gst_object_unref(source);
	gst_object_unref(pipeline);
	g_free(bytes);
	fm_consume_close(&consumer);
	return result < 0;
}
