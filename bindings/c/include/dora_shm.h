/*
 * dora-shm for C: live arrays in shared memory, one writer, any number of readers, a name that connects them.
 *
 * Generated from the sources in bindings/c/src. README.md beside them shows a program; SPEC.md has the format in memory.
 *
 * Words
 *   A stream is a sequence of frames of one type and shape, each with a value on the buffered axis (usually its time, in
 *   seconds). The newest frames are kept in a ring. A change of type, shape, rate or length begins the next generation, in
 *   a new ring. A position counts the frames since the generation began. A reader that is slower than the ring is long is
 *   lapped by the writer: it loses frames, and is told how many.
 *
 * Conventions
 *   - Every function that can fail returns a dora_shm_result: 0 is success, positive values are ordinary answers, negative
 *     values are errors. After an error, dora_shm_last_error_message() has a sentence for people. An error leaves
 *     everything as it was unless the function says otherwise.
 *   - Answers go to where pointers named as out point. They must not be NULL, and are left alone by an error.
 *   - Arguments that are NULL, not aligned or out of range are answered with an error, never with a crash. What cannot be
 *     seen from here remains the caller's to hold: that memory is as long as is said, and that a handle is one.
 *   - Handles (dora_shm_reader, dora_shm_writer, ...) belong to the caller. Each is closed once, in any order, by the
 *     function that takes the address of the caller's pointer, which becomes NULL; closing NULL does nothing.
 *   - Strings that are given in are UTF-8, end in a NUL, and are copied. Strings that come out are UTF-8, end in a NUL, and
 *     belong to what the function says, for as long as it says; the caller never frees them. A NUL inside a string of a
 *     stream comes out as U+FFFD.
 *   - Threads: 'any thread' means any number of threads at once. 'One thread at a time' means that calls with the same
 *     handle must not overlap; one that does is answered with DORA_SHM_ERROR_BUSY. Different handles are independent.
 *   - Only functions that say so block. None takes longer because another process is slow, stopped or dead.
 *   - After fork() a child may go on to use readers, and must not use writers, which say so. Handles are not for signal
 *     handlers, but for dora_shm_reader_interrupt().
 *   - Structs with options, formats and buffers are to be zeroed first (= {0}); zero is the default of each member.
 *   - Unless their names end in _ns, durations are seconds. Sizes are bytes. Samples lie in C order.
 */

#ifndef DORA_SHM_H
#define DORA_SHM_H

#include <stddef.h>
#include <stdint.h>

/** Version that this header is of. */
#define DORA_SHM_VERSION "0.1.0"
/** First number of the version. */
#define DORA_SHM_VERSION_MAJOR 0
/** Second number of the version. */
#define DORA_SHM_VERSION_MINOR 1
/** Third number of the version. */
#define DORA_SHM_VERSION_PATCH 0
/** Most dimensions of a frame. */
#define DORA_SHM_MAX_RANK 8
/** Bytes of the longest stream name and its NUL. */
#define DORA_SHM_NAME_SIZE 1025
/** Bytes of a segment name and its NUL. */
#define DORA_SHM_SEGMENT_SIZE 24
/** There is none: of generations, and of user ids. */
#define DORA_SHM_NONE UINT32_MAX

/** Whether a result is an error. */
#define DORA_SHM_IS_ERROR(result) ((result) < 0)

/**
 * What a function answers: 0 is success, positive values are ordinary answers, negative ones are errors, of which
 * dora_shm_last_error_message() tells more.
 */
enum dora_shm_result
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Success.
     */
    DORA_SHM_OK = 0,
    /**
     * There is nothing (new), or not yet: no frames, no ring, no description, no further warning.
     */
    DORA_SHM_NOTHING = 1,
    /**
     * The reader moved on to a new ring, whose format and description are in force now. Read again.
     */
    DORA_SHM_NEW_GENERATION = 2,
    /**
     * The stream was closed, and everything of it has been read or counted as lost. Said once; later calls follow the next
     * writer of that name.
     */
    DORA_SHM_CLOSED = 3,
    /**
     * The time is over, and nothing has come.
     */
    DORA_SHM_TIMED_OUT = 4,
    /**
     * dora_shm_reader_interrupt() was called.
     */
    DORA_SHM_INTERRUPTED = 5,
    /**
     * Nothing has come, and the writer has died without closing the stream. Ends a wait early when it happens, and is said
     * again at the end of each further wait, until a writer takes the stream over.
     */
    DORA_SHM_WRITER_DEAD = 6,
    /**
     * The writer has overwritten the first frames of a view, or all, before it was finished.
     */
    DORA_SHM_LAPPED = 7,
    /**
     * A pointer is NULL that must not be.
     */
    DORA_SHM_ERROR_NULL = -1,
    /**
     * An argument has a value that is not allowed, or does not fit the stream.
     */
    DORA_SHM_ERROR_BAD_ARGUMENT = -2,
    /**
     * A string is no UTF-8.
     */
    DORA_SHM_ERROR_NOT_UTF8 = -3,
    /**
     * The caller's memory does not hold what it is for.
     */
    DORA_SHM_ERROR_BUFFER_TOO_SMALL = -4,
    /**
     * Another thread is in a call with the same handle.
     */
    DORA_SHM_ERROR_BUSY = -5,
    /**
     * The stream's name cannot be used.
     */
    DORA_SHM_ERROR_BAD_NAME = -6,
    /**
     * There is no element type of that name or number.
     */
    DORA_SHM_ERROR_UNKNOWN_DTYPE = -7,
    /**
     * No ring can have this format.
     */
    DORA_SHM_ERROR_BAD_FORMAT = -8,
    /**
     * Another live process writes this stream.
     */
    DORA_SHM_ERROR_LIVE = -9,
    /**
     * Another process holds a lock on the stream that only writers need.
     */
    DORA_SHM_ERROR_OBSTRUCTED = -10,
    /**
     * The stream's place in shared memory is taken by something else.
     */
    DORA_SHM_ERROR_NAME_TAKEN = -11,
    /**
     * The stream belongs to a user that was not asked for.
     */
    DORA_SHM_ERROR_WRONG_OWNER = -12,
    /**
     * No permission to open the stream.
     */
    DORA_SHM_ERROR_PERMISSION = -13,
    /**
     * The stream was written by a version of the protocol that this library does not know.
     */
    DORA_SHM_ERROR_VERSION = -14,
    /**
     * The stream was written by ezmsg itself, in a way that this library does not read.
     */
    DORA_SHM_ERROR_FOREIGN = -15,
    /**
     * What is in shared memory contradicts the protocol. The reader has let go of it and attaches anew when called again.
     */
    DORA_SHM_ERROR_CORRUPT = -16,
    /**
     * The ring is larger than the limit that was given.
     */
    DORA_SHM_ERROR_TOO_LARGE = -17,
    /**
     * Shared memory has no room.
     */
    DORA_SHM_ERROR_NO_SPACE = -18,
    /**
     * The writer has no ring yet: dora_shm_writer_begin() comes first.
     */
    DORA_SHM_ERROR_NO_GENERATION = -19,
    /**
     * The handle was inherited by a forked child, which must not use it.
     */
    DORA_SHM_ERROR_FORKED = -20,
    /**
     * The operating system refused something.
     */
    DORA_SHM_ERROR_IO = -21,
    /**
     * An error that has no code of its own.
     */
    DORA_SHM_ERROR_OTHER = -22,
    /**
     * A defect of this library. The handle of the call can only be closed.
     */
    DORA_SHM_ERROR_INTERNAL = -23,
    /**
     * ezmsg wrote the stream, and its frames are nothing that this library has a format for.
     */
    DORA_SHM_ERROR_UNSUPPORTED = -24,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum dora_shm_result dora_shm_result;
#else
typedef int32_t dora_shm_result;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * How a stream is.
 */
