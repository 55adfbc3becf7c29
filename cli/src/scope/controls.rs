//! The settings that keys change: how the stream is shown.

use std::ops::Range;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::drawing::channels::Channels;
use crate::drawing::range;

/// How frames are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum View {
    /// Channels one above the other
    Traces,
    /// All channels in one plot
    Overlay,
    /// Channels from top to bottom, values as colours
    Heat,
    /// Each frame as a picture
    Picture,
}

/// The moment that is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Hold {
    /// The newest frames, as they come.
    #[default]
    Live,
    /// The window that ends at this value of the axis.
    At(f64),
    /// This frame, of a stream of pictures.
    Frame(u64),
}

/// A list of channels that is being typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prompt {
    pub text: String,
    pub error: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Controls {
    pub view: Option<View>,
    /// Length of the window on the axis; `None`: what suits the stream.
    pub length: Option<f64>,
    pub hold: Hold,
    pub gain: f64,
    pub auto: bool,
    /// One scale for all channels.
    pub shared: bool,
    pub per_page: Option<usize>,
    /// The first channel on the screen, counted among the chosen ones.
    pub top: usize,
    /// The channels wanted, as typed.
    pub wanted: String,
    pub prompt: Option<Prompt>,
    pub help: bool,
}

impl Default for Controls {
    fn default() -> Self {
        Self {
            view: None,
            length: None,
            hold: Hold::Live,
            gain: 1.0,
            auto: true,
            shared: false,
            per_page: None,
            top: 0,
            wanted: String::new(),
            prompt: None,
            help: false,
        }
    }
}

/// The content of the screen, on which keys act.
#[derive(Clone, Debug)]
pub struct Shown {
    pub view: View,
    pub can_be_picture: bool,
    /// The window's end and length, and what the ring has, on the axis.
    pub end: f64,
    pub length: f64,
    pub oldest: f64,
    pub newest: f64,
    /// Shortest and longest window that shows anything.
    pub lengths: (f64, f64),
    /// The frame of a picture, and those that the ring has.
    pub frame: u64,
    pub held: Range<u64>,
    /// Chosen channels, how many are on the screen, and how many could be.
    pub channels: usize,
    pub per_page: usize,
    pub most_per_page: usize,
}

/// The effect of a key on the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Press {
    Go,
    Quit,
    Suspend,
}

/// Keys and what they do: for the footer, the help, and the documentation.
pub const KEYS: [(&str, &str, &str); 13] = [
    ("space", "pause", "stand still, or go on with the newest frames"),
    ("← →", "scroll", "back through the ring and forward again; pictures: frame by frame"),
    ("[ ]", "time", "a shorter or longer window"),
    ("- +", "gain", "smaller or larger; 0: as it was"),
    ("↑ ↓", "channels", "one channel up or down; page up and page down: a screen"),
    ("c", "choose", "type which channels: numbers, ranges, labels (0-7,Cz); nothing: all"),
    ("v", "view", "lines, all in one, colours, picture"),
    ("< >", "lanes", "fewer or more channels on the screen"),
    ("a", "auto", "follow the signal's range, or keep the scale as it is"),
    ("s", "scale", "a scale for each channel, or the same for all"),
    ("home", "oldest", "the oldest frames that are still there; end: the newest"),
    ("?", "help", "this page"),
    ("q", "quit", "so do Esc and Ctrl-C; Ctrl-Z suspends"),
];

