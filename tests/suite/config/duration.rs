//! Go durations: recorded results of `time.ParseDuration`, and round trips.

use cc_auth::util::duration::GoDuration;
use proptest::prelude::*;

use crate::support::rows;

/// Recorded from Go's `time.ParseDuration`.
#[test]
fn duration_parses_as_in_go() {
    let rows = rows("duration.jsonl");
    assert_eq!(rows.len(), 67);
    for row in rows {
        let read = row["input"].as_str().unwrap().parse::<GoDuration>().ok();
        let expected = row["ns"].as_str().map(|text| text.parse::<i64>().unwrap());
        assert_eq!(read.map(GoDuration::nanoseconds), expected, "{row}");
    }
}

proptest! {
    #[test]
    fn duration_display_round_trips(nanoseconds in any::<i64>()) {
        let duration = GoDuration::from_nanoseconds(nanoseconds);
        prop_assert_eq!(duration.to_string().parse(), Ok(duration));
    }

    #[test]
    fn duration_arbitrary_text_does_not_panic(text in "[-+.0-9hmsunµμd ]{0,40}|.{0,20}") {
        let _ = text.parse::<GoDuration>();
    }
}
