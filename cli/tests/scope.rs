//! `dora-shm scope` on a terminal.

mod common;
#[path = "../src/scope/terminal.rs"]
#[allow(dead_code, reason = "only a part of it is tested")]
mod terminal;

use std::process::Command;
use std::time::{Duration, Instant};

use common::pty::Terminal;
use common::{Signal, dora_shm, name, pictures};
use nix::sys::signal::Signal as Unix;

const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?1049l";
const SHOW_CURSOR: &str = "\x1b[?25h";

fn scope(name: &str) -> Terminal {
    Terminal::start(dora_shm().args(["scope", name]), 100, 24)
}

#[track_caller]
fn expect_restored(terminal: &Terminal) {
    terminal.expect_sent(LEAVE);
    terminal.expect_sent(SHOW_CURSOR);
    assert!(terminal.echoes(), "the terminal is set as before");
}

fn quit(terminal: &mut Terminal) {
    terminal.press("q");
    assert!(terminal.exit().success());
}

/// A paused picture of a stream of two channels, `left` and `right`.
fn paused(name: &str) -> (Signal, Terminal) {
    let mut signal = Signal::new(name);
    signal.write(100);
    let mut terminal = scope(name);
    terminal.expect("left");
    terminal.press(" ");
    terminal.expect("PAUSED");
    (signal, terminal)
}

#[test]
fn channels_are_drawn_with_their_names_as_they_come() {
    let name = name("live");
    let mut signal = Signal::new(&name);
    signal.write(300);
    let mut terminal = scope(&name);
    for text in ["left", "right", "mV", "float32 [2]", "100 Hz", "live", "quit"] {
        terminal.expect(text);
    }
    terminal.expect_sent(ENTER);
    assert!(!terminal.echoes(), "the command reads the keys");
    quit(&mut terminal);
    expect_restored(&terminal);
}

#[test]
fn the_terminal_is_restored_however_the_command_ends() {
    let name = name("ended");
    let mut signal = Signal::new(&name);
    signal.write(100);
    for end in ["q", "\x03", "\x1b", "SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"] {
        let mut terminal = scope(&name);
        terminal.expect("left");
        match end {
            "SIGTERM" => terminal.signal(Unix::SIGTERM),
            "SIGINT" => terminal.signal(Unix::SIGINT),
            "SIGHUP" => terminal.signal(Unix::SIGHUP),
            "SIGQUIT" => terminal.signal(Unix::SIGQUIT),
            keys => terminal.press(keys),
        }
        assert!(terminal.exit().success(), "{end:?}");
        expect_restored(&terminal);
    }
}

#[test]
fn a_panic_restores_the_terminal_once_and_its_message_is_readable() {
    const PART: &str = "DORA_SHM_TEST_PART";
    // The command cannot be made to panic. So this test runs itself on a terminal, takes it over and panics there.
    if std::env::var_os(PART).is_some() {
        let _screen = terminal::Screen::enter().unwrap();
        panic!("something is very wrong");
    }
    let test = "a_panic_restores_the_terminal_once_and_its_message_is_readable";
    let mut command = Command::new(std::env::current_exe().unwrap());
    let mut terminal = Terminal::start(command.args(["--exact", test, "--nocapture"]).env(PART, "panics"), 100, 24);
    assert!(!terminal.exit().success());
    terminal.expect_sent("something is very wrong");
    expect_restored(&terminal);
    let sent = terminal.sent();
    let (_, shown) = sent.split_once(LEAVE).unwrap();
    assert!(shown.contains("something is very wrong"), "{sent}");
    assert_eq!((terminal.times_sent(ENTER), terminal.times_sent(LEAVE)), (1, 1), "{sent}");
}

#[test]
fn scope_waits_for_a_stream_that_does_not_exist_yet() {
    let name = name("later");
    let mut terminal = scope(&name);
    terminal.expect("waiting for stream");
    let mut signal = Signal::new(&name);
    signal.write(100);
    terminal.expect("right");
    quit(&mut terminal);
}

