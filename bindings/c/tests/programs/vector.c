/*
 * Reads all of a stream and prints it as JSON, in the form of expected.json in tests/vectors/streams: vector NAME
 * After a line on its standard input, reads once more and prints the result.
 */
#include "check.h"
#include <math.h>

static void print_real(double value) {
    char text[40];
    if (isnan(value)) {
        printf("\"NaN\"");
    } else if (isinf(value)) {
        printf(value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    } else {
        snprintf(text, sizeof text, "%.17g", value);
        /* A float has a point or an exponent. */
        printf("%s%s", text, strpbrk(text, ".e") == NULL ? ".0" : "");
    }
}

static void print_integer(int64_t value) {
    const int64_t exact = INT64_C(1) << 53;
    printf(value >= -exact && value <= exact ? "%" PRId64 : "\"%" PRId64 "\"", value);
}

static double half(uint16_t bits) {
    int exponent = (bits >> 10) & 31, fraction = bits & 1023;
    double value = exponent == 31 ? (fraction ? (double)NAN : (double)INFINITY)
                   : exponent     ? ldexp(1024 + fraction, exponent - 25)
                                  : ldexp(fraction, -24);
    return bits >> 15 ? -value : value;
}

/* The sample at an index of samples of a type. */
static void print_sample(uint32_t dtype, const void *samples, uint64_t index) {
#define EACH(name, type, print)                                                                                        \
    case name: {                                                                                                       \
        type sample;                                                                                                   \
        memcpy(&sample, (const char *)samples + index * sizeof sample, sizeof sample);                                 \
        print;                                                                                                         \
        break;                                                                                                         \
    }
    switch (dtype) {
        EACH(DORA_SHM_BOOL, uint8_t, printf(sample ? "true" : "false"))
        EACH(DORA_SHM_INT8, int8_t, print_integer(sample))
        EACH(DORA_SHM_UINT8, uint8_t, print_integer(sample))
        EACH(DORA_SHM_INT16, int16_t, print_integer(sample))
        EACH(DORA_SHM_UINT16, uint16_t, print_integer(sample))
        EACH(DORA_SHM_INT32, int32_t, print_integer(sample))
        EACH(DORA_SHM_UINT32, uint32_t, print_integer(sample))
        EACH(DORA_SHM_INT64, int64_t, print_integer(sample))
        EACH(DORA_SHM_UINT64, uint64_t,
             sample > INT64_MAX ? (void)printf("\"%" PRIu64 "\"", sample) : print_integer((int64_t)sample))
        EACH(DORA_SHM_FLOAT16, uint16_t, print_real(half(sample)))
        EACH(DORA_SHM_FLOAT32, float, print_real((double)sample))
        EACH(DORA_SHM_FLOAT64, double, print_real(sample))
    default:
        CHECK(!"a dtype that is known");
    }
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    dora_shm_reader *reader = NULL;
    dora_shm_reader_options options = DORA_SHM_READER_OPTIONS_INIT;
    options.start = DORA_SHM_START_OLDEST;
    OK(dora_shm_reader_open(argv[1], &options, &reader));
    dora_shm_info info;
    OK(dora_shm_reader_info(reader, &info));
    CHECK(info.state == DORA_SHM_STATE_DEAD);
    const dora_shm_format *format = &info.format;
    printf("{\"name\":\"%s\",\"generation\":%" PRIu32 ",\"epoch\":%" PRIu32 ",\"stream_id\":\"%016" PRIx64 "\"", info.name,
           info.generation, info.epoch, info.stream_id);
    printf(",\"dtype\":\"%s\",\"frame_shape\":[", dora_shm_dtype_name(format->dtype));
    uint64_t frame_samples = 1;
    for (uint32_t i = 0; i < format->rank; i++) {
        printf("%s%" PRIu64, i ? "," : "", format->shape[i]);
        frame_samples *= format->shape[i];
    }
    printf("],\"rate_hz\":");
    print_real(format->rate_hz);
    printf(",\"ring_frames\":%" PRIu64 ",\"base\":%" PRIu64 ",\"position\":%" PRIu64, format->ring_frames,
           info.stream_position - info.position, info.position);

    printf(",\"clock\":\"%s\",\"clock_id\":\"", dora_shm_clock_name(format->clock));
    for (int i = 0; i < 16; i++)
        printf("%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", info.clock_id[i]);
    printf("\",\"created_ns\":");
    print_integer(info.clock_created_ns);
    printf(",\"created_mono_ns\":");
    print_integer((int64_t)info.clock_created_mono_ns);
    if (info.has_counts)
        printf(",\"counted\":[%" PRIu64 ",%" PRIu64 ",%" PRIu64 "]", info.refused, info.dropped, info.gaps);
    else
        printf(",\"counted\":null");

    /* Three at a time, to come across the wrap. */
    const size_t room = format->ring_frames;
    char *samples = malloc(room * format->frame_bytes);
    double *times = malloc(room * sizeof *times);
    int64_t *send_ns = malloc(room * sizeof *send_ns);
    CHECK(samples != NULL && times != NULL && send_ns != NULL);
    uint64_t count = 0, oldest = 0;
    dora_shm_frames frames;
    dora_shm_result result;
    for (;;) {
        CHECK(count <= room);
        dora_shm_buffers into;
        memset(&into, 0, sizeof into);
        into.samples = samples + count * format->frame_bytes;
        into.samples_size = (room - count) * format->frame_bytes;
        into.times = times + count;
        into.send_ns = send_ns + count;
        into.max_frames = 3;
        if (count == room) /* nothing more can come */
            result = dora_shm_reader_skip(reader, 1, &frames);
        else
            result = dora_shm_reader_read(reader, &into, &frames);
        if (result != DORA_SHM_OK)
            break;
        CHECK(frames.lost == 0 && frames.generation == info.generation);
        if (count == 0)
            oldest = frames.first;
        CHECK(frames.first == oldest + count);
        count += frames.frames;
    }
    IS(DORA_SHM_NOTHING, result);
    dora_shm_cursor cursor;
    OK(dora_shm_reader_cursor(reader, &cursor));
    CHECK(cursor.lost == 0 && cursor.position == info.position && !cursor.description_missed);
    printf(",\"oldest\":%" PRIu64 ",\"times\":[", count > 0 ? oldest : cursor.position);
    for (uint64_t i = 0; i < count; i++) {
        printf("%s", i ? "," : "");
        print_real(times[i]);
    }
    printf("],\"samples\":[");
    for (uint64_t i = 0; i < count * frame_samples; i++) {
        printf("%s", i ? "," : "");
        print_sample(format->dtype, samples, i);
    }
    printf("],\"send_ns\":[");
    for (uint64_t i = 0; i < count; i++) {
        printf("%s", i ? "," : "");
        print_integer(send_ns[i]);
    }
    dora_shm_description *description = NULL;
    const char *json = NULL;
    OK(dora_shm_reader_description(reader, &description));
    OK(dora_shm_description_json(description, &json));
    printf("],\"description\":%s}\n", json);
    OK(dora_shm_description_close(&description));
    free(samples);
    free(times);
    free(send_ns);

    CHECK(getchar() != EOF);
    printf("%s\n", dora_shm_result_name(dora_shm_reader_skip(reader, 1, &frames)));
    OK(dora_shm_reader_cursor(reader, &cursor));
    CHECK(cursor.lost == 0);
    OK(dora_shm_reader_close(&reader));
    return 0;
}
