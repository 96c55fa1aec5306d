//! An error of one rank becomes the error of all: before it is met inside a collective call,
//! where the others would wait for a rank that has left.

use collectives::Collective;
use serde_json::Value;

use crate::error::{TrainError, chain};

/// Goes on only when every rank's `result` is good. All ranks must call it.
///
/// # Errors
/// [`TrainError::Agreed`] on every rank when one has failed.
pub(crate) fn agree<T>(
    collective: &mut dyn Collective,
    result: Result<T, TrainError>,
) -> Result<T, TrainError> {
    let own = result
        .as_ref()
        .err()
        .map(|error| chain(error))
        .unwrap_or_default();
    let all: Vec<String> = collective
        .all_gather(own.as_bytes())?
        .iter()
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        .collect();
    match result {
        Ok(value) if all.iter().all(String::is_empty) => Ok(value),
        Err(error) if all.len() == 1 => Err(error),
        _ => Err(TrainError::Agreed {
            message: summarize(&all),
        }),
    }
}

/// Every message once: alone where all ranks say the same, else behind the ranks that say it.
fn summarize(all: &[String]) -> String {
    if all.iter().all(|message| *message == all[0]) {
        return all[0].clone();
    }
    let mut ranks_of: Vec<(&str, Vec<String>)> = Vec::new();
    for (rank, message) in all.iter().enumerate().filter(|(_, message)| !message.is_empty()) {
        match ranks_of.iter_mut().find(|(said, _)| said == message) {
            Some((_, ranks)) => ranks.push(rank.to_string()),
            None => ranks_of.push((message.as_str(), vec![rank.to_string()])),
        }
    }
    let line = |(message, ranks): &(&str, Vec<String>)| match ranks.as_slice() {
        [rank] => format!("rank {rank}: {message}"),
        ranks => format!("ranks {}: {message}", ranks.join(", ")),
    };
    ranks_of.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Runs `work` on rank 0 while the others wait, and goes on only when it succeeded.
///
/// # Errors
/// [`TrainError::Agreed`] on every rank when it failed.
pub(crate) fn on_first_rank<T>(
    collective: &mut dyn Collective,
    work: impl FnOnce() -> Result<T, TrainError>,
) -> Result<Option<T>, TrainError> {
    let result = if collective.rank().0 == 0 {
        work().map(Some)
    } else {
        Ok(None)
    };
    agree(collective, result)
}

/// Compares `own` over ranks, field by field.
///
/// # Errors
/// [`TrainError::RanksDiffer`] on every rank, with the first rank that differs from rank 0.
pub(crate) fn compare(collective: &mut dyn Collective, own: &Value) -> Result<(), TrainError> {
    let all = collective.all_gather(own.to_string().as_bytes())?;
    let parse = |bytes: &Vec<u8>| serde_json::from_slice::<Value>(bytes).unwrap_or(Value::Null);
    let first = parse(&all[0]);
    for (rank, other) in (0..).zip(&all) {
        let differences = config_file::differences(&first, &parse(other));
        if !differences.is_empty() {
            let fields: Vec<String> = differences.iter().map(ToString::to_string).collect();
            return Err(TrainError::RanksDiffer {
                rank,
                fields: fields.join(", "),
            });
        }
    }
    Ok(())
}

/// An error that every rank has found by itself.
pub(crate) fn agreed(error: &TrainError) -> TrainError {
    TrainError::Agreed {
        message: chain(error),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use collectives::Threads;
    use serde_json::json;

    use super::*;
    use crate::{commands::replay::error::ReplayError, run::tests::on_every_rank};

    fn on_two_ranks<T: Send>(work: impl Fn(&mut dyn Collective) -> T + Sync) -> Vec<T> {
        on_every_rank(Threads::world(2, Duration::from_secs(20)), work)
    }

    #[test]
    fn one_ranks_error_is_everybodys_with_its_number() {
        let messages = on_two_ranks(|collective| {
            let failed = collective.rank().0 == 1;
            let result = if failed {
                Err(ReplayError::NoSuchStep {
                    step: 0,
                    max_steps: 5,
                }
                .into())
            } else {
                Ok(())
            };
            agree(collective, result).unwrap_err().to_string()
        });
        assert!(
            messages
                .iter()
                .all(|message| message.starts_with("rank 1: --step 0")),
            "{messages:?}"
        );
    }

    #[test]
    fn the_same_error_is_said_once() {
        let messages = on_two_ranks(|collective| {
            agree::<()>(collective, Err(TrainError::NothingHeldOut))
                .unwrap_err()
                .to_string()
        });
        assert!(
            messages
                .iter()
                .all(|message| *message == TrainError::NothingHeldOut.to_string()),
            "{messages:?}"
        );
    }

    #[test]
    fn each_of_several_errors_is_said_once_behind_its_ranks() {
        let messages = ["", "a full disk", "no corpus", "a full disk"].map(str::to_owned);
        assert_eq!(summarize(&messages), "ranks 1, 3: a full disk\nrank 2: no corpus");
    }

    #[test]
    fn a_differing_rank_and_field_are_named() {
        let errors = on_two_ranks(|collective| {
            let own = json!({"corpus": "a", "config": {"training": {"max_steps": 10 + collective.rank().0}}});
            compare(collective, &own).unwrap_err().to_string()
        });
        assert!(
            errors.iter().all(|error| error.contains("rank 1 differs")
                && error.contains("`config.training.max_steps`: 10 against 11")),
            "{errors:?}"
        );
    }

    #[test]
    fn equal_ranks_go_on() {
        assert!(
            on_two_ranks(|collective| compare(collective, &json!({"corpus": 1})).is_ok())
                .into_iter()
                .all(|good| good)
        );
    }
}