#[test]
fn the_end_of_a_stream_is_reported_and_the_next_one_followed() {
    let name = name("closed");
    let mut signal = Signal::new(&name);
    signal.write(100);
    let mut terminal = scope(&name);
    terminal.expect("left");
    drop(signal);
    terminal.expect("closed by its writer");
    let pictures = pictures(&name);
    terminal.expect("uint8 [2, 4, 3]");
    quit(&mut terminal);
    drop(pictures);
}

#[test]
fn keys_change_what_is_shown() {
    let name = name("keys");
    let mut signal = Signal::new(&name);
    signal.write(900);
    let mut terminal = scope(&name);
    terminal.expect("left");
    terminal.press(" ");
    terminal.expect("PAUSED");
    terminal.press("+");
    terminal.expect("gain 1.5");
    terminal.press("?");
    terminal.expect("any key closes");
    terminal.press("xcnobody\r");
    terminal.expect("no channel is called");
    terminal.press("\x7f\x7f\x7f\x7f\x7f\x7fright\r");
    common::wait_until("the other channel is gone", || !terminal.screen().contains("left"));
    terminal.expect("right");
    quit(&mut terminal);
}

#[test]
fn keys_that_come_at_once_all_count() {
    let name = name("at-once");
    let mut signal = Signal::new(&name);
    // A window of ten seconds, as long as the ring.
    signal.write(1000);
    let mut terminal = scope(&name);
    terminal.expect("0 s");
    terminal.press("[[[");
    let first_line = |terminal: &Terminal| terminal.screen().lines().next().unwrap_or_default().trim_end().to_owned();
    common::wait_until("the window is 1 s", || first_line(&terminal).ends_with(" 1 s"));
    // By a quarter of the window each.
    terminal.press(&"\x1b[D".repeat(8));
    common::wait_until("it is 2 s back, to a column", || {
        let line = first_line(&terminal);
        let back = line.rsplit_once("PAUSED ").and_then(|(_, back)| back.trim_end_matches(" s").parse::<f64>().ok());
        back.is_some_and(|back| (back + 2.0).abs() < 0.05)
    });
    quit(&mut terminal);
}

#[test]
fn a_resized_terminal_is_filled_and_a_tiny_one_does_no_harm() {
    let name = name("size");
    let mut signal = Signal::new(&name);
    signal.write(900);
    let mut terminal = scope(&name);
    terminal.expect("0 s");
    for (columns, rows) in [(1, 1), (9, 2), (20, 3), (3, 40)] {
        terminal.resize(columns, rows);
        signal.write(10);
    }
    terminal.resize(140, 30);
    common::wait_until("the last line of the new size has the keys", || {
        terminal.screen().lines().nth(29).is_some_and(|line| line.contains("q quit"))
    });
    quit(&mut terminal);
}

/// Five channels of int16, whose times begin again.
fn change_format(signal: &mut Signal) {
    let format = dora_shm_ring::Format::new(dora_shm_ring::Dtype::I16, &[5], 50.0, 500).unwrap();
    signal.writer.begin(&format, &dora_shm_ring::Description::default(), 1).unwrap();
    let times = dora_shm_ring::Times::Linear { start: 9.0, step: 0.02 };
    signal.writer.write(&dora_shm_ring::Chunk { samples: &[0; 100], times, send_ns: 0 }).unwrap();
}

#[test]
fn a_new_format_continues_in_the_same_picture() {
    let name = name("changes");
    let mut signal = Signal::new(&name);
    signal.write(100);
    let mut terminal = scope(&name);
    terminal.expect("float32 [2]");
    change_format(&mut signal);
    for text in ["generation 1: int16 [5]", "50 Hz", "gen 1", "ch 4"] {
        terminal.expect(text);
    }
    quit(&mut terminal);
}

