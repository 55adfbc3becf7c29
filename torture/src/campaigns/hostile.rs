//! Every field of a live stream is overwritten while readers of every kind run and new ones attach. Then files that are
//! not segments are put under the stream's names. Readers return typed errors or continue. They never crash, hang, or
//! allocate as much memory as a corrupt number in a segment demands.

use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dora_shm_ring::{Frames, Message, MessageReader, Reader, ReaderOptions, Start, Writer};
use dora_shm_testkit::PATIENCE;
use dora_shm_testkit::follower::{Follower, Kind, oldest};
use dora_shm_testkit::ledger::Ledger;
use dora_shm_testkit::probe;
use dora_shm_testkit::process::print_line;
use dora_shm_testkit::rng::Rng;
use dora_shm_testkit::segments;
use dora_shm_testkit::segments::{Snapshot, footer_at, header_at, trailer_at};
use dora_shm_testkit::signal;
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::campaigns::impostors;
use crate::counters::Counters;
use crate::fixture::{Fixture, Outcome, create_patiently};
use crate::role::{Role, until_input_ends};

/// Limit of a victim's address space, in bytes. No number in a segment may make the victim need more.
const VICTIM_BYTES: u64 = 4 << 30;

const RING_FRAMES: u64 = 256;

pub fn run(fixture: &Fixture) -> Outcome {
    scribbled_over(fixture)?;
    impostors::run(fixture)
}

fn scribbled_over(fixture: &Fixture) -> Outcome {
    let failed = |error| format!("the writer: {error:?}");
    let mut writer = create_patiently(&fixture.name).map_err(failed)?;
    begin(&mut writer, 0)?;
    let mut rng = fixture.rng(1);
    let mut victims = Vec::new();
    for kind in Kind::ALL {
        let mut victim = fixture.start(Role::Victim, &[kind.word(), &rng.next_u64().to_string(), &fixture.name])?;
        victim.expect("begins")?;
        victims.push(victim);
    }
    let stop = AtomicBool::new(false);
    // The impostors take a second or two.
    let time = fixture.part(1).saturating_sub(Duration::from_secs(2));
    std::thread::scope(|scope| {
        let scribbler = scope.spawn(|| {
            let scribbled = scribble(fixture, time);
            stop.store(true, Ordering::Relaxed);
            scribbled
        });
        let mut rng = fixture.rng(2);
        let mut generation = 0;
        let written = loop {
            if stop.load(Ordering::Relaxed) || fixture.counters.is_over() {
                break Ok(());
            }
            // The writer never reads its own fields back from shared memory, so it must never fail.
            let wrote = signal::write(&mut writer, rng.below(40)).map_err(failed).and_then(|()| {
                if rng.one_in(400) {
                    generation += 1;
                    begin(&mut writer, generation)
                } else {
                    Ok(())
                }
            });
            if wrote.is_err() {
                break wrote;
            }
            std::thread::sleep(Duration::from_micros(rng.below(60)));
        };
        scribbler.join().map_err(|_| "the scribbler panicked".to_owned())?.and(written)
    })?;
    for victim in victims {
        victim.end_well()?;
    }
    // The damage does not last: a newcomer reads the next generation completely, and the close leaves nothing behind.
    begin(&mut writer, 0)?;
    signal::write(&mut writer, 9).map_err(failed)?;
    let newcomer = Follower::open(&fixture.name, Kind::Messages, &oldest(), Ledger::anywhere());
    let mut newcomer = newcomer.map_err(|error| format!("after the scribbling: {error:?}"))?;
    newcomer.drain()?;
    fixture.counters.checked(newcomer.ledger.read);
    if newcomer.ledger.read != 9 {
        return Err(format!("after the scribbling 9 frames were written, {} read", newcomer.ledger.read));
    }
    drop(writer);
    let left = segments::listing();
    if left.is_empty() { Ok(()) } else { Err(format!("the writer closed and left {left:?}")) }
}

fn begin(writer: &mut Writer, i: u64) -> Outcome {
    let description = signal::description(format!("described {i}"));
    writer
        .begin(&signal::format_of(&[4 + i % 3], RING_FRAMES - 8 * (i % 4)), &description, 8)
        .map_err(|error| format!("the writer cannot begin a generation: {error:?}"))
}

/// A word of 4 bytes in one of the stream's files, by its offset.
#[derive(Clone, Copy, Debug)]
enum Field {
    Header(u64),
    Trailer(u64),
    Record(u64),
    Footer(u64),
    Description(u64),
}

fn fields(name: &str) -> Vec<Field> {
    let words = |bytes: std::ops::Range<u64>| bytes.step_by(4);
    let name_end = header_at::NAME + name.len() as u64;
    let mut fields: Vec<Field> = words(0..64).chain(words(header_at::MAGIC..name_end)).map(Field::Header).collect();
    fields.extend(words(0..trailer_at::COMMITTED_CHUNKS + 8).map(Field::Trailer));
    fields.extend(words(0..8 * 64).map(Field::Record));
    fields.extend(words(0..footer_at::LENGTH).map(Field::Footer));
    fields.extend(words(0..160).map(Field::Description));
    fields
}