enum dora_shm_state
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * There is no stream of that name.
     */
    DORA_SHM_STATE_ABSENT = 0,
    /**
     * ezmsg itself wrote it; whether its writer lives cannot be known.
     */
    DORA_SHM_STATE_FOREIGN = 1,
    /**
     * Its writer lives and has not begun a ring yet.
     */
    DORA_SHM_STATE_WAITING = 2,
    /**
     * Its writer lives.
     */
    DORA_SHM_STATE_LIVE = 3,
    /**
     * Its writer lives, but nothing has come for a while. A stopped process (SIGSTOP) is idle, too.
     */
    DORA_SHM_STATE_IDLE = 4,
    /**
     * Its writer died without closing it. What is left can be read; the next writer takes it over.
     */
    DORA_SHM_STATE_DEAD = 5,
    /**
     * Its writer closed it.
     */
    DORA_SHM_STATE_CLOSED = 6,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum dora_shm_state dora_shm_state;
#else
typedef int32_t dora_shm_state;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * How the coordinates along a dimension are given.
 */
enum dora_shm_axis_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Not at all.
     */
    DORA_SHM_AXIS_NONE = 0,
    /**
     * Evenly spaced: `offset` + `gain` * index.
     */
    DORA_SHM_AXIS_LINEAR = 1,
    /**
     * One label or coordinate per index.
     */
    DORA_SHM_AXIS_COORD = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum dora_shm_axis_kind dora_shm_axis_kind;
#else
typedef int32_t dora_shm_axis_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What was found.
 */
enum dora_shm_stream_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * A stream of this process's user or of root; dora_shm_streams_info() tells everything of it.
     */
    DORA_SHM_STREAM_OURS = 0,
    /**
     * Another user's stream, which is not opened unless its `owner` is named.
     */
    DORA_SHM_STREAM_OTHER_USER = 1,
    /**
     * Something of ours that cannot be read; `text` says why.
     */
    DORA_SHM_STREAM_UNREADABLE = 2,
    /**
     * A stream that ezmsg itself wrote; `text` is its key, its name is not known.
     */
    DORA_SHM_STREAM_EZMSG = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum dora_shm_stream_kind dora_shm_stream_kind;
#else
typedef int32_t dora_shm_stream_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Type of a sample. Little-endian, as the machine is.
 */
enum dora_shm_dtype
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * None: there is no ring.
     */
    DORA_SHM_DTYPE_NONE = 0,
    /**
     * One byte, 0 or 1; a hostile writer may store others.
     */
    DORA_SHM_BOOL = 1,
    /**
     * int8_t
     */
    DORA_SHM_INT8 = 2,
    /**
     * uint8_t
     */
    DORA_SHM_UINT8 = 3,
    /**
     * int16_t
     */
    DORA_SHM_INT16 = 4,
    /**
     * uint16_t
     */
    DORA_SHM_UINT16 = 5,
    /**
     * int32_t
     */
    DORA_SHM_INT32 = 6,
    /**
     * uint32_t
     */
    DORA_SHM_UINT32 = 7,
    /**
     * int64_t
     */
    DORA_SHM_INT64 = 8,
    /**
     * uint64_t
     */
    DORA_SHM_UINT64 = 9,
    /**
     * IEEE 754 binary16, two bytes
     */
    DORA_SHM_FLOAT16 = 10,
    /**
     * float
     */
    DORA_SHM_FLOAT32 = 11,
    /**
     * double
     */
    DORA_SHM_FLOAT64 = 12,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum dora_shm_dtype dora_shm_dtype;
#else
typedef uint32_t dora_shm_dtype;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Where a reader begins in a stream that is there already. A reader that came before the stream's first ring always begins
 * at its first frame.
 */
enum dora_shm_start
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Only what comes from now on.
     */
    DORA_SHM_START_NEWEST = 0,
    /**
     * The oldest frame that is still there.
     */
    DORA_SHM_START_OLDEST = 1,
    /**
     * The last frames that are there (`last_frames`), then what comes.
     */
    DORA_SHM_START_LAST = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum dora_shm_start dora_shm_start;
#else
typedef uint32_t dora_shm_start;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What the frames of a stream mean: names of dimensions, axes with units and labels, attributes. A reader gives one out as
 * it was; dora_shm_description_create() makes a new one, to be filled and given to a writer.
 *
 * Strings that it gives are its own: they are valid until it is changed or closed.
 */
typedef struct dora_shm_description dora_shm_description;

/**
 * A cursor over the messages of a stream: each comes as it was written, whole, or all its frames are counted as lost. Of a
 * stream that ezmsg itself writes, which does not say where its messages end, a message is what is new at a look.
 *
 * Everything said of dora_shm_reader holds; only the unit is another.
 */
typedef struct dora_shm_message_reader dora_shm_message_reader;

/**
 * A file descriptor that becomes readable when a stream has something for a reader, for loops that sleep on many things at
 * once: poll, epoll, Qt's QSocketNotifier, GLib. In a forked child it does nothing.
 */
typedef struct dora_shm_notifier dora_shm_notifier;

/**
 * A cursor over the frames of a stream. It maps the stream read-only: it cannot slow, block or hurt it.
 */
typedef struct dora_shm_reader dora_shm_reader;

/**
 * The streams of the machine, as they were when they were listed.
 */
typedef struct dora_shm_streams dora_shm_streams;

/**
 * Frames of a ring that are lent in place. It keeps their memory mapped, also after its reader was closed.
 */
typedef struct dora_shm_view dora_shm_view;

/**
 * The one writer of a stream.
 */
typedef struct dora_shm_writer dora_shm_writer;

/**
 * How a stream is read. All zero is the default.
 */
typedef struct dora_shm_reader_options {
    /**
     * One of dora_shm_start.
     */
    uint32_t start;
    /**
     * Not 0: read the stream of the user `owner`. 0: only a stream of this process's own user or root.
     */
    uint32_t has_owner;
    /**
     * A user id; ignored unless `has_owner`.
     */
    uint32_t owner;
    /**
     * With DORA_SHM_START_LAST, how many; else ignored.
     */
    uint64_t last_frames;
    /**
     * Largest ring that is mapped, in bytes; 0: no limit.
     */
    uint64_t max_ring_bytes;
    /**
     * A live stream without a new message for this many seconds is called idle; 0: one second.
     */
    double idle_after_seconds;
    /**
     * Not 0: frames that are read at once all have the same description, and the one that is held is theirs. 0: it is that
     * of the newest frames of the ring.
     */
    uint32_t each_description;
    /**
     * For a steady stream: a wait does not sleep but polls from so many seconds before the next message is due until so many
     * after. The message is seen within a microsecond instead of after the 10 to 50 us in which a system wakes a thread, for
     * that much of a core's time each message, and it takes a core that nobody else wants. 100e-6 to 300e-6 are of use; 0:
     * always sleep.
     */
    double spin_seconds;
} dora_shm_reader_options;

/**
 * What the frames of a generation are. Zero it, then set what is to be set.
 */
typedef struct dora_shm_format {
    /**
     * Type of a sample: one of dora_shm_dtype.
     */
    uint32_t dtype;
    /**
     * Dimensions of a frame, 0 to DORA_SHM_MAX_RANK; 0 is one sample per frame.
     */
    uint32_t rank;
    /**
     * The shape of a frame, outermost dimension first, each at least 1; entries from `rank` on are 0.
     */
    uint64_t shape[DORA_SHM_MAX_RANK];
    /**
     * Frames a second along the buffered axis; 0 when irregular or unknown.
     */
    double rate_hz;
    /**
     * Frames that the ring holds, at least 1. A ring that is asked for may get up to 7 more.
     */
    uint64_t ring_frames;
    /**
     * Bytes of one frame. Told by the library; whatever the caller puts here is ignored.
     */
    uint64_t frame_bytes;
} dora_shm_format;

/**
 * Where a reader is.
 */
