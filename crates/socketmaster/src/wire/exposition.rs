//! Metrics as text, in either of the two formats that Prometheus reads. They differ in what a counter's family is
//! called, and in the end.

use std::fmt::Write;

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus's own, version 0.0.4: what `promtool check metrics` reads.
    Prometheus,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The one to answer in to a client that accepts this (RFC 9110, 12.5.1).
    #[must_use]
    pub fn accepted(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    /// Its media type.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The text as it grows, family by family.
#[derive(Debug)]
pub struct Page {
    format: Format,
    text: String,
}

impl Page {
    /// An empty one.
    #[must_use]
    pub fn new(format: Format) -> Self {
        let text = String::new();
        Self { format, text }
    }

    /// A gauge, with its value for each set of labels.
    pub fn gauge<'a>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'a>, f64)>,
    ) {
        self.head(name, "gauge", help);
        for (labels, value) in samples {
            self.sample(name, labels, value);
        }
    }

    /// A counter, whose name ends in `_total`.
    pub fn counter<'a>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'a>, u64)>,
    ) {
        let family = match self.format {
            Format::Prometheus => name,
            Format::OpenMetrics => name.strip_suffix("_total").unwrap_or(name),
        };
        self.head(family, "counter", help);
        for (labels, value) in samples {
            self.sample(name, labels, value as f64);
        }
    }

    /// A histogram: how many are at most each bound but not below the one before, how many there are, and their sum.
    pub fn histogram(
        &mut self,
        name: &str,
        help: &str,
        parts: impl IntoIterator<Item = (f64, u64)>,
        count: u64,
        sum: f64,
    ) {
        self.head(name, "histogram", help);
        let bucket = format!("{name}_bucket");
        let mut below = 0;
        for (bound, part) in parts {
            below += part;
            self.sample(&bucket, Some(("le", &format!("{bound:?}"))), below as f64);
        }
        self.sample(&bucket, Some(("le", "+Inf")), count as f64);
        self.sample(&format!("{name}_sum"), None, sum);
        self.sample(&format!("{name}_count"), None, count as f64);
    }

    /// The whole text.
    #[must_use]
    pub fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let help = escaped(help);
        // Writing to memory does not fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: Labels<'_>, value: f64) {
        self.text.push_str(name);
        if let Some((label, value)) = labels {
            let _ = write!(self.text, "{{{label}=\"{}\"}}", escaped(value));
        }
        let _ = writeln!(self.text, " {value}");
    }
}

/// The label of a sample and its value: none of ours needs two.
pub type Labels<'a> = Option<(&'a str, &'a str)>;

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(format: Format) -> String {
        let mut page = Page::new(format);
        page.gauge("up", "Whether.", [(Some(("at", "a\"\\\n")), 1.0)]);
        page.counter("ends_total", "Ends.", [(None, 3)]);
        page.histogram("took_seconds", "Time.", [(0.5, 2), (1.0, 1)], 4, 12.25);
        page.finish()
    }

    #[test]
    fn both_formats_to_the_letter() {
        let prometheus = page(Format::Prometheus);
        assert_eq!(
            prometheus,
            "# HELP up Whether.\n# TYPE up gauge\nup{at=\"a\\\"\\\\\\n\"} 1\n\
             # HELP ends_total Ends.\n# TYPE ends_total counter\nends_total 3\n\
             # HELP took_seconds Time.\n# TYPE took_seconds histogram\n\
             took_seconds_bucket{le=\"0.5\"} 2\ntook_seconds_bucket{le=\"1.0\"} 3\n\
             took_seconds_bucket{le=\"+Inf\"} 4\ntook_seconds_sum 12.25\ntook_seconds_count 4\n"
        );
        let wanted = prometheus
            .replace("HELP ends_total", "HELP ends")
            .replace("TYPE ends_total", "TYPE ends");
        assert_eq!(page(Format::OpenMetrics), wanted + "# EOF\n");
    }

    #[test]
    fn the_client_chooses() {
        let newer = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5";
        assert_eq!(Format::accepted(newer), Format::OpenMetrics);
        assert_eq!(Format::accepted("*/*"), Format::Prometheus);
    }
}
