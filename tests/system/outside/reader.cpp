// Reads the synthetic signal of a graph and checks all of it, by copies and by views in turn: reader STREAM FRAMES all|slow
//
// `all`: every frame must arrive. `slow`: pauses until the ring is overwritten, and must account for every frame.
#include <dora_shm.hpp>

#include <array>
#include <chrono>
#include <cmath>
#include <iostream>
#include <thread>

namespace {

constexpr std::size_t CHANNELS = 64, RATE = 1000;

void expect(bool condition, const std::string &what) {
    if (!condition)
        throw std::runtime_error(what);
}

/// Channel 0 counts frames, channel c is a sine of c Hz.
class Judge {
public:
    Judge() {
        for (std::size_t i = 0; i < RATE; i++)
            wave_[i] = static_cast<float>(50.0 * std::sin(6.28318530717958647692 * static_cast<double>(i) / RATE));
    }
    void check(dora_shm::Span<const float> samples, dora_shm::Span<const double> times, std::uint64_t first,
               std::uint64_t lost) {
        expect(first == next_ + lost,
               "found frame " + std::to_string(first) + ", expected " + std::to_string(next_ + lost));
        expect(samples.size() == times.size() * CHANNELS, "the number of times differs from the number of frames");
        for (std::size_t i = 0; i < times.size(); i++) {
            const std::uint64_t position = first + i;
            const float *frame = samples.data() + i * CHANNELS;
            expect(frame[0] == static_cast<float>(position), "the counter is wrong");
            for (std::size_t channel = 1; channel < CHANNELS; channel++)
                expect(frame[channel] == wave_[position % RATE * channel % RATE], "the sines are wrong");
            if (i > 0 && position % 10 != 0)
                expect(std::abs(times[i] - times[i - 1] - 1.0 / RATE) < 1e-9, "the times are wrong");
        }
        lost_ += lost;
        next_ = first + times.size();
    }
    std::uint64_t next() const { return next_; }
    std::uint64_t lost() const { return lost_; }

private:
    std::array<float, RATE> wave_{};
    std::uint64_t next_ = 0, lost_ = 0;
};

void check_description(const dora_shm::Description &description) {
    expect(description.dims() == std::vector<std::string>{"time", "ch"}, "the dims are wrong");
    expect(description.key() == "synthetic signal" && description.attr("unit") == "\"uV\"", "the attributes are wrong");
    expect(description.axis(0).unit == std::string("s") && description.axis(0).gain == 1.0 / RATE,
           "the time axis is wrong");
    const std::vector<std::string> labels = description.labels(1);
    expect(labels.size() == CHANNELS && labels[0] == "frame" && labels[63] == "sine 63 Hz", "the labels are wrong");
}

/// Reads the new frames in place. They are copied, and checked only if they were whole.
dora_shm_result view(dora_shm::Reader &reader, Judge &judge) {
    dora_shm::View view;
    const dora_shm_result result = reader.view(view, 100);
    if (result != DORA_SHM_OK)
        return result;
    std::vector<float> samples;
    std::vector<double> times;
    for (std::size_t part = 0; part < view.parts().count; part++) {
        const auto found = view.samples<float>(part);
        samples.insert(samples.end(), found.begin(), found.end());
        times.insert(times.end(), view.times(part).begin(), view.times(part).end());
    }
    const std::uint64_t first = view.parts().first;
    dora_shm_frames frames{};
    reader.finish(view, frames);
    const std::size_t torn = static_cast<std::size_t>(frames.frames == 0 ? times.size() : frames.first - first);
    if (torn < times.size())
        judge.check({samples.data() + torn * CHANNELS, samples.size() - torn * CHANNELS},
                    {times.data() + torn, times.size() - torn}, frames.first, frames.lost);
    return result;
}

} // namespace

int main(int argc, char **argv) try {
    expect(argc == 4, "expected three arguments: STREAM FRAMES all|slow");
    const std::uint64_t wanted = std::stoull(argv[2]);
    const bool slow = std::string(argv[3]) == "slow";
    dora_shm::Reader reader(argv[1]);
    expect(reader.state() == DORA_SHM_STATE_ABSENT, "the stream exists already");
    std::cout << "ready" << std::endl;

    Judge judge;
    dora_shm::Chunk<float> chunk;
    for (std::uint64_t turn = 0;; turn++) {
        dora_shm_result result;
        if (turn % 2 == 0) {
            result = reader.read(chunk, 300);
            if (result == DORA_SHM_OK)
                judge.check({chunk.samples.data(), chunk.samples.size()}, {chunk.times.data(), chunk.times.size()},
                            chunk.frames.first, chunk.frames.lost);
        } else {
            result = view(reader, judge);
        }
        if (result == DORA_SHM_CLOSED)
            break;
        if (result == DORA_SHM_NEW_GENERATION) {
            expect(reader.format()->dtype == DORA_SHM_FLOAT32 && reader.format()->shape[0] == CHANNELS,
                   "the format is wrong");
            check_description(*reader.description());
        }
        if (result == DORA_SHM_NOTHING)
            expect(reader.wait(60.0) == DORA_SHM_OK, "nothing new within a minute");
        // The ring has 500 frames, so the reader is lapped.
        while (slow && judge.next() > 0 && judge.lost() == 0 && reader.info().position < wanted / 2)
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    expect(judge.next() == wanted && reader.cursor().lost == judge.lost(), "not every frame is accounted for");
    expect(slow ? judge.lost() > wanted / 4 : judge.lost() == 0,
           "unexpected number of lost frames: " + std::to_string(judge.lost()));
    std::cout << wanted - judge.lost() << " frames x " << CHANNELS << ", " << judge.lost() << " lost" << std::endl;
    return 0;
} catch (const std::exception &error) {
    std::cerr << error.what() << std::endl;
    return 1;
}
