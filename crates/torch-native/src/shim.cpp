// What tch cannot reach in libtorch: `.grad` of a leaf, hooks on it, the intra-op thread team, and
// autograd nodes whose backward is a Rust function. C ABI; every C++ exception ends as an
// error string that Rust frees with tenk_free, and no Rust panic comes in (the Rust side
// catches it and reports an error string instead).
#include "shim.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/variable.h>
#include <torch/version.h>

#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

// Consumes `state`. Fills `gradients` (one per input, owned by the caller, null: none).
// Returns null, or an error string made by tenk_error.
using BackwardFunction = char *(*)(void *state, const at::Tensor *gradient,
                                   at::Tensor **gradients, size_t num_inputs);
using DropFunction = void (*)(void *state);
using ReadyFunction = void (*)(const void *state);
using RangeFunction = void (*)(const void *state, int64_t begin, int64_t end);

struct RustNode : torch::autograd::Node {
  void *state = nullptr;
  BackwardFunction backward = nullptr;
  DropFunction drop = nullptr;
  size_t num_inputs = 0;

  ~RustNode() override { release_variables(); }

  void release_variables() override {
    if (state != nullptr) drop(state);
    state = nullptr;
  }

  std::string name() const override { return "RustNode"; }

  torch::autograd::variable_list apply(torch::autograd::variable_list &&incoming) override {
    torch::autograd::variable_list result(num_inputs);
    if (!incoming[0].defined()) return result;
    if (state == nullptr)
      throw std::runtime_error("backward ran twice through a node that frees what it saved");
    std::vector<at::Tensor *> gradients(num_inputs, nullptr);
    void *taken = state;
    state = nullptr;
    char *message = backward(taken, &incoming[0], gradients.data(), num_inputs);
    for (size_t index = 0; index < num_inputs; index++) {
      std::unique_ptr<at::Tensor> gradient(gradients[index]);
      if (gradient && message == nullptr) result[index] = std::move(*gradient);
    }
    if (message != nullptr) {
      std::string text(message);
      free(message);
      throw std::runtime_error(text);
    }
    return result;
  }
};

struct RustReadyHook : torch::autograd::PostAccumulateGradHook {
  void *state;
  ReadyFunction ready;
  DropFunction drop;

  RustReadyHook(void *state, ReadyFunction ready, DropFunction drop) : state(state), ready(ready), drop(drop) {}
  ~RustReadyHook() override { drop(state); }
  void operator()(const torch::autograd::Variable &) override { ready(state); }
};

}  // namespace

extern "C" {

char *tenk_error(const char *message) { return copy_message(message); }

void tenk_free(char *message) { free(message); }

const char *tenk_libtorch_version() { return TORCH_VERSION; }

char *tenk_preset_grad(const at::Tensor *leaf, const at::Tensor *gradient) {
  return guarded([&] {
    TORCH_CHECK(leaf->is_leaf() && leaf->requires_grad(), "the tensor is not a leaf that requires a gradient");
    TORCH_CHECK(leaf->sizes() == gradient->sizes() && leaf->scalar_type() == gradient->scalar_type() &&
                    leaf->device() == gradient->device(),
                "the gradient's shape, kind or device is not the leaf's");
    leaf->mutable_grad() = *gradient;
  });
}

// Owns `state` from the call on, whatever it returns.
char *tenk_on_gradient_ready(const at::Tensor *leaf, ReadyFunction ready, DropFunction drop, void *state) {
  return guarded([&] {
    auto hook = std::make_unique<RustReadyHook>(state, ready, drop);
    TORCH_CHECK(leaf->is_leaf() && leaf->requires_grad(), "the tensor is not a leaf that requires a gradient");
    torch::autograd::impl::set_post_acc_grad_hooks(*leaf, std::move(hook));
  });
}

// The backward pass of `output`, whose gradient is `gradient`; also from within another one.
char *tenk_backward(const at::Tensor *output, const at::Tensor *gradient) {
  return guarded([&] { torch::autograd::backward({*output}, {*gradient}); });
}

// Runs `range` over [0, count) on libtorch's own threads, so that kernels in Rust neither
// add a second pool nor compete with libtorch's waiting threads.
char *tenk_parallel_for(int64_t count, int64_t grain, RangeFunction range, const void *state) {
  return guarded([&] {
    at::parallel_for(0, count, grain, [&](int64_t begin, int64_t end) { range(state, begin, end); });
  });
}

// Makes `output` the result of a node with these inputs. *attached = 0 (and `state` stays
// the caller's) when no gradient is being recorded.
char *tenk_attach_node(const at::Tensor *output, const at::Tensor *const *inputs, size_t num_inputs,
                       BackwardFunction backward, DropFunction drop, void *state, int *attached) {
  *attached = 0;
  return guarded([&] {
    torch::autograd::variable_list variables;
    for (size_t index = 0; index < num_inputs; index++) variables.push_back(*inputs[index]);
    if (!torch::autograd::compute_requires_grad(variables)) return;
    std::shared_ptr<RustNode> node(new RustNode(), torch::autograd::deleteNode);
    node->set_next_edges(torch::autograd::collect_next_edges(variables));
    node->num_inputs = num_inputs;
    torch::autograd::set_history(*output, node);
    node->backward = backward;
    node->drop = drop;
    node->state = state;
    *attached = 1;
  });
}

}  // extern "C"
