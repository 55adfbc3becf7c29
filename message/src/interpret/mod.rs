//! From messages to chunks of frames.

mod axes_template;
mod checks;
mod form;
mod frame_count;
mod fresh;
mod interpreted;
mod placement;
mod repeat;
mod sibling_columns;
mod size_params;
mod stamps;
mod timeline;
mod times;

use arrow::array::{Array, ArrayRef};
use dora_node_api::MetadataParameters;
use dora_shm_ring::{ClockId, Times, clock_id};

use self::form::Form;
use self::fresh::{Fresh, Read};
pub use self::interpreted::Interpreted;
pub use self::placement::{Placement, TimeNote};
use self::timeline::Timeline;
use self::times::{Origin, Stated, Stating, Timing};
use crate::array::null_rows;
use crate::copy::columns::Columns;
use crate::describe::history::History;
use crate::params::keys::TIMESTAMP;
use crate::params::read::sequence;
use crate::refusal::{Reason, Refusal};
use crate::settings::{MessageSettings, StampedFrame};

/// Turns the messages of one input into chunks of frames, and remembers what a source does not have to repeat.
#[derive(Debug)]
pub struct Interpreter {
    input: String,
    settings: MessageSettings,
    history: History,
    /// The form of the newest message.
    form: Option<Form>,
    /// The settings have changed since `form` was worked out.
    is_stale: bool,
    /// Columns of the current message.
    columns: Columns,
    /// Times of the current message, if they have to be converted.
    values: Vec<f64>,
    /// Times of the messages so far.
    timeline: Timeline,
    /// This machine's monotonic clock.
    clock_id: ClockId,
    /// A `timestamp` that nothing uses has been mentioned.
    has_mentioned_timestamp: bool,
}

/// What is known of a message that was read.
struct Known {
    frames: u64,
    stated: Stated,
    timing: Timing,
}

impl Interpreter {
    /// An interpreter of the messages of the input with the id `input`.
    pub fn new(input: &str, settings: MessageSettings) -> Self {
        Self {
            input: input.to_owned(),
            history: History::of(&settings),
            settings,
            form: None,
            is_stale: false,
            columns: Columns::default(),
            values: Vec::new(),
            timeline: Timeline::default(),
            clock_id: clock_id(),
            has_mentioned_timestamp: false,
        }
    }

    /// The settings in force.
    pub fn settings(&self) -> &MessageSettings {
        &self.settings
    }

    /// Sets the settings for the next message and those after it. The history of the source is kept, except for its
    /// times if they are now taken from elsewhere.
    pub fn set_settings(&mut self, settings: MessageSettings) {
        if !self.settings.has_same_times(&settings) {
            self.timeline.clear();
            self.history.set_time(&settings);
        }
        self.settings = settings;
        // The plan is kept: if the next message has the same plan, nothing has changed for the ring.
        self.is_stale = true;
    }

    /// Reads one message: its array, its parameters, and its send time (nanoseconds since the Unix epoch).
    ///
    /// If a message differs from the one before only in the number of its frames and in where they are, it is read
    /// without allocating. The exception is a list whose null rows are shorter than the others: it is copied once more.
    ///
    /// # Errors
    /// A [`Refusal`] if the message cannot become frames. The next message is read as if this one had never come.
    pub fn interpret<'a>(
        &'a mut self,
        array: &'a ArrayRef,
        parameters: &'a MetadataParameters,
        send_ns: i64,
    ) -> Result<Interpreted<'a>, Refusal> {
        self.columns.clear();
        match self.read(array, parameters) {
            Ok(known) => Ok(self.interpreted(known, parameters, send_ns)),
            Err(reason) => {
                self.columns.clear();
                Err(Refusal::new(&self.input, array.data_type(), reason))
            }
        }
    }

    /// Prepares everything for the result. `None`: an empty message.
    fn read(&mut self, array: &ArrayRef, parameters: &MetadataParameters) -> Result<Option<Known>, Reason> {
        let normalised = null_rows::normalise(array).map_err(|error| Reason::Arrow { found: error.to_string() })?;
        let array = normalised.as_ref().unwrap_or(array);
        let Self { settings, history, form, is_stale, columns, values, timeline, clock_id, .. } = self;
        if let Some(form) = form.as_mut().filter(|_| !*is_stale)
            && form.takes(array, parameters, history, columns)
        {
            let frames = form.roll.frames as u64;
            let message = Stating { settings, array, parameters };
            let stated = message.stated(&form.placed, frames, values)?;
            let timing = Timing::new(message, stated, timeline, form.is_time, *clock_id)?;
            if timing.clock == form.plan.clock {
                form.checks.run(columns, &form.payload)?;
                return Ok(Some(Known { frames, stated, timing }));
            }
        }
        columns.clear();
        let before = form.as_ref().map(|form| &form.plan);
        let fresh = Fresh { array, parameters, settings, timeline, clock_id: *clock_id };
        let Some(read) = fresh.read(history, before, columns, values)? else { return Ok(None) };
        let Read { form: new, history: remembered, stated, timing } = read;
        let frames = new.roll.frames as u64;
        (*form, *history, *is_stale) = (Some(new), remembered, false);
        Ok(Some(Known { frames, stated, timing }))
    }

    fn interpreted<'a>(
        &'a mut self,
        known: Option<Known>,
        parameters: &'a MetadataParameters,
        send_ns: i64,
    ) -> Interpreted<'a> {
        let Self { settings, form, columns, values, timeline, has_mentioned_timestamp, .. } = self;
        let form = form.as_ref();
        let sequence = sequence(parameters);
        let (Some(form), Some(Known { frames, stated, timing })) = (form, known) else {
            let placement = Placement::Given(Times::Values(&[]));
            return Interpreted { frames: 0, form, columns, placement, time_note: None, send_ns, sequence };
        };
        let mut time_note = None;
        let placement = match timing.origin {
            Origin::Made => {
                timeline.clear();
                if parameters.contains_key(TIMESTAMP) && !std::mem::replace(has_mentioned_timestamp, true) {
                    time_note = Some(TimeNote::UnusedTimestamp);
                }
                if form.plan.rate_hz.is_some() { Placement::ByRate } else { Placement::ByArrival }
            }
            Origin::Carried => {
                let times = timeline.carried(form.step);
                timeline.followed(times, frames);
                time_note = Some(TimeNote::Carried { name: settings.time.as_deref() });
                Placement::Given(times)
            }
            Origin::Stated => {
                let stamp = match stated {
                    Stated::Named if frames > 1 => values.as_slice().first().filter(|_| values.len() == 1).copied(),
                    Stated::Mark(time) => Some(time),
                    _ => None,
                };
                let frame = if stated == Stated::Named { settings.time_of } else { StampedFrame::First };
                let times = match (stamp, stated) {
                    (Some(time), _) => timeline.stamped(time, frame, frames, form.step, values),
                    (None, Stated::Named) => Times::Values(values),
                    (None, _) => times::on_axis(parameters, values, &form.placed, form.step, send_ns),
                };
                let guessed = stamp.map(|_| frame).filter(|_| form.step == 0.0);
                timeline.given(times, frames, guessed, timing.clock);
                Placement::Given(times)
            }
        };
        Interpreted { frames, form: Some(form), columns, placement, time_note, send_ns, sequence }
    }
}
