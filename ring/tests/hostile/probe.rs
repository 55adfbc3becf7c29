//! Calls everything that a reader has, and watches what it asks for.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dora_shm_ring::*;

use crate::common::PATIENCE;
use crate::common::signal::FRAME_BYTES;

/// Remembers the largest piece of memory that was asked for.
struct Watched;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is the system's allocator's.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(start, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// No test here has a reason to ask for more at once: the rings are small, a description's JSON has at most 64 MiB.
const TOO_MUCH: usize = 65 << 20;
/// Calls everything that a reader has. The first error, which is one about the segments; panics if anything takes long,
/// or asks for much memory, or gives what does not fit together.
#[track_caller]
pub fn probe(name: &str) -> Option<Error> {
    let started = Instant::now();
    LARGEST.store(0, Ordering::Relaxed);
    let mut first_error = None;
    for start in [Start::Oldest, Start::Newest, Start::Last(3)] {
        let options = ReaderOptions::default().start(start);
        for result in [probe_frames(name, &options), probe_messages(name, &options)] {
            if let Err(error) = result {
                assert_about_segments(&error);
                first_error.get_or_insert(error);
            }
        }
    }
    let largest = LARGEST.load(Ordering::Relaxed);
    assert!(largest < TOO_MUCH, "{largest} bytes were asked for at once");
    // Not a matter of speed: sanitizers take ten times as long. Who is kept busy, is so for ever.
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
    first_error
}

#[track_caller]
pub fn assert_about_segments(error: &Error) {
    assert!(
        matches!(
            error,
            Error::Corrupt { .. }
                | Error::Version { .. }
                | Error::Ezmsg { .. }
                | Error::WrongOwner { .. }
                | Error::Permission { .. }
        ),
        "{error:?}"
    );
    assert!(error.to_string().len() < 2000, "{error}");
}

fn check_frames(frames: &Frames, frame_bytes: Option<u64>) {
    assert_eq!(frames.times().len() as u64, frames.frames());
    if let Some(frame_bytes) = frame_bytes {
        assert_eq!(frames.samples().len() as u64, frames.frames() * frame_bytes);
    }
}

pub fn probe_frames(name: &str, options: &ReaderOptions) -> Result<()> {
    let mut reader = Reader::open(name, options.clone())?;
    let mut frames = Frames::new();
    let told = |reader: &mut Reader| {
        let _ = (reader.lag(), reader.lost(), reader.position(), reader.generation(), reader.description_missed());
        let _ = (reader.description().cloned(), format!("{reader:?}"));
        while reader.next_event().is_some() {}
        reader.info().and_then(|_| reader.liveness(Duration::ZERO)).map(|_| ())
    };
    told(&mut reader)?;
    let frame_bytes = |reader: &Reader| reader.format().map(Format::frame_bytes);
    reader.latest(u64::MAX, &mut frames)?;
    check_frames(&frames, frame_bytes(&reader));
    reader.latest(3, &mut frames)?;
    for seconds in [0.01, f64::INFINITY, f64::NAN] {
        let within = reader.frames_within(seconds)?;
        reader.latest(within, &mut frames)?;
        check_frames(&frames, frame_bytes(&reader));
    }
    let held = reader.held();
    assert!(held.end - held.start <= reader.format().map_or(0, Format::frames));
    for positions in [0..u64::MAX, held.start..held.end.saturating_add(1), held.end..held.start] {
        let read = reader.read_at(positions, &mut frames)?;
        assert_eq!(read, frames.frames());
        check_frames(&frames, frame_bytes(&reader));
    }
    let mut messages = Vec::new();
    reader.messages(held, &mut messages);
    for time in [0.0, f64::INFINITY, f64::NAN] {
        let _ = (reader.position_at(time), reader.unread());
    }
    reader.wait(Duration::ZERO)?;
    for max_frames in [5, 1, u64::MAX, 5] {
        if reader.read(&mut frames, max_frames)?.is_data() {
            assert!(!frames.is_empty() && frames.frames() <= max_frames);
            check_frames(&frames, frame_bytes(&reader));
        }
    }
    drop(reader);
    let mut reader = Reader::open(name, options.clone())?;
    for max_frames in [5, u64::MAX] {
        if let Outcome::Data(view) = reader.view(max_frames)? {
            let (frames, first) = (view.frames(), view.first());
            let mut times = Vec::new();
            view.copy_times_to(&mut times);
            let samples = view.samples().map(|run| run.to_vec()).concat();
            assert_eq!(times.len() as u64, frames);
            assert_eq!(view.times_bytes().iter().map(SharedBytes::len).sum::<usize>() as u64, 8 * frames);
            assert_eq!(Some(samples.len() as u64), frame_bytes(&reader).map(|bytes| bytes * frames));
            let whole = reader.finish(view);
            assert!(whole.start >= first && whole.end == first + frames);
        }
    }
    let lost = reader.lost();
    reader.skip_to_newest()?;
    assert_eq!(reader.lost(), lost);
    reader.wait(Duration::ZERO)?;
    told(&mut reader)
}

pub fn probe_messages(name: &str, options: &ReaderOptions) -> Result<()> {
    let mut reader = MessageReader::open(name, options.clone())?;
    let mut message = Message::new();
    for _ in 0..8 {
        reader.wait(Duration::ZERO)?;
        if reader.next(&mut message)?.is_data() {
            assert_eq!(message.times().len() as u64, message.info().frames);
            assert_eq!(message.samples().len() % FRAME_BYTES, 0);
        }
    }
    let mut reader = MessageReader::open(name, options.clone())?;
    for _ in 0..8 {
        if let Outcome::Data(view) = reader.view()? {
            let frames = view.info().frames;
            let mut times = Vec::new();
            view.copy_times_to(&mut times);
            assert_eq!(times.len() as u64, frames);
            let _ = view.samples().map(|run| run.to_vec());
            reader.finish(view);
        }
    }
    let lost = reader.lost();
    reader.skip_to_newest()?;
    assert_eq!(reader.lost(), lost);
    reader.wait(Duration::ZERO)?;
    let _ = (reader.lag(), reader.next_event(), reader.description().cloned());
    reader.info().map(|_| ())
}
