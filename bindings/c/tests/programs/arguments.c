/* Every function returns an error with a message for a wrong argument, and changes nothing. */
#include "check.h"
#include <math.h>

static int message_has(const char *part) { return strstr(dora_shm_last_error_message(), part) != NULL; }

/* Like IS, for an argument that is NULL. The message has its name. */
#define IS_NULL(name, call)                                                                                            \
    do {                                                                                                               \
        IS(DORA_SHM_ERROR_NULL, call);                                                                                 \
        CHECK(message_has(name " is NULL"));                                                                                  \
    } while (0)

static void names(const char *stream) {
    dora_shm_reader *reader = NULL;
    dora_shm_writer *writer = NULL;
    IS_NULL("name", dora_shm_reader_open(NULL, NULL, &reader));
    IS_NULL("reader", dora_shm_reader_open(stream, NULL, NULL));
    IS_NULL("name", dora_shm_writer_create(NULL, NULL, &writer));
    IS_NULL("writer", dora_shm_writer_create(stream, NULL, NULL));
    IS(DORA_SHM_ERROR_NOT_UTF8, dora_shm_reader_open("a\xff", NULL, &reader));
    CHECK(message_has("name is not UTF-8: byte 1"));
    IS(DORA_SHM_ERROR_NOT_UTF8, dora_shm_writer_create("\xc3", NULL, &writer));
    IS(DORA_SHM_ERROR_BAD_NAME, dora_shm_reader_open("", NULL, &reader));
    IS(DORA_SHM_ERROR_BAD_NAME, dora_shm_writer_create("a/buffer7", NULL, &writer));
    char longest[DORA_SHM_NAME_SIZE + 1];
    memset(longest, 'x', sizeof longest);
    longest[DORA_SHM_NAME_SIZE] = 0;
    IS(DORA_SHM_ERROR_BAD_NAME, dora_shm_reader_open(longest, NULL, &reader));
    CHECK(reader == NULL && writer == NULL);
    longest[DORA_SHM_NAME_SIZE - 1] = 0;
    OK(dora_shm_reader_open(longest, NULL, &reader));
    dora_shm_info info;
    OK(dora_shm_reader_info(reader, &info));
    CHECK(strcmp(info.name, longest) == 0 && info.state == DORA_SHM_STATE_ABSENT && info.stream_id == 0);
    CHECK(info.generation == DORA_SHM_NONE && info.owner == DORA_SHM_NONE && info.format.dtype == DORA_SHM_DTYPE_NONE);
    OK(dora_shm_reader_close(&reader));

    char segment[DORA_SHM_SEGMENT_SIZE];
    OK(dora_shm_shorten_name("demo", segment, sizeof segment));
    CHECK(strcmp(segment, "sm_KpdRbDVLaISM29j1SiJq") == 0);
    memset(segment, '!', sizeof segment);
    IS(DORA_SHM_ERROR_BUFFER_TOO_SMALL, dora_shm_shorten_name("demo", segment, sizeof segment - 1));
    CHECK(message_has("segment has 23 bytes, expected at least 24") && segment[0] == '!');
    IS(DORA_SHM_ERROR_BUFFER_TOO_SMALL, dora_shm_shorten_name("demo", segment, 0));
    IS_NULL("name", dora_shm_shorten_name(NULL, segment, sizeof segment));
    IS_NULL("segment", dora_shm_shorten_name("demo", NULL, sizeof segment));
}

