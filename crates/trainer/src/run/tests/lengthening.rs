//! Runs that are resumed with more steps than they were planned for.

use super::*;

fn checkpoint_of(config: &RunConfig, step: u64) -> PathBuf {
    config.run.dir.join(format!("checkpoints/step-{step:08}"))
}

fn lengthened(config: &RunConfig, step: u64) -> Value {
    let trainer = std::fs::read(checkpoint_of(config, step).join("trainer.json")).unwrap();
    serde_json::from_slice::<Value>(&trainer).unwrap()["lineage"]["lengthened"].clone()
}

#[test]
fn a_run_that_is_lengthened_before_its_decay_is_bit_for_bit_the_longer_one() {
    let place = Place::new();
    for kind in ["constant", "wsd"] {
        let kind_key = format!("schedule.kind='{kind}'");
        let of =
            |name: &str, max_steps: &str| place.config(&format!("{name}-{kind}"), &[&kind_key, max_steps]);
        let whole = of("whole", "training.max_steps=14");
        run(2, &whole);
        let planned = of("parts", "training.max_steps=10");
        let stop = StopRequest::new();
        stop.ask(StopReason::StopAfter);
        for step in 1..=4 {
            assert_eq!(
                launch(2, &planned, Resume::Auto, &stop).unwrap(),
                stopped_at(step)
            );
        }
        let longer = of("parts", "training.max_steps=14");
        assert_eq!(
            launch(2, &longer, Resume::Auto, &StopRequest::new()).unwrap(),
            Finish::Done { step: 14 }
        );
        for file in ["model.safetensors", "optimizer.safetensors"] {
            let bytes = |config: &RunConfig| std::fs::read(checkpoint_of(config, 14).join(file)).unwrap();
            assert!(bytes(&whole) == bytes(&longer), "{kind} {file}");
        }
        assert_eq!(lengthened(&whole, 14), Value::Null);
        let expected = serde_json::json!([{ "after_step": 4, "from": 10, "to": 14 }]);
        assert_eq!(lengthened(&longer, 14), expected);
        let out = place.path(&format!("exported-{kind}"));
        export_run(&longer.run.dir, None, None, &out).unwrap();
        let card = std::fs::read_to_string(out.join("README.md")).unwrap();
        assert!(
            card.contains("lengthened after step 4 from 10 to 14 steps"),
            "{card}"
        );
    }
}

#[test]
fn a_finished_run_may_be_lengthened_and_then_no_more_be_shortened() {
    let place = Place::new();
    let of = |max_steps: u64| {
        let steps = format!("training.max_steps={max_steps}");
        place.config(
            "run",
            &["schedule.kind='wsd'", "schedule.decay_share=0.5", &steps],
        )
    };
    run(1, &of(10));
    assert_eq!(
        launch(1, &of(14), Resume::Auto, &StopRequest::new()).unwrap(),
        Finish::Done { step: 14 }
    );
    let expected = serde_json::json!([{ "after_step": 10, "from": 10, "to": 14 }]);
    assert_eq!(lengthened(&of(14), 14), expected);
    let rates = numbers(&place.steps("run"), "learning_rate");
    let planned = of(14).optimizer.learning_rate;
    assert!(rates[9] < 0.3 * planned && (rates[10] > rates[9]), "{rates:?}");
    let error = launch(1, &of(12), Resume::Auto, &StopRequest::new())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`training.max_steps`: 14 against 12") && error.contains("not lowered"),
        "{error}"
    );
}

#[test]
fn a_run_whose_schedule_knows_its_end_is_not_lengthened_and_says_which_may_be() {
    let place = Place::new();
    let config = place.config("run", &["training.max_steps=4"]);
    run(1, &config);
    for other in [
        &["training.max_steps=8"][..],
        &["training.max_steps=8", "schedule.kind='constant'"],
    ] {
        let other = place.config("run", other);
        let error = launch(1, &other, Resume::Auto, &StopRequest::new())
            .unwrap_err()
            .to_string();
        let key = match other.schedule.kind {
            crate::config::ScheduleKind::Linear => "may be lengthened",
            _ => "`schedule.kind`: \"linear\" against \"constant\"",
        };
        assert!(error.contains(key), "{error}");
    }
}
