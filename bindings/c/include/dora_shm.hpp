// dora-shm for C++17: dora_shm.h with handles that close themselves, spans, and exceptions.
//
// - The rules of dora_shm.h apply: what blocks, which threads may call what, how long strings and memory are valid.
// - An error is thrown as dora_shm::Error, with its code and its message. Ordinary outcomes (nothing new, a new generation,
//   closed, timed out, ...) are returned as a dora_shm_result.
// - Handles can be moved, but not copied. A handle that was moved from throws DORA_SHM_ERROR_NULL.
#ifndef DORA_SHM_HPP
#define DORA_SHM_HPP

#include "dora_shm.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace dora_shm {

/// What went wrong.
class Error : public std::runtime_error {
public:
    Error(dora_shm_result code, const std::string &message) : std::runtime_error(message), code_(code) {}
    /// The error's code, one of DORA_SHM_ERROR_...
    dora_shm_result code() const noexcept { return code_; }
    /// The code's name.
    const char *name() const noexcept { return dora_shm_result_name(code_); }

private:
    dora_shm_result code_;
};

/// Throws if the result is an error; otherwise returns it.
inline dora_shm_result check(dora_shm_result result) {
    if (DORA_SHM_IS_ERROR(result))
        throw Error(result, dora_shm_last_error_message());
    return result;
}

/// Contiguous values in memory that the span does not own.
template <class T> class Span {
public:
    constexpr Span() noexcept = default;
    constexpr Span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}
    /// The values of a std::vector, a std::array or another Span.
    template <class Container, class = decltype(std::declval<Container &>().data())>
    constexpr Span(Container &container) noexcept : data_(container.data()), size_(container.size()) {}
    constexpr T *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr bool empty() const noexcept { return size_ == 0; }
    constexpr T *begin() const noexcept { return data_; }
    constexpr T *end() const noexcept { return data_ + size_; }
    /// `index` must be below size().
    constexpr T &operator[](std::size_t index) const noexcept { return data_[index]; }

private:
    T *data_ = nullptr;
    std::size_t size_ = 0;
};

/// The element type of a C++ type; float16 has none.
template <class T> constexpr dora_shm_dtype dtype_of() noexcept {
    constexpr bool is_integer = std::numeric_limits<T>::is_integer;
    static_assert(std::numeric_limits<T>::is_specialized, "a number or bool is expected");
    static_assert(is_integer || sizeof(T) == 4 || sizeof(T) == 8, "float and double are expected");
    if constexpr (std::is_same_v<T, bool>)
        return DORA_SHM_BOOL;
    else if constexpr (!is_integer)
        return sizeof(T) == 4 ? DORA_SHM_FLOAT32 : DORA_SHM_FLOAT64;
    else if constexpr (std::is_signed_v<T>)
        return sizeof(T) == 1   ? DORA_SHM_INT8
               : sizeof(T) == 2 ? DORA_SHM_INT16
               : sizeof(T) == 4 ? DORA_SHM_INT32
                                : DORA_SHM_INT64;
    else
        return sizeof(T) == 1   ? DORA_SHM_UINT8
               : sizeof(T) == 2 ? DORA_SHM_UINT16
               : sizeof(T) == 4 ? DORA_SHM_UINT32
                                : DORA_SHM_UINT64;
}

/// A format: a ring of `ring_frames` frames of shape `shape`, at `rate_hz` frames per second (0: irregular or unknown).
inline dora_shm_format make_format(dora_shm_dtype dtype, std::initializer_list<std::uint64_t> shape, double rate_hz,
                                   std::uint64_t ring_frames) {
    dora_shm_format format{};
    format.dtype = dtype;
    format.rank = static_cast<std::uint32_t>(shape.size());
    std::size_t i = 0;
    for (std::uint64_t length : shape) {
        if (i < DORA_SHM_MAX_RANK)
            format.shape[i++] = length;
    }
    format.rate_hz = rate_hz;
    format.ring_frames = ring_frames;
    return format;
}

/// Name of the segment that holds a stream's header.
inline std::string shorten_name(const std::string &name) {
    char segment[DORA_SHM_SEGMENT_SIZE];
    check(dora_shm_shorten_name(name.c_str(), segment, sizeof segment));
    return segment;
}

