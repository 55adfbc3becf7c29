//! One case for each node whose messages can be frames, built as its documentation and its source state.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float32Array, Int32Array, NullArray, UInt8Array, UInt64Array};
use dora_node_api::{MetadataParameters, Parameter};
use dora_shm_message::{FrameRule, Interpreter, MessageSettings};
use dora_shm_ring::Dtype;

use crate::support::*;

/// What the frames of one message have to be.
struct Expected {
    dtype: Dtype,
    frame: &'static [u64],
    frames: u64,
    rate_hz: Option<f64>,
}

fn frames(dtype: Dtype, frame: &'static [u64], frames: u64) -> Expected {
    Expected { dtype, frame, frames, rate_hz: None }
}

fn check(array: &ArrayRef, parameters: &MetadataParameters, settings: MessageSettings, expected: &Expected) -> Stored {
    let stored = interpret(array, parameters, settings).unwrap();
    assert_eq!(stored.plan.dtype(), expected.dtype);
    assert_eq!(stored.plan.frame_shape(), expected.frame);
    assert_eq!(stored.frames, expected.frames);
    assert_eq!(stored.plan.rate_hz(), expected.rate_hz);
    stored
}

/// Plain numbers: the frames are the array's bytes, and the message comes back as it was.
fn check_plain(array: &ArrayRef, parameters: &MetadataParameters, settings: MessageSettings, expected: &Expected) {
    let stored = check(array, parameters, settings, expected);
    assert_eq!(stored.samples, bytes_of(array));
    assert_comes_back(&stored, array, parameters);
}

fn auto() -> MessageSettings {
    MessageSettings::default()
}

fn shaped(shape: &[u64]) -> MessageSettings {
    MessageSettings { shape: Some(shape.to_vec()), ..auto() }
}

fn fields(fields: &[&str]) -> MessageSettings {
    MessageSettings { fields: strings(fields), ..auto() }
}

#[test]
fn opencv_video_capture_sends_pictures() {
    for encoding in ["bgr8", "rgb8"] {
        let expected = frames(Dtype::U8, &[4, 6, 3], 1);
        check_plain(&bytes(72), &picture(6, 4, encoding), auto(), &expected);
    }
    check_plain(&bytes(36), &picture(6, 4, "yuv420"), auto(), &frames(Dtype::U8, &[6, 6], 1));
}

#[test]
fn compressed_pictures_are_refused_by_name() {
    for encoding in ["jpeg", "png", "webp", "bmp", "av1", "avif"] {
        let refusal = interpret(&bytes(50), &picture(6, 4, encoding), auto()).unwrap_err().to_string();
        assert!(refusal.contains(encoding) && refusal.contains("compressed"), "{refusal}");
    }
}

#[test]
fn pyrealsense_sends_pictures_and_depth() {
    let mut parameters = picture(6, 4, "bgr8");
    parameters.insert("resolution".into(), integers(&[6, 4]));
    parameters.insert("focal_length".into(), integers(&[600, 600]));
    check_plain(&bytes(72), &parameters, auto(), &frames(Dtype::U8, &[4, 6, 3], 1));
    for encoding in ["mono16", "z16"] {
        parameters.insert("encoding".into(), text(encoding));
        check_plain(&numbers(Dtype::U16, 24), &parameters, auto(), &frames(Dtype::U16, &[4, 6], 1));
    }
    // Its `timestamp` is an integer of nanoseconds, and belongs to one message.
    parameters.insert("timestamp".into(), integer(1_700_000_000));
    let stored = interpret(&numbers(Dtype::U16, 24), &parameters, auto()).unwrap();
    assert!(!stored.plan.description().attrs.contains_key("timestamp"));
}

#[test]
fn orbbec_sends_depth_without_parameters() {
    let none = MetadataParameters::default();
    check_plain(&floats(24), &none, shaped(&[4, 6]), &frames(Dtype::F32, &[4, 6], 1));
}

