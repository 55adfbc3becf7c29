//! Channels over time as an SVG: one above the other, each with its name, its unit and its range.

use plotters::backend::SVGBackend;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea as _};
use plotters::element::{Circle, PathElement, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, FontTransform, IntoFont as _, RGBColor, ShapeStyle, TextStyle, WHITE};

use crate::drawing::plot_data::History;
use crate::drawing::range::{self, ValueRange};
use crate::text;

/// plotters draws at whole numbers; this many per pixel place lines accurately.
pub const FINENESS: u32 = 4;

/// Room for short names and for numbers; longer names get more of it.
const LEFT: u32 = 110;
const RIGHT: u32 = 24;
const TOP: u32 = 64;
const BOTTOM: u32 = 44;
/// Columns of text that a name has room for.
const NAME_COLUMNS: std::ops::RangeInclusive<usize> = 10..=28;
const COLUMN_WIDTH: u32 = 7;
/// Room for a name next to its lane.
const NAME_HEIGHT: f64 = 13.0;

const INK: RGBColor = RGBColor(32, 36, 44);
const FAINT: RGBColor = RGBColor(120, 126, 138);
const GRID: RGBColor = RGBColor(228, 231, 236);
/// Dark enough for thin lines on white, and distinguishable for people with colour blindness.
const LINES: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 138, 100),
    RGBColor(160, 70, 130),
    RGBColor(70, 120, 190),
    RGBColor(140, 100, 0),
];

/// One channel.
#[derive(Debug)]
pub struct Lane {
    pub label: String,
    pub unit: String,
    pub place: usize,
    pub range: ValueRange,
}

/// The content of a plot.
pub struct Plot<'a> {
    pub title: String,
    pub subtitle: String,
    pub history: &'a History,
    pub lanes: Vec<Lane>,
    pub gutter: Gutter,
    /// Start of the window relative to the newest frame, so 0 or less; with its unit.
    pub from: f64,
    pub unit: String,
    /// In pixels.
    pub width: u32,
    pub height: u32,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Result = std::result::Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// The area to the left of the lines.
#[derive(Clone, Copy, Debug)]
pub struct Gutter {
    width: u32,
    name_columns: usize,
}

impl Gutter {
    /// A gutter for these names, in a plot of this width. The lines keep most of the width.
    pub fn of<'a>(names: impl Iterator<Item = &'a str>, width: u32) -> Self {
        let (least, most) = NAME_COLUMNS.into_inner();
        let room = width.saturating_sub(LEFT) / 5 / COLUMN_WIDTH;
        let most = most.min(least + room as usize);
        let name_columns = names.map(text::width).max().unwrap_or(0).clamp(least, most);
        Self { width: LEFT + (name_columns - least) as u32 * COLUMN_WIDTH, name_columns }
    }

    /// How many columns the lines of a plot of this width have.
    pub fn columns(self, width: u32) -> usize {
        width.saturating_sub(self.width + RIGHT).max(1) as usize
    }
}

/// The height that suits this many lanes.
pub fn height(lanes: usize) -> u32 {
    let lanes = lanes.clamp(1, 1 << 12) as u32;
    TOP + BOTTOM + lanes * (640 / lanes).clamp(14, 300)
}

/// A place in pixels, in plotters' numbers.
fn at(x: f64, y: f64) -> (i32, i32) {
    let fine = |value: f64| (value * f64::from(FINENESS)).round() as i32;
    (fine(x), fine(y))
}

fn style(size: f64, colour: RGBColor, h: HPos, v: VPos) -> TextStyle<'static> {
    ("sans-serif", size * f64::from(FINENESS))
        .into_font()
        .transform(FontTransform::None)
        .color(&colour)
        .pos(Pos::new(h, v))
}

fn line(colour: RGBColor, width: f64) -> ShapeStyle {
    colour.stroke_width((width * f64::from(FINENESS)) as u32)
}

