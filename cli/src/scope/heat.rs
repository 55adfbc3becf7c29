//! Channels from top to bottom, time from left to right, values as colours: many channels on one screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::braille::DOTS_WIDE;
use super::colours::Depth;
use super::image;
use super::scene::{GUTTER, Scene};
use super::traces::render_gone;
use crate::drawing::picture::{Pixels, heat};
use crate::text::shortened;

pub fn render(scene: &Scene<'_>, depth: Depth, plot: Rect, buffer: &mut Buffer) {
    let lanes = scene.lanes.len();
    let (width, rows) = (usize::from(plot.width), usize::from(plot.height) * 2);
    if lanes == 0 || width == 0 || rows == 0 {
        return;
    }
    let shown = scene.history.shown();
    let mut pixels = Pixels { width, height: rows, rgb: vec![[0; 3]; width * rows] };
    for x in 0..width {
        let columns: Vec<_> = (0..DOTS_WIDE)
            .filter_map(|i| scene.history.columns().get(shown.start + (x * DOTS_WIDE + i) as i64))
            .collect();
        for y in 0..rows {
            // If lanes share a row, the one that stands out most is drawn; a lane of several rows is the same in all.
            let first = y * lanes / rows;
            let last = ((y + 1) * lanes / rows).max(first + 1);
            let places = scene.lanes[first..last].iter().flat_map(|lane| {
                columns
                    .iter()
                    .filter_map(|column| column.extent(lane.place))
                    .flat_map(|(low, high)| [lane.range.place(low), lane.range.place(high)])
            });
            if let Some(place) = places.max_by(|a, b| (a - 0.5).abs().total_cmp(&(b - 0.5).abs())) {
                pixels.rgb[y * width + x] = heat(place);
            }
        }
    }
    image::render(&pixels, depth, plot, buffer);
    render_names(scene, plot, buffer);
    render_gone(scene, plot, buffer);
}

/// As many names as there are rows for, evenly.
fn render_names(scene: &Scene<'_>, plot: Rect, buffer: &mut Buffer) {
    let gutter = plot.x.saturating_sub(buffer.area.x).min(GUTTER);
    let (lanes, rows) = (scene.lanes.len(), usize::from(plot.height));
    let mut named = None;
    for row in 0..rows {
        let lane = row * lanes / rows;
        if named == Some(lane) {
            continue;
        }
        named = Some(lane);
        let text = shortened(&scene.lanes[lane].label, usize::from(gutter.saturating_sub(1)));
        buffer.set_string(plot.x - gutter, plot.y + row as u16, text, Style::new());
    }
}
