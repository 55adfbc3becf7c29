//! Min/max decimation: what a plot keeps of each column of the picture, so that no peak is missed, however many frames
//! a column stands for.

use std::ops::Range;

/// One column of the plot: the least and the greatest finite sample of each channel among the frames that fall into it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Column<'a> {
    /// Positions of its frames, from the first to the last.
    pub first: u64,
    pub end: u64,
    lows: &'a [f64],
    highs: &'a [f64],
}

impl Column<'_> {
    /// The least and the greatest finite sample of a channel; `None` if it has no finite sample.
    pub fn extent(&self, channel: usize) -> Option<(f64, f64)> {
        let (low, high) = (self.lows[channel], self.highs[channel]);
        (low <= high).then_some((low, high))
    }
}

#[derive(Clone, Copy)]
struct Slot {
    /// `None` before the first frame.
    column: Option<i64>,
    first: u64,
    end: u64,
}

const EMPTY: Slot = Slot { column: None, first: u64::MAX, end: 0 };

/// The columns of a moving window: each has a number, and a new one replaces the one that is a window's width away.
///
/// Adding the same frames again changes nothing, and their order does not matter.
pub struct Columns {
    channels: usize,
    slots: Vec<Slot>,
    lows: Vec<f64>,
    highs: Vec<f64>,
}

impl Columns {
    /// Room for `width` columns side by side.
    pub fn new(channels: usize, width: usize) -> Self {
        let width = width.max(1);
        Self {
            channels,
            slots: vec![EMPTY; width],
            lows: vec![f64::INFINITY; width * channels],
            highs: vec![f64::NEG_INFINITY; width * channels],
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.slots.fill(EMPTY);
    }

    fn slot(&self, column: i64) -> usize {
        column.rem_euclid(self.slots.len() as i64) as usize
    }

    /// The column of this number, if a frame fell into it.
    pub fn get(&self, column: i64) -> Option<Column<'_>> {
        let index = self.slot(column);
        let slot = self.slots[index];
        let values = index * self.channels..(index + 1) * self.channels;
        (slot.column == Some(column)).then(|| Column {
            first: slot.first,
            end: slot.end,
            lows: &self.lows[values.clone()],
            highs: &self.highs[values],
        })
    }

    /// Adds the chosen channels of the frames at `positions`, all of which fall into `column`. `samples` are all
    /// samples of those frames.
    pub fn add<T: Copy>(
        &mut self,
        column: i64,
        positions: Range<u64>,
        samples: &[T],
        chosen: &Chosen,
        number: impl Fn(T) -> f64 + Copy,
    ) {
        let index = self.slot(column);
        let values = index * self.channels..(index + 1) * self.channels;
        let (lows, highs) = (&mut self.lows[values.clone()], &mut self.highs[values]);
        let slot = &mut self.slots[index];
        if slot.column != Some(column) {
            *slot = Slot { column: Some(column), ..EMPTY };
            lows.fill(f64::INFINITY);
            highs.fill(f64::NEG_INFINITY);
        }
        slot.first = slot.first.min(positions.start);
        slot.end = slot.end.max(positions.end);
        for frame in samples.chunks_exact(chosen.frame_samples) {
            match &chosen.channels {
                Which::Run(run) => widen(lows, highs, frame[run.clone()].iter().map(|&sample| number(sample))),
                Which::Each(list) => widen(lows, highs, list.iter().map(|&channel| number(frame[channel]))),
            }
        }
    }
}

/// Skips samples that are not finite: in a picture they would leave no room for the others.
#[inline]
fn widen(lows: &mut [f64], highs: &mut [f64], samples: impl Iterator<Item = f64>) {
    for ((low, high), sample) in lows.iter_mut().zip(highs).zip(samples) {
        let finite = sample.abs() < f64::INFINITY;
        *low = if finite && sample < *low { sample } else { *low };
        *high = if finite && sample > *high { sample } else { *high };
    }
}

/// The samples of a frame that are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    frame_samples: usize,
    channels: Which,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Which {
    /// Adjacent samples, several of which a processor handles at a time.
    Run(Range<usize>),
    Each(Vec<usize>),
}

impl Chosen {
    /// Channels in ascending order, of frames of `frame_samples` samples.
    pub fn new(channels: &[usize], frame_samples: usize) -> Self {
        debug_assert!(channels.iter().all(|&channel| channel < frame_samples) && channels.is_sorted());
        let run = channels.first().map_or(0..0, |&first| first..first + channels.len());
        let is_run = run.clone().eq(channels.iter().copied());
        Self { frame_samples, channels: if is_run { Which::Run(run) } else { Which::Each(channels.to_vec()) } }
    }

    pub fn len(&self) -> usize {
        match &self.channels {
            Which::Run(run) => run.len(),
            Which::Each(list) => list.len(),
        }
    }

