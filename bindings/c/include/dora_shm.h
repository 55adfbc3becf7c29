/*
 * dora-shm for C: live arrays in shared memory. A stream has one writer and any number of readers; its name connects them.
 *
 * Generated from the sources in bindings/c/src. README.md beside them shows a program; SPEC.md defines the bytes in memory.
 *
 * Words
 *   A stream is a sequence of frames of one type and shape. Each frame has a value on the buffered axis (usually its time,
 *   in seconds). The newest frames are kept in a ring. A change of type, shape, rate or length begins the next generation,
 *   in a new ring. A position counts the frames since the generation began. The writer laps a reader that is too slow for
 *   the length of the ring: the reader loses frames, and their number is reported.
 *
 * Conventions
 *   - Every function that can fail returns a dora_shm_result: 0 is success, positive values are ordinary outcomes, negative
 *     values are errors. After an error, dora_shm_last_error_message() returns a sentence about it. An error leaves
 *     everything as it was unless its documentation states otherwise.
 *   - Parameters named 'out' point to memory that receives a value. They must not be NULL. An error leaves that memory
 *     untouched.
 *   - Arguments that are NULL, misaligned or out of range cause an error, never a crash. The caller guarantees what cannot
 *     be checked: that memory is as large as stated, and that a handle is valid.
 *   - Handles (dora_shm_reader, dora_shm_writer, ...) belong to the caller. Each is closed once, in any order, by a function
 *     that takes the address of the caller's pointer and sets it to NULL. Closing NULL does nothing.
 *   - Strings that are passed in are UTF-8, end in a NUL, and are copied. Strings that are returned are UTF-8, end in a NUL,
 *     and belong to the library or to a handle, as documented; never free them. A NUL inside a string of a stream is
 *     returned as U+FFFD.
 *   - Threads: calls with the same handle must not overlap, unless documented as 'any thread'; an overlapping call returns
 *     DORA_SHM_ERROR_BUSY. 'Any thread' means any number of threads at once. Different handles are independent.
 *   - A function blocks only if documented. No function takes longer because another process is slow, stopped or dead.
 *   - After fork(), a child may continue to use readers, but not writers, which return an error. In signal handlers, call
 *     only dora_shm_reader_interrupt().
 *   - Initialise options with their macro: dora_shm_reader_options options = DORA_SHM_READER_OPTIONS_INIT. Zero formats and
 *     buffers before you set members (= {0}). What is left as it is has the default that its comment states.
 *   - A value that does not exist is DORA_SHM_NONE for generations and user ids, NaN for coordinates, NULL for strings, and 0
 *     where 0 has no other meaning. A bool is true or false.
 *   - Durations are seconds, unless their names end in _ns. Sizes are bytes. Samples are in C order.
 */

#ifndef DORA_SHM_H
#define DORA_SHM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Version of this header.
#define DORA_SHM_VERSION "0.1.0"
/// First number of the version.
#define DORA_SHM_VERSION_MAJOR 0
/// Second number of the version.
#define DORA_SHM_VERSION_MINOR 1
/// Third number of the version.
#define DORA_SHM_VERSION_PATCH 0
/// Most dimensions of a frame.
#define DORA_SHM_MAX_RANK 8
/// Bytes of the longest stream name and its NUL.
#define DORA_SHM_NAME_SIZE 1025
/// Bytes of a segment name and its NUL.
#define DORA_SHM_SEGMENT_SIZE 24
/// No generation, or no user id.
#define DORA_SHM_NONE UINT32_MAX
/// Initialises dora_shm_reader_options with the defaults.
#define DORA_SHM_READER_OPTIONS_INIT {sizeof(dora_shm_reader_options), DORA_SHM_START_NEWEST, DORA_SHM_NONE, 0, 0, 0, 0, 0, false}
/// Initialises dora_shm_writer_options with the defaults.
#define DORA_SHM_WRITER_OPTIONS_INIT {sizeof(dora_shm_writer_options), 0, 0, false}

/// Whether a result is an error.
#define DORA_SHM_IS_ERROR(result) ((result) < 0)

/// Result of a function: 0 is success, positive values are ordinary outcomes, negative values are errors. After an
/// error, dora_shm_last_error_message() returns a sentence about it.
typedef enum {
    /// Success.
    DORA_SHM_OK = 0,
    /// There is nothing (new): no frames, no ring, no description, no event, no warning.
    DORA_SHM_NOTHING = 1,
    /// The reader moved on to a new ring, whose format and description apply from now on. Read again.
    DORA_SHM_NEW_GENERATION = 2,
    /// The stream was closed, and all its frames were read or counted as lost. Returned once; later calls follow the
    /// next writer of that name.
    DORA_SHM_CLOSED = 3,
    /// The time is over, and there is nothing to read.
    DORA_SHM_TIMED_OUT = 4,
    /// dora_shm_reader_interrupt() was called.
    DORA_SHM_INTERRUPTED = 5,
    /// There is nothing to read, and the writer has died without closing the stream. This ends a wait early when it
    /// happens. Later waits return it when their time is over, until a writer takes the stream over.
    DORA_SHM_WRITER_DEAD = 6,
    /// The writer overwrote the first frames of a view, or all of them, before the view was finished.
    DORA_SHM_LAPPED = 7,
    /// A pointer that must not be NULL is NULL.
    DORA_SHM_ERROR_NULL = -1,
    /// An argument has a value that is not allowed or does not fit the stream.
    DORA_SHM_ERROR_BAD_ARGUMENT = -2,
    /// A string is not UTF-8.
    DORA_SHM_ERROR_NOT_UTF8 = -3,
    /// The caller's memory is too small.
    DORA_SHM_ERROR_BUFFER_TOO_SMALL = -4,
    /// Another thread is in a call with the same handle.
    DORA_SHM_ERROR_BUSY = -5,
    /// The stream's name cannot be used.
    DORA_SHM_ERROR_BAD_NAME = -6,
    /// There is no element type of that name or number.
    DORA_SHM_ERROR_UNKNOWN_DTYPE = -7,
    /// No ring can have this format.
    DORA_SHM_ERROR_BAD_FORMAT = -8,
    /// Another live process writes this stream.
    DORA_SHM_ERROR_LIVE = -9,
    /// No process writes the stream, but another process holds a lock on it that only writers need.
    DORA_SHM_ERROR_OBSTRUCTED = -10,
    /// Something else has the stream's name in shared memory.
    DORA_SHM_ERROR_NAME_TAKEN = -11,
    /// The stream belongs to another user, who was not named in the options.
    DORA_SHM_ERROR_WRONG_OWNER = -12,
    /// The stream's mode does not let this user read it.
    DORA_SHM_ERROR_PERMISSION = -13,
    /// The stream was written with a version of the protocol that this library cannot read.
    DORA_SHM_ERROR_VERSION = -14,
    /// The stream was written by a version of ezmsg that this library cannot read.
    DORA_SHM_ERROR_EZMSG = -15,
    /// Bytes in shared memory contradict the protocol. The reader has detached and attaches again on its next call.
    DORA_SHM_ERROR_CORRUPT = -16,
    /// A ring is larger than the options allow.
    DORA_SHM_ERROR_TOO_LARGE = -17,
    /// Shared memory has no room for the ring.
    DORA_SHM_ERROR_NO_SPACE = -18,
    /// The writer has no ring yet: call dora_shm_writer_begin() first.
    DORA_SHM_ERROR_NO_GENERATION = -19,
    /// A forked child cannot use this handle of its parent.
    DORA_SHM_ERROR_FORKED = -20,
    /// A system call failed.
    DORA_SHM_ERROR_IO = -21,
    /// An error that has no other code.
    DORA_SHM_ERROR_OTHER = -22,
    /// A defect of this library. Close the handle of the call, and do not use it again.
    DORA_SHM_ERROR_INTERNAL = -23,
    /// ezmsg wrote the stream, and its frames have a type or shape that this library has no format for.
    DORA_SHM_ERROR_UNSUPPORTED = -24,
} dora_shm_result;