typedef struct dora_shm_cursor {
    /**
     * The generation that is read; DORA_SHM_NONE before the first.
     */
    uint32_t generation;
    /**
     * Which of the stream's writers made the ring: 1 for the first, one more for each that took over from a dead one; 0
     * before the first ring. Another one is the event "the writer was restarted".
     */
    uint32_t epoch;
    /**
     * Not 0: the description in force was gone before it could be read; the one that is held is older, or there is none.
     */
    uint32_t description_missed;
    /**
     * Identity of the stream that the ring is of; 0 before the first ring. Another one is the event "the stream was closed
     * and made anew".
     */
    uint64_t stream_id;
    /**
     * Which description is held: 1 for the reader's first, one more for each after it; 0 for none. Another number is the
     * event "new description".
     */
    uint64_t description;
    /**
     * Position of the next frame that will be read.
     */
    uint64_t position;
    /**
     * Frames lost since the reader was opened, in all: exact.
     */
    uint64_t lost;
    /**
     * Frames that are committed and not read.
     */
    uint64_t lag_frames;
    /**
     * Time since the oldest of them was committed, nanoseconds.
     */
    uint64_t lag_ns;
} dora_shm_cursor;

/**
 * Everything that can be told of a stream.
 */
typedef struct dora_shm_info {
    /**
     * Name of the stream, UTF-8.
     */
    char name[DORA_SHM_NAME_SIZE];
    /**
     * Name of its header segment in /dev/shm.
     */
    char segment[DORA_SHM_SEGMENT_SIZE];
    /**
     * How it is.
     */
    dora_shm_state state;
    /**
     * User id of its writer; DORA_SHM_NONE when there is no stream.
     */
    uint32_t owner;
    /**
     * A hint: the process that says it writes the stream; 0 when unknown.
     */
    uint32_t writer_pid;
    /**
     * 1 for the stream's first writer, one more for each that took over from a dead one; 0 when there is no stream.
     */
    uint32_t epoch;
    /**
     * The generation that is read; DORA_SHM_NONE before the first.
     */
    uint32_t generation;
    /**
     * Identity of the stream, another one each time it is made anew; 0 when there is no stream.
     */
    uint64_t stream_id;
    /**
     * When the stream was made, Unix nanoseconds; 0 when there is none.
     */
    int64_t created_ns;
    /**
     * Bytes of shared memory that the ring takes; 0 when there is none.
     */
    uint64_t ring_bytes;
    /**
     * Frames committed in this generation.
     */
    uint64_t position;
    /**
     * Frames committed in all generations of the stream.
     */
    uint64_t stream_position;
    /**
     * Messages committed in this generation.
     */
    uint64_t chunks;
    /**
     * Frames a second as they really came, also where the format states no rate; 0 when unknown.
     */
    double measured_rate_hz;
    /**
     * Of the ring that is read; its dtype is DORA_SHM_DTYPE_NONE when there is none.
     */
    struct dora_shm_format format;
} dora_shm_info;

/**
 * What is known of a stream that ezmsg itself wrote, beside what is known of any.
 */
typedef struct dora_shm_foreign {
    /**
     * 1: ezmsg-tools 0.6, whose frames have no times. 2: ezmsg-tools 0.10.
     */
    uint32_t struct_version;
    /**
     * The signal's key as the header has it, UTF-8; NULL where it cannot be read. Owner: the reader.
     */
    const char *key;
    /**
     * Why the description in force cannot be read, UTF-8; NULL when it was read, or there is none. Owner: the reader.
     */
    const char *refused;
    /**
     * What that description says and this library has no word for: a line for each, UTF-8; empty when there is nothing.
     * Never NULL. Owner: the reader.
     */
    const char *left_out;
} dora_shm_foreign;

/**
 * Memory of the caller's that frames are copied into. What is NULL is not copied. Zero it, then set what is wanted. The
 * pieces must not overlap.
 *
 * So many frames are copied at once at most: `max_frames`, and as `samples` has room for, if it is not NULL. `times`,
 * `positions` and `send_ns` must have room for that many.
 */
typedef struct dora_shm_buffers {
    /**
     * For samples in C order, frame after frame; any alignment. Bytes behind the last whole frame are not touched.
     */
    void *samples;
    /**
     * Bytes of `samples`: room for at least one frame (dora_shm_format.frame_bytes).
     */
    size_t samples_size;
    /**
     * For one value per frame on the buffered axis: seconds for a time axis.
     */
    double *times;
    /**
     * For one position per frame, which are consecutive: `first`, `first` + 1, ...
     */
    uint64_t *positions;
    /**
     * For one send time per frame, Unix nanoseconds: that of the message that brought it. 0 where it is not known any
     * more, which of messages of few frames happens before the frames themselves are overwritten.
     */
    int64_t *send_ns;
    /**
     * At least 1. UINT64_MAX when `samples` alone is to say how many.
     */
    uint64_t max_frames;
} dora_shm_buffers;

/**
 * What was read: frames with the positions `first` to `first` + `frames` - 1 of a generation.
 */
typedef struct dora_shm_frames {
    /**
     * Position of the first frame in its generation.
     */
    uint64_t first;
    /**
     * How many frames; 0 unless DORA_SHM_OK (or DORA_SHM_LAPPED) is returned.
     */
    uint64_t frames;
    /**
     * Frames lost just before the first one, since those that were read before: exact.
     */
    uint64_t lost;
    /**
     * Which description is held; see dora_shm_cursor.
     */
    uint64_t description;
    /**
     * The generation that is read; DORA_SHM_NONE before the first.
     */
    uint32_t generation;
} dora_shm_frames;

/**
 * Frames that lie one behind the other in memory.
 */
typedef struct dora_shm_part {
    /**
     * Samples in C order, frame after frame. Owner: the view. Valid until it is finished or closed.
     */
    const void *samples;
    /**
     * Bytes of `samples`.
     */
    size_t samples_size;
    /**
     * One value per frame on the buffered axis. Owner and validity: as of `samples`.
     */
    const double *times;
    /**
     * How many frames.
     */
    uint64_t frames;
} dora_shm_part;

/**
 * What a view lends: frames with the positions `first` to `first` + `frames` - 1.
 */
typedef struct dora_shm_parts {
    /**
     * Position of the first frame in its generation.
     */
    uint64_t first;
    /**
     * How many frames, in both parts.
     */
    uint64_t frames;
    /**
     * Which description is held; see dora_shm_cursor.
     */
    uint64_t description;
    /**
     * The generation that is read; DORA_SHM_NONE before the first.
     */
    uint32_t generation;
    /**
     * 2 where the ring wraps, else 1; 0 unless DORA_SHM_OK is returned.
     */
    uint32_t count;
    /**
     * The frames in order. What is not there is zero.
     */
    struct dora_shm_part part[2];
} dora_shm_parts;

/**
 * A message: frames with the positions `first` to `first` + `frames` - 1 of a generation, written at once.
 */
typedef struct dora_shm_message {
    /**
     * Samples in C order, frame after frame, aligned to 64 bytes. Owner: the message reader. Valid until the next
     * dora_shm_message_reader_next() with it, or its end. Of an empty message not to be looked at.
     */
    const void *samples;
    /**
     * Bytes of `samples`.
     */
    size_t samples_size;
    /**
     * One value per frame on the buffered axis: seconds for a time axis. Owner and validity: as of `samples`.
     */
    const double *times;
    /**
     * How many frames; 0 for an empty message.
     */
    uint64_t frames;
    /**
     * Position of the first frame in its generation.
     */
    uint64_t first;
    /**
     * Frames lost just before it, since the message before: exact.
     */
    uint64_t lost;
    /**
     * Number of the message in its generation, from 0.
     */
    uint64_t chunk;
    /**
     * Which description it was sent under: 1 for the reader's first, one more for each after it; 0 for none.
     */
    uint64_t description;
    /**
     * Position of the first frame in the stream, over all generations.
     */
    uint64_t stream_position;
    /**
     * CLOCK_MONOTONIC when it was written, nanoseconds.
     */
    uint64_t mono_ns;
    /**
     * When it was sent, Unix nanoseconds.
     */
    int64_t send_ns;
    /**
     * The generation it belongs to.
     */
    uint32_t generation;
} dora_shm_message;

/**
 * The coordinates along one dimension.
 */
