/*
 * Writes a stream of the test signal by commands on its standard input: produce NAME
 * Commands: "begin KEY", "write FRAMES", "describe KEY". Prints "done" after each. Closes the stream at the end of the input.
 */
#include "check.h"

int main(int argc, char **argv) {
    CHECK(argc == 2);
    setvbuf(stdout, NULL, _IOLBF, 0);
    dora_shm_writer *writer = NULL;
    dora_shm_description *description = NULL;
    const char *dims[] = {"time", "ch"};
    OK(dora_shm_writer_create(argv[1], NULL, &writer));
    OK(dora_shm_description_create(&description));
    OK(dora_shm_description_set_dims(description, dims, 2));
    printf("ready\n");
    char line[200], word[20], rest[100];
    while (fgets(line, sizeof line, stdin) != NULL) {
        CHECK(sscanf(line, "%19s %99s", word, rest) == 2);
        if (strcmp(word, "begin") == 0) {
            dora_shm_format format = signal_format(1000);
            OK(dora_shm_description_set_key(description, rest));
            OK(dora_shm_writer_begin(writer, &format, description, 10));
        } else if (strcmp(word, "describe") == 0) {
            OK(dora_shm_description_set_key(description, rest));
            OK(dora_shm_writer_describe(writer, description));
        } else {
            CHECK(strcmp(word, "write") == 0);
            signal_write(writer, strtoull(rest, NULL, 10));
        }
        printf("done\n");
    }
    OK(dora_shm_description_close(&description));
    OK(dora_shm_writer_close(&writer));
    return 0;
}
