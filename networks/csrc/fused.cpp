// libtorch operations on lists of tensors that tch does not bind.
// Every function returns nullptr, or a malloc'ed message for the caller to free: an exception
// must not cross into Rust.

#include <ATen/core/Tensor.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>
#include <torch/version.h>

#include <cstring>
#include <malloc.h>
#include <string>
#include <vector>

using Tensors = std::vector<at::Tensor>;

static Tensors list(at::Tensor* const* pointers, size_t n) {
  Tensors out;
  out.reserve(n);
  for (size_t i = 0; i < n; ++i) out.push_back(*pointers[i]);
  return out;
}

// Whoever keeps copies of a tensor sees by its version that it has changed; operations on raw memory must say so.
static void changed(const Tensors& tensors) {
  for (const at::Tensor& t : tensors) t.unsafeGetTensorImpl()->bump_version();
}

template <class F>
static char* guarded(F f) {
  try {
    f();
    return nullptr;
  } catch (const std::exception& e) {
    return strdup(e.what());
  } catch (...) {
    return strdup("unknown C++ exception");
  }
}

extern "C" {

// One Adam (decoupled = 0) or AdamW (1) step. `step` already counts this step.
char* supple_fused_adam(at::Tensor* const* params, at::Tensor* const* grads,
                        at::Tensor* const* exp_avg, at::Tensor* const* exp_avg_sq,
                        const at::Tensor* step, size_t n, double lr, double beta1, double beta2,
                        double eps, double weight_decay, int decoupled) {
  return guarded([&] {
    Tensors p = list(params, n), g = list(grads, n), m = list(exp_avg, n), v = list(exp_avg_sq, n);
    Tensors steps(n, *step);
    if (decoupled)
      at::_fused_adamw_(p, g, m, v, {}, steps, lr, beta1, beta2, weight_decay, eps, false, false);
    else
      at::_fused_adam_(p, g, m, v, {}, steps, lr, beta1, beta2, weight_decay, eps, false, false);
    changed(p);
  });
}

// Counts a change of tensors that were written to in place, by somebody whom libtorch did not see.
void supple_changed(at::Tensor* const* tensors, size_t n) { changed(list(tensors, n)); }

// targets[i] <- targets[i] + weight * (sources[i] - targets[i])
char* supple_foreach_lerp(at::Tensor* const* targets, at::Tensor* const* sources, size_t n,
                          double weight) {
  return guarded([&] { at::_foreach_lerp_(list(targets, n), list(sources, n), weight); });
}

// The 2-norm over all elements of all tensors, as a new scalar tensor owned by the caller.
char* supple_global_norm(at::Tensor* const* tensors, size_t n, at::Tensor** out) {
  return guarded([&] {
    auto norms = at::_foreach_norm(list(tensors, n), 2);
    *out = new at::Tensor(at::linalg_vector_norm(at::stack(norms), 2));
  });
}

// Every row of every matrix divided by max(its 2-norm, eps), in place.
char* supple_unit_rows(at::Tensor* const* matrices, size_t n, double eps) {
  return guarded([&] {
    for (at::Tensor& w : list(matrices, n))
      w.div_(at::linalg_vector_norm(w, 2, {1}, /*keepdim=*/true).clamp_min_(eps));
  });
}

const char* supple_torch_version() { return TORCH_VERSION; }

// glibc gives blocks of 128 KiB and more back to the system on every free, and takes fresh zeroed
// pages for the next tensor: a third of a small network's update. Keep them instead.
void supple_keep_freed_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the most glibc accepts; larger blocks stay mapped apart
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_TOP_PAD, 16 << 20);
#endif
}
}