typedef struct dora_shm_axis {
    /**
     * How they are given.
     */
    dora_shm_axis_kind kind;
    /**
     * Linear: not 0 when the offset is known. It is not for the buffered axis, whose coordinates are the frames' times.
     */
    uint32_t has_offset;
    /**
     * Linear: coordinate of the first index; 0 when unknown.
     */
    double offset;
    /**
     * Linear: step from one index to the next.
     */
    double gain;
    /**
     * Coord: how many labels or coordinates there are; 0 when they are not given, as for the buffered axis.
     */
    size_t count;
    /**
     * Unit of the coordinates, UTF-8, such as "s"; empty when unknown, and for labels. Never NULL. Owner: the description.
     */
    const char *unit;
} dora_shm_axis;

/**
 * How a stream is made. All zero is the default.
 */
typedef struct dora_shm_writer_options {
    /**
     * Who may read: 0600 (this user), 0640 (the group too) or 0644 (everybody); 0: 0600. Nobody else may ever write.
     */
    uint32_t mode;
    /**
     * Not 0: a description that is replaced stays readable for about a second, and at most eight of them. 0: it is gone at
     * once.
     */
    uint32_t keep_replaced;
    /**
     * Largest ring, in bytes of shared memory; 0: 1 GiB.
     */
    uint64_t max_ring_bytes;
} dora_shm_writer_options;

/**
 * How far a writer is.
 */
typedef struct dora_shm_progress {
    /**
     * The current generation; DORA_SHM_NONE before the first.
     */
    uint32_t generation;
    /**
     * 1 for the stream's first writer, one more for each that took over from a dead one.
     */
    uint32_t epoch;
    /**
     * Identity of the stream; another one each time it is made anew.
     */
    uint64_t stream_id;
    /**
     * Frames written in the current generation.
     */
    uint64_t position;
    /**
     * Frames written in all generations of the stream, those of a dead writer that was taken over included.
     */
    uint64_t stream_position;
    /**
     * Frames that the current ring really holds; 0 before the first.
     */
    uint64_t ring_frames;
} dora_shm_progress;

/**
 * One stream of a list.
 */
typedef struct dora_shm_stream {
    /**
     * What was found.
     */
    dora_shm_stream_kind kind;
    /**
     * Of another user's stream: the user's id; else DORA_SHM_NONE.
     */
    uint32_t owner;
    /**
     * Of a stream that ezmsg wrote: its struct version, 1 or 2; else 0.
     */
    uint32_t struct_version;
    /**
     * Name of the header segment in /dev/shm. Owner: the list.
     */
    const char *segment;
    /**
     * The stream's name, UTF-8, or what its kind says; may be empty, never NULL. Owner: the list.
     */
    const char *text;
} dora_shm_stream;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The version of the library that this program runs with, such as "0.1.0": compare it with DORA_SHM_VERSION, with which it
 * was compiled. Never NULL.
 *
 * Owner: the library. Valid for ever. Any thread. Never blocks.
 */
const char *dora_shm_version(void);

/**
 * The sentence of the last error on this thread: what was expected, what was found and what can be done; empty before the
 * first one. Never NULL.
 *
 * Owner: the library. Valid until the next error on this thread, or its end. Any thread. Never blocks.
 */
const char *dora_shm_last_error_message(void);

/**
 * The name of a result, such as "DORA_SHM_CLOSED"; "unknown" for a number that is none. Never NULL.
 *
 * Owner: the library. Valid for ever. Any thread. Never blocks.
 */
const char *dora_shm_result_name(int32_t result);

/**
 * numpy's name of an element type, such as "float32"; "unknown" for a number that is none. Never NULL.
 *
 * Owner: the library. Valid for ever. Any thread. Never blocks.
 */
const char *dora_shm_dtype_name(uint32_t dtype);

/**
 * Bytes of one sample.
 *
 * @param dtype one of dora_shm_dtype
 * @param bytes out
 * @return DORA_SHM_OK, DORA_SHM_ERROR_UNKNOWN_DTYPE
 *
 * Any thread. Never blocks.
 */
dora_shm_result dora_shm_dtype_size(uint32_t dtype, size_t *bytes);

/**
 * The element type of numpy's name, such as "float32".
 *
 * @param name UTF-8
 * @param dtype out: one of dora_shm_dtype
 * @return DORA_SHM_OK, DORA_SHM_ERROR_UNKNOWN_DTYPE
 *
 * Any thread. Never blocks.
 */
dora_shm_result dora_shm_dtype_from_name(const char *name, uint32_t *dtype);

/**
 * The name of a state, such as "live"; "unknown" for a number that is none. Never NULL.
 *
 * Owner: the library. Valid for ever. Any thread. Never blocks.
 */
const char *dora_shm_state_name(int32_t state);

/**
 * The name of the segment that a stream's header lies in: "sm_" and 20 characters. It is what ezmsg's
 * shorten_shmem_name() gives; rings and descriptions are the segments of "NAME/buffer0", "NAME/meta1" and so on.
 *
 * @param name any UTF-8
 * @param segment out: the name and its NUL
 * @param segment_size bytes of `segment`, at least DORA_SHM_SEGMENT_SIZE
 * @return DORA_SHM_OK, DORA_SHM_ERROR_BUFFER_TOO_SMALL
 *
 * Any thread. Never blocks.
 */
dora_shm_result dora_shm_shorten_name(const char *name,
                                      char *segment,
                                      size_t segment_size);

/**
 * Attaches to a stream, or, if it does not exist yet, will attach as soon as it does.
 *
 * @param name the stream's name, UTF-8, at most DORA_SHM_NAME_SIZE - 1 bytes
 * @param options NULL: the defaults
 * @param reader out. Owner: the caller, who gives it back to dora_shm_reader_close(). Untouched when this fails
 * @return DORA_SHM_OK; DORA_SHM_ERROR_BAD_NAME, or what is wrong with what is found under that name:
 *         DORA_SHM_ERROR_CORRUPT, _VERSION, _WRONG_OWNER, _PERMISSION, _FOREIGN, _TOO_LARGE, _IO
 *
 * Any thread. Never blocks.
 */
dora_shm_result dora_shm_reader_open(const char *name,
                                     const struct dora_shm_reader_options *options,
                                     struct dora_shm_reader **reader);

/**
 * Closes a reader. Views of it stay valid until they are closed themselves.
 *
 * @param reader in: the reader, or a pointer to NULL, with which nothing happens. out: NULL
 * @return DORA_SHM_OK; DORA_SHM_ERROR_BUSY when another thread is in a call with it: interrupt it first, and wait for
 *         that thread
 *
 * One thread, the last one that uses the reader. Never blocks.
 */
dora_shm_result dora_shm_reader_close(struct dora_shm_reader **reader);

/**
 * Sleeps until there is something to read (frames, a new generation, the stream's end), or the time is over. Uses no CPU
 * meanwhile: it wakes four times a second to see whether the writer lives, and, while the stream does not exist, twenty
 * times to look for it. Signals do not end it: call dora_shm_reader_interrupt() in their handlers.
 *
 * @param timeout_seconds 0 or more; 0 only looks; INFINITY waits for ever
 * @return DORA_SHM_OK: read; DORA_SHM_TIMED_OUT; DORA_SHM_WRITER_DEAD; DORA_SHM_INTERRUPTED;
 *         DORA_SHM_ERROR_BAD_ARGUMENT, and those of dora_shm_reader_open()
 *
 * One thread at a time. Blocks, up to `timeout_seconds`.
 */
dora_shm_result dora_shm_reader_wait(struct dora_shm_reader *reader,
                                     double timeout_seconds);

/**
 * Makes the current dora_shm_reader_wait(), or the next one, return DORA_SHM_INTERRUPTED at once (on Linux before 5.16:
 * within 250 ms).
 *
 * @return DORA_SHM_OK
 *
 * Any thread, also while another one waits or reads, and also a signal handler; but the reader must not be closed
 * meanwhile. Never blocks.
 */
dora_shm_result dora_shm_reader_interrupt(const struct dora_shm_reader *reader);

