//! What every rank computes by itself and multiplies its parameters with: the same bits on a processor
//! whose system library takes other code. glibc chooses its code by the processor's instructions, and can
//! be told to do without some (`GLIBC_TUNABLES`).

use std::{hint::black_box, process::Command};

use model::{Precision, RobertaForMaskedLm};
use tch::Device;
use torch_native::{AdamW, tensor_bytes};

use super::Value;
use crate::{
    config::{ScheduleKind, ScheduleSection, tests::tiny},
    step::schedule::Schedule,
};

/// How the child's answer begins.
const ANSWER: &str = "on this processor: ";
const STEPS: u64 = 20_000;

fn hash(numbers: impl Iterator<Item = f64>) -> String {
    let bytes: Vec<u8> = numbers.flat_map(f64::to_le_bytes).collect();
    durable::sha256_hex(&bytes)
}

fn initial_weights() -> String {
    let config = tiny(&[]).model.config;
    let mut model = RobertaForMaskedLm::new(&config, Precision::F64, Device::Cpu).unwrap();
    model.initialize(5).unwrap();
    durable::sha256_hex(&tensor_bytes(model.parameters().flat()).unwrap())
}

fn bias_corrections() -> String {
    let of = |step| {
        let adamw = AdamW {
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.98,
            epsilon: 1e-6,
            weight_decay: 0.01,
            step,
        };
        let (first, second) = adamw.bias_corrections();
        [first, second]
    };
    hash((1..=STEPS).flat_map(of))
}

fn learning_rates() -> String {
    let kinds = [
        (ScheduleKind::Cosine, None),
        (ScheduleKind::Wsd, None),
        (ScheduleKind::Polynomial, Some(0.7)),
    ];
    let rates = kinds.into_iter().flat_map(|(kind, power)| {
        let section = ScheduleSection {
            kind,
            power,
            warmup_steps: 7,
            ..ScheduleSection::default()
        };
        let schedule = Schedule::new(&tiny(&[]).optimizer, &section, STEPS);
        (0..STEPS).map(move |step| schedule.learning_rate(loader::Step(step)))
    });
    hash(rates)
}

fn of_the_system() -> String {
    let shares = (1..=STEPS).map(|step| black_box(step as f64 / STEPS as f64));
    hash(shares.flat_map(|share| [share.ln(), share.sin(), share.cos(), share.powf(0.7)]))
}

fn answer() -> Value {
    serde_json::json!({
        "initial weights": initial_weights(),
        "bias corrections": bias_corrections(),
        "learning rates": learning_rates(),
        "of the system": of_the_system(),
    })
}

#[test]
#[ignore = "the child process of the other test"]
fn a_process_without_fused_multiply_add() {
    println!("{ANSWER}{}", answer());
}

#[test]
fn weights_rates_and_bias_corrections_have_the_same_bits_on_a_processor_without_fused_multiply_add() {
    let name = "run::tests::unlike_processors::a_process_without_fused_multiply_add";
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture", name])
        .env("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-FMA,-FMA4,-AVX2")
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let line = stdout.lines().find_map(|line| line.split_once(ANSWER));
    let there: Value = serde_json::from_str(line.unwrap_or_else(|| panic!("{stdout}")).1).unwrap();
    let here = answer();
    for what in ["initial weights", "bias corrections", "learning rates"] {
        assert_eq!(here[what], there[what], "{what}");
    }
    if here["of the system"] == there["of the system"] {
        test_data::skip("this system's library has no other code for other processors");
    }
}