static void options(const char *stream) {
    dora_shm_reader *reader = NULL;
    dora_shm_reader_options how;
    /* Options that were not initialised, and options of a later version. */
    memset(&how, 0, sizeof how);
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_reader_open(stream, &how, &reader));
    CHECK(message_has("options->size is 0") && message_has("DORA_SHM_READER_OPTIONS_INIT"));
    struct {
        dora_shm_reader_options known;
        uint64_t later;
    } newer = {DORA_SHM_READER_OPTIONS_INIT, 0};
    newer.known.size = sizeof newer;
    OK(dora_shm_reader_open(stream, &newer.known, &reader));
    OK(dora_shm_reader_close(&reader));
    newer.later = 1;
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_reader_open(stream, &newer.known, &reader));
    CHECK(message_has("update the library"));
    /* A bool with an invalid value does no harm. */
    const dora_shm_reader_options defaults = DORA_SHM_READER_OPTIONS_INIT;
    how = defaults;
    memset(&how.each_description, 0x55, sizeof how.each_description);
    OK(dora_shm_reader_open(stream, &how, &reader));
    OK(dora_shm_reader_close(&reader));
    how = defaults;
    how.start = 4;
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_reader_open(stream, &how, &reader));
    CHECK(message_has("start is 4"));
    how.start = DORA_SHM_START_LAST;
    double bad[] = {-1.0, NAN, -INFINITY};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        how.idle_after_seconds = bad[i];
        IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_reader_open(stream, &how, &reader));
        how.idle_after_seconds = 0;
        how.spin_seconds = bad[i];
        IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_reader_open(stream, &how, &reader));
        CHECK(message_has("spin_seconds"));
        how.spin_seconds = 0;
    }
    /* Not aligned. */
    char bytes[sizeof how + 1];
    const dora_shm_reader_options *odd = (const void *)(bytes + (((uintptr_t)bytes & 1) == 0));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_reader_open(stream, odd, &reader));
    CHECK(message_has("options is not aligned"));

    dora_shm_writer *writer = NULL;
    dora_shm_writer_options who = DORA_SHM_WRITER_OPTIONS_INIT;
    who.size = 3;
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_writer_create(stream, &who, &writer));
    CHECK(message_has("options->size is 3") && message_has("DORA_SHM_WRITER_OPTIONS_INIT"));
    who.size = sizeof who;
    who.mode = 0666;
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_writer_create(stream, &who, &writer));
    CHECK(message_has("mode 0666"));
    CHECK(reader == NULL && writer == NULL);
}