/**
 * The format of the ring that is read. It changes with DORA_SHM_NEW_GENERATION only.
 *
 * @param format out
 * @return DORA_SHM_OK; DORA_SHM_NOTHING when there is no ring (yet): `format` is all zero then
 *
 * One thread at a time. Never blocks.
 */
dora_shm_result dora_shm_reader_format(const struct dora_shm_reader *reader,
                                       struct dora_shm_format *format);

/**
 * The description of the newest frames of the ring that is read: dims, axes, labels, units, attributes. One that was
 * published since, and has no frames yet, comes with its first. Ask again when dora_shm_cursor.description, or the
 * same number in dora_shm_frames, has changed.
 *
 * @param description out. Owner: the caller, who gives it back to dora_shm_description_close(). It does not change any
 *        more, whatever the stream does. Untouched unless DORA_SHM_OK is returned
 * @return DORA_SHM_OK; DORA_SHM_NOTHING when there is none (yet)
 *
 * One thread at a time. Never blocks.
 */
dora_shm_result dora_shm_reader_description(const struct dora_shm_reader *reader,
                                            struct dora_shm_description **description);

/**
 * Where the reader is and what it has lost.
 *
 * @param cursor out
 * @return DORA_SHM_OK
 *
 * One thread at a time. Never blocks, and makes no system call.
 */
dora_shm_result dora_shm_reader_cursor(const struct dora_shm_reader *reader,
                                       struct dora_shm_cursor *cursor);

/**
 * How the stream is now.
 *
 * @param state out
 * @return DORA_SHM_OK; DORA_SHM_ERROR_IO when the system does not tell
 *
 * One thread at a time. Never blocks; a few system calls.
 */
dora_shm_result dora_shm_reader_state(const struct dora_shm_reader *reader, dora_shm_state *state);

/**
 * Everything that can be told of the stream.
 *
 * @param info out
 * @return DORA_SHM_OK; DORA_SHM_ERROR_IO when the system does not tell
 *
 * One thread at a time. Never blocks; a few system calls.
 */
dora_shm_result dora_shm_reader_info(const struct dora_shm_reader *reader,
                                     struct dora_shm_info *info);

/**
 * What is known of the stream if ezmsg itself wrote it.
 *
 * @param foreign out; untouched unless DORA_SHM_OK is returned. Its strings are valid until the next call of this function
 *        with the same reader, or its end
 * @return DORA_SHM_OK; DORA_SHM_NOTHING when it is none of ezmsg's, or there is no stream; DORA_SHM_ERROR_IO when the
 *         system does not tell
 *
 * One thread at a time. Never blocks; a few system calls.
 */
dora_shm_result dora_shm_reader_foreign(struct dora_shm_reader *reader,
                                        struct dora_shm_foreign *foreign);

/**
 * Copies what is new into memory of the caller's. A reader that was lapped goes on half a ring behind the writer, so that
 * it is not lapped again at once; what it passes over is in `frames->lost`.
 *
 * @param into where to, and how much
 * @param frames out; untouched when this fails
 * @return DORA_SHM_OK; DORA_SHM_NOTHING; DORA_SHM_NEW_GENERATION; DORA_SHM_CLOSED; DORA_SHM_ERROR_BUFFER_TOO_SMALL when
 *         `samples` has no room for one frame (nothing has been read then); DORA_SHM_ERROR_CORRUPT, and those of
 *         dora_shm_reader_open()
 *
 * One thread at a time. Never blocks.
 */
dora_shm_result dora_shm_reader_read(struct dora_shm_reader *reader,
                                     const struct dora_shm_buffers *into,
                                     struct dora_shm_frames *frames);

/**
 * Copies the newest frames, as many as `into` has room for, without moving the cursor: nothing is read or lost by it.
 *
 * They are those of the generation that the cursor is in. Where only the newest are wanted, as in a display, call
 * dora_shm_reader_skip() first, which follows the stream to where it is.
 *
 * @param into where to, and how much
 * @param frames out; its `lost` is 0. Untouched when this fails
 * @return DORA_SHM_OK; DORA_SHM_NOTHING; DORA_SHM_NEW_GENERATION when the reader has just come to its first ring: ask
 *         again, in its format; the errors of dora_shm_reader_read()
 *
 * One thread at a time. Never blocks.
 */
dora_shm_result dora_shm_reader_latest(struct dora_shm_reader *reader,
                                       const struct dora_shm_buffers *into,
                                       struct dora_shm_frames *frames);

/**
 * As dora_shm_reader_latest(), for the frames of the newest `seconds` by their times: those that are less than `seconds`
 * older than the newest. When there is no room for all of them in `into`, the newest of them.
 *
 * @param seconds 0 or more
 * @return as dora_shm_reader_latest()
 *
 * One thread at a time. Never blocks.
 */
dora_shm_result dora_shm_reader_latest_seconds(struct dora_shm_reader *reader,
                                               double seconds,
                                               const struct dora_shm_buffers *into,
                                               struct dora_shm_frames *frames);

/**
 * Passes over what is new, as if it had been read, without copying it. Loop while it returns DORA_SHM_OK or
 * DORA_SHM_NEW_GENERATION to come to the end of what is there.
 *
 * @param max_frames at most so many, at least 1; UINT64_MAX for all of the generation
 * @param frames out: what was passed over; untouched when this fails
 * @return as dora_shm_reader_read()
 *
 * One thread at a time. Never blocks.
 */
dora_shm_result dora_shm_reader_skip(struct dora_shm_reader *reader,
                                     uint64_t max_frames,
                                     struct dora_shm_frames *frames);

/**
 * Lends what is new, at most `max_frames`, in place. The writer may overwrite it at any moment: whether it was whole is
 * known when the view is finished, so act on nothing that was read from it before that. The cursor moves then, too.
 *
 * The memory can only be read: writing to it is a SIGSEGV.
 *
 * @param max_frames at least 1
 * @param view out. Owner: the caller, who gives it to dora_shm_reader_finish() or dora_shm_view_close(). Untouched unless
 *        DORA_SHM_OK is returned
 * @param parts out: where the frames are; untouched when this fails
 * @return DORA_SHM_OK; DORA_SHM_NOTHING; DORA_SHM_NEW_GENERATION; DORA_SHM_CLOSED; the errors of dora_shm_reader_read()
 *
 * One thread at a time; the parts can be read from any. Never blocks.
 */
dora_shm_result dora_shm_reader_view(struct dora_shm_reader *reader,
                                     uint64_t max_frames,
                                     struct dora_shm_view **view,
                                     struct dora_shm_parts *parts);

/**
 * Ends a view, moves the cursor behind it, and tells which of its frames were whole all the time: all of them, or those at
 * its end. The others are counted as lost. Of a view of another reader, or of a generation that the reader has left, or of
 * frames that were read in another way meanwhile, none are.
 *
 * @param view in: the view. out: NULL
 * @param frames out: the frames that were whole, and how many were lost just before them; untouched when this fails
 * @return DORA_SHM_OK: all were whole; DORA_SHM_LAPPED: not all, or none
 *
 * One thread at a time. Never blocks.
 */
dora_shm_result dora_shm_reader_finish(struct dora_shm_reader *reader,
                                       struct dora_shm_view **view,
                                       struct dora_shm_frames *frames);

/**
 * Gives a view up without a check: the cursor stays where it is.
 *
 * @param view in: the view, or a pointer to NULL, with which nothing happens. out: NULL
 * @return DORA_SHM_OK
 *
 * One thread, the last one that uses the view; its reader may be closed, or in use by another. Never blocks.
 */
dora_shm_result dora_shm_view_close(struct dora_shm_view **view);

/**
 * Attaches to a stream, or, if it does not exist yet, will attach as soon as it does.
 *
 * @param name as of dora_shm_reader_open()
 * @param options NULL: the defaults. `last_frames` counts messages here; each message has one description anyway
 * @param reader out. Owner: the caller, who gives it back to dora_shm_message_reader_close(). Untouched when this fails
 * @return as dora_shm_reader_open()
 *
 * Any thread. Never blocks.
 */
dora_shm_result dora_shm_message_reader_open(const char *name,
                                             const struct dora_shm_reader_options *options,
                                             struct dora_shm_message_reader **reader);

