//! Once all buffers have their size, nothing is allocated: neither per chunk by the writer nor per read by readers.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use dora_shm_ring::*;
use dora_shm_testkit::Name;
use dora_shm_testkit::signal::{LEAST_BYTES, description, format};

/// Counts this thread's allocations.
struct Counted;

thread_local! {
    static ASKED: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: all calls are forwarded to the system's allocator.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.with(|asked| asked.set(asked.get() + 1));
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(start, layout) }
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ASKED.with(|asked| asked.set(asked.get() + 1));
        // SAFETY: the caller's promise.
        unsafe { System.realloc(start, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counted = Counted;

/// How often `work` allocates.
fn asked(work: impl FnOnce()) -> u64 {
    let before = ASKED.with(Cell::get);
    work();
    ASKED.with(Cell::get) - before
}

const FRAMES: u64 = 30;

fn stream(name: &str) -> Writer {
    let mut writer = Writer::create(name, WriterOptions::default()).unwrap();
    writer.begin(&format(100), &description("counted"), FRAMES).unwrap();
    writer
}

fn oldest() -> ReaderOptions {
    ReaderOptions::default().start(Start::Oldest)
}

#[test]
fn the_counter_counts() {
    assert_eq!(asked(|| drop(std::hint::black_box(Box::new(1)))), 1);
}

#[test]
fn writing_allocates_no_memory() {
    let name = Name::new("writing");
    let mut writer = stream(&name);
    let samples = vec![7; FRAMES as usize * LEAST_BYTES];
    let values = vec![1.5; FRAMES as usize];
    let linear = Times::Linear { start: 0.0, step: 0.001 };
    let count = asked(|| {
        for _ in 0..1000 {
            writer.write(&Chunk { samples: &samples, times: linear, send_ns: 1 }).unwrap();
            writer.write(&Chunk { samples: &samples, times: Times::Values(&values), send_ns: 1 }).unwrap();
            writer.write_with(FRAMES, linear, 1, |_, memory| memory.fill(9)).unwrap();
            writer.write_with(0, linear, 1, |_, _| {}).unwrap();
        }
    });
    assert_eq!(count, 0);
}

#[test]
fn reading_into_reused_memory_allocates_none() {
    let name = Name::new("reading");
    let mut writer = stream(&name);
    let samples = vec![7; FRAMES as usize * LEAST_BYTES];
    let mut write = |frames: usize| {
        let times = Times::Linear { start: 0.0, step: 0.001 };
        writer.write(&Chunk { samples: &samples[..frames * LEAST_BYTES], times, send_ns: 1 }).unwrap();
    };
    let mut reader = Reader::open(&name, oldest()).unwrap();
    let mut in_place = Reader::open(&name, oldest()).unwrap();
    let mut by_message = MessageReader::open(&name, oldest()).unwrap();
    let mut messages_in_place = MessageReader::open(&name, oldest()).unwrap();
    let (mut frames, mut message, mut newest) = (Frames::new(), Message::new(), Frames::new());
    let mut times = Vec::with_capacity(4 * FRAMES as usize);
    // The first reads allocate for the largest chunk.
    write(FRAMES as usize);
    assert!(reader.read(&mut frames, u64::MAX).unwrap().is_data());
    assert!(by_message.next(&mut message).unwrap().is_data());
    while by_message.next(&mut message).unwrap().is_data() {}
    while let Outcome::Data(view) = messages_in_place.view().unwrap() {
        messages_in_place.finish(view);
    }
    write(FRAMES as usize);
    write(FRAMES as usize);
    write(FRAMES as usize);
    reader.latest(100, &mut newest).unwrap();
    reader.read(&mut frames, u64::MAX).unwrap();
    let count = asked(|| {
        for i in 0..1000 {
            write(1 + i % FRAMES as usize);
            reader.wait(std::time::Duration::from_secs(1)).unwrap();
            assert!(reader.read(&mut frames, u64::MAX).unwrap().is_data());
            reader.latest(50, &mut newest).unwrap();
            let within = reader.frames_within(0.01).unwrap();
            reader.latest(within, &mut newest).unwrap();
            let _ = (reader.lag(), reader.lost());
            let Outcome::Data(view) = in_place.view(u64::MAX).unwrap() else { panic!("expected a view") };
            view.copy_times_to(&mut times);
            assert!(!times.is_empty() && !view.samples()[0].is_empty());
            in_place.finish(view);
            while by_message.next(&mut message).unwrap().is_data() {}
            while let Outcome::Data(view) = messages_in_place.view().unwrap() {
                assert!(!view.samples()[0].is_empty());
                assert!(messages_in_place.finish(view));
            }
        }
    });
    assert_eq!(count, 0);
}
