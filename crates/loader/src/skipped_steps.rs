//! Steps that are passed over: `data.skip_steps`.
//!
//! Steps are numbered as `metrics.jsonl` and `tenk-pretrain replay` do: step N is the batch
//! that finished step N, from 1 on. All other steps keep their batches.

use std::ops::Range;

use crate::error::LoaderError;
use crate::ids::Step;

/// Ranges of steps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SkippedSteps {
    ranges: Vec<Range<u64>>,
}

impl SkippedSteps {
    /// Reads `"41200..41250"` (50 steps: 41,250 is not skipped), `"41200..=41250"` (51) and
    /// `"41200"` (one).
    ///
    /// # Errors
    /// [`LoaderError::SkipSteps`] for anything else, for step 0 and for an empty range.
    pub fn parse<T: AsRef<str>>(ranges: &[T]) -> Result<Self, LoaderError> {
        let parse = |text: &T| {
            let text = text.as_ref();
            parse_range(text)
                .filter(|range| range.start > 0 && !range.is_empty())
                .ok_or_else(|| LoaderError::SkipSteps {
                    text: text.to_owned(),
                })
        };
        let ranges = ranges.iter().map(parse).collect::<Result<_, _>>()?;
        Ok(Self { ranges })
    }

    /// Whether the batch that would finish step `number` is passed over.
    pub fn contains(&self, number: u64) -> bool {
        self.ranges.iter().any(|range| range.contains(&number))
    }

    /// How many steps of a range are passed over.
    pub fn num_in(&self, steps: Range<u64>) -> u64 {
        let mut ranges = self.ranges.clone();
        ranges.sort_by_key(|range| range.start);
        let mut begin = steps.start;
        let mut num = 0;
        for range in ranges {
            let (first, end) = (range.start.max(begin), range.end.min(steps.end));
            num += end.saturating_sub(first);
            begin = begin.max(end);
        }
        num
    }

    /// Whether the batch that is drawn at `step` is passed over.
    pub(crate) fn skips_batch_at(&self, step: Step) -> bool {
        self.contains(step.0 + 1)
    }
}

fn parse_range(text: &str) -> Option<Range<u64>> {
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let Some((first, last)) = text.split_once("..") else {
        let only = number(text)?;
        return Some(only..only.checked_add(1)?);
    };
    let end = match last.strip_prefix('=') {
        Some(last) => number(last)?.checked_add(1)?,
        None => number(last)?,
    };
    Some(number(first)?..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(ranges: &[&str]) -> Vec<u64> {
        let skipped = SkippedSteps::parse(ranges).unwrap();
        (0..20).filter(|&number| skipped.contains(number)).collect()
    }

    #[test]
    fn ranges_leave_out_or_take_in_their_last_step_as_they_say() {
        assert_eq!(steps(&["4..7"]), [4, 5, 6]);
        assert_eq!(steps(&["4..=7"]), [4, 5, 6, 7]);
        assert_eq!(steps(&["4", " 9 .. 11 ", "1"]), [1, 4, 9, 10]);
        assert!(steps(&[]).is_empty());
    }

    #[test]
    fn a_step_is_named_by_the_number_that_it_finishes() {
        let skipped = SkippedSteps::parse(&["4..6"]).unwrap();
        let at: Vec<u64> = (0..9)
            .filter(|&step| skipped.skips_batch_at(Step(step)))
            .collect();
        assert_eq!(at, [3, 4]);
    }

    #[test]
    fn what_is_no_range_is_refused_with_its_text() {
        for wrong in [
            "", "..", "4..", "..4", "4..4", "7..4", "0..3", "0", "x", "-1", "4...7", "4..=3",
        ] {
            let error = SkippedSteps::parse(&["1..2", wrong]).unwrap_err();
            let text = error.to_string();
            assert!(
                text.contains("data.skip_steps") && text.contains(&format!("{wrong:?}")),
                "{text}"
            );
        }
    }

    #[test]
    fn steps_of_a_range_are_counted_once_although_ranges_overlap() {
        let skipped = SkippedSteps::parse(&["10..20", "15..=24", "3", "40..50"]).unwrap();
        for range in [0..60, 0..3, 4..12, 16..45, 24..25, 25..40, 49..49] {
            let expected = range.clone().filter(|step| skipped.contains(*step)).count() as u64;
            assert_eq!(skipped.num_in(range.clone()), expected, "{range:?}");
        }
    }
}
