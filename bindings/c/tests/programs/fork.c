/* A forked child may read and not write, and leaves its parent's stream as it is. */
#include "check.h"
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
    CHECK(argc == 2);
    const char *stream = argv[1];
    dora_shm_writer *writer = NULL;
    dora_shm_reader *reader = NULL;
    dora_shm_reader_options how = DORA_SHM_READER_OPTIONS_INIT;
    how.start = DORA_SHM_START_OLDEST;
    dora_shm_format format = signal_format(20);
    OK(dora_shm_writer_create(stream, NULL, &writer));
    OK(dora_shm_writer_begin(writer, &format, NULL, 1));
    OK(dora_shm_reader_open(stream, &how, &reader));
    signal_write(writer, 3);
    pid_t child = fork();
    CHECK(child >= 0);
    dora_shm_frames frames;
    if (child == 0) {
        int32_t samples[CHANNELS] = {0};
        IS(DORA_SHM_ERROR_FORKED, dora_shm_writer_write(writer, samples, sizeof samples, 0, 0, 0));
        OK(dora_shm_writer_close(&writer));
        OK(dora_shm_reader_skip(reader, UINT64_MAX, &frames));
        CHECK(frames.frames == 3);
        OK(dora_shm_reader_close(&reader));
        exit(0);
    }
    int status = 1;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    signal_write(writer, 2);
    OK(dora_shm_reader_skip(reader, UINT64_MAX, &frames));
    CHECK(frames.frames == 5);
    dora_shm_state state;
    OK(dora_shm_reader_state(reader, &state));
    CHECK(state == DORA_SHM_STATE_LIVE);
    OK(dora_shm_writer_close(&writer));
    OK(dora_shm_reader_close(&reader));
    return 0;
}