namespace detail {

/// A handle of the C interface that is closed by `close`.
template <class T, dora_shm_result (*close)(T **)> class Handle {
public:
    Handle() noexcept = default;
    explicit Handle(T *handle) noexcept : handle_(handle) {}
    Handle(Handle &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Handle &operator=(Handle &&other) noexcept {
        if (this != &other) {
            close(&handle_);
            handle_ = std::exchange(other.handle_, nullptr);
        }
        return *this;
    }
    Handle(const Handle &) = delete;
    Handle &operator=(const Handle &) = delete;
    ~Handle() { close(&handle_); }

    /// The C handle, which this still owns; nullptr if there is none.
    T *get() const noexcept { return handle_; }
    /// Where C functions store a new handle; the previous one is closed.
    T **out() noexcept {
        close(&handle_);
        return &handle_;
    }
    /// For C functions that close it.
    T **in_out() noexcept { return &handle_; }

private:
    T *handle_ = nullptr;
};

} // namespace detail

/// What the frames of a stream mean.
class Description {
public:
    /// An empty description, to be filled.
    Description() { check(dora_shm_description_create(handle_.out())); }
    /// Takes over a C handle.
    explicit Description(dora_shm_description *handle) noexcept : handle_(handle) {}
    /// From JSON, in the form that SPEC.md defines.
    static Description from_json(const std::string &json) {
        dora_shm_description *handle = nullptr;
        check(dora_shm_description_from_json(json.data(), json.size(), &handle));
        return Description(handle);
    }

    Description &set_dims(const std::vector<std::string> &dims) {
        const auto texts = pointers(dims);
        check(dora_shm_description_set_dims(get(), texts.data(), texts.size()));
        return *this;
    }
    /// Leave the offset out for the buffered axis, whose coordinates are the frames' times.
    Description &set_linear_axis(const std::string &dim, const std::string &unit, double gain,
                                 std::optional<double> offset = std::nullopt) {
        const double given = offset ? *offset : std::numeric_limits<double>::quiet_NaN();
        check(dora_shm_description_set_linear_axis(get(), dim.c_str(), unit.c_str(), gain, given));
        return *this;
    }
    Description &set_coordinates(const std::string &dim, const std::string &unit, Span<const double> coordinates) {
        check(dora_shm_description_set_coordinates(get(), dim.c_str(), unit.c_str(), coordinates.data(),
                                                   coordinates.size()));
        return *this;
    }
    Description &set_labels(const std::string &dim, const std::vector<std::string> &labels) {
        const auto texts = pointers(labels);
        check(dora_shm_description_set_labels(get(), dim.c_str(), texts.data(), texts.size()));
        return *this;
    }
    Description &set_key(const std::string &key) {
        check(dora_shm_description_set_key(get(), key.c_str()));
        return *this;
    }
    Description &set_stream_dim(const std::string &dim) {
        check(dora_shm_description_set_stream_dim(get(), dim.c_str()));
        return *this;
    }
    Description &set_attr(const std::string &name, const std::string &value) {
        check(dora_shm_description_set_attr_string(get(), name.c_str(), value.c_str()));
        return *this;
    }
    Description &set_attr(const std::string &name, const char *value) { return set_attr(name, std::string(value)); }
    Description &set_attr(const std::string &name, double value) {
        check(dora_shm_description_set_attr_float(get(), name.c_str(), value));
        return *this;
    }
    Description &set_attr(const std::string &name, std::int64_t value) {
        check(dora_shm_description_set_attr_integer(get(), name.c_str(), value));
        return *this;
    }
    Description &set_attr(const std::string &name, int value) {
        return set_attr(name, static_cast<std::int64_t>(value));
    }
    Description &set_attr(const std::string &name, bool value) {
        return set_attr_json(name, value ? "true" : "false");
    }
    /// Any value that an attribute can have, in the form that SPEC.md defines.
    Description &set_attr_json(const std::string &name, const std::string &json) {
        check(dora_shm_description_set_attr_json(get(), name.c_str(), json.c_str()));
        return *this;
    }