/// State of a stream.
typedef enum {
    /// There is no stream of that name.
    DORA_SHM_STATE_ABSENT = 0,
    /// ezmsg itself wrote it. Whether its writer lives cannot be known.
    DORA_SHM_STATE_EZMSG = 1,
    /// Its writer lives and has no ring yet.
    DORA_SHM_STATE_WAITING = 2,
    /// Its writer lives.
    DORA_SHM_STATE_LIVE = 3,
    /// Its writer lives, but has written nothing for a while. A stopped process (SIGSTOP) is idle, too.
    DORA_SHM_STATE_IDLE = 4,
    /// Its writer died without closing it. Frames that are left can be read; the next writer takes the stream over.
    DORA_SHM_STATE_DEAD = 5,
    /// Its writer closed it.
    DORA_SHM_STATE_CLOSED = 6,
} dora_shm_state;

/// What happened.
typedef enum {
    /// The reader came to a new ring: the type, shape, rate, length or key changed, or the stream appeared.
    DORA_SHM_EVENT_NEW_GENERATION = 0,
    /// Labels, units or attributes changed, and nothing else.
    DORA_SHM_EVENT_NEW_DESCRIPTION = 1,
    /// Another writer has the stream: it took over from a dead one, or created the stream again after it was closed.
    DORA_SHM_EVENT_WRITER_RESTARTED = 2,
    /// The writer closed the stream.
    DORA_SHM_EVENT_WRITER_CLOSED = 3,
    /// The writer died without closing the stream.
    DORA_SHM_EVENT_WRITER_DIED = 4,
} dora_shm_event_kind;

/// How the coordinates along a dimension are given.
typedef enum {
    /// They are not given.
    DORA_SHM_AXIS_NONE = 0,
    /// Evenly spaced: `offset` + `gain` * index.
    DORA_SHM_AXIS_LINEAR = 1,
    /// One label or coordinate per index.
    DORA_SHM_AXIS_COORD = 2,
} dora_shm_axis_kind;

/// What was found.
typedef enum {
    /// A stream of this process's user or of root; dora_shm_streams_info() has the details.
    DORA_SHM_STREAM_OURS = 0,
    /// Another user's stream. To open it, set `owner` in the reader's options.
    DORA_SHM_STREAM_OTHER_USER = 1,
    /// A stream of this user or of root that cannot be read; `text` has the reason.
    DORA_SHM_STREAM_UNREADABLE = 2,
    /// A stream that ezmsg itself wrote. Its name is unknown; `text` is its key.
    DORA_SHM_STREAM_EZMSG = 3,
} dora_shm_stream_kind;

/// Type of a sample, in the machine's byte order (little-endian).
typedef enum {
    /// There is no ring.
    DORA_SHM_DTYPE_NONE = 0,
    /// One byte, 0 or 1. A hostile writer may store other values.
    DORA_SHM_BOOL = 1,
    /// int8_t
    DORA_SHM_INT8 = 2,
    /// uint8_t
    DORA_SHM_UINT8 = 3,
    /// int16_t
    DORA_SHM_INT16 = 4,
    /// uint16_t
    DORA_SHM_UINT16 = 5,
    /// int32_t
    DORA_SHM_INT32 = 6,
    /// uint32_t
    DORA_SHM_UINT32 = 7,
    /// int64_t
    DORA_SHM_INT64 = 8,
    /// uint64_t
    DORA_SHM_UINT64 = 9,
    /// IEEE 754 binary16, two bytes
    DORA_SHM_FLOAT16 = 10,
    /// float
    DORA_SHM_FLOAT32 = 11,
    /// double
    DORA_SHM_FLOAT64 = 12,
} dora_shm_dtype;

/// Where a reader begins in a stream that exists already. A reader that was opened before the stream's first ring
/// always begins at its first frame.
typedef enum {
    /// With the next frame that is written.
    DORA_SHM_START_NEWEST = 0,
    /// With the oldest frame in the ring.
    DORA_SHM_START_OLDEST = 1,
    /// With the newest `last_frames` frames in the ring.
    DORA_SHM_START_LAST = 2,
    /// With the frames of the newest `last_seconds`, as dora_shm_reader_latest_seconds() counts them. Not for readers of
    /// messages.
    DORA_SHM_START_LAST_SECONDS = 3,
} dora_shm_start;

/// What the times of a generation are of.
typedef enum {
    /// The source's own: simulation time, a device's counter, an axis that is not time.
    DORA_SHM_CLOCK_SOURCE = 0,
    /// Seconds since 1970, UTC.
    DORA_SHM_CLOCK_UNIX = 1,
    /// Seconds of CLOCK_MONOTONIC of the writer's machine.
    DORA_SHM_CLOCK_MONOTONIC = 2,
} dora_shm_clock;

/// What the frames of a stream mean: names of dimensions, axes with units and labels, attributes.
/// dora_shm_reader_description() returns one; dora_shm_description_create() makes a new one, to be filled and passed to
/// a writer.
///
/// Strings that it returns belong to it. They are valid until it is changed or closed.
typedef struct dora_shm_description dora_shm_description;

/// A file descriptor that becomes readable when a stream has something for a reader, for loops that wait on many
/// descriptors: poll, epoll, Qt's QSocketNotifier, GLib. In a forked child it does nothing.
typedef struct dora_shm_notifier dora_shm_notifier;

/// A cursor over the frames of a stream, or over its messages. It maps the stream read-only: it cannot slow, block or
/// damage the stream.
typedef struct dora_shm_reader dora_shm_reader;

/// The streams of the machine, as they were when they were listed.
typedef struct dora_shm_streams dora_shm_streams;

/// Frames of a ring that are lent in place. A view keeps their memory mapped, even after its reader was closed.
typedef struct dora_shm_view dora_shm_view;

/// The one writer of a stream.
typedef struct dora_shm_writer dora_shm_writer;

/// Format of the frames of a generation. Zero it, then set members.
typedef struct {
    /// Type of a sample: one of dora_shm_dtype.
    uint32_t dtype;
    /// Number of dimensions of a frame, 0 to DORA_SHM_MAX_RANK. 0: a frame is one sample.
    uint32_t rank;
    /// Shape of a frame, outermost dimension first, each at least 1. Entries from `rank` on are 0.
    uint64_t shape[DORA_SHM_MAX_RANK];
    /// Frames per second along the buffered axis; 0: irregular or unknown.
    double rate_hz;
    /// Frames that the ring holds, at least 1. A new ring may have up to 7 more than requested.
    uint64_t ring_frames;
    /// Bytes of one frame. Set by the library and ignored when the caller passes a format.
    uint64_t frame_bytes;
    /// What the times are of: one of dora_shm_clock. 0: the source's own; see also dora_shm_writer_begin().
    uint32_t clock;
} dora_shm_format;

/// What is known of a stream.
typedef struct {
    /// Name of the stream, UTF-8.
    char name[DORA_SHM_NAME_SIZE];
    /// Name of its header segment in /dev/shm.
    char segment[DORA_SHM_SEGMENT_SIZE];
    /// State of the stream.
    dora_shm_state state;
    /// User id of its writer. DORA_SHM_NONE: there is no stream.
    uint32_t owner;
    /// Process id of the writer as it states it, in its own PID namespace: a hint. 0: unknown.
    uint32_t writer_pid;
    /// 1 for the stream's first writer, one more for each that took over from a dead one; 0: there is no stream.
    uint32_t epoch;
    /// The generation that is read. DORA_SHM_NONE: there has been none yet.
    uint32_t generation;
    /// Identity of the stream. It differs each time the stream is created again. 0: there is no stream.
    uint64_t stream_id;
    /// When the stream was created, Unix nanoseconds; 0: there is none.
    int64_t created_ns;
    /// Bytes of shared memory that the ring takes; 0: there is none.
    uint64_t ring_bytes;
    /// Frames committed in this generation.
    uint64_t position;
    /// Frames committed in all generations of the stream.
    uint64_t stream_position;
    /// Messages committed in this generation.
    uint64_t chunks;
    /// Frames per second as measured, also for irregular streams; 0: unknown.
    double measured_rate_hz;
    /// Format of the ring that is read; its dtype is DORA_SHM_DTYPE_NONE if there is none.
    dora_shm_format format;
    /// Which CLOCK_MONOTONIC `clock_created_mono_ns` and the `mono_ns` of messages are of. All bytes 0: unknown.
    uint8_t clock_id[16];
    /// When the generation was created, Unix nanoseconds; 0: there is none. Together with `clock_created_mono_ns` it
    /// converts times: Unix - CLOCK_MONOTONIC = `clock_created_ns` - `clock_created_mono_ns`.
    int64_t clock_created_ns;
    /// The same moment on CLOCK_MONOTONIC, in nanoseconds.
    uint64_t clock_created_mono_ns;
    /// Messages that the current or last writer was given and did not write, since it began. 0 unless `has_counts`.
    uint64_t refused;
    /// Messages that the queue of the writer's input dropped, as far as it knows. 0 unless `has_counts`.
    uint64_t dropped;
    /// Messages that are missing by the source's own sequence. 0 unless `has_counts`.
    uint64_t gaps;
    /// Whether the writer counts what it does not write.
    bool has_counts;
} dora_shm_info;