fn scribble(fixture: &Fixture, time: Duration) -> Outcome {
    let mut rng = fixture.rng(3);
    let until = Instant::now() + time;
    let fields = fields(&fixture.name);
    let mut passes = 0;
    while passes == 0 || Instant::now() < until {
        for &field in &fields {
            if passes > 0 && Instant::now() >= until || fixture.counters.is_over() {
                break;
            }
            if let Some(injected) = spoil(fixture, field, &mut rng) {
                fixture.counters.faults(injected);
            }
        }
        passes += 1;
        if fixture.counters.is_over() {
            break;
        }
    }
    fixture.counters.note(format!(
        "{} fields of header, trailer, records and description overwritten, {passes} times each",
        fields.len()
    ));
    Ok(())
}

/// Writes wrong values into a field, each for a moment. Returns their number; `None` if the segment has just been
/// removed.
fn spoil(fixture: &Fixture, field: Field, rng: &mut Rng) -> Option<u64> {
    let open = |path: &Path| segments::open(path).ok();
    let now = Snapshot::of(&fixture.name);
    let (file, offset) = match field {
        Field::Header(offset) => (open(&segments::header(&fixture.name))?, offset),
        Field::Trailer(offset) => {
            let ring = open(&segments::ring(&fixture.name, now.generation?))?;
            let length = ring.metadata().ok()?.len();
            (ring, length - trailer_at::LENGTH + offset)
        }
        Field::Record(offset) => {
            let ring = open(&segments::ring(&fixture.name, now.generation?))?;
            let length = ring.metadata().ok()?.len();
            let mut index = [0; 8];
            ring.read_exact_at(&mut index, length - trailer_at::LENGTH + trailer_at::INDEX_OFFSET).ok()?;
            (ring, u64::from_le_bytes(index).checked_add(offset).filter(|end| end + 4 <= length)?)
        }
        Field::Footer(offset) => {
            let metadata = open(&segments::metadata(&fixture.name, now.meta_generation))?;
            let length = metadata.metadata().ok()?.len();
            (metadata, length - footer_at::LENGTH + offset)
        }
        Field::Description(offset) => {
            let metadata = open(&segments::metadata(&fixture.name, now.meta_generation))?;
            let length = metadata.metadata().ok()?.len();
            let mut json = [0; 8];
            metadata.read_exact_at(&mut json, length - footer_at::LENGTH + footer_at::JSON_OFFSET).ok()?;
            (metadata, u64::from_le_bytes(json).checked_add(offset).filter(|end| end + 4 <= length)?)
        }
    };
    let mut before = [0; 4];
    file.read_exact_at(&mut before, offset).ok()?;
    let old = u32::from_le_bytes(before);
    let values = [0, u32::MAX, rng.next_u64() as u32, old ^ 1 << rng.below(32), old.wrapping_add(1), 1 << 31];
    for value in values {
        file.write_all_at(&value.to_le_bytes(), offset).ok()?;
        match rng.below(3) {
            0 => std::thread::sleep(Duration::from_micros(rng.below(100))),
            1 => std::thread::yield_now(),
            _ => {}
        }
        file.write_all_at(&before, offset).ok()?;
    }
    Some(values.len() as u64)
}

/// The role that reads a stream while it is overwritten.
pub fn victim(kind: Kind, mut rng: Rng, name: &str) -> eyre::Result<()> {
    setrlimit(Resource::As, Rlimit { current: Some(VICTIM_BYTES), maximum: Some(VICTIM_BYTES) })?;
    let counters = Counters::of_role();
    print_line("begins");
    until_input_ends(|| {
        let start = [Start::Oldest, Start::Newest, Start::Last(20)][rng.below(3) as usize];
        let options = ReaderOptions::default().start(start);
        let started = Instant::now();
        let result = match kind {
            Kind::Messages | Kind::MessageViews => read_messages(name, options, &mut rng),
            Kind::Wait | Kind::Poll | Kind::View => read_frames(name, options, &mut rng),
        };
        match result {
            Ok(()) => {}
            Err(error) if impostors::is_about_segments(&error) => {}
            Err(error) => counters.defect(&format!("{kind:?} reader from {start:?}: {error:?}")),
        }
        if started.elapsed() > PATIENCE {
            counters.defect(&format!("{kind:?} reader from {start:?}: kept busy for {:?}", started.elapsed()));
        }
        Ok(())
    })
}

fn read_frames(name: &str, options: ReaderOptions, rng: &mut Rng) -> dora_shm_ring::Result<()> {
    let mut reader = Reader::open(name, options)?;
    let mut frames = Frames::new();
    for _ in 0..1 + rng.below(40) {
        reader.wait(Duration::from_micros(rng.below(1000)))?;
        probe::read(&mut reader, &mut frames, 1 + rng.below(300))?;
        if rng.one_in(4) {
            probe::look_back(&mut reader, &mut frames)?;
        }
        probe::state(&mut reader)?;
        probe::view(&mut reader, u64::MAX)?;
    }
    Ok(())
}

fn read_messages(name: &str, options: ReaderOptions, rng: &mut Rng) -> dora_shm_ring::Result<()> {
    let mut reader = MessageReader::open(name, options)?;
    let mut message = Message::new();
    for _ in 0..1 + rng.below(40) {
        reader.wait(Duration::from_micros(rng.below(1000)))?;
        probe::next(&mut reader, &mut message)?;
        let _ = (reader.lag(), reader.lost(), reader.description().is_some());
        reader.info()?;
        probe::view_message(&mut reader)?;
    }
    Ok(())
}