#[test]
fn reachy2_and_vggt_send_depth_of_doubles() {
    let parameters = parameters(&[("width", integer(6)), ("height", integer(4)), ("focal", integers(&[1, 2]))]);
    check_plain(&doubles(24), &parameters, auto(), &frames(Dtype::F64, &[4, 6], 1));
    check_plain(&doubles(24), &picture(6, 4, "rgb8"), auto(), &frames(Dtype::F64, &[4, 6], 1));
}

#[test]
fn dav1d_sends_pictures_of_several_encodings() {
    check_plain(&bytes(24), &picture(6, 4, "mono8"), auto(), &frames(Dtype::U8, &[4, 6], 1));
    check_plain(&numbers(Dtype::U16, 24), &picture(6, 4, "mono16"), auto(), &frames(Dtype::U16, &[4, 6], 1));
    check_plain(&bytes(36), &picture(6, 4, "yuv420"), auto(), &frames(Dtype::U8, &[6, 6], 1));
}

#[test]
fn sizes_that_arrive_as_strings_are_sizes() {
    let mut parameters = picture(6, 4, "bgr8");
    parameters.insert("width".into(), text("6"));
    parameters.insert("height".into(), text("4"));
    check_plain(&bytes(72), &parameters, auto(), &frames(Dtype::U8, &[4, 6, 3], 1));
}

#[test]
fn microphone_sends_blocks_of_any_length_without_parameters() {
    let none = MetadataParameters::default();
    let settings =
        MessageSettings { frames: FrameRule::Rows, sample_rate_hz: Some(16000.0), ..MessageSettings::default() };
    let mut interpreter = Interpreter::new("data", settings);
    // The first block may be empty.
    let empty = floats(0);
    let chunk = interpreter.interpret(&empty, &none, SEND_NS).unwrap();
    assert_eq!((chunk.frames(), chunk.plan().is_none()), (0, true));
    drop(chunk);
    let mut plans = Vec::new();
    for length in [1600, 1600, 1424, 1] {
        let stored = store(&mut interpreter, &floats(length), &none).unwrap();
        assert_eq!((stored.frames, stored.plan.frame_shape()), (length as u64, &[][..]));
        assert_eq!(stored.plan.rate_hz(), Some(16000.0));
        assert_comes_back(&stored, &floats(length), &none);
        plans.push(stored.plan);
    }
    assert!(plans.windows(2).all(|pair| Arc::ptr_eq(&pair[0], &pair[1])), "lengths are not part of the description");
}

#[test]
fn audio_with_a_rate_is_frames_of_its_channels() {
    let rate = Some(24000.0);
    for (channels, frame, count) in [(None, &[][..], 480), (Some(1), &[], 480), (Some(2), &[2], 240)] {
        let mut parameters = parameters(&[("sample_rate", integer(24000))]);
        parameters.extend(channels.map(|channels| ("channels".to_owned(), integer(channels))));
        let expected = Expected { dtype: Dtype::F32, frame, frames: count, rate_hz: rate };
        check_plain(&floats(480), &parameters, auto(), &expected);
    }
}

#[test]
fn joints_and_poses_are_one_frame_per_message() {
    let jointstate = parameters(&[("encoding", text("jointstate")), ("primitive", text("jointstate"))]);
    check_plain(&doubles(7), &jointstate, auto(), &frames(Dtype::F64, &[7], 1));
    let none = MetadataParameters::default();
    check_plain(&floats(1), &none, auto(), &frames(Dtype::F32, &[1], 1));
    check_plain(&doubles(6), &none, auto(), &frames(Dtype::F64, &[6], 1));
    check_plain(&doubles(3), &parameters(&[("type", text("position"))]), auto(), &frames(Dtype::F64, &[3], 1));

    // mujoco's `timestamp` is a float of simulated seconds.
    let mut simulated = jointstate;
    simulated.insert("timestamp".into(), Parameter::Float(0.25));
    let stored = check(&doubles(7), &simulated, auto(), &frames(Dtype::F64, &[7], 1));
    assert!(!stored.plan.description().attrs.contains_key("timestamp"));
}

#[test]
fn ticks_are_empty() {
    let tick: ArrayRef = Arc::new(NullArray::new(0));
    let none = MetadataParameters::default();
    let mut interpreter = Interpreter::new("data", auto());
    assert_eq!(interpreter.interpret(&tick, &none, SEND_NS).unwrap().frames(), 0);
}

