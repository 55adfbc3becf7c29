//! The loop on the stream: wait, read, emit.

use std::time::Instant;

use dora_node_api::DoraNode;
use dora_shm_node_kit::report::{Log, Refusals, Reporter, State, Status};
use dora_shm_node_kit::settings::{ChunkBy, MirrorSettings, OnClose, OnLoss};
use dora_shm_ring::{EventKind, Interrupter, Liveness, Message, MessageReader, Outcome, Wait};
use eyre::{Context as _, bail};

use crate::control::{Control, Order};
use crate::emit::{Counters, Emitter, Sent};
use crate::open::Source;

/// A mirror of one stream.
pub struct Mirror {
    settings: MirrorSettings,
    reader: MessageReader,
    emitter: Emitter,
    reporter: Reporter,
    log: Log,
    state: State,
    /// Frames that were lost up to the last check.
    lost: u64,
    /// Those of them that earlier readers lost, before the mirror had failed.
    lost_before: u64,
    losses: u64,
    loss_log: Refusals,
    /// The generation that was read last. It is kept here because a reader that has left its stream has no generation.
    generation: Option<u32>,
    /// The copy of a message, if `CHUNK` cuts messages.
    message: Message,
}

/// The result of one poll of the stream.
enum Step {
    /// Poll again.
    More,
    /// Nothing new: wait.
    Nothing,
    /// The stream was closed.
    Closed,
}

impl Mirror {
    /// Mirrors `source`.
    pub fn new(source: Source, emitter: Emitter, reporter: Reporter, log: Log) -> Self {
        let Source { settings, reader } = source;
        let mut mirror = Self {
            settings,
            reader,
            emitter,
            reporter,
            log,
            state: State::Waiting,
            lost: 0,
            lost_before: 0,
            losses: 0,
            loss_log: Refusals::default(),
            generation: None,
            message: Message::new(),
        };
        mirror.emitter.cut_by(mirror.settings.chunk);
        mirror.log.info(&format!("mirrors stream {:?}", mirror.settings.shmem_name));
        mirror
    }

    /// Mirrors `source` from now on, after it could not read its stream. The counters go on. `is_logged`: whether that needs
    /// a line in the log.
    ///
    /// # Errors
    /// If a message that waits cannot be sent.
    pub fn resume(&mut self, node: &mut DoraNode, source: Source, is_logged: bool) -> eyre::Result<()> {
        self.emitter.renew(node)?;
        let Source { settings, reader } = source;
        (self.settings, self.reader) = (settings, reader);
        (self.state, self.generation, self.lost_before) = (State::Waiting, None, self.lost);
        self.emitter.cut_by(self.settings.chunk);
        if is_logged {
            self.log.info(&format!("mirrors stream {:?} again", self.settings.shmem_name));
        }
        Ok(())
    }

    /// A handle that ends the wait for the stream.
    pub fn interrupter(&mut self) -> Interrupter {
        self.reader.interrupter()
    }

    /// Mirrors until `control` has an order, or a setting ends it.
    ///
    /// # Errors
    /// If a setting ends the node, the stream cannot be read, or the connection to dora is lost.
    pub fn mirror(&mut self, node: &mut DoraNode, control: &Control) -> eyre::Result<()> {
        loop {
            match control.order() {
                Some(Order::Stop) => {
                    return self.emitter.flush(node);
                }
                Some(Order::Lost) => bail!("lost the connection to dora"),
                None => {}
            }
            self.follow_generation();
            let step = self.step(node).wrap_err_with(|| format!("reading stream {:?}", self.settings.shmem_name))?;
            self.note_losses(node)?;
            let now = Instant::now();
            self.emitter.due(node, now)?;
            self.report_if_due(node, now);
            match step {
                Step::More => self.state = State::Live,
                Step::Closed => {
                    self.state = State::Closed;
                    if self.settings.on_close == OnClose::Stop {
                        self.log.info("the stream was closed");
                        return Ok(());
                    }
                    self.log.info("the stream was closed; waiting for its next writer");
                }
                Step::Nothing => self.wait(node, now)?,
            }
        }
    }

    fn follow_generation(&mut self) {
        let Some(generation) = self.reader.generation() else { return };
        if self.generation.replace(generation) == Some(generation) {
            return;
        }
        let Some(format) = self.reader.format() else { return };
        self.log.info(&format!(
            "stream {:?}: generation {generation} of {} frames of {} {:?}",
            self.settings.shmem_name,
            format.frames(),
            format.dtype(),
            format.frame_shape(),
        ));
    }

    fn wait(&mut self, node: &mut DoraNode, now: Instant) -> eyre::Result<()> {
        let report_at = self.reporter.due_at();
        let until = self.emitter.deadline().map_or(report_at, |deadline| deadline.min(report_at));
        let waited = self.reader.wait(until.saturating_duration_since(now));
        if let Wait::Timeout(liveness) =
            waited.wrap_err_with(|| format!("waiting for stream {:?}", self.settings.shmem_name))?
        {
            self.see(liveness);
        }
        self.take_events(node)
    }

