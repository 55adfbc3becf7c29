//! The placeholder while there is nothing to draw: sentences that name what is missing.

use ratatui::buffer::Buffer;
use ratatui::layout::{Alignment, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Widget, Wrap};

use crate::text::printable;

pub fn render(sentences: &[String], area: Rect, buffer: &mut Buffer) {
    let lines: Vec<Line> = sentences.iter().map(|sentence| Line::from(printable(sentence))).collect();
    let height = (lines.len() as u16 * 2).min(area.height);
    let middle =
        Rect { y: area.y + (area.height - height) / 3, height: area.height - (area.height - height) / 3, ..area };
    Paragraph::new(lines).alignment(Alignment::Center).wrap(Wrap { trim: true }).render(middle, buffer);
}
