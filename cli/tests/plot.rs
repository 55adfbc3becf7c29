//! `dora-shm plot`: the files that it writes.

mod common;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use common::{Folder, Signal, dora_shm, name, pictures};
use resvg::tiny_skia::Pixmap;

fn plot(name: &str, file: &Path) -> Command {
    let mut command = dora_shm();
    command.args(["plot", name, "-o"]).arg(file);
    command
}

#[track_caller]
fn error_of(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[track_caller]
fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn an_svg_has_the_channels_with_names_units_and_a_time_axis() {
    let (name, folder) = (name("svg"), Folder::new());
    let mut signal = Signal::new(&name);
    signal.write(400);
    let file = folder.path("out.svg");
    run(&mut plot(&name, &file));
    let svg = std::fs::read_to_string(&file).unwrap();
    for text in [&*name, "left", "right", "mV", "float32 [2]", "100 Hz", "time / s", "-3"] {
        assert!(svg.contains(text), "{text} in {svg}");
    }
    assert!(svg.matches("<polyline").count() >= 2);
    run(plot(&name, &file).args(["--channels", "right", "--seconds", "2"]));
    let svg = std::fs::read_to_string(&file).unwrap();
    assert!(!svg.contains("left") && svg.contains("the newest 2 s"), "{svg}");
}

#[test]
fn a_png_has_the_size_asked_for_and_lines_on_white() {
    let (name, folder) = (name("png"), Folder::new());
    let mut signal = Signal::new(&name);
    signal.write(400);
    let file = folder.path("out.PNG");
    run(plot(&name, &file).args(["--size", "640x400"]));
    let png = Pixmap::load_png(&file).unwrap();
    assert_eq!((png.width(), png.height()), (640, 400));
    let colours: std::collections::HashSet<[u8; 4]> =
        png.data().chunks_exact(4).map(|pixel| pixel.try_into().unwrap()).collect();
    assert!(colours.contains(&[255; 4]) && colours.len() > 20, "{}", colours.len());
}

#[test]
fn names_are_shortened_to_the_room_for_them() {
    let (name, folder) = (name("names"), Folder::new());
    let mut signal = Signal::new(&name);
    signal.label(["left hand, third finger", "right hand, with all of its fingers"]);
    signal.write(400);
    let file = folder.path("out.svg");
    run(&mut plot(&name, &file));
    let svg = std::fs::read_to_string(&file).unwrap();
    assert!(svg.contains("left hand, third finger") && svg.contains("right hand, with all of its…"), "{svg}");
    run(plot(&name, &file).args(["--size", "200x150"]));
    let svg = std::fs::read_to_string(&file).unwrap();
    assert!(svg.contains("left hand, …"), "most of a small picture belongs to the lines: {svg}");
}

#[test]
fn a_single_frame_is_drawn_as_a_dot() {
    let (name, folder) = (name("alone"), Folder::new());
    let mut signal = Signal::new(&name);
    signal.write(1);
    let file = folder.path("out.svg");
    run(plot(&name, &file).args(["--wait", "0s"]));
    let svg = std::fs::read_to_string(&file).unwrap();
    assert_eq!(svg.matches("<circle").count(), 2, "one for each channel: {svg}");
}

#[test]
fn for_a_stream_of_pictures_the_file_is_the_newest_picture() {
    let (name, folder) = (name("picture"), Folder::new());
    let writer = pictures(&name);
    let file = folder.path("out.png");
    run(&mut plot(&name, &file));
    let png = Pixmap::load_png(&file).unwrap();
    assert_eq!((png.width(), png.height()), (4, 2));
    // The stream has blue before green and red.
    let expected: Vec<u8> =
        (0..8).flat_map(|i| [30 * i + 20, 30 * i + 10, 30 * i, 255]).map(|part: i32| part as u8).collect();
    assert_eq!(png.data(), expected);
    drop(writer);
}

#[test]
fn plot_waits_for_a_stream_that_comes_later_and_for_as_many_seconds_as_requested() {
    let (name, folder) = (name("later"), Folder::new());
    let file = folder.path("out.svg");
    let child = plot(&name, &file).args(["--seconds", "3", "--wait", "30s"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut signal = Signal::new(&name);
    signal.write(200);
    assert!(!file.exists());
    signal.write(200);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(std::fs::read_to_string(&file).unwrap().contains("the newest 3 s"));
}

#[test]
fn plot_draws_what_is_there_if_no_more_comes() {
    let (name, folder) = (name("less"), Folder::new());
    let mut signal = Signal::new(&name);
    signal.write(200);
    let file = folder.path("out.svg");
    run(plot(&name, &file).args(["--seconds", "8", "--wait", "50ms"]));
    assert!(std::fs::read_to_string(&file).unwrap().contains("the newest 1.99 s"));
}

#[test]
fn an_existing_file_is_replaced_and_nothing_else_is_left() {
    let (name, folder) = (name("replaced"), Folder::new());
    let mut signal = Signal::new(&name);
    signal.write(200);
    let file = folder.path("out.svg");
    std::fs::write(&file, "old").unwrap();
    run(&mut plot(&name, &file));
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("<svg"));
    assert_eq!(folder.files(), ["out.svg"]);
}

#[test]
fn each_error_names_what_to_do() {
    let (name, folder) = (name("errors"), Folder::new());
    let mut signal = Signal::new(&name);
    signal.write(200);
    let error =
        |file: &str, arguments: &[&str]| error_of(&plot(&name, &folder.path(file)).args(arguments).output().unwrap());
    assert!(error("out.jpg", &[]).contains("PNG or SVG"));
    assert!(error("out", &[]).contains(".png"));
    assert!(error("none/out.png", &[]).contains("cannot write"));
    assert!(error("out.png", &["--channels", "middle"]).contains("left, right"));
    let near = name.replace("errors", "error");
    let absent = error_of(&plot(&near, &folder.path("out.png")).args(["--wait", "10ms"]).output().unwrap());
    assert!(absent.contains(&*name) && absent.contains("--wait"), "{absent}");
    assert_eq!(folder.files(), [""; 0]);
}
