//! Somebody scribbles over every field of a live stream while readers of every kind run and new ones come; then what is no
//! segment at all stands under the stream's names. Readers answer with typed errors or go on; they never crash, hang, or
//! ask for memory that a number in a segment asks for.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dora_shm_ring::{Frames, Message, MessageReader, Reader, ReaderOptions, Start, Writer};
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::book::Book;
use crate::campaigns::impostors;
use crate::dice::Dice;
use crate::follower::{Follower, Kind, PATIENCE, oldest};
use crate::roles::{Role, is_about_segments, until_input_ends};
use crate::scene::{Outcome, Scene, create_patiently};
use crate::segments::{self, FOOTER_BYTES, Snapshot, TRAILER_BYTES, header_at, trailer_at};
use crate::signal;
use crate::tally::{Tally, tell};

/// Address space of a victim: no number in a segment may make it ask for more.
const VICTIM_BYTES: u64 = 4 << 30;

const RING_FRAMES: u64 = 256;

pub fn run(scene: &Scene) -> Outcome {
    scribbled_over(scene)?;
    impostors::run(scene)
}

fn scribbled_over(scene: &Scene) -> Outcome {
    let told = |error| format!("the writer: {error:?}");
    let mut writer = create_patiently(&scene.name).map_err(told)?;
    begin(&mut writer, 0)?;
    let mut dice = scene.dice(1);
    let mut victims = Vec::new();
    for kind in ["wait", "poll", "view", "messages", "message-views"] {
        let mut victim = scene.actor(Role::Victim, &[kind, &dice.roll().to_string(), &scene.name])?;
        victim.expect("begins")?;
        victims.push(victim);
    }
    let stop = AtomicBool::new(false);
    // The impostors take a second or two.
    let time = scene.part(1).saturating_sub(Duration::from_secs(2));
    std::thread::scope(|scope| {
        let scribbler = scope.spawn(|| {
            let scribbled = scribble(scene, time);
            stop.store(true, Ordering::Relaxed);
            scribbled
        });
        let mut dice = scene.dice(2);
        let mut generation = 0;
        let written = loop {
            if stop.load(Ordering::Relaxed) || scene.tally.is_over() {
                break Ok(());
            }
            // The writer trusts nothing that it once stored: it never fails.
            let wrote = signal::write(&mut writer, dice.below(40)).map_err(told).and_then(|()| {
                if dice.one_in(400) {
                    generation += 1;
                    begin(&mut writer, generation)
                } else {
                    Ok(())
                }
            });
            if wrote.is_err() {
                break wrote;
            }
            std::thread::sleep(Duration::from_micros(dice.below(60)));
        };
        scribbler.join().map_err(|_| "the scribbler panicked".to_owned())?.and(written)
    })?;
    for victim in victims {
        victim.end_well()?;
    }
    // Nothing of it lasts: the next generation is read by everybody, and the close leaves nothing.
    begin(&mut writer, 0)?;
    signal::write(&mut writer, 9).map_err(told)?;
    let newcomer = Follower::open(&scene.name, Kind::Messages, &oldest(), Book::anywhere());
    let mut newcomer = newcomer.map_err(|error| format!("after the scribbling: {error:?}"))?;
    newcomer.drain(&scene.tally)?;
    if newcomer.book.read != 9 {
        return Err(format!("after the scribbling 9 frames were written, {} read", newcomer.book.read));
    }
    drop(writer);
    let left = segments::listing();
    if left.is_empty() { Ok(()) } else { Err(format!("the writer closed and left {left:?}")) }
}

fn begin(writer: &mut Writer, i: u64) -> Outcome {
    let description = signal::description(format!("described {i}"));
    writer
        .begin(&signal::format(4 + i % 3, RING_FRAMES - 8 * (i % 4)), &description, 8)
        .map_err(|error| format!("the writer begins: {error:?}"))
}

/// A field: a word of 4 bytes in one of the stream's files.
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
    fields.extend(words(0..FOOTER_BYTES).map(Field::Footer));
    fields.extend(words(0..160).map(Field::Description));
    fields
}

fn scribble(scene: &Scene, time: Duration) -> Outcome {
    let mut dice = scene.dice(3);
    let until = Instant::now() + time;
    let fields = fields(&scene.name);
    let mut passes = 0;
    while passes == 0 || Instant::now() < until {
        for &field in &fields {
            if passes > 0 && Instant::now() >= until || scene.tally.is_over() {
                break;
            }
            if let Some(injected) = spoil(scene, field, &mut dice) {
                scene.tally.faults(injected);
            }
        }
        passes += 1;
        if scene.tally.is_over() {
            break;
        }
    }
    scene.tally.note(format!(
        "{} fields of header, trailer, records and description scribbled over, {passes} times",
        fields.len()
    ));
    Ok(())
}

