//! The line below a plot: how long ago.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};

use super::scene::AxisLine;
use crate::drawing::range;
use crate::text::width;

/// Columns that a label and the space around it take.
const LABEL: u16 = 12;

/// Draws the axis of `plot` into the line `area`.
pub fn render(axis: &AxisLine, plot: Rect, area: Rect, buffer: &mut Buffer) {
    let length = axis.to - axis.from;
    if plot.width == 0 || area.height == 0 || length.is_nan() || length <= 0.0 {
        return;
    }
    let style = Style::new().fg(Color::Gray);
    let most = usize::from(plot.width / LABEL).max(1);
    let step = range::step(length, most);
    let mut free_from = area.x;
    for tick in range::ticks(axis.from, axis.to, most) {
        let x = plot.x + ((tick - axis.from) / length * f64::from(plot.width - 1)).round() as u16;
        let text = label(tick, step, length, &axis.unit);
        // The mark is in the tick's column, its number next to it.
        let start =
            if x + 1 + width(&text) as u16 > area.right() { x.saturating_sub(width(&text) as u16) } else { x + 1 };
        if start < free_from {
            continue;
        }
        buffer.set_string(start, area.y, &text, style);
        buffer.set_string(x, area.y, "╵", style);
        free_from = start + width(&text) as u16 + 1;
    }
}

/// `-2 s`, `-250 ms`, `0 s`: in the unit that suits the whole axis.
fn label(tick: f64, step: f64, length: f64, unit: &str) -> String {
    let (scale, unit) = match unit {
        "s" if length < 1e-3 => (1e6, "µs"),
        "s" if length < 1.0 => (1e3, "ms"),
        unit => (1.0, unit),
    };
    format!("{} {unit}", range::text(tick * scale, step * scale))
}
