//! Colours of pictures on a terminal with full colour, or with 256 colours.

use ratatui::style::Color;

/// How many colours the terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    Full,
    /// The 256 that nearly every terminal has.
    Indexed,
}

impl Depth {
    /// By what the terminal reports in `COLORTERM`.
    pub fn of_terminal() -> Self {
        match std::env::var("COLORTERM").as_deref() {
            Ok("truecolor" | "24bit") => Self::Full,
            _ => Self::Indexed,
        }
    }

    pub fn colour(self, [r, g, b]: [u8; 3]) -> Color {
        match self {
            Self::Full => Color::Rgb(r, g, b),
            Self::Indexed => Color::Indexed(nearest([r, g, b])),
        }
    }
}

/// The levels of each part in the cube of 6 x 6 x 6 colours that begins at number 16.
const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];

fn nearest(rgb: [u8; 3]) -> u8 {
    let level = |part: u8| (0..6).min_by_key(|&i| LEVELS[i].abs_diff(part)).unwrap_or(0);
    let cube = rgb.map(level);
    // 24 grays lie between the cube's: 8, 18, ..., 238.
    let mean = rgb.iter().map(|&part| u32::from(part)).sum::<u32>() / 3;
    let gray = (mean.saturating_sub(3) / 10).min(23) as u8;
    let distance =
        |candidate: [u8; 3]| -> u32 { candidate.iter().zip(rgb).map(|(&a, b)| u32::from(a.abs_diff(b)).pow(2)).sum() };
    if distance([8 + 10 * gray; 3]) < distance(cube.map(|i| LEVELS[i])) {
        232 + gray
    } else {
        16 + 36 * cube[0] as u8 + 6 * cube[1] as u8 + cube[2] as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_of_the_palette_are_their_own_nearest() {
        assert_eq!(nearest([0, 0, 0]), 16);
        assert_eq!(nearest([255, 255, 255]), 231);
        assert_eq!(nearest([255, 0, 0]), 196);
        assert_eq!(nearest([95, 135, 175]), 67);
        assert_eq!(nearest([128, 128, 128]), 244);
        assert_eq!(nearest([9, 8, 8]), 232);
    }
}
