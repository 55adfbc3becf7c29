/*
 * Reads a stream that ezmsg itself writes: ezmsg NAME
 * Prints "ready", then, for each line of its input, everything that it finds, as the test (tests/ezmsg.rs) expects it.
 */
#include "check.h"

enum { ROOM = 2000, CHANNELS_OF_EZMSG = 3 };

static void print(const char *what, const char *text) { printf("%s %s\n", what, text == NULL ? "NULL" : text); }

int main(int argc, char **argv) {
    CHECK(argc == 2);
    setvbuf(stdout, NULL, _IOLBF, 0);
    static int64_t samples[ROOM][CHANNELS_OF_EZMSG];
    static double times[ROOM];
    dora_shm_reader *reader = NULL;
    dora_shm_reader *messages = NULL;
    dora_shm_ezmsg ezmsg;
    dora_shm_buffers into;
    memset(&into, 0, sizeof into);
    into.samples = samples;
    into.samples_size = sizeof samples;
    into.times = times;
    into.max_frames = ROOM;
    IS(DORA_SHM_ERROR_NULL, dora_shm_reader_ezmsg(NULL, &ezmsg));
    OK(dora_shm_reader_open(argv[1], NULL, &reader));
    OK(dora_shm_reader_open_messages(argv[1], NULL, &messages));
    IS(DORA_SHM_ERROR_NULL, dora_shm_reader_ezmsg(reader, NULL));
    IS(DORA_SHM_NOTHING, dora_shm_reader_ezmsg(reader, &ezmsg));
    print("ready", "");
    char line[20];
    while (fgets(line, sizeof line, stdin) != NULL) {
        dora_shm_frames frames;
        dora_shm_message message;
        dora_shm_result result;
        uint64_t wanted = strtoull(line, NULL, 10), next = 0, lost = 0, of_messages = 0;
        while (next < wanted) {
            result = dora_shm_reader_read(reader, &into, &frames);
            if (result == DORA_SHM_NOTHING)
                OK(dora_shm_reader_wait(reader, 60));
            if (result != DORA_SHM_OK)
                continue;
            lost += frames.lost;
            next = frames.first + frames.frames;
            for (uint64_t i = 0; i < frames.frames; i++)
                for (int64_t channel = 0; channel < CHANNELS_OF_EZMSG; channel++)
                    CHECK(samples[i][channel] == (int64_t)(frames.first + i) * 31 + channel * 1000003);
            printf("times %.3f to %.3f\n", times[0], times[frames.frames - 1]);
        }
        while (of_messages < wanted) {
            result = dora_shm_reader_next_message(messages, &message);
            if (result == DORA_SHM_NOTHING)
                OK(dora_shm_reader_wait(messages, 60));
            if (result == DORA_SHM_OK)
                of_messages = message.first + message.frames;
        }
        printf("read up to %" PRIu64 ", lost %" PRIu64 "\n", next, lost);
        dora_shm_state state;
        OK(dora_shm_reader_state(reader, &state));
        print("state", dora_shm_state_name(state));
        OK(dora_shm_reader_ezmsg(reader, &ezmsg));
        printf("version %" PRIu32 "\n", ezmsg.struct_version);
        print("key", ezmsg.key);
        print("refused", ezmsg.refused);
        printf("left out %d\n", (int)strlen(ezmsg.left_out) > 0);
        dora_shm_description *description = NULL;
        const char *text = NULL;
        OK(dora_shm_reader_description(reader, &description));
        OK(dora_shm_description_json(description, &text));
        print("description", text);
        OK(dora_shm_description_close(&description));
    }
    OK(dora_shm_reader_close(&messages));
    OK(dora_shm_reader_close(&reader));
    return 0;
}