/// Puts wrong values into a field, for a moment each; how many. `None`: its segment has just gone.
fn spoil(scene: &Scene, field: Field, dice: &mut Dice) -> Option<u64> {
    let open = |path: &Path| File::options().read(true).write(true).open(path).ok();
    let now = Snapshot::of(&scene.name);
    let (file, offset) = match field {
        Field::Header(offset) => (open(&segments::header(&scene.name))?, offset),
        Field::Trailer(offset) => {
            let ring = open(&segments::ring(&scene.name, now.generation?))?;
            let length = ring.metadata().ok()?.len();
            (ring, length - TRAILER_BYTES + offset)
        }
        Field::Record(offset) => {
            let ring = open(&segments::ring(&scene.name, now.generation?))?;
            let length = ring.metadata().ok()?.len();
            let mut index = [0; 8];
            ring.read_exact_at(&mut index, length - TRAILER_BYTES + trailer_at::INDEX_OFFSET).ok()?;
            (ring, u64::from_le_bytes(index).checked_add(offset).filter(|end| end + 4 <= length)?)
        }
        Field::Footer(offset) => {
            let metadata = open(&segments::metadata(&scene.name, now.meta_generation))?;
            let length = metadata.metadata().ok()?.len();
            (metadata, length - FOOTER_BYTES + offset)
        }
        Field::Description(offset) => {
            let metadata = open(&segments::metadata(&scene.name, now.meta_generation))?;
            let length = metadata.metadata().ok()?.len();
            let mut json = [0; 8];
            metadata.read_exact_at(&mut json, length - FOOTER_BYTES + 40).ok()?;
            (metadata, u64::from_le_bytes(json).checked_add(offset).filter(|end| end + 4 <= length)?)
        }
    };
    let mut before = [0; 4];
    file.read_exact_at(&mut before, offset).ok()?;
    let old = u32::from_le_bytes(before);
    let values = [0, u32::MAX, dice.roll() as u32, old ^ 1 << dice.below(32), old.wrapping_add(1), 1 << 31];
    for value in values {
        file.write_all_at(&value.to_le_bytes(), offset).ok()?;
        match dice.below(3) {
            0 => std::thread::sleep(Duration::from_micros(dice.below(100))),
            1 => std::thread::yield_now(),
            _ => {}
        }
        file.write_all_at(&before, offset).ok()?;
    }
    Some(values.len() as u64)
}

/// The role that reads what somebody scribbles over.
pub fn victim(kind: Kind, mut dice: Dice, name: &str) -> eyre::Result<()> {
    setrlimit(Resource::As, Rlimit { current: Some(VICTIM_BYTES), maximum: Some(VICTIM_BYTES) })?;
    let tally = Tally::of_role();
    tell("begins");
    until_input_ends(|| {
        let start = [Start::Oldest, Start::Newest, Start::Last(20)][dice.below(3) as usize];
        let options = ReaderOptions::default().start(start);
        let started = Instant::now();
        let result = match kind {
            Kind::Messages | Kind::MessageViews => read_messages(name, options, &mut dice),
            Kind::Wait | Kind::Poll | Kind::View => read_frames(name, options, &mut dice),
        };
        match result {
            Ok(()) => {}
            Err(error) if is_about_segments(&error) => {}
            Err(error) => tally.defect(&format!("{kind:?} reader from {start:?}: {error:?}")),
        }
        if started.elapsed() > PATIENCE {
            tally.defect(&format!("{kind:?} reader from {start:?}: kept busy for {:?}", started.elapsed()));
        }
        Ok(())
    })
}

fn read_frames(name: &str, options: ReaderOptions, dice: &mut Dice) -> dora_shm_ring::Result<()> {
    let mut reader = Reader::open(name, options)?;
    let mut frames = Frames::new();
    for _ in 0..1 + dice.below(40) {
        reader.wait(Duration::from_micros(dice.below(1000)))?;
        reader.read(&mut frames, 1 + dice.below(300))?;
        if dice.one_in(4) {
            reader.latest(dice.below(1000), &mut frames)?;
            let within = reader.frames_within(dice.below(1000) as f64)?;
            reader.latest(within, &mut frames)?;
        }
        let _ = (reader.lag(), reader.lost(), reader.description().is_some());
        reader.info()?;
        if let dora_shm_ring::Outcome::Data(view) = reader.view(u64::MAX)? {
            std::hint::black_box(view.samples().map(|run| run.to_vec()));
            reader.finish(view);
        }
    }
    Ok(())
}

fn read_messages(name: &str, options: ReaderOptions, dice: &mut Dice) -> dora_shm_ring::Result<()> {
    let mut reader = MessageReader::open(name, options)?;
    let mut message = Message::new();
    for _ in 0..1 + dice.below(40) {
        reader.wait(Duration::from_micros(dice.below(1000)))?;
        reader.next(&mut message)?;
        let _ = (reader.lag(), reader.lost(), reader.description().is_some());
        reader.info()?;
        if let dora_shm_ring::Outcome::Data(view) = reader.view()? {
            std::hint::black_box(view.samples().map(|run| run.to_vec()));
            reader.finish(view);
        }
    }
    Ok(())
}
