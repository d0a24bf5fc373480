// Loops over raw memory that libtorch has no operation for. No libtorch headers here, so that the
// file can be optimised hard and still compile at once.

#include <cmath>
#include <cstddef>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDE
#endif

template <class T>
struct Adam {
  T lr, beta1, beta2, eps, l2, keep;
};

// One row. `c1`, `c2` are the bias corrections of the row; those of columns may be larger.
template <class T>
static inline __attribute__((always_inline)) void row(T* __restrict__ p,
                                                      const T* __restrict__ g,
                                                      T* __restrict__ m, T* __restrict__ v,
                                                      size_t n, const Adam<T> h, T c1, T c2,
                                                      const T* __restrict__ columns1,
                                                      const T* __restrict__ columns2) {
  for (size_t i = 0; i < n; ++i) {
    T grad = g[i] + h.l2 * p[i];
    T first = h.beta1 * m[i] + (1 - h.beta1) * grad;
    T second = h.beta2 * v[i] + (1 - h.beta2) * grad * grad;
    T f1 = c1, f2 = c2;
    if (columns1) {
      f1 = columns1[i] > f1 ? columns1[i] : f1;
      f2 = columns2[i] > f2 ? columns2[i] : f2;
    }
    m[i] = first;
    v[i] = second;
    p[i] = h.keep * p[i] - h.lr * f1 * first / (std::sqrt(second) * f2 + h.eps);
  }
}

template <class T>
static inline __attribute__((always_inline)) void rows(T* p, const T* g, T* m, T* v, size_t from,
                                                       size_t to, size_t n, const Adam<T>& h,
                                                       const T* rows1, const T* rows2,
                                                       const T* columns1, const T* columns2) {
  for (size_t r = from; r < to; ++r) {
    size_t at = r * n;
    if (columns1)
      row(p + at, g + at, m + at, v + at, n, h, rows1[r], rows2[r], columns1, columns2);
    else
      row<T>(p + at, g + at, m + at, v + at, n, h, rows1[r], rows2[r], nullptr, nullptr);
  }
}

WIDE void supple_adam_rows(float* p, const float* g, float* m, float* v, size_t from, size_t to,
                           size_t n, const Adam<float>& h, const float* rows1, const float* rows2,
                           const float* columns1, const float* columns2) {
  rows(p, g, m, v, from, to, n, h, rows1, rows2, columns1, columns2);
}

WIDE void supple_adam_rows(double* p, const double* g, double* m, double* v, size_t from, size_t to,
                           size_t n, const Adam<double>& h, const double* rows1,
                           const double* rows2, const double* columns1, const double* columns2) {
  rows(p, g, m, v, from, to, n, h, rows1, rows2, columns1, columns2);
}

// Adds to `sum` and `deviation` the columns of x and of |x - centre|.
template <class T>
static inline __attribute__((always_inline)) void columns(const T* __restrict__ x,
                                                          size_t height, size_t n,
                                                          const T* __restrict__ centre,
                                                          T* __restrict__ sum,
                                                          T* __restrict__ deviation) {
  for (size_t r = 0; r < height; ++r, x += n)
    for (size_t i = 0; i < n; ++i) {
      sum[i] += x[i];
      deviation[i] += std::abs(x[i] - centre[i]);
    }
}

// Sum of squares, in lanes so that the compiler may keep them in one register.
template <class T>
static inline __attribute__((always_inline)) T squares(const T* x, size_t n) {
  T lanes[16] = {}, rest = 0;
  size_t i = 0;
  for (; i + 16 <= n; i += 16)
    for (size_t l = 0; l < 16; ++l) lanes[l] += x[i + l] * x[i + l];
  for (; i < n; ++i) rest += x[i] * x[i];
  for (T lane : lanes) rest += lane;
  return rest;
}

template <class T>
static inline __attribute__((always_inline)) void scale(T* x, size_t n, T factor) {
  for (size_t i = 0; i < n; ++i) x[i] *= factor;
}

extern "C" {

WIDE float supple_squares_f32(const float* x, size_t n) { return squares(x, n); }
WIDE double supple_squares_f64(const double* x, size_t n) { return squares(x, n); }
WIDE void supple_scale_f32(float* x, size_t n, float factor) { scale(x, n, factor); }
WIDE void supple_scale_f64(double* x, size_t n, double factor) { scale(x, n, factor); }

WIDE void supple_columns_f32(const float* x, size_t height, size_t n, const float* centre,
                             float* sum, float* deviation) {
  columns(x, height, n, centre, sum, deviation);
}

WIDE void supple_columns_f64(const double* x, size_t height, size_t n, const double* centre,
                             double* sum, double* deviation) {
  columns(x, height, n, centre, sum, deviation);
}
}