#[test]
fn a_held_picture_stays_when_the_stream_changes_or_ends() {
    let name = name("held");
    let (mut signal, mut terminal) = paused(&name);
    change_format(&mut signal);
    terminal.expect("the stream has changed meanwhile; press space to see how");
    let screen = terminal.screen();
    assert!(screen.contains("left") && screen.contains("float32 [2]"), "{screen}");
    assert!(!screen.contains("PAUSED -"), "it ends with the newest frame of its own generation:\n{screen}");
    terminal.press(" ");
    terminal.expect("int16 [5]");
    terminal.expect("ch 4");
    terminal.press(" ");
    terminal.expect("PAUSED");
    drop(signal);
    terminal.expect("closed");
    assert!(terminal.screen().contains("ch 4"), "{}", terminal.screen());
    terminal.press(" ");
    terminal.expect("closed by its writer");
    quit(&mut terminal);
}

#[test]
fn a_held_picture_is_drawn_at_most_twice_a_second() {
    let name = name("still");
    let (mut signal, mut terminal) = paused(&name);
    let pictures = |terminal: &Terminal| terminal.times_sent("\x1b[?2026h");
    let before = pictures(&terminal);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(1) {
        signal.write(1);
        std::thread::sleep(Duration::from_millis(10));
    }
    let drawn = pictures(&terminal) - before;
    let most = 2 + began.elapsed().as_millis() / 500;
    assert!(drawn as u128 <= most, "{drawn} pictures in {:?}", began.elapsed());
    quit(&mut terminal);
}

#[test]
fn a_stop_restores_the_terminal_and_the_picture_returns_after_it() {
    let name = name("stopped");
    let mut signal = Signal::new(&name);
    signal.write(100);
    for stop in ["\x1a", "SIGTSTP"] {
        let mut terminal = scope(&name);
        terminal.expect("left");
        match stop {
            "SIGTSTP" => terminal.signal(Unix::SIGTSTP),
            key => terminal.press(key),
        }
        common::wait_until("it is stopped", || terminal.is_stopped());
        expect_restored(&terminal);
        assert!(!terminal.screen().contains("left"), "{stop:?}: {}", terminal.screen());
        // As `fg` does.
        terminal.signal(Unix::SIGCONT);
        terminal.expect("left");
        assert!(!terminal.echoes(), "{stop:?}: the command reads the keys again");
        terminal.press("q");
        assert!(terminal.exit().success(), "{stop:?}");
        expect_restored(&terminal);
    }
}

#[test]
fn after_a_stop_by_sigstop_everything_is_drawn_again() {
    let name = name("halted");
    let mut signal = Signal::new(&name);
    signal.write(100);
    let mut terminal = scope(&name);
    terminal.expect("left");
    terminal.signal(Unix::SIGSTOP);
    common::wait_until("it is stopped", || terminal.is_stopped());
    // As a shell does then.
    terminal.make_usual();
    terminal.signal(Unix::SIGCONT);
    common::wait_until("it is on a screen of its own again", || terminal.times_sent(ENTER) == 2);
    terminal.expect("left");
    assert!(!terminal.echoes(), "the command reads the keys again");
    quit(&mut terminal);
    expect_restored(&terminal);
}

#[test]
fn scope_ends_when_its_terminal_goes_away() {
    let name = name("gone");
    let mut signal = Signal::new(&name);
    signal.write(100);
    let mut terminal = scope(&name);
    terminal.expect("left");
    terminal.hang_up();
    terminal.exit();
}

#[test]
fn pictures_are_half_blocks() {
    let name = name("picture");
    let writer = pictures(&name);
    let mut terminal = scope(&name);
    terminal.expect("▀");
    quit(&mut terminal);
    drop(writer);
}

#[test]
fn if_stdout_is_not_a_terminal_the_error_names_other_commands() {
    let output = dora_shm().args(["scope", "anything"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("dora-shm plot anything -o out.png") && error.contains("dora-shm watch"), "{error}");
}
