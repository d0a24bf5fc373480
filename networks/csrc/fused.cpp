// libtorch operations on lists of tensors that tch does not bind.
// Every function returns nullptr, or a malloc'ed message for the caller to free: an exception
// must not cross into Rust.

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>
#include <torch/version.h>

#include <algorithm>
#include <cmath>
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

// In kernels.cpp.
template <class T>
struct Adam {
  T lr, beta1, beta2, eps, l2, keep;
};
void supple_adam_rows(float*, const float*, float*, float*, size_t, size_t, size_t,
                      const Adam<float>&, const float*, const float*, const float*, const float*);
void supple_adam_rows(double*, const double*, double*, double*, size_t, size_t, size_t,
                      const Adam<double>&, const double*, const double*, const double*,
                      const double*);
extern "C" void supple_columns_f32(const float*, size_t, size_t, const float*, float*, float*);
extern "C" float supple_squares_f32(const float*, size_t);
extern "C" double supple_squares_f64(const double*, size_t);
extern "C" void supple_scale_f32(float*, size_t, float);
extern "C" void supple_scale_f64(double*, size_t, double);
extern "C" void supple_columns_f64(const double*, size_t, size_t, const double*, double*, double*);

// Whoever keeps copies of a tensor sees by its version that it has changed; operations on raw memory must say so.
static void changed(const Tensors& tensors) {
  for (const at::Tensor& t : tensors) t.unsafeGetTensorImpl()->bump_version();
}

template <class T>
static std::vector<T> cast(const double* from, size_t n) {
  return std::vector<T>(from, from + n);
}

template <class T>
static void adam_by_age(at::Tensor& p, const at::Tensor& g, at::Tensor& m, at::Tensor& v,
                        const Adam<double>& h, size_t height, size_t width, const double* rows,
                        const double* columns) {
  Adam<T> narrow{(T)h.lr, (T)h.beta1, (T)h.beta2, (T)h.eps, (T)h.l2, (T)h.keep};
  auto r = cast<T>(rows, 2 * height), c = columns ? cast<T>(columns, 2 * width) : std::vector<T>();
  const T *c1 = columns ? c.data() : nullptr, *c2 = columns ? c.data() + width : nullptr;
  T *pp = p.data_ptr<T>(), *mm = m.data_ptr<T>(), *vv = v.data_ptr<T>();
  const T* gg = g.data_ptr<T>();
  // Elements are independent, so threads do not change the result. 2^15 as in libtorch's loops.
  at::parallel_for(0, height, std::max<size_t>(1, (1 << 15) / width), [&](size_t from, size_t to) {
    supple_adam_rows(pp, gg, mm, vv, from, to, width, narrow, r.data(), r.data() + height, c1, c2);
  });
}

template <class T, class F>
static void columns_by(F f, const at::Tensor& x, const double* centre, double* sum,
                       double* deviation) {
  size_t height = x.size(0), n = x.size(1);
  auto c = cast<T>(centre, n), s = std::vector<T>(n), d = std::vector<T>(n);
  f(x.data_ptr<T>(), height, n, c.data(), s.data(), d.data());
  std::copy(s.begin(), s.end(), sum);
  std::copy(d.begin(), d.end(), deviation);
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

// One Adam step of a matrix `[height, width]` whose elements restarted at different times. `rows` is
// the first bias correction of every row, then the second; `columns` likewise, or null. An element
// takes the larger of its row's and its column's: that of the younger.
char* supple_adam_by_age(at::Tensor* p, const at::Tensor* g, at::Tensor* m, at::Tensor* v, double lr,
                         double beta1, double beta2, double eps, double weight_decay, int decoupled,
                         size_t height, size_t width, const double* rows, const double* columns) {
  return guarded([&] {
    Adam<double> h{lr, beta1, beta2, eps, decoupled ? 0 : weight_decay,
                   decoupled ? 1 - lr * weight_decay : 1};
    auto step = p->scalar_type() == at::kDouble ? adam_by_age<double> : adam_by_age<float>;
    step(*p, *g, *m, *v, h, height, width, rows, columns);
    changed({*p});
  });
}

// Sums over the rows of x and of |x - centre|, for every column.
char* supple_columns(const at::Tensor* x, const double* centre, double* sum, double* deviation) {
  return guarded([&] {
    if (x->scalar_type() == at::kDouble)
      columns_by<double>(supple_columns_f64, *x, centre, sum, deviation);
    else
      columns_by<float>(supple_columns_f32, *x, centre, sum, deviation);
  });
}

// Scales all tensors by one factor, so that their joint 2-norm is `radius`.
char* supple_to_norm(at::Tensor* const* tensors, size_t n, double radius, double eps) {
  return guarded([&] {
    double squares = 0;
    for (size_t i = 0; i < n; ++i) {
      const at::Tensor& t = *tensors[i];
      squares += t.scalar_type() == at::kDouble ? supple_squares_f64(t.data_ptr<double>(), t.numel())
                                                : supple_squares_f32(t.data_ptr<float>(), t.numel());
    }
    double factor = radius / std::max(std::sqrt(squares), eps);
    for (size_t i = 0; i < n; ++i) {
      const at::Tensor& t = *tensors[i];
      if (t.scalar_type() == at::kDouble)
        supple_scale_f64(t.data_ptr<double>(), t.numel(), factor);
      else
        supple_scale_f32(t.data_ptr<float>(), t.numel(), (float)factor);
    }
    changed(list(tensors, n));
  });
}

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
