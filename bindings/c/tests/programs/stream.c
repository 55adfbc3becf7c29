/* One writer and readers in one process: copies, views across the wrap, losses, generations, the order of closing. */
#include "check.h"
#include <time.h>

static dora_shm_writer *writer_of(const char *stream, uint64_t ring_frames) {
    dora_shm_writer *writer = NULL;
    dora_shm_format format = signal_format(ring_frames);
    OK(dora_shm_writer_create(stream, NULL, &writer));
    OK(dora_shm_writer_begin(writer, &format, NULL, 10));
    return writer;
}

static dora_shm_reader *reader_of(const char *stream, dora_shm_start start, uint64_t last) {
    dora_shm_reader *reader = NULL;
    dora_shm_reader_options options = DORA_SHM_READER_OPTIONS_INIT;
    options.start = start;
    options.last_frames = last;
    OK(dora_shm_reader_open(stream, &options, &reader));
    return reader;
}

/* Room for exactly this many frames, so that a sanitizer detects a single byte too many. */
struct memory {
    uint64_t room;
    dora_shm_buffers into;
};

static struct memory memory_of(uint64_t room) {
    struct memory memory;
    memset(&memory, 0, sizeof memory);
    memory.room = room;
    memory.into.samples_size = room * sizeof(signal_frame);
    memory.into.samples = malloc(memory.into.samples_size);
    memory.into.times = malloc(room * sizeof(double));
    memory.into.positions = malloc(room * sizeof(uint64_t));
    memory.into.send_ns = malloc(room * sizeof(int64_t));
    memory.into.max_frames = UINT64_MAX;
    return memory;
}

static void memory_free(struct memory *memory) {
    free(memory->into.samples);
    free(memory->into.times);
    free(memory->into.positions);
    free(memory->into.send_ns);
}

static void memory_check(const struct memory *memory, const dora_shm_frames *frames, uint64_t message_frames) {
    CHECK(frames->frames <= memory->room);
    signal_check(memory->into.samples, memory->into.times, frames->first, frames->frames);
    for (uint64_t i = 0; i < frames->frames; i++) {
        CHECK(memory->into.positions[i] == frames->first + i);
        CHECK(memory->into.send_ns[i] == (int64_t)((frames->first + i) / message_frames * message_frames) + 1);
    }
}

static void copies_reach_as_far_as_their_memory(const char *stream) {
    dora_shm_writer *writer = writer_of(stream, 40);
    dora_shm_reader *reader = reader_of(stream, DORA_SHM_START_OLDEST, 0);
    struct memory memory = memory_of(7);
    dora_shm_frames frames;
    uint64_t next = 0;
    for (int round = 0; round < 9; round++) {
        signal_write(writer, 10);
        for (int part = 0; part < 2; part++) {
            OK(dora_shm_reader_read(reader, &memory.into, &frames));
            CHECK(frames.first == next && frames.frames == (part == 0 ? 7 : 3) && frames.lost == 0);
            memory_check(&memory, &frames, 10);
            next += frames.frames;
        }
    }
    IS(DORA_SHM_NOTHING, dora_shm_reader_read(reader, &memory.into, &frames));
    CHECK(frames.frames == 0 && frames.generation == 0);

    /* Fewer than there is room for, and only some of it. */
    signal_write(writer, 10);
    memory.into.max_frames = 2;
    OK(dora_shm_reader_read(reader, &memory.into, &frames));
    CHECK(frames.first == 90 && frames.frames == 2);
    memory_check(&memory, &frames, 10);
    dora_shm_buffers times;
    memset(&times, 0, sizeof times);
    times.times = memory.into.times;
    times.max_frames = memory.room;
    OK(dora_shm_reader_read(reader, &times, &frames));
    CHECK(frames.first == 92 && frames.frames == 7 && times.times[6] > 0.0979 && times.times[6] < 0.0981);
    dora_shm_buffers positions;
    memset(&positions, 0, sizeof positions);
    positions.positions = memory.into.positions;
    positions.max_frames = memory.room;
    OK(dora_shm_reader_read(reader, &positions, &frames));
    CHECK(frames.frames == 1 && positions.positions[0] == 99);

    /* The newest frames, which do not move the cursor. */
    memory.into.max_frames = 5;
    OK(dora_shm_reader_latest(reader, &memory.into, &frames));
    CHECK(frames.first == 95 && frames.frames == 5 && frames.lost == 0);
    memory_check(&memory, &frames, 10);
    memory.into.max_frames = UINT64_MAX;
    OK(dora_shm_reader_latest(reader, &memory.into, &frames));
    CHECK(frames.first == 93 && frames.frames == 7);
    OK(dora_shm_reader_latest_seconds(reader, 0.005, &memory.into, &frames));
    CHECK(frames.first == 95 && frames.frames == 5);
    memory_check(&memory, &frames, 10);
    OK(dora_shm_reader_latest_seconds(reader, 1e9, &memory.into, &frames));
    CHECK(frames.first == 93 && frames.frames == 7);
    IS(DORA_SHM_NOTHING, dora_shm_reader_latest_seconds(reader, 0, &memory.into, &frames));
    /* Without the samples: their times and positions alone. */
    times.positions = memory.into.positions;
    memset(times.times, 0, 7 * sizeof *times.times);
    OK(dora_shm_reader_latest(reader, &times, &frames));
    CHECK(frames.first == 93 && frames.frames == 7 && times.positions[6] == 99);
    CHECK(times.times[6] > 0.0989 && times.times[6] < 0.0991);
    OK(dora_shm_reader_latest_seconds(reader, 0.003, &times, &frames));
    CHECK(frames.first == 97 && frames.frames == 3);
    dora_shm_buffers samples = memory.into;
    samples.times = NULL;
    samples.positions = NULL;
    samples.send_ns = NULL;
    OK(dora_shm_reader_latest(reader, &samples, &frames));
    CHECK(frames.first == 93 && frames.frames == 7);
    signal_check(samples.samples, NULL, 93, 7);
    dora_shm_cursor cursor;
    OK(dora_shm_reader_cursor(reader, &cursor));
    CHECK(cursor.position == 100 && cursor.lost == 0 && cursor.lag_frames == 0 && cursor.lag_ns == 0);
    memory_free(&memory);
    OK(dora_shm_reader_close(&reader));

    /* Where a reader begins. */
    reader = reader_of(stream, DORA_SHM_START_LAST, 12);
    OK(dora_shm_reader_cursor(reader, &cursor));
    CHECK(cursor.position == 88 && cursor.lag_frames == 12 && cursor.lag_ns > 0);
    OK(dora_shm_reader_close(&reader));
    dora_shm_reader_options seconds = DORA_SHM_READER_OPTIONS_INIT;
    seconds.start = DORA_SHM_START_LAST_SECONDS;
    seconds.last_seconds = 0.005;
    OK(dora_shm_reader_open(stream, &seconds, &reader));
    OK(dora_shm_reader_cursor(reader, &cursor));
    CHECK(cursor.position == 95 && cursor.lag_frames == 5 && cursor.lost == 0);
    OK(dora_shm_reader_close(&reader));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_reader_open_messages(stream, &seconds, &reader));
    seconds.last_seconds = -1;
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_reader_open(stream, &seconds, &reader));
    reader = reader_of(stream, DORA_SHM_START_NEWEST, 0);
    OK(dora_shm_reader_cursor(reader, &cursor));
    CHECK(cursor.position == 100);
    OK(dora_shm_reader_close(&reader));
    OK(dora_shm_writer_close(&writer));
}

