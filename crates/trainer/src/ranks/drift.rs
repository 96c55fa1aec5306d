//! Notices replicas that have drifted apart: `parallel.check_every`.
//!
//! All ranks take the same optimizer step on the same gradients, so their parameters are equal
//! to the bit. Where they are not, a memory, a processor or this program is at fault, and the
//! ranks' gradients no longer belong to one model.

use collectives::Collective;
use model::Parameters;
use torch_native::tensor_bytes;
use xxhash_rust::xxh3::xxh3_64;

use crate::error::TrainError;

/// Compares the parameters of all ranks; a hash of each goes over the network.
///
/// # Errors
/// [`TrainError::Drift`] on all ranks, with the first rank that differs from most others and its
/// first parameter that does.
pub(crate) fn check(
    collective: &mut dyn Collective,
    parameters: &Parameters,
    step: u64,
) -> Result<(), TrainError> {
    if collective.world_size() == 1 {
        return Ok(());
    }
    let own = hashes(parameters)?;
    let bytes: Vec<u8> = own.iter().flat_map(|hash| hash.to_le_bytes()).collect();
    let all = collective.all_gather(&bytes)?;
    let reference = most_common(&all);
    let Some((rank, drifted)) = (0..).zip(&all).find(|(_, other)| *other != reference) else {
        return Ok(());
    };
    let differs =
        |index: &usize| drifted.as_chunks::<8>().0.get(*index) != reference.as_chunks::<8>().0.get(*index);
    let first = (0..own.len()).find(differs);
    let name = first
        .and_then(|index| parameters.infos().get(index))
        .map(|info| info.name.clone());
    Err(TrainError::Drift {
        step,
        rank,
        parameter: name.unwrap_or_default(),
    })
}

/// The hash of every parameter, in the order of the flat buffer.
fn hashes(parameters: &Parameters) -> Result<Vec<u64>, TrainError> {
    let hash = |info| {
        let parameter = parameters.elements_of(parameters.flat(), info)?;
        Ok(xxh3_64(&tensor_bytes(&parameter)?))
    };
    parameters.infos().iter().map(hash).collect()
}

/// What most ranks have; of several equally common the one of the lowest rank.
fn most_common(all: &[Vec<u8>]) -> &[u8] {
    let count = |candidate: &&Vec<u8>| all.iter().filter(|other| other == candidate).count();
    // Of equals `max_by_key` takes the last, so the lowest rank comes last.
    all.iter().rev().max_by_key(count).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use collectives::Threads;
    use model::{Precision, RobertaForMaskedLm};
    use tch::Device;

    use super::*;
    use crate::{config::tests::tiny, run::tests::on_every_rank};

    /// What every rank of three says when these ranks have changed these parameters.
    fn said(changes: &[(u32, &str)]) -> Vec<String> {
        on_every_rank(Threads::world(3, Duration::from_mins(1)), |collective| {
            let mut model =
                RobertaForMaskedLm::new(&tiny(&[]).model.config, Precision::F32, Device::Cpu).unwrap();
            model.initialize(1).unwrap();
            let parameters = model.parameters();
            for (_, name) in changes.iter().filter(|(rank, _)| *rank == collective.rank().0) {
                let views = parameters.views_of(parameters.flat()).unwrap();
                let (_, view) = views.iter().find(|(other, _)| other == name).unwrap();
                let _ = tch::no_grad(|| view.view([-1]).get(0).fill_(f64::EPSILON));
            }
            match check(collective, parameters, 40) {
                Ok(()) => String::new(),
                Err(error) => {
                    assert!(error.is_on_all_ranks());
                    error.to_string()
                }
            }
        })
    }

    #[test]
    fn equal_replicas_go_on() {
        assert_eq!(said(&[]), [""; 3]);
    }

    #[test]
    fn a_drifted_replica_is_named_with_its_first_differing_parameter_on_every_rank() {
        let (early, late) = ("lm_head.dense.weight", "roberta.embeddings.LayerNorm.bias");
        for rank in 0..3 {
            let expected = format!("step 40: the parameters of rank {rank} differ");
            for message in said(&[(rank, late), (rank, early)]) {
                assert!(
                    message.contains(&expected) && message.contains(early),
                    "{message}"
                );
            }
        }
    }
}
