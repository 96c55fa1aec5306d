//! Activation checkpointing (Chen et al. 2016, arXiv 1604.06174): a part of the model is computed
//! without keeping what its backward pass needs, and computed again in the backward pass.
//!
//! Both computations are the same to the last bit where every kernel is deterministic, as on the CPU, and
//! on a GPU after [`crate::use_deterministic_algorithms`]; the bits of dropout are a function of their
//! key everywhere.

use std::fmt::Display;

use tch::Tensor;

use crate::TorchError;
use crate::autograd::{attach_backward, backward_from};

/// `forward(input)`, keeping `input` alone for the backward pass, in which `forward` runs a second
/// time. It has to be a function of `input` and of leaves: their gradients are those of the plain
/// call, bit for bit where the kernels are deterministic.
///
/// # Errors
/// Those of `forward`; where it fails the second time, the backward pass fails with its text.
pub fn recomputed<E: From<TorchError> + Display>(
    input: &Tensor,
    forward: impl Fn(&Tensor) -> Result<Tensor, E> + Send + 'static,
) -> Result<Tensor, E> {
    let output = tch::no_grad(|| forward(input))?;
    let kept = input.f_detach().map_err(TorchError::from)?;
    let backward = move |gradient: &Tensor| {
        let input = kept.f_set_requires_grad(true)?;
        let output = tch::with_grad(|| forward(&input)).map_err(|error| TorchError::Recomputation {
            message: error.to_string(),
        })?;
        backward_from(&output, gradient)?;
        Ok(vec![Some(input.f_grad()?)])
    };
    Ok(attach_backward(output, &[input], backward)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    fn leaf(values: &[f32]) -> Tensor {
        Tensor::from_slice(values).set_requires_grad(true)
    }

    #[test]
    fn gradients_of_input_and_leaves_are_those_of_the_plain_call() {
        let values = |tensor: &Tensor| Vec::<f32>::try_from(tensor).unwrap();
        let mut gradients = Vec::new();
        for recompute in [false, true] {
            let (input, weight) = (leaf(&[1.0, -2.0, 3.0]), leaf(&[0.5, 0.25, -1.5]));
            let shared = weight.shallow_clone();
            let forward = move |x: &Tensor| Ok::<_, TorchError>((x * &shared).f_tanh()? + x);
            let scaled = &input * 2.0;
            let output = if recompute {
                recomputed(&scaled, forward).unwrap()
            } else {
                forward(&scaled).unwrap()
            };
            (output * Tensor::from_slice(&[1.0f32, 10.0, 100.0]))
                .sum(Kind::Float)
                .backward();
            gradients.push((values(&input.grad()), values(&weight.grad())));
        }
        assert_eq!(gradients[0], gradients[1]);
    }

    #[test]
    fn an_error_of_the_second_computation_is_the_error_of_the_backward_pass() {
        let input = leaf(&[1.0]);
        let calls = std::sync::atomic::AtomicUsize::new(0);
        let forward = move |x: &Tensor| {
            if calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 {
                return Ok(x * 2.0);
            }
            Err(TorchError::UnsupportedKind {
                operation: "the second time",
                kind: Kind::Float,
            })
        };
        let output = recomputed(&input, forward).unwrap();
        let error = output.sum(Kind::Float).f_backward().unwrap_err().to_string();
        assert!(error.contains("the second time"), "{error}");
    }

    #[test]
    fn nothing_is_kept_where_no_gradient_is_recorded() {
        let input = Tensor::zeros([2], (Kind::Float, Device::Cpu));
        let forward = |x: &Tensor| Ok::<_, TorchError>(x + 1.0);
        assert!(!recomputed(&input, forward).unwrap().requires_grad());
        let input = leaf(&[1.0]);
        assert!(
            !tch::no_grad(|| recomputed(&input, forward))
                .unwrap()
                .requires_grad()
        );
    }
}