/* The call for displays: the newest frames, regardless of the frames before them. */
static void the_newest_frames_come_at_once_and_cost_no_loss(const char *stream) {
    dora_shm_reader *reader = NULL;
    struct memory memory = memory_of(7);
    dora_shm_frames frames;
    dora_shm_cursor cursor;
    OK(dora_shm_reader_open(stream, NULL, &reader));
    IS(DORA_SHM_NOTHING, dora_shm_reader_newest(reader, &memory.into, &frames));
    dora_shm_writer *writer = writer_of(stream, 40);
    OK(dora_shm_reader_wait(reader, 60));
    IS(DORA_SHM_NEW_GENERATION, dora_shm_reader_newest(reader, &memory.into, &frames));
    CHECK(frames.frames == 0 && frames.generation == 0);
    IS(DORA_SHM_NOTHING, dora_shm_reader_newest(reader, &memory.into, &frames));
    signal_write(writer, 30);
    OK(dora_shm_reader_newest(reader, &memory.into, &frames));
    CHECK(frames.first == 23 && frames.frames == 7 && frames.lost == 0);
    memory_check(&memory, &frames, 30);
    OK(dora_shm_reader_newest(reader, &memory.into, &frames));
    CHECK(frames.first == 23 && frames.frames == 7); /* they are still the newest */

    /* Over several generations at once. */
    dora_shm_format format = signal_format(20);
    signal_write(writer, 3);
    for (int i = 0; i < 3; i++) {
        OK(dora_shm_writer_begin(writer, &format, NULL, 1));
        signal_write(writer, 5);
    }
    IS(DORA_SHM_NEW_GENERATION, dora_shm_reader_newest(reader, &memory.into, &frames));
    CHECK(frames.generation == 3);
    OK(dora_shm_reader_newest(reader, &memory.into, &frames));
    CHECK(frames.first == 0 && frames.frames == 5 && frames.generation == 3);
    OK(dora_shm_reader_cursor(reader, &cursor));
    CHECK(cursor.lost == 0 && cursor.position == 5 && cursor.lag_frames == 0);
    OK(dora_shm_writer_close(&writer));
    IS(DORA_SHM_CLOSED, dora_shm_reader_newest(reader, &memory.into, &frames));
    IS(DORA_SHM_NOTHING, dora_shm_reader_newest(reader, &memory.into, &frames));
    memory_free(&memory);
    OK(dora_shm_reader_close(&reader));
}

