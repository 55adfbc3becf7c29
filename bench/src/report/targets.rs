//! The target figures, each with what was measured.

use serde::Serialize;

use super::aggregate::{Compared, Results};
use super::format::{duration, number};
use crate::case::Case;
use crate::measure::Figure;
use crate::probe::Class;
use crate::series::{Series, graph};
use crate::task::{Mode, PAYLOADS, RINGS, payload_name};

const KIB: usize = PAYLOADS[0];
const KIB_64: usize = PAYLOADS[1];
/// The limit for "level with", since no two runs are the same.
const LEVEL: f64 = 1.05;

/// One condition under which a figure is to be reached.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct Verdict {
    /// The figure to reach, in words; several verdicts share it.
    pub target: &'static str,
    /// Under which conditions.
    pub condition: String,
    pub class: Option<Class>,
    /// What was measured; `None`: nothing.
    pub figure: Option<String>,
    pub reached: Option<bool>,
}

/// All verdicts, in the order of the targets.
pub fn verdicts(results: &Results<'_>) -> Vec<Verdict> {
    let mut list = List { results, verdicts: Vec::new() };
    list.writes();
    list.latencies();
    list.in_place();
    list.throughput();
    list.ezmsg();
    list.series();
    list.graph();
    list.verdicts
}

struct List<'a> {
    results: &'a Results<'a>,
    verdicts: Vec<Verdict>,
}

/// One comparison to make.
struct Question<'a> {
    target: &'static str,
    row: &'a str,
    other: &'a str,
    figure: Figure,
    mode: Mode,
    payloads: &'a [usize],
    rings: &'a [usize],
    classes: &'a [Class],
}

const BOTH: &[Class] = &[Class::Near, Class::Far];

