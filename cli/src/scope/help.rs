//! All keys, over the picture.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Padding, Paragraph, Widget, Wrap};

use super::controls::KEYS;

pub fn render(area: Rect, buffer: &mut Buffer) {
    let lines: Vec<Line> = KEYS
        .iter()
        .map(|(keys, _, long)| {
            Line::from(vec![
                Span::styled(format!("{keys:>9}  "), Style::new().add_modifier(Modifier::BOLD)),
                Span::raw(*long),
            ])
        })
        .collect();
    let width = area.width.min(88);
    let height = area.height.min(lines.len() as u16 + 4);
    let middle = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    Clear.render(middle, buffer);
    let block = Block::bordered()
        .border_style(Style::new().fg(Color::DarkGray))
        .title(" keys ")
        .title_bottom(" any key closes ")
        .padding(Padding::symmetric(2, 1));
    Paragraph::new(lines).wrap(Wrap { trim: false }).block(block).render(middle, buffer);
}
