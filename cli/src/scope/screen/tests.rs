//! Screens as text.

use std::time::Duration;

use dora_shm_ring::{Chunk, Description, Dtype, Format, Liveness, Reader, ReaderOptions, Times, Writer, WriterOptions};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

use super::super::scene::{AxisLine, Lane, Scene};
use super::*;
use crate::drawing::columns::Chosen;
use crate::drawing::picture::Pixels;
use crate::drawing::plot_data::{End, History, Window};
use crate::drawing::range::ValueRange;

fn screen(heading: &Heading, body: &Body<'_>, footing: &Footing, columns: u16, rows: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal.draw(|frame| render(heading, body, footing, Depth::Indexed, frame.buffer_mut())).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |y| (0..columns).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned() + "\n";
    (0..rows).map(line).collect()
}

fn heading() -> Heading {
    Heading {
        name: "demo".to_owned(),
        state: Liveness::Live,
        format: Some("float32 [2]".to_owned()),
        stated_hz: Some(100.0),
        measured_hz: Some(99.2),
        lost: 0,
        generation: None,
        channels: None,
        window: Some("2 s".to_owned()),
        gain: 1.0,
        auto: true,
        held_back: None,
    }
}

fn footing(view: View) -> Footing {
    Footing { view: Some(view), ..Footing::default() }
}

/// Two seconds at 100 Hz: a sine, and a ramp that is NaN for a fifth of the time and infinite once.
fn history(columns: usize) -> History {
    static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let name = format!("cli-test/{}/screen-{number}", std::process::id());
    let format = Format::new(Dtype::F32, &[2], 100.0, 400).unwrap();
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    writer.begin(&format, &Description::default(), 1).unwrap();
    let samples: Vec<u8> = (0..200)
        .flat_map(|i| {
            let sine = (i as f32 / 100.0 * std::f32::consts::TAU).sin();
            let ramp = match i {
                80..120 => f32::NAN,
                150 => f32::INFINITY,
                i => i as f32,
            };
            [sine, ramp]
        })
        .flat_map(f32::to_le_bytes)
        .collect();
    let times = Times::Linear { start: 0.005, step: 0.01 };
    writer.write(&Chunk { samples: &samples, times, send_ns: 0 }).unwrap();
    let mut reader = Reader::open(&name, ReaderOptions::default()).unwrap();
    let _ = reader.advance().unwrap();
    let window = Window { end: End::Newest, length: 2.0, columns };
    let mut history = History::new(&format, Chosen::new(&[0, 1], 2), window);
    while history.read(&mut reader, Duration::ZERO).unwrap() {}
    history
}

fn lanes() -> Vec<Lane> {
    let lane = |label: &str, unit: &str, place, low, high, value| Lane {
        label: label.to_owned(),
        unit: unit.to_owned(),
        place,
        range: ValueRange { low, high },
        value: Some(value),
        colour: Color::Cyan,
    };
    vec![lane("left", "mV", 0, -1.2, 1.2, -0.063), lane("a label that is long", "rad/s", 1, 0.0, 200.0, 199.0)]
}

fn axis() -> AxisLine {
    AxisLine { from: -2.0, to: 0.0, unit: "s".to_owned() }
}

/// The plot's columns on a screen of this width.
fn dots(columns: u16, rows: u16) -> usize {
    usize::from(Layout::of(ratatui::layout::Rect::new(0, 0, columns, rows)).plot.width) * 2
}

#[track_caller]
fn check(found: &str, expected: &str) {
    assert!(found == expected.trim_start_matches('\n'), "found:\n{found}");
}

#[test]
fn traces_have_names_ranges_values_and_a_time_axis_and_nan_is_a_gap() {
    let history = history(dots(80, 14));
    let scene = Scene { history: &history, lanes: lanes(), overlay: false, gone_columns: 0 };
    let body = Body::Plot(View::Traces, scene, axis());
    check(
        &screen(&heading(), &body, &footing(View::Traces), 80, 14),
        "
 demo  ● live │ float32 [2] │ 100 Hz                                        2 s
            1.2    ⢀⣠⠤⠤⠤⠤⣀                    ⢀⣠⠤⠤⠤⠤⣀
                 ⣀⠔⠉      ⠙⠦⡀               ⣀⠔⠉      ⠙⠦⡀
left mV         ⠞⠁          ⠈⠢⣄           ⡠⠚⠁          ⠈⠢⣄           ⡠ -0.06
                              ⠈⠑⢄⡀     ⢀⡴⠊               ⠈⠑⢄⡀     ⢀⡴⠊
           -1.2                  ⠉⠓⠒⠒⠒⠊⠁                    ⠉⠓⠒⠒⠒⠊⠁
            200                                               ⣀⣀⡤⠤⠔⠒⠒⠉
                                                    ⢀⣀⣀⠤⠤⠖⠒⠊⠉⠉
a label that i…                                 ⠐⠒⠋⠉⠁                  199
                                 ⢀⣀⣀⠤⠄
                        ⢀⣀⣠⠤⠤⠒⠒⠊⠉⠉
              0 ⣀⡤⠤⠴⠒⠒⠉⠉⠁
                ╵-2.0 s      ╵-1.5 s       ╵-1.0 s      ╵-0.5 s      ╵0.0 s
 space pause  ← → scroll  [ ] time  - + gain  ↑ ↓ channels  ? help  q quit
",
    );
}