/**
 * Closes a message reader, and with it the message that it gave last.
 *
 * @param reader in: the reader, or a pointer to NULL, with which nothing happens. out: NULL
 * @return DORA_SHM_OK; DORA_SHM_ERROR_BUSY when another thread is in a call with it: interrupt it first, and wait for
 *         that thread
 *
 * One thread, the last one that uses the reader. Never blocks.
 */
dora_shm_result dora_shm_message_reader_close(struct dora_shm_message_reader **reader);

/**
 * As dora_shm_reader_wait().
 *
 * @param timeout_seconds 0 or more; 0 only looks; INFINITY waits for ever
 * @return as dora_shm_reader_wait()
 *
 * One thread at a time. Blocks, up to `timeout_seconds`.
 */
dora_shm_result dora_shm_message_reader_wait(struct dora_shm_message_reader *reader,
                                             double timeout_seconds);

/**
 * As dora_shm_reader_interrupt().
 *
 * @return DORA_SHM_OK
 *
 * Any thread, also while another one waits or reads, and also a signal handler; but the reader must not be closed
 * meanwhile. Never blocks.
 */
dora_shm_result dora_shm_message_reader_interrupt(const struct dora_shm_message_reader *reader);

/**
 * Copies the next message.
 *
 * @param message out; untouched unless DORA_SHM_OK is returned. What it points to belongs to the reader, and what the one
 *        before pointed to is gone, whatever is returned
 * @return DORA_SHM_OK; DORA_SHM_NOTHING; DORA_SHM_NEW_GENERATION; DORA_SHM_CLOSED; the errors of dora_shm_reader_read()
 *
 * One thread at a time. Never blocks.
 */
dora_shm_result dora_shm_message_reader_next(struct dora_shm_message_reader *reader,
                                             struct dora_shm_message *message);

/**
 * The format of the ring that is read. It changes with DORA_SHM_NEW_GENERATION only.
 *
 * @param format out
 * @return DORA_SHM_OK; DORA_SHM_NOTHING when there is no ring (yet): `format` is all zero then
 *
 * One thread at a time. Never blocks.
 */
dora_shm_result dora_shm_message_reader_format(const struct dora_shm_message_reader *reader,
                                               struct dora_shm_format *format);

/**
 * The description that the message returned last was sent under. Ask again when dora_shm_message.description has changed.
 *
 * @param description out. Owner: the caller, who gives it back to dora_shm_description_close(). It does not change any
 *        more, whatever the stream does. Untouched unless DORA_SHM_OK is returned
 * @return DORA_SHM_OK; DORA_SHM_NOTHING when there is none (yet)
 *
 * One thread at a time. Never blocks.
 */
dora_shm_result dora_shm_message_reader_description(const struct dora_shm_message_reader *reader,
                                                    struct dora_shm_description **description);

/**
 * Frames lost since the reader was opened, in all: exact.
 *
 * @param lost out
 * @return DORA_SHM_OK
 *
 * One thread at a time. Never blocks, and makes no system call.
 */
dora_shm_result dora_shm_message_reader_lost(const struct dora_shm_message_reader *reader,
                                             uint64_t *lost);

/**
 * How the stream is now.
 *
 * @param state out
 * @return DORA_SHM_OK; DORA_SHM_ERROR_IO when the system does not tell
 *
 * One thread at a time. Never blocks; a few system calls.
 */
dora_shm_result dora_shm_message_reader_state(const struct dora_shm_message_reader *reader,
                                              dora_shm_state *state);

/**
 * Everything that can be told of the stream.
 *
 * @param info out
 * @return DORA_SHM_OK; DORA_SHM_ERROR_IO when the system does not tell
 *
 * One thread at a time. Never blocks; a few system calls.
 */
dora_shm_result dora_shm_message_reader_info(const struct dora_shm_message_reader *reader,
                                             struct dora_shm_info *info);

/**
 * Watches a stream, which need not exist yet. A thread of its own sleeps on the stream; once the descriptor is readable, it
 * rests until that is cleared.
 *
 * The descriptor begins readable. Each time it is: clear first, then read until there is nothing left (or set it again).
 * Now and then it becomes readable for frames that have just been read.
 *
 * @param name as of dora_shm_reader_open()
 * @param options as the reader has them; NULL: the defaults
 * @param notifier out. Owner: the caller, who gives it back to dora_shm_notifier_close(). Untouched when this fails
 * @return DORA_SHM_OK; the errors of dora_shm_reader_open(), and DORA_SHM_ERROR_IO when there are no descriptors or threads
 *         left
 *
 * Any thread. Never blocks.
 */
dora_shm_result dora_shm_notifier_open(const char *name,
                                       const struct dora_shm_reader_options *options,
                                       struct dora_shm_notifier **notifier);

/**
 * The descriptor to wait on.
 *
 * @param descriptor out. Owner: the notifier: do not read, write or close it. Valid until the notifier is closed
 * @return DORA_SHM_OK
 *
 * Any thread. Never blocks.
 */
dora_shm_result dora_shm_notifier_descriptor(const struct dora_shm_notifier *notifier,
                                             int32_t *descriptor);

/**
 * Makes the descriptor unreadable until there is something new. Call it before reading, not after.
 *
 * @return DORA_SHM_OK
 *
 * Any thread. Never blocks.
 */
dora_shm_result dora_shm_notifier_clear(const struct dora_shm_notifier *notifier);

/**
 * Makes the descriptor readable, for a reader that has left something unread.
 *
 * @return DORA_SHM_OK
 *
 * Any thread. Never blocks.
 */
dora_shm_result dora_shm_notifier_set(const struct dora_shm_notifier *notifier);

/**
 * Closes a notifier and its descriptor, which has to be taken out of all loops before.
 *
 * @param notifier in: the notifier, or a pointer to NULL, with which nothing happens. out: NULL
 * @return DORA_SHM_OK
 *
 * One thread, the last one that uses the notifier. Waits for the notifier's own thread to end, which it does at once (on
 * Linux before 5.16: within 250 ms).
 */
dora_shm_result dora_shm_notifier_close(struct dora_shm_notifier **notifier);

/**
 * Closes a description, and with it all strings that it gave.
 *
 * @param description in: the description, or a pointer to NULL, with which nothing happens. out: NULL
 * @return DORA_SHM_OK; DORA_SHM_ERROR_BUSY when another thread is in a call with it
 *
 * One thread, the last one that uses it. Never blocks.
 */
dora_shm_result dora_shm_description_close(struct dora_shm_description **description);

/**
 * Makes an empty description.
 *
 * @param description out. Owner: the caller, who gives it back to dora_shm_description_close()
 * @return DORA_SHM_OK
 *
 * Any thread. Never blocks.
 */
dora_shm_result dora_shm_description_create(struct dora_shm_description **description);

/**
 * Makes a description of JSON, in the form that SPEC.md has (metadata segment).
 *
 * @param json UTF-8; need not end in a NUL
 * @param json_size its bytes, without any NUL
 * @param description out. Owner: the caller, who gives it back to dora_shm_description_close(). Untouched when this fails
 * @return DORA_SHM_OK; DORA_SHM_ERROR_BAD_ARGUMENT with what is wrong with it
 *
 * Any thread. Never blocks.
 */
dora_shm_result dora_shm_description_from_json(const char *json,
                                               size_t json_size,
                                               struct dora_shm_description **description);

/**
 * Names the dimensions.
 *
 * @param dims UTF-8 strings: the buffered axis, then those of the frame, each another. They are copied
 * @param count as many as the rank of the frames and 1; 0: unknown. Whether it fits is seen when a writer gets it
 * @return DORA_SHM_OK
 *
 * One thread at a time. Never blocks.
 */
dora_shm_result dora_shm_description_set_dims(struct dora_shm_description *description,
                                              const char *const *dims,
                                              size_t count);

