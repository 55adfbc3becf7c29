use super::*;

fn seen(valid: bool, laps: u64, index: u64) -> Seen {
    let mut bytes = *include_bytes!("../../../../tests/vectors/ezmsg/v2/eeg_f32_wrapped/header.bin");
    at::bvalid.put(&mut bytes, valid.into());
    at::wrap_counter.put(&mut bytes, laps);
    at::write_index.put(&mut bytes, index);
    Seen::new(bytes).unwrap()
}

#[test]
fn the_layout_of_real_headers_is_read() {
    let v1 = Seen::new(*include_bytes!("../../../../tests/vectors/ezmsg/v1/eeg_f32_wrapped/header.bin")).unwrap();
    let v2 = Seen::new(*include_bytes!("../../../../tests/vectors/ezmsg/v2/eeg_f32_wrapped/header.bin")).unwrap();
    let format = Format::new(Dtype::F32, &[3], 10.0, 20).unwrap();
    for (seen, version, samples_offset, length) in [(v1, 1, 0, 240), (v2, 2, 160, 400)] {
        let layout = seen.layout().unwrap();
        assert_eq!((layout.format.clone(), layout.frames, layout.frame_bytes), (format.clone(), 20, 12));
        assert_eq!((layout.has_times, layout.samples_offset, layout.length), (version == 2, samples_offset, length));
        assert_eq!((seen.struct_version(), seen.key().as_deref()), (version, Some("eeg/headset-1")));
        assert_eq!((seen.is_valid(), seen.generation(), seen.meta_generation()), (true, Some(0), 1));
        assert_eq!(Track::begin(20, &seen).unwrap().position(), 24);
    }
}

#[test]
fn a_position_never_decreases_and_a_lap_is_counted_before_ezmsg_counts_it() {
    let mut track = Track::begin(20, &seen(true, 0, 15)).unwrap();
    let mut poll = |laps, index| {
        let position = track.poll(&seen(true, laps, index)).unwrap();
        track.advance(position);
        track.position()
    };
    // The index first, then the laps.
    assert_eq!([poll(0, 20), poll(0, 20), poll(0, 7), poll(0, 7), poll(1, 7)], [20, 20, 27, 27, 27]);
    // A message as long as the ring is visible only after its lap is counted.
    assert_eq!([poll(1, 7), poll(2, 7), poll(4, 3)], [27, 47, 83]);
    assert!(track.poll(&seen(true, 2, 19)).unwrap_err().contains("lap 2, index 19"));
}

#[test]
fn zeros_in_a_header_that_is_not_valid_are_not_a_lap() {
    let track = Track::begin(20, &seen(true, 3, 15)).unwrap();
    // The last frames before a clean end.
    assert_eq!(track.poll(&seen(false, 3, 18)), Ok(Some(78)));
    assert_eq!(track.poll(&seen(false, 4, 2)), Ok(Some(82)));
    for (laps, index) in [(3, 0), (0, 0), (2, 20)] {
        assert_eq!(track.poll(&seen(false, laps, index)), Ok(None));
    }
}
