use dora_shm_ring::{Chunk, Reader, ReaderOptions, Times, Writer, WriterOptions};

use super::*;

fn described(dims: &[&str], attrs: &[(&str, &str)]) -> Description {
    Description {
        dims: dims.iter().map(|dim| (*dim).to_owned()).collect(),
        attrs: attrs.iter().map(|(name, value)| ((*name).to_owned(), Attr::String((*value).to_owned()))).collect(),
        ..Description::default()
    }
}

fn size(dtype: Dtype, shape: &[u64], description: &Description) -> Option<(usize, usize)> {
    let format = Format::new(dtype, shape, 0.0, 2).unwrap();
    PictureFormat::of(&format, Some(description)).map(|picture| (picture.width, picture.height))
}

#[test]
fn pictures_are_recognised_by_shape_dims_or_attributes_and_channels_are_not() {
    let none = Description::default();
    assert_eq!(size(Dtype::U8, &[480, 640, 3], &none), Some((640, 480)));
    assert_eq!(size(Dtype::U8, &[480, 640], &none), Some((640, 480)));
    assert_eq!(size(Dtype::F32, &[3, 120, 160], &none), Some((160, 120)));
    assert_eq!(size(Dtype::U8, &[6, 4], &described(&[], &[("encoding", "yuv420")])), Some((4, 4)));
    assert_eq!(size(Dtype::F32, &[4, 5], &described(&["time", "y", "x"], &[])), Some((5, 4)));
    assert_eq!(
        size(Dtype::U8, &[24], &described(&[], &[("encoding", "bgr8"), ("width", "4"), ("height", "2")])),
        Some((4, 2))
    );
    assert_eq!(size(Dtype::F32, &[64], &none), None);
    assert_eq!(size(Dtype::F32, &[3, 3], &none), None);
    assert_eq!(size(Dtype::F64, &[33, 3], &none), None);
    assert_eq!(size(Dtype::F32, &[], &none), None);
    assert_eq!(size(Dtype::F32, &[2, 3, 4, 5], &none), None);
    // Labels along a dimension mean channels.
    let mut labelled = described(&["time", "ch", "freq"], &[]);
    labelled.axes.insert("freq".into(), Axis::Linear { unit: "Hz".into(), gain: 1.0, offset: Some(0.0) });
    assert_eq!(size(Dtype::F32, &[64, 128], &labelled), None);
}

/// Each encoding whose pixels are numbers side by side, with their type, their number and the order of their colours.
const EVERY_ENCODING: [(&str, Dtype, u64, Colours); 13] = [
    ("mono8", Dtype::U8, 1, Colours::Gray),
    ("gray8", Dtype::U8, 1, Colours::Gray),
    ("8UC1", Dtype::U8, 1, Colours::Gray),
    ("mono16", Dtype::U16, 1, Colours::Gray),
    ("z16", Dtype::U16, 1, Colours::Gray),
    ("16UC1", Dtype::U16, 1, Colours::Gray),
    ("32FC1", Dtype::F32, 1, Colours::Gray),
    ("rgb8", Dtype::U8, 3, Colours::Rgb),
    ("bgr8", Dtype::U8, 3, Colours::Bgr),
    ("8UC3", Dtype::U8, 3, Colours::Bgr),
    ("rgba8", Dtype::U8, 4, Colours::Rgb),
    ("bgra8", Dtype::U8, 4, Colours::Bgr),
    ("8UC4", Dtype::U8, 4, Colours::Bgr),
];

