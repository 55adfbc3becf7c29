/*
 * Reads the synthetic signal of a graph and checks all of it: reader STREAM FRAMES all|slow
 *
 * `all`: every frame must arrive. `slow`: pauses until the ring is overwritten, and must account for every frame.
 */
#include <dora_shm.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>

enum { CHANNELS = 64, RATE = 1000, ROOM = 200, FRAMES_PER_MESSAGE = 10 };
static const int64_t MINUTE_NS = INT64_C(60000000000);

#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "line %d: %s; %s\n", __LINE__, #condition, dora_shm_last_error_message());                 \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

static float wave[RATE];

static void expect_text(const char *found, const char *expected) {
    if (strcmp(found, expected) != 0) {
        fprintf(stderr, "found \"%s\", expected \"%s\"\n", found, expected);
        exit(1);
    }
}

static void expect_description(dora_shm_reader *reader) {
    dora_shm_description *description = NULL;
    dora_shm_axis axis;
    const char *text = NULL;
    size_t count = 0;
    EXPECT(dora_shm_reader_description(reader, &description) == DORA_SHM_OK);
    EXPECT(dora_shm_description_dims(description, &count) == DORA_SHM_OK && count == 2);
    EXPECT(dora_shm_description_dim(description, 0, &text) == DORA_SHM_OK);
    expect_text(text, "time");
    EXPECT(dora_shm_description_dim(description, 1, &text) == DORA_SHM_OK);
    expect_text(text, "ch");
    EXPECT(dora_shm_description_axis(description, 0, &axis) == DORA_SHM_OK && axis.kind == DORA_SHM_AXIS_LINEAR);
    EXPECT(axis.gain == 1.0 / RATE && isnan(axis.offset));
    expect_text(axis.unit, "s");
    EXPECT(dora_shm_description_axis(description, 1, &axis) == DORA_SHM_OK && axis.kind == DORA_SHM_AXIS_COORD);
    EXPECT(axis.count == CHANNELS);
    for (size_t i = 0; i < CHANNELS; i++) {
        char expected[32];
        snprintf(expected, sizeof expected, i == 0 ? "frame" : "sine %zu Hz", i);
        EXPECT(dora_shm_description_label(description, 1, i, &text) == DORA_SHM_OK);
        expect_text(text, expected);
    }
    EXPECT(dora_shm_description_attr(description, "unit", &text) == DORA_SHM_OK);
    expect_text(text, "\"uV\"");
    EXPECT(dora_shm_description_key(description, &text) == DORA_SHM_OK);
    expect_text(text, "synthetic signal");
    EXPECT(dora_shm_description_close(&description) == DORA_SHM_OK && description == NULL);
}

static void expect_format(dora_shm_reader *reader) {
    dora_shm_format format;
    EXPECT(dora_shm_reader_format(reader, &format) == DORA_SHM_OK);
    EXPECT(format.dtype == DORA_SHM_FLOAT32 && format.rank == 1 && format.shape[0] == CHANNELS);
    EXPECT(format.rate_hz == RATE && format.frame_bytes == CHANNELS * sizeof(float));
}

static void expect_frame(const float *frame, uint64_t position) {
    EXPECT(frame[0] == (float)position);
    for (size_t channel = 1; channel < CHANNELS; channel++)
        EXPECT(frame[channel] == wave[position % RATE * channel % RATE]);
}

int main(int argc, char **argv) {
    EXPECT(argc == 4);
    uint64_t wanted = strtoull(argv[2], NULL, 10);
    int slow = strcmp(argv[3], "slow") == 0;
    for (int i = 0; i < RATE; i++)
        wave[i] = (float)(50.0 * sin(6.28318530717958647692 * i / RATE));

    static float samples[ROOM][CHANNELS];
    static double times[ROOM];
    static uint64_t positions[ROOM];
    static int64_t send_ns[ROOM];
    dora_shm_buffers into = {0};
    into.samples = samples;
    into.samples_size = sizeof samples;
    into.times = times;
    into.positions = positions;
    into.send_ns = send_ns;
    into.max_frames = ROOM;

    dora_shm_reader *reader = NULL;
    dora_shm_state state;
    EXPECT(dora_shm_reader_open(argv[1], NULL, &reader) == DORA_SHM_OK);
    EXPECT(dora_shm_reader_state(reader, &state) == DORA_SHM_OK && state == DORA_SHM_STATE_ABSENT);
    printf("ready\n");
    fflush(stdout);

    uint64_t next = 0, lost = 0;
    double last_time = 0.0;
    while (1) {
        dora_shm_frames frames;
        dora_shm_result result = dora_shm_reader_read(reader, &into, &frames);
        if (result == DORA_SHM_CLOSED)
            break;
        if (result == DORA_SHM_NEW_GENERATION) {
            EXPECT(next == 0);
            expect_format(reader);
            expect_description(reader);
            continue;
        }
        if (result == DORA_SHM_NOTHING) {
            EXPECT(dora_shm_reader_wait(reader, 60.0) == DORA_SHM_OK);
            continue;
        }
        EXPECT(result == DORA_SHM_OK && frames.generation == 0);
        /* All frames have the same description. */
        dora_shm_event event;
        while (dora_shm_reader_next_event(reader, &event) == DORA_SHM_OK)
            EXPECT(event.kind != DORA_SHM_EVENT_NEW_DESCRIPTION);
        EXPECT(frames.first == next + frames.lost);
        lost += frames.lost;
        for (uint64_t i = 0; i < frames.frames; i++) {
            uint64_t position = frames.first + i;
            EXPECT(positions[i] == position);
            expect_frame(samples[i], position);
            /* The source stamps each message with the current time. Times within a message are evenly spaced. */
            if (i > 0 && position % FRAMES_PER_MESSAGE != 0)
                EXPECT(fabs(times[i] - times[i - 1] - 1.0 / RATE) < 1e-9);
            EXPECT(times[i] > last_time - 0.05);
            last_time = times[i];
            if (i > 0)
                EXPECT(send_ns[i] >= send_ns[i - 1] && send_ns[i] - send_ns[i - 1] < MINUTE_NS);
        }
        next = frames.first + frames.frames;
        dora_shm_info info;
        EXPECT(dora_shm_reader_info(reader, &info) == DORA_SHM_OK);
        expect_text(info.name, argv[1]);
        /* The ring has 500 frames, so the reader is lapped. */
        while (slow && lost == 0 && info.position < wanted / 2) {
            const struct timespec moment = {0, 5000000};
            thrd_sleep(&moment, NULL);
            EXPECT(dora_shm_reader_info(reader, &info) == DORA_SHM_OK);
        }
    }
    dora_shm_cursor cursor;
    EXPECT(dora_shm_reader_cursor(reader, &cursor) == DORA_SHM_OK);
    EXPECT(cursor.lost == lost && cursor.lag_frames == 0 && next == wanted);
    EXPECT(slow ? lost > wanted / 4 : lost == 0);
    EXPECT(dora_shm_reader_close(&reader) == DORA_SHM_OK);
    printf("%" PRIu64 " frames x %d, %" PRIu64 " lost\n", next - lost, CHANNELS, lost);
    return 0;
}
