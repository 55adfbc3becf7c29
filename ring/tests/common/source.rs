//! Plain frames, for readers that are not ours, too: two int64 samples that tell their position in the generation.
//! (Frames of [`signal`](super::signal) tell more, which only our own readers check.)

use dora_shm_ring::{
    Chunk, Description, Dtype, Format, Frames, Outcome, Reader, ReaderOptions, Start, Times, Wait, Writer,
    WriterOptions,
};

use super::{PATIENCE, wait_until};

/// Samples in a frame of a [`Source`].
pub const CHANNELS: u64 = 2;

/// Frames of [`CHANNELS`] int64 samples at 1 kHz.
pub fn format(frames: u64) -> Format {
    Format::new(Dtype::I64, &[CHANNELS], 1000.0, frames).unwrap()
}

pub fn description() -> Description {
    Description { dims: vec!["time".into(), "ch".into()], ..Description::default() }
}

/// The samples of the frame at `position`.
pub fn samples_at(position: u64) -> [i64; CHANNELS as usize] {
    [position as i64, !(position as i64)]
}

/// The time of the frame at `position`.
pub fn time_at(position: u64) -> f64 {
    position as f64 / 1000.0
}

/// Writes frames that tell their own position.
pub struct Source {
    pub writer: Writer,
    pub position: u64,
}

impl Source {
    /// A stream of a ring of `frames` frames.
    pub fn new(name: &str, frames: u64) -> Self {
        let mut writer = Writer::create(name, WriterOptions::default()).unwrap();
        writer.begin(&format(frames), &description(), 1).unwrap();
        Self { writer, position: 0 }
    }

    /// One chunk of `frames` frames.
    pub fn write(&mut self, frames: u64) {
        let positions = self.position..self.position + frames;
        let samples: Vec<u8> =
            positions.clone().flat_map(samples_at).flat_map(|sample: i64| sample.to_le_bytes()).collect();
        let times: Vec<f64> = positions.map(time_at).collect();
        self.writer.write(&Chunk { samples: &samples, times: Times::Values(&times), send_ns: 0 }).unwrap();
        self.position += frames;
    }
}

pub fn from_oldest(name: &str) -> Reader {
    Reader::open(name, ReaderOptions::default().start(Start::Oldest)).unwrap()
}

/// The positions that `frames` holds, each sample and time checked.
#[track_caller]
pub fn checked(frames: &Frames) -> std::ops::Range<u64> {
    let positions = frames.first()..frames.first() + frames.frames();
    let samples = frames.samples_as::<i64>().expect("int64 samples");
    assert_eq!(samples.len() as u64, CHANNELS * frames.frames());
    assert_eq!(frames.times().len() as u64, frames.frames());
    for (position, (frame, &time)) in positions.clone().zip(samples.chunks(CHANNELS as usize).zip(frames.times())) {
        assert_eq!(frame, samples_at(position), "the frame at {position}");
        assert_eq!(time, time_at(position), "the time at {position}");
    }
    positions
}

/// What a reader got until nothing was new: positions read and frames lost, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Taken {
    pub read: u64,
    pub lost: u64,
    /// Position after the last frame.
    pub next: u64,
}

/// Reads all that there is, at most `max_frames` at a time, and checks that it is gapless but for what is counted as
/// lost.
#[track_caller]
pub fn drain(reader: &mut Reader, max_frames: u64) -> Taken {
    let mut frames = Frames::default();
    let mut taken = Taken { next: reader.position(), ..Taken::default() };
    loop {
        match reader.read(&mut frames, max_frames).unwrap() {
            Outcome::Data(_) => {
                let positions = checked(&frames);
                assert_eq!(positions.start, taken.next + frames.lost(), "a gap that is not counted");
                assert!(!positions.is_empty() && frames.frames() <= max_frames);
                taken.read += frames.frames();
                taken.lost += frames.lost();
                taken.next = positions.end;
            }
            Outcome::Nothing => return taken,
            Outcome::Generation => taken.next = reader.position(),
            Outcome::Closed => return taken,
        }
    }
}

/// Waits until `reader` has something to say. It may be told before that its writer died.
#[track_caller]
pub fn wait_ready(reader: &mut Reader) {
    wait_until("the reader has something to say", || reader.wait(PATIENCE).unwrap() == Wait::Ready);
}