impl Controls {
    /// Does what `key` means. `shown` is `None` while nothing is shown.
    pub fn press(&mut self, key: KeyEvent, shown: Option<&Shown>, channels: Option<&Channels>) -> Press {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c' | 'd' | '\\') if control => return Press::Quit,
            KeyCode::Char('z') if control => return Press::Suspend,
            _ if control => return Press::Go,
            _ => {}
        }
        if self.prompt.is_some() {
            self.type_key(key.code, channels);
            return Press::Go;
        }
        if self.help {
            self.help = false;
            return if key.code == KeyCode::Char('q') { Press::Quit } else { Press::Go };
        }
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return Press::Quit,
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => self.help = true,
            code => {
                if let Some(shown) = shown {
                    self.change(code, shown);
                }
            }
        }
        Press::Go
    }

    fn type_key(&mut self, code: KeyCode, channels: Option<&Channels>) {
        let Some(prompt) = &mut self.prompt else { return };
        prompt.error = None;
        match code {
            KeyCode::Esc => self.prompt = None,
            KeyCode::Backspace => _ = prompt.text.pop(),
            KeyCode::Char(char) => prompt.text.push(char),
            KeyCode::Enter => match channels.map(|channels| channels.choose(&prompt.text)) {
                Some(Err(error)) => prompt.error = Some(error.to_string()),
                Some(Ok(_)) | None => {
                    self.wanted = std::mem::take(&mut prompt.text);
                    (self.prompt, self.top) = (None, 0);
                }
            },
            _ => {}
        }
    }

    fn change(&mut self, code: KeyCode, shown: &Shown) {
        let is_picture = shown.view == View::Picture;
        let last_top = shown.channels.saturating_sub(shown.per_page);
        match code {
            KeyCode::Char(' ') if self.hold != Hold::Live => self.hold = Hold::Live,
            KeyCode::Char(' ') if is_picture => self.hold = Hold::Frame(shown.frame),
            KeyCode::Char(' ') => self.hold = Hold::At(shown.end),
            KeyCode::Left if is_picture => {
                self.hold = Hold::Frame(shown.frame.saturating_sub(1).max(shown.held.start));
            }
            KeyCode::Left => self.scroll_to(shown.end - shown.length / 4.0, shown),
            KeyCode::Right if is_picture => {
                let next = shown.frame + 1;
                self.hold = if next < shown.held.end { Hold::Frame(next) } else { Hold::Live };
            }
            KeyCode::Right if self.hold == Hold::Live => {}
            KeyCode::Right if shown.end + shown.length / 4.0 >= shown.newest => self.hold = Hold::Live,
            KeyCode::Right => self.scroll_to(shown.end + shown.length / 4.0, shown),
            // A little newer than the very oldest, which are overwritten while they are shown.
            KeyCode::Home if is_picture => {
                self.hold = Hold::Frame(shown.held.start + (shown.held.end - shown.held.start) / 50);
            }
            KeyCode::Home => self.scroll_to(f64::NEG_INFINITY, shown),
            KeyCode::End => self.hold = Hold::Live,
            KeyCode::Char('[') => self.zoom(shown, -1),
            KeyCode::Char(']') => self.zoom(shown, 1),
            KeyCode::Char('+' | '=') => self.gain = (self.gain * 1.5).min(1e6),
            KeyCode::Char('-' | '_') => self.gain = (self.gain / 1.5).max(1e-6),
            KeyCode::Char('0') => self.gain = 1.0,
            KeyCode::Char('a') => self.auto = !self.auto,
            KeyCode::Char('s') => self.shared = !self.shared,
            KeyCode::Up => self.top = self.top.min(last_top).saturating_sub(1),
            KeyCode::Down => self.top = (self.top + 1).min(last_top),
            KeyCode::PageUp => self.top = self.top.min(last_top).saturating_sub(shown.per_page),
            KeyCode::PageDown => self.top = (self.top + shown.per_page).min(last_top),
            KeyCode::Char('<' | ',') => self.per_page = Some((shown.per_page / 2).max(1)),
            KeyCode::Char('>' | '.') => {
                self.per_page = Some((shown.per_page * 2).min(shown.most_per_page.min(shown.channels)).max(1));
            }
            KeyCode::Char('c') if !is_picture => {
                self.prompt = Some(Prompt { text: self.wanted.clone(), error: None });
            }
            KeyCode::Char('v') => self.next_view(shown),
            _ => {}
        }
    }

    /// Makes the window end at `end`, as far as the ring reaches.
    fn scroll_to(&mut self, end: f64, shown: &Shown) {
        // At the oldest frames the window is as full as it can be.
        let first = (shown.oldest + shown.length).min(shown.newest);
        self.hold = Hold::At(end.clamp(first, shown.newest.max(first)));
    }

    /// To the next shorter or longer of 1, 2, 5, 10, 20, ...
    fn zoom(&mut self, shown: &Shown, direction: i32) {
        // `step` rounds up; from 5 to 2 it is further than half.
        let length = range::step(shown.length * if direction < 0 { 0.4 } else { 1.01 }, 1);
        let (least, most) = shown.lengths;
        self.length = Some(length.clamp(least, most.max(least)));
    }

    fn next_view(&mut self, shown: &Shown) {
        self.view = Some(match shown.view {
            View::Traces => View::Overlay,
            View::Overlay => View::Heat,
            View::Heat if shown.can_be_picture => View::Picture,
            View::Heat | View::Picture => View::Traces,
        });
        let is_picture = self.view == Some(View::Picture);
        // Pictures and plots identify moments differently.
        if is_picture || shown.view == View::Picture {
            self.hold = Hold::Live;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown() -> Shown {
        Shown {
            view: View::Traces,
            can_be_picture: false,
            end: 100.0,
            length: 10.0,
            oldest: 40.0,
            newest: 100.0,
            lengths: (0.01, 60.0),
            frame: 99,
            held: 40..100,
            channels: 64,
            per_page: 16,
            most_per_page: 30,
        }
    }

    fn press(controls: &mut Controls, shown: &Shown, keys: &[KeyCode]) -> Press {
        keys.iter().map(|&code| controls.press(code.into(), Some(shown), None)).last().unwrap()
    }

    #[test]
    fn a_pause_holds_what_is_shown_and_a_second_one_continues() {
        let mut controls = Controls::default();
        press(&mut controls, &shown(), &[KeyCode::Char(' ')]);
        assert_eq!(controls.hold, Hold::At(100.0));
        press(&mut controls, &shown(), &[KeyCode::Char(' ')]);
        assert_eq!(controls.hold, Hold::Live);
    }

    #[test]
    fn scrolling_ends_where_the_ring_ends() {
        let mut controls = Controls::default();
        press(&mut controls, &shown(), &[KeyCode::Left]);
        assert_eq!(controls.hold, Hold::At(97.5));
        press(&mut controls, &shown(), &[KeyCode::Home]);
        assert_eq!(controls.hold, Hold::At(50.0));
        press(&mut controls, &Shown { end: 50.0, ..shown() }, &[KeyCode::Left]);
        assert_eq!(controls.hold, Hold::At(50.0));
        press(&mut controls, &Shown { end: 98.0, ..shown() }, &[KeyCode::Right]);
        assert_eq!(controls.hold, Hold::Live, "after scrolling up to the newest frames, the picture is live");
    }

    #[test]
    fn a_window_longer_than_what_is_there_does_not_scroll() {
        let mut controls = Controls::default();
        press(&mut controls, &Shown { oldest: 98.0, ..shown() }, &[KeyCode::Home]);
        assert_eq!(controls.hold, Hold::At(100.0));
    }

    #[test]
    fn windows_are_round_and_stay_within_what_can_be_shown() {
        let mut controls = Controls::default();
        let mut from = |length: f64, key: char| {
            press(&mut controls, &Shown { length, ..shown() }, &[KeyCode::Char(key)]);
            controls.length.unwrap()
        };
        for (longer, shorter) in [(20.0, 10.0), (10.0, 5.0), (5.0, 2.0), (2.0, 1.0), (1.0, 0.5), (0.5, 0.2)] {
            assert!((from(longer, '[') - shorter).abs() < 1e-9, "{longer} s, shorter: {}", from(longer, '['));
            assert!((from(shorter, ']') - longer).abs() < 1e-9, "{shorter} s, longer: {}", from(shorter, ']'));
        }
        assert_eq!([from(50.0, ']'), from(60.0, ']'), from(60.0, '[')], [60.0, 60.0, 50.0]);
        assert_eq!([from(0.012, '['), from(0.01, '[')], [0.01, 0.01]);
    }

    #[test]
    fn pages_of_channels_stop_at_both_ends() {
        let mut controls = Controls::default();
        press(&mut controls, &shown(), &[KeyCode::Up, KeyCode::PageUp]);
        assert_eq!(controls.top, 0);
        press(&mut controls, &shown(), &[KeyCode::PageDown; 9]);
        assert_eq!(controls.top, 48);
        press(&mut controls, &shown(), &[KeyCode::Char('>')]);
        assert_eq!(controls.per_page, Some(30));
        press(&mut controls, &Shown { per_page: 1, ..shown() }, &[KeyCode::Char('<')]);
        assert_eq!(controls.per_page, Some(1));
    }

    #[test]
    fn letters_that_are_typed_for_channels_are_not_commands() {
        let mut controls = Controls::default();
        let keys = [KeyCode::Char('c'), KeyCode::Char('q'), KeyCode::Char('7'), KeyCode::Backspace, KeyCode::Enter];
        assert_eq!(press(&mut controls, &shown(), &keys), Press::Go);
        assert_eq!((controls.wanted.as_str(), controls.prompt.as_ref()), ("q", None));
        assert_eq!(press(&mut controls, &shown(), &[KeyCode::Char('c'), KeyCode::Esc]), Press::Go);
        assert_eq!(controls.wanted, "q");
        assert_eq!(press(&mut controls, &shown(), &[KeyCode::Char('q')]), Press::Quit);
    }

    #[test]
    fn ctrl_c_quits_wherever_it_is_pressed() {
        let mut controls = Controls { prompt: Some(Prompt::default()), help: true, ..Controls::default() };
        let key = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(controls.press(key, None, None), Press::Quit);
    }

    #[test]
    fn the_documentation_has_all_keys() {
        let page = include_str!("../../../docs/cli-scope-and-plot.md");
        for (keys, short, long) in KEYS {
            let row = format!("| `{}` | {short}: {long} |", keys.replace(' ', "` `"));
            assert!(page.contains(&row), "{row}");
        }
    }

    #[test]
    fn arrows_move_through_pictures_one_by_one() {
        let mut controls = Controls::default();
        let shown = Shown { view: View::Picture, ..shown() };
        press(&mut controls, &shown, &[KeyCode::Left]);
        assert_eq!(controls.hold, Hold::Frame(98));
        press(&mut controls, &Shown { frame: 40, ..shown.clone() }, &[KeyCode::Left]);
        assert_eq!(controls.hold, Hold::Frame(40));
        press(&mut controls, &shown, &[KeyCode::Right]);
        assert_eq!(controls.hold, Hold::Live);
    }
}
