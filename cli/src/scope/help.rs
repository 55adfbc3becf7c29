//! All keys, over the picture.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Padding, Paragraph, Widget};

use super::controls::KEYS;
use crate::text;

const WIDTH: u16 = 88;
/// Columns for the keys, to the left of what they do.
const KEY: u16 = 11;
/// Columns between the frame and the text, on both sides.
const SIDES: u16 = 2;

pub fn render(area: Rect, buffer: &mut Buffer) {
    let width = area.width.min(WIDTH);
    let room = width.saturating_sub(2 + 2 * SIDES + KEY);
    let lines: Vec<Line> = KEYS
        .iter()
        .flat_map(|(keys, _, long)| {
            text::wrapped(long, usize::from(room).max(1)).into_iter().enumerate().map(move |(row, part)| {
                let keys = if row == 0 { *keys } else { "" };
                Line::from(vec![
                    Span::styled(format!("{keys:>9}  "), Style::new().add_modifier(Modifier::BOLD)),
                    Span::raw(part),
                ])
            })
        })
        .collect();
    // An empty line above and below, if there is room for it.
    let margin = u16::from(usize::from(area.height) >= lines.len() + 4);
    let height = area.height.min(lines.len() as u16 + 2 + 2 * margin);
    let middle = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    Clear.render(middle, buffer);
    let block = Block::bordered()
        .border_style(Style::new().fg(Color::DarkGray))
        .title(" keys ")
        .title_bottom(" any key closes ")
        .padding(Padding::symmetric(SIDES, margin));
    Paragraph::new(lines).block(block).render(middle, buffer);
}