impl List<'_> {
    fn ask(&mut self, question: &Question<'_>, reached: impl Fn(Compared) -> bool) {
        let Question { target, row, other, figure, mode, .. } = *question;
        for &class in question.classes {
            for &payload in question.payloads {
                for &ring in question.rings {
                    let case = Case { mode, payload, ring };
                    let compared = self.results.compare(row, other, case, class, figure);
                    let (size, ring) = (payload_name(payload), payload_name(ring));
                    self.verdicts.push(Verdict {
                        target,
                        condition: format!(
                            "{size}, ring {ring}, {}: {} of {row} / {other}",
                            mode.name(),
                            figure.name()
                        ),
                        class: Some(class),
                        figure: compared.map(|compared| shown(figure, compared)),
                        reached: compared.map(&reached),
                    });
                }
            }
        }
    }

    fn writes(&mut self) {
        let question = |target, mode, payloads| Question {
            target,
            row: "dora-shm",
            other: "memcpy",
            figure: Figure::Write,
            mode,
            payloads,
            rings: &RINGS,
            classes: BOTH,
        };
        for mode in [Mode::AloneFlatOut, Mode::AlonePaced] {
            let large = question("write of 1 MiB and more: at least 0.97 of memcpy", mode, &PAYLOADS[2..]);
            self.ask(&large, |compared| 1.0 / compared.ratio >= 0.97);
        }
        let at_most = |limit_ns: f64| move |compared: Compared| compared.difference <= limit_ns;
        let target = "write of 64 KiB: at most memcpy + 150 ns back to back, + 500 ns paced";
        self.ask(&question(target, Mode::AloneFlatOut, &[KIB_64]), at_most(150.0));
        self.ask(&question(target, Mode::AlonePaced, &[KIB_64]), at_most(500.0));
        self.first_lap();
        let target = "write of 1 KiB, no reader: at most the copy + 150 ns back to back, + 350 ns at 500 Hz";
        self.ask(&question(target, Mode::AloneFlatOut, &[KIB]), at_most(150.0));
        self.ask(&question(target, Mode::AlonePaced, &[KIB]), at_most(350.0));
    }

    fn first_lap(&mut self) {
        for line in ["back to back, once the prefault has ended", "paced, at once"] {
            let lap = |lap| self.results.series_value(Series::Laps, line, lap);
            let ratio = lap(1.0).zip(lap(2.0)).map(|(first, second)| first / second);
            self.verdicts.push(Verdict {
                target: "first lap: at most 1.1 of later laps, paced or once the prefault has ended",
                condition: format!("64 KiB, {line}: first lap / second"),
                class: None,
                figure: ratio.map(|ratio| format!("{}x", number(ratio))),
                reached: ratio.map(|ratio| ratio <= 1.1),
            });
        }
    }

    fn latencies(&mut self) {
        let question = |target, row, other, figure, payloads| Question {
            target,
            row,
            other,
            figure,
            mode: Mode::Paced,
            payloads,
            rings: &RINGS,
            classes: BOTH,
        };
        let target = "publish to polling reader has seen it: at most 1.2 of the minimal ring, or + 0.1 us";
        let near_floor = |compared: Compared| compared.ratio <= 1.2 || compared.difference <= 100.0;
        self.ask(&question(target, "dora-shm", "minimal", Figure::Seen, &PAYLOADS), near_floor);
        let target = "publish to polling reader has seen it: level with iceoryx2 at 1 KiB, ahead from 64 KiB";
        let level = |compared: Compared| compared.ratio <= LEVEL;
        let ahead = |compared: Compared| compared.ratio < 1.0;
        self.ask(&question(target, "dora-shm", "iceoryx2", Figure::Seen, &PAYLOADS[..1]), level);
        self.ask(&question(target, "dora-shm", "iceoryx2", Figure::Seen, &PAYLOADS[1..]), ahead);
        let target = "publish to waiting reader runs: at most 1.2 of the minimal ring with a futex";
        let floor = |compared: Compared| compared.ratio <= 1.2;
        self.ask(&question(target, "dora-shm-wait", "minimal-futex", Figure::Seen, &PAYLOADS), floor);
        let target = "publish to waiting reader runs: ahead of iceoryx2's Listener";
        self.ask(&question(target, "dora-shm-wait", "iceoryx2-listener", Figure::Seen, &PAYLOADS), ahead);
        let target = "through: at most 1.2 of the minimal ring";
        self.ask(&question(target, "dora-shm", "minimal", Figure::Through, &PAYLOADS), floor);
    }

    fn in_place(&mut self) {
        let target =
            "read in place against iceoryx2 in place: ahead when far, level when near with a ring that fits the cache";
        let question = |figure, classes, rings| Question {
            target,
            row: "dora-shm-in-place",
            other: "iceoryx2-in-place",
            figure,
            mode: Mode::Paced,
            payloads: &PAYLOADS[2..],
            rings,
            classes,
        };
        for figure in [Figure::Read, Figure::Through] {
            self.ask(&question(figure, &[Class::Near], &RINGS[1..]), |compared| compared.ratio <= LEVEL);
            self.ask(&question(figure, &[Class::Far], &RINGS), |compared| compared.ratio < 1.0);
        }
    }

    fn throughput(&mut self) {
        let question = |target, other, payloads, classes| Question {
            target,
            row: "dora-shm",
            other,
            figure: Figure::Throughput,
            mode: Mode::Lossless,
            payloads,
            rings: &RINGS,
            classes,
        };
        let target = "lossless throughput: at least 0.95 of the minimal ring from 1 MiB";
        self.ask(&question(target, "minimal", &PAYLOADS[2..], BOTH), |compared| compared.ratio >= 0.95);
        let ahead = |compared: Compared| compared.ratio > 1.0;
        for (other, target) in [
            ("iceoryx2", "lossless throughput: ahead of iceoryx2 when far, and near up to 64 KiB"),
            ("zenoh", "lossless throughput: ahead of zenoh when far, and near up to 64 KiB"),
        ] {
            self.ask(&question(target, other, &PAYLOADS[..2], &[Class::Near]), ahead);
            self.ask(&question(target, other, &PAYLOADS, &[Class::Far]), ahead);
        }
    }

    fn ezmsg(&mut self) {
        let question = |target, other, figure, mode, payloads| Question {
            target,
            row: "ezmsg",
            other,
            figure,
            mode,
            payloads,
            rings: &RINGS,
            classes: BOTH,
        };
        let at_least = |times: f64| move |compared: Compared| compared.ratio >= times;
        let target = "against ezmsg-tools 0.10: write cost 100x lower at 1 KiB, 10x at 64 KiB";
        let write = |payloads| question(target, "dora-shm", Figure::Write, Mode::AlonePaced, payloads);
        self.ask(&write(&[KIB]), at_least(100.0));
        self.ask(&write(&[KIB_64]), at_least(10.0));
        for (reader, target) in [
            (
                "dora-shm-wait",
                "against ezmsg-tools 0.10: latency of a waiting reader at least 3x below its busy poll, 1 and 64 KiB",
            ),
            (
                "dora-shm-wait-spin",
                "against ezmsg-tools 0.10: the same of a waiting reader that spins while a message is due",
            ),
        ] {
            let seen = question(target, reader, Figure::Seen, Mode::Paced, &PAYLOADS[..2]);
            self.ask(&seen, at_least(3.0));
        }
    }

    fn series(&mut self) {
        let cost = |line: &str, readers| self.results.series_value(Series::Readers, &format!("{line}, p50"), readers);
        let mut verdicts = Vec::new();
        for readers in [1.0, 8.0, 64.0] {
            let pair = cost("not waiting", 0.0).zip(cost("not waiting", readers));
            verdicts.push(Verdict {
                target: "readers attached but not waiting: no growth (at most 1.1, or + 50 ns)",
                condition: format!("{readers} readers against none"),
                class: None,
                figure: pair.map(|(none, some)| format!("{} against {}", duration(some), duration(none))),
                reached: pair.map(|(none, some)| some <= 1.1 * none || some - none <= 50.0),
            });
        }
        for readers in [8.0, 64.0] {
            let line = "waiting, on the other core";
            let pair = cost(line, 1.0).zip(cost(line, readers));
            verdicts.push(Verdict {
                target: "readers waiting: at most one wake + 3 us, with a core to spare",
                condition: format!("{readers} readers against one"),
                class: None,
                figure: pair.map(|(one, some)| format!("{} against {}", duration(some), duration(one))),
                reached: pair.map(|(one, some)| some - one <= 3000.0),
            });
        }
        let points = self.results.series_points();
        for (what, unit, limit) in [("wake-ups", "1/s", 10.0), ("CPU", "% of a core", 0.05)] {
            for who in ["live writer", "waiting reader"] {
                let line = format!("{who}, {what}");
                let value = points.iter().find(|point| point.series == Series::Idle && point.point.line == line);
                let value = value.map(|point| point.point.value);
                verdicts.push(Verdict {
                    target: "idle: at most 10 wake-ups a second each, 0.0 % of a core",
                    condition: line,
                    class: None,
                    figure: value.map(|value| format!("{} {unit}", number(value))),
                    reached: value.map(|value| value <= limit),
                });
            }
        }
        self.verdicts.append(&mut verdicts);
    }
}

