//! What a reader must find after a story, derived without reading what the writers wrote.

use dora_shm_ring::{ClockId, Dtype};
use dora_shm_testkit::settled::{CLOCK_ID, CREATED_NS, MONO_NS, STREAM_ID};
use dora_shm_testkit::vectors::{PREFIX, integer, real};
use serde_json::{Value, json};

use crate::samples::sample;
use crate::story::{Case, Described, Ring, Step};

struct Generation {
    number: u32,
    base: u64,
    ring: Ring,
    chunks: Vec<Chunk>,
    committed: u64,
    /// The position up to which the writer has announced frames; never below `committed`.
    reserved: u64,
    reserved_chunks: u64,
    /// The description of the newest chunk, or of the ring while it has no chunk.
    described: Described,
}

struct Chunk {
    first: u64,
    frames: u64,
    send_ns: i64,
}

/// The actual sizes of a ring, which the writer chooses.
pub struct Room {
    pub frames: u64,
    pub records: u64,
}

/// The state of the stream at the end of the story.
pub struct Model {
    closed: bool,
    epoch: u32,
    /// Refused, dropped and gaps, since the writer came.
    counted: [u64; 3],
    next_generation: u32,
    generation: Option<Generation>,
    /// The description from the next chunk on.
    described: Option<Described>,
}

impl Model {
    pub fn of(case: &Case) -> Self {
        let mut model =
            Self { closed: false, epoch: 1, counted: [0; 3], next_generation: 0, generation: None, described: None };
        for step in &case.steps {
            model.play(step);
        }
        model
    }

    fn current(&mut self) -> &mut Generation {
        self.generation.as_mut().expect("the story begins with a generation")
    }

    fn play(&mut self, step: &Step) {
        match step {
            Step::Begin(ring) => self.begin(ring),
            Step::Describe(described) => self.described = Some(described.clone()),
            Step::Chunk(frames) => self.write(*frames),
            Step::Count(counted) => self.counted = *counted,
            Step::Killed => (self.epoch, self.counted) = (self.epoch + 1, [0; 3]),
            Step::KilledInChunk(_, frames) => {
                let current = self.current();
                current.reserved = current.committed + frames;
                current.reserved_chunks += 1;
            }
            // A generation has begun if the writer died at S8. Before S8 it has not begun.
            Step::KilledInBegin("S8", ring) => self.begin(ring),
            Step::KilledInBegin(..) => {}
            Step::KilledInClose => self.closed = true,
        }
    }

    fn begin(&mut self, ring: &Ring) {
        let base = self.generation.as_ref().map_or(0, |before| before.base + before.committed);
        self.described = Some(ring.described.clone());
        self.generation = Some(Generation {
            number: self.next_generation,
            base,
            ring: ring.clone(),
            chunks: Vec::new(),
            committed: 0,
            reserved: 0,
            reserved_chunks: 0,
            described: ring.described.clone(),
        });
        self.next_generation += 1;
    }

    fn write(&mut self, frames: u64) {
        let described = self.described.clone().expect("begin describes");
        let current = self.current();
        let send_ns = (current.ring.send_ns)(current.chunks.len() as u64);
        current.chunks.push(Chunk { first: current.committed, frames, send_ns });
        current.committed += frames;
        current.reserved = current.committed;
        current.reserved_chunks += 1;
        current.described = described;
    }

    /// Number of the generation that readers find.
    pub fn generation(&self) -> u32 {
        self.generation.as_ref().expect("the story begins with a generation").number
    }

    /// The members of `expected.json`, in its order.
    pub fn expected(&self, case: &Case, room: &Room) -> Vec<(&'static str, Value)> {
        let current = self.generation.as_ref().expect("the story begins with a generation");
        let ring = &current.ring;
        let oldest = current.reserved.saturating_sub(room.frames).min(current.committed);
        let positions = oldest..current.committed;
        vec![
            ("name", json!(format!("{PREFIX}{}", case.stream))),
            ("state", json!(if self.closed { "closed" } else { "open" })),
            ("generation", json!(current.number)),
            ("epoch", json!(self.epoch)),
            ("stream_id", json!(format!("{STREAM_ID:016x}"))),
            ("dtype", json!(ring.dtype.name())),
            ("frame_shape", json!(ring.frame_shape)),
            ("rate_hz", json!(ring.rate_hz)),
            ("ring_frames", json!(room.frames)),
            ("base", json!(current.base)),
            ("counted", json!(self.counted)),
            ("clock", json!(ring.clock.name())),
            ("clock_id", json!(ClockId(CLOCK_ID).to_string())),
            ("created_ns", integer(CREATED_NS)),
            ("created_mono_ns", integer(MONO_NS)),
            ("position", json!(current.committed)),
            ("oldest", json!(oldest)),
            ("times", positions.clone().map(|p| real((ring.time)(p))).collect()),
            ("samples", positions.flat_map(|p| frame(ring, p)).map(|(_, value)| value).collect()),
            ("description", current.described.json.clone()),
            ("chunks", current.readable_chunks(oldest, room.records)),
        ]
    }
}

impl Generation {
    /// The newest chunks, back to (and without) the first one whose record is gone or that has lost a frame.
    fn readable_chunks(&self, oldest: u64, records: u64) -> Value {
        let whole = |&(i, chunk): &(usize, &Chunk)| self.reserved_chunks <= i as u64 + records && chunk.first >= oldest;
        let mut chunks: Vec<Value> = self
            .chunks
            .iter()
            .enumerate()
            .rev()
            .take_while(whole)
            .map(|(_, chunk)| {
                let Chunk { first, frames, send_ns } = *chunk;
                let discontinuity = self.is_discontinuity(first, frames);
                json!({
                    "first": first, "frames": frames, "send_ns": integer(send_ns), "discontinuity": discontinuity,
                })
            })
            .collect();
        chunks.reverse();
        chunks.into()
    }
}

impl Generation {
    /// Whether the time at `first` does not follow the one before it.
    fn is_discontinuity(&self, first: u64, frames: u64) -> bool {
        let Ring { time, rate_hz, .. } = self.ring;
        if frames == 0 || first == 0 {
            return false;
        }
        let passed = time(first) - time(first - 1);
        if rate_hz > 0.0 { (passed - 1.0 / rate_hz).abs() > (0.5 / rate_hz).max(1e-6) } else { passed < 0.0 }
    }
}

/// The samples of the frame at `position`, as bytes and as JSON.
pub fn frame(ring: &Ring, position: u64) -> impl Iterator<Item = (Vec<u8>, Value)> + use<> {
    let count: u64 = ring.frame_shape.iter().product();
    let dtype: Dtype = ring.dtype;
    (position * count..(position + 1) * count).map(move |i| sample(dtype, i))
}