    /// The whole description, in the form that SPEC.md defines.
    std::string json() const { return text(dora_shm_description_json); }
    /// All attributes as one JSON object.
    std::string attrs_json() const { return text(dora_shm_description_attrs_json); }
    /// The source's own name for the signal; empty if the source gives none.
    std::string key() const { return text(dora_shm_description_key); }
    /// The dimension along which messages accumulate; empty if the source states none.
    std::string stream_dim() const { return text(dora_shm_description_stream_dim); }
    /// One attribute as JSON.
    std::optional<std::string> attr(const std::string &name) const {
        const char *found = nullptr;
        if (check(dora_shm_description_attr(get(), name.c_str(), &found)) != DORA_SHM_OK)
            return std::nullopt;
        return std::string(found);
    }
    /// Names of the dimensions, the buffered axis first; empty if they are unknown.
    std::vector<std::string> dims() const {
        std::size_t count = 0;
        check(dora_shm_description_dims(get(), &count));
        std::vector<std::string> dims;
        for (std::size_t i = 0; i < count; i++) {
            const char *dim = nullptr;
            check(dora_shm_description_dim(get(), i, &dim));
            dims.emplace_back(dim);
        }
        return dims;
    }
    /// The coordinates along a dimension. `unit` is valid until the description is changed or closed.
    dora_shm_axis axis(std::size_t dim) const {
        dora_shm_axis axis{};
        check(dora_shm_description_axis(get(), dim, &axis));
        return axis;
    }
    /// The labels of an axis, index by index; empty if it has none.
    std::vector<std::string> labels(std::size_t dim) const {
        const std::size_t count = axis(dim).count;
        std::vector<std::string> labels;
        for (std::size_t i = 0; i < count; i++) {
            const char *label = nullptr;
            check(dora_shm_description_label(get(), dim, i, &label));
            labels.emplace_back(label);
        }
        return labels;
    }
    /// The coordinate at an index of an axis, if it is a number.
    std::optional<double> coordinate(std::size_t dim, std::size_t index) const {
        double coordinate = 0;
        if (check(dora_shm_description_coordinate(get(), dim, index, &coordinate)) != DORA_SHM_OK)
            return std::nullopt;
        return coordinate;
    }

    dora_shm_description *get() const noexcept { return handle_.get(); }

private:
    static std::vector<const char *> pointers(const std::vector<std::string> &texts) {
        std::vector<const char *> pointers;
        for (const std::string &text : texts)
            pointers.push_back(text.c_str());
        return pointers;
    }
    std::string text(dora_shm_result (*ask)(const dora_shm_description *, const char **)) const {
        const char *found = nullptr;
        return check(ask(get(), &found)) == DORA_SHM_OK ? found : "";
    }

    detail::Handle<dora_shm_description, dora_shm_description_close> handle_;
};

/// Frames in place: see Reader::view().
class View {
public:
    View() noexcept = default;
    View(View &&other) noexcept
        : handle_(std::move(other.handle_)), parts_(std::exchange(other.parts_, dora_shm_parts{})) {}
    View &operator=(View &&other) noexcept {
        handle_ = std::move(other.handle_);
        parts_ = std::exchange(other.parts_, dora_shm_parts{});
        return *this;
    }
    /// Which frames, and where they are.
    const dora_shm_parts &parts() const noexcept { return parts_; }
    /// The samples of a part (0, or 1 where the ring wraps). Trust them only once the view has been finished. T must be the
    /// type of the reader's format.
    template <class T> Span<const T> samples(std::size_t part) const noexcept {
        if (part >= 2)
            return {};
        return {static_cast<const T *>(parts_.part[part].samples), parts_.part[part].samples_size / sizeof(T)};
    }
    /// The times of a part's frames.
    Span<const double> times(std::size_t part) const noexcept {
        if (part >= 2)
            return {};
        return {parts_.part[part].times, static_cast<std::size_t>(parts_.part[part].frames)};
    }

private:
    friend class Reader;
    void forget() noexcept { parts_ = dora_shm_parts{}; }
    detail::Handle<dora_shm_view, dora_shm_view_close> handle_;
    dora_shm_parts parts_{};
};

/// Frames that were copied, in vectors that are reused from read to read.
template <class T> struct Chunk {
    /// In C order, frame after frame.
    std::vector<T> samples;
    /// One value per frame on the buffered axis.
    std::vector<double> times;
    /// Their positions, and how many were lost before them.
    dora_shm_frames frames{};
};

namespace detail {

/// What readers of frames and of messages have in common.
class AnyReader {
public:
    /// DORA_SHM_OK: there is something to read; DORA_SHM_TIMED_OUT, DORA_SHM_WRITER_DEAD or DORA_SHM_INTERRUPTED.
    dora_shm_result wait(double timeout_seconds) { return check(dora_shm_reader_wait(get(), timeout_seconds)); }
    /// Ends the wait of another thread.
    void interrupt() const { check(dora_shm_reader_interrupt(get())); }
    /// The format of the ring that is read, if there is one.
    std::optional<dora_shm_format> format() const {
        dora_shm_format format{};
        if (check(dora_shm_reader_format(get(), &format)) != DORA_SHM_OK)
            return std::nullopt;
        return format;
    }
    /// The description that is held, if there is one.
    std::optional<Description> description() const {
        dora_shm_description *found = nullptr;
        if (check(dora_shm_reader_description(get(), &found)) != DORA_SHM_OK)
            return std::nullopt;
        return Description(found);
    }
    /// The oldest event that was not returned yet, if there is one. Call it after each call that reads, views, skips or waits.
    std::optional<dora_shm_event> next_event() {
        dora_shm_event event{};
        if (check(dora_shm_reader_next_event(get(), &event)) != DORA_SHM_OK)
            return std::nullopt;
        return event;
    }
    /// Skips everything written so far, without counting it as lost. Returns as dora_shm_reader_skip_to_newest().
    dora_shm_result skip_to_newest() { return check(dora_shm_reader_skip_to_newest(get())); }
    /// Where the reader is and what it has lost.
    dora_shm_cursor cursor() const {
        dora_shm_cursor cursor{};
        check(dora_shm_reader_cursor(get(), &cursor));
        return cursor;
    }
    dora_shm_state state() const {
        dora_shm_state state{};
        check(dora_shm_reader_state(get(), &state));
        return state;
    }
    dora_shm_info info() const {
        dora_shm_info info{};
        check(dora_shm_reader_info(get(), &info));
        return info;
    }
    /// What is known of the stream if ezmsg itself wrote it. Its strings are valid until the next call.
    std::optional<dora_shm_ezmsg> ezmsg() {
        dora_shm_ezmsg ezmsg{};
        if (check(dora_shm_reader_ezmsg(get(), &ezmsg)) != DORA_SHM_OK)
            return std::nullopt;
        return ezmsg;
    }

