//! `dora-shm scope`: a live picture of a stream in the terminal.

mod braille;
mod colours;
pub mod controls;
mod footer;
mod generation;
mod header;
mod heat;
mod help;
mod image;
mod job;
mod placeholder;
mod scene;
mod screen;
mod session;
mod terminal;
mod time_axis;
mod traces;

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use dora_shm_ring::{Interrupter, Liveness, Wait};
use eyre::WrapErr as _;
use ratatui::crossterm::event::{self, Event, KeyEventKind};

use self::braille::DOTS_WIDE;
use self::colours::Depth;
use self::controls::{Controls, Hold, Press, View};
use self::job::{Change, JobControl};
use self::scene::{Body, Footing, Heading, Layout};
use self::session::Session;
use self::terminal::Screen;
use crate::drawing::range;
use crate::interrupt::Ending;
use crate::stream_arg::Which;
use crate::units;

/// Interval between two pictures.
const FRAME: Duration = Duration::from_millis(33);
/// Time per picture for reading, so that the screen stays smooth however much there is to read.
const READING: Duration = Duration::from_millis(10);
/// Interval between two pictures that are held: only the first line changes.
const HELD: Duration = Duration::from_millis(500);
/// Longest wait between two polls of the stream's state.
const POLL: Duration = Duration::from_millis(500);

/// An input that wakes the screen, besides the stream.
enum Input {
    Terminal(Event),
    Job(Change),
    /// The user has asked the command to end, or the terminal is gone.
    End,
}

/// Shows the stream until the user quits.
///
/// # Errors
/// A sentence for the user: the stream cannot be read, or the terminal has gone.
pub fn run(which: &Which, mut controls: Controls) -> eyre::Result<()> {
    let mut session = Session::open(which)?;
    let (sender, inputs) = mpsc::channel();
    let interrupter = session.reader().interrupter();
    let ending = {
        let (sender, interrupter) = (sender.clone(), interrupter.clone());
        Ending::listen(move || wake(&sender, &interrupter, Input::End)).wrap_err("cannot listen for signals")?
    };
    let job = {
        let (sender, interrupter) = (sender.clone(), interrupter.clone());
        JobControl::listen(move |change| wake(&sender, &interrupter, Input::Job(change)))
    }
    .wrap_err("cannot listen for signals")?;
    let mut screen = Screen::enter().wrap_err("cannot set up the terminal")?;
    std::thread::Builder::new()
        .name("keys".to_owned())
        .spawn(move || {
            while let Ok(event) = event::read() {
                wake(&sender, &interrupter, Input::Terminal(event));
            }
            wake(&sender, &interrupter, Input::End);
        })
        .wrap_err("cannot start a thread")?;
    let depth = Depth::of_terminal();
    let mut is_new = true;
    loop {
        let began = Instant::now();
        let layout = Layout::of(screen.area().wrap_err("cannot read the terminal's size")?);
        let held = controls.hold != Hold::Live;
        is_new |= session.follow(held);
        let (dots, rows) = (usize::from(layout.plot.width) * DOTS_WIDE, usize::from(layout.plot.height));
        let more = session.read(&controls, dots.max(1), rows, READING);
        if is_new || more {
            draw(&mut screen, &mut session, &controls, depth, layout).wrap_err("cannot draw on the terminal")?;
        }
        // A slow terminal is drawn on less often.
        let pace = if held && !more { HELD } else { FRAME };
        let next = began + pace.max(began.elapsed() * 3 / 2);
        let mut input = pause(&mut session, &inputs, next, more)?;
        is_new = input.is_some();
        // Handles all pending inputs before the next picture.
        while let Some(now) = input.take() {
            match now {
                Input::Terminal(event) => match press(&event, &mut controls, &mut session, rows) {
                    Press::Go => Ok(()),
                    Press::Quit => return Ok(()),
                    Press::Suspend => screen.suspend(|| job.stop_all()),
                },
                Input::Job(Change::Stop) => screen.suspend(job::stop),
                Input::Job(Change::Continued) => screen.enter_again(),
                Input::End => return Ok(()),
            }
            .wrap_err("cannot set up the terminal")?;
            input = inputs.try_recv().ok();
        }
        if ending.is_asked() {
            return Ok(());
        }
    }
}

fn wake(sender: &Sender<Input>, interrupter: &Interrupter, input: Input) {
    // The other side is gone when the command is about to end.
    let _ = sender.send(input);
    interrupter.interrupt();
}

