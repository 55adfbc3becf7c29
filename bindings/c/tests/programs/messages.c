/* Messages come as they were written: their borders, their times of sending, their descriptions, and every loss. */
#include "check.h"
#include <math.h>

/* The longest sentence starts with the name of what is NULL. */
#define IS_NULL(name, call)                                                                                            \
    do {                                                                                                               \
        IS(DORA_SHM_ERROR_NULL, call);                                                                                 \
        CHECK(strcmp(dora_shm_last_error_message(), name " is NULL") == 0);                                            \
    } while (0)

static dora_shm_message_reader *reader_of(const char *stream, uint32_t start, uint64_t last) {
    dora_shm_reader_options how;
    dora_shm_message_reader *reader = NULL;
    memset(&how, 0, sizeof how);
    how.start = start;
    how.last_frames = last;
    OK(dora_shm_message_reader_open(stream, &how, &reader));
    return reader;
}

static void messages_come_as_they_were_written(const char *stream) {
    dora_shm_message_reader *reader = reader_of(stream, DORA_SHM_START_NEWEST, 0);
    dora_shm_state state;
    dora_shm_format format = signal_format(100), found;
    dora_shm_description *description = NULL;
    dora_shm_message message;
    memset(&message, 0x55, sizeof message);
    const dora_shm_message before = message;
    OK(dora_shm_message_reader_state(reader, &state));
    CHECK(state == DORA_SHM_STATE_ABSENT);
    IS(DORA_SHM_NOTHING, dora_shm_message_reader_next(reader, &message));
    IS(DORA_SHM_NOTHING, dora_shm_message_reader_format(reader, &found));
    IS(DORA_SHM_NOTHING, dora_shm_message_reader_description(reader, &description));
    IS(DORA_SHM_TIMED_OUT, dora_shm_message_reader_wait(reader, 0.01));

    dora_shm_writer *writer = NULL;
    dora_shm_writer_options who;
    memset(&who, 0, sizeof who);
    who.keep_replaced = 1;
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

    OK(dora_shm_message_reader_wait(reader, 60));
    IS(DORA_SHM_NEW_GENERATION, dora_shm_message_reader_next(reader, &message));
    CHECK(memcmp(&message, &before, sizeof message) == 0);
    OK(dora_shm_message_reader_format(reader, &found));
    CHECK(found.dtype == DORA_SHM_INT32 && found.frame_bytes == sizeof(signal_frame));
    uint64_t next = 0;
    for (size_t i = 0; i < 4; i++) {
        const char *key = NULL;
        OK(dora_shm_message_reader_next(reader, &message));
        CHECK(message.first == next && message.frames == lengths[i] && message.chunk == i && message.lost == 0);
        CHECK(message.samples_size == lengths[i] * sizeof(signal_frame) && message.stream_position == next);
        CHECK(message.send_ns == (int64_t)next + 1 && message.mono_ns > 0 && message.generation == 0);
        CHECK(message.description == (i == 3 ? 2u : 1u));
        signal_check(message.samples, message.times, next, message.frames);
        OK(dora_shm_message_reader_description(reader, &description));
        OK(dora_shm_description_key(description, &key));
        CHECK(strcmp(key, i == 3 ? "second" : "first") == 0);
        OK(dora_shm_description_close(&description));
        next += lengths[i];
    }
    IS(DORA_SHM_NOTHING, dora_shm_message_reader_next(reader, &message));

    /* Lapped: whole messages are lost, and counted. */
    for (int i = 0; i < 30; i++)
        signal_write(writer, 10);
    uint64_t lost = 0;
    OK(dora_shm_message_reader_next(reader, &message));
    CHECK(message.frames == 10 && message.lost > 100 && message.first == next + message.lost);
    signal_check(message.samples, message.times, message.first, 10);
    OK(dora_shm_message_reader_lost(reader, &lost));
    CHECK(lost == message.lost);
    next = message.first + 10;
    while (next < 318) {
        OK(dora_shm_message_reader_next(reader, &message));
        CHECK(message.first == next && message.lost == 0);
        next += message.frames;
    }
    dora_shm_info info;
    OK(dora_shm_message_reader_info(reader, &info));
    CHECK(info.position == 318 && info.chunks == 34 && strcmp(info.name, stream) == 0);

    dora_shm_message_reader *last = reader_of(stream, DORA_SHM_START_LAST, 2);
    OK(dora_shm_message_reader_next(last, &message));
    CHECK(message.first == 298 && message.frames == 10);
    OK(dora_shm_message_reader_close(&last));
    CHECK(last == NULL);

    OK(dora_shm_message_reader_interrupt(reader));
    IS(DORA_SHM_INTERRUPTED, dora_shm_message_reader_wait(reader, 60));
    OK(dora_shm_writer_close(&writer));
    IS(DORA_SHM_CLOSED, dora_shm_message_reader_next(reader, &message));
    OK(dora_shm_message_reader_close(&reader));
}

static void wrong_arguments_are_answered(const char *stream) {
    dora_shm_message_reader *reader = NULL;
    dora_shm_message message;
    dora_shm_format format;
    dora_shm_description *description = NULL;
    dora_shm_state state;
    dora_shm_info info;
    uint64_t lost;
    IS_NULL("name", dora_shm_message_reader_open(NULL, NULL, &reader));
    IS_NULL("reader", dora_shm_message_reader_open(stream, NULL, NULL));
    IS(DORA_SHM_ERROR_BAD_NAME, dora_shm_message_reader_open("", NULL, &reader));
    CHECK(reader == NULL);
    OK(dora_shm_message_reader_open(stream, NULL, &reader));
    IS_NULL("reader", dora_shm_message_reader_next(NULL, &message));
    IS_NULL("message", dora_shm_message_reader_next(reader, NULL));
    IS_NULL("reader", dora_shm_message_reader_wait(NULL, 0));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_message_reader_wait(reader, NAN));
    IS_NULL("reader", dora_shm_message_reader_interrupt(NULL));
    IS_NULL("reader", dora_shm_message_reader_format(NULL, &format));
    IS_NULL("format", dora_shm_message_reader_format(reader, NULL));
    IS_NULL("reader", dora_shm_message_reader_description(NULL, &description));
    IS_NULL("description", dora_shm_message_reader_description(reader, NULL));
    IS_NULL("reader", dora_shm_message_reader_lost(NULL, &lost));
    IS_NULL("lost", dora_shm_message_reader_lost(reader, NULL));
    IS_NULL("reader", dora_shm_message_reader_state(NULL, &state));
    IS_NULL("state", dora_shm_message_reader_state(reader, NULL));
    IS_NULL("reader", dora_shm_message_reader_info(NULL, &info));
    IS_NULL("info", dora_shm_message_reader_info(reader, NULL));
    IS_NULL("reader", dora_shm_message_reader_close(NULL));
    OK(dora_shm_message_reader_close(&reader));
    OK(dora_shm_message_reader_close(&reader));
    IS_NULL("reader", dora_shm_message_reader_next(reader, &message));
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    messages_come_as_they_were_written(argv[1]);
    wrong_arguments_are_answered(argv[1]);
    return 0;
}
