//! fp16 with a scaled loss. No CPU is fast in it, so the plan refuses it there; its steps are the
//! same ones.

use loader::Step;
use model::Precision;

use super::*;
use crate::{
    run::{
        data::DataFiles,
        folder::{
            lineage,
            saved_state::{self, Progress, Restored},
        },
        session::Session,
    },
    step::{loss_scale::LossScale, ready::ReadyStep, record::StepRecord, train_step},
};

/// Steps of a run in a precision, from a scale of the loss or the run's own, and the weights after each of
/// them.
fn steps(
    config: &RunConfig,
    collective: &mut dyn Collective,
    (precision, scale): (Precision, Option<f64>),
    num_steps: u64,
) -> Vec<(StepRecord, Vec<f32>)> {
    let asked = serde_json::json!({ "test": "half precision" });
    let session = Session::start(config.clone(), collective, DataFiles::OnlyRead, &asked).unwrap();
    let mut learner = session.learner(precision).unwrap();
    lineage::initialize(&mut learner, &session, collective).unwrap();
    if let (Some(loss_scale), Some(scale)) = (&mut learner.loss_scale, scale) {
        *loss_scale = LossScale { scale, ..*loss_scale };
    }
    let place = (collective.rank().0, collective.world_size());
    let step = |step| {
        let batches = session.loader.step_batches(Step(step), place.0, place.1).unwrap();
        let ready = ReadyStep::new(
            batches,
            &*learner.objective,
            learner.model.config(),
            session.device,
        )
        .unwrap();
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
    let (single, half) = (run((Precision::F32, None)), run((Precision::Fp16, Some(1024.0))));
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
            steps(&config, collective, (Precision::Fp16, Some(scale)), 20)
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

/// A batch in so many micro-batches.
fn cut(place: &Place, micro_batches: u64, micro_batch_size: u64) -> RunConfig {
    let batch = format!("training.global_batch_size={}", micro_batches * micro_batch_size);
    let micro_batch = format!("training.micro_batch_size={micro_batch_size}");
    place.config("cut", &[&batch, &micro_batch, "training.max_steps=30"])
}

/// Others scale the mean loss of a micro-batch by 65,536, and so should begin here whatever the step has
/// more. The masked tokens of micro-batches differ by a fourth at most.
#[test]
fn the_first_scale_is_65536_for_each_micro_batch_of_a_step_at_any_number_of_ranks() {
    let place = Place::new();
    for (micro_batches, micro_batch_size, factor) in [
        (1, 16, 1.0),
        (2, 8, 2.0),
        (3, 4, 4.0),
        (16, 4, 16.0),
        (128, 1, 128.0),
    ] {
        let config = cut(&place, micro_batches, micro_batch_size);
        for world_size in [1, 2]
            .into_iter()
            .filter(|&world| u64::from(world) <= micro_batches)
        {
            if micro_batches % u64::from(world_size) != 0 {
                continue;
            }
            let run =
                |collective: &mut dyn Collective| steps(&config, collective, (Precision::Fp16, None), 1);
            let (record, _) = on_ranks(world_size, run).remove(0);
            let scale = record.loss_scale.unwrap();
            assert!(
                (scale - 65_536.0 * factor).abs() < 0.5,
                "{micro_batches}: {scale}"
            );
            let of_a_micro_batch = record.num_losses as f64 / micro_batches as f64;
            let seen = scale / record.num_losses as f64 * of_a_micro_batch;
            assert!(
                (65_536.0..2.0 * 65_536.0).contains(&seen),
                "{micro_batches}: {seen}"
            );
        }
    }
}

#[test]
fn a_first_scale_that_is_too_high_costs_a_few_skipped_steps_and_the_run_learns() {
    let place = Place::new();
    for (micro_batches, micro_batch_size) in [(1, 16), (2, 8), (128, 1)] {
        let config = cut(&place, micro_batches, micro_batch_size);
        let run = |precision| on_ranks(1, |collective| steps(&config, collective, (precision, None), 30));
        let (single, half) = (run(Precision::F32), run(Precision::Fp16));
        let skipped = half.iter().filter(|(record, _)| record.skipped_update).count();
        // Each halves the scale: 2^6 is the room between a mean over the step and one of a token.
        assert!(skipped <= 8, "{micro_batches}: {skipped}");
        let (last, expected) = (&half[29].0, &single[29].0);
        assert!(!last.skipped_update && last.loss.is_finite(), "{last:?}");
        assert!(
            last.loss < half[0].0.loss - 0.5 && (last.loss - expected.loss).abs() < 0.1 * expected.loss,
            "{micro_batches}: {} against {} in f32, {skipped} skipped",
            last.loss,
            expected.loss
        );
    }
}

#[test]
fn a_run_that_goes_on_keeps_its_scale_with_another_micro_batch_too() {
    let place = Place::new();
    let found = on_ranks(1, |collective| {
        let asked = serde_json::json!({ "test": "scale" });
        let mut start = |config| Session::start(config, collective, DataFiles::OnlyRead, &asked).unwrap();
        let (session, other) = (start(cut(&place, 2, 8)), start(cut(&place, 16, 1)));
        let mut learner = session.learner(Precision::Fp16).unwrap();
        let lineage = lineage::initialize(&mut learner, &session, collective).unwrap();
        let saved = LossScale {
            scale: 512.0,
            good_steps: 17,
            skipped_updates: 8,
        };
        learner.loss_scale = Some(saved);
        let progress = Progress {
            step: 25,
            ..Progress::default()
        };
        let folder = place.path("scale");
        saved_state::save(&folder, &session, &learner, (progress, &lineage)).unwrap();
        let restored = Restored::latest(collective, &folder).unwrap().unwrap();
        let mut learner = other.learner(Precision::Fp16).unwrap();
        restored.load_into(&mut learner, false).unwrap();
        (saved, learner.loss_scale.unwrap())
    });
    assert_eq!(found.0, found.1);
}
