/* Descriptions: what is put in comes out, over a stream and by itself. */
#include "check.h"
#include <math.h>

static void expect_text(const char *found, const char *expected) {
    if (found == NULL || strcmp(found, expected) != 0) {
        fprintf(stderr, "found %s, expected %s\n", found ? found : "NULL", expected);
        exit(1);
    }
}

static void check_labels(const dora_shm_description *description) {
    const char *text = NULL;
    size_t count = 0;
    OK(dora_shm_description_dims(description, &count));
    CHECK(count == 2);
    OK(dora_shm_description_dim(description, 0, &text));
    expect_text(text, "time");
    OK(dora_shm_description_dim(description, 1, &text));
    expect_text(text, "ch");
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_description_dim(description, 2, &text));
    OK(dora_shm_description_key(description, &text));
    expect_text(text, "EEG-1");
    OK(dora_shm_description_stream_dim(description, &text));
    expect_text(text, "time");

    dora_shm_axis axis;
    OK(dora_shm_description_axis(description, 0, &axis));
    CHECK(axis.kind == DORA_SHM_AXIS_LINEAR && isnan(axis.offset) && axis.gain == 0.001);
    expect_text(axis.unit, "s");
    double coordinate = 1;
    IS(DORA_SHM_NOTHING, dora_shm_description_coordinate(description, 0, 0, &coordinate));
    CHECK(isnan(coordinate));
    IS(DORA_SHM_NOTHING, dora_shm_description_label(description, 0, 0, &text));
    CHECK(text == NULL);
    OK(dora_shm_description_axis(description, 1, &axis));
    CHECK(axis.kind == DORA_SHM_AXIS_COORD && axis.count == CHANNELS);
    expect_text(axis.unit, "");
    const char *labels[CHANNELS] = {"Cz", "C\xc3\xa4", "\"3\""};
    for (size_t i = 0; i < CHANNELS; i++) {
        OK(dora_shm_description_label(description, 1, i, &text));
        expect_text(text, labels[i]);
        IS(DORA_SHM_NOTHING, dora_shm_description_coordinate(description, 1, i, &coordinate));
    }
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_description_label(description, 1, CHANNELS, &text));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_description_coordinate(description, 1, SIZE_MAX, &coordinate));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_description_axis(description, SIZE_MAX, &axis));

    const struct {
        const char *name, *json;
    } attrs[] = {{"amplifier", "\"model 7\""}, {"bits", "24"},          {"gain", "0.5"},
                 {"on", "true"},               {"none", "{\"$float\":\"nan\"}"}, {"pins", "[1,2]"}};
    for (size_t i = 0; i < sizeof attrs / sizeof *attrs; i++) {
        OK(dora_shm_description_attr(description, attrs[i].name, &text));
        expect_text(text, attrs[i].json);
    }
    IS(DORA_SHM_NOTHING, dora_shm_description_attr(description, "absent", &text));
    CHECK(text == NULL);
    OK(dora_shm_description_attrs_json(description, &text));
    expect_text(text, "{\"amplifier\":\"model 7\",\"bits\":24,\"gain\":0.5,\"none\":{\"$float\":\"nan\"},\"on\":true,"
                      "\"pins\":[1,2]}");
}

static dora_shm_description *make(void) {
    dora_shm_description *description = NULL;
    const char *dims[] = {"time", "ch"}, *labels[CHANNELS] = {"Cz", "C\xc3\xa4", "\"3\""};
    OK(dora_shm_description_create(&description));
    OK(dora_shm_description_set_dims(description, dims, 2));
    OK(dora_shm_description_set_linear_axis(description, "time", "s", 0.001, NAN));
    OK(dora_shm_description_set_labels(description, "ch", labels, CHANNELS));
    OK(dora_shm_description_set_key(description, "EEG-1"));
    OK(dora_shm_description_set_stream_dim(description, "time"));
    OK(dora_shm_description_set_attr_string(description, "amplifier", "model 7"));
    OK(dora_shm_description_set_attr_integer(description, "bits", 24));
    OK(dora_shm_description_set_attr_float(description, "gain", 0.5));
    OK(dora_shm_description_set_attr_float(description, "none", NAN));
    OK(dora_shm_description_set_attr_json(description, "on", "true"));
    OK(dora_shm_description_set_attr_json(description, "pins", "[1, 2]"));
    return description;
}