/// How a stream is read. Initialise it with DORA_SHM_READER_OPTIONS_INIT, then set members.
typedef struct {
    /// Bytes of this struct, as the initialiser sets it.
    size_t size;
    /// One of dora_shm_start.
    uint32_t start;
    /// Read the stream of this user id. DORA_SHM_NONE: only streams of this process's user or of root.
    uint32_t owner;
    /// With DORA_SHM_START_LAST: how many frames (how many messages, if the reader is opened for messages). Otherwise
    /// ignored.
    uint64_t last_frames;
    /// With DORA_SHM_START_LAST_SECONDS: how many seconds. Otherwise ignored.
    double last_seconds;
    /// Largest ring to map, in bytes. 0: no limit.
    uint64_t max_ring_bytes;
    /// A live stream without a new message for this many seconds is idle. 0: one second.
    double idle_after_seconds;
    /// For steady streams: instead of sleeping, poll from this many seconds before the next message is due until as
    /// many seconds after. The message is seen within a microsecond instead of after the 10 to 50 us that the system
    /// takes to wake a thread. It costs that much of a core's time for each message, and needs a core that is otherwise
    /// idle. Useful values are 100e-6 to 300e-6. 0: always sleep.
    double spin_seconds;
    /// Whether frames that are returned together always share one description, which is then the one that is held. If
    /// false, the description that is held is that of the ring's newest frame. A message has one description in any
    /// case.
    bool each_description;
} dora_shm_reader_options;

/// Where a reader is.
typedef struct {
    /// The generation that is read. DORA_SHM_NONE: there has been none yet.
    uint32_t generation;
    /// Which of the stream's writers created the ring: 1 for the first, one more for each that took over from a dead
    /// one; 0 before the first ring.
    uint32_t epoch;
    /// Identity of the stream that the ring belongs to. It differs each time the stream is created again. 0 before the
    /// first ring.
    uint64_t stream_id;
    /// Position of the next frame that will be read.
    uint64_t position;
    /// All frames lost since the reader was opened: exact.
    uint64_t lost;
    /// Frames that are committed and not read.
    uint64_t lag_frames;
    /// Time since the oldest of them was committed, in nanoseconds.
    uint64_t lag_ns;
    /// Whether the description in force was gone before it could be read. If so, the description that is held is a
    /// different one of the same generation, or there is none.
    bool description_missed;
} dora_shm_cursor;

/// Something that happened to a stream, in order with its frames.
typedef struct {
    /// What happened.
    dora_shm_event_kind kind;
    /// The generation that was read then. DORA_SHM_NONE: there was no ring.
    uint32_t generation;
    /// Position of the first frame after the event, in that generation.
    uint64_t position;
} dora_shm_event;

/// What is known of a stream that ezmsg itself wrote, besides what is known of any stream.
typedef struct {
    /// 1: ezmsg-tools 0.6, whose frames have no times. 2: ezmsg-tools 0.10.
    uint32_t struct_version;
    /// The signal's key in the header, UTF-8; NULL: it cannot be read. Owner: the reader.
    const char *key;
    /// Why the description cannot be read, UTF-8; NULL: it was read, or there is none. Owner: the reader.
    const char *refused;
    /// Parts of the description that this library has no equivalent for, UTF-8, one per line; may be empty, never NULL.
    /// Owner: the reader.
    const char *left_out;
} dora_shm_ezmsg;

/// A message: frames with the positions `first` to `first` + `frames` - 1 of a generation, written together. From
/// dora_shm_reader_messages(), it has neither samples nor times.
typedef struct {
    /// Samples in C order, frame after frame, aligned to 64 bytes. Owner: the reader. Valid until the next
    /// dora_shm_reader_next_message() with it, or until it is closed. Do not dereference it if the message is empty.
    const void *samples;
    /// Bytes of `samples`.
    size_t samples_size;
    /// One value per frame on the buffered axis: seconds for a time axis. Owner and validity as for `samples`.
    const double *times;
    /// Number of frames; 0 for an empty message.
    uint64_t frames;
    /// Position of the first frame in its generation; for an empty message, of the frame that follows it there.
    uint64_t first;
    /// Frames lost just before this message, since the message before it: exact.
    uint64_t lost;
    /// Number of the message in its generation, from 0.
    uint64_t chunk;
    /// Position of the first frame in the stream, over all generations.
    uint64_t stream_position;
    /// CLOCK_MONOTONIC when the message was written, in nanoseconds.
    uint64_t mono_ns;
    /// When the message was sent, Unix nanoseconds.
    int64_t send_ns;
    /// The generation of the message.
    uint32_t generation;
    /// Whether the time of its first frame does not follow that of the frame before it, of the same generation. With a
    /// rate: it is off by more than half a step and more than 1 us; without one: it is lower.
    bool discontinuity;
} dora_shm_message;

/// Where frames are copied to: the caller's memory. Zero it, then set what is wanted; what is NULL is not copied. The
/// pieces must not overlap.
///
/// At most `max_frames` frames are copied at once, and, if `samples` is not NULL, no more than it has room for.
/// `times`, `positions` and `send_ns` must have room for as many.
typedef struct {
    /// For samples in C order, frame after frame; any alignment. Bytes behind the last whole frame are left as they
    /// are.
    void *samples;
    /// Bytes of `samples`: room for at least one frame (dora_shm_format.frame_bytes).
    size_t samples_size;
    /// For one value per frame on the buffered axis: seconds for a time axis.
    double *times;
    /// For one position per frame: `first`, `first` + 1, ...
    uint64_t *positions;
    /// For one send time per frame, Unix nanoseconds: that of the message that brought it. 0: it is no longer known.
    /// Send times of messages of few frames may be forgotten before the frames themselves are overwritten.
    int64_t *send_ns;
    /// At least 1. UINT64_MAX: as many as `samples` has room for.
    uint64_t max_frames;
} dora_shm_buffers;

/// What was read: frames with the positions `first` to `first` + `frames` - 1 of a generation.
typedef struct {
    /// Position of the first frame in its generation.
    uint64_t first;
    /// Number of frames; 0 unless DORA_SHM_OK (or DORA_SHM_LAPPED) is returned.
    uint64_t frames;
    /// Frames lost just before the first one, since the previous read: exact.
    uint64_t lost;
    /// The generation that is read. DORA_SHM_NONE: there has been none yet.
    uint32_t generation;
} dora_shm_frames;

/// Frames that are contiguous in memory.
typedef struct {
    /// Samples in C order, frame after frame. Owner: the view. Valid until it is finished or closed.
    const void *samples;
    /// Bytes of `samples`.
    size_t samples_size;
    /// One value per frame on the buffered axis. Owner and validity as for `samples`.
    const double *times;
    /// Number of frames.
    uint64_t frames;
} dora_shm_part;

/// What a view lends: frames with the positions `first` to `first` + `frames` - 1.
typedef struct {
    /// Position of the first frame in its generation.
    uint64_t first;
    /// Number of frames, in both parts.
    uint64_t frames;
    /// The generation that is read. DORA_SHM_NONE: there has been none yet.
    uint32_t generation;
    /// Number of parts: 2 where the ring wraps, otherwise 1; 0 unless DORA_SHM_OK is returned.
    uint32_t count;
    /// The parts in order. Those that do not exist are all zero.
    dora_shm_part part[2];
} dora_shm_parts;