    dora_shm_reader *get() const noexcept { return handle_.get(); }

protected:
    AnyReader() noexcept = default;
    Handle<dora_shm_reader, dora_shm_reader_close> handle_;
};

} // namespace detail

/// A cursor over the frames of a stream.
class Reader : public detail::AnyReader {
public:
    /// The stream need not exist yet.
    explicit Reader(const std::string &name, const dora_shm_reader_options &options = DORA_SHM_READER_OPTIONS_INIT) {
        check(dora_shm_reader_open(name.c_str(), &options, handle_.out()));
    }

    /// Copies new frames to the memory of `into`.
    dora_shm_result read(const dora_shm_buffers &into, dora_shm_frames &frames) {
        return check(dora_shm_reader_read(get(), &into, &frames));
    }
    /// Copies new frames, at most `max_frames`. Throws DORA_SHM_ERROR_BAD_ARGUMENT if the samples are not of type T.
    template <class T>
    dora_shm_result read(Chunk<T> &into, std::uint64_t max_frames = UINT64_MAX) {
        return fill(into, std::min(max_frames, std::max<std::uint64_t>(cursor().lag_frames, 1)),
                    [&](const dora_shm_buffers &buffers) { return dora_shm_reader_read(get(), &buffers, &into.frames); });
    }
    /// Follows the stream to its newest frame, then copies the newest frames to the memory of `into`: for displays.
    dora_shm_result newest(const dora_shm_buffers &into, dora_shm_frames &frames) {
        return check(dora_shm_reader_newest(get(), &into, &frames));
    }
    /// Follows the stream to its newest frame, then copies the newest `frames` frames: for displays. Throws
    /// DORA_SHM_ERROR_BAD_ARGUMENT if the samples are not of type T.
    template <class T> dora_shm_result newest(Chunk<T> &into, std::uint64_t frames) {
        // The format is known only once the stream has been followed.
        dora_shm_buffers nowhere{};
        nowhere.max_frames = 1;
        into.frames = dora_shm_frames{};
        const dora_shm_result result = newest(nowhere, into.frames);
        if (result != DORA_SHM_OK) {
            into = Chunk<T>{};
            return result;
        }
        if (const std::optional<dora_shm_format> format = this->format())
            expect<T>(*format);
        return latest(into, frames);
    }
    /// Copies the newest frames of the generation that is read to the memory of `into`. The cursor does not move.
    dora_shm_result latest(const dora_shm_buffers &into, dora_shm_frames &frames) {
        return check(dora_shm_reader_latest(get(), &into, &frames));
    }
    /// Copies the newest `frames` frames of the generation that is read. The cursor does not move. Throws
    /// DORA_SHM_ERROR_BAD_ARGUMENT if the samples are not of type T.
    template <class T> dora_shm_result latest(Chunk<T> &into, std::uint64_t frames) {
        return fill(into, frames, [&](const dora_shm_buffers &buffers) {
            return dora_shm_reader_latest(get(), &buffers, &into.frames);
        });
    }
    /// Copies the frames of the last `seconds` to the memory of `into`. The cursor does not move.
    dora_shm_result latest_seconds(double seconds, const dora_shm_buffers &into, dora_shm_frames &frames) {
        return check(dora_shm_reader_latest_seconds(get(), seconds, &into, &frames));
    }
    /// Copies the frames of the last `seconds`. The cursor does not move. Throws DORA_SHM_ERROR_BAD_ARGUMENT if the samples
    /// are not of type T.
    template <class T> dora_shm_result latest_seconds(Chunk<T> &into, double seconds) {
        return fill(into, UINT64_MAX, [&](const dora_shm_buffers &buffers) {
            return dora_shm_reader_latest_seconds(get(), seconds, &buffers, &into.frames);
        });
    }
    /// Copies the frames from position `first` on to the memory of `into`. The cursor does not move.
    dora_shm_result read_at(std::uint64_t first, const dora_shm_buffers &into, dora_shm_frames &frames) {
        return check(dora_shm_reader_read_at(get(), first, &into, &frames));
    }
    /// Copies `frames` frames from position `first` on, as far as the ring holds them. The cursor does not move. Throws
    /// DORA_SHM_ERROR_BAD_ARGUMENT if the samples are not of type T.
    template <class T> dora_shm_result read_at(Chunk<T> &into, std::uint64_t first, std::uint64_t frames) {
        return fill(into, frames, [&](const dora_shm_buffers &buffers) {
            return dora_shm_reader_read_at(get(), first, &buffers, &into.frames);
        });
    }
    /// The messages that contain the frames `first` to `first` + `frames` - 1, and the empty messages directly before each
    /// of these frames, without samples and times.
    std::vector<dora_shm_message> messages(std::uint64_t first, std::uint64_t frames) const {
        std::vector<dora_shm_message> found;
        std::size_t count = 0;
        check(dora_shm_reader_messages(get(), first, frames, nullptr, 0, &count));
        // More may come in between, behind those that were counted.
        found.resize(count);
        check(dora_shm_reader_messages(get(), first, frames, found.data(), found.size(), &count));
        found.resize(std::min(count, found.size()));
        return found;
    }
    /// The messages of frames that were read.
    std::vector<dora_shm_message> messages(const dora_shm_frames &frames) const {
        return messages(frames.first, frames.frames);
    }
    /// Positions of the frames that the ring holds: the first, and how many.
    std::pair<std::uint64_t, std::uint64_t> held() const {
        std::pair<std::uint64_t, std::uint64_t> held{};
        check(dora_shm_reader_held(get(), &held.first, &held.second));
        return held;
    }
    /// Position of the first frame that the ring holds whose time is `time` or later.
    std::uint64_t position_at(double time) const {
        std::uint64_t position = 0;
        check(dora_shm_reader_position_at(get(), time, &position));
        return position;
    }
    /// Passes over new frames.
    dora_shm_result skip(dora_shm_frames &frames, std::uint64_t max_frames = UINT64_MAX) {
        return check(dora_shm_reader_skip(get(), max_frames, &frames));
    }

