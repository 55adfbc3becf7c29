/* Messages come as they were written: their borders, their times of sending, their descriptions, and every loss. */
#include "check.h"
#include <math.h>

/* The message is the name of the argument that is NULL, and "is NULL". */
#define IS_NULL(name, call)                                                                                            \
    do {                                                                                                               \
        IS(DORA_SHM_ERROR_NULL, call);                                                                                 \
        CHECK(strcmp(dora_shm_last_error_message(), name " is NULL") == 0);                                            \
    } while (0)

static dora_shm_reader *reader_of(const char *stream, uint32_t start, uint64_t last) {
    dora_shm_reader_options how = DORA_SHM_READER_OPTIONS_INIT;
    dora_shm_reader *reader = NULL;
    how.start = start;
    how.last_frames = last;
    OK(dora_shm_reader_open_messages(stream, &how, &reader));
    return reader;
}

static void messages_come_as_they_were_written(const char *stream) {
    dora_shm_reader *reader = reader_of(stream, DORA_SHM_START_NEWEST, 0);
    dora_shm_state state;
    dora_shm_format format = signal_format(100), found;
    dora_shm_description *description = NULL;
    dora_shm_message message;
    memset(&message, 0x55, sizeof message);
    const dora_shm_message before = message;
    OK(dora_shm_reader_state(reader, &state));
    CHECK(state == DORA_SHM_STATE_ABSENT);
    IS(DORA_SHM_NOTHING, dora_shm_reader_next_message(reader, &message));
    IS(DORA_SHM_NOTHING, dora_shm_reader_format(reader, &found));
    IS(DORA_SHM_NOTHING, dora_shm_reader_description(reader, &description));
    IS(DORA_SHM_TIMED_OUT, dora_shm_reader_wait(reader, 0.01));

    dora_shm_writer *writer = NULL;
    dora_shm_writer_options who = DORA_SHM_WRITER_OPTIONS_INIT;
    who.keep_replaced = true;
    OK(dora_shm_writer_create(stream, &who, &writer));
    OK(dora_shm_description_create(&description));
    OK(dora_shm_description_set_key(description, "first"));
    OK(dora_shm_writer_begin(writer, &format, description, 1));
    const uint64_t lengths[] = {1, 10, 0, 7};
    for (size_t i = 0; i < 4; i++) {
        if (i == 3) {
            OK(dora_shm_description_set_key(description, "second"));
            OK(dora_shm_writer_describe(writer, description));
        }
        signal_write(writer, lengths[i]);
    }
    OK(dora_shm_description_close(&description));

    OK(dora_shm_reader_wait(reader, 60));
    IS(DORA_SHM_NEW_GENERATION, dora_shm_reader_next_message(reader, &message));
    CHECK(memcmp(&message, &before, sizeof message) == 0);
    OK(dora_shm_reader_format(reader, &found));
    CHECK(found.dtype == DORA_SHM_INT32 && found.frame_bytes == sizeof(signal_frame));
    uint64_t next = 0;
    for (size_t i = 0; i < 4; i++) {
        const char *key = NULL;
        OK(dora_shm_reader_next_message(reader, &message));
        CHECK(message.first == next && message.frames == lengths[i] && message.chunk == i && message.lost == 0);
        CHECK(message.samples_size == lengths[i] * sizeof(signal_frame) && message.stream_position == next);
        CHECK(message.send_ns == (int64_t)next + 1 && message.mono_ns > 0 && message.generation == 0);
        dora_shm_event event;
        if (i == 0) {
            OK(dora_shm_reader_next_event(reader, &event));
            CHECK(event.kind == DORA_SHM_EVENT_NEW_GENERATION && event.generation == 0 && event.position == 0);
            /* Before that, it held the description of the newest message. */
            OK(dora_shm_reader_next_event(reader, &event));
            CHECK(event.kind == DORA_SHM_EVENT_NEW_DESCRIPTION && event.generation == 0 && event.position == 0);
        }
        if (i == 3) {
            OK(dora_shm_reader_next_event(reader, &event));
            CHECK(event.kind == DORA_SHM_EVENT_NEW_DESCRIPTION && event.generation == 0 && event.position == next);
        }
        IS(DORA_SHM_NOTHING, dora_shm_reader_next_event(reader, &event));
        signal_check(message.samples, message.times, next, message.frames);
        OK(dora_shm_reader_description(reader, &description));
        OK(dora_shm_description_key(description, &key));
        CHECK(strcmp(key, i == 3 ? "second" : "first") == 0);
        OK(dora_shm_description_close(&description));
        next += lengths[i];
    }
    IS(DORA_SHM_NOTHING, dora_shm_reader_next_message(reader, &message));

    /* If the reader was lapped, whole messages are lost and counted. */
    for (int i = 0; i < 30; i++)
        signal_write(writer, 10);
    dora_shm_cursor cursor;
    OK(dora_shm_reader_next_message(reader, &message));
    CHECK(message.frames == 10 && message.lost > 100 && message.first == next + message.lost);
    signal_check(message.samples, message.times, message.first, 10);
    OK(dora_shm_reader_cursor(reader, &cursor));
    CHECK(cursor.lost == message.lost && cursor.position == message.first + 10);
    next = message.first + 10;
    while (next < 318) {
        OK(dora_shm_reader_next_message(reader, &message));
        CHECK(message.first == next && message.lost == 0);
        next += message.frames;
    }
    dora_shm_info info;
    OK(dora_shm_reader_info(reader, &info));
    CHECK(info.position == 318 && info.chunks == 34 && strcmp(info.name, stream) == 0);

    dora_shm_reader *last = reader_of(stream, DORA_SHM_START_LAST, 2);
    OK(dora_shm_reader_next_message(last, &message));
    CHECK(message.first == 298 && message.frames == 10);
    OK(dora_shm_reader_close(&last));
    CHECK(last == NULL);

    OK(dora_shm_reader_interrupt(reader));
    IS(DORA_SHM_INTERRUPTED, dora_shm_reader_wait(reader, 60));
    OK(dora_shm_writer_close(&writer));
    IS(DORA_SHM_CLOSED, dora_shm_reader_next_message(reader, &message));
    OK(dora_shm_reader_close(&reader));
}