/// The coordinates along one dimension.
typedef struct {
    /// How they are given.
    dora_shm_axis_kind kind;
    /// Linear: coordinate of the first index. NaN: unknown, as for the buffered axis, whose coordinates are the frames'
    /// times.
    double offset;
    /// Linear: step from one index to the next.
    double gain;
    /// Coord: number of labels or coordinates; 0: they are not given, as for the buffered axis.
    size_t count;
    /// Unit of the coordinates, UTF-8, such as "s"; empty for labels, or if it is unknown. Never NULL. Owner: the
    /// description.
    const char *unit;
} dora_shm_axis;

/// How a stream is written. Initialise it with DORA_SHM_WRITER_OPTIONS_INIT, then set members.
typedef struct {
    /// Bytes of this struct, as the initialiser sets it.
    size_t size;
    /// Largest ring, in bytes of shared memory. 0: 1 GiB.
    uint64_t max_ring_bytes;
    /// Who may read: 0600 (this user), 0640 (the group, too) or 0644 (all users). 0: 0600. Only this user may write.
    uint32_t mode;
    /// Whether descriptions that are replaced stay readable for about a second, at most eight of them. Useful if
    /// descriptions change within a burst of frames.
    bool keep_replaced;
} dora_shm_writer_options;

/// Progress of a writer.
typedef struct {
    /// The current generation. DORA_SHM_NONE: there has been none yet.
    uint32_t generation;
    /// 1 for the stream's first writer, one more for each that took over from a dead one.
    uint32_t epoch;
    /// Identity of the stream. It differs each time the stream is created again.
    uint64_t stream_id;
    /// Frames written in the current generation.
    uint64_t position;
    /// Frames written in all generations of the stream, including those of a dead writer that was taken over.
    uint64_t stream_position;
    /// Frames that the current ring holds; 0 before the first.
    uint64_t ring_frames;
} dora_shm_progress;

/// One stream of a list.
typedef struct {
    /// What was found.
    dora_shm_stream_kind kind;
    /// For another user's stream, the user id. Otherwise DORA_SHM_NONE.
    uint32_t owner;
    /// For a stream that ezmsg wrote, its struct version, 1 or 2. Otherwise 0.
    uint32_t struct_version;
    /// Name of the header segment in /dev/shm. Owner: the list.
    const char *segment;
    /// The stream's name, or the text that its kind states; UTF-8, may be empty, never NULL. Owner: the list.
    const char *text;
} dora_shm_stream;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/// Version of the library that this program runs with, such as "0.1.0". The version that it was compiled with is
/// DORA_SHM_VERSION. Never NULL.
/// @note Owner: the library. Always valid. Any thread.
const char *dora_shm_version(void);

/// Message of the last error on this thread: what was expected, what was found, and what can be done. Empty before the
/// first error. Never NULL.
/// @note Owner: the library. Valid until the next error on this thread, or until the thread ends. Any thread.
const char *dora_shm_last_error_message(void);

/// Name of a result, such as "DORA_SHM_CLOSED"; "unknown" for any other number. Never NULL.
/// @note Owner: the library. Always valid. Any thread.
const char *dora_shm_result_name(int32_t result);

/// numpy's name of an element type, such as "float32"; "unknown" for any other number. Never NULL.
/// @note Owner: the library. Always valid. Any thread.
const char *dora_shm_dtype_name(uint32_t dtype);

/// Name of a clock, such as "unix"; "unknown" for any other number. Never NULL.
/// @note Owner: the library. Always valid. Any thread.
const char *dora_shm_clock_name(uint32_t clock);

/// Bytes of one sample.
///
/// @param dtype one of dora_shm_dtype
/// @param bytes out
/// @return DORA_SHM_OK; DORA_SHM_ERROR_UNKNOWN_DTYPE
/// @note Any thread.
dora_shm_result dora_shm_dtype_size(uint32_t dtype, size_t *bytes);

/// Element type of a numpy name, such as "float32".
///
/// @param name UTF-8
/// @param dtype out: one of dora_shm_dtype
/// @return DORA_SHM_OK; DORA_SHM_ERROR_UNKNOWN_DTYPE
/// @note Any thread.
dora_shm_result dora_shm_dtype_from_name(const char *name, uint32_t *dtype);

/// Name of a state, such as "live"; "unknown" for any other number. Never NULL.
/// @note Owner: the library. Always valid. Any thread.
const char *dora_shm_state_name(int32_t state);

/// Converts times of a generation to another clock, in place, by the moment at which the generation was created. A double
/// holds Unix seconds in steps of 238 ns, which is also how exact the result is at best.
///
/// @param info of the generation, as dora_shm_reader_info() returns it while the frames of that generation are read
/// @param clock DORA_SHM_CLOCK_UNIX or DORA_SHM_CLOCK_MONOTONIC
/// @param times in: seconds on `info->format.clock`. out: seconds on `clock`. NULL is allowed if `times_count` is 0
/// @param times_count how many
/// @return DORA_SHM_OK; DORA_SHM_ERROR_BAD_ARGUMENT, with the times unchanged: either clock is DORA_SHM_CLOCK_SOURCE, or
///         one is DORA_SHM_CLOCK_MONOTONIC and `info->clock_id` is zero, which names no clock
/// @note Any thread.
dora_shm_result dora_shm_times_on(const dora_shm_info *info, uint32_t clock, double *times, size_t times_count);

/// Name of the segment that holds a stream's header: "sm_" and 20 characters, as ezmsg's shorten_shmem_name() returns.
/// Rings and descriptions are the segments of "NAME/buffer0", "NAME/meta1" and so on.
///
/// @param name any UTF-8
/// @param segment out: the name and its NUL
/// @param segment_size bytes of `segment`, at least DORA_SHM_SEGMENT_SIZE
/// @return DORA_SHM_OK; DORA_SHM_ERROR_BUFFER_TOO_SMALL
/// @note Any thread.
dora_shm_result dora_shm_shorten_name(const char *name, char *segment, size_t segment_size);

/// Opens a reader of frames. If the stream does not exist yet, the reader attaches to it as soon as it does.
///
/// @param name name of the stream, UTF-8, at most DORA_SHM_NAME_SIZE - 1 bytes
/// @param options NULL: the defaults
/// @param reader out. Owner: the caller, who closes it with dora_shm_reader_close(). Untouched on failure
/// @return DORA_SHM_OK; DORA_SHM_ERROR_BAD_NAME, DORA_SHM_ERROR_BAD_ARGUMENT (options); or why a stream of that name
///         cannot be read: DORA_SHM_ERROR_CORRUPT, _VERSION, _WRONG_OWNER, _PERMISSION, _EZMSG, _UNSUPPORTED,
///         _TOO_LARGE, _IO
/// @note Any thread.
dora_shm_result dora_shm_reader_open(const char *name, const dora_shm_reader_options *options, dora_shm_reader **reader);

/// Opens a reader of messages: dora_shm_reader_next_message() returns each message as it was written, or all its frames
/// are counted as lost. Functions that return frames return DORA_SHM_ERROR_BAD_ARGUMENT for such a reader.
///
/// A stream that ezmsg itself writes does not record where its messages end. There, a message is what one poll finds.
///
/// @param name as for dora_shm_reader_open()
/// @param options NULL: the defaults
/// @param reader out. Owner: the caller, who closes it with dora_shm_reader_close(). Untouched on failure
/// @return as dora_shm_reader_open()
/// @note Any thread.
dora_shm_result dora_shm_reader_open_messages(const char *name,
                                              const dora_shm_reader_options *options,
                                              dora_shm_reader **reader);

/// Closes a reader, and with it the message that it returned last. Views of it stay valid until they are closed
/// themselves.
///
/// @param reader in: the reader, or a pointer to NULL, which does nothing. out: NULL
/// @return DORA_SHM_OK; DORA_SHM_ERROR_BUSY: another thread is in a call with it; interrupt that call and wait for the
///         thread
/// @note Only for the last thread that uses the reader.
dora_shm_result dora_shm_reader_close(dora_shm_reader **reader);

