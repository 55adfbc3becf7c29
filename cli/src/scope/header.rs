//! The first line: the stream, its state, and how it is shown.

use dora_shm_ring::Liveness;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::scene::Heading;
use crate::text::{printable, shortened};
use crate::units;

/// The colour of a state.
pub fn colour(state: Liveness) -> Color {
    match state {
        Liveness::Live => Color::Green,
        Liveness::Ezmsg => Color::Cyan,
        Liveness::Absent | Liveness::Waiting | Liveness::Idle => Color::Yellow,
        Liveness::Dead | Liveness::Closed => Color::Red,
    }
}

pub fn render(heading: &Heading, area: Rect, buffer: &mut Buffer) {
    let (state, colour) = (heading.state.name(), colour(heading.state));
    let name = shortened(&printable(&heading.name), usize::from(area.width / 3).max(8));
    let mut left = vec![
        Span::styled(format!(" {name} "), Style::new().add_modifier(Modifier::BOLD | Modifier::REVERSED)),
        Span::styled(format!(" ● {state}"), Style::new().fg(colour)),
    ];
    let faint = Style::new().fg(Color::DarkGray);
    if heading.lost > 0 {
        left.push(Span::styled(" │ ", faint));
        left.push(Span::styled(format!("{} lost", units::count(heading.lost)), Style::new().fg(Color::Red)));
    }
    let mut push = |text: String| {
        left.push(Span::styled(" │ ", faint));
        left.push(Span::raw(text));
    };
    if let Some(format) = &heading.format {
        push(format.clone());
    }
    match (heading.stated_hz, heading.measured_hz) {
        (Some(stated), Some(measured)) if !is_about(stated, measured) => {
            push(format!("{} ({} stated)", units::hertz(measured), units::hertz(stated)));
        }
        (Some(rate), _) | (None, Some(rate)) => push(units::hertz(rate)),
        (None, None) => {}
    }
    if let Some(generation) = heading.generation {
        push(format!("gen {generation}"));
    }
    let mut right = Vec::new();
    if let Some(channels) = &heading.channels {
        right.push(Span::raw(channels.clone()));
    }
    if (heading.gain - 1.0).abs() > 1e-9 {
        right.push(Span::raw(format!("gain {}", crate::drawing::range::short(heading.gain))));
    }
    if !heading.auto {
        right.push(Span::raw("fixed scale"));
    }
    if let Some(window) = &heading.window {
        right.push(Span::raw(window.clone()));
    }
    if let Some(held_back) = &heading.held_back {
        let style = Style::new().fg(Color::Black).bg(Color::Yellow);
        right.push(Span::styled(format!(" PAUSED {held_back} "), style));
    }
    let mut spaced = Vec::new();
    for span in right {
        spaced.push(Span::styled(if spaced.is_empty() { "" } else { " │ " }, faint));
        spaced.push(span);
    }
    if !spaced.is_empty() {
        spaced.insert(0, Span::raw(" "));
        spaced.push(Span::raw(" "));
    }
    let (left, right) = (Line::from(left), Line::from(spaced));
    let right_width = (right.width() as u16).min(area.width);
    left.render(area, buffer);
    // If there is not enough room, how the stream is shown matters more than what does not change.
    let at = Rect { x: area.right() - right_width, width: right_width, ..area };
    for x in at.left()..at.right() {
        buffer[(x, at.y)].reset();
    }
    right.render(at, buffer);
}

/// Whether the measured rate differs from the stated one by less than 5 %, as it nearly always does.
fn is_about(stated: f64, measured: f64) -> bool {
    (measured / stated - 1.0).abs() < 0.05
}
