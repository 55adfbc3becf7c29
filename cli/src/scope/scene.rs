//! The content that the widgets draw, and its places.

use std::time::Duration;

use dora_shm_ring::Liveness;
use ratatui::layout::Rect;
use ratatui::style::Color;

use super::controls::View;
use crate::drawing::picture::Pixels;
use crate::drawing::plot_data::History;
use crate::drawing::range::ValueRange;

/// Columns left of the plot, for names and ranges; fewer on a narrow screen.
pub const GUTTER: u16 = 16;
/// Columns right of it, for values; none on a narrow screen.
pub const VALUES: u16 = 10;
const NARROW: u16 = 64;

/// Colours that are distinguishable on dark and light screens.
pub const PALETTE: [Color; 6] =
    [Color::Cyan, Color::Yellow, Color::Green, Color::Magenta, Color::LightBlue, Color::LightRed];

/// Where everything is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub header: Rect,
    /// Everything between header and footer.
    pub body: Rect,
    /// The part of the body for the lines.
    pub plot: Rect,
    pub axis: Rect,
    pub footer: Rect,
}

impl Layout {
    pub fn of(area: Rect) -> Self {
        let row =
            |y: u16| Rect { y: area.y + y.min(area.height.saturating_sub(1)), height: 1.min(area.height), ..area };
        let body = Rect { y: area.y + 1, height: area.height.saturating_sub(2), ..area };
        let gutter = GUTTER.min(area.width / 4);
        let values = if area.width >= NARROW { VALUES } else { 0 };
        let plot = Rect {
            x: body.x + gutter,
            width: body.width.saturating_sub(gutter + values),
            height: body.height.saturating_sub(1),
            ..body
        };
        let axis = Rect { y: plot.bottom(), height: body.height.min(1), ..body };
        Self { header: row(0), body, plot, axis, footer: row(area.height.saturating_sub(1)) }
    }
}

/// One channel of a plot.
#[derive(Clone, Debug)]
pub struct Lane {
    pub label: String,
    pub unit: String,
    /// Its place among the history's channels.
    pub place: usize,
    pub range: ValueRange,
    /// Its newest value in the window.
    pub value: Option<f64>,
    pub colour: Color,
}

/// Channels over time.
pub struct Scene<'a> {
    pub history: &'a History,
    pub lanes: Vec<Lane>,
    /// All lines in one.
    pub overlay: bool,
    /// How many of the window's first columns have been overwritten.
    pub gone_columns: usize,
}

/// The time axis below a plot.
#[derive(Clone, Debug)]
pub struct AxisLine {
    /// Relative to the newest frame, so 0 or less.
    pub from: f64,
    pub to: f64,
    pub unit: String,
}

/// Content of the header.
#[derive(Clone, Debug)]
pub struct Heading {
    pub name: String,
    pub state: Liveness,
    /// `float32 [64]`; `None` before there is a format.
    pub format: Option<String>,
    pub stated_hz: Option<f64>,
    pub measured_hz: Option<f64>,
    pub lost: u64,
    pub generation: Option<u32>,
    /// The channels on the screen: `1-18 of 64`.
    pub channels: Option<String>,
    pub window: Option<String>,
    pub gain: f64,
    pub auto: bool,
    /// How far behind the newest frame the picture is held; `None` while it is live.
    pub held_back: Option<String>,
}

/// Content of the body.
pub enum Body<'a> {
    /// Why there is nothing to draw yet.
    Placeholder(Vec<String>),
    Plot(View, Scene<'a>, AxisLine),
    Picture(&'a Pixels),
}

/// Content of the last line.
#[derive(Clone, Debug, Default)]
pub struct Footing {
    /// An event that has just happened.
    pub note: Option<String>,
    /// The text that is being typed, and its error.
    pub prompt: Option<(String, Option<String>)>,
    pub view: Option<View>,
    pub help: bool,
}

/// How long a note stays.
pub const NOTE_STAYS: Duration = Duration::from_secs(6);
