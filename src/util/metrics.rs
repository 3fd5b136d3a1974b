//! The text format of Prometheus.

use std::fmt::Write as _;

/// Metrics as text.
#[derive(Debug, Default)]
pub struct Metrics {
    text: String,
    name: &'static str,
}

impl Metrics {
    /// Begins a gauge. Its samples follow.
    pub fn gauge(&mut self, name: &'static str, help: &'static str) {
        self.name = name;
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} gauge");
    }

    /// Adds a sample of the gauge. Label values may be any text.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: &str) {
        self.text.push_str(self.name);
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