    /// Handles the events of the stream other than frames.
    fn take_events(&mut self, node: &mut DoraNode) -> eyre::Result<()> {
        while let Some(event) = self.reader.next_event() {
            match event.kind {
                EventKind::NewGeneration | EventKind::NewDescription => self.emitter.renew(node)?,
                EventKind::WriterGone { orderly: false } => {
                    self.log.warn("the stream's writer died; waiting for the next one");
                }
                EventKind::WriterGone { orderly: true } | EventKind::WriterRestarted => {}
            }
        }
        Ok(())
    }

    fn see(&mut self, liveness: Liveness) {
        self.state = match liveness {
            Liveness::Dead => State::Dead,
            Liveness::Live | Liveness::Idle => State::Live,
            // For a stream that ezmsg wrote, only its presence can be known.
            Liveness::Ezmsg if self.generation.is_some() => State::Live,
            Liveness::Closed => State::Closed,
            // A closed stream that has disappeared stays closed.
            _ if self.state == State::Closed => State::Closed,
            _ => State::Waiting,
        };
    }

    fn step(&mut self, node: &mut DoraNode) -> eyre::Result<Step> {
        if self.settings.chunk == ChunkBy::Message { self.step_in_place(node) } else { self.step_copied(node) }
    }

    /// One message, straight from the ring into dora's memory.
    fn step_in_place(&mut self, node: &mut DoraNode) -> eyre::Result<Step> {
        let outcome = self.reader.view()?;
        self.take_events(node)?;
        let view = match outcome {
            Outcome::Data(view) => view,
            Outcome::Nothing => return Ok(Step::Nothing),
            Outcome::Generation => return Ok(Step::More),
            Outcome::Closed => return Ok(Step::Closed),
        };
        let encoded = self.emitter.encode(&self.reader, &view);
        // If the writer has overwritten the frames meanwhile, the encoded message must not be sent.
        let info = *view.info();
        let bytes = view.samples().iter().map(|part| part.len() as u64).sum();
        if self.reader.finish(view) {
            self.emitter.send(node, encoded, Sent { frames: info.frames, bytes, lost: info.lost })?;
        }
        Ok(Step::More)
    }

    /// One message, copied, for the chunker to cut.
    fn step_copied(&mut self, node: &mut DoraNode) -> eyre::Result<Step> {
        let outcome = self.reader.next(&mut self.message)?;
        self.take_events(node)?;
        match outcome {
            Outcome::Data(_) => self.emitter.cut(node, &self.reader, &self.message)?,
            Outcome::Nothing => return Ok(Step::Nothing),
            Outcome::Generation => self.emitter.flush(node)?,
            Outcome::Closed => {
                self.emitter.flush(node)?;
                return Ok(Step::Closed);
            }
        }
        Ok(Step::More)
    }

    fn note_losses(&mut self, node: &mut DoraNode) -> eyre::Result<()> {
        let lost = self.lost_before + self.reader.lost();
        if lost == self.lost {
            return Ok(());
        }
        self.losses += 1;
        let now_lost = lost - self.lost;
        self.lost = lost;
        let warning = "frames were lost, because the writer overwrote them, or removed a short generation, before the mirror \
                    read them; the next message has their number as `lost`";
        if self.settings.on_loss == OnLoss::Mark
            && let Some(line) = self.loss_log.add(warning.to_owned(), Instant::now())
        {
            self.log.warn(&line);
        }
        if self.settings.on_loss == OnLoss::Stop {
            self.emitter.flush(node)?;
            bail!(
                "ON_LOSS: stop: {now_lost} frames were lost, because the writer overwrote them, or removed a short \
                 generation, before the mirror read them; lengthen the stream's buffer (BUF_DUR of the sink), or set \
                 ON_LOSS: mark"
            );
        }
        Ok(())
    }

    /// Counters and state.
    pub fn status(&self) -> Status {
        let Counters { frames, chunks, bytes, refused } = self.emitter.counters();
        Status {
            stream: self.settings.shmem_name.clone(),
            state: self.state,
            generation: self.generation,
            frames: *frames,
            chunks: *chunks,
            refused: refused.total(),
            dropped: self.lost,
            gaps: self.losses,
            bytes: *bytes,
            bytes_per_second: 0.0,
            conn_dropped: None,
            error: None,
        }
    }

    fn report_if_due(&mut self, node: &mut DoraNode, now: Instant) {
        if now < self.reporter.due_at() {
            return;
        }
        for line in [self.loss_log.due(now), self.emitter.refusals_due(now)].into_iter().flatten() {
            self.log.warn(&line);
        }
        let status = self.status();
        self.reporter.due(node, status, now);
    }

    /// The reporter, while the mirror has failed.
    pub fn reporter(&mut self) -> &mut Reporter {
        &mut self.reporter
    }

    /// Reports for the last time: `status`, or else the mirror's own.
    pub fn report_last(self, node: &mut DoraNode, status: Option<Status>) {
        let status = status.unwrap_or_else(|| self.status());
        self.reporter.last(node, status, Instant::now());
    }
}