/// Sleeps until there is something to read (frames, a new generation, the stream's end), or the time is over. It uses
/// almost no CPU: it wakes four times a second to check whether the writer lives, and twenty times a second while the
/// stream does not exist. Signals do not end it: call dora_shm_reader_interrupt() in their handlers.
///
/// @param timeout_seconds 0 or more; 0 does not sleep; INFINITY waits without end
/// @return DORA_SHM_OK: there is something to read; DORA_SHM_TIMED_OUT; DORA_SHM_WRITER_DEAD; DORA_SHM_INTERRUPTED;
///         DORA_SHM_ERROR_BAD_ARGUMENT, and the errors of dora_shm_reader_open()
/// @note Blocks, up to `timeout_seconds`.
dora_shm_result dora_shm_reader_wait(dora_shm_reader *reader, double timeout_seconds);

/// Makes the current dora_shm_reader_wait(), or the next one, return DORA_SHM_INTERRUPTED at once (on Linux before
/// 5.16: within 250 ms).
///
/// @return DORA_SHM_OK
/// @note Any thread, even while another one waits or reads, and signal handlers. The reader must not be closed
///       meanwhile.
dora_shm_result dora_shm_reader_interrupt(const dora_shm_reader *reader);

/// Skips everything written so far, generations included, without counting it as lost.
///
/// @return DORA_SHM_CLOSED if the stream ended; otherwise DORA_SHM_NEW_GENERATION if the reader came to another ring;
///         otherwise DORA_SHM_OK if frames were skipped; otherwise DORA_SHM_NOTHING; the errors of
///         dora_shm_reader_read()
dora_shm_result dora_shm_reader_skip_to_newest(dora_shm_reader *reader);

/// Format of the ring that is read. It changes only with DORA_SHM_NEW_GENERATION.
///
/// @param format out
/// @return DORA_SHM_OK; DORA_SHM_NOTHING: there is no ring (yet), and `format` is all zero
dora_shm_result dora_shm_reader_format(const dora_shm_reader *reader, dora_shm_format *format);

/// The description that is held: dims, axes, labels, units, attributes. For a reader of frames, see `each_description`.
/// For a reader of messages, it is the description of the message that was returned last. Call this again after
/// DORA_SHM_NEW_GENERATION, and after the event DORA_SHM_EVENT_NEW_DESCRIPTION.
///
/// @param description out. Owner: the caller, who closes it with dora_shm_description_close(). It never changes, even
///        if the stream does. Untouched unless DORA_SHM_OK is returned
/// @return DORA_SHM_OK; DORA_SHM_NOTHING: there is none (yet)
dora_shm_result dora_shm_reader_description(const dora_shm_reader *reader, dora_shm_description **description);

/// Where the reader is and what it has lost.
///
/// @param cursor out
/// @return DORA_SHM_OK
/// @note Makes no system call.
dora_shm_result dora_shm_reader_cursor(const dora_shm_reader *reader, dora_shm_cursor *cursor);

/// State of the stream now.
///
/// @param state out
/// @return DORA_SHM_OK; DORA_SHM_ERROR_IO: a system call failed
/// @note Makes a few system calls.
dora_shm_result dora_shm_reader_state(const dora_shm_reader *reader, dora_shm_state *state);

/// What is known of the stream now.
///
/// @param info out
/// @return DORA_SHM_OK; DORA_SHM_ERROR_IO: a system call failed
/// @note Makes a few system calls.
dora_shm_result dora_shm_reader_info(const dora_shm_reader *reader, dora_shm_info *info);

/// The oldest event that was not returned yet. Calls that read, view, skip or wait notice events, and so does
/// dora_shm_reader_state(). Call this after each of them: an event precedes the frames that the same call returned. The
/// newest 64 events are kept. Where the reader begins is not an event.
///
/// @param event out; untouched unless DORA_SHM_OK is returned
/// @return DORA_SHM_OK; DORA_SHM_NOTHING: there is none
/// @note Makes no system call.
dora_shm_result dora_shm_reader_next_event(dora_shm_reader *reader, dora_shm_event *event);

/// What is known of the stream if ezmsg itself wrote it.
///
/// @param ezmsg out; untouched unless DORA_SHM_OK is returned. Its strings are valid until the next call of this
///        function with the same reader, or until the reader is closed
/// @return DORA_SHM_OK; DORA_SHM_NOTHING: ezmsg did not write the stream, or there is none; DORA_SHM_ERROR_IO: a system
///         call failed
/// @note Makes a few system calls.
dora_shm_result dora_shm_reader_ezmsg(dora_shm_reader *reader, dora_shm_ezmsg *ezmsg);

/// Copies the next message of a reader that was opened for messages.
///
/// @param message out; untouched unless DORA_SHM_OK is returned. The memory that it points to belongs to the reader.
///        That of the previous message is not valid after this call, whatever the result
/// @return DORA_SHM_OK; DORA_SHM_NOTHING; DORA_SHM_NEW_GENERATION; DORA_SHM_CLOSED; DORA_SHM_ERROR_BAD_ARGUMENT: the
///         reader was opened for frames; the errors of dora_shm_reader_read()
dora_shm_result dora_shm_reader_next_message(dora_shm_reader *reader, dora_shm_message *message);

/// Copies new frames into the caller's memory. A reader that was lapped continues half a ring behind the writer, so
/// that it is not lapped again at once. `frames->lost` counts the frames that it skips.
///
/// @param into where to copy to, and how much
/// @param frames out; untouched on failure
/// @return DORA_SHM_OK; DORA_SHM_NOTHING; DORA_SHM_NEW_GENERATION; DORA_SHM_CLOSED; DORA_SHM_ERROR_BUFFER_TOO_SMALL:
///         `samples` has no room for one frame, and nothing was read; DORA_SHM_ERROR_CORRUPT, and the errors of
///         dora_shm_reader_open()
dora_shm_result dora_shm_reader_read(dora_shm_reader *reader, const dora_shm_buffers *into, dora_shm_frames *frames);

/// Follows the stream to its newest frame, without counting what it passes as lost. Then copies the newest frames, as
/// many as `into` has room for. Displays call this for each picture.
///
/// @param into where to copy to, and how much
/// @param frames out; its `lost` is 0. Untouched on failure
/// @return DORA_SHM_OK; DORA_SHM_NOTHING: there are no frames; DORA_SHM_NEW_GENERATION: the stream has come to another
///         ring; call again, with memory for its format; DORA_SHM_CLOSED; the errors of dora_shm_reader_read()
dora_shm_result dora_shm_reader_newest(dora_shm_reader *reader, const dora_shm_buffers *into, dora_shm_frames *frames);

/// Copies the newest frames of the generation that is read, as many as `into` has room for, without moving the cursor:
/// nothing counts as read or lost. To follow the stream to its newest generation as well, call
/// dora_shm_reader_newest().
///
/// @param into where to copy to, and how much
/// @param frames out; its `lost` is 0. Untouched on failure
/// @return DORA_SHM_OK; DORA_SHM_NOTHING; DORA_SHM_NEW_GENERATION: the reader has come to its first ring; call again,
///         with memory for its format; the errors of dora_shm_reader_read()
dora_shm_result dora_shm_reader_latest(dora_shm_reader *reader, const dora_shm_buffers *into, dora_shm_frames *frames);

/// As dora_shm_reader_latest(), for the frames of the newest `seconds`. If the format states a rate, these are `seconds`
/// times the rate, rounded; otherwise the frames whose times are less than `seconds` before the newest frame's. If `into`
/// does not have room for all of them, copies the newest of them.
///
/// @param seconds 0 or more
/// @return as dora_shm_reader_latest()
dora_shm_result dora_shm_reader_latest_seconds(dora_shm_reader *reader,
                                               double seconds,
                                               const dora_shm_buffers *into,
                                               dora_shm_frames *frames);

/// Copies the frames from position `first` on of the generation that is read, as many as `into` has room for, as far as
/// the ring holds them, without moving the cursor: nothing counts as read or lost.
///
/// @param first a position; see dora_shm_reader_held() and dora_shm_reader_position_at()
/// @param into where to copy to, and how much
/// @param frames out: which frames were copied; its `lost` is 0. Untouched on failure
/// @return DORA_SHM_OK; DORA_SHM_NOTHING: the ring holds none of them; DORA_SHM_NEW_GENERATION as
///         dora_shm_reader_latest(); the errors of dora_shm_reader_read()
dora_shm_result dora_shm_reader_read_at(dora_shm_reader *reader,
                                        uint64_t first,
                                        const dora_shm_buffers *into,
                                        dora_shm_frames *frames);