    /// The place of a channel among the chosen ones.
    pub fn place_of(&self, channel: usize) -> Option<usize> {
        match &self.channels {
            Which::Run(run) => run.contains(&channel).then(|| channel - run.start),
            Which::Each(list) => list.binary_search(&channel).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// The reference model: every sample of every column, in a list.
    #[derive(Default)]
    struct Reference(BTreeMap<i64, (Vec<u64>, Vec<Vec<f64>>)>);

    impl Reference {
        fn add(&mut self, column: i64, position: u64, samples: Vec<f64>) {
            let (positions, frames) = self.0.entry(column).or_default();
            positions.push(position);
            frames.push(samples);
        }

        fn extent(&self, column: i64, channel: usize) -> Option<(f64, f64)> {
            let samples = self.0.get(&column)?.1.iter().map(|frame| frame[channel]).filter(|sample| sample.is_finite());
            let mut sorted: Vec<f64> = samples.collect();
            sorted.sort_by(f64::total_cmp);
            Some((*sorted.first()?, *sorted.last()?))
        }
    }

    fn sample() -> impl Strategy<Value = f32> {
        prop_oneof![
            8 => -1e6f32..1e6,
            1 => Just(f32::NAN),
            1 => Just(f32::INFINITY),
            1 => Just(f32::NEG_INFINITY),
            1 => Just(0.0f32),
            1 => Just(f32::MAX),
        ]
    }

    proptest! {
        #[test]
        fn columns_are_what_the_reference_model_finds_among_all_samples(
            frames in prop::collection::vec(prop::collection::vec(sample(), 5), 1..200),
            frames_per_column in 1u64..20,
            offset in -50i64..50,
            chosen in prop::sample::subsequence(vec![0usize, 1, 2, 3, 4], 1..=5),
            again in any::<bool>(),
        ) {
            let mut columns = Columns::new(chosen.len(), 300);
            let mut reference = Reference::default();
            let which = Chosen::new(&chosen, 5);
            for pass in 0..=u8::from(again) {
                // Backwards the second time, as history is read.
                let order: Vec<usize> = if pass == 0 { (0..frames.len()).collect() } else { (0..frames.len()).rev().collect() };
                for i in order {
                    let column = (i as u64 / frames_per_column) as i64 + offset;
                    columns.add(column, i as u64..i as u64 + 1, &frames[i], &which, f64::from);
                    reference.add(column, i as u64, chosen.iter().map(|&channel| f64::from(frames[i][channel])).collect());
                }
            }
            for column in offset - 2..offset + 202 {
                let found = columns.get(column);
                prop_assert_eq!(found.is_some(), reference.0.contains_key(&column));
                let Some(found) = found else { continue };
                let positions = &reference.0[&column].0;
                prop_assert_eq!(Some(&found.first), positions.iter().min());
                prop_assert_eq!(Some(found.end - 1), positions.iter().max().copied());
                for channel in 0..chosen.len() {
                    prop_assert_eq!(found.extent(channel), reference.extent(column, channel));
                }
            }
        }

        #[test]
        fn many_frames_at_once_are_the_same_as_one_after_the_other(
            samples in prop::collection::vec(sample(), 3..300),
        ) {
            let frames = samples.len() / 3;
            let samples = &samples[..frames * 3];
            let chosen = Chosen::new(&[0, 2], 3);
            let (mut at_once, mut one_by_one) = (Columns::new(2, 4), Columns::new(2, 4));
            at_once.add(7, 0..frames as u64, samples, &chosen, f64::from);
            for (i, frame) in samples.chunks_exact(3).enumerate() {
                one_by_one.add(7, i as u64..i as u64 + 1, frame, &chosen, f64::from);
            }
            prop_assert_eq!(at_once.get(7), one_by_one.get(7));
        }
    }

    #[test]
    fn a_column_replaces_the_one_that_is_a_windows_width_away() {
        let chosen = Chosen::new(&[0], 1);
        let mut columns = Columns::new(1, 4);
        for column in 0..6 {
            columns.add(column, column as u64..column as u64 + 1, &[column as f64], &chosen, |sample| sample);
        }
        assert_eq!(columns.get(1), None);
        assert_eq!(columns.get(2).unwrap().extent(0), Some((2.0, 2.0)));
        assert_eq!(columns.get(5).unwrap().extent(0), Some((5.0, 5.0)));
        columns.clear();
        assert!((0..6).all(|column| columns.get(column).is_none()));
    }

    #[test]
    fn a_column_without_a_finite_sample_exists_but_has_no_extent() {
        let chosen = Chosen::new(&[0], 1);
        let mut columns = Columns::new(1, 4);
        columns.add(0, 0..2, &[f64::NAN, f64::INFINITY], &chosen, |sample| sample);
        assert_eq!(columns.get(0).unwrap().extent(0), None);
    }

    #[test]
    fn channels_have_places_among_the_chosen_ones() {
        let run = Chosen::new(&[3, 4, 5], 9);
        let each = Chosen::new(&[3, 5, 8], 9);
        assert_eq!((run.len(), run.place_of(5), run.place_of(2), run.place_of(6)), (3, Some(2), None, None));
        assert_eq!((each.len(), each.place_of(5), each.place_of(4)), (3, Some(1), None));
    }
}