static void frames_that_are_skipped_to_the_newest_are_not_lost(const char *stream) {
    dora_shm_reader *reader = reader_of(stream, DORA_SHM_START_NEWEST, 0), *messages = NULL;
    dora_shm_frames frames;
    dora_shm_message message;
    OK(dora_shm_reader_open_messages(stream, NULL, &messages));
    IS(DORA_SHM_NOTHING, dora_shm_reader_skip_to_newest(reader));
    dora_shm_writer *writer = writer_of(stream, 40);
    signal_write(writer, 3);
    IS(DORA_SHM_NEW_GENERATION, dora_shm_reader_skip_to_newest(reader));
    IS(DORA_SHM_NEW_GENERATION, dora_shm_reader_skip_to_newest(messages));
    IS(DORA_SHM_NOTHING, dora_shm_reader_skip_to_newest(reader));
    for (int i = 0; i < 20; i++)
        signal_write(writer, 10); /* five times round */
    OK(dora_shm_reader_skip_to_newest(reader));
    OK(dora_shm_reader_skip_to_newest(messages));
    signal_write(writer, 4);
    struct memory memory = memory_of(7);
    OK(dora_shm_reader_read(reader, &memory.into, &frames));
    CHECK(frames.first == 203 && frames.frames == 4 && frames.lost == 0);
    OK(dora_shm_reader_next_message(messages, &message));
    CHECK(message.first == 203 && message.frames == 4 && message.lost == 0);
    memory_free(&memory);
    OK(dora_shm_writer_close(&writer));
    IS(DORA_SHM_CLOSED, dora_shm_reader_skip_to_newest(reader));
    IS(DORA_SHM_CLOSED, dora_shm_reader_skip_to_newest(messages));
    OK(dora_shm_reader_close(&reader));
    OK(dora_shm_reader_close(&messages));
}

static void expect_event(dora_shm_reader *reader, dora_shm_event_kind kind, uint32_t generation, uint64_t position) {
    dora_shm_event event;
    OK(dora_shm_reader_next_event(reader, &event));
    CHECK(event.kind == kind && event.generation == generation && event.position == position);
}

static void events_come_in_order_with_the_frames(const char *stream) {
    dora_shm_writer *writer = NULL;
    dora_shm_reader *reader = reader_of(stream, DORA_SHM_START_NEWEST, 0);
    dora_shm_description *description = NULL;
    dora_shm_format format = signal_format(40);
    dora_shm_frames frames;
    dora_shm_event event;
    IS(DORA_SHM_ERROR_NULL, dora_shm_reader_next_event(NULL, &event));
    IS(DORA_SHM_ERROR_NULL, dora_shm_reader_next_event(reader, NULL));
    IS(DORA_SHM_NOTHING, dora_shm_reader_next_event(reader, &event));
    OK(dora_shm_writer_create(stream, NULL, &writer));
    OK(dora_shm_description_create(&description));
    for (int i = 0; i < 2; i++) {
        OK(dora_shm_writer_begin(writer, &format, description, 1));
        signal_write(writer, 3);
        IS(DORA_SHM_NEW_GENERATION, dora_shm_reader_skip(reader, 10, &frames));
        expect_event(reader, DORA_SHM_EVENT_NEW_GENERATION, (uint32_t)i, 0);
        OK(dora_shm_reader_skip(reader, 10, &frames));
    }
    IS(DORA_SHM_NOTHING, dora_shm_reader_next_event(reader, &event));
    OK(dora_shm_description_set_key(description, "second"));
    OK(dora_shm_writer_describe(writer, description));
    signal_write(writer, 4);
    OK(dora_shm_reader_skip(reader, 10, &frames));
    CHECK(frames.first == 3 && frames.frames == 4);
    expect_event(reader, DORA_SHM_EVENT_NEW_DESCRIPTION, 1, 3);
    OK(dora_shm_writer_close(&writer));
    IS(DORA_SHM_CLOSED, dora_shm_reader_skip(reader, 10, &frames));
    expect_event(reader, DORA_SHM_EVENT_WRITER_CLOSED, 1, 7);
    writer = writer_of(stream, 40);
    IS(DORA_SHM_NEW_GENERATION, dora_shm_reader_skip(reader, 10, &frames));
    expect_event(reader, DORA_SHM_EVENT_WRITER_RESTARTED, 0, 0);
    expect_event(reader, DORA_SHM_EVENT_NEW_GENERATION, 0, 0);
    IS(DORA_SHM_NOTHING, dora_shm_reader_next_event(reader, &event));
    OK(dora_shm_description_close(&description));
    OK(dora_shm_reader_close(&reader));
    OK(dora_shm_writer_close(&writer));
}