static int message_has(const char *part) { return strstr(dora_shm_last_error_message(), part) != NULL; }

/* Each kind of reader refuses the calls of the other kind, and is left unchanged. */
static void each_reader_does_what_it_was_opened_for(const char *stream) {
    dora_shm_reader *messages = NULL, *of_frames = NULL;
    dora_shm_message message;
    dora_shm_format format = signal_format(100);
    dora_shm_writer *writer = NULL;
    dora_shm_frames frames;
    dora_shm_buffers into;
    dora_shm_view *view = NULL;
    dora_shm_parts parts;
    signal_frame samples[4];
    uint64_t first, count;
    memset(&into, 0, sizeof into);
    into.samples = samples;
    into.samples_size = sizeof samples;
    into.max_frames = 4;
    OK(dora_shm_writer_create(stream, NULL, &writer));
    OK(dora_shm_writer_begin(writer, &format, NULL, 1));
    OK(dora_shm_reader_open_messages(stream, NULL, &messages));
    OK(dora_shm_reader_open(stream, NULL, &of_frames));
    signal_write(writer, 3);
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_reader_read(messages, &into, &frames));
    CHECK(message_has("opened for messages") && message_has("dora_shm_reader_next_message()"));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_reader_newest(messages, &into, &frames));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_reader_latest(messages, &into, &frames));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_reader_latest_seconds(messages, 1, &into, &frames));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_reader_read_at(messages, 0, &into, &frames));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_reader_held(messages, &first, &count));
    size_t found;
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_reader_messages(messages, 0, 3, NULL, 0, &found));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_reader_position_at(messages, 0, &first));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_reader_skip(messages, 1, &frames));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_reader_view(messages, 1, &view, &parts));
    OK(dora_shm_reader_view(of_frames, 1, &view, &parts));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_reader_finish(messages, &view, &frames));
    CHECK(view != NULL); /* still ours */
    OK(dora_shm_view_close(&view));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_reader_next_message(of_frames, &message));
    CHECK(message_has("opened for frames") && message_has("dora_shm_reader_open_messages()"));
    OK(dora_shm_reader_next_message(messages, &message));
    CHECK(message.first == 0 && message.frames == 3);
    OK(dora_shm_reader_read(of_frames, &into, &frames));
    CHECK(frames.first == 0 && frames.frames == 3);
    OK(dora_shm_reader_close(&messages));
    OK(dora_shm_reader_close(&of_frames));
    OK(dora_shm_writer_close(&writer));
}

