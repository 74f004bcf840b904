//! What was measured, as rows of a Markdown table: medians, spreads, and whether the mark was reached.

use std::fmt::Write as _;

/// One measured thing against its baseline.
pub(crate) struct Row {
    pub(crate) work: String,
    pub(crate) baseline: String,
    /// What `soku` did, with its unit, once a round.
    pub(crate) subject: Vec<f64>,
    /// What the baseline did in the same rounds; empty where the mark is absolute.
    pub(crate) against: Vec<f64>,
    pub(crate) unit: &'static str,
    pub(crate) mark: Mark,
}

/// What is to be reached.
pub(crate) enum Mark {
    /// The ratio to the baseline is at least this.
    AtLeast(f64),
    /// The ratio to the baseline is at most this.
    AtMost(f64),
    /// The figure itself is at most this.
    Absolute(f64),
}

/// The median of some figures; 0 where there are none.
pub(crate) fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        len if len % 2 == 1 => sorted[len / 2],
        len => f64::midpoint(sorted[len / 2 - 1], sorted[len / 2]),
    }
}

impl Row {
    /// Subject over baseline, round by round.
    fn ratios(&self) -> Vec<f64> {
        self.subject.iter().zip(&self.against).map(|(subject, against)| subject / against).collect()
    }

    /// Whether the mark is reached.
    pub(crate) fn is_reached(&self) -> bool {
        let ratio = median(&self.ratios());
        match self.mark {
            Mark::AtLeast(mark) => ratio >= mark,
            Mark::AtMost(mark) => ratio <= mark,
            Mark::Absolute(mark) => median(&self.subject) <= mark,
        }
    }

    fn line(&self) -> String {
        let figure = median(&self.subject);
        let ratios = self.ratios();
        let ratio = median(&ratios);
        let reach = match self.mark {
            Mark::AtLeast(mark) => format!("≥ {mark} ×"),
            Mark::AtMost(mark) => format!("≤ {mark} ×"),
            Mark::Absolute(mark) => format!("≤ {mark} {}", self.unit),
        };
        let against = if self.against.is_empty() {
            "–".to_owned()
        } else {
            format!("{:.1} {}", median(&self.against), self.unit)
        };
        let spread = if ratios.is_empty() {
            "–".to_owned()
        } else {
            let low = ratios.iter().copied().fold(f64::INFINITY, f64::min);
            let high = ratios.iter().copied().fold(0.0, f64::max);
            format!("**{ratio:.2}** ({low:.2}–{high:.2})")
        };
        format!(
            "| {} | {} | {figure:.1} {} | {against} | {spread} | {reach} | {} |",
            self.work,
            self.baseline,
            self.unit,
            if self.is_reached() { "yes" } else { "**no**" }
        )
    }
}

/// The table of all rows.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = "| work | baseline | soku | baseline's figure | ratio (spread) | to reach | reached |\n|---|---|---|---|---|---|---|\n".to_owned();
    for row in rows {
        let _ = writeln!(text, "{}", row.line());
    }
    text
}
