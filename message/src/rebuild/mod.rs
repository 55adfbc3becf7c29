//! From frames back to messages.

mod arrays;
pub(crate) mod error;
pub(crate) mod params;
pub mod recipe;

use std::borrow::Cow;

use arrow::array::ArrayRef;
use arrow::buffer::{Buffer, MutableBuffer};
use dora_node_api::MetadataParameters;
use dora_shm_ring::{Description, Dtype, Format, GenerationClock};

use self::arrays::{Build, Place, empty_array, number_array};
use self::error::RebuildError;
use self::params::{Emitted, Marks};
use self::recipe::Recipe;
use crate::copy::roll::Transpose;

/// Turns frames of one generation and one description back into messages.
#[derive(Debug)]
pub struct Rebuilder {
    dtype: Dtype,
    frame_bytes: usize,
    recipe: Option<Recipe>,
    emitted: Emitted,
}

impl Rebuilder {
    /// A rebuilder of frames of the format `format` that `description` describes. Without a recipe in the description,
    /// messages are flat arrays with `shape`, `dims` and `dtype`.
    ///
    /// # Errors
    /// [`RebuildError::Version`] or [`RebuildError::Recipe`] if the recipe cannot be used.
    pub fn new(format: &Format, description: &Description) -> Result<Self, RebuildError> {
        let recipe = description.message.as_ref().map(Recipe::from_json).transpose()?;
        let frame_bytes = usize::try_from(format.frame_bytes())
            .map_err(|_| RebuildError::recipe(format!("frames of {} bytes", format.frame_bytes())))?;
        if let Some(recipe) = &recipe {
            let samples = recipe.shape.iter().flatten().try_fold(1_u64, |product, &dim| product.checked_mul(dim));
            if samples != Some(format.frame_samples()) {
                let found = format!("shape {:?} for frames of shape {:?}", recipe.shape, format.frame_shape());
                return Err(RebuildError::recipe(found));
            }
        }
        let emitted = Emitted::new(format, description, recipe.as_ref());
        Ok(Self { dtype: format.dtype(), frame_bytes, recipe, emitted })
    }

    /// This rebuilder, for frames of a generation whose times are on `clock`. Without it, they are on the source's own
    /// clock. Messages have the clock as `clock`; times of a monotonic clock are sent in Unix seconds.
    pub fn on_clock(mut self, clock: GenerationClock) -> Self {
        self.emitted.on_clock(clock);
        self
    }

    /// The message whose frames `samples` holds, as it was sent, with the mirror's marks: `source_timestamp`,
    /// `generation`, `position`, `lost`, and, unless it is empty, `source_time` (the time of its first frame) and
    /// `clock`. If the rate does not place its frames, it has `axis_values`, too.
    ///
    /// `samples` are its bytes in the ring's order, in one or more parts of whole frames; `times` has one entry per
    /// frame, in parts as well. Samples in one part that is aligned to their type are not copied, unless the buffered
    /// axis has to move back: the array uses the buffer. Samples in several parts are copied once, because an Arrow
    /// array has one buffer.
    ///
    /// # Errors
    /// [`RebuildError`] if `samples` and `times` do not fit each other, the format, or the recipe.
    pub fn message(
        &self,
        samples: &[Buffer],
        times: &[&[f64]],
        marks: &Marks,
    ) -> Result<(ArrayRef, MetadataParameters), RebuildError> {
        let frames = self.frames(samples, times)?;
        match &self.recipe {
            // If every message is one frame, a sink never wrote a message of several.
            Some(recipe) if frames <= 1 || recipe.axis().is_some() => {
                let array = self.original(recipe, samples, frames)?;
                Ok((array, self.emitted.message(frames as u64, times, marks)))
            }
            _ => self.run(samples, times, marks),
        }
    }

