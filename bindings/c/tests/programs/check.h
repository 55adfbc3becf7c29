/* What the test programs share: assertions with file and line, and a test signal whose samples encode their positions. */
#ifndef CHECK_H
#define CHECK_H

#include <dora_shm.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s does not hold; last error: %s\n", __FILE__, __LINE__, #condition,               \
                    dora_shm_last_error_message());                                                                    \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

/* Asserts the result of a call. */
#define IS(expected, call)                                                                                             \
    do {                                                                                                               \
        dora_shm_result found_ = (call);                                                                               \
        if (found_ != (expected)) {                                                                                    \
            fprintf(stderr, "%s:%d: %s is %s, expected %s; last error: %s\n", __FILE__, __LINE__, #call,               \
                    dora_shm_result_name(found_), dora_shm_result_name(expected), dora_shm_last_error_message());      \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

#define OK(call) IS(DORA_SHM_OK, call)

/* Frames of int32 with CHANNELS channels. A sample is the frame's position times CHANNELS, plus the channel. */
#define CHANNELS 3
typedef int32_t signal_frame[CHANNELS];

static inline int32_t signal_sample(uint64_t position, size_t channel) {
    return (int32_t)(position * CHANNELS + channel);
}

static inline double signal_time(uint64_t position) { return 0.001 * (double)position; }

static inline dora_shm_format signal_format(uint64_t ring_frames) {
    dora_shm_format format;
    memset(&format, 0, sizeof format);
    format.dtype = DORA_SHM_INT32;
    format.rank = 1;
    format.shape[0] = CHANNELS;
    format.rate_hz = 1000.0;
    format.ring_frames = ring_frames;
    return format;
}

/* Writes the next frames of the signal as one message, whose send time is the position of its first frame plus 1. */
static inline void signal_write(dora_shm_writer *writer, uint64_t frames) {
    dora_shm_progress progress;
    OK(dora_shm_writer_progress(writer, &progress));
    signal_frame *samples = calloc(frames ? frames : 1, sizeof *samples);
    CHECK(samples != NULL);
    for (uint64_t i = 0; i < frames; i++)
        for (size_t channel = 0; channel < CHANNELS; channel++)
            samples[i][channel] = signal_sample(progress.position + i, channel);
    OK(dora_shm_writer_write(writer, samples, frames * sizeof *samples, signal_time(progress.position), 0.001,
                             (int64_t)progress.position + 1));
    free(samples);
}

/* Asserts that these are frames of the signal. */
static inline void signal_check(const void *samples, const double *times, uint64_t first, uint64_t frames) {
    for (uint64_t i = 0; i < frames; i++) {
        signal_frame frame;
        memcpy(frame, (const char *)samples + i * sizeof frame, sizeof frame);
        for (size_t channel = 0; channel < CHANNELS; channel++)
            CHECK(frame[channel] == signal_sample(first + i, channel));
        if (times != NULL) {
            double difference = times[i] - signal_time(first + i);
            CHECK(difference > -1e-6 && difference < 1e-6);
        }
    }
}

#endif
