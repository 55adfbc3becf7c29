/* Threads: interruption, a handle that two threads use at once, an error message for each thread, a loop on a descriptor. */
#include "check.h"
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

static void pause_a_little(void) {
    struct timespec pause = {0, 1000000};
    nanosleep(&pause, NULL);
}

static dora_shm_reader *waited_for;
static atomic_int waiting;

static void *wait_for_ever(void *unused) {
    (void)unused;
    dora_shm_result result;
    atomic_store(&waiting, 1);
    /* The other thread may be in a short call of its own. */
    while ((result = dora_shm_reader_wait(waited_for, INFINITY)) == DORA_SHM_ERROR_BUSY)
        pause_a_little();
    IS(DORA_SHM_INTERRUPTED, result);
    return NULL;
}

/* While another thread is inside a call, every other use is refused except interrupting, and the handle stays valid. */
static void a_handle_in_use_is_refused(const char *stream) {
    pthread_t thread;
    dora_shm_cursor cursor;
    OK(dora_shm_reader_open(stream, NULL, &waited_for));
    CHECK(pthread_create(&thread, NULL, wait_for_ever, NULL) == 0);
    while (!atomic_load(&waiting))
        pause_a_little();
    dora_shm_result result;
    for (int i = 0; (result = dora_shm_reader_cursor(waited_for, &cursor)) == DORA_SHM_OK && i < 10000; i++)
        pause_a_little();
    IS(DORA_SHM_ERROR_BUSY, result);
    CHECK(strstr(dora_shm_last_error_message(), "another thread is in a call with the same reader") != NULL);
    dora_shm_reader *same = waited_for;
    IS(DORA_SHM_ERROR_BUSY, dora_shm_reader_close(&waited_for));
    CHECK(waited_for == same);
    OK(dora_shm_reader_interrupt(waited_for));
    CHECK(pthread_join(thread, NULL) == 0);
    /* An interrupt without a wait ends the next wait, once. */
    OK(dora_shm_reader_interrupt(waited_for));
    IS(DORA_SHM_INTERRUPTED, dora_shm_reader_wait(waited_for, INFINITY));
    IS(DORA_SHM_TIMED_OUT, dora_shm_reader_wait(waited_for, 0));
    OK(dora_shm_reader_close(&waited_for));
}

static void interrupt(int signal_number) {
    (void)signal_number;
    dora_shm_reader_interrupt(waited_for);
}

static void a_signal_handler_may_interrupt(const char *stream) {
    OK(dora_shm_reader_open(stream, NULL, &waited_for));
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = interrupt;
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    alarm(1);
    IS(DORA_SHM_INTERRUPTED, dora_shm_reader_wait(waited_for, INFINITY));
    OK(dora_shm_reader_close(&waited_for));
}

static void *fails(void *unused) {
    (void)unused;
    CHECK(strcmp(dora_shm_last_error_message(), "") == 0);
    IS(DORA_SHM_ERROR_NULL, dora_shm_reader_wait(NULL, 0));
    CHECK(strcmp(dora_shm_last_error_message(), "reader is NULL") == 0);
    return NULL;
}

static void each_thread_has_its_own_message(void) {
    pthread_t thread;
    IS(DORA_SHM_ERROR_NULL, dora_shm_streams_list(NULL));
    const char *mine = dora_shm_last_error_message();
    CHECK(pthread_create(&thread, NULL, fails, NULL) == 0 && pthread_join(thread, NULL) == 0);
    CHECK(strcmp(mine, "list is NULL") == 0 && mine == dora_shm_last_error_message());
}

/* A writer, and readers each in a thread of its own, at full speed. */
static const char *fast_stream;
#define FAST_FRAMES 20000

static void *read_all(void *unused) {
    (void)unused;
    dora_shm_reader *reader = NULL;
    OK(dora_shm_reader_open(fast_stream, NULL, &reader));
    signal_frame samples[64];
    double times[64];
    dora_shm_buffers into;
    memset(&into, 0, sizeof into);
    into.samples = samples;
    into.samples_size = sizeof samples;
    into.times = times;
    into.max_frames = UINT64_MAX;
    uint64_t next = 0, lost = 0;
    dora_shm_frames frames;
    atomic_fetch_add(&waiting, 1);
    for (;;) {
        dora_shm_result result = dora_shm_reader_read(reader, &into, &frames);
        if (result == DORA_SHM_CLOSED)
            break;
        if (result == DORA_SHM_NOTHING) {
            result = dora_shm_reader_wait(reader, 10);
            CHECK(result == DORA_SHM_OK || result == DORA_SHM_TIMED_OUT);
        } else if (result == DORA_SHM_OK) {
            CHECK(frames.first == next + frames.lost);
            signal_check(samples, times, frames.first, frames.frames);
            lost += frames.lost;
            next = frames.first + frames.frames;
        } else {
            IS(DORA_SHM_NEW_GENERATION, result);
        }
    }
    dora_shm_cursor cursor;
    OK(dora_shm_reader_cursor(reader, &cursor));
    /* Each frame once: those that were read, those that were lost before them, and those at the end. */
    CHECK(next - lost + cursor.lost == FAST_FRAMES);
    OK(dora_shm_reader_close(&reader));
    return NULL;
}