#[test]
fn a_jacobian_has_the_shape_that_the_user_gives() {
    let parameters = parameters(&[("encoding", text("jacobian_result")), ("jacobian_shape", integers(&[6, 7]))]);
    check_plain(&floats(42), &parameters, shaped(&[6, 7]), &frames(Dtype::F32, &[6, 7], 1));
    check_plain(&floats(42), &parameters, auto(), &frames(Dtype::F32, &[42], 1));
}

#[test]
fn replay_client_sends_one_row_per_joint() {
    let joints: ArrayRef = Arc::new(arrow::array::StringArray::from(vec!["a", "b", "c"]));
    let array = record(&[("joints", joints), ("values", floats(3))]);
    let none = MetadataParameters::default();
    let settings = MessageSettings { frames: FrameRule::Message, ..fields(&["values"]) };
    let stored = check(&array, &none, settings, &frames(Dtype::F32, &[3], 1));
    assert_comes_back(&stored, &record(&[("values", floats(3))]), &none);
    check(&array, &none, fields(&["values"]), &frames(Dtype::F32, &[], 3));
}

#[test]
fn boxes_are_columns_of_any_length() {
    let image = picture(640, 480, "bgr8");
    let boxes =
        |n: usize| record(&[("bbox", list(floats(4 * n))), ("conf", list(floats(n))), ("labels", list(word("cat")))]);
    let mut interpreter = Interpreter::new("data", fields(&["conf"]));
    for n in [2, 5] {
        let stored = store(&mut interpreter, &boxes(n), &image).unwrap();
        assert_eq!((stored.plan.frame_shape(), stored.frames), (&[n as u64][..], 1));
    }
    // Without boxes, the labels are a list of Null, and there are no numbers.
    let nothing = list(Arc::new(NullArray::new(0)));
    let none = record(&[("bbox", list(floats(0))), ("conf", list(floats(0))), ("labels", nothing.clone())]);
    let chunk = interpreter.interpret(&none, &image, SEND_NS).unwrap();
    assert_eq!((chunk.frames(), chunk.plan().unwrap().frame_shape()), (0, &[5][..]));
    drop(chunk);
    let mut interpreter = Interpreter::new("data", fields(&["labels"]));
    assert_eq!(interpreter.interpret(&record(&[("labels", nothing)]), &image, SEND_NS).unwrap().frames(), 0);
}

#[test]
fn the_size_of_the_picture_on_a_detectors_boxes_is_ignored() {
    check_plain(&floats(18), &picture(640, 480, "bgr8"), auto(), &frames(Dtype::F32, &[18], 1));
    check_plain(&floats(18), &picture(640, 480, "bgr8"), shaped(&[3, 6]), &frames(Dtype::F32, &[3, 6], 1));
    // A compressed encoding on numbers other than bytes is ignored, too.
    check_plain(&floats(18), &picture(640, 480, "jpeg"), auto(), &frames(Dtype::F32, &[18], 1));
}

#[test]
fn mediapipe_sends_points() {
    let none = MetadataParameters::default();
    check_plain(&doubles(66), &none, shaped(&[33, 2]), &frames(Dtype::F64, &[33, 2], 1));
    check_plain(&doubles(99), &none, shaped(&[33, 3]), &frames(Dtype::F64, &[33, 3], 1));
}

#[test]
fn cotracker_sends_points_with_their_shape() {
    let parameters = parameters(&[
        ("shape", integers(&[5, 2])),
        ("dtype", text("float32")),
        ("num_points", integer(5)),
        ("width", integer(640)),
        ("height", integer(480)),
    ]);
    check_plain(&floats(10), &parameters, auto(), &frames(Dtype::F32, &[5, 2], 1));
}

