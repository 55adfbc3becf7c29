//! Calls every method of a reader and checks that the results are consistent. For any content of the segments, a reader
//! must return an error about them or continue. These functions panic on anything else.

use std::time::Duration;

use dora_shm_ring::{
    Error, Format, Frames, Message, MessageReader, Outcome, Reader, ReaderOptions, Result, SharedBytes, Start,
};

/// The starts of the probing readers.
pub const STARTS: [Start; 3] = [Start::Oldest, Start::Newest, Start::Last(3)];

/// Whether a reader may return this error about the segments of a stream.
pub fn is_about_segments(error: &Error) -> bool {
    matches!(
        error,
        Error::Corrupt { .. }
            | Error::Version { .. }
            | Error::Ezmsg { .. }
            | Error::WrongOwner { .. }
            | Error::Permission { .. }
    )
}

/// Probes with readers of both kinds, from every start.
///
/// # Errors
/// The first error of a reader.
#[track_caller]
pub fn all(name: &str, options: &ReaderOptions) -> Result<()> {
    let mut first = Ok(());
    for start in STARTS {
        let options = options.clone().start(start);
        for result in [frames(name, &options), messages(name, &options)] {
            first = first.and(result);
        }
    }
    first
}

/// Calls the methods of a reader of frames.
///
/// # Errors
/// The first error of the reader.
#[track_caller]
pub fn frames(name: &str, options: &ReaderOptions) -> Result<()> {
    let mut reader = Reader::open(name, options.clone())?;
    let mut frames = Frames::new();
    state(&mut reader)?;
    look_back(&mut reader, &mut frames)?;
    reader.wait(Duration::ZERO)?;
    for most in [5, 1, u64::MAX, 5] {
        read(&mut reader, &mut frames, most)?;
    }
    drop(reader);
    let mut reader = Reader::open(name, options.clone())?;
    for most in [5, u64::MAX] {
        view(&mut reader, most)?;
    }
    let lost = reader.lost();
    reader.skip_to_newest()?;
    assert_eq!(reader.lost(), lost);
    reader.wait(Duration::ZERO)?;
    state(&mut reader)
}

/// Calls the methods of a reader of messages.
///
/// # Errors
/// The first error of the reader.
#[track_caller]
pub fn messages(name: &str, options: &ReaderOptions) -> Result<()> {
    let mut reader = MessageReader::open(name, options.clone())?;
    let mut message = Message::new();
    for _ in 0..8 {
        reader.wait(Duration::ZERO)?;
        next(&mut reader, &mut message)?;
    }
    let mut reader = MessageReader::open(name, options.clone())?;
    for _ in 0..8 {
        view_message(&mut reader)?;
    }
    let lost = reader.lost();
    reader.skip_to_newest()?;
    assert_eq!(reader.lost(), lost);
    reader.wait(Duration::ZERO)?;
    let _ = (reader.lag(), reader.next_event(), reader.description().cloned());
    reader.info().map(|_| ())
}

/// Calls the methods by which a reader of frames reports the stream's state.
///
/// # Errors
/// The first error of the reader.
pub fn state(reader: &mut Reader) -> Result<()> {
    while reader.next_event().is_some() {}
    let _ = (reader.lag(), reader.lost(), reader.position(), reader.generation(), reader.description_missed());
    let _ = (reader.description().cloned(), format!("{reader:?}"));
    reader.info().and_then(|_| reader.liveness(Duration::ZERO)).map(|_| ())
}

/// Reads frames by their positions and times.
///
/// # Errors
/// The first error of the reader.
#[track_caller]
pub fn look_back(reader: &mut Reader, frames: &mut Frames) -> Result<()> {
    for most in [u64::MAX, 3] {
        reader.latest(most, frames)?;
        check(reader, frames);
    }
    for seconds in [0.01, f64::INFINITY, f64::NAN] {
        let within = reader.frames_within(seconds)?;
        reader.latest(within, frames)?;
        check(reader, frames);
    }
    let held = reader.held();
    assert!(held.end - held.start <= reader.format().map_or(0, Format::frames));
    for positions in [0..u64::MAX, held.start..held.end.saturating_add(1), held.end..held.start] {
        let read = reader.read_at(positions, frames)?;
        assert_eq!(read, frames.frames());
        check(reader, frames);
    }
    reader.messages(held, &mut Vec::new());
    for time in [0.0, f64::INFINITY, f64::NAN] {
        let _ = (reader.position_at(time), reader.unread());
    }
    Ok(())
}

fn frame_bytes(format: Option<&Format>) -> u64 {
    format.map_or(0, Format::frame_bytes)
}

#[track_caller]
fn check(reader: &Reader, frames: &Frames) {
    assert_eq!(frames.times().len() as u64, frames.frames());
    if let Some(format) = reader.format() {
        assert_eq!(frames.samples().len() as u64, frames.frames() * format.frame_bytes());
    }
}

/// Copies frames once.
///
/// # Errors
/// The reader's error.
#[track_caller]
pub fn read(reader: &mut Reader, frames: &mut Frames, most: u64) -> Result<()> {
    if reader.read(frames, most)?.is_data() {
        assert!(!frames.is_empty() && frames.frames() <= most);
        check(reader, frames);
    }
    Ok(())
}

/// Borrows frames once and reads every byte of them.
///
/// # Errors
/// The reader's error.
#[track_caller]
pub fn view(reader: &mut Reader, most: u64) -> Result<()> {
    if let Outcome::Data(view) = reader.view(most)? {
        let (frames, first) = (view.frames(), view.first());
        let mut times = Vec::new();
        view.copy_times_to(&mut times);
        let samples = view.samples().map(|run| run.to_vec()).concat();
        assert_eq!(times.len() as u64, frames);
        assert_eq!(view.times_bytes().iter().map(SharedBytes::len).sum::<usize>() as u64, 8 * frames);
        assert_eq!(samples.len() as u64, frame_bytes(reader.format()) * frames);
        let whole = reader.finish(view);
        assert!(whole.start >= first && whole.end == first + frames);
    }
    Ok(())
}

/// Copies a message once.
///
/// # Errors
/// The reader's error.
#[track_caller]
pub fn next(reader: &mut MessageReader, message: &mut Message) -> Result<()> {
    if reader.next(message)?.is_data() {
        let frames = message.info().frames;
        assert_eq!(message.times().len() as u64, frames);
        assert_eq!(message.samples().len() as u64, frame_bytes(reader.format()) * frames);
    }
    Ok(())
}

/// Borrows a message once and reads every byte of it.
///
/// # Errors
/// The reader's error.
#[track_caller]
pub fn view_message(reader: &mut MessageReader) -> Result<()> {
    if let Outcome::Data(view) = reader.view()? {
        let mut times = Vec::new();
        view.copy_times_to(&mut times);
        assert_eq!(times.len() as u64, view.info().frames);
        std::hint::black_box(view.samples().map(|run| run.to_vec()));
        reader.finish(view);
    }
    Ok(())
}
