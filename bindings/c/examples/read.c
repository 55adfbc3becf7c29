/*
 * Prints what comes on a stream, until it is closed or enough has come: read NAME [FRAMES]
 *
 * cc read.c -o read $(pkg-config --cflags --libs dora_shm)
 */
#include <dora_shm.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "my-signal";
    uint64_t wanted = argc > 2 ? strtoull(argv[2], NULL, 10) : UINT64_MAX;
    dora_shm_reader *reader = NULL;
    dora_shm_result result = dora_shm_reader_open(name, NULL, &reader); /* may come before the writer */
    static char samples[1 << 20];
    static double times[1000];
    dora_shm_buffers into = {0};
    into.samples = samples;
    into.samples_size = sizeof samples;
    into.times = times;
    into.max_frames = 1000;
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ); /* line by line, also into a pipe */

    uint64_t seen = 0;
    while (!DORA_SHM_IS_ERROR(result) && result != DORA_SHM_CLOSED && seen < wanted) {
        dora_shm_format format;
        dora_shm_frames frames;
        if (into.max_frames > wanted - seen)
            into.max_frames = wanted - seen;
        result = dora_shm_reader_read(reader, &into, &frames);
        if (result == DORA_SHM_OK) {
            seen += frames.frames;
            printf("%" PRIu64 " frames from %" PRIu64 " at %.3f s, %" PRIu64 " lost", frames.frames, frames.first,
                   times[0], frames.lost);
            dora_shm_reader_format(reader, &format);
            if (format.dtype == DORA_SHM_FLOAT32)
                printf(": %g, ...", (double)((float *)(void *)samples)[0]);
            printf("\n");
        } else if (result == DORA_SHM_NEW_GENERATION) {
            dora_shm_reader_format(reader, &format);
            printf("frames are now %" PRIu64 " bytes of %s\n", format.frame_bytes, dora_shm_dtype_name(format.dtype));
        } else if (result == DORA_SHM_NOTHING) {
            result = dora_shm_reader_wait(reader, 1.0); /* sleeps, without polling */
            if (result == DORA_SHM_WRITER_DEAD)
                printf("the writer has died\n");
        }
    }
    if (DORA_SHM_IS_ERROR(result))
        fprintf(stderr, "%s: %s\n", dora_shm_result_name(result), dora_shm_last_error_message());
    dora_shm_reader_close(&reader);
    return DORA_SHM_IS_ERROR(result) ? EXIT_FAILURE : EXIT_SUCCESS;
}
