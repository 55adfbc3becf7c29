/*
 * Measures a read and a view next to memcpy from an ordinary ring as long as the stream's: cost
 *
 * cc -O2 cost.c -o cost $(pkg-config --cflags --libs dora_shm)
 */
#define _POSIX_C_SOURCE 200809L
#include <dora_shm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 7, RING_BYTES = 64 << 20, MOST_FRAMES = 1024 };

static double now_us(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec * 1e-3;
}

static int by_size(const void *a, const void *b) {
    const double difference = *(const double *)a - *(const double *)b;
    return difference < 0 ? -1 : difference > 0;
}

static void expect(dora_shm_result result) {
    if (result != DORA_SHM_OK) {
        fprintf(stderr, "%s: %s\n", dora_shm_result_name(result), dora_shm_last_error_message());
        exit(1);
    }
}

struct bench {
    size_t bytes, frames, at;
    char *frame, *out, *plain;
    dora_shm_writer *writer;
    dora_shm_reader *reader;
    volatile char seen;
};

static void write_frame(struct bench *bench) {
    expect(dora_shm_writer_write(bench->writer, bench->frame, bench->bytes, 0, 0, 0));
}

static void read_frame(struct bench *bench) {
    dora_shm_buffers into = {0};
    dora_shm_frames frames;
    double time;
    into.samples = bench->out;
    into.samples_size = bench->bytes;
    into.times = &time;
    into.max_frames = 1;
    expect(dora_shm_reader_read(bench->reader, &into, &frames));
}

static void view_frame(struct bench *bench) {
    dora_shm_view *view = NULL;
    dora_shm_parts parts;
    dora_shm_frames frames;
    expect(dora_shm_reader_view(bench->reader, 1, &view, &parts));
    bench->seen = *(const char *)parts.part[0].samples;
    expect(dora_shm_reader_finish(bench->reader, &view, &frames));
}

static void store_plain(struct bench *bench) {
    bench->at = (bench->at + 1) % bench->frames;
    memcpy(bench->plain + bench->at * bench->bytes, bench->frame, bench->bytes);
}

static void copy_plain(struct bench *bench) {
    memcpy(bench->out, bench->plain + bench->at * bench->bytes, bench->bytes);
    bench->seen = bench->out[bench->bytes / 2];
}

static void nothing(struct bench *bench) { (void)bench; }

static double micros(struct bench *bench, void (*call)(struct bench *), void (*before)(struct bench *)) {
    double times[ROUNDS];
    const size_t repeats = 20 + 200000000 / (bench->bytes * 4 + 10000);
    for (int round = 0; round < ROUNDS; round++) {
        times[round] = 0;
        for (size_t i = 0; i < repeats; i++) {
            before(bench);
            const double start = now_us();
            call(bench);
            times[round] += (now_us() - start) / (double)repeats;
        }
    }
    qsort(times, ROUNDS, sizeof *times, by_size);
    return times[ROUNDS / 2];
}

int main(void) {
    const size_t sizes[] = {1024, 65536, 1 << 20, 1920 * 1080 * 3};
    printf("| a frame of | read | view and finish | memcpy | write | memcpy into the ring |\n"
           "| --- | --- | --- | --- | --- | --- |\n");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct bench bench = {0};
        char name[64];
        dora_shm_format format = {0};
        snprintf(name, sizeof name, "cost/%ld", (long)getpid());
        bench.bytes = sizes[i];
        bench.frames = RING_BYTES / sizes[i] < MOST_FRAMES ? RING_BYTES / sizes[i] : MOST_FRAMES;
        bench.frame = malloc(bench.bytes);
        bench.out = malloc(bench.bytes);
        bench.plain = malloc(bench.bytes * bench.frames);
        if (bench.frame == NULL || bench.out == NULL || bench.plain == NULL)
            return 1;
        memset(bench.frame, 7, bench.bytes);
        memset(bench.out, 0, bench.bytes);
        memset(bench.plain, 0, bench.bytes * bench.frames);
        format.dtype = DORA_SHM_UINT8;
        format.rank = 1;
        format.shape[0] = bench.bytes;
        format.ring_frames = bench.frames;
        expect(dora_shm_writer_create(name, NULL, &bench.writer));
        expect(dora_shm_writer_begin(bench.writer, &format, NULL, 1));
        expect(dora_shm_reader_open(name, NULL, &bench.reader));
        const double read = micros(&bench, read_frame, write_frame), view = micros(&bench, view_frame, write_frame);
        const double copy = micros(&bench, copy_plain, store_plain);
        const double write = micros(&bench, write_frame, nothing), store = micros(&bench, store_plain, nothing);
        printf("| %zu bytes | %.2f us | %.2f us | %.2f us | %.2f us | %.2f us |\n", bench.bytes, read, view, copy, write,
               store);
        expect(dora_shm_reader_close(&bench.reader));
        expect(dora_shm_writer_close(&bench.writer));
        free(bench.frame);
        free(bench.out);
        free(bench.plain);
    }
    return 0;
}