impl Plot<'_> {
    /// # Errors
    /// None that a user can cause.
    pub fn svg(&self) -> eyre::Result<String> {
        let mut svg = String::new();
        let size = (self.width * FINENESS, self.height * FINENESS);
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        self.draw(&root).and_then(|()| Ok(root.present()?)).map_err(|error| eyre::eyre!("cannot draw: {error}"))?;
        drop(root);
        // Its size in pixels; the view box keeps plotters' numbers.
        let fine = format!("width=\"{}\" height=\"{}\"", size.0, size.1);
        Ok(svg.replacen(&fine, &format!("width=\"{}\" height=\"{}\"", self.width, self.height), 1))
    }

    fn draw(&self, root: &Area<'_>) -> Result {
        root.fill(&WHITE)?;
        root.draw(&Text::new(self.title.clone(), at(16.0, 14.0), style(19.0, INK, HPos::Left, VPos::Top)))?;
        root.draw(&Text::new(self.subtitle.clone(), at(16.0, 38.0), style(12.5, FAINT, HPos::Left, VPos::Top)))?;
        self.draw_axis(root)?;
        let (top, height) =
            (f64::from(TOP), f64::from(self.height.saturating_sub(TOP + BOTTOM)) / self.lanes.len().max(1) as f64);
        // As many names as have room.
        let every = (NAME_HEIGHT / height).ceil().max(1.0) as usize;
        for (index, lane) in self.lanes.iter().enumerate() {
            let band = Band { top: top + index as f64 * height, height };
            if index > 0 && height >= 30.0 {
                let ends = [at(f64::from(self.gutter.width), band.top), at(f64::from(self.width - RIGHT), band.top)];
                root.draw(&PathElement::new(ends.to_vec(), line(GRID, 0.5)))?;
            }
            let colour = LINES[index % LINES.len()];
            if index % every == 0 {
                draw_names(root, lane, &band, self.gutter, colour)?;
            }
            self.draw_line(root, lane, &band, colour)?;
        }
        Ok(())
    }

    fn draw_axis(&self, root: &Area<'_>) -> Result {
        let (left, right) = (f64::from(self.gutter.width), f64::from(self.width - RIGHT));
        let bottom = f64::from(self.height - BOTTOM);
        let most = ((right - left) / 90.0).max(1.0) as usize;
        let step = range::step(-self.from, most);
        for tick in range::ticks(self.from, 0.0, most) {
            let x = right + (right - left) * tick / -self.from;
            root.draw(&PathElement::new(vec![at(x, f64::from(TOP)), at(x, bottom)], line(GRID, 0.75)))?;
            let label = range::text(tick, step);
            root.draw(&Text::new(label, at(x, bottom + 6.0), style(12.0, FAINT, HPos::Center, VPos::Top)))?;
        }
        let unit =
            if self.unit == "frames" { "frames before the newest".to_owned() } else { format!("time / {}", self.unit) };
        let place = at((left + right) / 2.0, bottom + 23.0);
        root.draw(&Text::new(unit, place, style(12.0, FAINT, HPos::Center, VPos::Top)))?;
        Ok(())
    }

    /// The line of a channel, interrupted where frames are missing or are not numbers.
    fn draw_line(&self, root: &Area<'_>, lane: &Lane, band: &Band, colour: RGBColor) -> Result {
        let y = |value: f64| band.y(lane.range, value);
        let mut piece: Vec<(i32, i32)> = Vec::new();
        let mut before: Option<(u64, i64)> = None;
        let finish = |piece: &mut Vec<(i32, i32)>| -> Result {
            match std::mem::take(piece)[..] {
                [] => {}
                // A point without a line would be almost invisible.
                [alone] => root.draw(&Circle::new(alone, 2 * FINENESS, colour.filled()))?,
                ref points => root.draw(&PathElement::new(points.to_vec(), line(colour, 1.0)))?,
            }
            Ok(())
        };
        for (index, column) in self.history.shown().enumerate() {
            let Some(found) = self.history.columns().get(column) else { continue };
            let extent = found.extent(lane.place);
            if !before.is_some_and(|before| extent.is_some() && self.history.joined(before, (found.first, column))) {
                finish(&mut piece)?;
            }
            before = extent.map(|_| (found.end, column));
            let Some((low, high)) = extent else { continue };
            let x = f64::from(self.gutter.width) + index as f64 + 0.5;
            let (mut first, mut last) = (at(x, y(low)), at(x, y(high)));
            // From the end that is nearer to where the line is.
            if piece.last().is_some_and(|end| (end.1 - first.1).abs() > (end.1 - last.1).abs()) {
                std::mem::swap(&mut first, &mut last);
            }
            piece.push(first);
            if last != first {
                piece.push(last);
            }
        }
        finish(&mut piece)
    }
}

/// Where a lane is, in pixels from above.
struct Band {
    top: f64,
    height: f64,
}

impl Band {
    fn y(&self, range: ValueRange, value: f64) -> f64 {
        self.top + self.height * (0.04 + 0.92 * (1.0 - range.place(value)))
    }
}

fn draw_names(root: &Area<'_>, lane: &Lane, band: &Band, gutter: Gutter, colour: RGBColor) -> Result {
    let middle = band.top + band.height / 2.0;
    let name = text::shortened(&lane.label, gutter.name_columns);
    let has_room = band.height >= 40.0;
    let unit_below = has_room && !lane.unit.is_empty();
    let size = if band.height >= 24.0 { 13.0 } else { 11.0 };
    let place = at(10.0, if unit_below { middle - 8.0 } else { middle });
    root.draw(&Text::new(name, place, style(size, colour, HPos::Left, VPos::Center)))?;
    if unit_below {
        let unit = text::shortened(&lane.unit, gutter.name_columns);
        root.draw(&Text::new(unit, at(10.0, middle + 8.0), style(11.0, FAINT, HPos::Left, VPos::Center)))?;
    }
    let step = range::step(lane.range.span(), 10);
    let x = f64::from(gutter.width) - 8.0;
    if band.height >= 100.0 {
        let most = (band.height / 28.0) as usize;
        let step = range::step(lane.range.span(), most);
        for tick in range::ticks(lane.range.low, lane.range.high, most) {
            let label = range::text(tick, step);
            root.draw(&Text::new(
                label,
                at(x, band.y(lane.range, tick)),
                style(10.5, FAINT, HPos::Right, VPos::Center),
            ))?;
        }
    } else if has_room {
        for (value, y) in [(lane.range.high, band.top + 10.0), (lane.range.low, band.top + band.height - 10.0)] {
            let label = range::text(value, step);
            root.draw(&Text::new(label, at(x, y), style(10.5, FAINT, HPos::Right, VPos::Center)))?;
        }
    } else {
        let (low, high) = (range::text(lane.range.low, step), range::text(lane.range.high, step));
        let label = format!("{low} … {high}");
        root.draw(&Text::new(label, at(x, middle), style(9.5, FAINT, HPos::Right, VPos::Center)))?;
    }
    Ok(())
}