static void coordinates(void) {
    dora_shm_description *description = NULL;
    const char *text = NULL;
    double coordinate = 0;
    const char json[] = "{\"version\":1,\"dims\":[\"t\",\"y\",\"x\",\"z\"],\"axes\":{\"y\":{\"kind\":\"linear\","
                        "\"unit\":\"mm\",\"gain\":0.5,\"offset\":-1.0},\"x\":{\"kind\":\"coord\",\"data\":[{\"label\":"
                        "\"Cz\",\"x\":1},{\"x\":2},2.5,\"a\\u0000b\",{\"$float\":\"inf\"}]}}}";
    OK(dora_shm_description_from_json(json, sizeof json - 1, &description));
    OK(dora_shm_description_coordinate(description, 1, 4, &coordinate));
    CHECK(coordinate == 1.0);
    const char *labels[] = {"Cz", "{\"x\":2}", "2.5", "a\xef\xbf\xbd" "b", "{\"$float\":\"inf\"}"};
    for (size_t i = 0; i < 5; i++) {
        OK(dora_shm_description_label(description, 2, i, &text));
        expect_text(text, labels[i]);
        IS(i == 2 || i == 4 ? DORA_SHM_OK : DORA_SHM_NOTHING,
           dora_shm_description_coordinate(description, 2, i, &coordinate));
    }
    CHECK(isinf(coordinate));
    dora_shm_axis axis;
    IS(DORA_SHM_NOTHING, dora_shm_description_axis(description, 3, &axis));
    CHECK(axis.kind == DORA_SHM_AXIS_NONE && axis.unit != NULL);
    IS(DORA_SHM_NOTHING, dora_shm_description_coordinate(description, 3, 0, &coordinate));
    IS(DORA_SHM_NOTHING, dora_shm_description_stream_dim(description, &text));
    CHECK(text == NULL);

    double wavelengths[] = {400.5, 700.0};
    OK(dora_shm_description_set_coordinates(description, "z", "nm", wavelengths, 2));
    OK(dora_shm_description_coordinate(description, 3, 1, &coordinate));
    CHECK(coordinate == 700.0);
    OK(dora_shm_description_axis(description, 3, &axis));
    expect_text(axis.unit, "nm");
    wavelengths[1] = INFINITY;
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_description_set_coordinates(description, "z", "nm", wavelengths, 2));
    OK(dora_shm_description_set_coordinates(description, "t", NULL, NULL, 0));
    OK(dora_shm_description_axis(description, 0, &axis));
    CHECK(axis.kind == DORA_SHM_AXIS_COORD && axis.count == 0);
    IS(DORA_SHM_NOTHING, dora_shm_description_label(description, 0, 0, &text));

    /* Out as JSON, and in again. */
    dora_shm_description *again = NULL;
    const char *json_again = NULL;
    OK(dora_shm_description_json(description, &text));
    OK(dora_shm_description_from_json(text, strlen(text), &again));
    OK(dora_shm_description_json(again, &json_again));
    expect_text(json_again, text);
    OK(dora_shm_description_close(&again));
    OK(dora_shm_description_close(&description));
}

