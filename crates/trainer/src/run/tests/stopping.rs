//! Runs that are asked to stop.

use super::*;

fn last_exit(place: &Place) -> Value {
    let path = place.path("run").join("last_exit.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_run_stops_with_a_checkpoint_when_its_time_is_over_and_goes_on_after() {
    let place = Place::new();
    let short = place.config("run", &["run.stop_after='1ns'"]);
    for step in [1, 2] {
        let finish = launch(2, &short, Resume::Auto, &StopRequest::new()).unwrap();
        assert_eq!(finish, stopped_at(step));
        let exit = last_exit(&place);
        assert_eq!(
            (&exit["status"], &exit["step"]),
            (&"stopped".into(), &step.into())
        );
        assert!(
            exit["reason"].as_str().unwrap().contains("run.stop_after"),
            "{exit}"
        );
    }
    let long = place.config("run", &["run.stop_after='11h50m'"]);
    let finish = launch(2, &long, Resume::Auto, &StopRequest::new()).unwrap();
    assert_eq!(finish, Finish::Done { step: 10 });
}

#[test]
fn one_rank_that_is_asked_stops_all_of_them() {
    let place = Place::new();
    let config = place.config("run", &[]);
    let finish = on_ranks(2, |collective| {
        let stop = StopRequest::new();
        if collective.rank().0 == 1 {
            stop.ask(StopReason::Signal(15));
        }
        train_run(config.clone(), collective, Resume::Never, &stop, &LogFile::none())
    });
    assert!(matches!(finish.unwrap(), Finish::Stopped { step: 1, .. }));
    assert!(
        last_exit(&place)["reason"]
            .as_str()
            .unwrap()
            .ends_with("SIGTERM, at rank 1")
    );
}
