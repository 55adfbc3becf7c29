// The C++ wrapper: what it throws, what it returns, what it moves and what it closes.
#include <dora_shm.hpp>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            std::fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);                         \
            std::exit(1);                                                                                              \
        }                                                                                                              \
    } while (0)

#define THROWS(expected, expression)                                                                                   \
    do {                                                                                                               \
        dora_shm_result code = DORA_SHM_OK;                                                                            \
        try {                                                                                                          \
            expression;                                                                                                \
        } catch (const dora_shm::Error &error) {                                                                       \
            code = error.code();                                                                                       \
            CHECK(std::strcmp(error.name(), #expected) == 0 && std::strlen(error.what()) > 0);                         \
        }                                                                                                              \
        CHECK(code == (expected));                                                                                     \
    } while (0)

static_assert(!std::is_copy_constructible_v<dora_shm::Reader> && std::is_nothrow_move_constructible_v<dora_shm::Reader>);
static_assert(!std::is_copy_assignable_v<dora_shm::Writer> && std::is_nothrow_move_assignable_v<dora_shm::Writer>);
static_assert(!std::is_copy_constructible_v<dora_shm::View> && !std::is_copy_constructible_v<dora_shm::Description>);
static_assert(dora_shm::dtype_of<float>() == DORA_SHM_FLOAT32 && dora_shm::dtype_of<bool>() == DORA_SHM_BOOL);
static_assert(dora_shm::dtype_of<std::uint8_t>() == DORA_SHM_UINT8 && dora_shm::dtype_of<long>() == DORA_SHM_INT64);

static dora_shm::Description describe() {
    dora_shm::Description description;
    description.set_dims({"time", "ch"})
        .set_linear_axis("time", "s", 0.01)
        .set_labels("ch", {"left", "right"})
        .set_key("audio")
        .set_stream_dim("time")
        .set_attr("gain", 0.5)
        .set_attr("bits", 24)
        .set_attr("on", true)
        .set_attr("maker", "us")
        .set_attr_json("pins", "[1,2]");
    return description;
}

static void descriptions() {
    const dora_shm::Description made = describe();
    const dora_shm::Description again = dora_shm::Description::from_json(made.json());
    CHECK(again.json() == made.json());
    CHECK((again.dims() == std::vector<std::string>{"time", "ch"}));
    CHECK((again.labels(1) == std::vector<std::string>{"left", "right"}) && again.labels(0).empty());
    CHECK(again.key() == "audio" && again.stream_dim() == "time" && std::string(again.axis(0).unit) == "s");
    CHECK(again.attr("gain") == "0.5" && again.attr("bits") == "24" && again.attr("maker") == "\"us\"");
    CHECK(!again.attr("absent") && !again.coordinate(0, 0));
    CHECK(again.attrs_json() == R"({"bits":24,"gain":0.5,"maker":"us","on":true,"pins":[1,2]})");
    dora_shm::Description other;
    const std::vector<double> wavelengths{400.0, 700.5};
    other.set_dims({"time", "nm"}).set_coordinates("nm", "nm", wavelengths);
    CHECK(other.coordinate(1, 1) == 700.5 && other.stream_dim().empty());
    THROWS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm::Description::from_json("{}"));
    THROWS(DORA_SHM_ERROR_BAD_ARGUMENT, other.axis(2));
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    const std::string name = argv[1];
    CHECK(dora_shm::shorten_name("demo") == "sm_KpdRbDVLaISM29j1SiJq");
    descriptions();

    THROWS(DORA_SHM_ERROR_BAD_NAME, dora_shm::Reader(""));
    dora_shm::Reader reader(name);
    CHECK(reader.wait(0) == DORA_SHM_TIMED_OUT && reader.state() == DORA_SHM_STATE_ABSENT && !reader.format());
    CHECK(!reader.description());
    dora_shm::Chunk<float> chunk;
    CHECK(reader.read(chunk) == DORA_SHM_NOTHING && chunk.samples.empty());

    dora_shm::Writer first(name);
    dora_shm::Writer writer = std::move(first);
    THROWS(DORA_SHM_ERROR_NULL, first.progress());
    THROWS(DORA_SHM_ERROR_LIVE, dora_shm::Writer{name});
    THROWS(DORA_SHM_ERROR_BAD_FORMAT,
           writer.begin(dora_shm::make_format(DORA_SHM_INT8, {1, 2, 3, 4, 5, 6, 7, 8, 9}, 0, 10)));
    writer.begin(dora_shm::make_format(DORA_SHM_FLOAT32, {2}, 100.0, 40), describe(), 4);
    std::vector<float> samples;
    for (int i = 0; i < 60; i++)
        samples.push_back(static_cast<float>(i));
    writer.write(samples, 0.0, 0.01, 5);
    CHECK(reader.wait(10) == DORA_SHM_OK);
    CHECK(reader.read(chunk) == DORA_SHM_NEW_GENERATION && chunk.samples.empty());
    CHECK(reader.next_event()->kind == DORA_SHM_EVENT_NEW_GENERATION && !reader.next_event());
    CHECK(reader.description()->labels(1).at(1) == "right" && reader.format()->rate_hz == 100.0);
    CHECK(reader.read(chunk, 10) == DORA_SHM_OK);
    CHECK(chunk.frames.frames == 10 && chunk.samples.size() == 20 && chunk.times.size() == 10);
    CHECK(chunk.samples[19] == 19.0F && chunk.times[9] > 0.089 && chunk.times[9] < 0.091);
    dora_shm::Chunk<double> wrong;
    THROWS(DORA_SHM_ERROR_BAD_ARGUMENT, reader.read(wrong));
    CHECK(reader.cursor().position == 10);
    CHECK(reader.latest(chunk, 3) == DORA_SHM_OK && chunk.frames.first == 27 && chunk.samples[0] == 54.0F);
    CHECK(reader.latest_seconds(chunk, 0.05) == DORA_SHM_OK && chunk.frames.frames == 5);
    THROWS(DORA_SHM_ERROR_BAD_ARGUMENT, reader.latest(chunk, 0));

    CHECK(reader.held() == std::make_pair(std::uint64_t{0}, std::uint64_t{30}) && reader.position_at(0.195) == 20);
    CHECK(reader.read_at(chunk, 4, 2) == DORA_SHM_OK && chunk.frames.first == 4 && chunk.samples.at(3) == 11.0F);
    CHECK(reader.read_at(chunk, 30, 2) == DORA_SHM_NOTHING && chunk.samples.empty());
    CHECK(reader.messages(chunk.frames).empty() && reader.messages(0, 30).size() == 1);
    CHECK(reader.messages(29, 1).at(0).frames == 30 && reader.messages(29, 1).at(0).send_ns == 5);

    // In place, across the wrap.
    dora_shm_frames frames{};
    CHECK(reader.skip(frames) == DORA_SHM_OK && frames.frames == 20);
    const std::vector<double> times{1.0, 2.0};
    writer.write(std::vector<float>{1, 2, 3, 4}, times);
    CHECK(reader.skip(frames) == DORA_SHM_OK && frames.first == 30 && frames.frames == 2);
    writer.write(samples, 0.0, 0.01);
    dora_shm::View view;
    CHECK(reader.view(view) == DORA_SHM_OK && view.parts().count == 2 && view.parts().frames == 30);
    dora_shm::View moved = std::move(view);
    CHECK(view.parts().count == 0 && view.samples<float>(0).empty());
    float expected = 0;
    for (std::size_t part = 0; part < 2; part++) {
        CHECK(moved.samples<float>(part).size() == 2 * moved.times(part).size());
        for (float sample : moved.samples<float>(part))
            CHECK(sample == expected++);
    }
    CHECK(expected == 60 && moved.samples<float>(2).empty());
    CHECK(reader.finish(moved, frames) == DORA_SHM_OK && frames.frames == 30);
    CHECK(reader.view(view) == DORA_SHM_NOTHING && view.parts().count == 0);

    std::size_t found = 0;
    for (const dora_shm::Stream &stream : dora_shm::streams())
        found += stream.kind == DORA_SHM_STREAM_OURS && stream.text == name && stream.info->position == 62;
    CHECK(found == 1);

    dora_shm_reader_options last = DORA_SHM_READER_OPTIONS_INIT;
    last.start = DORA_SHM_START_LAST;
    last.last_frames = 1;
    dora_shm::MessageReader messages(name, last);
    dora_shm::Message message;
    CHECK(messages.next(message) == DORA_SHM_OK && message.info().first + message.info().frames == 62);
    CHECK(message.samples<float>().size() == 2 * message.times().size() && messages.cursor().lost == 0);
    CHECK(messages.format()->dtype == DORA_SHM_FLOAT32 && messages.info().position == 62);
    CHECK(messages.description() && messages.state() == DORA_SHM_STATE_LIVE);
    CHECK(messages.next(message) == DORA_SHM_NOTHING && message.times().empty() && message.samples<float>().empty());
    CHECK(messages.skip_to_newest() == DORA_SHM_NOTHING && !messages.next_event());
    messages.interrupt();
    CHECK(messages.wait(60) == DORA_SHM_INTERRUPTED);
    CHECK(!reader.ezmsg());

    const dora_shm::Notifier notifier(name);
    CHECK(notifier.descriptor() >= 0);
    notifier.clear();
    notifier.set();

    // A generation of another type is reported before its samples are refused.
    writer.begin(dora_shm::make_format(DORA_SHM_UINT8, {2, 2}, 0, 8));
    writer.write(std::vector<std::uint8_t>{1, 2, 3, 4}, 0, 0);
    CHECK(reader.read(chunk) == DORA_SHM_NEW_GENERATION);
    THROWS(DORA_SHM_ERROR_BAD_ARGUMENT, reader.read(chunk));
    dora_shm::Chunk<std::uint8_t> bytes;
    dora_shm::Reader display(name);
    writer.begin(dora_shm::make_format(DORA_SHM_UINT8, {2, 2}, 0, 9));
    writer.write(std::vector<std::uint8_t>{5, 6, 7, 8}, 0, 0);
    CHECK(display.newest(chunk, 10) == DORA_SHM_NEW_GENERATION && chunk.samples.empty());
    THROWS(DORA_SHM_ERROR_BAD_ARGUMENT, display.newest(chunk, 10));
    CHECK(display.newest(bytes, 10) == DORA_SHM_OK && bytes.frames.generation == 2 && bytes.samples.at(3) == 8);
    CHECK(reader.read(bytes) == DORA_SHM_OK && bytes.samples.at(3) == 4);
    CHECK(reader.info().generation == 1 && writer.warnings().empty() && writer.progress().position == 1);
    auto on_unix = dora_shm::make_format(DORA_SHM_UINT8, {2, 2}, 100.0, 9);
    on_unix.clock = DORA_SHM_CLOCK_UNIX;
    writer.begin(on_unix);
    writer.write_now(std::vector<std::uint8_t>{1, 2, 3, 4, 5, 6, 7, 8});
    dora_shm::Reader timed(name, last);
    CHECK(timed.read(bytes) == DORA_SHM_OK && bytes.frames.frames == 1);
    CHECK(dora_shm::times_on(timed.info(), DORA_SHM_CLOCK_MONOTONIC, bytes.times).at(0) < bytes.times.at(0));
    THROWS(DORA_SHM_ERROR_BAD_ARGUMENT, dora_shm::times_on(timed.info(), DORA_SHM_CLOCK_SOURCE, bytes.times));
    writer.maintain();
    writer.describe(dora_shm::Description().set_key("other"));

    CHECK(reader.newest(bytes, 1) == DORA_SHM_NEW_GENERATION);
    std::thread waiting([&] { CHECK(reader.wait(60) == DORA_SHM_INTERRUPTED); });
    reader.interrupt();
    waiting.join();
    writer.close();
    CHECK(reader.read(bytes) == DORA_SHM_CLOSED);
    reader = dora_shm::Reader(name);
    CHECK(reader.state() == DORA_SHM_STATE_ABSENT);
    return 0;
}