static void frames_are_found_by_their_positions_and_times(const char *stream) {
    dora_shm_reader *reader = reader_of(stream, DORA_SHM_START_NEWEST, 0);
    struct memory memory = memory_of(7);
    dora_shm_frames frames;
    uint64_t first = 77, count = 77, position = 77;
    OK(dora_shm_reader_held(reader, &first, &count));
    CHECK(count == 0);
    dora_shm_writer *writer = writer_of(stream, 40);
    OK(dora_shm_reader_wait(reader, 60));
    IS(DORA_SHM_NEW_GENERATION, dora_shm_reader_read_at(reader, 0, &memory.into, &frames));
    signal_write(writer, 100);
    OK(dora_shm_reader_held(reader, &first, &count));
    CHECK(first == 60 && count == 40);
    OK(dora_shm_reader_read_at(reader, 70, &memory.into, &frames));
    CHECK(frames.first == 70 && frames.frames == 7 && frames.lost == 0);
    memory_check(&memory, &frames, 100);
    memory.into.max_frames = 2;
    OK(dora_shm_reader_read_at(reader, 99, &memory.into, &frames));
    CHECK(frames.first == 99 && frames.frames == 1);
    IS(DORA_SHM_NOTHING, dora_shm_reader_read_at(reader, 100, &memory.into, &frames));
    IS(DORA_SHM_NOTHING, dora_shm_reader_read_at(reader, 0, &memory.into, &frames));
    OK(dora_shm_reader_position_at(reader, 0.0805, &position));
    CHECK(position == 81);
    OK(dora_shm_reader_position_at(reader, 1e9, &position));
    CHECK(position == 100);
    dora_shm_cursor cursor;
    OK(dora_shm_reader_cursor(reader, &cursor));
    CHECK(cursor.position == 0 && cursor.lost == 0); /* neither moves the cursor */
    memory_free(&memory);
    OK(dora_shm_reader_close(&reader));
    OK(dora_shm_writer_close(&writer));
}

static void a_lapped_reader_counts_the_frames_that_it_loses(const char *stream) {
    dora_shm_writer *writer = writer_of(stream, 40);
    dora_shm_reader *reader = reader_of(stream, DORA_SHM_START_OLDEST, 0);
    dora_shm_frames frames;
    dora_shm_cursor cursor;
    for (int i = 0; i < 20; i++)
        signal_write(writer, 10);
    struct memory memory = memory_of(64);
    OK(dora_shm_reader_read(reader, &memory.into, &frames));
    CHECK(frames.lost == frames.first && frames.lost > 0 && frames.first + frames.frames == 200);
    memory_check(&memory, &frames, 10);
    OK(dora_shm_reader_cursor(reader, &cursor));
    CHECK(cursor.lost == frames.lost && cursor.position == 200);
    memory_free(&memory);
    OK(dora_shm_reader_close(&reader));
    OK(dora_shm_writer_close(&writer));
}

static void views_lend_what_is_in_the_ring(const char *stream) {
    dora_shm_writer *writer = writer_of(stream, 40);
    dora_shm_reader *reader = reader_of(stream, DORA_SHM_START_OLDEST, 0);
    dora_shm_view *view = NULL;
    dora_shm_parts parts;
    dora_shm_frames frames;
    IS(DORA_SHM_NOTHING, dora_shm_reader_view(reader, 10, &view, &parts));
    CHECK(view == NULL && parts.count == 0 && parts.part[0].samples == NULL);
    signal_write(writer, 30);
    OK(dora_shm_reader_view(reader, UINT64_MAX, &view, &parts));
    CHECK(parts.count == 1 && parts.first == 0 && parts.frames == 30 && parts.part[1].frames == 0);
    CHECK(parts.part[0].samples_size == 30 * sizeof(signal_frame));
    signal_check(parts.part[0].samples, parts.part[0].times, 0, 30);
    OK(dora_shm_reader_finish(reader, &view, &frames));
    CHECK(view == NULL && frames.first == 0 && frames.frames == 30 && frames.lost == 0);

    /* Across the wrap: two parts. */
    signal_write(writer, 20);
    OK(dora_shm_reader_view(reader, 20, &view, &parts));
    CHECK(parts.count == 2 && parts.first == 30 && parts.part[0].frames + parts.part[1].frames == 20);
    signal_check(parts.part[0].samples, parts.part[0].times, 30, parts.part[0].frames);
    signal_check(parts.part[1].samples, parts.part[1].times, 30 + parts.part[0].frames, parts.part[1].frames);
    OK(dora_shm_reader_finish(reader, &view, &frames));
    CHECK(frames.first == 30 && frames.frames == 20);

    /* A view that is closed without a check: the cursor stays. */
    signal_write(writer, 10);
    OK(dora_shm_reader_view(reader, 5, &view, &parts));
    OK(dora_shm_view_close(&view));
    CHECK(view == NULL);
    OK(dora_shm_reader_view(reader, 5, &view, &parts));
    CHECK(parts.first == 50 && parts.frames == 5);

    /* Frames are overwritten meanwhile: first a part, then all. The next frames report the loss. */
    dora_shm_progress progress;
    OK(dora_shm_writer_progress(writer, &progress));
    signal_write(writer, progress.ring_frames - 7);
    IS(DORA_SHM_LAPPED, dora_shm_reader_finish(reader, &view, &frames));
    CHECK(frames.first == 53 && frames.frames == 2 && frames.lost == 3);
    OK(dora_shm_reader_view(reader, 5, &view, &parts));
    signal_write(writer, 2 * progress.ring_frames);
    IS(DORA_SHM_LAPPED, dora_shm_reader_finish(reader, &view, &frames));
    CHECK(frames.frames == 0 && frames.lost == 0);
    OK(dora_shm_reader_view(reader, UINT64_MAX, &view, &parts));
    OK(dora_shm_reader_finish(reader, &view, &frames));
    CHECK(frames.first == 55 + frames.lost && frames.lost > 0);
    dora_shm_cursor cursor;
    OK(dora_shm_reader_cursor(reader, &cursor));
    CHECK(cursor.lost == 3 + frames.lost);

    /* A view of another reader has no whole frames for this one. A view outlives its reader and its writer. */
    signal_write(writer, 10);
    dora_shm_reader *other = reader_of(stream, DORA_SHM_START_OLDEST, 0);
    OK(dora_shm_reader_view(other, 10, &view, &parts));
    IS(DORA_SHM_LAPPED, dora_shm_reader_finish(reader, &view, &frames));
    CHECK(frames.frames == 0);
    OK(dora_shm_reader_close(&other));
    OK(dora_shm_reader_view(reader, UINT64_MAX, &view, &parts));
    OK(dora_shm_reader_close(&reader));
    OK(dora_shm_writer_close(&writer));
    signal_check(parts.part[0].samples, parts.part[0].times, parts.first, parts.part[0].frames);
    OK(dora_shm_view_close(&view));
}

