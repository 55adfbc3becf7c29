//! Pictures and colour maps as half blocks: two pixels in each cell, one above the other.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::colours::Depth;
use crate::drawing::picture::Pixels;

/// Draws `pixels` in the middle of `area`: a column for each pixel, and a row for two of them.
pub fn render(pixels: &Pixels, depth: Depth, area: Rect, buffer: &mut Buffer) {
    let (width, height) = (pixels.width as u16, pixels.height.div_ceil(2) as u16);
    let left = area.x + area.width.saturating_sub(width) / 2;
    let top = area.y + area.height.saturating_sub(height) / 2;
    for y in 0..height.min(area.height) {
        for x in 0..width.min(area.width) {
            let Some(cell) = buffer.cell_mut((left + x, top + y)) else { continue };
            let upper = pixels.at(x.into(), usize::from(y) * 2);
            cell.set_char('▀').set_fg(depth.colour(upper));
            if usize::from(y) * 2 + 1 < pixels.height {
                cell.set_bg(depth.colour(pixels.at(x.into(), usize::from(y) * 2 + 1)));
            }
        }
    }
}
