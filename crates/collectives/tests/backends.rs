//! The common properties on the backends that need one process.

mod properties;

use std::time::Duration;

use collectives::{Collective, Single, Threads};
use proptest::prelude::*;

#[test]
fn one_rank_has_the_common_properties() {
    properties::check_all(&mut Single::new());
}

#[test]
fn ranks_in_threads_have_the_common_properties() {
    for world_size in [1, 2, 3, 4, 7] {
        std::thread::scope(|scope| {
            for mut rank in Threads::world(world_size, Duration::from_mins(1)) {
                scope.spawn(move || properties::check_all(&mut rank));
            }
        });
    }
}

#[test]
fn a_single_rank_that_aborted_stays_unusable() {
    let mut single = Single::new();
    single.abort("no more");
    assert!(single.barrier().unwrap_err().to_string().contains("no more"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn sums_do_not_depend_on_which_rank_brings_a_value(values in prop::collection::vec(any::<u32>(), 1..40), world_size in 1_u32..5) {
        let share = |rank: u32| -> Vec<u64> {
            let mine = |index: usize| index % world_size as usize == rank as usize;
            values.iter().enumerate().map(|(index, value)| if mine(index) { u64::from(*value) } else { 0 }).collect()
        };
        let expected: Vec<u64> = values.iter().map(|value| u64::from(*value)).collect();
        std::thread::scope(|scope| {
            for (mut rank, mut own) in Threads::world(world_size, Duration::from_mins(1)).into_iter().zip((0..world_size).map(share)) {
                let expected = &expected;
                scope.spawn(move || {
                    rank.all_reduce_sum_u64(&mut own).unwrap();
                    assert_eq!(own, *expected);
                });
            }
        });
    }
}
