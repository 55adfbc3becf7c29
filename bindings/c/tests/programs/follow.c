/*
 * Follows a stream of the test signal and prints, line by line, what happens to it, until it is closed: follow NAME
 * Checks what it reads. Prints a run of frames as one line when something else happens.
 */
#include "check.h"

static uint64_t begun, ended, lost;

static void print_frames(void) {
    if (ended > begun || lost > 0)
        printf("frames %" PRIu64 "..%" PRIu64 " lost %" PRIu64 "\n", begun, ended, lost);
    begun = ended;
    lost = 0;
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    setvbuf(stdout, NULL, _IOLBF, 0);
    dora_shm_reader *reader = NULL;
    OK(dora_shm_reader_open(argv[1], NULL, &reader));
    printf("attached\n");
    signal_frame samples[100];
    double times[100];
    dora_shm_buffers into;
    memset(&into, 0, sizeof into);
    into.samples = samples;
    into.samples_size = sizeof samples;
    into.times = times;
    into.max_frames = 100;
    for (;;) {
        dora_shm_frames frames;
        dora_shm_result result = dora_shm_reader_read(reader, &into, &frames);
        if (result == DORA_SHM_OK) {
            CHECK(frames.first == ended + frames.lost);
            signal_check(samples, times, frames.first, frames.frames);
            lost += frames.lost;
            ended = frames.first + frames.frames;
        } else if (result == DORA_SHM_NOTHING) {
            print_frames();
            result = dora_shm_reader_wait(reader, 60);
            if (result == DORA_SHM_WRITER_DEAD)
                printf("dead\n");
            else
                OK(result);
        } else if (result == DORA_SHM_NEW_GENERATION) {
            dora_shm_info info;
            print_frames();
            OK(dora_shm_reader_info(reader, &info));
            begun = ended = 0;
            printf("generation %" PRIu32 " epoch %" PRIu32 " of %s\n", info.generation, info.epoch,
                   dora_shm_dtype_name(info.format.dtype));
        } else {
            print_frames();
            IS(DORA_SHM_CLOSED, result);
            printf("closed\n");
            break;
        }
        dora_shm_event event;
        bool is_described = result == DORA_SHM_NEW_GENERATION;
        while (dora_shm_reader_next_event(reader, &event) == DORA_SHM_OK)
            is_described |= event.kind == DORA_SHM_EVENT_NEW_DESCRIPTION;
        if (is_described) {
            dora_shm_description *found = NULL;
            const char *key = NULL;
            OK(dora_shm_reader_description(reader, &found));
            OK(dora_shm_description_key(found, &key));
            printf("description %s\n", key);
            OK(dora_shm_description_close(&found));
        }
    }
    OK(dora_shm_reader_close(&reader));
    return 0;
}
