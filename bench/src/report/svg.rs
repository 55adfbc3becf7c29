//! The pictures.

use std::path::Path;

use eyre::eyre;
use plotters::coord::ranged1d::ValueFormatter;
use plotters::element::DashedPathElement;
use plotters::prelude::*;

use super::aggregate::Results;
use super::format::exact;
use super::shown::Shown;
use crate::case::Case;
use crate::measure::Figure;
use crate::rows::OURS;
use crate::series::Series;
use crate::task::{Mode, payload_name};

const SIZE: (u32, u32) = (900, 560);
/// Colours that colour-blind people can distinguish, too (Okabe and Ito).
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 0, 0),
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(120, 120, 120),
];

/// The colour of a row is that of its family, the same in all pictures. Its line shows how it is read: polled, woken
/// (dashed), in place (dotted). `None` for lines that are not rows.
fn style(name: &str) -> Option<(RGBColor, Option<(i32, i32)>)> {
    const FAMILIES: [(&str, usize); 8] = [
        (OURS, 2),
        ("minimal", 0),
        ("memcpy", 7),
        ("futex", 7),
        ("iceoryx2", 1),
        ("zenoh", 3),
        ("ezmsg", 4),
        ("lsl", 5),
    ];
    let family = FAMILIES.iter().find(|(family, _)| name == *family || name.starts_with(&format!("{family}-")));
    let dash = match name {
        name if name.ends_with("-in-place") => Some((2, 4)),
        name if name.ends_with("-wait-spin") => Some((12, 4)),
        name if name.ends_with("-wait") || name.ends_with("-futex") || name.ends_with("-listener") => Some((7, 5)),
        _ => None,
    };
    family.map(|(_, colour)| (COLOURS[*colour], dash))
}

struct Line {
    name: String,
    points: Vec<(f64, f64)>,
}

struct Picture<'a> {
    title: String,
    x_label: &'a str,
    y_label: &'a str,
    x_name: &'a dyn Fn(&f64) -> String,
    lines: Vec<Line>,
}

/// A picture that was drawn: its file and what it shows.
pub struct Drawn {
    #[allow(missing_docs)]
    pub file: String,
    #[allow(missing_docs)]
    pub title: String,
}

/// Draws the page's pictures for which there are figures.
pub fn draw(folder: &Path, results: &Results<'_>) -> eyre::Result<Vec<Drawn>> {
    let mut drawn = Vec::new();
    if let Some(shown) = Shown::of(results) {
        for (file, title, mode, figure) in [
            ("latency.svg", "Latency, both copies included", Mode::Paced, Figure::Through),
            ("throughput.svg", "Lossless throughput, both copies included", Mode::Lossless, Figure::Throughput),
        ] {
            let is_rate = figure == Figure::Throughput;
            let picture = Picture {
                title: format!("{title} (ring of {})", payload_name(shown.ring)),
                x_label: "payload",
                y_label: if is_rate { "GB/s" } else { "median, us" },
                x_name: &|x| payload_name(*x as usize),
                lines: over_payloads(results, shown, mode, figure),
            };
            drawn.extend(save(folder, file, picture)?);
        }
    }
    let readers = Picture {
        title: "Cost of a write over attached readers, 1 KiB at 500 Hz".to_owned(),
        x_label: "readers",
        y_label: "us",
        x_name: &|x| if *x < 1.0 { "0".to_owned() } else { exact(*x) },
        // A logarithmic axis has no 0, so 0 is drawn at a half.
        lines: of_series(results, Series::Readers, |x| x.max(0.5), 1e3),
    };
    drawn.extend(save(folder, "readers.svg", readers)?);
    let copied = |line: Line| {
        let receiver = line.name.strip_suffix(", copied, p50")?.to_owned();
        Some(Line { name: receiver, ..line })
    };
    let graph = Picture {
        title: "Age of a message at receivers in and outside of a running graph, copied out".to_owned(),
        x_label: "payload",
        y_label: "median, us",
        x_name: &|x| payload_name(*x as usize),
        lines: of_series(results, Series::Graph, |x| x, 1e3).into_iter().filter_map(copied).collect(),
    };
    drawn.extend(save(folder, "graph.svg", graph)?);
    Ok(drawn)
}

fn over_payloads(results: &Results<'_>, shown: Shown, mode: Mode, figure: Figure) -> Vec<Line> {
    let scale = if figure == Figure::Throughput { 1e9 } else { 1e3 };
    let mut lines: Vec<Line> = Vec::new();
    for summary in results.summaries() {
        let Case { mode: of_mode, payload, ring: of_ring } = summary.case;
        let value = match figure {
            Figure::Write => summary.write.map(|spread| spread.p50_ns),
            Figure::Seen => summary.seen.map(|spread| spread.p50_ns),
            Figure::Read => summary.read.map(|spread| spread.p50_ns),
            Figure::Through => summary.through.map(|spread| spread.p50_ns),
            Figure::Throughput => summary.bytes_per_second,
        };
        let Some(value) = value.filter(|value| *value > 0.0) else { continue };
        if (of_mode, of_ring, summary.class) != (mode, shown.ring, shown.class) {
            continue;
        }
        let point = (payload as f64, value / scale);
        match lines.iter_mut().find(|line| line.name == summary.row) {
            Some(line) => line.points.push(point),
            None => lines.push(Line { name: summary.row.to_owned(), points: vec![point] }),
        }
    }
    lines
}