#[test]
fn every_encoding_that_the_sink_knows_makes_a_frame_a_picture_with_its_order_of_colours() {
    for (encoding, dtype, count, expected) in EVERY_ENCODING {
        let sized = described(&[], &[("encoding", encoding), ("width", "4"), ("height", "2")]);
        assert_eq!(size(dtype, &[8 * count], &sized), Some((4, 2)), "{encoding}");
        // Too small for a picture without a hint, and with dims that do not name a plane.
        let named = described(&["time", "a", "b", "c"], &[("encoding", encoding)]);
        let shape = if count == 1 { vec![2, 4] } else { vec![2, 4, count] };
        assert_eq!(size(dtype, &shape, &named), Some((4, 2)), "{encoding}");
        let format = Format::new(dtype, &shape, 0.0, 2).unwrap();
        let found = PictureFormat::of(&format, Some(&named)).unwrap().layout;
        assert!(matches!(found, Layout::Samples { colours, .. } if colours == expected), "{encoding}: {found:?}");
    }
    assert_eq!(size(Dtype::U8, &[6, 4], &described(&[], &[("encoding", "yuv420")])), Some((4, 4)));
}

#[test]
fn every_known_encoding_is_tested() {
    let mut known: Vec<&str> = picture::ENCODINGS.iter().flat_map(|(names, ..)| names.iter().copied()).collect();
    let mut tested: Vec<&str> = EVERY_ENCODING.iter().map(|(encoding, ..)| *encoding).chain(["yuv420"]).collect();
    known.sort_unstable();
    tested.sort_unstable();
    assert_eq!(tested, known);
}

#[test]
fn jointstates_with_an_encoding_are_not_pictures() {
    assert_eq!(
        size(Dtype::F32, &[7], &described(&[], &[("encoding", "jointstate"), ("width", "7"), ("height", "1")])),
        None
    );
}

/// The frame of a stream with these samples, as pixels.
fn pixels(
    dtype: Dtype,
    shape: &[u64],
    description: &Description,
    samples: &[u8],
    width: usize,
    height: usize,
) -> Pixels {
    static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let name = format!("cli-test/{}/picture-{number}", std::process::id());
    let format = Format::new(dtype, shape, 0.0, 2).unwrap();
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    writer.begin(&format, &Description::default(), 1).unwrap();
    let times = Times::Linear { start: 0.0, step: 1.0 };
    writer.write(&Chunk { samples, times, send_ns: 0 }).unwrap();
    let mut reader = Reader::open(&name, ReaderOptions::default()).unwrap();
    let mut frames = Frames::new();
    assert_eq!(reader.latest(1, &mut frames).unwrap(), 1);
    PictureFormat::of(&format, Some(description)).unwrap().pixels(&frames, width, height)
}

fn picture(encoding: &str) -> Description {
    described(&["time", "y", "x", "c"], &[("encoding", encoding)])
}

#[test]
fn colours_come_in_the_order_of_the_encoding() {
    let of = |encoding: &str| pixels(Dtype::U8, &[1, 2, 3], &picture(encoding), &[1, 2, 3, 4, 5, 6], 2, 1).rgb;
    assert_eq!(of("rgb8"), [[1, 2, 3], [4, 5, 6]]);
    assert_eq!(of("bgr8"), [[3, 2, 1], [6, 5, 4]]);
    let planes = described(&["time", "c", "y", "x"], &[("encoding", "rgb8")]);
    assert_eq!(pixels(Dtype::U8, &[3, 1, 2], &planes, &[1, 4, 2, 5, 3, 6], 2, 1).rgb, [[1, 2, 3], [4, 5, 6]]);
    let alpha = pixels(Dtype::U8, &[1, 1, 4], &picture("rgba8"), &[1, 2, 3, 0], 1, 1).rgb;
    assert_eq!(alpha, [[1, 2, 3]], "transparency is ignored");
}

