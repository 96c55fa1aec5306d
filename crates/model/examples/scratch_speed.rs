#![allow(warnings, clippy::all, clippy::pedantic)]
//! scratch
use model::*;
use std::time::Instant;
use tch::{Device, Kind, Tensor};
fn time(name: &str, n: usize, mut f: impl FnMut()) -> f64 {
    f();
    let mut best = f64::MAX;
    for _ in 0..n {
        let t = Instant::now();
        f();
        best = best.min(t.elapsed().as_secs_f64());
    }
    println!("{name}: {:.2} ms", best * 1e3);
    best
}
fn main() {
    println!("threads {}", torch_native::num_threads());
    let key = DropoutKey {
        seed: 1,
        step: 0,
        micro_batch: 0,
    };
    for kind in [Kind::Float, Kind::BFloat16] {
        let x = Tensor::ones([8, 12, 512, 512], (kind, Device::Cpu));
        let t = time(&format!("dropout 25M {kind:?}"), 5, || {
            let _ = torch_native::dropout(&x, 0.1, &key, 0).unwrap();
        });
        println!("  {:.3} ns/element", t * 1e9 / x.numel() as f64);
        let t = time("  copy of it", 5, || {
            let _ = x.copy();
        });
    }
    let n = 30_000_000i64;
    let b: Vec<Tensor> = (0..4)
        .map(|_| Tensor::ones([n], (Kind::Float, Device::Cpu)))
        .collect();
    let a = torch_native::AdamW {
        learning_rate: 1e-3,
        beta1: 0.9,
        beta2: 0.98,
        epsilon: 1e-6,
        weight_decay: 0.01,
        step: 3,
    };
    let t = time("adamw 30M", 5, || {
        torch_native::adamw_step(&b[0], &b[1], &b[2], &b[3], &a, &[0..1000, 5000..29_000_000]).unwrap()
    });
    println!("  {:.1} GB/s", n as f64 * 28.0 / t / 1e9);
    time("norm 30M", 5, || {
        torch_native::squared_norm(&b[0]).unwrap();
    });
    let mut args = std::env::args().skip(1);
    let base = args.next().as_deref() == Some("base");
    let config = RobertaConfig {
        vocab_size: 50265,
        hidden_size: if base { 768 } else { 256 },
        num_hidden_layers: if base { 12 } else { 4 },
        num_attention_heads: if base { 12 } else { 4 },
        intermediate_size: if base { 3072 } else { 1024 },
        max_position_embeddings: 514,
        ..RobertaConfig::from_json(r#"{"model_type":"roberta"}"#).unwrap()
    };
    let (bs, t_) = (8usize, 512usize);
    let c = 77;
    let ids: Vec<i64> = (0..bs * t_).map(|i| (i as i64 * 7919) % 50000 + 4).collect();
    let pos: Vec<i64> = (0..bs * c).map(|i| ((i / c) * t_ + (i % c) * 6) as i64).collect();
    let labels: Vec<i64> = (0..bs * c).map(|i| (i as i64 * 104729) % 50000).collect();
    let w = vec![1.0f32; bs * c];
    let lengths = vec![512u32; bs];
    let batch = BatchTensors::from_slices(
        &BatchSlices {
            sequences: bs,
            sequence_length: t_,
            input_ids: &ids,
            lengths: &lengths,
            masked_positions: &pos,
            labels: &labels,
            weights: &w,
        },
        &config,
        Device::Cpu,
    )
    .unwrap();
    for precision in [Precision::F32] {
        let mut m = RobertaForMaskedLm::new(&config, precision, Device::Cpu).unwrap();
        let t = Instant::now();
        m.initialize(1).unwrap();
        println!("initialize {:?}", t.elapsed());
        let reps = if base { 2 } else { 5 };
        for dropout in [None, Some(&key)] {
            let f = time(
                &format!("{precision:?} forward dropout {}", dropout.is_some()),
                reps,
                || {
                    let _ = tch::no_grad(|| m.loss_sum(&batch, dropout)).unwrap();
                },
            );
            let s = time(
                &format!("{precision:?} step dropout {}", dropout.is_some()),
                reps,
                || {
                    m.parameters().zero_grad().unwrap();
                    m.loss_sum(&batch, dropout).unwrap().backward();
                },
            );
            println!("  {:.0} tokens/s", (bs * t_) as f64 / s);
        }
    }
}
