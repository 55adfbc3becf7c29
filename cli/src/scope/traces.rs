//! Channels as lines over time: one above the other, or all in one plot.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use super::braille::{Braille, DOTS_HIGH, DOTS_WIDE};
use super::scene::{GUTTER, Lane, Scene, VALUES};
use crate::drawing::plot_data::History;
use crate::drawing::range::{self, ValueRange};
use crate::text::{shortened, width};

const FAINT: Style = Style::new().fg(Color::DarkGray);

/// The rows of each lane: as equal as can be.
pub fn bands(area: Rect, lanes: usize) -> Vec<Rect> {
    let lanes = lanes.max(1) as u32;
    let row = |lane: u32| area.y + (u32::from(area.height) * lane / lanes) as u16;
    (0..lanes).map(|lane| Rect { y: row(lane), height: row(lane + 1) - row(lane), ..area }).collect()
}

/// Draws the scene's lanes: the lines into `plot`, their names and values next to it.
pub fn render(scene: &Scene<'_>, plot: Rect, buffer: &mut Buffer) {
    let mut braille = Braille::new(plot.width.into(), plot.height.into());
    let bands = if scene.overlay { vec![plot] } else { bands(plot, scene.lanes.len()) };
    for (lane, band) in scene.lanes.iter().zip(bands.iter().cycle()) {
        let top = usize::from(band.y - plot.y) * DOTS_HIGH;
        draw(scene.history, lane, &mut braille, top, usize::from(band.height) * DOTS_HIGH);
    }
    if scene.overlay {
        render_legend(scene, plot, buffer);
    } else {
        for (lane, band) in scene.lanes.iter().zip(&bands) {
            render_labels(lane, *band, buffer);
        }
    }
    render_gone(scene, plot, buffer);
    braille.render(plot, buffer);
}

/// The dot of a value in a lane, counted from above; outside of `0..height` if the value is outside of the range.
fn dot(range: ValueRange, value: f64, height: usize) -> isize {
    let most = height.saturating_sub(1) as f64;
    // How far outside does not matter.
    (most - range.place(value) * most).round().clamp(-1e6, 1e6) as isize
}

struct Before {
    x: usize,
    column: i64,
    end: u64,
    top: isize,
    bottom: isize,
}

fn draw(history: &History, lane: &Lane, braille: &mut Braille, offset: usize, height: usize) {
    let mut before: Option<Before> = None;
    let last = height.saturating_sub(1) as isize;
    let inside = |y: isize| offset + y.clamp(0, last) as usize;
    for (x, column) in history.shown().enumerate() {
        let Some(found) = history.columns().get(column) else { continue };
        // A column without a finite sample is a gap.
        let Some((low, high)) = found.extent(lane.place) else {
            before = None;
            continue;
        };
        let (mut top, mut bottom) = (dot(lane.range, high, height), dot(lane.range, low, height));
        let this = Before { x, column, end: found.end, top, bottom };
        let joined = before.filter(|before| history.joined((before.end, before.column), (found.first, column)));
        if let Some(before) = joined {
            if before.x + 1 == x {
                // Extends to where the neighbour ends, so that the line has no gap.
                if bottom < before.top {
                    bottom = before.top - 1;
                } else if top > before.bottom {
                    top = before.bottom + 1;
                }
            } else if bottom >= 0 && top <= last {
                let from = (before.top + before.bottom) / 2;
                braille.line((before.x, inside(from)), (x, inside((top + bottom) / 2)), lane.colour);
            }
        }
        if bottom >= 0 && top <= last {
            braille.bar(x, inside(top), inside(bottom), lane.colour);
        }
        before = Some(this);
    }
}

/// Draws a lane's name, the ends of its range, and its newest value.
fn render_labels(lane: &Lane, band: Rect, buffer: &mut Buffer) {
    if band.height == 0 {
        return;
    }
    let gutter = band.x.saturating_sub(buffer.area.x).min(GUTTER);
    let left = band.x - gutter;
    let room = usize::from(gutter.saturating_sub(1));
    let middle = band.y + (band.height - 1) / 2;
    let step = range::step(lane.range.span(), 10);
    let ends = if band.height >= 2 {
        vec![(band.y, lane.range.high), (band.bottom() - 1, lane.range.low)]
    } else {
        Vec::new()
    };
    let mut room_for_name = room;
    for (row, value) in ends {
        let text = shortened(&range::text(value, step), room);
        buffer.set_string(band.x.saturating_sub(1 + width(&text) as u16), row, &text, FAINT);
        if row == middle {
            room_for_name = room.saturating_sub(width(&text) + 1);
        }
    }
    let with_unit = format!("{} {}", lane.label, lane.unit);
    let name = if !lane.unit.is_empty() && width(&with_unit) <= room_for_name { &with_unit } else { &lane.label };
    let style = Style::new().fg(lane.colour).add_modifier(Modifier::BOLD);
    buffer.set_string(left, middle, shortened(name, room_for_name), style);
    if band.right() + VALUES <= buffer.area.right()
        && let Some(value) = lane.value
    {
        let text = shortened(&range::text(value, step / 10.0), usize::from(VALUES) - 1);
        buffer.set_string(band.right() + 1, middle, text, Style::new().fg(lane.colour));
    }
}

/// Draws the labels of an overlay: ticks of the common range, and the names in place of the values.
fn render_legend(scene: &Scene<'_>, plot: Rect, buffer: &mut Buffer) {
    let Some(first) = scene.lanes.first() else { return };
    let gutter = plot.x.saturating_sub(buffer.area.x).min(GUTTER);
    let room = usize::from(gutter.saturating_sub(1));
    let most = usize::from(plot.height / 3).max(1);
    let step = range::step(first.range.span(), most);
    for tick in range::ticks(first.range.low, first.range.high, most) {
        let dot = dot(first.range, tick, usize::from(plot.height) * DOTS_HIGH).max(0);
        let row = plot.y + (dot as usize / DOTS_HIGH) as u16;
        let text = shortened(&range::text(tick, step), room);
        if row < plot.bottom() {
            buffer.set_string(plot.x.saturating_sub(1 + width(&text) as u16), row, text, FAINT);
        }
    }
    if !first.unit.is_empty() && scene.lanes.iter().all(|lane| lane.unit == first.unit) {
        buffer.set_string(plot.x - gutter, plot.y, shortened(&first.unit, room), FAINT);
    }
    if plot.right() + VALUES > buffer.area.right() {
        return;
    }
    for (row, lane) in (plot.y..plot.bottom()).zip(&scene.lanes) {
        let more = row + 1 == plot.bottom() && scene.lanes.len() > usize::from(plot.height);
        let text = if more { "...".to_owned() } else { shortened(&lane.label, usize::from(VALUES) - 1) };
        buffer.set_string(plot.right() + 1, row, text, Style::new().fg(lane.colour));
    }
}

/// Hatches what has been overwritten.
pub fn render_gone(scene: &Scene<'_>, plot: Rect, buffer: &mut Buffer) {
    let columns = scene.gone_columns.min(usize::from(plot.width) * DOTS_WIDE) / DOTS_WIDE;
    if columns == 0 {
        return;
    }
    for y in plot.y..plot.bottom() {
        buffer.set_string(plot.x, y, "░".repeat(columns), FAINT);
    }
    let text = " overwritten ";
    if columns > text.len() {
        let x = plot.x + ((columns - text.len()) / 2) as u16;
        buffer.set_string(x, plot.y + plot.height / 2, text, Style::new().fg(Color::Gray));
    }
}