static void readers_follow_generations_and_ends(const char *stream) {
    dora_shm_reader *reader = NULL;
    dora_shm_frames frames;
    dora_shm_format format = signal_format(20);
    dora_shm_state state;
    dora_shm_info info;
    OK(dora_shm_reader_open(stream, NULL, &reader));
    OK(dora_shm_reader_state(reader, &state));
    CHECK(state == DORA_SHM_STATE_ABSENT);
    IS(DORA_SHM_NOTHING, dora_shm_reader_format(reader, &format));
    CHECK(format.dtype == DORA_SHM_DTYPE_NONE);
    IS(DORA_SHM_TIMED_OUT, dora_shm_reader_wait(reader, 0.01));
    IS(DORA_SHM_NOTHING, dora_shm_reader_skip(reader, 1, &frames));
    CHECK(frames.generation == DORA_SHM_NONE);

    dora_shm_writer *writer = NULL;
    OK(dora_shm_writer_create(stream, NULL, &writer));
    OK(dora_shm_reader_state(reader, &state));
    CHECK(state == DORA_SHM_STATE_WAITING);
    format = signal_format(20);
    OK(dora_shm_writer_begin(writer, &format, NULL, 1));
    signal_write(writer, 4);
    OK(dora_shm_reader_wait(reader, 10));
    struct memory memory = memory_of(20);
    IS(DORA_SHM_NEW_GENERATION, dora_shm_reader_latest(reader, &memory.into, &frames));
    OK(dora_shm_reader_latest(reader, &memory.into, &frames));
    CHECK(frames.frames == 4);
    OK(dora_shm_reader_format(reader, &format));
    CHECK(format.dtype == DORA_SHM_INT32 && format.rank == 1 && format.shape[0] == CHANNELS && format.shape[1] == 0);
    CHECK(format.frame_bytes == sizeof(signal_frame) && format.ring_frames >= 20 && format.rate_hz == 1000.0);
    OK(dora_shm_reader_info(reader, &info));
    CHECK(strcmp(info.name, stream) == 0 && info.state == DORA_SHM_STATE_LIVE && info.epoch == 1);
    CHECK(info.generation == 0 && info.position == 4 && info.stream_position == 4 && info.chunks == 1);
    CHECK(info.stream_id != 0 && info.writer_pid != 0 && info.created_ns > 0 && info.ring_bytes > 0);
    char segment[DORA_SHM_SEGMENT_SIZE];
    OK(dora_shm_shorten_name(stream, segment, sizeof segment));
    CHECK(strcmp(info.segment, segment) == 0);

    /* The next generation comes after what is left of the first, and starts at position 0. */
    format = signal_format(20);
    format.dtype = DORA_SHM_UINT32;
    OK(dora_shm_writer_begin(writer, &format, NULL, 1));
    signal_write(writer, 3);
    OK(dora_shm_reader_read(reader, &memory.into, &frames));
    CHECK(frames.frames == 4 && frames.generation == 0);
    IS(DORA_SHM_NEW_GENERATION, dora_shm_reader_read(reader, &memory.into, &frames));
    CHECK(frames.frames == 0 && frames.generation == 1);
    OK(dora_shm_reader_read(reader, &memory.into, &frames));
    CHECK(frames.first == 0 && frames.frames == 3 && frames.lost == 0);
    signal_write(writer, 5);
    OK(dora_shm_writer_close(&writer));
    OK(dora_shm_reader_read(reader, &memory.into, &frames));
    CHECK(frames.first == 3 && frames.frames == 5);
    IS(DORA_SHM_CLOSED, dora_shm_reader_read(reader, &memory.into, &frames));
    IS(DORA_SHM_NOTHING, dora_shm_reader_read(reader, &memory.into, &frames));

    /* The next stream of that name is another one. */
    dora_shm_cursor cursor;
    OK(dora_shm_reader_cursor(reader, &cursor));
    CHECK(cursor.stream_id == 0 && cursor.epoch == 0 && cursor.generation == DORA_SHM_NONE);
    writer = writer_of(stream, 20);
    signal_write(writer, 2);
    OK(dora_shm_reader_wait(reader, 10));
    IS(DORA_SHM_NEW_GENERATION, dora_shm_reader_skip(reader, 1, &frames));
    dora_shm_info again;
    OK(dora_shm_reader_info(reader, &again));
    CHECK(again.stream_id != info.stream_id && again.epoch == 1);
    OK(dora_shm_reader_cursor(reader, &cursor));
    CHECK(cursor.stream_id == again.stream_id && cursor.epoch == 1 && cursor.generation == 0);
    OK(dora_shm_reader_skip(reader, UINT64_MAX, &frames));
    CHECK(frames.first == 0 && frames.frames == 2);
    const char *warning = "";
    IS(DORA_SHM_NOTHING, dora_shm_writer_next_warning(writer, &warning));
    CHECK(warning == NULL);
    memory_free(&memory);

    /* Found by the list of streams. */
    dora_shm_streams *list = NULL;
    size_t count = 0, found = 0;
    dora_shm_stream one;
    IS(DORA_SHM_ERROR_NULL, dora_shm_streams_list(NULL));
    OK(dora_shm_streams_list(&list));
    OK(dora_shm_streams_count(list, &count));
    for (size_t i = 0; i < count; i++) {
        OK(dora_shm_streams_get(list, i, &one));
        CHECK(one.segment != NULL && one.text != NULL);
        if (one.kind == DORA_SHM_STREAM_OURS && strcmp(one.text, stream) == 0) {
            found++;
            OK(dora_shm_streams_info(list, i, &info));
            CHECK(info.stream_id == again.stream_id && info.position == 2 && strcmp(one.segment, info.segment) == 0);
            CHECK(info.format.frame_bytes == sizeof(signal_frame) && one.owner == DORA_SHM_NONE);
        }
    }
    CHECK(found == 1);
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_streams_get(list, count, &one));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_streams_info(list, SIZE_MAX, &info));
    IS(DORA_SHM_ERROR_NULL, dora_shm_streams_get(list, 0, NULL));
    IS(DORA_SHM_ERROR_NULL, dora_shm_streams_get(NULL, 0, &one));
    IS(DORA_SHM_ERROR_NULL, dora_shm_streams_info(NULL, 0, &info));
    IS(DORA_SHM_ERROR_NULL, dora_shm_streams_count(NULL, &count));
    IS(DORA_SHM_ERROR_NULL, dora_shm_streams_close(NULL));
    OK(dora_shm_writer_close(&writer));
    OK(dora_shm_reader_close(&reader));
    OK(dora_shm_streams_get(list, 0, &one)); /* as it was when it was listed */
    OK(dora_shm_streams_close(&list));
    OK(dora_shm_streams_close(&list));
}

