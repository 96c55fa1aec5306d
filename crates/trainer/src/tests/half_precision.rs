//! fp16 with a scaled loss. No CPU is fast in it, so the plan refuses it there; its steps are the
//! same ones.

use loader::Step;
use model::Precision;

use super::*;
use crate::{
    Session,
    data::DataFiles,
    lineage,
    loss_scale::LossScale,
    ready::ReadyStep,
    step::{StepRecord, train_step},
};

/// Steps of a run in a precision, from a scale of the loss, and the weights after each of them.
fn steps(
    config: &RunConfig,
    collective: &mut dyn Collective,
    (precision, scale): (Precision, f64),
    num_steps: u64,
) -> Vec<(StepRecord, Vec<f32>)> {
    let asked = serde_json::json!({ "test": "half precision" });
    let session = Session::start(config.clone(), collective, DataFiles::OnlyRead, &asked).unwrap();
    let mut learner = session.learner(precision).unwrap();
    lineage::initialize(&mut learner, &session, collective).unwrap();
    if let Some(loss_scale) = &mut learner.loss_scale {
        *loss_scale = LossScale { scale, ..*loss_scale };
    }
    let place = (collective.rank().0, collective.world_size());
    let step = |step| {
        let batches = session.loader.step_batches(Step(step), place.0, place.1).unwrap();
        let ready = ReadyStep::new(batches, learner.model.config(), session.device).unwrap();
        let record = train_step(&mut learner, collective, &ready, &StopRequest::new()).unwrap();
        let weights = Vec::try_from(&learner.model.parameters().flat().detach()).unwrap();
        (record, weights)
    };
    (0..num_steps).map(step).collect()
}

#[test]
fn fp16_learns_what_f32_learns_at_any_scale_of_the_loss() {
    let place = Place::new();
    let config = place.config("half", &[]);
    let run = |precision| on_ranks(1, |collective| steps(&config, collective, precision, 8));
    let (single, half) = (run((Precision::F32, 1.0)), run((Precision::Fp16, 1024.0)));
    for ((expected, _), (found, _)) in single.iter().zip(&half) {
        assert_eq!(found.digest, expected.digest);
        assert!(!found.skipped_update && found.loss_scale == Some(1024.0));
        // fp16 keeps 11 bits: 2^-11 an operation, some ten operations deep.
        assert!(
            (found.loss - expected.loss).abs() < 0.01 * expected.loss,
            "{found:?}"
        );
        assert!(
            (found.grad_norm - expected.grad_norm).abs() < 0.05 * expected.grad_norm,
            "{found:?}"
        );
    }
    assert!(half[7].0.loss < half[0].0.loss - 0.5);
}

#[test]
fn an_overflow_of_fp16_is_skipped_by_all_ranks_and_halves_the_scale() {
    let place = Place::new();
    let config = place.config("overflow", &["schedule.warmup_steps=0", "training.max_steps=30"]);
    let scale = 2f64.powi(24);
    let run = |world| {
        on_ranks(world, |collective| {
            steps(&config, collective, (Precision::Fp16, scale), 20)
        })
    };
    let (one, two) = (run(1), run(2));
    let skipped = |steps: &[(StepRecord, Vec<f32>)]| -> Vec<bool> {
        steps.iter().map(|(record, _)| record.skipped_update).collect()
    };
    assert_eq!(skipped(&one), skipped(&two));
    let num_skipped = skipped(&two).iter().take_while(|&&skipped| skipped).count();
    assert!((1..16).contains(&num_skipped), "{num_skipped}");
    for (index, pair) in two.windows(2).enumerate() {
        let [(before, weights_before), (after, weights_after)] = pair else {
            unreachable!()
        };
        assert_eq!(
            weights_before == weights_after,
            after.skipped_update,
            "step {}",
            index + 2
        );
        let expected = before
            .loss_scale
            .map(|scale| if before.skipped_update { scale / 2.0 } else { scale });
        assert_eq!(after.loss_scale, expected);
    }
    let (record, weights) = &two[19];
    assert!(
        record.loss.is_finite()
            && record.grad_norm.is_finite()
            && weights.iter().all(|weight| weight.is_finite())
    );
}