static void every_reader_accounts_for_every_frame(const char *stream) {
    pthread_t readers[2];
    dora_shm_writer *writer = NULL;
    dora_shm_format format = signal_format(256);
    OK(dora_shm_writer_create(stream, NULL, &writer));
    OK(dora_shm_writer_begin(writer, &format, NULL, 10));
    fast_stream = stream;
    atomic_store(&waiting, 0);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&readers[i], NULL, read_all, NULL) == 0);
    /* The readers must attach before the stream ends. */
    while (atomic_load(&waiting) < 2)
        pause_a_little();
    for (uint64_t written = 0; written < FAST_FRAMES; written += 10)
        signal_write(writer, 10);
    OK(dora_shm_writer_close(&writer));
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(readers[i], NULL) == 0);
}

/* A loop that sleeps on a descriptor: it is woken for frames, for a new generation and for the end. */
static void a_descriptor_wakes_a_loop(const char *stream) {
    dora_shm_notifier *notifier = NULL;
    dora_shm_reader *reader = NULL;
    struct pollfd descriptor;
    IS(DORA_SHM_ERROR_NULL, dora_shm_notifier_open(NULL, NULL, &notifier));
    IS(DORA_SHM_ERROR_NULL, dora_shm_notifier_open(stream, NULL, NULL));
    IS(DORA_SHM_ERROR_BAD_NAME, dora_shm_notifier_open("", NULL, &notifier));
    CHECK(notifier == NULL);
    OK(dora_shm_notifier_open(stream, NULL, &notifier));
    OK(dora_shm_reader_open(stream, NULL, &reader));
    IS(DORA_SHM_ERROR_NULL, dora_shm_notifier_descriptor(notifier, NULL));
    IS(DORA_SHM_ERROR_NULL, dora_shm_notifier_descriptor(NULL, &descriptor.fd));
    IS(DORA_SHM_ERROR_NULL, dora_shm_notifier_clear(NULL));
    IS(DORA_SHM_ERROR_NULL, dora_shm_notifier_set(NULL));
    IS(DORA_SHM_ERROR_NULL, dora_shm_notifier_close(NULL));
    OK(dora_shm_notifier_descriptor(notifier, &descriptor.fd));
    descriptor.events = POLLIN;
    CHECK(poll(&descriptor, 1, 0) == 1); /* it begins readable */
    OK(dora_shm_notifier_clear(notifier));
    CHECK(poll(&descriptor, 1, 0) == 0);
    OK(dora_shm_notifier_set(notifier));
    CHECK(poll(&descriptor, 1, 0) == 1);

    dora_shm_writer *writer = NULL;
    dora_shm_format format = signal_format(100);
    OK(dora_shm_writer_create(stream, NULL, &writer));
    int generations = 0, step = 0;
    uint64_t read = 0;
    dora_shm_frames frames;
    for (;;) {
        OK(dora_shm_notifier_clear(notifier));
        dora_shm_result result;
        while ((result = dora_shm_reader_skip(reader, 10, &frames)) == DORA_SHM_OK || result == DORA_SHM_NEW_GENERATION) {
            generations += result == DORA_SHM_NEW_GENERATION;
            read += frames.frames;
        }
        if (result == DORA_SHM_CLOSED)
            break;
        IS(DORA_SHM_NOTHING, result);
        /* Each step waits until the one before has come, by way of the descriptor alone. */
        if (step == 0) {
            OK(dora_shm_writer_begin(writer, &format, NULL, 1));
            step = 1;
        } else if (step == 1 && generations == 1) {
            signal_write(writer, 25);
            step = 2;
        } else if (step == 2 && read == 25) {
            OK(dora_shm_writer_close(&writer));
            step = 3;
        }
        CHECK(poll(&descriptor, 1, 60000) == 1);
    }
    CHECK(step == 3 && generations == 1 && read == 25);
    OK(dora_shm_notifier_close(&notifier));
    CHECK(notifier == NULL);
    OK(dora_shm_notifier_close(&notifier));
    OK(dora_shm_reader_close(&reader));
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    a_handle_in_use_is_refused(argv[1]);
    a_signal_handler_may_interrupt(argv[1]);
    each_thread_has_its_own_message();
    every_reader_accounts_for_every_frame(argv[1]);
    a_descriptor_wakes_a_loop(argv[1]);
    return 0;
}