/// The messages that contain the frames `first` to `first` + `frames` - 1 of the generation that is read, and the empty
/// messages directly before each of these frames, oldest first. The first and the last message with frames may contain
/// other frames, too. `samples` and `times` of each are NULL, and `samples_size` and `lost` are 0.
///
/// An empty message thus belongs to the frame that follows it: a caller that passes the positions of all that it reads,
/// by copy or by view, gets each empty message once. An empty message alone is no update for a reader of frames. To get
/// those behind the newest frame at once, pass the position of the next frame, which has not been written. Those at the
/// end of a generation belong to the first frame of the next one with frames, and keep their own `generation`. Messages
/// whose records have been overwritten are left out, which may happen before their frames are overwritten.
///
/// @param first a position, such as dora_shm_frames.first
/// @param frames how many, such as dora_shm_frames.frames; 0: no messages
/// @param into for at most `room` messages; the others are left out. NULL with 0 `room`: only count them
/// @param count out: how many messages there are, which may be more than `room`; untouched on failure
/// @return DORA_SHM_OK; DORA_SHM_ERROR_BAD_ARGUMENT: the reader was opened for messages
dora_shm_result dora_shm_reader_messages(dora_shm_reader *reader,
                                         uint64_t first,
                                         uint64_t frames,
                                         dora_shm_message *into,
                                         size_t room,
                                         size_t *count);

/// Positions of the frames that the ring holds now, in the generation that is read. The oldest may be overwritten at
/// any moment.
///
/// @param first out: position of the oldest
/// @param count out: how many; 0 before the first ring
/// @return DORA_SHM_OK
dora_shm_result dora_shm_reader_held(dora_shm_reader *reader, uint64_t *first, uint64_t *count);

/// Position of the first frame that the ring holds whose time is `time` or later, in the generation that is read. It is
/// found by binary search, so the frames' times must not decrease.
///
/// @param time a value on the buffered axis: seconds for a time axis
/// @param position out: behind the newest frame if every frame is earlier
/// @return DORA_SHM_OK
dora_shm_result dora_shm_reader_position_at(dora_shm_reader *reader, double time, uint64_t *position);

/// Passes over new frames without copying them; they count as read. dora_shm_reader_skip_to_newest() passes all that is
/// there, without counting it as lost.
///
/// @param max_frames at least 1; UINT64_MAX: all of this generation
/// @param frames out: what was passed over; untouched on failure
/// @return as dora_shm_reader_read()
dora_shm_result dora_shm_reader_skip(dora_shm_reader *reader, uint64_t max_frames, dora_shm_frames *frames);

/// Lends new frames in place, at most `max_frames`. The writer may overwrite them at any moment.
/// dora_shm_reader_finish() reports which of them stayed whole: do not act on anything that was read from them before
/// that. It also moves the cursor.
///
/// The memory is read-only: writing to it raises SIGSEGV.
///
/// @param max_frames at least 1
/// @param view out. Owner: the caller, who ends it with dora_shm_reader_finish() or dora_shm_view_close(). Untouched
///        unless DORA_SHM_OK is returned
/// @param parts out: where the frames are; untouched on failure
/// @return DORA_SHM_OK; DORA_SHM_NOTHING; DORA_SHM_NEW_GENERATION; DORA_SHM_CLOSED; the errors of
///         dora_shm_reader_read()
/// @note Any thread may read the parts.
dora_shm_result dora_shm_reader_view(dora_shm_reader *reader,
                                     uint64_t max_frames,
                                     dora_shm_view **view,
                                     dora_shm_parts *parts);

/// Ends a view, moves the cursor behind it, and reports which of its frames stayed whole: all, or the last ones. The
/// others count as lost. None are whole if the view belongs to another reader or to a generation that the reader has
/// left, or if its frames were read in another way meanwhile.
///
/// @param view in: the view. out: NULL
/// @param frames out: the frames that are whole, and how many were lost just before them; untouched on failure
/// @return DORA_SHM_OK: all are whole; DORA_SHM_LAPPED: not all, or none
dora_shm_result dora_shm_reader_finish(dora_shm_reader *reader, dora_shm_view **view, dora_shm_frames *frames);

/// Ends a view without a check: the cursor does not move.
///
/// @param view in: the view, or a pointer to NULL, which does nothing. out: NULL
/// @return DORA_SHM_OK
/// @note Only for the last thread that uses the view. Its reader may be closed, or in use by another thread.
dora_shm_result dora_shm_view_close(dora_shm_view **view);

/// Watches a stream, which need not exist yet. The notifier's own thread waits for the stream. Once the descriptor is
/// readable, the thread pauses until dora_shm_notifier_clear() is called.
///
/// The descriptor begins readable. Each time it is readable: clear it first, then read until there is nothing left, or
/// set it again. Occasionally it becomes readable for frames that have just been read.
///
/// @param name as for dora_shm_reader_open()
/// @param options the reader's; NULL: the defaults
/// @param notifier out. Owner: the caller, who closes it with dora_shm_notifier_close(). Untouched on failure
/// @return DORA_SHM_OK; the errors of dora_shm_reader_open(); DORA_SHM_ERROR_IO also when no descriptor or thread is
///         available
/// @note Any thread.
dora_shm_result dora_shm_notifier_open(const char *name,
                                       const dora_shm_reader_options *options,
                                       dora_shm_notifier **notifier);

/// The descriptor to wait on.
///
/// @param descriptor out. Owner: the notifier; do not read, write or close it. Valid until the notifier is closed
/// @return DORA_SHM_OK
/// @note Any thread.
dora_shm_result dora_shm_notifier_descriptor(const dora_shm_notifier *notifier, int32_t *descriptor);

/// Makes the descriptor unreadable until there is something new. Call it before reading, not after.
///
/// @return DORA_SHM_OK
/// @note Any thread.
dora_shm_result dora_shm_notifier_clear(const dora_shm_notifier *notifier);

/// Makes the descriptor readable: for a reader that left something unread.
///
/// @return DORA_SHM_OK
/// @note Any thread.
dora_shm_result dora_shm_notifier_set(const dora_shm_notifier *notifier);

/// Closes a notifier and its descriptor. Remove the descriptor from all loops first.
///
/// @param notifier in: the notifier, or a pointer to NULL, which does nothing. out: NULL
/// @return DORA_SHM_OK
/// @note Only for the last thread that uses the notifier. Waits for the notifier's thread, which ends at once (on Linux
///       before 5.16: within 250 ms).
dora_shm_result dora_shm_notifier_close(dora_shm_notifier **notifier);

/// Closes a description, and with it all strings that it returned.
///
/// @param description in: the description, or a pointer to NULL, which does nothing. out: NULL
/// @return DORA_SHM_OK; DORA_SHM_ERROR_BUSY: another thread is in a call with it
/// @note Only for the last thread that uses it.
dora_shm_result dora_shm_description_close(dora_shm_description **description);

/// Creates an empty description.
///
/// @param description out. Owner: the caller, who closes it with dora_shm_description_close()
/// @return DORA_SHM_OK
/// @note Any thread.
dora_shm_result dora_shm_description_create(dora_shm_description **description);

/// Creates a description from JSON, in the form that SPEC.md defines (metadata segment).
///
/// @param json UTF-8; need not end in a NUL
/// @param json_size its bytes, without a NUL
/// @param description out. Owner: the caller, who closes it with dora_shm_description_close(). Untouched on failure
/// @return DORA_SHM_OK; DORA_SHM_ERROR_BAD_ARGUMENT: the message states what is wrong
/// @note Any thread.
dora_shm_result dora_shm_description_from_json(const char *json, size_t json_size, dora_shm_description **description);

/// Names the dimensions.
///
/// @param dims UTF-8 strings, all different: the buffered axis, then the dimensions of a frame. They are copied
/// @param count the rank of a frame plus 1; 0: unknown. It is checked when a writer gets the description
/// @return DORA_SHM_OK
dora_shm_result dora_shm_description_set_dims(dora_shm_description *description, const char *const *dims, size_t count);

