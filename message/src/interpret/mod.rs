//! From messages to chunks of frames.

mod axes_template;
mod checks;
mod form;
mod frame_count;
mod fresh;
mod interpreted;
mod repeat;
mod sibling_columns;
mod size_params;
mod times;

use arrow::array::{Array, ArrayRef};
use dora_node_api::MetadataParameters;

use self::form::Form;
use self::fresh::Fresh;
pub use self::interpreted::Interpreted;
use crate::array::null_rows;
use crate::copy::columns::Columns;
use crate::describe::history::History;
use crate::params::read::sequence;
use crate::refusal::{Reason, Refusal};
use crate::settings::MessageSettings;

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
}

impl Interpreter {
    /// An interpreter of the messages of the input with the id `input`.
    pub fn new(input: &str, settings: MessageSettings) -> Self {
        Self {
            input: input.to_owned(),
            settings,
            history: History::default(),
            form: None,
            is_stale: false,
            columns: Columns::default(),
            values: Vec::new(),
        }
    }

    /// The settings in force.
    pub fn settings(&self) -> &MessageSettings {
        &self.settings
    }

    /// Sets the settings for the next message and those after it. The history of the source is kept.
    pub fn set_settings(&mut self, settings: MessageSettings) {
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
            Ok(frames) => Ok(self.interpreted(frames, parameters, send_ns)),
            Err(reason) => {
                self.columns.clear();
                Err(Refusal::new(&self.input, array.data_type(), reason))
            }
        }
    }

    /// Prepares everything for the result and returns its number of frames.
    fn read(&mut self, array: &ArrayRef, parameters: &MetadataParameters) -> Result<u64, Reason> {
        let normalised = null_rows::normalise(array).map_err(|error| Reason::Arrow { found: error.to_string() })?;
        let array = normalised.as_ref().unwrap_or(array);
        let Self { settings, history, form, is_stale, columns, values, .. } = self;
        if let Some(form) = form.as_mut().filter(|_| !*is_stale)
            && form.takes(array, parameters, history, columns)
        {
            let frames = form.roll.frames as u64;
            form.checks.run(columns, &form.payload)?;
            times::check(parameters, frames, values)?;
            return Ok(frames);
        }
        columns.clear();
        let before = form.as_ref().map(|form| &form.plan);
        let fresh = Fresh { array, parameters, settings };
        let Some((new, remembered)) = fresh.read(history, before, columns, values)? else { return Ok(0) };
        let frames = new.roll.frames as u64;
        (*form, *history, *is_stale) = (Some(new), remembered, false);
        Ok(frames)
    }

    fn interpreted<'a>(&'a mut self, frames: u64, parameters: &'a MetadataParameters, send_ns: i64) -> Interpreted<'a> {
        let Self { form, columns, values, .. } = self;
        let form = form.as_ref();
        let times = match form {
            Some(form) if frames > 0 => times::of(parameters, values, &form.placed, form.step, send_ns),
            _ => times::from_send_time(send_ns, form.map_or(0.0, |form| form.step)),
        };
        Interpreted { frames, form, columns, times, send_ns, sequence: sequence(parameters) }
    }
}