fn of_series(results: &Results<'_>, series: Series, x: impl Fn(f64) -> f64, scale: f64) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for point in results.series_points().iter().filter(|point| point.series == series) {
        let xy = (x(point.point.x), point.point.value / scale);
        match lines.iter_mut().find(|line| line.name == point.point.line) {
            Some(line) => line.points.push(xy),
            None => lines.push(Line { name: point.point.line.clone(), points: vec![xy] }),
        }
    }
    lines
}

/// A logarithmic axis whose ticks are the values that were measured.
struct Ticks {
    range: std::ops::Range<f64>,
    at: Vec<f64>,
}

impl Ranged for Ticks {
    type FormatOption = plotters::coord::ranged1d::NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let share = (value / self.range.start).ln() / (self.range.end / self.range.start).ln();
        limit.0 + (share * f64::from(limit.1 - limit.0)) as i32
    }

    fn key_points<Hint: plotters::coord::ranged1d::KeyPointHint>(&self, _hint: Hint) -> Vec<f64> {
        self.at.clone()
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.range.clone()
    }
}

impl ValueFormatter<f64> for Ticks {
    fn format(value: &f64) -> String {
        exact(*value)
    }
}

/// 1, 2 and 5 times the powers of ten within a range.
fn decimal_ticks(range: &std::ops::Range<f64>) -> Vec<f64> {
    let powers = range.start.log10().floor() as i32..=range.end.log10().ceil() as i32;
    let steps: &[f64] = if range.end / range.start > 1e4 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let ticks = powers.flat_map(|power| steps.iter().map(move |step| step * 10_f64.powi(power)));
    ticks.filter(|tick| range.contains(tick)).collect()
}

fn save(folder: &Path, file: &str, picture: Picture<'_>) -> eyre::Result<Option<Drawn>> {
    let points = || picture.lines.iter().flat_map(|line| &line.points);
    let mut xs: Vec<f64> = points().map(|point| point.0).collect();
    xs.sort_by(f64::total_cmp);
    xs.dedup();
    let ys = || points().map(|point| point.1).filter(|y| *y > 0.0);
    let (Some(&first), Some(&last)) = (xs.first(), xs.last()) else { return Ok(None) };
    let y_range = ys().fold(f64::INFINITY, f64::min) / 1.5..ys().fold(0.0, f64::max) * 1.5;
    let x = Ticks { range: first / 1.3..last * 1.3, at: xs };
    let y = Ticks { at: decimal_ticks(&y_range), range: y_range };
    let failed = |error: &dyn std::fmt::Display| eyre!("cannot draw {file}: {error}");

    let path = folder.join(file);
    let root = SVGBackend::new(&path, SIZE).into_drawing_area();
    root.fill(&WHITE).map_err(|error| failed(&error))?;
    // The legend is in the right margin, because lines may be anywhere in the plot.
    let (plot, legend) = root.split_horizontally(SIZE.0 as i32 - 230);
    let mut chart = ChartBuilder::on(&plot)
        .caption(&picture.title, ("sans-serif", 17))
        .margin(12)
        .x_label_area_size(46)
        .y_label_area_size(64)
        .build_cartesian_2d(x, y)
        .map_err(|error| failed(&error))?;
    chart
        .configure_mesh()
        .x_desc(picture.x_label)
        .y_desc(picture.y_label)
        .x_label_formatter(&picture.x_name)
        .y_label_formatter(&|y| exact(*y))
        .label_style(("sans-serif", 13))
        .axis_desc_style(("sans-serif", 15))
        .light_line_style(WHITE)
        .draw()
        .map_err(|error| failed(&error))?;
    for (index, line) in picture.lines.iter().enumerate() {
        let (colour, dash) = style(&line.name).unwrap_or((COLOURS[index % COLOURS.len()], None));
        let style = colour.stroke_width(if line.name.starts_with(OURS) { 3 } else { 2 });
        let points = line.points.iter().copied();
        match dash {
            None => chart.draw_series(LineSeries::new(points, style)).map(|_| ()),
            Some((size, gap)) => chart.draw_series(DashedLineSeries::new(points, size, gap, style)).map(|_| ()),
        }
        .map_err(|error| failed(&error))?;
        let markers = line.points.iter().map(|point| Circle::new(*point, 4, colour.filled()));
        chart.draw_series(markers).map_err(|error| failed(&error))?;
        let height = 50 + 22 * index as i32;
        let ends = [(6, height), (30, height)];
        match dash {
            None => legend.draw(&PathElement::new(ends, style)),
            Some((size, gap)) => legend.draw(&DashedPathElement::new(ends, size, gap, style)),
        }
        .map_err(|error| failed(&error))?;
        legend.draw(&Circle::new((18, height), 4, colour.filled())).map_err(|error| failed(&error))?;
        let text = Text::new(line.name.clone(), (38, height - 7), ("sans-serif", 14).into_font());
        legend.draw(&text).map_err(|error| failed(&error))?;
    }
    root.present().map_err(|error| failed(&error))?;
    Ok(Some(Drawn { file: file.to_owned(), title: picture.title }))
}
