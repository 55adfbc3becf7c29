//! A live stream, and the ledger of a program that follows it: every frame is checked, and every position is either
//! read or lost, once.

use std::process::Command;
use std::time::{Duration, Instant};

use dora_shm_ring::{Chunk, Description, Dtype, Format, Times, Writer, WriterOptions};
use serde_json::Value;

use dora_shm_testkit::process::Process;
use dora_shm_testkit::rng::Rng;
use dora_shm_testkit::{Name, PATIENCE};

/// Frame shapes and lengths of the generations.
const RINGS: [(&[u64], u64); 4] = [(&[16], 96), (&[3, 2], 250), (&[], 512), (&[2], 600)];
/// How often the program must have received frames of each generation, and must have been lapped in it, before the next
/// one begins.
const READS: u64 = 30;
const LAPS: u64 = 10;
const CHUNK: u64 = 25;

/// How the writer writes for a while.
enum Weather {
    /// A part of the ring, or several laps of it, followed by a pause that is long enough to copy it all.
    Burst { frames: u64 },
    /// Chunks at this interval, so that copies of various speeds are lapped in their middle.
    Storm { between: Duration },
}

impl Weather {
    const PAUSE: Duration = Duration::from_millis(3);
    const STORM: Duration = Duration::from_millis(20);

    fn next(rng: &mut Rng, ring_frames: u64) -> Self {
        match rng.below(4) {
            0 => Self::Burst { frames: rng.below(ring_frames / 2) },
            1 => Self::Burst { frames: rng.below(4 * ring_frames) },
            _ => Self::Storm { between: Duration::from_micros([0, 10, 30, 100, 300, 1000][rng.below(6) as usize]) },
        }
    }

    fn pass(&self, rng: &mut Rng, mut write: impl FnMut(u64)) {
        let mut chunk = || 1 + rng.below(2 * CHUNK - 1);
        match *self {
            Self::Burst { mut frames } => {
                while frames > 0 {
                    let chunk = chunk().min(frames);
                    write(chunk);
                    frames -= chunk;
                }
                std::thread::sleep(Self::PAUSE);
            }
            Self::Storm { between } => {
                let end = Instant::now() + Self::STORM;
                let mut due = Instant::now();
                while due < end {
                    write(chunk());
                    due = Instant::now() + between;
                    while Instant::now() < due {
                        std::hint::spin_loop();
                    }
                }
            }
        }
    }
}

/// Sample `i` of the frame at `position`, which encodes generation, position and `i`.
fn sample(generation: u64, position: u64, i: u64) -> i64 {
    let value = (generation << 40 | position << 8 | i) as i64;
    if i.is_multiple_of(2) { value } else { -value }
}

fn time(generation: u64, position: u64) -> f64 {
    generation as f64 * 1e6 + position as f64 / 1000.0
}

fn width(generation: u64) -> u64 {
    RINGS[generation as usize].0.iter().product()
}

/// Lets `program` follow a stream that does not exist yet, through bursts that lap it and four generations, to its end.
#[track_caller]
pub fn follow(language: &str, mut program: Command) {
    let name = Name::new(&format!("follow-{language}"));
    let mut program = Process::start(program.args(["follow", &name])).unwrap();
    let mut ledger = Ledger::default();
    assert_eq!(ledger.enter(program.read_line().unwrap()), "waits");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    let mut rng = Rng::new(7);
    for (generation, (shape, frames)) in RINGS.into_iter().enumerate() {
        let format = Format::new(Dtype::I64, shape, 1000.0, frames).unwrap();
        writer.begin(&format, &Description::default(), CHUNK).unwrap();
        ledger.generations.push(Generation { base: writer.stream_position(), ..Generation::default() });
        let deadline = Instant::now() + 2 * PATIENCE;
        while ledger.generations[generation].reads < READS || ledger.generations[generation].laps < LAPS {
            assert!(Instant::now() < deadline, "generation {generation}: {ledger:?}");
            let weather = Weather::next(&mut rng, frames);
            weather.pass(&mut rng, |frames| write(&mut writer, generation as u64, frames));
            while let Some(line) = program.try_read_line() {
                ledger.enter(Some(line));
            }
        }
    }
    // A generation that is too short for any reader, and an end while frames are left to read.
    let unseen = RINGS.len() as u64 - 1;
    for _ in 0..2 {
        let (shape, frames) = RINGS[unseen as usize];
        let format = Format::new(Dtype::I64, shape, 1000.0, frames).unwrap();
        writer.begin(&format, &Description::default(), CHUNK).unwrap();
        ledger.generations.push(Generation { base: writer.stream_position(), ..Generation::default() });
        write(&mut writer, unseen, CHUNK);
    }
    let written = writer.stream_position();
    drop(writer);
    while ledger.enter(program.read_line().unwrap()) != "closed" {}
    assert_eq!(ledger.read + ledger.lost_in_all, written, "{ledger:?}");
    program.end_well().unwrap();
    println!("{language}: {ledger:?}");
}