/**
 * Gives the dimension `dim` evenly spaced coordinates.
 *
 * @param dim its name, UTF-8
 * @param unit of the coordinates, UTF-8; NULL: unknown
 * @param gain step from one index to the next; of a time axis, the inverse of the rate
 * @param offset coordinate of the first index; NaN: unknown, as of the buffered axis, whose coordinates are the frames'
 *        times
 * @return DORA_SHM_OK
 *
 * One thread at a time. Never blocks.
 */
dora_shm_result dora_shm_description_set_linear_axis(struct dora_shm_description *description,
                                                     const char *dim,
                                                     const char *unit,
                                                     double gain,
                                                     double offset);

/**
 * Gives the dimension `dim` a coordinate per index.
 *
 * @param dim its name, UTF-8
 * @param unit of the coordinates, UTF-8; NULL: unknown
 * @param coordinates `count` of them, copied
 * @param count as many as the dimension is long; 0 for the buffered axis, whose coordinates are the frames' times
 * @return DORA_SHM_OK; DORA_SHM_ERROR_BAD_ARGUMENT when one of them is infinite or NaN, which JSON has no number for
 *
 * One thread at a time. Never blocks.
 */
dora_shm_result dora_shm_description_set_coordinates(struct dora_shm_description *description,
                                                     const char *dim,
                                                     const char *unit,
                                                     const double *coordinates,
                                                     size_t count);

/**
 * Gives the dimension `dim` a label per index.
 *
 * @param dim its name, UTF-8
 * @param labels `count` UTF-8 strings, copied
 * @param count as many as the dimension is long
 * @return DORA_SHM_OK
 *
 * One thread at a time. Never blocks.
 */
dora_shm_result dora_shm_description_set_labels(struct dora_shm_description *description,
                                                const char *dim,
                                                const char *const *labels,
                                                size_t count);

/**
 * Gives the signal a name of the source's own.
 *
 * @param key UTF-8; NULL: none
 * @return DORA_SHM_OK
 *
 * One thread at a time. Never blocks.
 */
dora_shm_result dora_shm_description_set_key(struct dora_shm_description *description,
                                             const char *key);

/**
 * Says along which dimension messages accumulate.
 *
 * @param dim UTF-8; NULL: not said
 * @return DORA_SHM_OK
 *
 * One thread at a time. Never blocks.
 */
dora_shm_result dora_shm_description_set_stream_dim(struct dora_shm_description *description,
                                                    const char *dim);

/**
 * Sets an attribute to a text.
 *
 * @param name UTF-8
 * @param value UTF-8
 * @return DORA_SHM_OK
 *
 * One thread at a time. Never blocks.
 */
dora_shm_result dora_shm_description_set_attr_string(struct dora_shm_description *description,
                                                     const char *name,
                                                     const char *value);

/**
 * Sets an attribute to an integer.
 *
 * @param name UTF-8
 * @return DORA_SHM_OK
 *
 * One thread at a time. Never blocks.
 */
dora_shm_result dora_shm_description_set_attr_integer(struct dora_shm_description *description,
                                                      const char *name,
                                                      int64_t value);

/**
 * Sets an attribute to a float.
 *
 * @param name UTF-8
 * @param value any, NaN and infinities too
 * @return DORA_SHM_OK
 *
 * One thread at a time. Never blocks.
 */
dora_shm_result dora_shm_description_set_attr_float(struct dora_shm_description *description,
                                                    const char *name,
                                                    double value);

/**
 * Sets an attribute to any value that it can have, as JSON in the form that SPEC.md has: `true`, `7`, `0.5`, `"text"`,
 * `["a", "b"]`, `{"$timestamp_ns": 0}`.
 *
 * @param name UTF-8
 * @param json UTF-8
 * @return DORA_SHM_OK; DORA_SHM_ERROR_BAD_ARGUMENT with what is wrong with it
 *
 * One thread at a time. Never blocks.
 */
dora_shm_result dora_shm_description_set_attr_json(struct dora_shm_description *description,
                                                   const char *name,
                                                   const char *json);

/**
 * The whole description as JSON, as SPEC.md has it (metadata segment).
 *
 * @param text out: UTF-8. Owner: the description
 * @return DORA_SHM_OK
 *
 * Any thread. Never blocks.
 */
dora_shm_result dora_shm_description_json(const struct dora_shm_description *description,
                                          const char **text);

/**
 * All attributes as one JSON object by their names, in the form that SPEC.md has.
 *
 * @param text out: UTF-8. Owner: the description
 * @return DORA_SHM_OK
 *
 * Any thread. Never blocks.
 */
dora_shm_result dora_shm_description_attrs_json(const struct dora_shm_description *description,
                                                const char **text);

/**
 * One attribute as JSON: `true`, `7`, `0.5`, `"text"`, `[1, 2]`, or what SPEC.md has beside.
 *
 * @param name its name, UTF-8
 * @param text out: UTF-8; NULL when there is none. Owner: the description
 * @return DORA_SHM_OK; DORA_SHM_NOTHING when there is none of that name
 *
 * Any thread. Never blocks.
 */
dora_shm_result dora_shm_description_attr(const struct dora_shm_description *description,
                                          const char *name,
                                          const char **text);

/**
 * The source's own name for the signal; empty when it has none.
 *
 * @param text out: UTF-8. Owner: the description
 * @return DORA_SHM_OK
 *
 * Any thread. Never blocks.
 */
dora_shm_result dora_shm_description_key(const struct dora_shm_description *description,
                                         const char **text);

/**
 * The dimension along which messages accumulate, when the source names one.
 *
 * @param text out: UTF-8; NULL when it names none. Owner: the description
 * @return DORA_SHM_OK; DORA_SHM_NOTHING when it names none
 *
 * Any thread. Never blocks.
 */
dora_shm_result dora_shm_description_stream_dim(const struct dora_shm_description *description,
                                                const char **text);

/**
 * How many dimensions have names: 0 when they are unknown, else the buffered axis and those of the frame.
 *
 * @param count out
 * @return DORA_SHM_OK
 *
 * Any thread. Never blocks.
 */
dora_shm_result dora_shm_description_dims(const struct dora_shm_description *description,
                                          size_t *count);

/**
 * The name of a dimension.
 *
 * @param dim 0 is the buffered axis, then those of the frame
 * @param text out: UTF-8. Owner: the description
 * @return DORA_SHM_OK; DORA_SHM_ERROR_BAD_ARGUMENT when there are fewer
 *
 * Any thread. Never blocks.
 */
dora_shm_result dora_shm_description_dim(const struct dora_shm_description *description,
                                         size_t dim,
                                         const char **text);

/**
 * What is known of the coordinates along a dimension.
 *
 * @param dim as of dora_shm_description_dim()
 * @param axis out: its `unit` is the description's
 * @return DORA_SHM_OK; DORA_SHM_NOTHING when nothing is known: `axis` is of no kind then; DORA_SHM_ERROR_BAD_ARGUMENT
 *         when there are fewer dimensions
 *
 * Any thread. Never blocks.
 */
dora_shm_result dora_shm_description_axis(const struct dora_shm_description *description,
                                          size_t dim,
                                          struct dora_shm_axis *axis);

/**
 * What is written on an axis at an index: a label as it is; of an object its member `label`, or all of it as JSON; a number
 * as JSON writes it.
 *
 * @param dim as of dora_shm_description_dim()
 * @param index from 0
 * @param text out: UTF-8; NULL when nothing is written there. Owner: the description
 * @return DORA_SHM_OK; DORA_SHM_NOTHING when the axis is no coord axis, or its entries are not given;
 *         DORA_SHM_ERROR_BAD_ARGUMENT when there are fewer dimensions or entries
 *
 * Any thread. Never blocks.
 */
dora_shm_result dora_shm_description_label(const struct dora_shm_description *description,
                                           size_t dim,
                                           size_t index,
                                           const char **text);

/**
 * The coordinate at an index of an axis: of a linear one, or of a coord one whose entry is a number.
 *
 * @param dim as of dora_shm_description_dim()
 * @param index from 0; of a linear axis, any
 * @param coordinate out: in the unit of the axis; NaN when it has none there
 * @return DORA_SHM_OK; DORA_SHM_NOTHING when the axis has no number there, such as the buffered axis, whose coordinates are
 *         the frames' times; DORA_SHM_ERROR_BAD_ARGUMENT when there are fewer dimensions or entries
 *
 * Any thread. Never blocks.
 */