static void options_reach_the_library(const char *stream) {
    dora_shm_writer *writer = NULL;
    dora_shm_writer_options who = DORA_SHM_WRITER_OPTIONS_INIT;
    who.mode = 0640;
    who.keep_replaced = true;
    who.max_ring_bytes = 1 << 20;
    OK(dora_shm_writer_create(stream, &who, &writer));
    dora_shm_format format = signal_format(1 << 20);
    IS(DORA_SHM_ERROR_TOO_LARGE, dora_shm_writer_begin(writer, &format, NULL, 1));
    format = signal_format(100);
    OK(dora_shm_writer_begin(writer, &format, NULL, 1));
    signal_write(writer, 1);
    dora_shm_reader *reader = NULL;
    dora_shm_reader_options how = DORA_SHM_READER_OPTIONS_INIT;
    how.max_ring_bytes = 4096;
    IS(DORA_SHM_ERROR_TOO_LARGE, dora_shm_reader_open(stream, &how, &reader));
    how.max_ring_bytes = 0;
    how.owner = 54321;
    IS(DORA_SHM_ERROR_WRONG_OWNER, dora_shm_reader_open(stream, &how, &reader));
    CHECK(reader == NULL);
    how.owner = DORA_SHM_NONE;
    how.idle_after_seconds = 1e-9;
    OK(dora_shm_reader_open(stream, &how, &reader));
    dora_shm_state state;
    OK(dora_shm_reader_state(reader, &state));
    CHECK(state == DORA_SHM_STATE_IDLE);
    OK(dora_shm_writer_close(&writer));
    OK(dora_shm_reader_state(reader, &state));
    CHECK(state == DORA_SHM_STATE_CLOSED);
    OK(dora_shm_reader_close(&reader));
}