    /// Lends new frames in place. Do not act on anything in them before finish() has reported that they are whole.
    dora_shm_result view(View &view, std::uint64_t max_frames = UINT64_MAX) {
        view.forget();
        return check(dora_shm_reader_view(get(), max_frames, view.handle_.out(), &view.parts_));
    }
    /// Ends a view: DORA_SHM_OK if all its frames are whole, otherwise DORA_SHM_LAPPED. `frames` has those that are
    /// whole.
    dora_shm_result finish(View &view, dora_shm_frames &frames) {
        view.forget();
        return check(dora_shm_reader_finish(get(), view.handle_.in_out(), &frames));
    }

private:
    template <class T> static void expect(const dora_shm_format &format) {
        if (format.dtype != dtype_of<T>())
            throw Error(DORA_SHM_ERROR_BAD_ARGUMENT, std::string("the samples are ") + dora_shm_dtype_name(format.dtype) +
                                                         ", not " + dora_shm_dtype_name(dtype_of<T>()));
    }

    /// The frames have a type other than T: an error if there are any. A new generation or the end is reported first.
    template <class T> dora_shm_result refuse(Chunk<T> &into, const dora_shm_format &format) {
        into = Chunk<T>{};
        View probe;
        const dora_shm_result result = view(probe, 1);
        if (result != DORA_SHM_OK)
            return result;
        expect<T>(format);
        return result;
    }