impl List<'_> {
    fn graph(&mut self) {
        let value = |receiver: &str, what: &str, payload: usize| {
            let line = format!("{receiver}, {what}, p50");
            self.results.series_value(Series::Graph, &line, payload as f64)
        };
        let mut verdicts = Vec::new();
        let mut add = |target, condition: String, pair: Option<(f64, f64)>, limit: &dyn Fn(f64) -> f64| {
            verdicts.push(Verdict {
                target,
                condition,
                class: None,
                figure: pair.map(|(one, other)| format!("{} against {}", duration(one), duration(other))),
                reached: pair.map(|(one, other)| one <= limit(other)),
            });
        };
        for (payload, allowed_ns) in PAYLOADS.into_iter().zip([10e3, 10e3, 40e3, 160e3]) {
            let size = payload_name(payload);
            let copy = self.results.figure_in_any_class("memcpy", Figure::Write, Mode::AlonePaced, payload);
            for (what, how) in [("received", "in hand in place"), ("copied", "copied out")] {
                add(
                    "graph to outside reader: the sink's receipt + a memcpy + 10 us up to 64 KiB, + 40 us at 1 MiB, + 160 us at 6 MB",
                    format!("{size}: {how} / the sink's receipt"),
                    value(graph::OUTSIDE, what, payload).zip(value(graph::OUTSIDE, "received by its sink", payload)),
                    &move |receipt| receipt + copy.unwrap_or(0.0) + allowed_ns,
                );
            }
            add(
                "graph to outside reader: within 1.25 of a dynamic Rust node up to 64 KiB, larger reported",
                format!("{size}: outside reader / dynamic Rust node, both with their copy"),
                value(graph::OUTSIDE, "copied", payload).zip(value(graph::DYNAMIC_RUST, "copied", payload)),
                &move |node| if payload <= KIB_64 { 1.25 * node } else { f64::INFINITY },
            );
            add(
                "graph A to graph B by the mirror: at most two direct edges + 25 us + two memcpys",
                format!("{size}: node behind the mirror / static Rust node, as received"),
                value(graph::MIRRORED, "received", payload).zip(value(graph::STATIC, "received", payload)),
                &move |edge| 2.0 * edge + 25e3 + 2.0 * copy.unwrap_or(0.0),
            );
        }
        self.verdicts.append(&mut verdicts);
    }
}

fn shown(figure: Figure, compared: Compared) -> String {
    let ratio = number(compared.ratio);
    match figure {
        Figure::Throughput => format!("{ratio}x ({} rounds)", compared.rounds),
        _ => {
            let sign = if compared.difference < 0.0 { "-" } else { "+" };
            format!("{ratio}x, {sign} {} ({} rounds)", duration(compared.difference.abs()), compared.rounds)
        }
    }
}

/// One target's verdicts in one class, together.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct Together {
    pub target: &'static str,
    pub class: Option<Class>,
    pub reached: usize,
    pub measured: usize,
    pub asked: usize,
    /// What was not reached.
    pub missed: Vec<String>,
}

impl Together {
    /// The verdict in words.
    pub fn verdict(&self) -> &'static str {
        match (self.measured, self.reached) {
            (0, _) => "not measured",
            (measured, reached) if measured == reached => "reached",
            _ => "not reached",
        }
    }
}

/// By target and class.
pub fn together(verdicts: &[Verdict]) -> Vec<Together> {
    let mut list: Vec<Together> = Vec::new();
    for verdict in verdicts {
        let known = list.iter().position(|known| known.target == verdict.target && known.class == verdict.class);
        let index = known.unwrap_or_else(|| {
            let (target, class) = (verdict.target, verdict.class);
            list.push(Together { target, class, reached: 0, measured: 0, asked: 0, missed: Vec::new() });
            list.len() - 1
        });
        let entry = &mut list[index];
        entry.asked += 1;
        entry.measured += usize::from(verdict.reached.is_some());
        entry.reached += usize::from(verdict.reached == Some(true));
        if verdict.reached == Some(false) {
            let figure = verdict.figure.as_deref().unwrap_or_default();
            entry.missed.push(format!("{}: {figure}", verdict.condition));
        }
    }
    list
}
