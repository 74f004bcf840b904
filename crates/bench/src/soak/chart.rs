//! The curves as a picture: one panel a figure, all over the same seconds.

use std::fmt::Write as _;

use super::samples::{Sample, thinned};

const WIDTH: f64 = 720.0;
const PANEL: f64 = 110.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 24.0;
const PLOT: f64 = 70.0;

type Figure = (&'static str, fn(&Sample) -> f64);

const FIGURES: [Figure; 5] = [
    ("memory of the server (VmRSS), MB", |sample| sample.memory_mb),
    ("open files of the server", |sample| sample.open_files),
    ("soku.db-wal, MB", |sample| sample.wal_mb),
    ("spool, MB", |sample| sample.spool_mb),
    ("uploads so far", |sample| sample.uploads),
];

pub(super) fn svg(taken: &[Sample]) -> String {
    let points = thinned(taken);
    let seconds = points.last().map_or(1.0, |last| last.second.max(1.0));
    let height = PANEL * FIGURES.len() as f64 + 10.0;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    for (nth, (title, of)) in FIGURES.iter().enumerate() {
        let top = PANEL * nth as f64 + TOP;
        let most = round_up(points.iter().map(of).fold(0.0, f64::max));
        let (right, bottom) = (WIDTH - 20.0, top + PLOT);
        let _ = writeln!(
            text,
            "<text x=\"{LEFT}\" y=\"{}\" fill=\"#222\">{title}</text>\n\
             <path d=\"M{LEFT} {top}V{bottom}H{right}\" fill=\"none\" stroke=\"#999\"/>\n\
             <g fill=\"#666\" text-anchor=\"end\"><text x=\"{}\" y=\"{}\">{most}</text><text x=\"{}\" y=\"{bottom}\">0</text>\
             <text x=\"{right}\" y=\"{}\">{seconds:.0} s</text></g>",
            top - 8.0,
            LEFT - 6.0,
            top + 8.0,
            LEFT - 6.0,
            bottom + 13.0,
        );
        let _ = write!(text, "<polyline fill=\"none\" stroke=\"#1f6feb\" stroke-width=\"1.2\" points=\"");
        for sample in &points {
            let x = LEFT + (right - LEFT) * sample.second / seconds;
            let _ = write!(text, "{x:.1},{:.1} ", bottom - PLOT * of(sample) / most);
        }
        let _ = writeln!(text, "\"/>");
    }
    text.push_str("</svg>\n");
    text
}

/// The next of 1, 2, 5, 10, … that is not below.
fn round_up(value: f64) -> f64 {
    let mut step = 1.0;
    loop {
        for factor in [1.0, 2.0, 5.0] {
            if factor * step >= value {
                return factor * step;
            }
        }
        step *= 10.0;
    }
}