    template <class T, class Copy> dora_shm_result fill(Chunk<T> &into, std::uint64_t max_frames, Copy copy) {
        const std::optional<dora_shm_format> format = this->format();
        std::size_t frame_samples = 1;
        std::uint64_t room = 1;
        if (format) {
            if (format->dtype != dtype_of<T>())
                return refuse(into, *format);
            frame_samples = static_cast<std::size_t>(format->frame_bytes / sizeof(T));
            room = std::min(max_frames, format->ring_frames);
        }
        // The library refuses a call for 0 frames.
        const std::size_t frames = static_cast<std::size_t>(room);
        into.samples.resize(frames * frame_samples);
        into.times.resize(frames);
        dora_shm_buffers buffers{};
        buffers.samples = into.samples.data();
        buffers.samples_size = into.samples.size() * sizeof(T);
        buffers.times = into.times.data();
        buffers.max_frames = max_frames == 0 ? 0 : room;
        into.frames = dora_shm_frames{};
        const dora_shm_result result = copy(buffers);
        into.samples.resize(static_cast<std::size_t>(into.frames.frames) * frame_samples);
        into.times.resize(static_cast<std::size_t>(into.frames.frames));
        return check(result);
    }
};

/// A message in its reader's memory, valid until the reader returns the next one.
class Message {
public:
    /// Its position, when it was sent, and how many frames were lost before it.
    const dora_shm_message &info() const noexcept { return message_; }
    /// The samples in C order, frame after frame. T must be the type of the reader's format.
    template <class T> Span<const T> samples() const noexcept {
        return {static_cast<const T *>(message_.samples), message_.samples_size / sizeof(T)};
    }
    /// One value per frame on the buffered axis.
    Span<const double> times() const noexcept { return {message_.times, static_cast<std::size_t>(message_.frames)}; }

private:
    friend class MessageReader;
    dora_shm_message message_{};
};

/// A cursor over the messages of a stream. Each is returned as it was written, or all its frames are counted as lost.
class MessageReader : public detail::AnyReader {
public:
    /// The stream need not exist yet.
    explicit MessageReader(const std::string &name,
                           const dora_shm_reader_options &options = DORA_SHM_READER_OPTIONS_INIT) {
        check(dora_shm_reader_open_messages(name.c_str(), &options, handle_.out()));
    }

    /// Copies the next message. Unless DORA_SHM_OK is returned there is none, and `message` is empty.
    dora_shm_result next(Message &message) {
        message.message_ = dora_shm_message{};
        return check(dora_shm_reader_next_message(get(), &message.message_));
    }
};

/// A file descriptor that becomes readable when a stream has something for a reader. Each time it is readable: call
/// clear() first, then read until there is nothing left.
class Notifier {
public:
    explicit Notifier(const std::string &name, const dora_shm_reader_options &options = DORA_SHM_READER_OPTIONS_INIT) {
        check(dora_shm_notifier_open(name.c_str(), &options, handle_.out()));
    }
    /// The descriptor to wait on; the notifier closes it.
    int descriptor() const {
        std::int32_t descriptor = -1;
        check(dora_shm_notifier_descriptor(get(), &descriptor));
        return descriptor;
    }
    void clear() const { check(dora_shm_notifier_clear(get())); }
    /// For a reader that left something unread.
    void set() const { check(dora_shm_notifier_set(get())); }

    dora_shm_notifier *get() const noexcept { return handle_.get(); }

private:
    detail::Handle<dora_shm_notifier, dora_shm_notifier_close> handle_;
};

/// The one writer of a stream.
class Writer {
public:
    explicit Writer(const std::string &name, const dora_shm_writer_options &options = DORA_SHM_WRITER_OPTIONS_INIT) {
        check(dora_shm_writer_create(name.c_str(), &options, handle_.out()));
    }