#[test]
fn an_overlay_has_one_scale_and_a_legend() {
    let history = history(dots(80, 12));
    let range = ValueRange { low: -50.0, high: 200.0 };
    let lanes = lanes().into_iter().map(|lane| Lane { range, ..lane }).collect();
    let scene = Scene { history: &history, lanes, overlay: true, gone_columns: 0 };
    let body = Body::Plot(View::Overlay, scene, axis());
    check(
        &screen(&heading(), &body, &footing(View::Overlay), 80, 12),
        "
 demo  ● live │ float32 [2] │ 100 Hz                                        2 s
            200                                                ⢀⣀⡠⠤⠖⠒⠋ left
                                                       ⢀⣀⡠⠤⠔⠒⠋⠉⠁       a label …
                                                ⢀⣀⠤⠤⠒⠚⠉⠉
            100
                                ⢀⣀⡤⠤⠔⠂
                         ⣀⣠⠤⠴⠒⠊⠉⠁
                 ⣀⣀⠤⠴⠒⠒⠉⠉
              0 ⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉

                ╵-2.0 s      ╵-1.5 s       ╵-1.0 s      ╵-0.5 s      ╵0.0 s
 space pause  ← → scroll  [ ] time  - + gain  c choose  v view  ? help  q quit
",
    );
}

#[test]
fn what_was_overwritten_is_hatched_and_a_pause_is_shown() {
    let history = history(dots(60, 8));
    let scene = Scene { history: &history, lanes: lanes(), overlay: false, gone_columns: 30 };
    let body = Body::Plot(View::Traces, scene, AxisLine { from: -7.0, to: -5.0, unit: "s".to_owned() });
    let heading = Heading { held_back: Some("-5 s".to_owned()), lost: 1234, gain: 1.5, ..heading() };
    check(
        &screen(&heading, &body, &footing(View::Traces), 60, 8),
        "
 demo  ● live │ 1 234 lost │ gain 1.5 │ 2 s │  PAUSED -5 s
left mV    1.2 ⣀⡤⠤⠒⠒⠒⠒⠒⠢⠤⣄⡀░░░       ⢀⣠⠤⠔⠒⠒⠒⠒⠒⠤⢤⣀
          -1.2 ⠁░░░░░░░░░░⠉⠑⠒⠦⠤⠤⠤⠤⠴⠒⠋⠁          ⠈⠉⠒⠲⠤⠤⠤⠤⠤⠖⠚⠉
           200 ░ overwritten ░               ⢀⣀⣀⣀⣠⠤⠤⠤⠤⠒⠒⠒⠒⠉⠉
a label that … ░░░░░░░░░░░░░░⢀⣀⣀⣀         ⠉⠉⠉⠉
             0 ⣀⣀⡤⠤⠤⠤⠖⠒⠒⠒⠋⠉⠉⠉⠁
               ╵-7 s                 ╵-6 s             -5 s╵
 space pause  ← → scroll  [ ] time  ? help  q quit
",
    );
}

