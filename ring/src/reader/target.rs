//! Where frames are copied to: memory that grows, or memory of the caller's.

use super::Frames;

/// What a read copied into memory of the caller's: positions `first .. first + frames`, from the memory's start on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Position of the first frame in its generation.
    pub first: u64,
    /// How many frames there are.
    pub frames: u64,
    /// Frames lost just before the first one, since the read before: exact.
    pub lost: u64,
    /// The generation they belong to.
    pub generation: u32,
}

/// Memory that frames are copied into, from its start on.
pub(super) trait Target {
    /// Makes room for `frames` frames in all, keeping those that are there.
    fn make_room(&mut self, frames: u64, frame_bytes: u64);

    /// At least as many bytes as there was room made for.
    fn samples(&mut self) -> &mut [u8];

    /// At least as many times as there was room made for.
    fn times(&mut self) -> &mut [f64];

    /// Moves what is behind the first `dropped` of `frames` frames to the start.
    fn drop_front(&mut self, dropped: u64, frames: u64, frame_bytes: u64) {
        let of = |frames: u64| (frames * frame_bytes) as usize;
        self.samples().copy_within(of(dropped)..of(frames), 0);
        self.times().copy_within(dropped as usize..frames as usize, 0);
    }
}

impl Target for Frames {
    fn make_room(&mut self, frames: u64, frame_bytes: u64) {
        self.set_frames(frames, frame_bytes);
    }

    fn samples(&mut self) -> &mut [u8] {
        self.samples.as_mut_slice()
    }

    fn times(&mut self) -> &mut [f64] {
        &mut self.times
    }
}

/// Memory of the caller's, which has room for all that is going to be copied.
pub(super) struct Lent<'a> {
    pub samples: &'a mut [u8],
    pub times: &'a mut [f64],
}

impl Target for Lent<'_> {
    fn make_room(&mut self, frames: u64, frame_bytes: u64) {
        debug_assert!(frames <= self.times.len() as u64 && frames * frame_bytes <= self.samples.len() as u64);
    }

    fn samples(&mut self) -> &mut [u8] {
        self.samples
    }

    fn times(&mut self) -> &mut [f64] {
        self.times
    }
}