    /// Begins a new ring, without a description.
    void begin(const dora_shm_format &format, std::uint64_t chunk_frames = 1) {
        check(dora_shm_writer_begin(get(), &format, nullptr, chunk_frames));
    }
    /// Begins a new ring.
    void begin(const dora_shm_format &format, const Description &description, std::uint64_t chunk_frames = 1) {
        check(dora_shm_writer_begin(get(), &format, description.get(), chunk_frames));
    }
    void describe(const Description &description) { check(dora_shm_writer_describe(get(), description.get())); }
    /// Writes one message of evenly spaced frames; `send_ns` 0 is now.
    template <class T> void write(Span<const T> samples, double start, double step, std::int64_t send_ns = 0) {
        check(dora_shm_writer_write(get(), samples.data(), samples.size() * sizeof(T), start, step, send_ns));
    }
    /// Writes one message of frames with one time each; `send_ns` 0 is now.
    template <class T> void write(Span<const T> samples, Span<const double> times, std::int64_t send_ns = 0) {
        check(dora_shm_writer_write_times(get(), samples.data(), samples.size() * sizeof(T), times.data(), times.size(),
                                          send_ns));
    }
    template <class T>
    void write(const std::vector<T> &samples, double start, double step, std::int64_t send_ns = 0) {
        write(Span<const T>(samples), start, step, send_ns);
    }
    template <class T>
    void write(const std::vector<T> &samples, const std::vector<double> &times, std::int64_t send_ns = 0) {
        write(Span<const T>(samples), Span<const double>(times), send_ns);
    }
    /// Writes one message of frames that get their times now; see dora_shm_writer_write_now(). `send_ns` 0 is now.
    template <class T> void write_now(Span<const T> samples, std::int64_t send_ns = 0) {
        check(dora_shm_writer_write_now(get(), samples.data(), samples.size() * sizeof(T), send_ns));
    }
    template <class T> void write_now(const std::vector<T> &samples, std::int64_t send_ns = 0) {
        write_now(Span<const T>(samples), send_ns);
    }
    void maintain() { check(dora_shm_writer_maintain(get())); }
    /// Progress of the writer.
    dora_shm_progress progress() const {
        dora_shm_progress progress{};
        check(dora_shm_writer_progress(get(), &progress));
        return progress;
    }
    /// Warnings that a user should see and that no call could report. Each warning is returned once.
    std::vector<std::string> warnings() {
        std::vector<std::string> warnings;
        const char *text = nullptr;
        while (check(dora_shm_writer_next_warning(get(), &text)) == DORA_SHM_OK)
            warnings.emplace_back(text);
        return warnings;
    }
    /// Closes the stream, as the destructor does.
    void close() { check(dora_shm_writer_close(handle_.in_out())); }

    dora_shm_writer *get() const noexcept { return handle_.get(); }

private:
    detail::Handle<dora_shm_writer, dora_shm_writer_close> handle_;
};

/// Times of the generation that `info` is about, on another clock: DORA_SHM_CLOCK_UNIX or DORA_SHM_CLOCK_MONOTONIC. See
/// dora_shm_times_on().
inline std::vector<double> times_on(const dora_shm_info &info, dora_shm_clock clock, std::vector<double> times) {
    check(dora_shm_times_on(&info, clock, times.data(), times.size()));
    return times;
}

/// A stream that was found on the machine; see dora_shm_stream.
struct Stream {
    dora_shm_stream_kind kind;
    std::string segment;
    std::string text;
    std::uint32_t owner;
    std::uint32_t struct_version;
    /// Only for DORA_SHM_STREAM_OURS.
    std::optional<dora_shm_info> info;
};

/// All streams of the machine.
inline std::vector<Stream> streams() {
    detail::Handle<dora_shm_streams, dora_shm_streams_close> list;
    check(dora_shm_streams_list(list.out()));
    std::size_t count = 0;
    check(dora_shm_streams_count(list.get(), &count));
    std::vector<Stream> streams;
    for (std::size_t i = 0; i < count; i++) {
        dora_shm_stream found{};
        dora_shm_info info{};
        check(dora_shm_streams_get(list.get(), i, &found));
        const bool has_info = check(dora_shm_streams_info(list.get(), i, &info)) == DORA_SHM_OK;
        streams.push_back({found.kind, found.segment, found.text, found.owner, found.struct_version,
                           has_info ? std::optional<dora_shm_info>(info) : std::nullopt});
    }
    return streams;
}

} // namespace dora_shm

#endif