#[test]
fn sam2_sends_masks_of_bits() {
    let parameters = parameters(&[("width", integer(6)), ("height", integer(4)), ("primitive", text("masks"))]);
    check_plain(&numbers(Dtype::Bool, 24), &parameters, auto(), &frames(Dtype::Bool, &[4, 6], 1));
    let masks: ArrayRef = Arc::new(BooleanArray::from(vec![true; 48]));
    check_plain(&masks, &parameters, auto(), &frames(Dtype::Bool, &[48], 1));

    let mut interpreter = Interpreter::new("data", auto());
    store(&mut interpreter, &numbers(Dtype::Bool, 24), &parameters).unwrap();
    let nothing: ArrayRef = Arc::new(NullArray::new(0));
    let chunk = interpreter.interpret(&nothing, &parameters, SEND_NS).unwrap();
    assert_eq!((chunk.frames(), chunk.plan().unwrap().frame_shape()), (0, &[4, 6][..]));
}

#[test]
fn pyarrow_sender_sends_literals() {
    let none = MetadataParameters::default();
    check_plain(&numbers(Dtype::I64, 3), &none, auto(), &frames(Dtype::I64, &[3], 1));
    check_plain(&numbers(Dtype::Bool, 3), &none, auto(), &frames(Dtype::Bool, &[3], 1));
    let lists = lists::<i32>(doubles(6), 2);
    let stored = check(&lists, &none, auto(), &frames(Dtype::F64, &[2], 3));
    assert_comes_back(&stored, &lists, &none);
}

fn vector(x: f64) -> ArrayRef {
    record(&[("x", real(x)), ("y", real(x + 1.0)), ("z", real(x + 2.0))])
}

fn quaternion(x: f64) -> ArrayRef {
    record(&[("x", real(x)), ("y", real(x)), ("z", real(x)), ("w", real(1.0))])
}

#[test]
fn vectors_poses_and_twists_are_their_leaves_depth_first() {
    let none = MetadataParameters::default();
    let stored = check(&vector(1.0), &none, auto(), &frames(Dtype::F64, &[3], 1));
    assert_eq!(stored.samples, bytes_of(&arrow::array::Float64Array::from(vec![1.0, 2.0, 3.0])));
    assert_comes_back(&stored, &vector(1.0), &none);

    let pose = record(&[("position", vector(1.0)), ("orientation", quaternion(0.5))]);
    let stored = check(&pose, &none, auto(), &frames(Dtype::F64, &[7], 1));
    assert_comes_back(&stored, &pose, &none);

    let twist = record(&[("linear", vector(1.0)), ("angular", vector(7.0))]);
    let stored = check(&twist, &none, auto(), &frames(Dtype::F64, &[6], 1));
    assert_comes_back(&stored, &twist, &none);

    let odometry = record(&[("pose", pose.clone()), ("twist", twist.clone()), ("frame_id", word("base"))]);
    let stored = check(&odometry, &none, fields(&["pose", "twist"]), &frames(Dtype::F64, &[13], 1));
    assert_comes_back(&stored, &record(&[("pose", pose.clone()), ("twist", twist)]), &none);
    let stored = check(&odometry, &none, fields(&["pose.position"]), &frames(Dtype::F64, &[3], 1));
    assert_comes_back(&stored, &record(&[("pose", record(&[("position", vector(1.0))]))]), &none);
    let refusal = interpret(&odometry, &none, auto()).unwrap_err().to_string();
    assert!(refusal.contains("frame_id") && refusal.contains("FIELD"), "{refusal}");
}

#[test]
fn a_joint_state_has_columns_of_lists() {
    let none = MetadataParameters::default();
    let names = list(Arc::new(arrow::array::StringArray::from(vec!["a", "b"])));
    let state = record(&[("names", names), ("positions", list(doubles(2))), ("velocities", list(doubles(2)))]);
    let stored = check(&state, &none, fields(&["positions"]), &frames(Dtype::F64, &[2], 1));
    assert_comes_back(&stored, &record(&[("positions", list(doubles(2)))]), &none);
    let stored = check(&state, &none, fields(&["velocities", "positions"]), &frames(Dtype::F64, &[2, 2], 1));
    assert_comes_back(&stored, &record(&[("velocities", list(doubles(2))), ("positions", list(doubles(2)))]), &none);
}

