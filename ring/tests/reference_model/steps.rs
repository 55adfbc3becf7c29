//! Random histories: what a writer and its readers do, one step after the other.

use dora_shm_ring::{Description, Dtype, Format, Start};
use proptest::prelude::*;

/// Number of readers of frames, and also of readers of messages.
pub const READERS: usize = 3;

#[derive(Clone, Debug)]
pub enum Step {
    Create,
    Close,
    Begin {
        format: usize,
        frames: u64,
        rate_hz: f64,
        description: usize,
        first_chunk_frames: u64,
    },
    Describe(usize),
    /// Frames in thousandths of the ring's length, but at least a minimum.
    Write {
        thousandths: u64,
        at_least: u64,
        linear: bool,
        in_place: bool,
    },
    /// That many messages of a few frames each.
    WriteMany {
        messages: u64,
        frames: u64,
    },
    Open(usize, Start),
    Read(usize, u64),
    Latest(usize, u64),
    LatestDuration(usize, f64),
    /// Skips everything that is committed.
    Skip(usize),
    /// Borrows, and keeps the view until `Finish`.
    View(usize, u64),
    Finish(usize),
    Wait(usize),
    OpenMessages(usize, Start),
    Next(usize),
    ViewMessage(usize),
    FinishMessage(usize),
    WaitMessages(usize),
    SkipMessages(usize),
}

const SHAPES: [(Dtype, &[u64]); 6] = [
    (Dtype::U8, &[]),
    (Dtype::I16, &[3]),
    (Dtype::F32, &[2, 2]),
    (Dtype::F64, &[1, 1, 5]),
    (Dtype::Bool, &[7]),
    // Several pieces of copying (1 MiB) in a few frames.
    (Dtype::F16, &[300, 500]),
];

/// A format; rings of large frames are short.
pub fn format(which: usize, frames: u64, rate_hz: f64) -> Format {
    let (dtype, shape) = SHAPES[which];
    let frames = if which == SHAPES.len() - 1 { frames.min(9) } else { frames };
    Format::new(dtype, shape, rate_hz, frames).unwrap()
}

pub fn description(which: usize) -> Description {
    let key = ["", "a key", "another key"][which].to_owned();
    Description { key, ..Description::default() }
}

fn start() -> impl Strategy<Value = Start> {
    prop_oneof![Just(Start::Oldest), Just(Start::Newest), (0_u64..40).prop_map(Start::Last)]
}

fn frames_in_ring() -> impl Strategy<Value = u64> {
    prop_oneof![Just(1), Just(2), 3_u64..10, 60_u64..70, 126_u64..140]
}

fn begin() -> impl Strategy<Value = Step> {
    let first = prop_oneof![Just(0), Just(1), 1_u64..200];
    (0..SHAPES.len(), frames_in_ring(), prop_oneof![Just(0.0), Just(100.0)], 0..3_usize, first).prop_map(
        |(format, frames, rate_hz, description, first_chunk_frames)| Step::Begin {
            format,
            frames,
            rate_hz,
            description,
            first_chunk_frames,
        },
    )
}

fn write() -> impl Strategy<Value = Step> {
    let thousandths = prop_oneof![
        2 => Just(0_u64),
        4 => 0_u64..200,
        3 => 200_u64..1000,
        1 => Just(1000_u64),
        1 => 1000_u64..3000,
    ];
    (thousandths, 0_u64..3, any::<bool>(), any::<bool>())
        .prop_map(|(thousandths, at_least, linear, in_place)| Step::Write { thousandths, at_least, linear, in_place })
}

pub fn step() -> impl Strategy<Value = Step> {
    let frames = || prop_oneof![1 => Just(0_u64), 6 => 1_u64..150, 3 => Just(u64::MAX)];
    let seconds = prop_oneof![Just(0.0), 0.0..3.0, Just(f64::INFINITY), Just(f64::NAN), Just(-1.0)];
    let reader = || 0..READERS;
    prop_oneof![
        2 => Just(Step::Create),
        2 => Just(Step::Close),
        6 => begin(),
        3 => (0..3_usize).prop_map(Step::Describe),
        30 => write(),
        4 => (1_u64..150, 0_u64..3).prop_map(|(messages, frames)| Step::WriteMany { messages, frames }),
        6 => (reader(), start()).prop_map(|(reader, start)| Step::Open(reader, start)),
        20 => (reader(), frames()).prop_map(|(reader, max)| Step::Read(reader, max)),
        4 => (reader(), frames()).prop_map(|(reader, frames)| Step::Latest(reader, frames)),
        4 => (reader(), seconds).prop_map(|(reader, seconds)| Step::LatestDuration(reader, seconds)),
        4 => reader().prop_map(Step::Skip),
        6 => (reader(), frames()).prop_map(|(reader, max)| Step::View(reader, max)),
        6 => reader().prop_map(Step::Finish),
        4 => reader().prop_map(Step::Wait),
        6 => (reader(), start()).prop_map(|(reader, start)| Step::OpenMessages(reader, start)),
        20 => reader().prop_map(Step::Next),
        6 => reader().prop_map(Step::ViewMessage),
        6 => reader().prop_map(Step::FinishMessage),
        4 => reader().prop_map(Step::WaitMessages),
        4 => reader().prop_map(Step::SkipMessages),
    ]
}
