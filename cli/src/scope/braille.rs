//! A grid of dots, two wide and four high in each cell of the screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;

pub const DOTS_WIDE: usize = 2;
pub const DOTS_HIGH: usize = 4;

/// The bit of each dot of a cell, by row and column: Unicode numbers them by the order in which braille grew.
const BITS: [[u8; DOTS_WIDE]; DOTS_HIGH] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

#[derive(Clone, Copy, Default)]
struct Cell {
    dots: u8,
    colour: Color,
}

/// Dots that are set, each cell in the colour of the last one.
pub struct Braille {
    width: usize,
    height: usize,
    cells: Vec<Cell>,
}

impl Braille {
    /// A grid of `width` times `height` cells.
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height, cells: vec![Cell::default(); width * height] }
    }

    fn set(&mut self, x: usize, y: usize, colour: Color) {
        let (column, row) = (x / DOTS_WIDE, y / DOTS_HIGH);
        if column < self.width && row < self.height {
            let cell = &mut self.cells[row * self.width + column];
            cell.dots |= BITS[y % DOTS_HIGH][x % DOTS_WIDE];
            cell.colour = colour;
        }
    }

    /// A vertical line; either end may come first.
    pub fn bar(&mut self, x: usize, from: usize, to: usize, colour: Color) {
        for y in from.min(to)..=from.max(to) {
            self.set(x, y, colour);
        }
    }

    /// A straight line between two dots.
    pub fn line(&mut self, from: (usize, usize), to: (usize, usize), colour: Color) {
        let (from, to) = if from.0 <= to.0 { (from, to) } else { (to, from) };
        let (width, rise) = ((to.0 - from.0).max(1) as f64, to.1 as f64 - from.1 as f64);
        let mut before = from.1;
        for x in from.0..=to.0 {
            let y = (from.1 as f64 + rise * (x - from.0) as f64 / width).round() as usize;
            // No gap where it is steep.
            let start = match before.cmp(&y) {
                std::cmp::Ordering::Less => before + 1,
                std::cmp::Ordering::Equal => y,
                std::cmp::Ordering::Greater => before - 1,
            };
            self.bar(x, start, y, colour);
            before = y;
        }
    }

    /// Puts the cells that have dots onto the screen.
    pub fn render(&self, area: Rect, buffer: &mut Buffer) {
        for (index, cell) in self.cells.iter().enumerate().filter(|(_, cell)| cell.dots != 0) {
            let (column, row) = (index % self.width, index / self.width);
            let position = (area.x + column as u16, area.y + row as u16);
            if let Some(screen) = buffer.cell_mut(position) {
                let dots = char::from_u32(0x2800 + u32::from(cell.dots)).unwrap_or(' ');
                screen.set_char(dots).set_fg(cell.colour);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(braille: &Braille) -> Vec<String> {
        let area = Rect::new(0, 0, braille.width as u16, braille.height as u16);
        let mut buffer = Buffer::empty(area);
        braille.render(area, &mut buffer);
        let row = |y| (0..area.width).map(|x| buffer[(x, y)].symbol().to_owned()).collect();
        (0..area.height).map(row).collect()
    }

    #[test]
    fn each_dot_of_a_cell_has_its_place() {
        for (i, expected) in ["⠁", "⠈", "⠂", "⠐", "⠄", "⠠", "⡀", "⢀"].into_iter().enumerate() {
            let mut braille = Braille::new(1, 1);
            braille.bar(i % 2, i / 2, i / 2, Color::Reset);
            assert_eq!(shown(&braille), [expected]);
        }
    }

    #[test]
    fn lines_have_no_gaps() {
        let mut rising = Braille::new(3, 2);
        rising.line((0, 7), (5, 0), Color::Reset);
        assert_eq!(shown(&rising), [" ⢀⠎", "⡠⠃ "]);
        let mut steep = Braille::new(1, 2);
        steep.line((0, 0), (1, 7), Color::Reset);
        assert_eq!(shown(&steep), ["⢱", "⢸"]);
    }

    #[test]
    fn nothing_is_drawn_outside_of_the_grid() {
        let mut braille = Braille::new(1, 1);
        braille.bar(9, 0, 9, Color::Reset);
        braille.bar(0, 3, 99, Color::Reset);
        assert_eq!(shown(&braille), ["⡀"]);
    }
}