#[test]
fn an_image_is_read_by_the_columns_next_to_its_bytes() {
    let none = MetadataParameters::default();
    let image = |encoding, length| {
        let data: Vec<u8> = (0..length).collect();
        record(&[("width", count(6)), ("height", count(4)), ("encoding", word(encoding)), ("data", blob(&data))])
    };
    let stored = check(&image("bgr8", 72), &none, fields(&["data"]), &frames(Dtype::U8, &[4, 6, 3], 1));
    assert_eq!(stored.samples, (0..72).collect::<Vec<u8>>());
    // Bytes come back as numbers, with the parameters that describe them.
    let (array, sent) = stored.rebuild(None).unwrap();
    assert_eq!(*array, UInt8Array::from_iter_values(0..72));
    assert_eq!((&sent["width"], &sent["height"], &sent["encoding"]), (&integer(6), &integer(4), &text("bgr8")));
    check(&image("mono16", 48), &none, fields(&["data"]), &frames(Dtype::U16, &[4, 6], 1));
    let refusal = interpret(&image("jpeg", 48), &none, fields(&["data"])).unwrap_err().to_string();
    assert!(refusal.contains("jpeg"), "{refusal}");

    // A ROS image has a list of bytes instead.
    let data = lists::<i32>(bytes(72), 72);
    let ros = record(&[("height", count(4)), ("width", count(6)), ("encoding", word("rgb8")), ("data", data.clone())]);
    let stored = check(&ros, &none, fields(&["data"]), &frames(Dtype::U8, &[4, 6, 3], 1));
    assert_eq!(*stored.rebuild(None).unwrap().0, *record(&[("data", data)]));
}

#[test]
fn an_audio_frame_has_bytes_next_to_its_rate() {
    let none = MetadataParameters::default();
    let samples = bytes_of(&floats(8));
    let frame = record(&[("sample_rate", count(48000)), ("channels", count(2)), ("data", blob(&samples))]);
    let settings = MessageSettings { dtype: Some(Dtype::F32), ..fields(&["data"]) };
    let expected = Expected { dtype: Dtype::F32, frame: &[2], frames: 4, rate_hz: Some(48000.0) };
    let stored = check(&frame, &none, settings, &expected);
    assert_eq!(stored.samples, samples);
    let (array, sent) = stored.rebuild(None).unwrap();
    assert_eq!(&array, &floats(8));
    assert_eq!(sent["sample_rate"], Parameter::Float(48000.0));
    let refusal = interpret(&frame, &none, fields(&["data"])).unwrap_err().to_string();
    assert!(refusal.contains("DTYPE") && refusal.contains("`data`"), "{refusal}");
}

#[test]
fn a_point_cloud_has_bytes_of_a_shape_that_the_user_gives() {
    let none = MetadataParameters::default();
    let points = bytes_of(&floats(12));
    let cloud = record(&[("points", blob(&points)), ("width", count(4)), ("height", count(1))]);
    let settings = MessageSettings { dtype: Some(Dtype::F32), shape: Some(vec![4, 3]), ..fields(&["points"]) };
    check(&cloud, &none, settings, &frames(Dtype::F32, &[4, 3], 1));
    let rows = MessageSettings {
        dtype: Some(Dtype::F32),
        shape: Some(vec![3]),
        frames: FrameRule::Rows,
        ..fields(&["points"])
    };
    check(&cloud, &none, rows, &frames(Dtype::F32, &[3], 4));
}

#[test]
fn bounding_boxes_are_rows_of_numbers() {
    let labels: ArrayRef = Arc::new(arrow::array::StringArray::from(vec!["cat", "dog"]));
    let boxes = record(&[
        ("x", floats(2)),
        ("y", floats(2)),
        ("width", floats(2)),
        ("height", floats(2)),
        ("confidence", floats(2)),
        ("label", labels),
    ]);
    let none = MetadataParameters::default();
    let chosen = ["x", "y", "width", "height", "confidence"];
    let stored = check(&boxes, &none, fields(&chosen), &frames(Dtype::F32, &[5], 2));
    let expected: Vec<(&str, ArrayRef)> = chosen.iter().map(|name| (*name, floats(2))).collect();
    assert_comes_back(&stored, &record(&expected), &none);
}

