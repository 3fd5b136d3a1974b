//! Go's durations: recorded answers of `time.ParseDuration`, and round trips.

use cc_auth::util::duration::GoDuration;
use proptest::prelude::*;

use crate::support::rows;

/// Recorded from Go's `time.ParseDuration`.
#[test]
fn every_text_is_the_duration_go_reads() {
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
    fn a_duration_reads_back_as_it_is_printed(nanoseconds in any::<i64>()) {
        let duration = GoDuration::from_nanoseconds(nanoseconds);
        prop_assert_eq!(duration.to_string().parse(), Ok(duration));
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[-+.0-9hmsunµμd ]{0,40}|.{0,20}") {
        let _ = text.parse::<GoDuration>();
    }
}