static void frames_come_with_their_own_description(const char *stream) {
    dora_shm_writer *writer = NULL;
    dora_shm_reader *reader = NULL;
    dora_shm_description *description = NULL;
    dora_shm_writer_options who = DORA_SHM_WRITER_OPTIONS_INIT;
    dora_shm_reader_options how = DORA_SHM_READER_OPTIONS_INIT;
    who.keep_replaced = true;
    how.start = DORA_SHM_START_OLDEST;
    how.each_description = true;
    dora_shm_format format = signal_format(40);
    OK(dora_shm_writer_create(stream, &who, &writer));
    OK(dora_shm_description_create(&description));
    OK(dora_shm_writer_begin(writer, &format, description, 1));
    OK(dora_shm_reader_open(stream, &how, &reader));
    signal_write(writer, 3);
    OK(dora_shm_description_set_key(description, "second"));
    OK(dora_shm_writer_describe(writer, description));
    signal_write(writer, 4);
    struct memory memory = memory_of(40);
    dora_shm_frames frames;
    OK(dora_shm_reader_read(reader, &memory.into, &frames));
    CHECK(frames.first == 0 && frames.frames == 3);
    OK(dora_shm_reader_skip(reader, UINT64_MAX, &frames));
    CHECK(frames.first == 3 && frames.frames == 4);
    memory_free(&memory);
    OK(dora_shm_description_close(&description));
    OK(dora_shm_writer_close(&writer));
    OK(dora_shm_reader_close(&reader));
}

static double monotonic_now(void) {
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Writes `frames` frames without times. */
static dora_shm_result write_now(dora_shm_writer *writer, uint64_t frames) {
    signal_frame *samples = calloc(frames, sizeof *samples);
    CHECK(samples != NULL);
    dora_shm_result result = dora_shm_writer_write_now(writer, samples, frames * sizeof *samples, 0);
    free(samples);
    return result;
}

/* Reads what is new, which is `frames` frames of generation `generation` on `clock`. */
static void expect_frames(dora_shm_reader *reader, struct memory *memory, uint32_t generation, uint32_t clock,
                          uint64_t frames) {
    dora_shm_frames read;
    dora_shm_format format;
    dora_shm_result result;
    while ((result = dora_shm_reader_read(reader, &memory->into, &read)) == DORA_SHM_NEW_GENERATION)
        ;
    CHECK(result == DORA_SHM_OK && read.generation == generation && read.frames == frames);
    OK(dora_shm_reader_format(reader, &format));
    CHECK(format.clock == clock);
}

static bool is_near(double time, double expected) { return time > expected - 1e-6 && time < expected + 1e-6; }

static void times_that_nobody_gives_are_made_on_the_clock_of_the_generation(const char *stream) {
    dora_shm_writer *writer = NULL;
    dora_shm_reader *reader = NULL;
    dora_shm_format format = signal_format(100);
    struct memory memory = memory_of(100);
    OK(dora_shm_writer_create(stream, NULL, &writer));
    OK(dora_shm_reader_open(stream, NULL, &reader));
    for (uint32_t clock = DORA_SHM_CLOCK_UNIX; clock <= DORA_SHM_CLOCK_MONOTONIC; clock++) {
        format.clock = clock;
        OK(dora_shm_writer_begin(writer, &format, NULL, 10));
        double before = monotonic_now();
        OK(write_now(writer, 10));
        double after = monotonic_now();
        expect_frames(reader, &memory, clock - 1, clock, 10);
        dora_shm_info info;
        OK(dora_shm_reader_info(reader, &info));
        double *times = memory.into.times;
        CHECK(is_near(times[9] - times[0], 0.009));
        /* The last frame is of now. */
        OK(dora_shm_times_on(&info, DORA_SHM_CLOCK_MONOTONIC, times, 10));
        CHECK(times[9] > before - 1e-6 && times[9] < after + 1e-6);
        /* To the other clock and back. */
        double there[2] = {times[9], times[9]};
        info.format.clock = DORA_SHM_CLOCK_MONOTONIC;
        OK(dora_shm_times_on(&info, DORA_SHM_CLOCK_UNIX, &there[1], 1));
        CHECK(there[1] > 1e9);
        info.format.clock = DORA_SHM_CLOCK_UNIX;
        OK(dora_shm_times_on(&info, DORA_SHM_CLOCK_MONOTONIC, &there[1], 1));
        CHECK(is_near(there[1], there[0]));
    }
    memory_free(&memory);
    OK(dora_shm_writer_close(&writer));
    OK(dora_shm_reader_close(&reader));
}

static void a_generation_never_mixes_clocks(const char *stream) {
    dora_shm_writer *writer = NULL;
    dora_shm_reader *reader = NULL;
    dora_shm_format format = signal_format(100);
    struct memory memory = memory_of(100);
    double times[] = {5.0, 6.0};
    int32_t samples[2 * CHANNELS] = {0};
    OK(dora_shm_writer_create(stream, NULL, &writer));
    OK(dora_shm_reader_open(stream, NULL, &reader));
    /* Frames without times follow those of the source. */
    OK(dora_shm_writer_begin(writer, &format, NULL, 1));
    OK(dora_shm_writer_write_times(writer, samples, sizeof samples, times, 2, 0));
    OK(write_now(writer, 2));
    expect_frames(reader, &memory, 0, DORA_SHM_CLOCK_SOURCE, 4);
    CHECK(is_near(((double *)memory.into.times)[2], 6.001) && is_near(((double *)memory.into.times)[3], 6.002));
    /* The first frames decide, and given times begin a generation once. */
    OK(dora_shm_writer_begin(writer, &format, NULL, 1));
    OK(write_now(writer, 3));
    expect_frames(reader, &memory, 2, DORA_SHM_CLOCK_UNIX, 3);
    for (int i = 0; i < 3; i++) {
        OK(dora_shm_writer_write_times(writer, samples, sizeof samples, times, 2, 0));
        OK(write_now(writer, 1));
    }
    expect_frames(reader, &memory, 3, DORA_SHM_CLOCK_SOURCE, 9);
    /* Without a rate, nothing follows. */
    format.rate_hz = 0;
    OK(dora_shm_writer_begin(writer, &format, NULL, 1));
    OK(dora_shm_writer_write_times(writer, samples, sizeof samples, times, 2, 0));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, write_now(writer, 1));
    CHECK(strstr(dora_shm_last_error_message(), "expected one for each frame") != NULL);
    expect_frames(reader, &memory, 4, DORA_SHM_CLOCK_SOURCE, 2);
    const char *warning = "";
    IS(DORA_SHM_NOTHING, dora_shm_writer_next_warning(writer, &warning));
    memory_free(&memory);
    OK(dora_shm_writer_close(&writer));
    OK(dora_shm_reader_close(&reader));
}