/// Waits until the next picture is due and, if nothing is left to read, for an update. An input ends the wait at once.
fn pause(session: &mut Session, inputs: &Receiver<Input>, next: Instant, more: bool) -> eyre::Result<Option<Input>> {
    let left = next.saturating_duration_since(Instant::now());
    let wait = if session.failure.is_some() { POLL } else { left };
    match inputs.recv_timeout(wait) {
        Ok(input) => return Ok(Some(input)),
        Err(RecvTimeoutError::Disconnected) => return Ok(Some(Input::End)),
        Err(RecvTimeoutError::Timeout) => {}
    }
    if !more && session.failure.is_none() {
        match session.reader().wait(POLL) {
            Ok(Wait::Ready | Wait::Timeout(_) | Wait::Interrupted) => {}
            // The next poll reports the error.
            Err(_) => {}
        }
    }
    Ok(inputs.try_recv().ok())
}

fn press(event: &Event, controls: &mut Controls, session: &mut Session, rows: usize) -> Press {
    let Event::Key(key) = event else { return Press::Go };
    if key.kind == KeyEventKind::Release {
        return Press::Go;
    }
    let shown = session.shown(controls, rows);
    let channels = session.generation.as_ref().map(|generation| &generation.channels);
    controls.press(*key, shown.as_ref(), channels)
}

fn draw(
    screen: &mut Screen,
    session: &mut Session,
    controls: &Controls,
    depth: Depth,
    layout: Layout,
) -> std::io::Result<()> {
    let rows = usize::from(layout.plot.height);
    let axis = session.axis_line();
    let heading = heading(session, controls, rows, axis.as_ref());
    let footing = Footing {
        note: session.failure.clone().or_else(|| session.note().map(str::to_owned)),
        prompt: controls.prompt.as_ref().map(|prompt| (prompt.text.clone(), prompt.error.clone())),
        view: session.generation.as_ref().map(|generation| generation.view(controls)),
        help: controls.help,
    };
    let placeholder = Body::Placeholder(waiting_for(session));
    session.with_generation(|generation, reader| {
        let body = match generation {
            None => placeholder,
            Some(generation) if generation.view(controls) == View::Picture => {
                let (width, height) = (usize::from(layout.body.width), usize::from(layout.body.height) * 2);
                generation.pixels(width, height).map_or(placeholder, Body::Picture)
            }
            Some(generation) => {
                let view = generation.view(controls);
                match (generation.scene(reader, controls, rows), axis) {
                    (Some(scene), Some(axis)) if !scene.history.shown().is_empty() => Body::Plot(view, scene, axis),
                    _ => placeholder,
                }
            }
        };
        screen.draw(|buffer| screen::render(&heading, &body, &footing, depth, buffer))
    })
}

/// Why there is nothing to draw.
fn waiting_for(session: &Session) -> Vec<String> {
    match session.state() {
        Liveness::Absent => {
            vec![format!("waiting for stream {}", crate::text::quoted(session.name())), session.absent()]
        }
        Liveness::Closed => {
            vec!["the stream was closed".to_owned(), "waiting for the next stream of this name".to_owned()]
        }
        Liveness::Dead => vec!["the writer died before it wrote anything".to_owned()],
        Liveness::Waiting => vec!["the writer has not begun to write yet".to_owned()],
        _ => vec!["waiting for the first frame".to_owned()],
    }
}

fn heading(session: &Session, controls: &Controls, rows: usize, axis: Option<&scene::AxisLine>) -> Heading {
    let generation = session.generation.as_ref();
    let view = generation.map(|generation| generation.view(controls));
    let is_picture = view == Some(View::Picture);
    let channels = generation.filter(|_| !is_picture).and_then(|generation| {
        let (page, count) = (generation.page(controls, rows), generation.chosen().len());
        (count > page.len()).then(|| format!("{}-{} of {count}", page.start + 1, page.end))
    });
    let axis = axis.filter(|_| !is_picture);
    let length = |value: f64, unit: &str| {
        if unit == "s" { range::seconds_text(value) } else { format!("{} {unit}", range::short(value)) }
    };
    let held_back = match controls.hold {
        Hold::Live => None,
        Hold::At(_) => Some(axis.map(|axis| length(axis.to.min(0.0), &axis.unit)).unwrap_or_default()),
        Hold::Frame(_) => generation.map(|generation| format!("frame {}", generation.frame)),
    };
    let info = session.info.as_ref();
    Heading {
        name: session.name().to_owned(),
        state: session.state(),
        format: generation.map(|generation| units::format(&generation.format)),
        stated_hz: generation.map(|generation| generation.format.rate_hz()).filter(|&rate| rate > 0.0),
        measured_hz: info.filter(|info| info.liveness == Liveness::Live).and_then(|info| info.measured_rate_hz),
        lost: session.lost(),
        generation: generation.and_then(|_| info.and_then(|info| info.generation)).filter(|&number| number > 0),
        channels,
        window: axis.map(|axis| length(axis.to - axis.from, &axis.unit)),
        gain: controls.gain,
        auto: controls.auto,
        held_back,
    }
}