fn write(writer: &mut Writer, generation: u64, frames: u64) {
    let positions = writer.position()..writer.position() + frames;
    let frame = |p| (0..width(generation)).flat_map(move |i| sample(generation, p, i).to_le_bytes());
    let samples: Vec<u8> = positions.clone().flat_map(frame).collect();
    let times: Vec<f64> = positions.map(|p| time(generation, p)).collect();
    writer.write(&Chunk { samples: &samples, times: Times::Values(&times), send_ns: 0 }).unwrap();
}

#[derive(Debug, Default)]
struct Ledger {
    generations: Vec<Generation>,
    /// Position in the stream up to which frames are read, or were reported as lost before one that is.
    accounted: u64,
    read: u64,
    lost_in_all: u64,
}

#[derive(Debug, Default)]
struct Generation {
    /// Position in the stream at which it began.
    base: u64,
    /// How often frames of it were read.
    reads: u64,
    /// How often they were read after a gap.
    laps: u64,
}

impl Ledger {
    /// Records a line of the program. Returns its outcome.
    #[track_caller]
    fn enter(&mut self, line: Option<String>) -> String {
        let line = line.unwrap_or_else(|| panic!("the program ended; {self:?}"));
        let report: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let outcome = report["outcome"].as_str().unwrap_or_else(|| panic!("no outcome: {line}"));
        assert!(["waits", "data", "generation", "closed"].contains(&outcome), "{line}; {self:?}");
        self.lost_in_all = report["lost_in_all"].as_u64().unwrap_or(0);
        if outcome == "data" {
            self.enter_frames(&report);
        }
        outcome.to_owned()
    }

    #[track_caller]
    fn enter_frames(&mut self, report: &Value) {
        let number = |name: &str| report[name].as_u64().unwrap_or_else(|| panic!("{name}: {report}"));
        let (generation, first, lost) = (number("generation"), number("first"), number("lost"));
        // The last two have the same kind as the one before them.
        let kind = generation.min(RINGS.len() as u64 - 1);
        let times = report["times"].as_array().expect("times");
        let samples = report["samples"].as_array().expect("samples");
        assert_eq!(samples.len() as u64, times.len() as u64 * width(kind), "{report}");
        for (p, at) in (first..).zip(times) {
            assert_eq!(at.as_f64(), Some(time(kind, p)), "time of {p} in generation {generation}");
        }
        for (n, found) in (0..).zip(samples) {
            let (p, i) = (first + n / width(kind), n % width(kind));
            assert_eq!(found.as_i64(), Some(sample(kind, p, i)), "sample {i} of {p} in generation {generation}");
        }
        let ledger = &mut self.generations[generation as usize];
        let position = ledger.base + first;
        ledger.laps += u64::from(lost > 0 && ledger.reads > 0);
        ledger.reads += 1;
        assert_eq!(self.accounted + lost, position, "{lost} were reported as lost before {position}; {self:?}");
        self.accounted = position + times.len() as u64;
        self.read += times.len() as u64;
    }
}