/// Gives a dimension evenly spaced coordinates.
///
/// @param dim name of the dimension, UTF-8
/// @param unit of the coordinates, UTF-8; NULL: unknown
/// @param gain step from one index to the next; for a time axis, the inverse of the rate
/// @param offset coordinate of the first index; NaN: unknown, as for the buffered axis, whose coordinates are the
///        frames' times
/// @return DORA_SHM_OK
dora_shm_result dora_shm_description_set_linear_axis(dora_shm_description *description,
                                                     const char *dim,
                                                     const char *unit,
                                                     double gain,
                                                     double offset);

/// Gives a dimension one coordinate per index.
///
/// @param dim name of the dimension, UTF-8
/// @param unit of the coordinates, UTF-8; NULL: unknown
/// @param coordinates `count` of them; they are copied
/// @param count length of the dimension; 0 for the buffered axis, whose coordinates are the frames' times
/// @return DORA_SHM_OK; DORA_SHM_ERROR_BAD_ARGUMENT: one of them is infinite or NaN, which JSON cannot express
dora_shm_result dora_shm_description_set_coordinates(dora_shm_description *description,
                                                     const char *dim,
                                                     const char *unit,
                                                     const double *coordinates,
                                                     size_t count);

/// Gives a dimension one label per index.
///
/// @param dim name of the dimension, UTF-8
/// @param labels `count` UTF-8 strings; they are copied
/// @param count length of the dimension
/// @return DORA_SHM_OK
dora_shm_result dora_shm_description_set_labels(dora_shm_description *description,
                                                const char *dim,
                                                const char *const *labels,
                                                size_t count);

/// Sets the source's own name for the signal.
///
/// @param key UTF-8; NULL: none
/// @return DORA_SHM_OK
dora_shm_result dora_shm_description_set_key(dora_shm_description *description, const char *key);

/// Sets the dimension along which messages accumulate.
///
/// @param dim UTF-8; NULL: not stated
/// @return DORA_SHM_OK
dora_shm_result dora_shm_description_set_stream_dim(dora_shm_description *description, const char *dim);

/// Sets an attribute to a string.
///
/// @param name UTF-8
/// @param value UTF-8
/// @return DORA_SHM_OK
dora_shm_result dora_shm_description_set_attr_string(dora_shm_description *description, const char *name, const char *value);

/// Sets an attribute to an integer.
///
/// @param name UTF-8
/// @return DORA_SHM_OK
dora_shm_result dora_shm_description_set_attr_integer(dora_shm_description *description, const char *name, int64_t value);

/// Sets an attribute to a float.
///
/// @param name UTF-8
/// @param value any value, including NaN and infinities
/// @return DORA_SHM_OK
dora_shm_result dora_shm_description_set_attr_float(dora_shm_description *description, const char *name, double value);

/// Sets an attribute to any value that it can have, as JSON in the form that SPEC.md defines: `true`, `7`, `0.5`,
/// `"text"`, `["a", "b"]`, `{"$timestamp_ns": 0}`.
///
/// @param name UTF-8
/// @param json UTF-8
/// @return DORA_SHM_OK; DORA_SHM_ERROR_BAD_ARGUMENT: the message states what is wrong
dora_shm_result dora_shm_description_set_attr_json(dora_shm_description *description, const char *name, const char *json);

/// The whole description as JSON, in the form that SPEC.md defines (metadata segment).
///
/// @param text out: UTF-8. Owner: the description
/// @return DORA_SHM_OK
/// @note Any thread.
dora_shm_result dora_shm_description_json(const dora_shm_description *description, const char **text);

/// All attributes as one JSON object by their names, in the form that SPEC.md defines.
///
/// @param text out: UTF-8. Owner: the description
/// @return DORA_SHM_OK
/// @note Any thread.
dora_shm_result dora_shm_description_attrs_json(const dora_shm_description *description, const char **text);

/// One attribute as JSON: `true`, `7`, `0.5`, `"text"`, `[1, 2]`, or another form that SPEC.md defines.
///
/// @param name its name, UTF-8
/// @param text out: UTF-8; NULL: there is none. Owner: the description
/// @return DORA_SHM_OK; DORA_SHM_NOTHING: there is none of that name
/// @note Any thread.
dora_shm_result dora_shm_description_attr(const dora_shm_description *description, const char *name, const char **text);

/// The source's own name for the signal; empty if the source gives none.
///
/// @param text out: UTF-8. Owner: the description
/// @return DORA_SHM_OK
/// @note Any thread.
dora_shm_result dora_shm_description_key(const dora_shm_description *description, const char **text);

/// The dimension along which messages accumulate, if the source states one.
///
/// @param text out: UTF-8; NULL: not stated. Owner: the description
/// @return DORA_SHM_OK; DORA_SHM_NOTHING: not stated
/// @note Any thread.
dora_shm_result dora_shm_description_stream_dim(const dora_shm_description *description, const char **text);

/// Number of dimensions that have names: the rank of a frame plus 1, for the buffered axis; 0: the names are unknown.
///
/// @param count out
/// @return DORA_SHM_OK
/// @note Any thread.
dora_shm_result dora_shm_description_dims(const dora_shm_description *description, size_t *count);

/// Name of a dimension.
///
/// @param dim 0: the buffered axis; from 1 on: the dimensions of a frame
/// @param text out: UTF-8. Owner: the description
/// @return DORA_SHM_OK; DORA_SHM_ERROR_BAD_ARGUMENT: there are fewer dimensions
/// @note Any thread.
dora_shm_result dora_shm_description_dim(const dora_shm_description *description, size_t dim, const char **text);

/// The coordinates along a dimension.
///
/// @param dim as for dora_shm_description_dim()
/// @param axis out: its `unit` belongs to the description
/// @return DORA_SHM_OK; DORA_SHM_NOTHING: none are given, and the kind of `axis` is DORA_SHM_AXIS_NONE;
///         DORA_SHM_ERROR_BAD_ARGUMENT: there are fewer dimensions
/// @note Any thread.
dora_shm_result dora_shm_description_axis(const dora_shm_description *description, size_t dim, dora_shm_axis *axis);

/// The label at an index of an axis. If the entry is an object, the label is its member `label`, or the whole object as
/// JSON. A number is written as in JSON.
///
/// @param dim as for dora_shm_description_dim()
/// @param index from 0
/// @param text out: UTF-8; NULL: there is none. Owner: the description
/// @return DORA_SHM_OK; DORA_SHM_NOTHING: the axis has no labels or coordinates; DORA_SHM_ERROR_BAD_ARGUMENT: there are
///         fewer dimensions or entries
/// @note Any thread.
dora_shm_result dora_shm_description_label(const dora_shm_description *description,
                                           size_t dim,
                                           size_t index,
                                           const char **text);

/// The coordinate at an index of an axis, if the axis is linear or the entry is a number.
///
/// @param dim as for dora_shm_description_dim()
/// @param index from 0; on a linear axis, any
/// @param coordinate out: in the unit of the axis; NaN: there is none
/// @return DORA_SHM_OK; DORA_SHM_NOTHING: there is none, as on the buffered axis, whose coordinates are the frames'
///         times; DORA_SHM_ERROR_BAD_ARGUMENT: there are fewer dimensions or entries
/// @note Any thread.
dora_shm_result dora_shm_description_coordinate(const dora_shm_description *description,
                                                size_t dim,
                                                size_t index,
                                                double *coordinate);

/// Creates a stream, or takes over the stream of a dead writer, whose readers then continue. The stream has no ring
/// until dora_shm_writer_begin().
///
/// A thread of the library maintains the stream until it is closed. If the process ends without closing it, readers see
/// the stream as dead. In a forked child every call returns DORA_SHM_ERROR_FORKED, and closing does nothing.
///
/// @param name name of the stream, UTF-8, at most DORA_SHM_NAME_SIZE - 1 bytes
/// @param options NULL: the defaults
/// @param writer out. Owner: the caller, who closes it with dora_shm_writer_close(). Untouched on failure
/// @return DORA_SHM_OK; DORA_SHM_ERROR_BAD_NAME, _BAD_ARGUMENT (options), _LIVE, _OBSTRUCTED, _NAME_TAKEN,
///         _WRONG_OWNER, _NO_SPACE, _IO
/// @note Any thread. Blocks for at most 2 s while the previous writer is closing.
dora_shm_result dora_shm_writer_create(const char *name, const dora_shm_writer_options *options, dora_shm_writer **writer);