/* The messages of frames that were read: an empty one comes once, with the frame that follows it. */
static void frames_have_messages_and_the_empty_ones_before_them(const char *stream) {
    dora_shm_writer *writer = NULL;
    dora_shm_reader *reader = NULL;
    dora_shm_format format = signal_format(100);
    dora_shm_message found[4];
    signal_frame samples[8];
    dora_shm_buffers into;
    dora_shm_frames frames;
    size_t count = 0;
    memset(&into, 0, sizeof into);
    into.samples = samples;
    into.samples_size = sizeof samples;
    into.max_frames = 8;
    OK(dora_shm_writer_create(stream, NULL, &writer));
    OK(dora_shm_writer_begin(writer, &format, NULL, 1));
    OK(dora_shm_reader_open(stream, NULL, &reader));
    signal_write(writer, 0);
    IS(DORA_SHM_NOTHING, dora_shm_reader_read(reader, &into, &frames));
    IS(DORA_SHM_TIMED_OUT, dora_shm_reader_wait(reader, 0));
    signal_write(writer, 3);
    signal_write(writer, 0);
    OK(dora_shm_reader_read(reader, &into, &frames));
    OK(dora_shm_reader_messages(reader, frames.first, frames.frames, found, 4, &count));
    CHECK(count == 2 && found[0].frames == 0 && found[0].first == 0 && found[0].chunk == 0);
    CHECK(found[1].frames == 3 && found[1].chunk == 1 && found[1].send_ns == 1 && found[1].mono_ns > 0);
    CHECK(found[1].samples == NULL && found[1].samples_size == 0 && found[1].times == NULL && found[1].lost == 0);
    OK(dora_shm_reader_messages(reader, 3, 1, found, 4, &count));
    CHECK(count == 1 && found[0].frames == 0 && found[0].first == 3);

    /* Behind the last frame of a generation: with the first frame of the next. */
    OK(dora_shm_writer_begin(writer, &format, NULL, 1));
    IS(DORA_SHM_NEW_GENERATION, dora_shm_reader_read(reader, &into, &frames));
    const signal_frame sample = {0};
    OK(dora_shm_writer_write(writer, sample, sizeof sample, 0, 0.001, 7));
    OK(dora_shm_reader_read(reader, &into, &frames));
    memset(found, 0x55, sizeof found);
    OK(dora_shm_reader_messages(reader, frames.first, frames.frames, found, 1, &count));
    CHECK(count == 2 && found[0].generation == 0 && found[0].first == 3 && found[0].stream_position == 3);
    CHECK(found[1].chunk == UINT64_C(0x5555555555555555));
    OK(dora_shm_reader_messages(reader, frames.first, frames.frames, NULL, 0, &count));
    CHECK(count == 2);
    OK(dora_shm_reader_messages(reader, frames.first, 0, found, 4, &count));
    CHECK(count == 0);
    IS_NULL("into", dora_shm_reader_messages(reader, 0, 1, NULL, 1, &count));
    IS_NULL("count", dora_shm_reader_messages(reader, 0, 1, found, 4, NULL));
    IS_NULL("reader", dora_shm_reader_messages(NULL, 0, 1, found, 4, &count));
    OK(dora_shm_reader_close(&reader));
    OK(dora_shm_writer_close(&writer));
}

static void the_clock_and_messages_that_do_not_follow_are_named(const char *stream) {
    dora_shm_writer *writer = NULL;
    OK(dora_shm_writer_create(stream, NULL, &writer));
    dora_shm_format format = signal_format(100);
    format.clock = 3;
    IS(DORA_SHM_ERROR_BAD_FORMAT, dora_shm_writer_begin(writer, &format, NULL, 1));
    format.clock = DORA_SHM_CLOCK_UNIX;
    OK(dora_shm_writer_begin(writer, &format, NULL, 1));
    const signal_frame sample = {0};
    const double starts[3] = {5.0, 5.001, 5.003};
    for (int i = 0; i < 3; i++)
        OK(dora_shm_writer_write(writer, sample, sizeof sample, starts[i], 0.001, 1));

    dora_shm_reader *reader = reader_of(stream, DORA_SHM_START_OLDEST, 0);
    dora_shm_info info;
    OK(dora_shm_reader_info(reader, &info));
    CHECK(info.format.clock == DORA_SHM_CLOCK_UNIX);
    CHECK(strcmp(dora_shm_clock_name(info.format.clock), "unix") == 0);
    CHECK(strcmp(dora_shm_clock_name(3), "unknown") == 0);
    /* In 2001, and at the machine's start. */
    CHECK(info.clock_created_ns > INT64_C(1000000000) * 1000000000 && info.clock_created_mono_ns > 0);
    CHECK(info.has_counts && info.refused == 0 && info.dropped == 0 && info.gaps == 0);
    for (int i = 0; i < 3; i++) {
        dora_shm_message message;
        OK(dora_shm_reader_next_message(reader, &message));
        CHECK(message.discontinuity == (i == 2));
    }
    OK(dora_shm_reader_close(&reader));
    OK(dora_shm_writer_close(&writer));
}

static void wrong_arguments_return_errors(const char *stream) {
    dora_shm_reader *reader = NULL;
    dora_shm_message message;
    IS_NULL("name", dora_shm_reader_open_messages(NULL, NULL, &reader));
    IS_NULL("reader", dora_shm_reader_open_messages(stream, NULL, NULL));
    IS(DORA_SHM_ERROR_BAD_NAME, dora_shm_reader_open_messages("", NULL, &reader));
    CHECK(reader == NULL);
    OK(dora_shm_reader_open_messages(stream, NULL, &reader));
    IS_NULL("reader", dora_shm_reader_next_message(NULL, &message));
    IS_NULL("message", dora_shm_reader_next_message(reader, NULL));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_reader_wait(reader, NAN));
    OK(dora_shm_reader_close(&reader));
    OK(dora_shm_reader_close(&reader));
    IS_NULL("reader", dora_shm_reader_next_message(reader, &message));
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    messages_come_as_they_were_written(argv[1]);
    each_reader_does_what_it_was_opened_for(argv[1]);
    frames_have_messages_and_the_empty_ones_before_them(argv[1]);
    the_clock_and_messages_that_do_not_follow_are_named(argv[1]);
    wrong_arguments_return_errors(argv[1]);
    return 0;
}