    /// Any run of frames, regardless of the messages that brought them.
    ///
    /// The array has the source's type if its messages can have any number of frames; else it is flat, with the
    /// buffered axis first. The parameters always have `shape`, `dims`, `dtype`, the rate and the times.
    ///
    /// # Errors
    /// As [`message`](Self::message).
    pub fn run(
        &self,
        samples: &[Buffer],
        times: &[&[f64]],
        marks: &Marks,
    ) -> Result<(ArrayRef, MetadataParameters), RebuildError> {
        let frames = self.frames(samples, times)?;
        let recipe = self.recipe.as_ref().filter(|recipe| recipe.axis().is_some());
        let array = match recipe {
            Some(recipe) => self.original(recipe, samples, frames)?,
            None => number_array(self.dtype, self.dtype, &self.joined(samples, None, frames))?,
        };
        Ok((array, self.emitted.run(frames as u64, times, marks)))
    }

    /// Checks that there are as many times as whole frames, and returns their number.
    fn frames(&self, samples: &[Buffer], times: &[&[f64]]) -> Result<usize, RebuildError> {
        let frames: usize = times.iter().map(|times| times.len()).sum();
        let bytes: usize = samples.iter().map(Buffer::len).sum();
        let expected = frames.checked_mul(self.frame_bytes);
        let are_whole = samples.iter().all(|part| part.len() % self.frame_bytes == 0);
        if expected == Some(bytes) && are_whole {
            return Ok(frames);
        }
        Err(RebuildError::Samples {
            bytes: bytes as u64,
            frames: frames as u64,
            expected: expected.map_or(0, |expected| expected as u64),
        })
    }

    fn original(&self, recipe: &Recipe, samples: &[Buffer], frames: usize) -> Result<ArrayRef, RebuildError> {
        if frames == 0 {
            return Ok(empty_array(&recipe.arrow));
        }
        let joined = self.joined(samples, Some(recipe), frames);
        let numbers = (joined.len() / self.dtype.size()) as u64;
        let misfit = || RebuildError::recipe(format!("{numbers} samples do not fill rows of {:?}", recipe.arrow));
        let (rows, open) = match recipe.rows {
            Some(rows) => {
                let row = recipe.arrow.numbers(1).and_then(|row| row.checked_mul(rows)).ok_or_else(misfit)?;
                (rows, numbers.checked_div(row).ok_or_else(misfit)?)
            }
            None => {
                let row = recipe.arrow.numbers(0).ok_or_else(misfit)?;
                (numbers.checked_div(row).ok_or_else(misfit)?, 0)
            }
        };
        let row = recipe.arrow.numbers(open).ok_or_else(misfit)?;
        if rows.checked_mul(row) != Some(numbers) {
            return Err(misfit());
        }
        let build = Build { samples: &joined, dtype: self.dtype, open: open as usize };
        build.array(&recipe.arrow, rows as usize, Place::all(rows as usize, row as usize))
    }

    /// All samples in one aligned buffer, in the message's order; without a recipe, in the ring's.
    fn joined<'a>(&self, samples: &'a [Buffer], recipe: Option<&Recipe>, frames: usize) -> Cow<'a, Buffer> {
        let mut parts = samples.iter().filter(|part| !part.is_empty());
        let outer = recipe.map_or(1, |recipe| {
            let before = &recipe.shape[..recipe.axis().unwrap_or(0)];
            before.iter().flatten().product::<u64>() as usize
        });
        if outer > 1 && frames > 1 {
            return Cow::Owned(self.rolled_back(samples, outer, frames));
        }
        let first = parts.next();
        match (first, parts.next()) {
            (Some(only), None) if only.as_ptr().align_offset(self.dtype.size()) == 0 => Cow::Borrowed(only),
            (None, _) => Cow::Owned(MutableBuffer::new(0).into()),
            _ => {
                let mut joined = MutableBuffer::with_capacity(frames * self.frame_bytes);
                samples.iter().for_each(|part| joined.extend_from_slice(part));
                Cow::Owned(joined.into())
            }
        }
    }

    fn rolled_back(&self, samples: &[Buffer], outer: usize, frames: usize) -> Buffer {
        let mut joined = MutableBuffer::from_len_zeroed(frames * self.frame_bytes);
        let mut first = 0;
        for part in samples {
            let rows = part.len() / self.frame_bytes;
            let transpose = Transpose {
                rows,
                columns: outer,
                source_stride: outer,
                source_offset: 0,
                target_stride: frames,
                target_offset: first,
            };
            transpose.run(self.frame_bytes / outer, part, &mut joined);
            first += rows;
        }
        joined.into()
    }
}