#[test]
fn a_narrow_screen_keeps_what_matters() {
    let history = history(dots(30, 6));
    let scene = Scene { history: &history, lanes: lanes(), overlay: false, gone_columns: 0 };
    let body = Body::Plot(View::Traces, scene, axis());
    check(
        &screen(&heading(), &body, &footing(View::Traces), 30, 6),
        "
 demo  ● live │ float32 [ 2 s
left   ⠖⠚⠉⠉⠓⠲⠤⢄⣀⣠⠤⠔⠒⠋⠉⠙⠒⠦⠤⣀⣀⡤⠤
a… 200              ⢀⣠⠤⠤⠤⠖⠒⠒⠋⠉
     0 ⣀⣠⠤⠤⠤⠒⠒⠒⠋⠁
       ╵-2 s              0 s╵
 space pause  ? help  q quit
",
    );
}

#[test]
fn a_message_is_shown_while_there_is_no_stream() {
    let heading = Heading {
        state: Liveness::Absent,
        format: None,
        stated_hz: None,
        measured_hz: None,
        window: None,
        ..heading()
    };
    let body =
        Body::Placeholder(vec!["waiting for stream \"demo\"".to_owned(), "there is no stream \"demo\"".to_owned()]);
    check(
        &screen(&heading, &body, &Footing::default(), 60, 8),
        "
 demo  ● absent
                  waiting for stream \"demo\"
                  there is no stream \"demo\"




 ? help  q quit
",
    );
}

#[test]
fn what_is_typed_is_shown_with_its_error() {
    let body = Body::Placeholder(Vec::new());
    let prompt = Some(("0-7,Oz".to_owned(), Some("no channel is called \"Oz\"".to_owned())));
    let footing = Footing { prompt, ..footing(View::Traces) };
    check(
        &screen(&heading(), &body, &footing, 60, 3),
        "
 demo  ● live │ float32 [2] │ 100 Hz                    2 s

 channels: 0-7,Oz▏  no channel is called \"Oz\"
",
    );
}

#[test]
fn the_help_has_all_keys() {
    let footing = Footing { help: true, ..footing(View::Traces) };
    check(
        &screen(&heading(), &Body::Placeholder(Vec::new()), &footing, 90, 20),
        "
 demo  ● live │ float32 [2] │ 100 Hz                                                  2 s
 ┌ keys ────────────────────────────────────────────────────────────────────────────────┐
 │                                                                                      │
 │      space  stand still, or go on with the newest frames                             │
 │        ← →  back through the ring and forward again; pictures: frame by frame        │
 │        [ ]  a shorter or longer window                                               │
 │        - +  smaller or larger; 0: as it was                                          │
 │        ↑ ↓  one channel up or down; page up and page down: a screen                  │
 │          c  type which channels: numbers, ranges, labels (0-7,Cz); nothing: all      │
 │          v  lines, all in one, colours, picture                                      │
 │        < >  fewer or more channels on the screen                                     │
 │          a  follow the signal's range, or keep the scale as it is                    │
 │          s  a scale for each channel, or the same for all                            │
 │       home  the oldest frames that are still there; end: the newest                  │
 │          ?  this page                                                                │
 │          q  so do Esc and Ctrl-C; Ctrl-Z suspends                                    │
 │                                                                                      │
 └ any key closes ──────────────────────────────────────────────────────────────────────┘

 space pause  ← → scroll  [ ] time  - + gain  ↑ ↓ channels  c choose  ? help  q quit
",
    );
}

#[test]
fn the_help_has_all_keys_on_a_narrower_screen_too() {
    let footing = Footing { help: true, ..footing(View::Traces) };
    for rows in [24, 19] {
        let screen = screen(&heading(), &Body::Placeholder(Vec::new()), &footing, 80, rows);
        for lines in [
            "
│        ← →  back through the ring and forward again; pictures: frame by      │
│             frame                                                            │
",
            "
│          ?  this page                                                        │
│          q  so do Esc and Ctrl-C; Ctrl-Z suspends                            │
",
        ] {
            assert!(screen.contains(lines), "{lines}is not in\n{screen}");
        }
    }
}

#[test]
fn a_cell_shows_two_pixels_of_a_picture_in_their_colours() {
    let pixels =
        Pixels { width: 2, height: 3, rgb: vec![[255, 0, 0], [0, 0, 0], [0, 0, 255], [0, 255, 0], [255; 3], [0; 3]] };
    let mut terminal = Terminal::new(TestBackend::new(6, 4)).unwrap();
    let draw = |frame: &mut ratatui::Frame<'_>| {
        render(&heading(), &Body::Picture(&pixels), &footing(View::Picture), Depth::Full, frame.buffer_mut());
    };
    terminal.draw(draw).unwrap();
    let buffer = terminal.backend().buffer();
    assert_eq!(
        (buffer[(2, 1)].symbol(), buffer[(2, 1)].fg, buffer[(2, 1)].bg),
        ("▀", Color::Rgb(255, 0, 0), Color::Rgb(0, 0, 255))
    );
    assert_eq!((buffer[(3, 1)].fg, buffer[(3, 1)].bg), (Color::Rgb(0, 0, 0), Color::Rgb(0, 255, 0)));
    assert_eq!((buffer[(2, 2)].fg, buffer[(2, 2)].bg), (Color::Rgb(255, 255, 255), Color::Reset), "no row below");
    assert_eq!(buffer[(1, 1)].symbol(), " ");
}

#[test]
fn a_colour_map_has_a_cell_for_each_moment_and_channel() {
    let history = history(dots(40, 6));
    let scene = Scene { history: &history, lanes: lanes(), overlay: false, gone_columns: 0 };
    let body = Body::Plot(View::Heat, scene, axis());
    check(
        &screen(&heading(), &body, &footing(View::Heat), 40, 6),
        "
 demo  ● live │ float32 [2] │ 100 H 2 s
left      ▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀
          ▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀
a label … ▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀
          ╵-2 s          ╵-1 s      0 s╵
 space pause  ? help  q quit
",
    );
}

#[test]
fn no_screen_is_too_small() {
    let history = history(2);
    for columns in 1..20 {
        for rows in 1..6 {
            for view in [View::Traces, View::Overlay, View::Heat] {
                let scene =
                    Scene { history: &history, lanes: lanes(), overlay: view == View::Overlay, gone_columns: 9 };
                let footing = Footing { help: rows % 2 == 0, ..footing(view) };
                let text = screen(&heading(), &Body::Plot(view, scene, axis()), &footing, columns, rows);
                assert_eq!(text.lines().count(), usize::from(rows));
            }
        }
    }
}
