//! The last line: the keys, what has just happened, or what is being typed.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::controls::{KEYS, View};
use super::scene::Footing;
use crate::text::printable;

const KEY: Style = Style::new().add_modifier(Modifier::BOLD);
const FAINT: Style = Style::new().fg(Color::Gray);

pub fn render(footing: &Footing, area: Rect, buffer: &mut Buffer) {
    if let Some((text, error)) = &footing.prompt {
        let mut line = vec![
            Span::styled(" channels: ", KEY),
            Span::raw(text.clone()),
            Span::styled("▏", Style::new().add_modifier(Modifier::SLOW_BLINK)),
        ];
        line.push(match error {
            Some(error) => Span::styled(format!("  {}", printable(error)), Style::new().fg(Color::Red)),
            None => Span::styled("  such as 0-7,Cz; empty: all; enter, esc", FAINT),
        });
        return Line::from(line).render(area, buffer);
    }
    if let Some(note) = &footing.note {
        return Line::styled(format!(" {}", printable(note)), Style::new().fg(Color::Yellow)).render(area, buffer);
    }
    keys(footing, area.width).render(area, buffer);
}

/// The keys that have an effect now, as many as there is room for; help and quit always.
fn keys(footing: &Footing, width: u16) -> Line<'static> {
    let is_useful = |short: &str| match (footing.view, short) {
        (_, "help" | "quit") => true,
        (None, _) => false,
        (Some(View::Picture), _) => ["pause", "scroll", "oldest", "view"].contains(&short),
        (Some(View::Overlay | View::Heat), "lanes" | "channels") => false,
        _ => true,
    };
    let spans =
        |keys: &str, short: &str| [Span::styled(format!(" {keys} "), KEY), Span::styled(format!("{short} "), FAINT)];
    let (ends, others): (Vec<_>, Vec<_>) = KEYS
        .iter()
        .filter(|(_, short, _)| is_useful(short))
        .partition(|(_, short, _)| matches!(*short, "help" | "quit"));
    let ends: Vec<Span> = ends.iter().flat_map(|(keys, short, _)| spans(keys, short)).collect();
    let mut room = usize::from(width).saturating_sub(ends.iter().map(Span::width).sum());
    let mut line = Vec::new();
    for (keys, short, _) in others {
        let next = spans(keys, short);
        let taken = next.iter().map(Span::width).sum::<usize>();
        if taken > room {
            break;
        }
        room -= taken;
        line.extend(next);
    }
    line.extend(ends);
    Line::from(line)
}
