//! A figure, its target, and the table of all.

use std::fmt;

use serde_json::{Value, json};

/// What a figure must reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    AtMost(f64),
    AtLeast(f64),
    Within(f64, f64),
    /// For information.
    None,
}

impl Target {
    fn is_reached(self, value: f64) -> Option<bool> {
        match self {
            Self::AtMost(most) => Some(value <= most),
            Self::AtLeast(least) => Some(value >= least),
            Self::Within(least, most) => Some((least..=most).contains(&value)),
            Self::None => None,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtMost(most) => format!("≤ {}", number(most)),
            Self::AtLeast(least) => format!("≥ {}", number(least)),
            Self::Within(least, most) => format!("{}–{}", number(least), number(most)),
            Self::None => String::new(),
        }
    }
}

/// One number.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    name: &'static str,
    unit: &'static str,
    value: f64,
    target: Target,
    /// What was published of the original.
    quoted: &'static str,
}

impl Figure {
    pub(crate) fn new(
        name: &'static str,
        unit: &'static str,
        value: f64,
        target: Target,
        quoted: &'static str,
    ) -> Self {
        eprintln!("  {name}: {} {unit}", number(value));
        Self {
            name,
            unit,
            value,
            target,
            quoted,
        }
    }
}

/// All figures, with what the original reached where it was measured.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<(Figure, Option<f64>)>);

impl Table {
    /// Takes ours, with the original's of the same names.
    pub(crate) fn add(&mut self, ours: Vec<Figure>, original: &[Figure]) {
        let theirs = |name| {
            original
                .iter()
                .find(|figure| figure.name == name)
                .map(|figure| figure.value)
        };
        self.0.extend(ours.into_iter().map(|figure| {
            let theirs = theirs(figure.name);
            (figure, theirs)
        }));
    }

    pub(crate) fn to_json(&self) -> String {
        let one = |(figure, original): &(Figure, Option<f64>)| {
            let original = match original {
                Some(value) => json!({ "measured": value }),
                None if figure.quoted.is_empty() => Value::Null,
                None => json!({ "quoted": figure.quoted }),
            };
            json!({
                "name": figure.name,
                "unit": figure.unit,
                "value": figure.value,
                "original": original,
                "target": figure.target.text(),
                "reached": figure.target.is_reached(figure.value),
            })
        };
        let all: Vec<Value> = self.0.iter().map(one).collect();
        format!("{:#}\n", Value::from(all))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:58}{:>12}{:>12}{:>12}",
            "", "original", "target", "ours"
        )?;
        for (figure, original) in &self.0 {
            let name = format!(
                "{}{}",
                figure.name,
                if figure.unit.is_empty() { "" } else { ", " }
            );
            let original = match original {
                Some(value) => number(*value),
                None if figure.quoted.is_empty() => "–".into(),
                None => format!("({})", figure.quoted),
            };
            let mark = match figure.target.is_reached(figure.value) {
                Some(true) => "ok",
                Some(false) => "MISSED",
                None => "",
            };
            let line = format!(
                "{:58}{original:>12}{:>12}{:>12}  {mark}",
                name + figure.unit,
                figure.target.text(),
                number(figure.value)
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        if self
            .0
            .iter()
            .any(|(figure, original)| original.is_none() && !figure.quoted.is_empty())
        {
            writeln!(f, "\n(…) quoted, not measured in this run")?;
        }
        Ok(())
    }
}

/// Three digits that count, and no more than that many decimals.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        v if v >= 100.0 || (v.fract() == 0.0 && v < 1e9) => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 0.01 => format!("{value:.2}"),
        _ => format!("{value:.5}"),
    }
}

/// The middle of some numbers; NaN if there are none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// The middle of the ratios of each to its partner, measured in turn with it.
pub(crate) fn ratio(values: &[f64], partners: &[f64]) -> f64 {
    let pairs = values.iter().zip(partners);
    median(
        &pairs
            .map(|(value, partner)| value / partner)
            .collect::<Vec<_>>(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn a_ratio_is_taken_pair_by_pair() {
        assert_eq!(ratio(&[2.0, 30.0, 4.0], &[1.0, 10.0, 1.0]), 3.0);
    }

    #[test]
    fn a_missed_target_shows() {
        let figure = |value, target| Figure::new("x", "ms", value, target, "9");
        let mut table = Table::default();
        table.add(
            vec![
                figure(2.0, Target::AtMost(1.0)),
                figure(1.0, Target::Within(0.9, 1.1)),
            ],
            &[],
        );
        let text = table.to_string();
        assert_eq!(text.matches("MISSED").count(), 1, "{text}");
        assert_eq!(text.matches("  ok\n").count(), 1, "{text}");
        assert!(table.to_json().contains("\"reached\": false"));
    }
}
