//! What readers return: frames copied into private memory, which is reused from read to read, and frames in place
//! (`view`).

pub(crate) mod view;

use std::ops::Range;

use crate::protocol::cursor::{Copied, Source, Target};
use crate::{Dtype, Format, Result};

/// A sample type that Rust has, for [`Frames::samples_as`].
pub trait Sample: sealed::Sealed + Copy {
    /// The element type in the ring.
    const DTYPE: Dtype;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! samples {
    ($($rust:ty => $dtype:ident),*) => {$(
        impl sealed::Sealed for $rust {}
        impl Sample for $rust {
            const DTYPE: Dtype = Dtype::$dtype;
        }
    )*};
}

samples!(i8 => I8, u8 => U8, i16 => I16, u16 => U16, i32 => I32, u32 => U32, i64 => I64, u64 => U64, f32 => F32, f64 => F64);

/// Bytes on a 64-byte boundary that keep their memory when their number shrinks.
#[derive(Clone, Default)]
pub(crate) struct AlignedBytes {
    blocks: Vec<Block>,
    length: usize,
}

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Block([u8; 64]);

impl AlignedBytes {
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: the blocks are plain initialised bytes, at least `length` of them.
        unsafe { std::slice::from_raw_parts(self.blocks.as_ptr().cast(), self.length) }
    }

    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: as in `as_slice`, and borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.blocks.as_mut_ptr().cast(), self.length) }
    }

    /// Sets the length. The content of added bytes is unspecified.
    pub fn set_length(&mut self, length: usize) {
        let blocks = length.div_ceil(64);
        if blocks > self.blocks.len() {
            self.blocks.resize(blocks, Block([0; 64]));
        }
        self.length = length;
    }
}

/// Frames copied out of a stream, with their times and positions. Contiguous: positions `first .. first + frames`.
#[derive(Clone, Default)]
pub struct Frames {
    pub(crate) samples: AlignedBytes,
    pub(crate) times: Vec<f64>,
    pub(crate) first: u64,
    pub(crate) lost: u64,
    pub(crate) generation: u32,
    pub(crate) dtype: Option<Dtype>,
}

impl Frames {
    /// No frames; the first read allocates memory.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many frames there are.
    pub fn frames(&self) -> u64 {
        self.times.len() as u64
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Position of the first frame in its generation.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Exact number of frames lost between the previous read and the first of these frames.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// The generation that the frames belong to.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// All samples as bytes in C order, frame after frame.
    pub fn samples(&self) -> &[u8] {
        self.samples.as_slice()
    }

    /// One value per frame on the buffered axis; seconds for a time axis.
    pub fn times(&self) -> &[f64] {
        &self.times
    }

    /// All samples as numbers; `None` if the stream has another element type. Read bool and float16 streams as bytes,
    /// with [`samples`](Self::samples).
    pub fn samples_as<T: Sample>(&self) -> Option<&[T]> {
        if self.dtype != Some(T::DTYPE) {
            return None;
        }
        let bytes = self.samples.as_slice();
        // SAFETY: the bytes are initialised, on a 64-byte boundary, and every bit pattern is a `T`, since `Sample` is
        // sealed and only implemented for plain numbers.
        Some(unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len() / size_of::<T>()) })
    }

    /// Removes all frames.
    pub(crate) fn clear(&mut self) {
        self.set_frames(0, 0);
        self.lost = 0;
    }

    /// Keeps only the frames that were copied whole, from a ring of this format.
    pub(crate) fn set_copied(&mut self, copied: &Copied, format: Option<&Format>) {
        let Some(format) = format.filter(|_| copied.frames > 0) else { return self.clear() };
        self.set_frames(copied.frames, format.frame_bytes());
        self.set_place(copied.first, copied.generation, format);
        self.lost = copied.lost;
    }

    /// Makes room for `frames` frames of `frame_bytes` in all, and keeps those that it holds.
    pub(crate) fn set_frames(&mut self, frames: u64, frame_bytes: u64) {
        self.samples.set_length((frames * frame_bytes) as usize);
        self.times.resize(frames as usize, 0.0);
    }

    /// States that the frames begin at `first` in a ring of `generation` and this format.
    pub(crate) fn set_place(&mut self, first: u64, generation: u32, format: &Format) {
        (self.first, self.generation, self.dtype) = (first, generation, Some(format.dtype()));
    }
}

impl Target for Frames {
    fn make_room(&mut self, frames: u64, frame_bytes: u64) {
        self.set_frames(frames, frame_bytes);
    }

    fn parts(&mut self) -> (&mut [f64], &mut [u8]) {
        (&mut self.times, self.samples.as_mut_slice())
    }
}

/// The caller's memory, which has room for everything that is going to be copied.
pub(crate) struct Lent<'a> {
    pub samples: &'a mut [u8],
    pub times: &'a mut [f64],
}

impl Target for Lent<'_> {
    fn make_room(&mut self, frames: u64, frame_bytes: u64) {
        debug_assert!(frames <= self.times.len() as u64 && frames * frame_bytes <= self.samples.len() as u64);
    }

    fn parts(&mut self) -> (&mut [f64], &mut [u8]) {
        (self.times, self.samples)
    }
}

/// The caller's memory for times, without the samples.
pub(crate) struct LentTimes<'a>(pub &'a mut [f64]);

impl Target for LentTimes<'_> {
    fn make_room(&mut self, frames: u64, _frame_bytes: u64) {
        debug_assert!(frames <= self.0.len() as u64);
    }

    fn parts(&mut self) -> (&mut [f64], &mut [u8]) {
        (self.0, &mut [])
    }

    fn copy_from<S: Source>(
        &mut self,
        source: &mut S,
        piece: &Range<u64>,
        _committed: u64,
        done: u64,
        _frame_bytes: u64,
    ) -> Result<u64> {
        let times = &mut self.0[done as usize..(done + (piece.end - piece.start)) as usize];
        // If the times cannot be read, none of the piece is whole.
        Ok(source.copy_times_whole(piece, times).unwrap_or(piece.end))
    }

    fn drop_front(&mut self, dropped: u64, frames: u64, _frame_bytes: u64) {
        self.0.copy_within(dropped as usize..frames as usize, 0);
    }
}

impl std::fmt::Debug for Frames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frames")
            .field("first", &self.first)
            .field("frames", &self.frames())
            .field("lost", &self.lost)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}