/// Closes a writer, and with it the stream: readers read what is left and see it closed. Nothing is left in shared
/// memory.
///
/// @param writer in: the writer, or a pointer to NULL, which does nothing. out: NULL
/// @return DORA_SHM_OK; DORA_SHM_ERROR_BUSY: another thread is in a call with it
/// @note Only for the last thread that uses the writer.
dora_shm_result dora_shm_writer_close(dora_shm_writer **writer);

/// Begins the next generation in a new ring. Readers finish the previous one first.
///
/// A generation never mixes clocks. If `format->clock` is DORA_SHM_CLOCK_UNIX or _MONOTONIC, all its times are on that
/// clock. If it is 0, another generation begins with the first frames that do not fit it: on DORA_SHM_CLOCK_UNIX if the
/// first frames of all come by dora_shm_writer_write_now(), on DORA_SHM_CLOCK_SOURCE if times are given later.
///
/// @param format format of its frames, and how many the ring holds
/// @param description what the frames mean; NULL: an empty one. It is copied
/// @param chunk_frames frames that one message usually has, which decides how many messages the ring remembers; 0: 1
/// @return DORA_SHM_OK; DORA_SHM_ERROR_BAD_FORMAT, _UNKNOWN_DTYPE, _BAD_ARGUMENT (the dims do not fit the format),
///         _TOO_LARGE, _NO_SPACE: the current generation continues; _IO
/// @note Blocks while memory is reserved, 60 to 250 ms per GiB. If there is no room for both rings, it also waits up to
///       half a second until readers have unmapped the previous one.
dora_shm_result dora_shm_writer_begin(dora_shm_writer *writer,
                                      const dora_shm_format *format,
                                      const dora_shm_description *description,
                                      uint64_t chunk_frames);

/// Publishes a new description for the frames that are written from now on. Does nothing if it equals the current one.
///
/// @param description it is copied
/// @return DORA_SHM_OK; DORA_SHM_ERROR_NO_GENERATION, _BAD_ARGUMENT (the dims do not fit the format), _NO_SPACE, _IO
dora_shm_result dora_shm_writer_describe(dora_shm_writer *writer, const dora_shm_description *description);

/// Writes one message of frames that are evenly spaced on the buffered axis. Its samples are copied once, into the
/// ring. If it is longer than the ring, its newest frames are kept.
///
/// @param samples whole frames in C order; NULL with 0 bytes: an empty message
/// @param samples_size their bytes, a multiple of a frame's
/// @param start value of the first frame on the buffered axis: seconds for a time axis
/// @param step from one frame to the next
/// @param send_ns when the message was sent, Unix nanoseconds; 0: now
/// @return DORA_SHM_OK; DORA_SHM_ERROR_NO_GENERATION, _BAD_ARGUMENT: nothing was written
/// @note Never waits for readers.
dora_shm_result dora_shm_writer_write(dora_shm_writer *writer,
                                      const void *samples,
                                      size_t samples_size,
                                      double start,
                                      double step,
                                      int64_t send_ns);

/// As dora_shm_writer_write(), with a value on the buffered axis for each frame.
///
/// @param times one value per frame
/// @param times_count how many; must be the number of frames
/// @return as dora_shm_writer_write()
/// @note Never waits for readers.
dora_shm_result dora_shm_writer_write_times(dora_shm_writer *writer,
                                            const void *samples,
                                            size_t samples_size,
                                            const double *times,
                                            size_t times_count,
                                            int64_t send_ns);

/// As dora_shm_writer_write(), but the writer gives the frames their times, on the clock of the generation. Set `clock` of
/// the format to DORA_SHM_CLOCK_UNIX before you begin.
///
/// On DORA_SHM_CLOCK_UNIX and _MONOTONIC with a rate, the last frame was taken now, and the others follow by the rate:
/// even, strictly rising. Their rate and their phase are learned from when messages are written: a late burst moves
/// nothing, and a pause makes one jump, about half a second after it. Without a rate, the last frame was taken now, and
/// the frames before it are spread over the time since the last message. In both cases, no frame is before the frame
/// before it. On DORA_SHM_CLOCK_SOURCE, frames follow the newest frame by the rate.
///
/// If the system's clock was set, a generation on DORA_SHM_CLOCK_UNIX ends, at most once a minute, and the message begins
/// the next one. If frames come at another rate than the format says, by more than 3 % for ten seconds, this is a
/// warning: see dora_shm_writer_next_warning().
///
/// @param samples whole frames in C order; NULL with 0 bytes: an empty message
/// @param samples_size their bytes, a multiple of a frame's
/// @param send_ns when the message was sent, Unix nanoseconds; 0: now
/// @return as dora_shm_writer_write(). DORA_SHM_ERROR_BAD_ARGUMENT also for frames on DORA_SHM_CLOCK_SOURCE without a
///         rate. The errors of dora_shm_writer_begin(), if a generation has to begin
/// @note Never waits for readers. Blocks as dora_shm_writer_begin() does, if a generation has to begin.
dora_shm_result dora_shm_writer_write_now(dora_shm_writer *writer, const void *samples, size_t samples_size, int64_t send_ns);

/// Recreates segments that were removed from shared memory. Writing does the same: call this about once a second while
/// there is nothing to write.
///
/// @return DORA_SHM_OK; the errors of dora_shm_writer_create() and dora_shm_writer_begin(), after which the next call
///         tries again
/// @note Blocks as dora_shm_writer_begin() does, if there is something to create.
dora_shm_result dora_shm_writer_maintain(dora_shm_writer *writer);

/// Progress of the writer.
///
/// @param progress out
/// @return DORA_SHM_OK
dora_shm_result dora_shm_writer_progress(const dora_shm_writer *writer, dora_shm_progress *progress);

/// The next warning: something that a user should know and that no call could report, such as a name that something
/// else has taken, or frames that do not come at the rate of the format. Each warning is returned once.
///
/// @param text out: UTF-8; NULL: there is none. Owner: the writer. Valid until the next call of this function with the
///        same writer, or until the writer is closed
/// @return DORA_SHM_OK; DORA_SHM_NOTHING: there is none
dora_shm_result dora_shm_writer_next_warning(dora_shm_writer *writer, const char **text);

/// Lists all streams of the machine.
///
/// @param list out. Owner: the caller, who closes it with dora_shm_streams_close(). Untouched on failure
/// @return DORA_SHM_OK; DORA_SHM_ERROR_IO: /dev/shm cannot be listed
/// @note Any thread. Makes some system calls per file in /dev/shm.
dora_shm_result dora_shm_streams_list(dora_shm_streams **list);

/// Number of streams in a list.
///
/// @param count out
/// @return DORA_SHM_OK
/// @note Any thread.
dora_shm_result dora_shm_streams_count(const dora_shm_streams *list, size_t *count);

/// One stream of a list.
///
/// @param index from 0
/// @param stream out: its strings belong to the list
/// @return DORA_SHM_OK; DORA_SHM_ERROR_BAD_ARGUMENT: the list is shorter
/// @note Any thread.
dora_shm_result dora_shm_streams_get(const dora_shm_streams *list, size_t index, dora_shm_stream *stream);

/// What is known of a stream of a list.
///
/// @param index from 0
/// @param info out; untouched unless DORA_SHM_OK is returned
/// @return DORA_SHM_OK; DORA_SHM_NOTHING: its kind is not DORA_SHM_STREAM_OURS; DORA_SHM_ERROR_BAD_ARGUMENT: the list
///         is shorter
/// @note Any thread.
dora_shm_result dora_shm_streams_info(const dora_shm_streams *list, size_t index, dora_shm_info *info);

/// Closes a list, and with it its strings.
///
/// @param list in: the list, or a pointer to NULL, which does nothing. out: NULL
/// @return DORA_SHM_OK
/// @note Only for the last thread that uses the list.
dora_shm_result dora_shm_streams_close(dora_shm_streams **list);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* DORA_SHM_H */
