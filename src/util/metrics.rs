//! The text format of Prometheus.

use std::fmt::Write as _;

/// Metrics as text.
#[derive(Debug, Default)]
pub struct Metrics {
    text: String,
    prefix: &'static str,
    name: &'static str,
}

impl Metrics {
    /// Creates metrics whose names have this prefix.
    #[must_use]
    pub fn with_prefix(prefix: &'static str) -> Self {
        Self { prefix, ..Self::default() }
    }

    /// Begins a gauge. Its samples follow.
    pub fn gauge(&mut self, name: &'static str, help: &'static str) {
        self.begin(name, "gauge", help);
    }

    /// Begins a counter. Its samples follow.
    pub fn counter(&mut self, name: &'static str, help: &'static str) {
        self.begin(name, "counter", help);
    }

    /// Begins a histogram. Its parts follow: `_bucket`, `_sum`, `_count`.
    pub fn histogram(&mut self, name: &'static str, help: &'static str) {
        self.begin(name, "histogram", help);
    }

    fn begin(&mut self, name: &'static str, kind: &str, help: &str) {
        self.name = name;
        let prefix = self.prefix;
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "# HELP {prefix}{name} {help}\n# TYPE {prefix}{name} {kind}");
    }

    /// Adds a sample. Label values may be any text.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.part("", labels, value);
    }

    /// Adds a sample whose name has this end.
    pub fn part(&mut self, end: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        for piece in [self.prefix, self.name, end] {
            self.text.push_str(piece);
        }
        for (index, (label, content)) in labels.iter().enumerate() {
            self.text.push(if index == 0 { '{' } else { ',' });
            self.text.push_str(label);
            self.text.push_str("=\"");
            for character in content.chars() {
                match character {
                    '\\' => self.text.push_str("\\\\"),
                    '"' => self.text.push_str("\\\""),
                    '\n' => self.text.push_str("\\n"),
                    other => self.text.push(other),
                }
            }
            self.text.push('"');
        }
        let end = if labels.is_empty() { " " } else { "} " };
        let _ = writeln!(self.text, "{end}{value}");
    }

    /// Returns the text of the file.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_values_are_escaped() {
        let mut metrics = Metrics::default();
        metrics.gauge("cc_x", "Help.");
        metrics.sample(&[("a", "q\"b\\c\nd"), ("e", "é")], "1");
        metrics.sample(&[], "2");
        let expected =
            "# HELP cc_x Help.\n# TYPE cc_x gauge\ncc_x{a=\"q\\\"b\\\\c\\nd\",e=\"é\"} 1\ncc_x 2\n";
        assert_eq!(metrics.into_text(), expected);
    }
}
