//! Stories for the model: what a writer does, and which readers read at the same time.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use loom::thread;

use super::memory::Stream;
use super::reader::{Counted, read_frames, read_messages, view_frames};
use super::witness::{Event, Witness};
use super::writer::Writer;
use crate::protocol::failpoint;

/// What a writer does.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    /// Starts the next generation, and removes the ring of the one before.
    Begin,
    /// Starts the next generation, and keeps the ring of the one before.
    Keep,
    /// Removes the ring of a generation that was kept.
    Expire(u32),
    /// Writes a chunk of that many frames.
    Write(u64),
    /// Closes the stream.
    Close,
}

/// How a reader reads the stream.
#[derive(Clone, Copy, Debug)]
pub enum Reads {
    Frames,
    /// Frames in place.
    Views,
    Messages,
}

#[derive(Clone, Copy, Debug)]
pub struct Story {
    /// Performed before any reader starts.
    pub before: &'static [Act],
    /// Performed while the readers read. If the last act is not `Close`, it is the story's last event.
    pub acts: &'static [Act],
    /// The readers, one thread each.
    pub readers: &'static [Reads],
}

impl Story {
    /// Runs the story in every order with at most `preemptions`; `None`: in every order. Panics if a check fails in any
    /// of them.
    pub fn explore(self, preemptions: Option<usize>) -> Witness {
        let witness = Witness::default();
        self.explore_with(preemptions, &witness, |mut writer, acts, _| {
            perform_all(&mut writer, acts);
            writer.total()
        });
        witness
    }

    /// Explores the story once for each failpoint of its acts, with a writer that dies there and a second one that
    /// takes over, begins a generation, writes one frame and stays. Returns the number of failpoints.
    pub fn explore_deaths(self, preemptions: usize) -> (u32, Witness) {
        let witness = Witness::default();
        for point in 0.. {
            let here = Witness::default();
            self.explore_with(Some(preemptions), &here, move |writer, acts, seen| die_at(point, writer, acts, seen));
            witness.add(&here);
            if here.count(Event::Died) == 0 {
                return (point, witness);
            }
            assert_eq!(here.count(Event::Survived), 0, "a writer passes the same points in every order of events");
        }
        unreachable!("a story ends")
    }

    fn explore_with(
        self,
        preemptions: Option<usize>,
        witness: &Witness,
        life: impl Fn(Writer, &[Act], &Witness) -> u64 + Copy + Send + Sync + 'static,
    ) {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = preemptions;
        let witness = witness.clone();
        model.check(move || {
            witness.saw(Event::Played);
            self.play(&witness, life);
        });
    }

    fn play(self, witness: &Witness, life: impl Fn(Writer, &[Act], &Witness) -> u64 + 'static) {
        let begins = |acts: &[Act]| acts.iter().filter(|act| matches!(act, Act::Begin | Act::Keep)).count();
        // Plus one for the second writer.
        let stream = Arc::new(Stream::new(begins(self.before) + begins(self.acts) + 1));
        let mut writer = Writer::create(&stream);
        self.before.iter().for_each(|&act| writer.perform(act));

        let seen = witness.clone();
        let writer = thread::spawn(move || life(writer, self.acts, &seen));
        let (first, others) = self.readers.split_first().expect("a story has a reader");
        let others: Vec<_> = others
            .iter()
            .map(|&reads| {
                let (stream, witness) = (stream.clone(), witness.clone());
                thread::spawn(move || read(reads, &stream, &witness))
            })
            .collect();
        let mut counted = vec![read(*first, &stream, witness)];
        counted.extend(others.into_iter().map(|reader| reader.join().expect("a reader ends cleanly")));
        let total = writer.join().expect("a writer's death is caught");
        for Counted { read, lost } in counted {
            assert_eq!(read + lost, total, "{read} read and {lost} lost");
        }
    }
}

/// Performs `acts` with a writer that dies at failpoint number `point`, if there are that many, and then with the next
/// writer. Returns the number of frames of the stream.
fn die_at(point: u32, mut writer: Writer, acts: &[Act], witness: &Witness) -> u64 {
    let stream = writer.stream().clone();
    failpoint::arm(Some(point));
    let life = catch_unwind(AssertUnwindSafe(|| acts.iter().for_each(|&act| writer.perform(act))));
    failpoint::arm(None);
    match life {
        Ok(()) => witness.saw(Event::Survived),
        Err(death) if death.is::<failpoint::Died>() => witness.saw(Event::Died),
        Err(panic) => resume_unwind(panic),
    }
    match Writer::take_over(&stream) {
        Ok(mut second) => {
            perform_all(&mut second, &[Act::Begin, Act::Write(1)]);
            second.total()
        }
        Err(closed) => closed.total,
    }
}

fn read(reads: Reads, stream: &Stream, witness: &Witness) -> Counted {
    match reads {
        Reads::Frames => read_frames(stream, witness),
        Reads::Views => view_frames(stream, witness),
        Reads::Messages => read_messages(stream, witness),
    }
}

/// Performs `acts`, the last of which is the stream's last event.
fn perform_all(writer: &mut Writer, acts: &[Act]) {
    let (&last, rest) = acts.split_last().expect("a story has an act");
    rest.iter().for_each(|&act| writer.perform(act));
    writer.perform_last(last);
}