#[test]
fn a_segmentation_is_a_mask_of_bytes() {
    let none = MetadataParameters::default();
    let mask = record(&[("width", count(3)), ("height", count(2)), ("num_classes", count(2)), ("mask", blob(&[1; 6]))]);
    let settings = MessageSettings { dtype: Some(Dtype::U8), ..fields(&["mask"]) };
    check(&mask, &none, settings, &frames(Dtype::U8, &[2, 3], 1));
}

#[test]
fn a_ros_topic_is_a_nested_struct() {
    let none = MetadataParameters::default();
    let stamp = record(&[("sec", Arc::new(Int32Array::from(vec![5])) as ArrayRef), ("nanosec", count(7))]);
    let header = record(&[("stamp", stamp), ("frame_id", word("imu"))]);
    let imu = record(&[
        ("header", header),
        ("orientation", quaternion(0.5)),
        ("orientation_covariance", list(doubles(9))),
        ("angular_velocity", vector(1.0)),
        ("linear_acceleration", vector(9.0)),
    ]);
    let stored = check(&imu, &none, fields(&["linear_acceleration"]), &frames(Dtype::F64, &[3], 1));
    assert_comes_back(&stored, &record(&[("linear_acceleration", vector(9.0))]), &none);
    let both = fields(&["linear_acceleration", "angular_velocity"]);
    let stored = check(&imu, &none, both, &frames(Dtype::F64, &[6], 1));
    assert_eq!(stored.samples[..8], 9.0_f64.to_ne_bytes());
    let all = fields(&["orientation", "orientation_covariance", "angular_velocity"]);
    let stored = check(&imu, &none, all, &frames(Dtype::F64, &[16], 1));
    let chosen = [
        ("orientation", quaternion(0.5)),
        ("orientation_covariance", list(doubles(9))),
        ("angular_velocity", vector(1.0)),
    ];
    assert_comes_back(&stored, &record(&chosen), &none);
}

#[test]
fn a_mavlink_message_has_columns_of_several_types() {
    let none = MetadataParameters::default();
    let gps = record(&[
        ("time_usec", Arc::new(UInt64Array::from(vec![1_700_000_000_000_000])) as ArrayRef),
        ("fix_type", Arc::new(UInt8Array::from(vec![3]))),
        ("lat", Arc::new(Int32Array::from(vec![-473_566_100]))),
        ("hdg", Arc::new(Float32Array::from(vec![1.25]))),
    ]);
    let stored = check(&gps, &none, auto(), &frames(Dtype::F64, &[4], 1));
    assert_comes_back(&stored, &gps, &none);
    let stored = check(&gps, &none, fields(&["lat", "fix_type"]), &frames(Dtype::I32, &[2], 1));
    assert_eq!(stored.samples, bytes_of(&Int32Array::from(vec![-473_566_100, 3])));

    // A column that DTYPE converted comes back in the type of DTYPE.
    let settings = MessageSettings { dtype: Some(Dtype::F32), ..fields(&["hdg", "fix_type"]) };
    let stored = check(&gps, &none, settings, &frames(Dtype::F32, &[2], 1));
    let one = |value| Arc::new(Float32Array::from(vec![value])) as ArrayRef;
    assert_comes_back(&stored, &record(&[("hdg", one(1.25)), ("fix_type", one(3.0))]), &none);
}

#[test]
fn a_message_of_this_projects_mirror_is_understood_by_its_sink() {
    let parameters = parameters(&[
        ("shape", integers(&[3, 4])),
        ("dims", names(&["ch", "time"])),
        ("sample_rate", Parameter::Float(100.0)),
        ("axis_offset", Parameter::Float(2.5)),
    ]);
    let stored = interpret(&floats(12), &parameters, auto()).unwrap();
    let (array, sent) = stored.rebuild(None).unwrap();
    let again = interpret(&array, &sent, auto()).unwrap();
    assert_eq!((again.samples, again.times), (stored.samples, stored.times));
    assert_eq!(again.plan, stored.plan);
}