static void times_of_unknown_clocks_are_not_converted(void) {
    dora_shm_info info;
    double times[] = {1.5, 2.5};
    memset(&info, 0, sizeof info);
    info.clock_created_ns = INT64_C(1700000000000000000);
    info.clock_created_mono_ns = UINT64_C(1000000000);
    IS(DORA_SHM_ERROR_NULL, dora_shm_times_on(NULL, DORA_SHM_CLOCK_UNIX, times, 2));
    IS(DORA_SHM_ERROR_NULL, dora_shm_times_on(&info, DORA_SHM_CLOCK_UNIX, NULL, 2));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_times_on(&info, DORA_SHM_CLOCK_UNIX, times, 2));
    CHECK(strstr(dora_shm_last_error_message(), "the source's own clock") != NULL);
    info.format.clock = DORA_SHM_CLOCK_MONOTONIC;
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_times_on(&info, DORA_SHM_CLOCK_UNIX, times, 2));
    CHECK(strstr(dora_shm_last_error_message(), "clock_id is zero") != NULL);
    info.clock_id[0] = 1;
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_times_on(&info, DORA_SHM_CLOCK_SOURCE, times, 2));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_times_on(&info, 99, times, 2));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_times_on(&info, DORA_SHM_CLOCK_UNIX, times, SIZE_MAX));
    CHECK(times[0] == 1.5 && times[1] == 2.5);
    OK(dora_shm_times_on(&info, DORA_SHM_CLOCK_UNIX, NULL, 0));
    OK(dora_shm_times_on(&info, DORA_SHM_CLOCK_UNIX, times, 2));
    CHECK(times[0] == 1700000000.5 && times[1] == 1700000001.5);
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    copies_reach_as_far_as_their_memory(argv[1]);
    the_newest_frames_come_at_once_and_cost_no_loss(argv[1]);
    frames_that_are_skipped_to_the_newest_are_not_lost(argv[1]);
    events_come_in_order_with_the_frames(argv[1]);
    frames_are_found_by_their_positions_and_times(argv[1]);
    a_lapped_reader_counts_the_frames_that_it_loses(argv[1]);
    views_lend_what_is_in_the_ring(argv[1]);
    readers_follow_generations_and_ends(argv[1]);
    options_reach_the_library(argv[1]);
    frames_come_with_their_own_description(argv[1]);
    times_that_nobody_gives_are_made_on_the_clock_of_the_generation(argv[1]);
    a_generation_never_mixes_clocks(argv[1]);
    times_of_unknown_clocks_are_not_converted();
    return 0;
}