dora_shm_result dora_shm_description_coordinate(const struct dora_shm_description *description,
                                                size_t dim,
                                                size_t index,
                                                double *coordinate);

/**
 * Makes a stream ours: creates it, or takes over what a dead writer left, whose readers just go on. It has no ring until
 * dora_shm_writer_begin().
 *
 * A thread of its own looks after the stream until it is closed. A process that ends without closing leaves a stream that
 * readers see as dead. In a forked child every call answers DORA_SHM_ERROR_FORKED, and closing does nothing.
 *
 * @param name the stream's name, UTF-8, at most DORA_SHM_NAME_SIZE - 1 bytes
 * @param options NULL: the defaults
 * @param writer out. Owner: the caller, who gives it back to dora_shm_writer_close(). Untouched when this fails
 * @return DORA_SHM_OK; DORA_SHM_ERROR_BAD_NAME, _BAD_ARGUMENT (mode), _LIVE, _OBSTRUCTED, _NAME_TAKEN, _WRONG_OWNER,
 *         _NO_SPACE, _IO
 *
 * Any thread. Blocks up to 2 s for a writer that is just leaving.
 */
dora_shm_result dora_shm_writer_create(const char *name,
                                       const struct dora_shm_writer_options *options,
                                       struct dora_shm_writer **writer);

/**
 * Closes a writer, and with it the stream: readers drain it and see it closed, nothing is left in shared memory.
 *
 * @param writer in: the writer, or a pointer to NULL, with which nothing happens. out: NULL
 * @return DORA_SHM_OK; DORA_SHM_ERROR_BUSY when another thread is in a call with it
 *
 * One thread, the last one that uses the writer. Never blocks.
 */
dora_shm_result dora_shm_writer_close(struct dora_shm_writer **writer);

/**
 * Starts the next generation: a new ring. Readers drain the one before it and move on.
 *
 * @param format what its frames are, and how many the ring holds
 * @param description what they mean; NULL: nothing is said. It is copied
 * @param chunk_frames how many frames are usually written at once, which decides how many messages the ring remembers; 0: 1
 * @return DORA_SHM_OK; DORA_SHM_ERROR_BAD_FORMAT, _UNKNOWN_DTYPE, _BAD_ARGUMENT (the dims do not fit the format),
 *         _TOO_LARGE, _NO_SPACE: the current generation stays; _IO
 *
 * One thread at a time. Takes as long as its memory takes to reserve, about 60 ms per GiB; where there is only room
 * without the ring before it, up to half a second until readers have let go of that.
 */
dora_shm_result dora_shm_writer_begin(struct dora_shm_writer *writer,
                                      const struct dora_shm_format *format,
                                      const struct dora_shm_description *description,
                                      uint64_t chunk_frames);

/**
 * Publishes a new description of the current generation. Does nothing when it is the one in force.
 *
 * @param description it is copied
 * @return DORA_SHM_OK; DORA_SHM_ERROR_NO_GENERATION, _BAD_ARGUMENT (the dims do not fit the format), _NO_SPACE, _IO
 *
 * One thread at a time. Never blocks.
 */
dora_shm_result dora_shm_writer_describe(struct dora_shm_writer *writer,
                                         const struct dora_shm_description *description);

/**
 * Writes one message: frames that are evenly spaced on the buffered axis. Its samples are copied, once, into the ring.
 * When it is longer than the ring, its newest frames are kept.
 *
 * @param samples whole frames in C order; NULL with 0 bytes: an empty message
 * @param samples_size their bytes, a multiple of the frame's
 * @param start value of the first frame on the buffered axis: seconds for a time axis
 * @param step from one frame to the next
 * @param send_ns when the message was sent, Unix nanoseconds; 0: now
 * @return DORA_SHM_OK; DORA_SHM_ERROR_NO_GENERATION, _BAD_ARGUMENT; nothing has been written then
 *
 * One thread at a time. Never waits for readers.
 */
dora_shm_result dora_shm_writer_write(struct dora_shm_writer *writer,
                                      const void *samples,
                                      size_t samples_size,
                                      double start,
                                      double step,
                                      int64_t send_ns);

/**
 * As dora_shm_writer_write(), with a value on the buffered axis for each frame.
 *
 * @param times one for each frame
 * @param times_count how many, which has to be as many as there are frames
 * @return as dora_shm_writer_write()
 *
 * One thread at a time. Never waits for readers.
 */
dora_shm_result dora_shm_writer_write_times(struct dora_shm_writer *writer,
                                            const void *samples,
                                            size_t samples_size,
                                            const double *times,
                                            size_t times_count,
                                            int64_t send_ns);

/**
 * Does what only the writer's own thread can do: makes anew what somebody has removed from shared memory. Writing does the
 * same; call this about once a second while there is nothing to write.
 *
 * @return DORA_SHM_OK; the errors of dora_shm_writer_create() and dora_shm_writer_begin(), after which the next call tries
 *         again
 *
 * One thread at a time. Blocks as dora_shm_writer_begin(), when there is something to make anew.
 */
dora_shm_result dora_shm_writer_maintain(struct dora_shm_writer *writer);

/**
 * How far the writer is.
 *
 * @param progress out
 * @return DORA_SHM_OK
 *
 * One thread at a time. Never blocks.
 */
dora_shm_result dora_shm_writer_progress(const struct dora_shm_writer *writer,
                                         struct dora_shm_progress *progress);

/**
 * The next thing that a user should know and no call could report, such as a name that somebody else has taken. Each is
 * given once.
 *
 * @param text out: UTF-8; NULL when there is none. Owner: the writer. Valid until the next call of this function with the
 *        same writer, or its end
 * @return DORA_SHM_OK; DORA_SHM_NOTHING when there is none
 *
 * One thread at a time. Never blocks.
 */
dora_shm_result dora_shm_writer_next_warning(struct dora_shm_writer *writer,
                                             const char **text);

/**
 * Lists all streams of the machine.
 *
 * @param list out. Owner: the caller, who gives it back to dora_shm_streams_close(). Untouched when this fails
 * @return DORA_SHM_OK; DORA_SHM_ERROR_IO when /dev/shm cannot be listed
 *
 * Any thread. Never blocks; some system calls per file in /dev/shm.
 */
dora_shm_result dora_shm_streams_list(struct dora_shm_streams **list);

/**
 * How many streams there are.
 *
 * @param count out
 * @return DORA_SHM_OK
 *
 * Any thread. Never blocks.
 */
dora_shm_result dora_shm_streams_count(const struct dora_shm_streams *list, size_t *count);

/**
 * One stream of a list.
 *
 * @param index from 0
 * @param stream out: its strings are the list's
 * @return DORA_SHM_OK; DORA_SHM_ERROR_BAD_ARGUMENT when there are fewer
 *
 * Any thread. Never blocks.
 */
dora_shm_result dora_shm_streams_get(const struct dora_shm_streams *list,
                                     size_t index,
                                     struct dora_shm_stream *stream);

/**
 * Everything that is known of a stream of a list.
 *
 * @param index from 0
 * @param info out; untouched unless DORA_SHM_OK is returned
 * @return DORA_SHM_OK; DORA_SHM_NOTHING when its kind is not DORA_SHM_STREAM_OURS; DORA_SHM_ERROR_BAD_ARGUMENT when there
 *         are fewer
 *
 * Any thread. Never blocks.
 */
dora_shm_result dora_shm_streams_info(const struct dora_shm_streams *list,
                                      size_t index,
                                      struct dora_shm_info *info);

/**
 * Closes a list, and with it its strings.
 *
 * @param list in: the list, or a pointer to NULL, with which nothing happens. out: NULL
 * @return DORA_SHM_OK
 *
 * One thread, the last one that uses the list. Never blocks.
 */
dora_shm_result dora_shm_streams_close(struct dora_shm_streams **list);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* DORA_SHM_H */
