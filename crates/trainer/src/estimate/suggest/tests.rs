use super::*;
use crate::estimate::{
    device::Accelerator,
    network::NETWORKS,
    report::tests::{on_64, recipe, v100},
    text_of_suggestions,
};

/// The V100 in whatever precision a run would choose on it.
struct V100s;

impl Devices for V100s {
    fn device(&self, plan: &TrainPlan, _: u64) -> Option<(Device, bool)> {
        let accelerator = Accelerator::find("v100-sxm2-32gb")?;
        Some((accelerator.device(&plan.config).ok()?, false))
    }
}

fn suggested(overrides: &[&str]) -> (TrainPlan, Vec<Suggestion>) {
    let plan = recipe("roberta-sec-base.toml", overrides);
    let device = v100(&plan);
    let found = suggest(&plan, &on_64(&device), &V100s);
    (plan, found)
}

fn with_key<'a>(found: &'a [Suggestion], key: &str) -> Option<&'a Suggestion> {
    found.iter().find(|one| one.set.contains_key(key))
}

#[test]
fn what_64_v100_lose_to_gradients_in_f32_is_told_and_is_what_the_other_plan_says() {
    let (_, found) = suggested(&[]);
    let said = with_key(&found, "parallel.reduce_dtype").unwrap();
    let planned = |overrides: &[&str]| {
        let plan = recipe("roberta-sec-base.toml", overrides);
        let device = v100(&plan);
        let estimate = Estimate::new(&plan, &on_64(&device));
        (estimate.ranges[0].hours, estimate.memory_bytes)
    };
    let (before, then) = (planned(&[]), planned(&["parallel.reduce_dtype='bf16'"]));
    assert!((said.hours - then.0).abs() < 1e-9 && (said.memory_bytes - then.1).abs() < 1.0);
    assert!(
        (said.hours_saved - (before.0 - then.0)).abs() < 1e-9 && said.share_saved > 0.1,
        "{said:?}"
    );
    // The copy that travels.
    assert!(said.memory_bytes_saved < 0.0);
    let text = text_of_suggestions(&found);
    assert!(text.contains("parallel.reduce_dtype = \"bf16\""), "{text}");
}

#[test]
fn a_switch_that_is_set_already_is_not_suggested() {
    let (_, found) = suggested(&["parallel.reduce_dtype='bf16'"]);
    assert!(with_key(&found, "parallel.reduce_dtype").is_none(), "{found:?}");
    assert!(with_key(&found, "parallel.overlap").is_none(), "{found:?}");
}

/// Every suggestion is one that the plan accepts and that fits, and its numbers are those of its plan.
#[test]
fn nothing_is_suggested_that_would_be_refused_or_does_not_fit() {
    for overrides in [
        &[][..],
        &["parallel.reduction='canonical'"],
        &["parallel.overlap=false"],
        &["parallel.backend='mpi'"],
        &["model.checkpoint_activations=true"],
        &["training.precision='f32'"],
        &["training.micro_batch_size=1"],
        &["training.micro_batch_size=16"],
        &["training.global_batch_size=8192", "training.micro_batch_size=128"],
        &["training.global_batch_size=1536", "training.micro_batch_size=24"],
    ] {
        let (plan, found) = suggested(overrides);
        for one in &found {
            let mut all: Vec<String> = overrides.iter().map(ToString::to_string).collect();
            all.extend(one.set.iter().map(|(key, value)| format!("{key}={value}")));
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            // Refused plans end the test here.
            let altered = recipe("roberta-sec-base.toml", &all);
            let device = v100(&altered);
            let estimate = Estimate::new(&altered, &on_64(&device));
            assert!(estimate.fits(&altered), "{overrides:?}: {one:?}");
            assert!(
                (estimate.ranges[0].hours - one.hours).abs() < 1e-9,
                "{overrides:?}: {one:?}"
            );
            assert!(
                one.share_saved >= WORTH_HOURS || one.memory_bytes_saved > 0.0,
                "{one:?}"
            );
        }
        if plan.config.parallel.reduction == Reduction::Canonical {
            assert!(
                with_key(&found, "parallel.reduce_dtype").is_none(),
                "refused with canonical sums"
            );
            assert!(with_key(&found, "parallel.reduction").is_some());
        }
    }
}

#[test]
fn keeping_activations_is_faster_and_computing_them_twice_is_smaller() {
    let (_, found) = suggested(&["model.checkpoint_activations=true"]);
    let kept = with_key(&found, "model.checkpoint_activations").unwrap();
    assert!(
        kept.set["model.checkpoint_activations"] == json!(false) && kept.share_saved > 0.05,
        "{kept:?}"
    );
    let (_, found) = suggested(&[]);
    let twice = with_key(&found, "model.checkpoint_activations").unwrap();
    assert!(
        twice.share_saved < 0.0 && twice.memory_bytes_saved > 1e9,
        "{twice:?}"
    );
}

#[test]
fn a_larger_micro_batch_hides_more_and_a_smaller_one_needs_less() {
    let (_, found) = suggested(&["training.micro_batch_size=4"]);
    let sizes: Vec<(u64, f64, f64)> = found
        .iter()
        .filter_map(|one| {
            Some((
                one.set.get("training.micro_batch_size")?.as_u64()?,
                one.share_saved,
                one.memory_bytes_saved,
            ))
        })
        .collect();
    assert!(
        sizes
            .iter()
            .any(|&(size, saved, _)| size > 4 && saved > WORTH_HOURS),
        "{found:?}"
    );
    for (size, _, saved) in sizes {
        assert_eq!(size < 4, saved > 0.0, "{found:?}");
    }
}

#[test]
fn a_run_that_does_not_fit_is_told_what_would() {
    let (plan, found) = suggested(&[
        "training.global_batch_size=65536",
        "training.micro_batch_size=1024",
    ]);
    let device = v100(&plan);
    assert!(!Estimate::new(&plan, &on_64(&device)).fits(&plan));
    assert!(
        with_key(&found, "training.micro_batch_size").is_some(),
        "{found:?}"
    );
}

#[test]
fn ranks_of_one_host_are_suggested_by_their_number_and_with_caution() {
    struct Ranks(f64);
    impl Devices for Ranks {
        fn device(&self, plan: &TrainPlan, num_devices: u64) -> Option<(Device, bool)> {
            let mut device = v100(plan);
            device.name = crate::estimate::device::CPU;
            let factor = if num_devices == 2 { self.0 } else { 1.0 };
            let rates = device.rates.iter().map(|&(rate, source)| (rate * factor, source));
            device.rates = rates.collect();
            Some((device, num_devices != 1))
        }
    }
    let mut plan = recipe("roberta-sec-base.toml", &["training.micro_batch_size=8"]);
    plan.world_size = 1;
    let (device, _) = Ranks(1.0).device(&plan, 1).unwrap();
    let asked = Asked {
        num_devices: 1,
        network: NETWORKS.iter().find(|network| network.is_one_host()).unwrap(),
        ..on_64(&device)
    };
    // Two ranks that each are 0.52 or 0.9 as fast as one.
    let faster = |factor| with_key(&suggest(&plan, &asked, &Ranks(factor)), "--devices").cloned();
    assert_eq!(faster(0.52), None);
    assert_eq!(faster(0.9).unwrap().set["--devices"], json!(2));
}