static void refused(dora_shm_description *description) {
    dora_shm_description *other = NULL;
    const char *text = NULL, *dims[] = {"a", NULL}, *bytes[] = {"a", "\xff"};
    size_t count = 0;
    double number = 0;
    dora_shm_axis axis;
    IS(DORA_SHM_ERROR_NULL, dora_shm_description_create(NULL));
    IS(DORA_SHM_ERROR_NULL, dora_shm_description_from_json(NULL, 0, &other));
    IS(DORA_SHM_ERROR_NULL, dora_shm_description_from_json("{}", 2, NULL));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_description_from_json("{}", 2, &other));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_description_from_json("{", 1, &other));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_description_from_json("", 0, &other));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_description_from_json("{}", SIZE_MAX, &other));
    CHECK(other == NULL);
    IS(DORA_SHM_ERROR_NULL, dora_shm_description_set_dims(description, dims, 2));
    CHECK(strcmp(dora_shm_last_error_message(), "dims[1] is NULL") == 0);
    IS(DORA_SHM_ERROR_NULL, dora_shm_description_set_dims(description, NULL, 1));
    IS(DORA_SHM_ERROR_NOT_UTF8, dora_shm_description_set_dims(description, bytes, 2));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_description_set_dims(description, dims, SIZE_MAX / 2));
    IS(DORA_SHM_ERROR_NULL, dora_shm_description_set_linear_axis(description, NULL, "s", 1, 0));
    IS(DORA_SHM_ERROR_NULL, dora_shm_description_set_labels(description, NULL, bytes, 1));
    IS(DORA_SHM_ERROR_NOT_UTF8, dora_shm_description_set_labels(description, "ch", bytes, 2));
    IS(DORA_SHM_ERROR_NULL, dora_shm_description_set_coordinates(description, "ch", "", NULL, 3));
    IS(DORA_SHM_ERROR_NOT_UTF8, dora_shm_description_set_key(description, "\xff"));
    IS(DORA_SHM_ERROR_NOT_UTF8, dora_shm_description_set_stream_dim(description, "\xff"));
    IS(DORA_SHM_ERROR_NULL, dora_shm_description_set_attr_string(description, "a", NULL));
    IS(DORA_SHM_ERROR_NULL, dora_shm_description_set_attr_integer(description, NULL, 1));
    IS(DORA_SHM_ERROR_NULL, dora_shm_description_set_attr_float(description, NULL, 1));
    IS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm_description_set_attr_json(description, "a", "null"));
    IS(DORA_SHM_ERROR_NULL, dora_shm_description_set_dims(NULL, dims, 0));
    IS(DORA_SHM_ERROR_NULL, dora_shm_description_json(NULL, &text));
    IS(DORA_SHM_ERROR_NULL, dora_shm_description_json(description, NULL));
    IS(DORA_SHM_ERROR_NULL, dora_shm_description_attrs_json(NULL, &text));
    IS(DORA_SHM_ERROR_NULL, dora_shm_description_attr(description, NULL, &text));
    IS(DORA_SHM_ERROR_NULL, dora_shm_description_key(NULL, &text));
    IS(DORA_SHM_ERROR_NULL, dora_shm_description_stream_dim(NULL, &text));
    IS(DORA_SHM_ERROR_NULL, dora_shm_description_dims(NULL, &count));
    IS(DORA_SHM_ERROR_NULL, dora_shm_description_dim(NULL, 0, &text));
    IS(DORA_SHM_ERROR_NULL, dora_shm_description_axis(NULL, 0, &axis));
    IS(DORA_SHM_ERROR_NULL, dora_shm_description_label(NULL, 0, 0, &text));
    IS(DORA_SHM_ERROR_NULL, dora_shm_description_coordinate(NULL, 0, 0, &number));
    IS(DORA_SHM_ERROR_NULL, dora_shm_description_close(NULL));
    check_labels(description); /* as it was */
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    dora_shm_description *description = make(), *read = NULL;
    check_labels(description);
    refused(description);
    coordinates();

    /* Over a stream. */
    dora_shm_writer *writer = NULL;
    dora_shm_reader *reader = NULL;
    dora_shm_format format = signal_format(20);
    OK(dora_shm_writer_create(argv[1], NULL, &writer));
    OK(dora_shm_reader_open(argv[1], NULL, &reader));
    IS(DORA_SHM_NOTHING, dora_shm_reader_description(reader, &read));
    CHECK(read == NULL);
    OK(dora_shm_writer_begin(writer, &format, description, 1));
    signal_write(writer, 1);
    dora_shm_frames frames;
    IS(DORA_SHM_NEW_GENERATION, dora_shm_reader_skip(reader, 1, &frames));
    CHECK(frames.generation == 0);
    OK(dora_shm_reader_description(reader, &read));
    check_labels(read);

    /* Another one, which the reader sees with its first frame; the one that it gave stays as it was. */
    OK(dora_shm_description_set_key(description, "EEG-2"));
    OK(dora_shm_writer_describe(writer, description));
    signal_write(writer, 1);
    OK(dora_shm_reader_skip(reader, UINT64_MAX, &frames));
    CHECK(frames.frames == 2);
    dora_shm_event event;
    OK(dora_shm_reader_next_event(reader, &event));
    CHECK(event.kind == DORA_SHM_EVENT_NEW_GENERATION);
    OK(dora_shm_reader_next_event(reader, &event));
    CHECK(event.kind == DORA_SHM_EVENT_NEW_DESCRIPTION);
    dora_shm_cursor cursor;
    OK(dora_shm_reader_cursor(reader, &cursor));
    CHECK(!cursor.description_missed);
    check_labels(read);
    dora_shm_description *second = NULL;
    const char *text = NULL;
    OK(dora_shm_reader_description(reader, &second));
    OK(dora_shm_description_key(second, &text));
    expect_text(text, "EEG-2");

    /* What was read can be changed, and closed after everything else. */
    OK(dora_shm_description_set_key(read, NULL));
    OK(dora_shm_reader_close(&reader));
    OK(dora_shm_writer_close(&writer));
    OK(dora_shm_description_key(read, &text));
    expect_text(text, "");
    OK(dora_shm_description_key(second, &text));
    expect_text(text, "EEG-2");
    OK(dora_shm_description_close(&read));
    OK(dora_shm_description_close(&second));
    OK(dora_shm_description_close(&description));
    CHECK(description == NULL);
    OK(dora_shm_description_close(&description));
    return 0;
}