#[test]
fn what_the_sink_found_out_wins_over_names_and_attributes() {
    let found =
        |word: &str, dims: &[&str], encoding: &str| described(dims, &[("_picture", word), ("encoding", encoding)]);
    let of = |word: &str| {
        let description = found(word, &["time", "a", "b", "c"], "8UC3");
        pixels(Dtype::U8, &[1, 2, 3], &description, &[1, 2, 3, 4, 5, 6], 2, 1).rgb
    };
    assert_eq!(of("bgr"), [[3, 2, 1], [6, 5, 4]]);
    assert_eq!(of("rgb"), [[1, 2, 3], [4, 5, 6]]);
    let planes = found("bgr", &["time", "a", "b", "c"], "");
    assert_eq!(pixels(Dtype::U8, &[3, 1, 2], &planes, &[3, 6, 2, 5, 1, 4], 2, 1).rgb, [[1, 2, 3], [4, 5, 6]]);
    let gray = found("gray", &["time", "a", "b"], "");
    assert_eq!(size(Dtype::F32, &[2, 3], &gray), Some((3, 2)));
    let yuv = found("yuv420", &[], "");
    assert_eq!(size(Dtype::U8, &[6, 4], &yuv), Some((4, 4)));
    // A word that does not fit the frames, or that a later sink wrote.
    assert_eq!(size(Dtype::F32, &[7], &gray), None);
    assert_eq!(size(Dtype::U8, &[4, 4, 3], &found("yuv422", &["time", "y", "x", "c"], "")), Some((4, 4)));
}

#[test]
fn gray_yuv_bool_and_float_pictures_become_pixels_too() {
    let planes = described(&["time", "y", "x"], &[]);
    assert_eq!(pixels(Dtype::U8, &[1, 2], &planes, &[7, 200], 2, 1).rgb, [[7; 3], [200; 3]]);
    assert_eq!(pixels(Dtype::Bool, &[1, 3], &planes, &[0, 1, 9], 3, 1).rgb, [[0; 3], [255; 3], [255; 3]]);
    let yuv = described(&[], &[("encoding", "yuv420")]);
    let gray = pixels(Dtype::U8, &[3, 2], &yuv, &[10, 20, 30, 40, 128, 128], 2, 2).rgb;
    assert_eq!(gray, [[10; 3], [20; 3], [30; 3], [40; 3]]);
    let floats: Vec<u8> = [0.0f32, 0.5, 1.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    assert_eq!(pixels(Dtype::F32, &[1, 1, 3], &picture("rgb8"), &floats, 1, 1).rgb, [[0, 128, 255]]);
}

#[test]
fn depths_are_colours_over_their_range_and_what_is_not_a_number_is_black() {
    let planes = described(&["time", "y", "x"], &[]);
    let samples: Vec<u8> = [f32::NAN, 1.0, 3.0, f32::INFINITY].iter().flat_map(|x| x.to_le_bytes()).collect();
    let rgb = pixels(Dtype::F32, &[1, 4], &planes, &samples, 4, 1).rgb;
    assert_eq!(rgb, [[0; 3], heat(0.0), heat(1.0), [0; 3]]);
    let nothing = pixels(Dtype::F32, &[1, 1], &planes, &f32::NAN.to_le_bytes(), 1, 1).rgb;
    assert_eq!(nothing, [[0; 3]]);
}

#[test]
fn a_smaller_picture_is_made_of_means_and_a_larger_one_of_copies() {
    let planes = described(&["time", "y", "x"], &[]);
    assert_eq!(pixels(Dtype::U8, &[2, 2], &planes, &[0, 100, 100, 200], 1, 1).rgb, [[100; 3]]);
    assert_eq!(pixels(Dtype::U8, &[1, 2], &planes, &[5, 9], 4, 1).rgb, [[5; 3], [5; 3], [9; 3], [9; 3]]);
}

#[test]
fn pictures_keep_their_proportions() {
    let format = Format::new(Dtype::U8, &[480, 640, 3], 0.0, 2).unwrap();
    let picture = PictureFormat::of(&format, None).unwrap();
    assert_eq!(picture.fit(120, 200), (120, 90));
    assert_eq!(picture.fit(1000, 48), (64, 48));
    assert_eq!(picture.fit(0, 0), (1, 1));
}
