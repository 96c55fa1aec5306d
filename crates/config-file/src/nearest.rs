//! The known word that a misspelled one was probably meant to be.

/// The word of `known` with the fewest typing errors from `word`, when they are few.
///
/// At most a third of the letters may differ: `max_step` is `max_steps`, but `color` is not
/// `cohort`. Of equally near words the first wins.
pub(crate) fn nearest<'a>(word: &str, known: &'a [String]) -> Option<&'a String> {
    let limit = (word.chars().count() / 3).max(1);
    known
        .iter()
        .map(|candidate| (typing_errors(word, candidate), candidate))
        .filter(|(errors, _)| *errors <= limit)
        .min_by_key(|(errors, _)| *errors)
        .map(|(_, candidate)| candidate)
}

/// Letters left out, added, replaced or swapped with their neighbor (optimal string
/// alignment).
fn typing_errors(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    let mut rows = vec![(0..=right.len()).collect::<Vec<usize>>()];
    for i in 1..=left.len() {
        let mut row = vec![i];
        for j in 1..=right.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(left[i - 1] != right[j - 1]);
            let mut errors = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            let is_swap = i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1];
            if is_swap {
                errors = errors.min(rows[i - 2][j - 2] + 1);
            }
            row.push(errors);
        }
        rows.push(row);
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_counted() {
        for (left, right, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("max_step", "max_steps", 1),
            ("wramup", "warmup", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(typing_errors(left, right), expected, "{left} {right}");
        }
    }

    #[test]
    fn only_a_near_word_is_suggested() {
        let known = ["warmup_steps", "kind", "seed"].map(str::to_owned);
        assert_eq!(nearest("warmup_step", &known), Some(&known[0]));
        assert_eq!(nearest("sede", &known), Some(&known[2]));
        assert_eq!(nearest("learning_rate", &known), None);
        assert_eq!(nearest("x", &[]), None);
    }
}