static void formats(dora_shm_writer *writer) {
    dora_shm_format format = signal_format(10);
    IS_NULL("format", dora_shm_writer_begin(writer, NULL, NULL, 1));
    format.dtype = 99;
    IS(DORA_SHM_ERROR_UNKNOWN_DTYPE, dora_shm_writer_begin(writer, &format, NULL, 1));
    format = signal_format(0);
    IS(DORA_SHM_ERROR_BAD_FORMAT, dora_shm_writer_begin(writer, &format, NULL, 1));
    format = signal_format(UINT64_MAX);
    IS(DORA_SHM_ERROR_BAD_FORMAT, dora_shm_writer_begin(writer, &format, NULL, UINT64_MAX));
    format = signal_format(10);
    format.rank = UINT32_MAX;
    IS(DORA_SHM_ERROR_BAD_FORMAT, dora_shm_writer_begin(writer, &format, NULL, 1));
    format = signal_format(10);
    format.rate_hz = NAN;
    IS(DORA_SHM_ERROR_BAD_FORMAT, dora_shm_writer_begin(writer, &format, NULL, 1));
    format = signal_format(10);
    format.rank = DORA_SHM_MAX_RANK;
    for (int i = 0; i < DORA_SHM_MAX_RANK; i++)
        format.shape[i] = UINT64_C(1) << 40; /* their product is not a 64-bit number */
    IS(DORA_SHM_ERROR_BAD_FORMAT, dora_shm_writer_begin(writer, &format, NULL, 1));
    format = signal_format(UINT64_C(1) << 31);
    IS(DORA_SHM_ERROR_TOO_LARGE, dora_shm_writer_begin(writer, &format, NULL, 1));

    dora_shm_description *description = NULL;
    const char *dims[] = {"time", "y", "x"};
    OK(dora_shm_description_create(&description));
    OK(dora_shm_description_set_dims(description, dims, 3));
    format = signal_format(10);
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_writer_begin(writer, &format, description, 1));
    IS(DORA_SHM_ERROR_NO_GENERATION, dora_shm_writer_describe(writer, description));
    IS_NULL("description", dora_shm_writer_describe(writer, NULL));
    OK(dora_shm_description_close(&description));

    int32_t samples[CHANNELS] = {0};
    IS(DORA_SHM_ERROR_NO_GENERATION, dora_shm_writer_write(writer, samples, sizeof samples, 0, 0, 0));
    IS(DORA_SHM_ERROR_NO_GENERATION, dora_shm_writer_write_now(writer, samples, sizeof samples, 0));
    dora_shm_progress progress;
    OK(dora_shm_writer_progress(writer, &progress));
    CHECK(progress.generation == DORA_SHM_NONE && progress.ring_frames == 0 && progress.stream_id != 0);

    size_t bytes = 77;
    IS(DORA_SHM_ERROR_UNKNOWN_DTYPE, dora_shm_dtype_size(0, &bytes));
    IS(DORA_SHM_ERROR_UNKNOWN_DTYPE, dora_shm_dtype_size(UINT32_MAX, &bytes));
    CHECK(bytes == 77);
    IS_NULL("bytes", dora_shm_dtype_size(DORA_SHM_INT8, NULL));
    uint32_t dtype = 77;
    IS(DORA_SHM_ERROR_UNKNOWN_DTYPE, dora_shm_dtype_from_name("float128", &dtype));
    CHECK(dtype == 77);
    OK(dora_shm_dtype_from_name("float32", &dtype));
    OK(dora_shm_dtype_size(dtype, &bytes));
    CHECK(dtype == DORA_SHM_FLOAT32 && bytes == 4 && strcmp(dora_shm_dtype_name(dtype), "float32") == 0);
    CHECK(strcmp(dora_shm_dtype_name(0), "unknown") == 0 && strcmp(dora_shm_state_name(99), "unknown") == 0);
    CHECK(strcmp(dora_shm_state_name(DORA_SHM_STATE_DEAD), "dead") == 0);
    IS_NULL("name", dora_shm_dtype_from_name(NULL, &dtype));
    IS_NULL("dtype", dora_shm_dtype_from_name("int8", NULL));
}

static void writes(dora_shm_writer *writer) {
    dora_shm_format format = signal_format(10);
    OK(dora_shm_writer_begin(writer, &format, NULL, 0));
    int32_t samples[2 * CHANNELS] = {0};
    double times[3] = {0};
    IS_NULL("samples", dora_shm_writer_write(writer, NULL, 12, 0, 0, 0));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_writer_write(writer, samples, 13, 0, 0, 0));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_writer_write(writer, samples, SIZE_MAX, 0, 0, 0));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_writer_write_times(writer, samples, sizeof samples, times, 3, 0));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_writer_write_times(writer, samples, sizeof samples, times, SIZE_MAX, 0));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_writer_write_times(writer, samples, sizeof samples, times, 0, 0));
    IS_NULL("times", dora_shm_writer_write_times(writer, samples, sizeof samples, NULL, 2, 0));
    IS_NULL("samples", dora_shm_writer_write_now(writer, NULL, 12, 0));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_writer_write_now(writer, samples, 13, 0));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_writer_write_now(writer, samples, SIZE_MAX, 0));
    dora_shm_progress progress;
    OK(dora_shm_writer_progress(writer, &progress));
    CHECK(progress.position == 0 && progress.generation == 0);
    OK(dora_shm_writer_write_times(writer, samples, sizeof samples, times, 2, 0));
    OK(dora_shm_writer_write(writer, NULL, 0, 0, 0, 0)); /* an empty message */
    OK(dora_shm_writer_maintain(writer));

    IS_NULL("writer", dora_shm_writer_begin(NULL, &format, NULL, 1));
    IS_NULL("writer", dora_shm_writer_write(NULL, samples, 12, 0, 0, 0));
    IS_NULL("writer", dora_shm_writer_write_times(NULL, samples, 12, times, 1, 0));
    IS_NULL("writer", dora_shm_writer_write_now(NULL, samples, 12, 0));
    IS_NULL("writer", dora_shm_writer_maintain(NULL));
    IS_NULL("writer", dora_shm_writer_progress(NULL, &progress));
    IS_NULL("progress", dora_shm_writer_progress(writer, NULL));
    const char *text = "";
    IS_NULL("writer", dora_shm_writer_next_warning(NULL, &text));
    IS_NULL("text", dora_shm_writer_next_warning(writer, NULL));
    IS_NULL("writer", dora_shm_writer_close(NULL));
    IS_NULL("writer", dora_shm_writer_describe(NULL, NULL));
}

static void reads(const char *stream) {
    dora_shm_reader *reader = NULL;
    dora_shm_reader_options how = DORA_SHM_READER_OPTIONS_INIT;
    how.start = DORA_SHM_START_OLDEST;
    OK(dora_shm_reader_open(stream, &how, &reader));
    signal_frame samples[10];
    double times[10];
    dora_shm_buffers into;
    dora_shm_frames frames;
    memset(&into, 0, sizeof into);
    memset(&frames, 0x55, sizeof frames);
    const dora_shm_frames before = frames;
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_reader_read(reader, &into, &frames));
    CHECK(message_has("max_frames is 0"));
    into.max_frames = 10;
    IS_NULL("reader", dora_shm_reader_read(NULL, &into, &frames));
    IS_NULL("into", dora_shm_reader_read(reader, NULL, &frames));
    IS_NULL("frames", dora_shm_reader_read(reader, &into, NULL));
    IS_NULL("reader", dora_shm_reader_latest(NULL, &into, &frames));
    IS_NULL("reader", dora_shm_reader_latest_seconds(NULL, 1, &into, &frames));
    uint64_t first = 77, count = 77, position = 77;
    IS_NULL("reader", dora_shm_reader_newest(NULL, &into, &frames));
    IS_NULL("reader", dora_shm_reader_skip_to_newest(NULL));
    IS_NULL("reader", dora_shm_reader_read_at(NULL, 0, &into, &frames));
    IS_NULL("reader", dora_shm_reader_held(NULL, &first, &count));
    IS_NULL("first", dora_shm_reader_held(reader, NULL, &count));
    IS_NULL("count", dora_shm_reader_held(reader, &first, NULL));
    IS_NULL("reader", dora_shm_reader_position_at(NULL, 0, &position));
    IS_NULL("position", dora_shm_reader_position_at(reader, 0, NULL));
    CHECK(first == 77 && count == 77 && position == 77);
    IS_NULL("reader", dora_shm_reader_skip(NULL, 1, &frames));
    IS_NULL("frames", dora_shm_reader_skip(reader, 1, NULL));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_reader_skip(reader, 0, &frames));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_reader_latest_seconds(reader, NAN, &into, &frames));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_reader_latest_seconds(reader, -1, &into, &frames));
    into.samples = samples;
    into.samples_size = sizeof *samples - 1;
    IS(DORA_SHM_ERROR_BUFFER_TOO_SMALL, dora_shm_reader_read(reader, &into, &frames));
    CHECK(message_has("11 bytes, expected at least the 12"));
    IS(DORA_SHM_ERROR_BUFFER_TOO_SMALL, dora_shm_reader_latest(reader, &into, &frames));
    into.samples_size = SIZE_MAX;
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_reader_read(reader, &into, &frames));
    into.samples_size = sizeof samples;
    into.times = (double *)(void *)((char *)times + 4);
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_reader_read(reader, &into, &frames));
    CHECK(message_has("times is not aligned"));
    CHECK(memcmp(&frames, &before, sizeof frames) == 0);

    dora_shm_view *view = NULL;
    dora_shm_parts parts;
    IS_NULL("reader", dora_shm_reader_view(NULL, 1, &view, &parts));
    IS_NULL("view", dora_shm_reader_view(reader, 1, NULL, &parts));
    IS_NULL("parts", dora_shm_reader_view(reader, 1, &view, NULL));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_reader_view(reader, 0, &view, &parts));
    CHECK(view == NULL);
    IS_NULL("view", dora_shm_reader_finish(reader, NULL, &frames));
    IS_NULL("*view", dora_shm_reader_finish(reader, &view, &frames));
    IS_NULL("view", dora_shm_view_close(NULL));
    OK(dora_shm_view_close(&view));
    OK(dora_shm_reader_view(reader, UINT64_MAX, &view, &parts));
    IS_NULL("reader", dora_shm_reader_finish(NULL, &view, &frames));
    IS_NULL("frames", dora_shm_reader_finish(reader, &view, NULL));
    CHECK(view != NULL); /* still ours */
    OK(dora_shm_view_close(&view));

    double bad[] = {-0.1, NAN, -INFINITY};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_reader_wait(reader, bad[i]));
    OK(dora_shm_reader_wait(reader, INFINITY)); /* there is something to read */
    OK(dora_shm_reader_wait(reader, 1e300));
    IS_NULL("reader", dora_shm_reader_wait(NULL, 0));
    IS_NULL("reader", dora_shm_reader_interrupt(NULL));
    dora_shm_format format;
    IS_NULL("reader", dora_shm_reader_format(NULL, &format));
    IS_NULL("format", dora_shm_reader_format(reader, NULL));
    dora_shm_description *description = NULL;
    IS_NULL("reader", dora_shm_reader_description(NULL, &description));
    IS_NULL("description", dora_shm_reader_description(reader, NULL));
    dora_shm_cursor cursor;
    IS_NULL("reader", dora_shm_reader_cursor(NULL, &cursor));
    IS_NULL("cursor", dora_shm_reader_cursor(reader, NULL));
    dora_shm_state state;
    IS_NULL("reader", dora_shm_reader_state(NULL, &state));
    IS_NULL("state", dora_shm_reader_state(reader, NULL));
    dora_shm_info info;
    IS_NULL("reader", dora_shm_reader_info(NULL, &info));
    IS_NULL("info", dora_shm_reader_info(reader, NULL));
    IS_NULL("reader", dora_shm_reader_close(NULL));

    /* The cursor has not moved. */
    into.times = times;
    OK(dora_shm_reader_read(reader, &into, &frames));
    CHECK(frames.first == 0 && frames.frames == 2 && frames.lost == 0);
    OK(dora_shm_reader_close(&reader));
    CHECK(reader == NULL);
    OK(dora_shm_reader_close(&reader));
    IS_NULL("reader", dora_shm_reader_read(reader, &into, &frames));
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    const char *stream = argv[1];
    CHECK(strcmp(dora_shm_last_error_message(), "") == 0);
    CHECK(strcmp(dora_shm_version(), DORA_SHM_VERSION) == 0);
    char version[32];
    snprintf(version, sizeof version, "%d.%d.%d", DORA_SHM_VERSION_MAJOR, DORA_SHM_VERSION_MINOR,
             DORA_SHM_VERSION_PATCH);
    CHECK(strcmp(version, DORA_SHM_VERSION) == 0);
    CHECK(strcmp(dora_shm_result_name(DORA_SHM_CLOSED), "DORA_SHM_CLOSED") == 0);
    CHECK(strcmp(dora_shm_result_name(-1000), "unknown") == 0);
    names(stream);
    options(stream);
    dora_shm_writer *writer = NULL;
    OK(dora_shm_writer_create(stream, NULL, &writer));
    dora_shm_writer *second = NULL;
    IS(DORA_SHM_ERROR_LIVE, dora_shm_writer_create(stream, NULL, &second));
    CHECK(second == NULL && message_has("already has a live writer"));
    formats(writer);
    writes(writer);
    reads(stream);
    /* A success leaves the last message as it was. */
    CHECK(message_has("reader is NULL"));
    OK(dora_shm_writer_close(&writer));
    CHECK(writer == NULL);
    OK(dora_shm_writer_close(&writer));
    return 0;
}
